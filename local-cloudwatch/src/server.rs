//! The handle of a running server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Mutex, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::call::{Call, SeriesTotal};
use crate::connection;
use crate::issuer::CredentialCall;
use crate::key::Key;
use crate::router::router;
use crate::rule::{Action, Failure, When};
use crate::state::Shared;
use crate::terminal::Terminal;

/// The access key and the secret of the pair that is known unless others are given.
pub const DEFAULT_KEY: (&str, &str) = ("local", "local");

/// How long the listener rests after it could not accept, for instance for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 picks a free one. By default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// The only region that signatures may be scoped to; any when it is `None`, the default.
    pub region: Option<String>,
    /// The key pairs that may sign; by default only [`DEFAULT_KEY`].
    pub keys: Vec<Key>,
    /// Whether to print nothing about calls. True by default.
    pub is_quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            region: None,
            keys: vec![Key::new(DEFAULT_KEY.0, DEFAULT_KEY.1)],
            is_quiet: true,
        }
    }
}

/// A CloudWatch that runs on the current tokio runtime until it is shut down or dropped.
///
/// Orders ([`fail_next`](Self::fail_next), [`drop_next`](Self::drop_next)) concern PutMetricData calls whose signature
/// is good; each is carried out once per call, in the order they were given.
#[derive(Debug)]
pub struct LocalCloudWatch {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Mutex<Option<Listening>>,
}

#[derive(Debug)]
struct Listening {
    /// Its end ends the task.
    _stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl LocalCloudWatch {
    /// Starts a server.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(options: Options) -> io::Result<Self> {
        let terminal = if options.is_quiet { Terminal::Silent } else { Terminal::Shown };
        let shared = Arc::new(Shared::new(options.keys, options.region, terminal));
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let listening = Mutex::new(Some(Listening::new(listener, Arc::clone(&shared))));
        Ok(Self { address, shared, listening })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint: `http://ADDRESS`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is stored in a namespace, by series.
    pub fn totals(&self, namespace: &str) -> Vec<SeriesTotal> {
        let state = self.shared.lock();
        let series = state.store.iter().filter(|(id, _)| id.metric.namespace == namespace);
        series.map(|(id, series)| SeriesTotal::of(id, series)).collect()
    }

    /// The calls of the API by arrival: at most the latest 50,000, refused, dropped and reading ones included.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.iter().cloned().collect()
    }

    /// Orders that the next `calls` PutMetricData calls store nothing and get `failure`.
    pub fn fail_next(&self, calls: usize, failure: Failure) {
        self.shared.lock().rules.push(calls, Action::Fail(failure));
    }

    /// Orders that the connections of the next `calls` PutMetricData calls are reset without an answer.
    pub fn drop_next(&self, calls: usize, when: When) {
        self.shared.lock().rules.push(calls, Action::Drop(when));
    }

    /// Lets every answer of the API, from now on, come so much later than the call was carried out.
    pub fn delay(&self, delay: Duration) {
        self.shared.lock().delay = delay;
    }

    /// Sets the server's clock so many milliseconds ahead of the machine's, or behind it, replacing the former shift.
    pub fn shift_clock(&self, millis: i64) {
        self.shared.clock.shift(millis);
    }

    /// Replaces the key pairs that may sign.
    pub fn set_keys(&self, keys: Vec<Key>) {
        self.shared.lock().keys = keys;
    }

    /// Lets credentials that are handed out from now on live for so long; an hour by default.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.shared.lock().issuer.lifetime = lifetime;
    }

    /// Orders that the next `calls` calls for credentials get `status`, wherever they are made.
    pub fn fail_next_credentials(&self, calls: usize, status: u16) {
        self.shared.lock().issuer.fail_next(calls, status);
    }

    /// The tokens by which pods and web identities are known; at the start there is one.
    pub fn identity_tokens(&self) -> Vec<String> {
        self.shared.lock().issuer.identity_tokens.clone()
    }

    /// Replaces the tokens by which pods and web identities are known.
    pub fn set_identity_tokens(&self, tokens: Vec<String>) {
        self.shared.lock().issuer.identity_tokens = tokens;
    }

    /// The calls for credentials, by arrival: at most the latest 10,000.
    pub fn credential_calls(&self) -> Vec<CredentialCall> {
        self.shared.lock().issuer.calls().cloned().collect()
    }

    /// Forgets data, calls, orders, delay and the clock's shift, and knows the keys of the start again.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Plays an outage: closes the listener and all connections, so that connecting is refused. Returns when that is so.
    pub async fn pause(&self) {
        if let Some(listening) = self.listening.lock().await.take() {
            listening.stop().await;
        }
    }

    /// Listens again, on the same address. Does nothing unless paused.
    ///
    /// # Errors
    /// When the address cannot be listened on, for instance because another program took it meanwhile.
    pub async fn resume(&self) -> io::Result<()> {
        let mut listening = self.listening.lock().await;
        if listening.is_none() {
            let listener = TcpListener::bind(self.address).await?;
            *listening = Some(Listening::new(listener, Arc::clone(&self.shared)));
        }
        Ok(())
    }

    /// Closes the listener and all connections at once.
    pub async fn shutdown(self) {
        self.pause().await;
    }
}

impl Listening {
    fn new(listener: TcpListener, shared: Arc<Shared>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { _stop: stop, task: tokio::spawn(listen(listener, shared, stopped)) }
    }

    async fn stop(self) {
        drop(self._stop);
        // The task has no result; that it panicked would have been seen by its clients.
        let _ = self.task.await;
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let router = router(shared);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection::serve(stream, router.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            },
            Some(_) = connections.join_next() => {}
            _ = &mut stopped => break,
        }
    }
    drop(listener);
    connections.shutdown().await;
}
