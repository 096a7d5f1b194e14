//! A way to an address that becomes known later.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

/// Listens on a free port and hands every connection on, once it is known to whom: Envoy's administration interface, whose
/// port nobody knows before Envoy runs. Until then it closes them.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    to: Arc<OnceLock<SocketAddr>>,
}

impl Relay {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let to = Arc::new(OnceLock::<SocketAddr>::new());
        let known = Arc::clone(&to);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let Some(to) = known.get().copied() else { continue };
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(to).await?;
                    copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        Self { address, to }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells it where connections go.
    ///
    /// # Panics
    /// When it knows already.
    pub fn lead_to(&self, address: SocketAddr) {
        self.to.set(address).expect("it is told once");
    }
}
