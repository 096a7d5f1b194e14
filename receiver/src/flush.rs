//! Runs the flushes that gateways request, one at a time.

use acpw_metric::Now;
use acpw_shared_state::{FLUSH_SETTLE, FlushDone, FlushNumber};

use crate::{Buffer, Publisher};

/// The numbers of requested, finished and running flushes.
#[derive(Debug, Default)]
pub struct FlushTracker {
    requested: FlushNumber,
    done: FlushNumber,
    current: Option<FlushNumber>,
}

impl FlushTracker {
    /// Sets the number of flushes requested so far.
    pub fn set_requested(&mut self, requested: FlushNumber) {
        self.requested = requested;
    }

    /// Starts a flush if one is requested and none is running, or if failing lanes block the running one. Returns the
    /// number of a flush that has ended. It covers all requests made before its start; later ones wait for the next
    /// flush.
    pub fn poll(&mut self, publisher: &mut Publisher, buffer: &mut Buffer, now: Now) -> Option<FlushNumber> {
        match self.current {
            None if self.requested > self.done => {
                publisher.flush(FLUSH_SETTLE, buffer, now);
                self.current = Some(self.requested);
                None
            }
            Some(number) if self.requested > number && publisher.is_flush_blocked(buffer, now) => {
                publisher.flush(FLUSH_SETTLE, buffer, now);
                self.current = Some(self.requested);
                None
            }
            Some(number) if publisher.is_flushed(buffer, now) => {
                self.current = None;
                self.done = number;
                Some(number)
            }
            _ => None,
        }
    }
}

/// Creates the result of a flush after which `held` values are held.
pub fn flush_done(FlushNumber(id): FlushNumber, held: u64) -> FlushDone {
    FlushDone { id, held }
}
