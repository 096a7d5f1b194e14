//! Flushes that gateways request, one after another.

use acpw_metric::Now;
use acpw_shared_state::{FLUSH_SETTLE, FlushDone, FlushNumber};

use crate::{Buffer, Publisher, otlp::Exporter};

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
    pub fn poll(
        &mut self,
        publisher: &mut Publisher,
        buffer: &mut Buffer,
        exporter: &mut Option<Exporter>,
        now: Now,
    ) -> Option<FlushNumber> {
        let is_held_up = publisher.is_flush_held_up(buffer, now)
            || exporter.as_ref().is_some_and(|exporter| exporter.is_flush_held_up(now));
        match self.current {
            None if self.requested > self.done => {
                self.start(publisher, buffer, exporter, now);
                None
            }
            Some(number) if self.requested > number && is_held_up => {
                self.start(publisher, buffer, exporter, now);
                None
            }
            // The publisher ends its flush when it reports the end, so it is asked last.
            Some(number)
                if exporter.as_ref().is_none_or(Exporter::is_flushed) && publisher.is_flushed(buffer, now) =>
            {
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

/// Creates the answer to a flush after which `held` values are held.
pub fn done(FlushNumber(id): FlushNumber, held: u64) -> FlushDone {
    FlushDone { id, held }
}
