//! Requests at a steady pace.

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

use crate::{Connection, Request};

/// Whether clients keep their connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// Every client has one.
    Kept,
    /// Every request has one of its own, for an Envoy that closes those of listeners that go.
    Fresh,
}

/// How many clients ask.
const CLIENTS: u64 = 4;

/// Clients that ask at a steady pace until they are told to stop, or until this is dropped.
#[derive(Debug)]
pub struct SteadyLoad {
    is_stopped: Arc<AtomicBool>,
    clients: JoinSet<()>,
    sent: Arc<AtomicU64>,
}

impl SteadyLoad {
    /// Starts four clients that send so many requests a second together, numbered from 0. All must get 200.
    pub fn start(
        address: SocketAddr,
        per_second: u64,
        connections: Connections,
        request: impl Fn(u64) -> Request + Send + Sync + 'static,
    ) -> Self {
        let (is_stopped, sent, request) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::new(request));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (is_stopped, sent, request) = (Arc::clone(&is_stopped), Arc::clone(&sent), Arc::clone(&request));
            clients.spawn(async move {
                let mut pace = interval(Duration::from_secs(CLIENTS) / u32::try_from(per_second).expect("a pace"));
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut connection = Connection::new(address);
                while !is_stopped.load(Ordering::SeqCst) {
                    pace.tick().await;
                    let number = sent.fetch_add(1, Ordering::SeqCst);
                    if connections == Connections::Fresh {
                        connection = Connection::new(address);
                    }
                    let answer = connection.send(&request(number)).await.expect("an answer");
                    assert_eq!(answer.status, 200, "request {number}");
                }
            });
        }
        Self { is_stopped, clients, sent }
    }

    /// Stops the clients; gives how many requests they have sent, and all were answered.
    ///
    /// # Panics
    /// When one was not answered with 200.
    pub async fn stop(self) -> u64 {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.clients.join_all().await;
        self.sent.load(Ordering::SeqCst)
    }
}
