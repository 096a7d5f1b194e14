//! Publishing all that is held, at once.

use std::time::Duration;

use acpw_metric::Now;

use super::Publisher;
use crate::lane::Lane;

/// A flush under way.
#[derive(Debug)]
pub(super) struct Flush {
    /// Until when, by the steady clock, it waits for what senders have not handed over yet.
    settled: Duration,
    /// Whether they have had that time: what is received from now on is not part of it, so that steady traffic does not
    /// keep it from coming to its end.
    is_gathered: bool,
}

impl Flush {
    /// Whether what is pending now is part of it.
    pub(super) fn gathers(&mut self, now: Duration) -> bool {
        let gathers = !self.is_gathered;
        self.is_gathered = now >= self.settled;
        gathers
    }
}

impl Publisher {
    /// Publishes everything as soon as it is there, from now until [`is_flushed`](Self::is_flushed). `settle` is how long
    /// senders may take to hand over what they have observed.
    ///
    /// Whoever asks for a flush is there to see that it fails: each lane that waits after a failure may try once.
    pub fn flush(&mut self, settle: Duration, now: Now) {
        self.backoff.try_now();
        self.buffer.lanes_mut().iter_mut().for_each(Lane::try_now);
        self.flush = Some(Flush { settled: now.steady.saturating_add(settle), is_gathered: false });
    }

    /// Whether a flush has come to its end: senders have had their time, and nothing is held but what came after that.
    pub fn is_flushed(&mut self, now: Now) -> bool {
        let is_late = self.flush.as_ref().is_some_and(|flush| flush.is_gathered || now.steady >= flush.settled);
        let is_gathered = self.flush.as_ref().is_some_and(|flush| flush.is_gathered) || !self.buffer.has_pending();
        let is_out = !self.buffer.has_due() && self.in_flight.is_empty();
        let is_flushed = is_late && is_gathered && is_out;
        if is_flushed {
            self.flush = None;
        }
        is_flushed
    }

    /// Returns whether all that a flush still has to publish is held apart because of trouble. What is asked for from now on
    /// does not wait for that.
    pub fn is_flush_held_up(&self) -> bool {
        let is_gathered = self.flush.as_ref().is_some_and(|flush| flush.is_gathered);
        is_gathered && self.buffer.has_due() && !self.buffer.has_open_data()
    }
}
