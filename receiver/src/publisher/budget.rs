//! Bounds the work per tick.

use std::time::Duration;

/// The number of bytes to encode and compress per interval. That is a few milliseconds of work, after which Envoy's
/// main thread has at least as much time for everything else.
const BYTES: usize = 64 * 1024;
const INTERVAL: Duration = Duration::from_millis(15);

#[derive(Debug, Default)]
pub(super) struct Budget {
    refilled: Option<Duration>,
    /// The number of bytes that may be encoded and compressed until the next refill.
    pub(super) left: usize,
}

impl Budget {
    /// Refills the budget if the interval has passed, by the steady clock.
    pub(super) fn refill(&mut self, now: Duration) {
        if self.refilled.is_none_or(|last| now.saturating_sub(last) >= INTERVAL) {
            *self = Self { refilled: Some(now), left: BYTES };
        }
    }
}
