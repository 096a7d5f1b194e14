//! A TCP relay whose target is set later.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

/// Listens on a free port and forwards connections to a target that is set later, such as Envoy's admin interface,
/// whose port is not known before Envoy runs. Until then, it closes connections.
#[derive(Debug)]
pub struct TcpRelay {
    address: SocketAddr,
    target: Arc<OnceLock<SocketAddr>>,
}

impl TcpRelay {
    /// Starts a relay.
    ///
    /// # Panics
    /// Panics if there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let target = Arc::new(OnceLock::<SocketAddr>::new());
        let shared = Arc::clone(&target);
        tokio::spawn(async move {
            while let Ok((mut downstream, _)) = listener.accept().await {
                let Some(target) = shared.get().copied() else { continue };
                tokio::spawn(async move {
                    let mut upstream = TcpStream::connect(target).await?;
                    copy_bidirectional(&mut downstream, &mut upstream).await
                });
            }
        });
        Self { address, target }
    }

    /// Returns the address of the relay.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the target.
    ///
    /// # Panics
    /// Panics if the target is already set.
    pub fn set_target(&self, address: SocketAddr) {
        self.target.set(address).expect("the target is set once");
    }
}
