//! Flushes that gateways request, one after another.

use acpw_metric::Now;
use acpw_shared_state::{FLUSH_SETTLE, FlushDone, FlushNumber};

use crate::{Buffer, Publisher};

/// Follows the number of flushes that were requested.
#[derive(Debug, Default)]
pub struct Flushes {
    requested: FlushNumber,
    done: FlushNumber,
    current: Option<FlushNumber>,
}

impl Flushes {
    /// Sets the number of flushes that were requested so far.
    pub fn set_requested(&mut self, requested: FlushNumber) {
        self.requested = requested;
    }

    /// Starts a flush if one was requested and none is under way. Returns whether one has ended; it covers all requests that
    /// were there when it started, and later ones wait for the next.
    pub fn poll(&mut self, publisher: &mut Publisher, buffer: &mut Buffer, now: Now) -> Option<FlushNumber> {
        match self.current {
            None if self.requested > self.done => {
                publisher.flush(FLUSH_SETTLE, buffer, now);
                self.current = Some(self.requested);
                None
            }
            Some(number) if self.requested > number && publisher.is_flush_held_up(buffer, now) => {
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

/// Creates the answer to a flush after which `held` values are held.
pub fn done(FlushNumber(id): FlushNumber, held: u64) -> FlushDone {
    FlushDone { id, held }
}
