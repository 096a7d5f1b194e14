//! Decides when to publish.

use std::time::Duration;

use crate::random::Random;

/// The delay of the first publication after a quiet time, in which data of the other workers arrives.
const FIRST_DELAY: Duration = Duration::from_millis(500);

/// The maximum factor by which throttling multiplies the interval, which never exceeds [`MAX_STRETCHED_INTERVAL`].
const MAX_FACTOR: u32 = 8;

/// The maximum interval under throttling, unless the configured one is longer.
const MAX_STRETCHED_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The denominator of offsets.
const WHOLE: Duration = Duration::from_secs(3_600);

/// The interval while Envoy is being drained.
const DRAINING_INTERVAL: Duration = Duration::from_secs(1);

/// The schedule of publications.
///
/// Under steady traffic there is one publication per interval. Its offset within the interval is random, so that a
/// fleet does not publish at the same moment. If the last publication was an interval or more ago, new data is
/// published after half a second. The interval doubles with each throttled request, and halves with each accepted
/// one.
#[derive(Debug)]
pub struct PublishSchedule {
    configured: Duration,
    factor: u32,
    is_draining: bool,
    /// The position of publications within an interval, in parts of [`WHOLE`]. It is a fraction, so that a fleet stays
    /// spread over an interval that throttling has made longer.
    offset: Duration,
    last: Option<Duration>,
    waiting_since: Option<Duration>,
}

impl PublishSchedule {
    /// Creates a schedule with this interval.
    pub fn new(interval: Duration, random: &mut Random) -> Self {
        let offset = random.below(WHOLE);
        Self { configured: interval, factor: 1, is_draining: false, offset, last: None, waiting_since: None }
    }

    /// Returns the current time between two publications.
    pub fn interval(&self) -> Duration {
        if self.is_draining {
            return DRAINING_INTERVAL;
        }
        self.configured.saturating_mul(self.factor).min(MAX_STRETCHED_INTERVAL.max(self.configured))
    }

    /// Records that CloudWatch has throttled a request.
    pub fn record_throttled(&mut self) {
        if self.interval() < MAX_STRETCHED_INTERVAL {
            self.factor = self.factor.saturating_mul(2).min(MAX_FACTOR);
        }
    }

    /// Records that CloudWatch has accepted a request.
    pub fn record_delivered(&mut self) {
        self.factor = (self.factor / 2).max(1);
    }

    /// Records if Envoy is being drained.
    pub fn set_draining(&mut self, is_draining: bool) {
        self.is_draining = is_draining;
    }

    /// Returns true if a publication is due now, by the steady clock, and schedules the next one. `has_data` is true if
    /// there is data to publish.
    pub fn is_due(&mut self, now: Duration, has_data: bool) -> bool {
        if !has_data {
            self.waiting_since = None;
            return false;
        }
        let since = *self.waiting_since.get_or_insert(now);
        let due = match self.last {
            Some(last) if since < last.saturating_add(self.interval()) => self.slot_after(last),
            _ => since.saturating_add(FIRST_DELAY),
        };
        if now < due {
            return false;
        }
        self.last = Some(now);
        self.waiting_since = None;
        true
    }

    /// Returns the first time after `time` that is a multiple of the interval plus the offset.
    fn slot_after(&self, time: Duration) -> Duration {
        let interval = self.interval().as_millis().max(1);
        let offset = interval.saturating_mul(self.offset.as_millis()).checked_div(WHOLE.as_millis()).unwrap_or(0);
        let passed = (time.as_millis().saturating_add(interval).saturating_sub(offset)).checked_div(interval);
        let slot = passed.unwrap_or(0).saturating_mul(interval).saturating_add(offset);
        Duration::from_millis(u64::try_from(slot).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(60);
    const TICK: Duration = Duration::from_millis(200);

    /// Returns the times of publications within `ticks` ticks. `has_data` returns true for times with data.
    fn publications(seed: u64, ticks: u32, has_data: impl Fn(Duration) -> bool) -> Vec<Duration> {
        let mut schedule = PublishSchedule::new(INTERVAL, &mut Random::new(seed));
        (0..ticks).map(|tick| TICK * tick).filter(|now| schedule.is_due(*now, has_data(*now))).collect()
    }

    proptest! {
        #[test]
        fn steady_traffic_is_published_once_an_interval(seed: u64) {
            let times = publications(seed, 300 * 10, |_| true);
            prop_assert!(times[0] <= FIRST_DELAY + TICK);
            prop_assert!(times[1] - times[0] <= INTERVAL + TICK);
            for pair in times[1..].windows(2) {
                let between = pair[1] - pair[0];
                prop_assert!(between >= INTERVAL - TICK && between <= INTERVAL + TICK, "{:?}", between);
            }
            prop_assert!((10..=11).contains(&times.len()), "{:?}", times);
        }

        #[test]
        fn the_first_data_after_a_quiet_time_is_published_within_a_second(seed: u64, quiet in 120u64..1000) {
            let data_from = Duration::from_secs(quiet);
            let times = publications(seed, 300 * 20, |now| now < TICK * 5 || now >= data_from);
            prop_assert!(times.iter().any(|time| *time >= data_from && *time <= data_from + Duration::from_secs(1)));
        }
    }

    #[test]
    fn a_fleet_does_not_publish_at_the_same_moment() {
        let second: Vec<u64> = (0..100).map(|seed| publications(seed, 1000, |_| true)[1].as_secs()).collect();
        let distinct: std::collections::BTreeSet<_> = second.iter().collect();
        assert!(distinct.len() > 40, "{distinct:?}");
    }

    #[test]
    fn throttling_doubles_the_interval_and_success_halves_it() {
        let mut schedule = PublishSchedule::new(INTERVAL, &mut Random::new(1));
        let mut intervals = Vec::new();
        for _ in 0..4 {
            schedule.record_throttled();
            intervals.push(schedule.interval().as_secs());
        }
        assert_eq!(intervals, [120, 240, 300, 300]);
        intervals.clear();
        for _ in 0..4 {
            schedule.record_delivered();
            intervals.push(schedule.interval().as_secs());
        }
        assert_eq!(intervals, [240, 120, 60, 60]);
        let mut slow = PublishSchedule::new(MAX_STRETCHED_INTERVAL * 2, &mut Random::new(1));
        slow.record_throttled();
        assert_eq!(slow.interval(), MAX_STRETCHED_INTERVAL * 2);
    }

    /// With an offset in seconds, all receivers would publish in the first minute of a throttled interval.
    #[test]
    fn a_throttled_fleet_stays_spread_over_the_whole_interval() {
        let mut late = 0;
        for seed in 0..100 {
            let mut schedule = PublishSchedule::new(INTERVAL, &mut Random::new(seed));
            (0..4).for_each(|_| schedule.record_throttled());
            let slot = schedule.slot_after(MAX_STRETCHED_INTERVAL * 10);
            late += u32::from(slot >= MAX_STRETCHED_INTERVAL * 10 + MAX_STRETCHED_INTERVAL / 2);
        }
        assert!((35..=65).contains(&late), "{late} of 100 publish in the second half");
    }

    #[test]
    fn a_draining_envoy_publishes_every_second() {
        let mut schedule = PublishSchedule::new(INTERVAL, &mut Random::new(3));
        schedule.set_draining(true);
        let count = (0..50).filter(|tick| schedule.is_due(TICK * *tick, true)).count();
        assert!((9..=11).contains(&count), "{count}");
        schedule.set_draining(false);
        assert!((50..350).filter(|tick| schedule.is_due(TICK * *tick, true)).count() <= 2);
    }

    #[test]
    fn nothing_is_published_without_data() {
        assert!(publications(1, 10_000, |_| false).is_empty());
    }
}
