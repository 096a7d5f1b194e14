//! Sends requests at a steady rate.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::{ClientRequest, Connection};

/// The connections of the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionMode {
    /// One connection for each client.
    KeepAlive,
    /// A new connection for each request, for an Envoy that closes the connections of removed listeners.
    PerRequest,
}

/// The number of clients.
const CLIENTS: u64 = 4;

/// Clients that send requests at a steady rate until [`stop`](Self::stop) is called or this is dropped.
#[derive(Debug)]
pub struct SteadyLoad {
    is_stopped: Arc<AtomicBool>,
    clients: JoinSet<()>,
    sent: Arc<AtomicU64>,
}

impl SteadyLoad {
    /// Starts four clients that together send `per_second` requests a second. `request` creates the request with a
    /// number, starting at 0. Every response must be 200.
    pub fn start(
        address: SocketAddr,
        per_second: u64,
        mode: ConnectionMode,
        request: impl Fn(u64) -> ClientRequest + Send + Sync + 'static,
    ) -> Self {
        let (is_stopped, sent, request) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::new(request));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (is_stopped, sent, request) = (Arc::clone(&is_stopped), Arc::clone(&sent), Arc::clone(&request));
            clients.spawn(async move {
                let mut pace = interval(Duration::from_secs(CLIENTS) / u32::try_from(per_second).expect("a rate"));
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut connection = Connection::new(address);
                while !is_stopped.load(Ordering::SeqCst) {
                    pace.tick().await;
                    let number = sent.fetch_add(1, Ordering::SeqCst);
                    if mode == ConnectionMode::PerRequest {
                        connection = Connection::new(address);
                    }
                    let response = connection.send(&request(number)).await.expect("a response");
                    assert_eq!(response.status, 200, "request {number}");
                }
            });
        }
        Self { is_stopped, clients, sent }
    }

    /// Stops the clients and returns the number of requests that they sent.
    ///
    /// # Panics
    /// Panics if a response was not 200.
    pub async fn stop(self) -> u64 {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.clients.join_all().await;
        self.sent.load(Ordering::SeqCst)
    }
}
