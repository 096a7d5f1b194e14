//! Keeps the buffer within its memory limit.

use acpw_metric::{Keep, Timestamp, quota::MAX_AGE_SECONDS};

use super::Buffer;
use crate::lane::{Lane, MAX_WAITING};

/// The part of the limit that is freed when it is reached, as a divisor, so that the next record does not reach it
/// again.
const HEADROOM: usize = 8;

/// The minimum time in milliseconds between two merges that do not free memory.
const MERGE_INTERVAL_MILLIS: u64 = 10_000;

/// The part of the limit, as a divisor, for lanes that CloudWatch refuses while it accepts others. Gateways refuse
/// posts from three quarters of the limit on, and must still accept those that CloudWatch accepts.
const REFUSED_SHARE: usize = 2;

/// CloudWatch's limit of two weeks minus five minutes for sending, in milliseconds.
const MAX_AGE_MILLIS: i64 = (MAX_AGE_SECONDS as i64 - 300) * 1_000;

impl Buffer {
    /// Keeps the buffer, together with `others` bytes of payloads in flight, within the limit. Returns the number of
    /// dropped values.
    ///
    /// From five eighths of the limit on, merges posted seconds into minutes, and old minutes into five minutes, then
    /// into hours. If the limit is still exceeded, drops the oldest data, first in lanes that take more than their
    /// share. Posted data is dropped last, and only if it exceeds the limit alone, because a gateway has accepted it
    /// when there was room.
    pub fn keep_within_limit(&mut self, others: usize, now: Timestamp) -> u64 {
        let refused = self.shrink_refused(now);
        if self.bytes().saturating_add(others) <= self.limit {
            self.merge_early(others, now);
            return refused;
        }
        let target = self.limit.saturating_sub(self.limit / HEADROOM).saturating_sub(others);
        if self.gauges.bytes() > self.limit / HEADROOM {
            self.settle_gauges();
        }
        let target = target.saturating_sub(self.gauges.bytes());
        let mut dropped = self.shrink(|_| true, target, Keep::Posted, now);
        if self.bytes().saturating_add(others) > self.limit {
            let target = self.limit.saturating_sub(others).saturating_sub(self.gauges.bytes());
            dropped = dropped.saturating_add(self.shrink(|_| true, target, Keep::Nothing, now));
        }
        refused.saturating_add(dropped)
    }

    /// Drops data that is older than CloudWatch accepts. Returns the number of dropped values.
    pub fn drop_too_old(&mut self, now: Timestamp) -> u64 {
        let is_too_old = |oldest: Timestamp| now.millis_since(oldest) > MAX_AGE_MILLIS;
        let mut dropped = 0u64;
        for lane in self.lanes.iter_mut() {
            while lane.oldest().is_some_and(is_too_old) {
                let Some(samples) = lane.drop_oldest() else { break };
                dropped = dropped.saturating_add(samples);
            }
        }
        dropped
    }

    /// Returns the number of bytes that gateways may still accept. Posts may fill three quarters of the limit; the last
    /// quarter is for senders and payloads.
    pub fn room_for_posts(&self, others: usize) -> usize {
        (self.limit / 4 * 3).saturating_sub(self.bytes()).saturating_sub(others)
    }

    /// Keeps failing lanes within their share of the limit while CloudWatch accepts others. Returns the number of
    /// dropped values.
    fn shrink_refused(&mut self, now: Timestamp) -> u64 {
        let is_other_accepted = self.lanes.iter().any(|lane| lane.has_been_accepted() && !lane.is_failing());
        if !is_other_accepted {
            return 0;
        }
        self.shrink(Lane::is_failing, self.limit / REFUSED_SHARE, Keep::Posted, now)
    }

    /// Reduces the included lanes to `target` bytes in total. Merges old data first, then drops the oldest data in
    /// lanes that take more than their share, then in other lanes. Returns the number of dropped values.
    fn shrink(&mut self, is_included: impl Fn(&Lane) -> bool, target: usize, keep: Keep, now: Timestamp) -> u64 {
        let total = |buffer: &Self, of: fn(&Lane) -> usize| -> usize {
            buffer.lanes.iter().filter(|lane| is_included(lane)).map(of).sum()
        };
        if total(self, Lane::bytes) <= target {
            return 0;
        }
        let mut dropped = 0u64;
        // If payloads take more than half, drop them first, except for the number that one lane may have: they cannot
        // be merged.
        while total(self, Lane::waiting_bytes) > target / 2 && total(self, Lane::waiting) > MAX_WAITING {
            let mut lanes: Vec<_> = self.lanes.iter_mut().filter(|lane| is_included(lane)).collect();
            lanes.sort_by_key(|lane| std::cmp::Reverse(lane.waiting_bytes()));
            let Some(samples) = lanes.into_iter().find_map(|lane| lane.drop_waiting_payload(keep)) else { break };
            dropped = dropped.saturating_add(samples);
        }
        let target = target.saturating_sub(total(self, Lane::waiting_bytes));
        let sizes = self.lanes.iter().filter(|lane| is_included(lane)).map(Lane::unpacked_bytes).collect();
        let share = share(sizes, target);
        for lane in self.lanes.iter_mut().filter(|lane| is_included(lane) && lane.unpacked_bytes() > share) {
            let settled = lane.merge_old(share, now);
            self.derived = self.derived.saturating_add(settled);
            dropped = dropped.saturating_add(lane.drop_until(share, keep));
        }
        // If posted data is kept, lanes without posted data must free the memory.
        for index in 0..self.lanes.count() {
            let excess = total(self, Lane::unpacked_bytes).saturating_sub(target);
            if let Some(lane) = self.lanes.lane_at_mut(index).filter(|lane| excess > 0 && is_included(lane)) {
                let target = lane.unpacked_bytes().saturating_sub(excess);
                dropped = dropped.saturating_add(lane.drop_until(target, keep));
            }
        }
        dropped
    }

    fn merge_early(&mut self, others: usize, now: Timestamp) {
        let bytes = self.bytes().saturating_add(others);
        if bytes <= self.limit / 8 * 5 {
            self.merged = None;
            return;
        }
        // Do not walk through data that cannot be merged again for each record.
        let is_worth_it = self.merged.is_none_or(|(left, time)| {
            bytes >= left.saturating_add(self.limit / 16)
                || now.millis_since(time).unsigned_abs() >= MERGE_INTERVAL_MILLIS
        });
        if !is_worth_it {
            return;
        }
        let waiting = self.lanes.iter().map(Lane::waiting_bytes).fold(self.gauges.bytes(), usize::saturating_add);
        let target = (self.limit / 2).saturating_sub(others).saturating_sub(waiting);
        let share = share(self.lanes.iter().map(Lane::unpacked_bytes).collect(), target);
        for lane in self.lanes.iter_mut().filter(|lane| lane.unpacked_bytes() > share) {
            self.derived = self.derived.saturating_add(lane.merge_old(share, now));
        }
        self.merged = Some((self.bytes().saturating_add(others), now));
    }
}

/// Returns the maximum size for each item so that the total is at most `total`. Items that need less leave the rest to
/// others.
fn share(mut sizes: Vec<usize>, total: usize) -> usize {
    sizes.sort_unstable();
    let mut left = total;
    let mut count = sizes.len();
    for size in sizes {
        let share = left.checked_div(count).unwrap_or(left);
        if size > share {
            return share;
        }
        left = left.saturating_sub(size);
        count = count.saturating_sub(1);
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use acpw_metric::{
        Accumulator, DataKind, DimensionName, DimensionValue, Dimensions, Distribution, Metric, MetricName, Namespace,
        Origin, PeriodKey, StorageResolution, Unit,
    };

    use super::*;
    use crate::{names::Names, series_budget::SeriesBudget};

    const START: u64 = 1_787_400_000;

    fn buffer(limit: usize) -> Buffer {
        let namespace = Namespace::new("N").unwrap();
        Buffer::new(
            Names { namespace, request_count: MetricName::new("RequestCount").unwrap() },
            limit,
            SeriesBudget::new(None),
        )
    }

    /// Returns one value of each of `series` series, at a second.
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
    fn an_outage_of_days_stays_within_the_limit_and_the_oldest_data_is_dropped() {
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
        // Each minute has 20 groups of about 250 bytes. Without merging, an hour and a half would fill the limit.
        assert!(first_drop.is_some_and(|minute| minute > 60 * 24), "{first_drop:?}");
        let oldest = buffer.lanes.iter().filter_map(Lane::oldest).min().unwrap();
        assert!(oldest > Timestamp::from_secs(START));
    }

    #[test]
    fn data_is_merged_before_any_is_dropped() {
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

    /// Returns true if a gateway would refuse posts.
    fn is_full(buffer: &Buffer) -> bool {
        buffer.bytes() >= buffer.limit / 4 * 3
    }

    #[test]
    fn posts_during_an_outage_are_merged_before_a_gateway_refuses_any() {
        for kind in [DataKind::RECEIVED, DataKind::STATED] {
            let mut buffer = buffer(65_536);
            // One series over four hours. CloudWatch accepts timestamps up to two hours ahead.
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
    fn merging_is_retried_when_data_has_grown_or_aged() {
        let mut buffer = buffer(100_000);
        let now = |second| Timestamp::from_secs(START + second);
        // Recent data with high resolution cannot be merged.
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
    fn data_too_old_for_cloudwatch_is_dropped() {
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
    fn dropped_values_that_became_too_old_are_counted_for_every_kind() {
        for (kind, dropped) in [(DataKind::OBSERVED, 3), (DataKind::RECEIVED, 3), (DataKind::STATED, 3)] {
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

    #[test]
    fn posted_data_is_kept_while_other_data_can_be_dropped() {
        let mut buffer = buffer(100_000);
        let now = Timestamp::from_secs(START + 3_600);
        // The oldest data was posted, and takes half of the limit.
        let mut second = 0;
        while buffer.bytes() < 50_000 {
            buffer.add(data_of(DataKind::STATED, second, 10));
            second += 60;
        }
        let posted = buffer.samples();
        let (mut observed, mut dropped) = (0, 0);
        for minute in 0..600 {
            buffer.add(data(3_600 + minute * 60, 20));
            observed += 20;
            if minute % 7 == 0 {
                buffer.release();
            }
            dropped += buffer.keep_within_limit(0, now);
            assert!(buffer.bytes() <= 100_000);
        }
        assert!(dropped > 0 && dropped < observed);
        assert_eq!(buffer.samples() + dropped, posted + observed);
        let held_posted = |lane: &mut Lane| lane.drop_until(0, Keep::Posted);
        let others: u64 = buffer.lanes.iter_mut().map(held_posted).sum();
        assert_eq!((others, buffer.samples()), (observed - dropped, posted));
    }

    #[test]
    fn posted_data_that_exceeds_the_limit_alone_is_dropped() {
        let mut buffer = buffer(100_000);
        let mut added = 0;
        while buffer.bytes() <= 110_000 {
            buffer.add(data_of(DataKind::STATED, added * 3_600, 10));
            added += 10;
        }
        let dropped = buffer.keep_within_limit(0, Timestamp::from_secs(START));
        assert!(dropped > 0 && buffer.bytes() <= 100_000 && buffer.samples() + dropped == added);
    }

    #[test]
    fn shares_of_gauges_become_samples_when_they_take_too_much_memory() {
        let mut buffer = buffer(65_536);
        let now = Timestamp::from_secs(START);
        for n in 0..1_000u64 {
            let shares = data_of(DataKind::GAUGE_SHARE, 3_600 + n, 1);
            shares.iter().for_each(|(key, dimensions, all)| {
                let borrowed: Vec<_> = dimensions.iter().collect();
                buffer.gauges.add(key.clone(), &borrowed, &all[0].0, &all[0].1);
            });
            let dropped = buffer.keep_within_limit(0, now);
            assert!(buffer.bytes() <= 65_536, "{n} {dropped}");
        }
        assert!(buffer.take_derived() > 0);
    }
    #[test]
    fn items_that_need_less_leave_the_rest_to_others() {
        assert_eq!(share(vec![10, 1_000, 500], 600), 295);
        assert_eq!(share(vec![10, 20], 30), usize::MAX);
        assert_eq!(share(vec![10, 20], 29), 19);
        assert_eq!(share(vec![5], 0), 0);
        assert_eq!(share(Vec::new(), 0), usize::MAX);
    }
}
