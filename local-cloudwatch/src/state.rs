//! Everything the server knows, behind one lock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::call::CallLog;
use crate::clock::Clock;
use crate::issuer::{Endpoint, Issued, Issuer};
use crate::key::Key;
use crate::rule::Rules;
use crate::store::Store;
use crate::terminal::Terminal;

/// What connections, the handle of the library and the page share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) region: Option<String>,
    pub(crate) terminal: Terminal,
    first_keys: Vec<Key>,
    state: Mutex<State>,
}

/// What calls change.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) calls: CallLog,
    pub(crate) rules: Rules,
    pub(crate) delay: Duration,
    pub(crate) keys: Vec<Key>,
    pub(crate) issuer: Issuer,
}

impl Shared {
    pub(crate) fn new(keys: Vec<Key>, region: Option<String>, terminal: Terminal) -> Self {
        let state = Mutex::new(State::new(keys.clone()));
        Self { clock: Clock::default(), region, terminal, first_keys: keys, state }
    }

    /// The state. A panic of another holder leaves nothing half done that matters here, so poison is ignored.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out a set of credentials, and remembers that.
    pub(crate) fn issue(&self, endpoint: Endpoint) -> Issued {
        let State { keys, issuer, .. } = &mut *self.lock();
        let issued = issuer.issue(keys, self.clock.now());
        issuer.remember(endpoint, 200, issued.key.access_key_id());
        issued
    }

    /// Everything as it was at the start: no data, calls, orders, delay or shift, and the first keys.
    pub(crate) fn reset(&self) {
        *self.lock() = State::new(self.first_keys.clone());
        self.clock.shift(0);
    }
}

impl State {
    fn new(keys: Vec<Key>) -> Self {
        Self {
            store: Store::default(),
            calls: CallLog::default(),
            rules: Rules::default(),
            delay: Duration::ZERO,
            keys,
            issuer: Issuer::default(),
        }
    }
}
