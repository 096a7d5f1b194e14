//! Data that are held and not on their way, within a bound.

use acpw_metric::{Accumulator, Record, Timestamp, quota::MAX_AGE_SECONDS};

use crate::{
    gauge::Gauges,
    lanes::{LaneId, Lanes},
    outbox::{Names, Outbox, Work},
    refused_entities::RefusedEntities,
    waiting::Waiting,
    zero::Zeros,
};

/// Room that is made at the bound, so that it is not reached again at once: one part in so many.
const HEADROOM: usize = 8;

/// How long merging is left alone after it could not make room.
const MERGE_INTERVAL_MILLIS: i64 = 10_000;

/// What is held for namespaces that CloudWatch refuses while it accepts others: one part in so many of the limit. A gateway
/// takes no more posts from three quarters on, and is to go on taking those that CloudWatch accepts.
const REFUSED_SHARE: usize = 2;

/// CloudWatch's limit of two weeks, less the time that it takes to send.
const MAX_AGE_MILLIS: i64 = (MAX_AGE_SECONDS as i64 - 300) * 1_000;

/// Data that are not due yet, and data that are due, in payloads that wait or not yet.
#[derive(Debug)]
pub struct Buffer {
    pending: Accumulator,
    gauges: Gauges,
    zeros: Zeros,
    outbox: Outbox,
    limit: usize,
    /// How many bytes were left and when, when data were last merged before the limit.
    merged: Option<(usize, Timestamp)>,
    /// Values that nobody has handed over: samples of gauges, and zeros.
    made: u64,
}

impl Buffer {
    /// An empty buffer of so many bytes.
    pub fn new(names: Names, limit: usize) -> Self {
        Self {
            pending: Accumulator::default(),
            gauges: Gauges::default(),
            zeros: Zeros::default(),
            outbox: Outbox::new(names),
            limit,
            merged: None,
            made: 0,
        }
    }

    /// Adds what a record carries, stamped by a clock that is so many milliseconds behind.
    pub fn merge(&mut self, record: &Record<'_>, skew: i64) {
        let mut data = Accumulator::default();
        data.merge_record(record, skew);
        self.zeros.note(&data);
        self.pending.merge(data);
    }

    /// Makes the values that follow from what is held and from time: samples of gauges that all workers have told, and zeros
    /// of quiet series.
    pub fn make(&mut self, now: Timestamp) {
        let samples = self.gauges.settle(&mut self.pending, now);
        let zeros = self.zeros.fill(&mut self.pending, now);
        self.made = self.made.saturating_add(samples).saturating_add(zeros);
    }

    /// How many values were made since this was last called.
    pub fn take_made(&mut self) -> u64 {
        std::mem::take(&mut self.made)
    }

    /// Adds data that are stamped right.
    pub fn add(&mut self, data: Accumulator) {
        self.pending.merge(data);
    }

    /// Adds data that are stamped right and due.
    pub fn add_due(&mut self, data: Accumulator) {
        self.outbox.add(data);
    }

    /// Whether there are data that are not due.
    pub fn has_pending(&self) -> bool {
        self.pending.samples() > 0
    }

    /// Makes all data due, but for the seconds of gauges that workers have not told yet.
    pub fn release(&mut self) {
        let mut due = std::mem::take(&mut self.pending);
        self.pending = due.take_gauges(Timestamp::from_millis(u64::MAX));
        self.outbox.add(due);
    }

    /// Merges what became due with what was, for about as many bytes as `budget` has.
    pub fn gather(&mut self, budget: &mut usize) {
        self.outbox.gather(budget);
    }

    /// Takes out what a lane has to send now, once that is encoded; that takes about as many bytes from the budget.
    pub fn next_body(&mut self, id: LaneId, learnt: i64, work: Work<'_>) -> Option<Waiting> {
        self.outbox.next_body(id, learnt, work)
    }

    /// Returns the lanes of data that are due.
    pub fn lanes(&self) -> &Lanes {
        self.outbox.lanes()
    }

    /// Returns the lanes of data that are due, to be changed.
    pub fn lanes_mut(&mut self) -> &mut Lanes {
        self.outbox.lanes_mut()
    }

    /// Returns the entities that CloudWatch refuses.
    pub fn refused_entities_mut(&mut self) -> &mut RefusedEntities {
        self.outbox.refused_entities_mut()
    }

    /// Whether data are due, in payloads that wait too.
    pub fn has_due(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether data are due that have no trouble.
    pub fn has_open_data(&self) -> bool {
        self.outbox.has_open_data()
    }

    /// Moves all data by so many milliseconds, as far as that moves them into other periods.
    pub fn shift(&mut self, millis: i64) {
        self.pending.shift(millis);
        self.outbox.shift(millis);
    }

    /// How many values it holds.
    pub fn samples(&self) -> u64 {
        self.pending.samples().saturating_add(self.outbox.samples())
    }

    /// How many data it holds: series times periods.
    pub fn series(&self) -> usize {
        self.pending.series().saturating_add(self.outbox.series())
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        self.pending.bytes().saturating_add(self.outbox.bytes())
    }

    /// Keeps it, together with `others` bytes of payloads on their way, within the limit. From five eighths of the limit on,
    /// merges posted seconds into minutes and old minutes into five minutes, then into hours: gateways refuse posts from
    /// three quarters on. At the limit, when that does not suffice, drops the oldest data, first in the lanes that take more
    /// than their share. Returns how many values were dropped.
    pub fn keep_within_limit(&mut self, others: usize, now: Timestamp) -> u64 {
        let refused = self.outbox.shrink_refused(self.limit / REFUSED_SHARE, now);
        self.made = self.made.saturating_add(refused.settled);
        if self.bytes().saturating_add(others) <= self.limit {
            self.merge_early(others, now);
            return refused.dropped;
        }
        // Room is made at once, so that the next record does not come to the limit again.
        let target = self.limit.saturating_sub(self.limit / HEADROOM).saturating_sub(others);
        // What is due is older than what is not.
        let due = self.outbox.shrink(target.saturating_sub(self.pending.bytes()), now);
        let pending = self.pending.shrink(target.saturating_sub(self.outbox.bytes()), now);
        self.made = self.made.saturating_add(due.settled).saturating_add(pending.settled);
        refused.dropped.saturating_add(due.dropped).saturating_add(pending.dropped)
    }

    fn merge_early(&mut self, others: usize, now: Timestamp) {
        let bytes = self.bytes().saturating_add(others);
        if bytes <= self.limit / 8 * 5 {
            self.merged = None;
            return;
        }
        // What cannot be merged now is not walked through again for each record.
        let is_worth_it = self.merged.is_none_or(|(left, at)| {
            bytes >= left.saturating_add(self.limit / 16)
                || now.millis_since(at).unsigned_abs() >= MERGE_INTERVAL_MILLIS.unsigned_abs()
        });
        if !is_worth_it {
            return;
        }
        let target = (self.limit / 2).saturating_sub(others);
        let settled = self.outbox.merge_old(target.saturating_sub(self.pending.bytes()), now);
        let more = self.pending.merge_old(target.saturating_sub(self.outbox.bytes()), now);
        self.made = self.made.saturating_add(settled).saturating_add(more);
        self.merged = Some((self.bytes().saturating_add(others), now));
    }

    /// Drops data that are older than CloudWatch takes; gives how many values.
    pub fn drop_too_old(&mut self, now: Timestamp) -> u64 {
        let mut dropped = 0u64;
        while self.oldest().is_some_and(|oldest| now.millis_since(oldest) > MAX_AGE_MILLIS) {
            let Some(samples) = self.drop_oldest() else { break };
            dropped = dropped.saturating_add(samples);
        }
        dropped
    }

    fn oldest(&self) -> Option<Timestamp> {
        [self.outbox.oldest(), self.pending.oldest()].into_iter().flatten().min()
    }

    fn drop_oldest(&mut self) -> Option<u64> {
        let is_pending = match (self.pending.oldest(), self.outbox.oldest()) {
            (Some(pending), Some(due)) => pending < due,
            (pending, _) => pending.is_some(),
        };
        if !is_pending {
            return self.outbox.drop_oldest();
        }
        let (key, group) = self.pending.pop()?;
        Some(key.kind.values(group.samples()))
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::{
        DataKind, DimensionName, DimensionValue, Dimensions, Distribution, Metric, MetricName, Namespace, Origin,
        PeriodKey, StorageResolution, Unit,
    };

    use super::*;

    const START: u64 = 1_787_400_000;

    fn buffer(limit: usize) -> Buffer {
        let namespace = Namespace::new("N").unwrap();
        Buffer::new(Names { namespace, request_count: MetricName::new("RequestCount").unwrap() }, limit)
    }

    /// One value of each of so many series, at a second.
    fn data(second: u64, series: usize) -> Accumulator {
        data_of(DataKind::OBSERVED, second, series)
    }

    fn data_of(kind: DataKind, second: u64, series: usize) -> Accumulator {
        let mut data = Accumulator::default();
        let name = MetricName::new("RequestCount").unwrap();
        let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
        let mut one = Distribution::new();
        one.record(1.0);
        for n in 0..series {
            let value = DimensionValue::new(&n.to_string()).unwrap();
            let dimensions = Dimensions::new(vec![(DimensionName::new("n").unwrap(), value)]).unwrap();
            let key = PeriodKey::new(Timestamp::from_secs(START + second), kind, Origin::default(), &metric);
            data.file(key, &dimensions, &metric, &one);
        }
        data
    }

    #[test]
    fn an_outage_of_days_takes_no_more_than_the_limit_and_the_oldest_go_first() {
        let mut buffer = buffer(400_000);
        let (mut added, mut dropped, mut first_drop) = (0, 0, None);
        for minute in 0..3 * 24 * 60u64 {
            buffer.add(data(minute * 60, 20));
            buffer.release();
            added += 20;
            let now = Timestamp::from_secs(START + minute * 60);
            let more = buffer.keep_within_limit(0, now);
            if more > 0 && first_drop.is_none() {
                first_drop = Some(minute);
            }
            dropped += more;
            assert!(buffer.bytes() <= 400_000);
            assert_eq!(buffer.samples() + dropped, added);
        }
        // Each minute takes 20 groups of some 250 bytes: uncoarsened, the limit is an hour and a half.
        assert!(first_drop.is_some_and(|minute| minute > 60 * 24), "{first_drop:?}");
        let oldest = buffer.oldest().unwrap();
        assert!(oldest > Timestamp::from_secs(START));
    }

    #[test]
    fn data_are_coarsened_before_any_is_dropped() {
        let mut buffer = buffer(100_000);
        for minute in 0..30 {
            buffer.add(data(minute * 60, 10));
        }
        buffer.limit = buffer.bytes() - 1;
        let series = buffer.series();
        assert_eq!(buffer.keep_within_limit(0, Timestamp::from_secs(START + 30 * 60)), 0);
        assert!(buffer.series() < series / 2, "{}", buffer.series());
        assert_eq!(buffer.samples(), 300);
    }

    /// What a gateway looks at: from here on it refuses posts.
    fn is_full(buffer: &Buffer) -> bool {
        buffer.bytes() >= buffer.limit / 4 * 3
    }

    #[test]
    fn posts_of_an_outage_are_merged_before_a_gateway_refuses_any() {
        for kind in [DataKind::RECEIVED, DataKind::STATED] {
            let mut buffer = buffer(65_536);
            // One series, over two hours and ahead by as much, as CloudWatch takes it.
            for second in 0..4 * 3_600 {
                let now = Timestamp::from_secs(START + if kind == DataKind::STATED { 2 * 3_600 } else { second });
                assert!(!is_full(&buffer), "{kind:?} {second}");
                buffer.add(data_of(kind, second, 1));
                buffer.release();
                assert_eq!(buffer.keep_within_limit(0, now), 0);
            }
            assert_eq!(buffer.samples(), 4 * 3_600);
        }
    }

    #[test]
    fn what_cannot_be_merged_is_looked_at_again_when_it_has_grown_or_aged() {
        let mut buffer = buffer(100_000);
        let now = |second| Timestamp::from_secs(START + second);
        // High resolution, and recent.
        let mut second = 0;
        while buffer.bytes() <= 63_000 {
            let mut seconds = Accumulator::default();
            let name = MetricName::new("M").unwrap();
            let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::High };
            let mut one = Distribution::new();
            one.record(1.0);
            let key = PeriodKey::new(now(second), DataKind::STATED, Origin::default(), &metric);
            seconds.file(key, &Dimensions::default(), &metric, &one);
            buffer.add(seconds);
            second += 1;
        }
        assert_eq!(buffer.keep_within_limit(0, now(second)), 0);
        let left = Some((buffer.bytes(), now(second)));
        assert_eq!(buffer.merged, left);
        buffer.keep_within_limit(0, now(second + 9));
        assert_eq!(buffer.merged, left);
        buffer.keep_within_limit(0, now(second + 10));
        assert_eq!(buffer.merged, Some((buffer.bytes(), now(second + 10))));
        buffer.keep_within_limit(0, now(second + 1_000));
        assert!(buffer.bytes() <= 50_000);
        assert_eq!(buffer.samples(), second);
    }

    #[test]
    fn what_cloudwatch_no_longer_takes_is_dropped() {
        let mut buffer = buffer(100_000);
        buffer.add(data(0, 3));
        buffer.release();
        buffer.add(data(7_200, 2));
        let two_weeks = 14 * 24 * 3_600;
        assert_eq!(buffer.drop_too_old(Timestamp::from_secs(START + two_weeks - 600)), 0);
        assert_eq!(buffer.drop_too_old(Timestamp::from_secs(START + two_weeks)), 3);
        assert_eq!(buffer.drop_too_old(Timestamp::from_secs(START + two_weeks)), 0);
        assert_eq!(buffer.samples(), 2);
    }

    #[test]
    fn a_value_that_becomes_too_old_while_it_waits_is_counted_whatever_its_kind() {
        for (kind, dropped) in
            [(DataKind::OBSERVED, 3), (DataKind::RECEIVED, 3), (DataKind::STATED, 3), (DataKind::GAUGE_SHARE, 0)]
        {
            for is_due in [false, true] {
                let mut buffer = buffer(100_000);
                buffer.add(data_of(kind, 0, 3));
                if is_due {
                    buffer.release();
                }
                assert_eq!(buffer.samples(), dropped, "{kind:?}");
                assert_eq!(buffer.drop_too_old(Timestamp::from_secs(START + 14 * 24 * 3_600)), dropped, "{kind:?}");
                assert_eq!((buffer.samples(), buffer.bytes()), (0, 0), "{kind:?}");
            }
        }
    }
}
