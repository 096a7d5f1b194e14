//! State of the receiver that others read: gateways through shared data, operators through Envoy's statistics.

use acpw_metric::Now;
use acpw_shared_state::{FLUSH_DONE_KEY, FlushNumber, RoomLedger, STATUS_KEY};

use super::Receiver;
use crate::{Counts, flush, status::Snapshot};

impl Receiver {
    /// Handles the number of flushes that gateways have requested, as it is in shared data. A number that another release has
    /// written is ignored.
    pub fn handle_flush_requested(&mut self, requested: Option<&[u8]>) {
        if let Ok(requested) = FlushNumber::decode(requested) {
            self.flushes.set_requested(requested);
        }
    }

    /// Returns the shared state to write now, each value with its key.
    pub fn poll_shared(&mut self, now: Now) -> Vec<(&'static str, Vec<u8>)> {
        let mut shared = Vec::new();
        // Records that are still in the queue are part of a flush.
        if !self.queue.has_backlog {
            let corrected = self.clock.correct(now);
            let done = self.flushes.poll(&mut self.publisher, &mut self.buffer, corrected);
            shared.extend(done.map(|number| (FLUSH_DONE_KEY, flush::done(number, self.held()).encode())));
        }
        if self.status.is_due(now) {
            let (snapshot, biggest) = (self.snapshot(now), self.publisher.cardinality().biggest());
            shared.push((STATUS_KEY, self.status.write(snapshot, biggest, now).encode()));
        }
        shared
    }

    /// Returns whether gateways should have a new ledger before the next tick.
    pub fn is_room_urgent(&self) -> bool {
        self.admission.is_urgent(self.buffer.room_for_posts(self.publisher.bytes()))
    }

    /// Returns the ledger to write in place of the one in shared data, and its encoding. A missing ledger, or one of another
    /// release, is replaced by a new one. The first is written when the receiver is configured.
    pub fn next_room(&self, current: Option<&[u8]>, now: Now) -> (RoomLedger, Option<Vec<u8>>) {
        let current = current.and_then(|bytes| RoomLedger::decode(bytes).ok()).unwrap_or_default();
        let room = self.buffer.room_for_posts(self.publisher.bytes());
        let next = self.admission.next(current, room, !self.queue.has_backlog, now.steady);
        (next, Some(next.encode()))
    }

    /// Takes note that a ledger was written.
    pub fn handle_room_written(&mut self, ledger: RoomLedger, now: Now) {
        self.admission.handle_written(ledger, now.steady);
    }

    /// Accounts for values that earlier receivers of the process lost when they failed. Only the first call has an effect.
    /// `totals` returns the values of Envoy's counters.
    pub fn account_for_earlier_receivers(&mut self, totals: impl FnOnce() -> Counts) {
        self.counter_report.account_for_earlier_receivers(totals);
    }

    /// Returns the increments of Envoy's counters since the last call.
    pub fn poll_counters(&mut self) -> Counts {
        self.counter_report.poll(&self.journal.counts)
    }

    /// Returns what has become of values and requests since the start.
    pub fn counts(&self) -> &Counts {
        &self.journal.counts
    }

    /// Returns the number of values that are held: received, and neither published nor dropped.
    pub fn held(&self) -> u64 {
        self.buffer.samples().saturating_add(self.publisher.samples())
    }

    /// Returns about how many bytes of memory they take.
    pub fn held_bytes(&self) -> usize {
        self.buffer.bytes().saturating_add(self.publisher.bytes())
    }

    /// Returns the state of the receiver at this moment.
    pub fn snapshot(&self, now: Now) -> Snapshot {
        Snapshot {
            counts: self.journal.counts,
            held: self.held(),
            held_bytes: self.held_bytes(),
            held_series: self.buffer.series(),
            clock_skew: self.clock.skew(),
            seconds_since_success: self.publisher.since_success(now.steady).as_secs(),
            credentials: self.credentials.in_use(),
            prediction: self.publisher.prediction(),
        }
    }
}
