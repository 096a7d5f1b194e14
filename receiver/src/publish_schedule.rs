//! Decides when to publish.

use std::time::Duration;

use crate::{random::Random, retry_after::MAX_RETRY_AFTER};

/// The delay of the first publication after a quiet time, in which data of the other workers arrives.
const FIRST_DELAY: Duration = Duration::from_millis(500);

/// The maximum factor by which throttling multiplies the interval.
const MAX_FACTOR: u32 = 2;

/// After a publication that was not throttled, the interval shrinks by this part of it, until it is the configured one.
/// A fleet that speeds up faster is throttled more, and its slowest receiver waits longer.
const SHRINKING: u32 = 32;

/// The interval while Envoy is being drained.
const DRAINING_INTERVAL: Duration = Duration::from_secs(1);

/// The schedule of publications.
///
/// Under steady traffic there is one publication per interval. Its offset within the interval is random, so that a
/// fleet does not publish at the same moment. If no data was there when a publication was due, the next data is
/// published after half a second.
///
/// Time in which CloudWatch throttles does not count towards the next publication, and the interval grows by it, up to
/// twice the configured one. So a throttled fleet slows down by as much as it has to, and stays spread.
#[derive(Debug)]
pub struct PublishSchedule {
    configured: Duration,
    interval: Duration,
    is_draining: bool,
    /// The time that counts towards the next publication.
    elapsed: Duration,
    /// The time until which `elapsed` has counted.
    counted_until: Duration,
    /// The times of the first and the last throttled request since the last accepted one.
    throttling: Option<(Duration, Duration)>,
    /// The time in which CloudWatch throttled the last publication.
    throttled: Duration,
    /// True if the time of a publication has passed without one.
    is_open: bool,
    /// The earliest time of the next publication, if there is data for it.
    not_before: Option<Duration>,
}

impl PublishSchedule {
    /// Creates a schedule with this interval.
    pub fn new(interval: Duration, random: &mut Random) -> Self {
        Self {
            configured: interval,
            interval,
            is_draining: false,
            elapsed: interval.saturating_sub(random.below(interval)),
            counted_until: Duration::ZERO,
            throttling: None,
            throttled: Duration::ZERO,
            is_open: true,
            not_before: None,
        }
    }

    /// Returns the current time between two publications.
    pub fn interval(&self) -> Duration {
        if self.is_draining { DRAINING_INTERVAL } else { self.interval }
    }

    /// Records that CloudWatch has throttled a request.
    pub fn record_throttled(&mut self, now: Duration) {
        self.count_time(now);
        let (first, _) = self.throttling.unwrap_or((now, now));
        self.throttling = Some((first, now));
    }

    /// Records that CloudWatch has accepted a request.
    pub fn record_delivered(&mut self, now: Duration) {
        self.count_time(now);
        self.end_throttling(now);
    }

    /// Records if Envoy is being drained.
    pub fn set_draining(&mut self, is_draining: bool) {
        self.is_draining = is_draining;
    }

    /// Returns true if a publication is due now, by the steady clock, and schedules the next one. `has_data` is true if
    /// there is data to publish.
    pub fn is_due(&mut self, now: Duration, has_data: bool) -> bool {
        let was_open = self.is_open;
        self.count_time(now);
        if !has_data {
            self.not_before = None;
            return false;
        }
        let delay = if was_open { FIRST_DELAY } else { Duration::ZERO };
        let not_before = *self.not_before.get_or_insert(now.saturating_add(delay));
        if !self.is_open || now < not_before {
            return false;
        }
        self.is_open = false;
        self.not_before = None;
        self.adapt_interval();
        true
    }

    /// Counts the time up to now towards the next publication, unless CloudWatch throttles.
    fn count_time(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.counted_until);
        self.counted_until = now;
        // A throttled request is sent again within this time, unless its data was dropped.
        if self.throttling.is_some_and(|(_, last)| now.saturating_sub(last) > MAX_RETRY_AFTER) {
            self.end_throttling(now);
        }
        if self.throttling.is_none() || self.is_draining {
            self.elapsed = self.elapsed.saturating_add(passed);
        }
        let interval = self.interval();
        if self.elapsed >= interval {
            self.is_open = true;
            let rest = self.elapsed.as_nanos().checked_rem(interval.as_nanos()).unwrap_or(0);
            self.elapsed = Duration::from_nanos(u64::try_from(rest).unwrap_or(0));
        }
    }

    fn end_throttling(&mut self, now: Duration) {
        if let Some((first, _)) = self.throttling.take() {
            self.throttled = self.throttled.saturating_add(now.saturating_sub(first));
        }
    }

    /// Sets the interval after the next publication by how much the last one was throttled.
    fn adapt_interval(&mut self) {
        self.interval = if self.throttled.is_zero() && self.throttling.is_none() {
            self.interval.saturating_sub(self.interval / SHRINKING).max(self.configured)
        } else {
            let longest = self.configured.saturating_mul(MAX_FACTOR);
            self.interval.saturating_add(self.throttled).min(longest)
        };
        self.throttled = Duration::ZERO;
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

    /// Publishes three times, after each of which CloudWatch throttles for `throttled`, and then `calm` times, after
    /// which it does not. Returns the interval, and the times between the publications.
    fn throttle(throttled: Duration, calm: usize) -> (Duration, Vec<Duration>) {
        let mut schedule = PublishSchedule::new(INTERVAL, &mut Random::new(1));
        let (mut now, mut times) = (Duration::ZERO, Vec::new());
        while times.len() < 4 + calm {
            if schedule.is_due(now, true) {
                times.push(now);
                if times.len() <= 3 {
                    schedule.record_throttled(now);
                }
            }
            if times.len() <= 3 && times.last().is_some_and(|last| now == *last + throttled) {
                schedule.record_delivered(now);
            }
            now += TICK;
        }
        (schedule.interval(), times.windows(2).map(|pair| pair[1] - pair[0]).collect())
    }

    #[test]
    fn the_interval_grows_by_the_time_for_which_cloudwatch_throttles() {
        let (interval, between) = throttle(Duration::from_secs(5), 0);
        assert_eq!(interval, INTERVAL + Duration::from_secs(15));
        // Time in which CloudWatch throttles does not count.
        assert_eq!(between[1..], [Duration::from_secs(70), Duration::from_secs(75)]);
        let (interval, _) = throttle(INTERVAL, 0);
        assert_eq!(interval, 2 * INTERVAL);
    }

    #[test]
    fn the_interval_shrinks_slowly_to_the_configured_one() {
        let shrunk = |calm| throttle(INTERVAL, calm).0;
        assert_eq!(shrunk(1), 2 * INTERVAL - 2 * INTERVAL / SHRINKING);
        assert!((INTERVAL..INTERVAL * 5 / 4).contains(&shrunk(20)), "{:?}", shrunk(20));
        assert_eq!(shrunk(24), INTERVAL);
    }

    /// A fleet whose publications were all throttled for the same time would publish at the same moment again.
    #[test]
    fn a_throttled_fleet_stays_spread_over_the_whole_interval() {
        let (mut late, start) = (0, 10 * INTERVAL);
        for seed in 0..100 {
            let mut schedule = PublishSchedule::new(INTERVAL, &mut Random::new(seed));
            assert!(!schedule.is_due(start, true) && schedule.is_due(start + FIRST_DELAY, true));
            schedule.record_throttled(start + FIRST_DELAY);
            schedule.record_delivered(start + INTERVAL);
            late += u32::from(!schedule.is_due(start + INTERVAL + INTERVAL / 2, true));
        }
        assert!((35..=65).contains(&late), "{late} of 100 publish in the second half");
    }

    #[test]
    fn publications_continue_if_throttled_data_was_dropped() {
        let mut schedule = PublishSchedule::new(INTERVAL, &mut Random::new(3));
        schedule.record_throttled(Duration::ZERO);
        let end = MAX_RETRY_AFTER + 3 * INTERVAL;
        let due: Vec<_> = (0..).map(|tick| TICK * tick).take_while(|now| *now < end).collect();
        let due: Vec<_> = due.into_iter().filter(|now| schedule.is_due(*now, true)).collect();
        assert!(due.iter().any(|time| *time > MAX_RETRY_AFTER), "{due:?}");
    }

    /// An Envoy that is throttled while it drains may not get another chance.
    #[test]
    fn throttling_does_not_delay_the_publications_of_a_draining_envoy() {
        let mut schedule = PublishSchedule::new(INTERVAL, &mut Random::new(3));
        schedule.set_draining(true);
        schedule.record_throttled(Duration::ZERO);
        let count = (0..50).filter(|tick| schedule.is_due(TICK * *tick, true)).count();
        assert!((9..=11).contains(&count), "{count}");
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
