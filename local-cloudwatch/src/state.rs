//! The state of the server, behind one lock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::access_key::AccessKey;
use crate::call::CallLog;
use crate::clock::ShiftableClock;
use crate::fault::FaultQueue;
use crate::issuer::{CredentialEndpoint, CredentialIssuer, TemporaryCredentials};
use crate::options::ServerOptions;
use crate::otlp::access::OtlpAccess;
use crate::otlp::limits::OtlpLimits;
use crate::otlp::store::OtlpStore;
use crate::store::MetricStore;
use crate::terminal::Terminal;

/// Shared by all connections and the `LocalCloudWatch` handle.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: ShiftableClock,
    pub(crate) region: Option<String>,
    pub(crate) terminal: Terminal,
    pub(crate) otlp_access: OtlpAccess,
    pub(crate) otlp_limits: OtlpLimits,
    initial_keys: Vec<AccessKey>,
    state: Mutex<ServerState>,
}

/// The mutable state.
#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) store: MetricStore,
    pub(crate) otlp: OtlpStore,
    pub(crate) calls: CallLog,
    pub(crate) faults: FaultQueue,
    pub(crate) delay: Duration,
    pub(crate) keys: Vec<AccessKey>,
    pub(crate) issuer: CredentialIssuer,
}

impl Shared {
    pub(crate) fn new(options: ServerOptions, terminal: Terminal) -> Self {
        let ServerOptions { keys, region, otlp_access, otlp_limits, .. } = options;
        let state = Mutex::new(ServerState::new(keys.clone()));
        let clock = ShiftableClock::default();
        Self { clock, region, terminal, otlp_access, otlp_limits, initial_keys: keys, state }
    }

    /// Locks the state. Ignores poisoning, because no caller leaves the state inconsistent when it panics.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Issues a set of credentials and records the call.
    pub(crate) fn issue(&self, endpoint: CredentialEndpoint) -> TemporaryCredentials {
        let ServerState { keys, issuer, .. } = &mut *self.lock();
        let issued = issuer.issue(keys, self.clock.now());
        issuer.record(endpoint, 200, issued.key.access_key_id());
        issued
    }

    /// Restores the initial state: no data, calls, faults, delay or clock shift, and the initial keys.
    pub(crate) fn reset(&self) {
        *self.lock() = ServerState::new(self.initial_keys.clone());
        self.clock.shift(0);
    }
}

impl ServerState {
    fn new(keys: Vec<AccessKey>) -> Self {
        Self {
            store: MetricStore::default(),
            otlp: OtlpStore::default(),
            calls: CallLog::default(),
            faults: FaultQueue::default(),
            delay: Duration::ZERO,
            keys,
            issuer: CredentialIssuer::default(),
        }
    }
}
