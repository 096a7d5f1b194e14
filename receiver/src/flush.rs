//! Runs the flushes that gateways request, one at a time.

use acpw_metric::Now;
use acpw_shared_state::{FLUSH_SETTLE, FlushDone, FlushNumber};

use crate::{Buffer, Publisher, otlp::Exporter};

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

    /// Starts a flush if one is requested and none is running, or if failures block the running one. Returns the number
    /// of a flush that has ended, for both services. It covers all requests made before its start; later ones wait for
    /// the next flush.
    pub fn poll(
        &mut self,
        publisher: &mut Publisher,
        buffer: &mut Buffer,
        exporter: &mut Option<Exporter>,
        now: Now,
    ) -> Option<FlushNumber> {
        let is_blocked = publisher.is_flush_blocked(buffer, now)
            || exporter.as_ref().is_some_and(|exporter| exporter.is_flush_blocked(now));
        match self.current {
            None if self.requested > self.done => {
                self.start(publisher, buffer, exporter, now);
                None
            }
            Some(number) if self.requested > number && is_blocked => {
                self.start(publisher, buffer, exporter, now);
                None
            }
            // The publisher ends its flush when it reports the end, so it is asked last.
            Some(number) if exporter.as_ref().is_none_or(Exporter::is_flushed) && publisher.is_flushed(buffer, now) => {
                if let Some(exporter) = exporter {
                    exporter.end_flush();
                }
                self.current = None;
                self.done = number;
                Some(number)
            }
            _ => None,
        }
    }

    fn start(&mut self, publisher: &mut Publisher, buffer: &mut Buffer, exporter: &mut Option<Exporter>, now: Now) {
        publisher.flush(FLUSH_SETTLE, buffer, now);
        if let Some(exporter) = exporter {
            exporter.flush(FLUSH_SETTLE, now);
        }
        self.current = Some(self.requested);
    }
}

/// Creates the result of a flush after which `held` values are held.
pub fn flush_done(FlushNumber(id): FlushNumber, held: u64) -> FlushDone {
    FlushDone { id, held }
}
