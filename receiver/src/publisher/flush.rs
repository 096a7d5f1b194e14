//! Publishing all that is held, at once.

use std::time::Duration;

use acpw_metric::Now;

use super::Publisher;
use crate::{Buffer, lane::Lane};

/// A flush under way.
#[derive(Debug)]
pub(super) struct Flush {
    /// When, by the steady clock, senders have had the time to hand over what they observed before the request.
    settled: Duration,
    /// Whether that time has passed. Data that are received later are not part of the flush, so that steady traffic cannot
    /// keep it from ending.
    is_gathered: bool,
}

impl Flush {
    /// Returns whether data that are pending now are part of the flush.
    pub(super) fn gathers(&mut self, now: Duration) -> bool {
        let gathers = !self.is_gathered;
        self.is_gathered = now >= self.settled;
        gathers
    }
}

impl Publisher {
    /// Publishes everything as soon as possible, from now until [`is_flushed`](Self::is_flushed) returns true. `settle` is the
    /// time that senders have to hand over what they have observed.
    ///
    /// Whoever requests a flush can see that it fails, so each lane that waits after a failure may try once.
    pub fn flush(&mut self, settle: Duration, buffer: &mut Buffer, now: Now) {
        self.backoff.try_now();
        buffer.lanes_mut().iter_mut().for_each(Lane::try_now);
        self.flush = Some(Flush { settled: now.steady.saturating_add(settle), is_gathered: false });
    }

    /// Returns whether a flush has ended: senders have had their time, and nothing is held but data that came later.
    pub fn is_flushed(&mut self, buffer: &Buffer, now: Now) -> bool {
        let is_late = self.flush.as_ref().is_some_and(|flush| flush.is_gathered || now.steady >= flush.settled);
        let is_gathered = self.flush.as_ref().is_some_and(|flush| flush.is_gathered) || !buffer.has_pending();
        let is_out = !buffer.has_due() && self.in_flight.is_empty();
        let is_flushed = is_late && is_gathered && is_out;
        if is_flushed {
            self.flush = None;
        }
        is_flushed
    }

    /// Returns whether all that a flush still has to publish is held back by trouble, with its lanes or with CloudWatch as a
    /// whole. A flush that is requested now does not wait for that.
    pub fn is_flush_held_up(&self, buffer: &Buffer, now: Now) -> bool {
        let is_gathered = self.flush.as_ref().is_some_and(|flush| flush.is_gathered);
        let is_backing_off = self.in_flight.is_empty() && !self.backoff.allows(now.steady, 0);
        is_gathered && buffer.has_due() && (is_backing_off || !buffer.lanes().has_open_data())
    }
}
