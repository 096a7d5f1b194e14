//! Publishes all held data as soon as possible.

use std::time::Duration;

use acpw_metric::Now;

use super::Publisher;
use crate::{Buffer, lane::Lane};

/// A running flush.
#[derive(Debug)]
pub(super) struct Flush {
    /// The time, by the steady clock, by which senders have handed over the data that they observed before the request.
    senders_done: Duration,
    /// True if that time has passed and all data was released then. Later data is not part of the flush, so that steady
    /// traffic cannot prevent its end.
    has_released_all: bool,
}

impl Flush {
    /// Returns true if the data that is pending now is part of the flush.
    pub(super) fn should_release(&mut self, now: Duration) -> bool {
        let should_release = !self.has_released_all;
        self.has_released_all = now >= self.senders_done;
        should_release
    }
}

impl Publisher {
    /// Publishes everything as soon as possible, from now until [`is_flushed`](Self::is_flushed) returns true. `settle`
    /// is the time for senders to hand over the data that they have observed.
    ///
    /// Each lane that is backing off may retry once, because the client that requested the flush waits for it.
    pub fn flush(&mut self, settle: Duration, buffer: &mut Buffer, now: Now) {
        self.backoff.retry_now();
        buffer.lanes_mut().iter_mut().for_each(Lane::retry_now);
        self.flush = Some(Flush { senders_done: now.steady.saturating_add(settle), has_released_all: false });
    }

    /// Returns true if the flush has ended: the time of the senders has passed, and only later data is held.
    pub fn is_flushed(&mut self, buffer: &Buffer, now: Now) -> bool {
        let are_senders_done =
            self.flush.as_ref().is_some_and(|flush| flush.has_released_all || now.steady >= flush.senders_done);
        let has_released_all = self.flush.as_ref().is_some_and(|flush| flush.has_released_all) || !buffer.has_pending();
        let is_sent = !buffer.has_due() && self.in_flight.is_empty();
        let is_flushed = are_senders_done && has_released_all && is_sent;
        if is_flushed {
            self.flush = None;
        }
        is_flushed
    }

    /// Returns true if all remaining data of the flush belongs to failing lanes, or the publisher as a whole is backing
    /// off. A new flush does not wait for that.
    pub fn is_flush_blocked(&self, buffer: &Buffer, now: Now) -> bool {
        let has_released_all = self.flush.as_ref().is_some_and(|flush| flush.has_released_all);
        let is_backing_off = self.in_flight.is_empty() && !self.backoff.allows(now.steady, 0);
        has_released_all && buffer.has_due() && (is_backing_off || !buffer.lanes().has_data_in_healthy_lanes())
    }
}
