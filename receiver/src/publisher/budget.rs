//! How much is done at once.

use std::time::Duration;

/// So many bytes are encoded and compressed within so much time: a few milliseconds of work, and then as much time at
/// least for everything else that Envoy's main thread does.
const BYTES: usize = 64 * 1024;
const INTERVAL: Duration = Duration::from_millis(15);

#[derive(Debug, Default)]
pub(crate) struct Budget {
    refilled: Option<Duration>,
    /// How many bytes may be encoded and compressed until it is refilled.
    pub(crate) left: usize,
}

impl Budget {
    /// Fills it again when it is time, by the steady clock.
    pub(crate) fn refill(&mut self, now: Duration) {
        if self.refilled.is_none_or(|last| now.saturating_sub(last) >= INTERVAL) {
            *self = Self { refilled: Some(now), left: BYTES };
        }
    }
}
