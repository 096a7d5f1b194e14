//! Flushes of the exporter.

use std::time::Duration;

use acpw_metric::Now;

use super::exporter::{ExportFlush, Exporter};

impl Exporter {
    /// Publishes everything as soon as possible, until [`is_flushed`](Self::is_flushed) returns true. `settle` is the
    /// time within which senders pass on what they have observed.
    pub fn flush(&mut self, settle: Duration, now: Now) {
        self.backoff.retry_now();
        self.flush = Some(ExportFlush { settled: now.steady.saturating_add(settle), is_gathered: false });
    }

    /// Returns whether a flush has ended, so that only later data are held. True if no flush is under way.
    pub fn is_flushed(&self) -> bool {
        self.flush.is_none_or(|flush| flush.is_gathered)
            && !self.held.has_due()
            && !self.queue.has_waiting()
            && self.queue.in_flight() == 0
    }

    /// Ends a flush.
    pub fn end_flush(&mut self) {
        self.flush = None;
    }

    /// Returns whether all that a flush still has to publish waits after a failure.
    pub fn is_flush_blocked(&self, now: Now) -> bool {
        let is_gathered = self.flush.is_some_and(|flush| flush.is_gathered);
        let is_backing_off = self.queue.in_flight() == 0 && !self.backoff.allows(now.steady, 0);
        is_gathered && (self.held.has_due() || self.queue.has_waiting()) && is_backing_off
    }
}
