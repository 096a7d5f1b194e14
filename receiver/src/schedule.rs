//! When to publish.

use std::time::Duration;

use crate::random::Random;

/// After a quiet time the first data wait this long for those of the other workers, which flush within the same second.
const GATHER: Duration = Duration::from_millis(500);

/// Throttling makes the interval at most this many times as long, and never longer than [`LONGEST`].
const MAX_STRETCH: u32 = 8;

/// The longest that throttling makes an interval that is not longer by itself.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// The range of offsets.
const WHOLE: Duration = Duration::from_secs(3_600);

/// While Envoy drains, every second counts.
const DRAINING_INTERVAL: Duration = Duration::from_secs(1);

/// One publication per interval under steady traffic, at an offset of this instance's own, so that a fleet does not
/// publish in step; and soon after a quiet time, when the last publication is an interval or more ago. When CloudWatch
/// throttles, the interval doubles, and it comes back step by step with what CloudWatch takes.
#[derive(Debug)]
pub struct Schedule {
    configured: Duration,
    stretch: u32,
    is_draining: bool,
    /// The position of the publications within an interval, as a fraction of [`WHOLE`]. It is a fraction so that a fleet
    /// stays spread over an interval that throttling has made longer.
    offset: Duration,
    last: Option<Duration>,
    waiting_since: Option<Duration>,
}

impl Schedule {
    /// A schedule of this interval.
    pub fn new(interval: Duration, random: &mut Random) -> Self {
        let offset = random.below(WHOLE);
        Self { configured: interval, stretch: 1, is_draining: false, offset, last: None, waiting_since: None }
    }

    /// The time between two publications as things are.
    pub fn interval(&self) -> Duration {
        if self.is_draining {
            return DRAINING_INTERVAL;
        }
        self.configured.saturating_mul(self.stretch).min(LONGEST.max(self.configured))
    }

    /// CloudWatch has throttled a publication.
    pub fn throttled(&mut self) {
        if self.interval() < LONGEST {
            self.stretch = self.stretch.saturating_mul(2).min(MAX_STRETCH);
        }
    }

    /// CloudWatch has taken one.
    pub fn delivered(&mut self) {
        self.stretch = (self.stretch / 2).max(1);
    }

    /// Envoy is being drained, or no longer.
    pub fn set_draining(&mut self, is_draining: bool) {
        self.is_draining = is_draining;
    }

    /// Whether to publish now, by the steady clock; `has_data`: whether there is anything to publish. Once it says so, the
    /// next publication is scheduled.
    pub fn is_due(&mut self, now: Duration, has_data: bool) -> bool {
        if !has_data {
            self.waiting_since = None;
            return false;
        }
        let since = *self.waiting_since.get_or_insert(now);
        let due = match self.last {
            Some(last) if since < last.saturating_add(self.interval()) => self.slot_after(last),
            _ => since.saturating_add(GATHER),
        };
        if now < due {
            return false;
        }
        self.last = Some(now);
        self.waiting_since = None;
        true
    }

    /// The first multiple of the interval, moved by the offset, after `time`.
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

    /// The times of publication over `ticks` ticks, with data at the ticks that `has_data` says.
    fn publications(seed: u64, ticks: u32, has_data: impl Fn(Duration) -> bool) -> Vec<Duration> {
        let mut schedule = Schedule::new(INTERVAL, &mut Random::new(seed));
        (0..ticks).map(|tick| TICK * tick).filter(|now| schedule.is_due(*now, has_data(*now))).collect()
    }

    proptest! {
        #[test]
        fn steady_traffic_is_published_once_an_interval(seed: u64) {
            let times = publications(seed, 300 * 10, |_| true);
            prop_assert!(times[0] <= GATHER + TICK);
            prop_assert!(times[1] - times[0] <= INTERVAL + TICK);
            for pair in times[1..].windows(2) {
                let between = pair[1] - pair[0];
                prop_assert!(between >= INTERVAL - TICK && between <= INTERVAL + TICK, "{:?}", between);
            }
            prop_assert!((10..=11).contains(&times.len()), "{:?}", times);
        }

        #[test]
        fn the_first_data_after_a_quiet_time_go_out_within_two_seconds(seed: u64, quiet in 120u64..1000) {
            let data_from = Duration::from_secs(quiet);
            let times = publications(seed, 300 * 20, |now| now < TICK * 5 || now >= data_from);
            prop_assert!(times.iter().any(|time| *time >= data_from && *time <= data_from + Duration::from_secs(1)));
        }
    }

    #[test]
    fn a_fleet_does_not_publish_in_step() {
        let second: Vec<u64> = (0..100).map(|seed| publications(seed, 1000, |_| true)[1].as_secs()).collect();
        let distinct: std::collections::BTreeSet<_> = second.iter().collect();
        assert!(distinct.len() > 40, "{distinct:?}");
    }

    #[test]
    fn throttling_stretches_the_interval_and_success_brings_it_back() {
        let mut schedule = Schedule::new(INTERVAL, &mut Random::new(1));
        let mut intervals = Vec::new();
        for _ in 0..4 {
            schedule.throttled();
            intervals.push(schedule.interval().as_secs());
        }
        assert_eq!(intervals, [120, 240, 300, 300]);
        let mut steps = 0;
        while schedule.interval() > INTERVAL {
            schedule.delivered();
            steps += 1;
        }
        assert_eq!(steps, 7);
        let mut slow = Schedule::new(LONGEST * 2, &mut Random::new(1));
        slow.throttled();
        assert_eq!(slow.interval(), LONGEST * 2);
    }

    #[test]
    fn a_draining_envoy_publishes_every_second() {
        let mut schedule = Schedule::new(INTERVAL, &mut Random::new(3));
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
