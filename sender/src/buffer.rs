//! What a sender holds until it is on the queue, within a bound.

use acpw_metric::{Accumulator, DimensionName, Keep, Record, RecordError, Timestamp};

/// A record above this many bytes is split.
const RECORD_LIMIT: usize = 64 * 1024;

/// What a sender holds while there is no queue to put it on.
pub(crate) const HELD_BYTES_LIMIT: usize = 8 * 1024 * 1024;

/// Holds what was observed, and counts what becomes of it.
#[derive(Debug, Default)]
pub struct Buffer {
    held: Accumulator,
    /// Bytes that were left when memory was last made free, since all was taken.
    left: usize,
    counts: Counts,
    /// The end of the oldest period of what was taken back since this was last asked.
    oldest_taken_back: Option<Timestamp>,
}

/// What became of the values observed, since this was last asked. A value is one measurement of one metric of one request
/// in one dimension set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Values observed.
    pub observed: u64,
    /// Values put onto the queue.
    pub enqueued: u64,
    /// Values taken back from it.
    pub taken_back: u64,
    /// Values dropped at the bound on memory, the oldest first, there being no receiver for so long.
    pub dropped_buffer_full: u64,
    /// Flushes that found no receiver, or one that takes nothing.
    pub no_receiver: u64,
}

impl Buffer {
    /// So many values are observed.
    pub fn observe(&mut self, values: u64) {
        self.counts.observed = self.counts.observed.saturating_add(values);
    }

    /// What is held, to add what was observed. [`keep_within_limit`](Self::keep_within_limit) after that.
    pub fn held_mut(&mut self) -> &mut Accumulator {
        &mut self.held
    }

    /// Merges what is held long when the bound on memory is reached, and then drops the oldest. Data that were posted to a
    /// gateway are kept: the gateway has accepted them because the receiver has room, and that bounds them.
    pub fn keep_within_limit(&mut self, now: Timestamp) {
        // Where posted data exceed the bound, they are not walked through again for each record.
        if self.held.bytes() <= HELD_BYTES_LIMIT.max(self.left.saturating_add(HELD_BYTES_LIMIT / 8)) {
            return;
        }
        // Room for a while, so that the next data do not reach the bound again.
        let target = HELD_BYTES_LIMIT / 8 * 7;
        let settled = self.held.merge_old(target, now);
        let dropped = self.held.drop_until(target, Keep::Posted);
        self.left = self.held.bytes();
        self.counts.observed = self.counts.observed.saturating_add(settled);
        self.counts.dropped_buffer_full = self.counts.dropped_buffer_full.saturating_add(dropped);
    }

    /// Merges a record that nobody has taken from the queue into what is held, so that a queue without a receiver keeps
    /// the same bound on memory.
    ///
    /// # Errors
    /// Bytes that this version cannot read; they are to be put back as they are, for a receiver that can.
    pub fn take_back(&mut self, record: &[u8], now: Timestamp) -> Result<(), RecordError> {
        let record = Record::decode(record)?;
        self.held.merge_record(&record, 0);
        let oldest = self.oldest_taken_back.into_iter().chain(record.observed_until()).min();
        self.oldest_taken_back = oldest;
        self.counts.taken_back = self.counts.taken_back.saturating_add(record.samples());
        self.keep_within_limit(now);
        Ok(())
    }

    /// Returns the end of the oldest period of what senders have put onto the queue and was taken back since this was last
    /// called.
    pub fn take_oldest_taken_back(&mut self) -> Option<Timestamp> {
        self.oldest_taken_back.take()
    }

    /// Counts a flush that found no receiver.
    pub fn count_no_receiver(&mut self) {
        self.counts.no_receiver = self.counts.no_receiver.saturating_add(1);
    }

    /// Takes all that is held, as records for the queue. `constants` are the dimensions whose values the configuration gives.
    pub fn take_records(&mut self, constants: &[DimensionName]) -> Vec<Vec<u8>> {
        self.counts.enqueued = self.counts.enqueued.saturating_add(self.held.samples());
        self.left = 0;
        std::mem::take(&mut self.held).into_records_with(constants, RECORD_LIMIT)
    }

    /// Holds a record again that the queue did not take.
    pub fn give_back(&mut self, record: &[u8]) {
        if let Ok(record) = Record::decode(record) {
            self.held.merge_record(&record, 0);
            self.counts.enqueued = self.counts.enqueued.saturating_sub(record.samples());
        }
    }

    /// Whether there is nothing to put onto a queue.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// How many values are held.
    pub fn samples(&self) -> u64 {
        self.held.samples()
    }

    /// About how many bytes of memory they take.
    pub fn bytes(&self) -> usize {
        self.held.bytes()
    }

    /// What has become of values since this was last called.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }
}
