//! The handle of a running server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Mutex, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::access_key::AccessKey;
use crate::call::ApiCall;
use crate::connection;
use crate::fault::{DropPoint, Failure, Fault, WriteOperation};
use crate::issuer::CredentialCall;
use crate::options::ServerOptions;
use crate::otlp::total::OtlpSeriesTotal;
use crate::router::router;
use crate::state::Shared;
use crate::terminal::Terminal;
use crate::total::SeriesTotal;

/// Pause after a failed accept, for example when file descriptors are exhausted.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// A CloudWatch server that runs on the current tokio runtime until it is shut down or dropped.
///
/// Injected faults ([`fail_next`](Self::fail_next), [`drop_next`](Self::drop_next)) apply to calls of PutMetricData and
/// to OTLP requests, both with a valid signature, one fault per call, in the order of injection.
#[derive(Debug)]
pub struct LocalCloudWatch {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Mutex<Option<Listening>>,
}

#[derive(Debug)]
struct Listening {
    /// Stops the task when dropped.
    _stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl LocalCloudWatch {
    /// Starts a server.
    ///
    /// # Errors
    /// Fails if it cannot listen on the address.
    pub async fn start(options: ServerOptions) -> io::Result<Self> {
        let terminal = if options.is_quiet { Terminal::Silent } else { Terminal::Shown };
        let listen = options.listen;
        let shared = Arc::new(Shared::new(options, terminal));
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let listening = Mutex::new(Some(Listening::new(listener, Arc::clone(&shared))));
        Ok(Self { address, shared, listening })
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the endpoint, `http://ADDRESS`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the stored totals of each series in a namespace.
    pub fn totals(&self, namespace: &str) -> Vec<SeriesTotal> {
        let state = self.shared.lock();
        let series = state.store.iter().filter(|(id, _)| id.metric.namespace == namespace);
        series.map(|(id, series)| SeriesTotal::new(id, series)).collect()
    }

    /// Returns the stored totals of all OTLP series.
    pub fn otlp_totals(&self) -> Vec<OtlpSeriesTotal> {
        self.shared.lock().otlp.iter().map(|(id, series)| OtlpSeriesTotal::new(id, series)).collect()
    }

    /// Returns the latest 50,000 API calls in order of arrival, including failed calls, dropped calls and
    /// queries. Queries in PromQL are not recorded.
    pub fn calls(&self) -> Vec<ApiCall> {
        self.shared.lock().calls.iter().cloned().collect()
    }

    /// Makes the next `calls` PutMetricData or OTLP calls store nothing and return `failure`.
    pub fn fail_next(&self, calls: usize, failure: Failure) {
        self.shared.lock().faults.push(calls, Fault::Fail(failure));
    }

    /// Resets the connections of the next `calls` PutMetricData or OTLP calls without a response.
    pub fn drop_next(&self, calls: usize, point: DropPoint) {
        self.shared.lock().faults.push(calls, Fault::Drop { point, operation: None });
    }

    /// Resets the connections of the next `calls` calls of one operation without a response. `usize::MAX` calls are an
    /// outage of that operation, until [`clear_faults`](Self::clear_faults) ends it.
    pub fn drop_next_of(&self, operation: WriteOperation, calls: usize, point: DropPoint) {
        self.shared.lock().faults.push(calls, Fault::Drop { point, operation: Some(operation) });
    }

    /// Discards the injected faults that have not been used up.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Delays every API response from now on. Calls are still executed on arrival.
    pub fn delay(&self, delay: Duration) {
        self.shared.lock().delay = delay;
    }

    /// Sets the server's clock `millis` ahead of the host's (behind it if negative), replacing the previous shift.
    pub fn shift_clock(&self, millis: i64) {
        self.shared.clock.shift(millis);
    }

    /// Replaces the accepted access keys.
    pub fn set_keys(&self, keys: Vec<AccessKey>) {
        self.shared.lock().keys = keys;
    }

    /// Sets the lifetime of credentials issued from now on; one hour by default.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.shared.lock().issuer.lifetime = lifetime;
    }

    /// Makes the next `calls` calls to any credential endpoint fail with `status`.
    pub fn fail_next_credentials(&self, calls: usize, status: u16) {
        self.shared.lock().issuer.fail_next(calls, status);
    }

    /// Returns the accepted tokens of pods and web identities; initially there is one.
    pub fn identity_tokens(&self) -> Vec<String> {
        self.shared.lock().issuer.identity_tokens.clone()
    }

    /// Replaces the accepted tokens of pods and web identities.
    pub fn set_identity_tokens(&self, tokens: Vec<String>) {
        self.shared.lock().issuer.identity_tokens = tokens;
    }

    /// Returns the latest 10,000 calls to credential endpoints, in order of arrival.
    pub fn credential_calls(&self) -> Vec<CredentialCall> {
        self.shared.lock().issuer.calls().cloned().collect()
    }

    /// Restores the initial state: discards data, calls, faults, delay and clock shift, and restores the initial keys.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Simulates an outage: closes the listener and all connections, and returns once new connections are refused.
    pub async fn pause(&self) {
        if let Some(listening) = self.listening.lock().await.take() {
            listening.stop().await;
        }
    }

    /// Listens again on the same address. Does nothing unless paused.
    ///
    /// # Errors
    /// Fails if it cannot listen on the address, for example because another program uses it now.
    pub async fn resume(&self) -> io::Result<()> {
        let mut listening = self.listening.lock().await;
        if listening.is_none() {
            let listener = TcpListener::bind(self.address).await?;
            *listening = Some(Listening::new(listener, Arc::clone(&self.shared)));
        }
        Ok(())
    }

    /// Closes the listener and all connections immediately.
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
        // The task returns nothing, and its clients would have noticed a panic.
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
