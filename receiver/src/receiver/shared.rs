//! The state that gateways read in shared data, and operators in Envoy's statistics.

use acpw_metric::Now;
use acpw_shared_state::{FLUSH_DONE_KEY, FlushNumber, RoomLedger, STATUS_KEY};

use super::Receiver;
use crate::{Counts, flush, otlp::Exporter, status::Snapshot};

impl Receiver {
    /// Handles the encoded number of flushes that gateways have requested. A number in the format of another release is
    /// ignored.
    pub fn handle_flush_requested(&mut self, requested: Option<&[u8]>) {
        if let Ok(requested) = FlushNumber::decode(requested) {
            self.flushes.set_requested(requested);
        }
    }

    /// Returns the keys and values to write to shared data now.
    pub fn poll_shared(&mut self, now: Now) -> Vec<(&'static str, Vec<u8>)> {
        let mut shared = Vec::new();
        // Records that are still in the queue are part of a flush.
        if !self.queue.has_backlog {
            let corrected = self.clock.correct(now);
            let done = self.flushes.poll(&mut self.publisher, &mut self.buffer, &mut self.exporter, corrected);
            let held = self.held().saturating_add(self.otlp_held());
            shared.extend(done.map(|number| (FLUSH_DONE_KEY, flush::flush_done(number, held).encode())));
        }
        if self.status.is_due(now) {
            let (snapshot, biggest_series) = (self.snapshot(now), self.publisher.cardinality().biggest_series());
            shared.push((STATUS_KEY, self.status.report(snapshot, biggest_series, now).encode()));
        }
        shared
    }

    /// Returns true if gateways should get a new ledger before the next tick.
    pub fn is_room_urgent(&self) -> bool {
        self.admission.is_urgent(self.room_for_posts())
    }

    /// Returns the ledger to write in place of `current`, and its encoding. A missing ledger, or one in the format of
    /// another release, is replaced. The first ledger is written when the receiver is configured.
    pub fn next_room(&self, current: Option<&[u8]>, now: Now) -> (RoomLedger, Option<Vec<u8>>) {
        let current = current.and_then(|bytes| RoomLedger::decode(bytes).ok()).unwrap_or_default();
        let room = self.room_for_posts();
        let next_ledger = self.admission.next_ledger(current, room, !self.queue.has_backlog, now.steady);
        (next_ledger, Some(next_ledger.encode()))
    }

    /// Records that a ledger was written.
    pub fn handle_room_written(&mut self, ledger: RoomLedger, now: Now) {
        self.admission.handle_written(ledger, now.steady);
    }

    /// Accounts for values that earlier receivers of the process lost when they failed. Only the first call has an
    /// effect. `totals` returns the values of Envoy's counters.
    pub fn account_for_earlier_receivers(&mut self, totals: impl FnOnce() -> Counts) {
        self.counter_report.account_for_earlier_receivers(totals);
    }

    /// Returns the increments of Envoy's counters since the last call.
    pub fn poll_counters(&mut self) -> Counts {
        self.counter_report.poll(&self.journal.counts)
    }

    /// Returns the counters since the start.
    pub fn counts(&self) -> &Counts {
        &self.journal.counts
    }

    /// Returns the number of held values: those that were received, but neither published nor dropped.
    pub fn held(&self) -> u64 {
        self.buffer.samples().saturating_add(self.publisher.samples())
    }

    /// Returns the approximate memory of held data in bytes.
    pub fn held_bytes(&self) -> usize {
        self.buffer.bytes().saturating_add(self.publisher.bytes())
    }

    /// Returns the number of values that are held for the OTLP endpoint.
    pub fn otlp_held(&self) -> u64 {
        self.exporter.as_ref().map_or(0, Exporter::samples)
    }

    /// Returns the number of bytes that gateways may still fill. With both services, it is the room of CloudWatch's
    /// buffer, so that trouble of the OTLP endpoint does not refuse posts.
    fn room_for_posts(&self) -> usize {
        match &self.exporter {
            Some(exporter) if !self.publish_to.cloudwatch => exporter.room_for_posts(),
            _ => self.buffer.room_for_posts(self.publisher.bytes()),
        }
    }

    /// Returns the current state of the receiver.
    pub fn snapshot(&self, now: Now) -> Snapshot {
        let since_success = |exporter: &Exporter| exporter.since_success(now.steady);
        let exporter_since_success = self.exporter.as_ref().map(since_success).unwrap_or_default();
        Snapshot {
            counts: self.journal.counts,
            held: self.held(),
            held_bytes: self.held_bytes(),
            held_series: self.buffer.series(),
            clock_skew: self.clock.skew(),
            seconds_since_success: self.publisher.since_success(now.steady).as_secs(),
            otlp_held: self.otlp_held(),
            otlp_held_bytes: self.exporter.as_ref().map_or(0, Exporter::bytes),
            otlp_seconds_since_success: exporter_since_success.as_secs(),
            otlp_series: self.exporter.as_ref().map_or(0, Exporter::total_series),
            credentials: self.credentials.in_use(),
            cost: self.publisher.cost(),
        }
    }
}
