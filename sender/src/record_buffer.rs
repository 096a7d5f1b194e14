//! Holds data until they are enqueued as records, within a memory limit.

use acpw_metric::{Accumulator, DimensionName, Keep, Record, RecordError, Timestamp};

/// The size in bytes above which data are split into several records.
const RECORD_LIMIT: usize = 64 * 1024;

/// The memory limit in bytes for data that cannot be enqueued.
pub const HELD_BYTES_LIMIT: usize = 8 * 1024 * 1024;

/// Holds data until they are enqueued, and counts values.
#[derive(Debug, Default)]
pub struct RecordBuffer {
    held: Accumulator,
    /// The size of the held data in bytes after they were last shrunk, or 0 if they were taken since then.
    shrunk_to: usize,
    counts: ValueCounts,
    /// The end of the oldest period in the records taken back since the last call of `take_oldest_taken_back`.
    oldest_taken_back: Option<Timestamp>,
}

/// Numbers of values since the last call of [`RecordBuffer::take_counts`]. A value is one measurement of one metric of
/// one request in one dimension set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ValueCounts {
    /// Values observed.
    pub observed: u64,
    /// Values enqueued.
    pub enqueued: u64,
    /// Values taken back from the queue.
    pub taken_back: u64,
    /// Values dropped at the memory limit because no receiver took data. The oldest values are dropped first.
    pub dropped_buffer_full: u64,
    /// Flushes that found no receiver, or a receiver that does not take data.
    pub no_receiver: u64,
}

impl RecordBuffer {
    /// Adds `count` to the number of observed values.
    pub fn count_observed(&mut self, count: u64) {
        self.counts.observed = self.counts.observed.saturating_add(count);
    }

    /// Returns the held data, to add more. Call [`keep_within_limit`](Self::keep_within_limit) afterwards.
    pub fn held_mut(&mut self) -> &mut Accumulator {
        &mut self.held
    }

    /// Shrinks the held data if they exceed the memory limit: merges older data into longer periods first, and then
    /// drops the oldest.
    ///
    /// Data that were posted to a gateway are never dropped. The gateway accepted them because the receiver has room
    /// for them, which bounds their size.
    pub fn keep_within_limit(&mut self, now: Timestamp) {
        // If posted data alone exceed the limit, do not search all data for each record that is taken back.
        if self.held.bytes() <= HELD_BYTES_LIMIT.max(self.shrunk_to.saturating_add(HELD_BYTES_LIMIT / 8)) {
            return;
        }
        // Shrinking to 7/8 of the limit leaves room, so that the next data do not reach the limit again at once.
        let target = HELD_BYTES_LIMIT / 8 * 7;
        let settled = self.held.merge_old(target, now);
        let dropped = self.held.drop_until(target, Keep::Posted);
        self.shrunk_to = self.held.bytes();
        self.counts.observed = self.counts.observed.saturating_add(settled);
        self.counts.dropped_buffer_full = self.counts.dropped_buffer_full.saturating_add(dropped);
    }

    /// Merges a record that no receiver has taken from the queue into the held data. This keeps a queue without a
    /// receiver within the same memory limit.
    ///
    /// # Errors
    /// Returns an error if this version cannot decode the record. Enqueue it again, unchanged, for a receiver that can.
    pub fn take_back(&mut self, record: &[u8], now: Timestamp) -> Result<(), RecordError> {
        let record = Record::decode(record)?;
        self.held.merge_record(&record, 0);
        let oldest = self.oldest_taken_back.into_iter().chain(record.observed_until()).min();
        self.oldest_taken_back = oldest;
        self.counts.taken_back = self.counts.taken_back.saturating_add(record.samples());
        self.keep_within_limit(now);
        Ok(())
    }

    /// Returns the end of the oldest period in the senders' records taken back since the last call.
    pub fn take_oldest_taken_back(&mut self) -> Option<Timestamp> {
        self.oldest_taken_back.take()
    }

    /// Counts a flush that found no receiver.
    pub fn count_no_receiver(&mut self) {
        self.counts.no_receiver = self.counts.no_receiver.saturating_add(1);
    }

    /// Takes all held data, encoded as records for the queue. `constants` are the dimensions with a constant value.
    pub fn take_records(&mut self, constants: &[DimensionName]) -> Vec<Vec<u8>> {
        self.counts.enqueued = self.counts.enqueued.saturating_add(self.held.samples());
        self.shrunk_to = 0;
        std::mem::take(&mut self.held).into_records_with(constants, RECORD_LIMIT)
    }

    /// Puts back a record from [`take_records`](Self::take_records) that could not be enqueued.
    pub fn restore(&mut self, record: &[u8]) {
        if let Ok(record) = Record::decode(record) {
            self.held.merge_record(&record, 0);
            self.counts.enqueued = self.counts.enqueued.saturating_sub(record.samples());
        }
    }

    /// Returns whether no data are held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Returns the number of held values.
    pub fn samples(&self) -> u64 {
        self.held.samples()
    }

    /// Returns the approximate memory size of the held data in bytes.
    pub fn bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Returns the counts since the last call.
    pub fn take_counts(&mut self) -> ValueCounts {
        std::mem::take(&mut self.counts)
    }
}
