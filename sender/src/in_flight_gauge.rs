//! Samples the number of requests in flight of one series, every second.

/// The number of seconds without an event after which the wall clock must have been set. Such a gap is not sampled.
const LONGEST_GAP: u64 = 120;

/// Counts the requests in flight of one series on one worker.
///
/// A sample is the number of requests in flight at the end of a second. A second in which no request started, ended or
/// was in flight has no sample: its value is zero, and the receiver adds it if any worker has a sample in the same
/// minute.
#[derive(Debug, Default)]
pub struct InFlightGauge {
    count: u32,
    /// The current second since the epoch, which is not sampled yet.
    second: u64,
    /// True if a request started or ended in the current second.
    is_touched: bool,
    /// Runs of seconds with equal samples: first second, number of seconds, sample.
    samples: Vec<(u64, u64, u32)>,
}

impl InFlightGauge {
    /// Counts a request that starts in this second.
    pub fn start_request(&mut self, second: u64) {
        self.advance(second);
        self.count = self.count.saturating_add(1);
        self.is_touched = true;
    }

    /// Counts a request that ends in this second.
    pub fn end_request(&mut self, second: u64) {
        self.advance(second);
        self.count = self.count.saturating_sub(1);
        self.is_touched = true;
    }

    /// Takes the samples of all seconds before `second`, as pairs of second and count. Each second is returned once.
    pub fn take_samples(&mut self, second: u64) -> impl Iterator<Item = (u64, u32)> {
        self.advance(second);
        let runs = std::mem::take(&mut self.samples).into_iter();
        runs.flat_map(|(first, length, count)| (first..first.saturating_add(length)).map(move |second| (second, count)))
    }

    /// Returns whether no request is in flight.
    pub fn is_idle(&self) -> bool {
        self.count == 0
    }

    fn advance(&mut self, second: u64) {
        // If the clock was set back, wait until it catches up, so that no second is sampled twice.
        let Some(passed) = second.checked_sub(self.second).filter(|passed| *passed > 0) else { return };
        if passed <= LONGEST_GAP && (self.count > 0 || self.is_touched) {
            let length = if self.count > 0 { passed } else { 1 };
            self.samples.push((self.second, length, self.count));
        }
        self.second = second;
        self.is_touched = false;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn samples(gauge: &mut InFlightGauge, second: u64) -> Vec<(u64, u32)> {
        gauge.take_samples(second).collect()
    }

    #[test]
    fn each_second_is_sampled_once_after_it_ends() {
        let mut gauge = InFlightGauge::default();
        assert_eq!(samples(&mut gauge, 1_000), []);
        gauge.start_request(1_000);
        gauge.start_request(1_000);
        assert_eq!(samples(&mut gauge, 1_000), []);
        assert_eq!(samples(&mut gauge, 1_001), [(1_000, 2)]);
        gauge.end_request(1_003);
        assert_eq!(samples(&mut gauge, 1_005), [(1_001, 2), (1_002, 2), (1_003, 1), (1_004, 1)]);
        gauge.end_request(1_005);
        assert!(gauge.is_idle());
        assert_eq!(samples(&mut gauge, 1_010), [(1_005, 0)]);
        assert_eq!(samples(&mut gauge, 1_020), []);
    }

    #[test]
    fn a_request_within_one_second_gives_a_sample_of_zero() {
        let mut gauge = InFlightGauge::default();
        gauge.start_request(7);
        gauge.end_request(7);
        assert_eq!(samples(&mut gauge, 9), [(7, 0)]);
    }

    #[test]
    fn no_second_is_sampled_twice_if_the_clock_is_set() {
        let mut gauge = InFlightGauge::default();
        gauge.start_request(1_000);
        assert_eq!(samples(&mut gauge, 1_002), [(1_000, 1), (1_001, 1)]);
        assert_eq!(samples(&mut gauge, 900), []);
        assert_eq!(samples(&mut gauge, 1_003), [(1_002, 1)]);
        assert_eq!(
            samples(&mut gauge, 1_003 + LONGEST_GAP),
            (1_003..1_003 + LONGEST_GAP).map(|s| (s, 1)).collect::<Vec<_>>()
        );
        assert_eq!(samples(&mut gauge, 1_000_000), []);
        assert_eq!(samples(&mut gauge, 1_000_001), [(1_000_000, 1)]);
    }

    proptest! {
        #[test]
        fn samples_equal_those_of_a_walk_over_all_events(
            events in prop::collection::vec((0u64..50, any::<bool>(), any::<bool>()), 0..100),
        ) {
            let mut events = events;
            events.sort_by_key(|(second, _, _)| *second);
            let mut gauge = InFlightGauge::default();
            let (mut count, mut seen) = (0u32, BTreeMap::new());
            let mut expected: BTreeMap<u64, u32> = BTreeMap::new();
            for (second, starts, takes) in events {
                if starts {
                    gauge.start_request(second);
                    count += 1;
                } else if count > 0 {
                    gauge.end_request(second);
                    count -= 1;
                } else {
                    continue;
                }
                expected.retain(|known, _| *known < second);
                expected.extend((second..50).map(|second| (second, count)));
                if takes {
                    for (second, count) in gauge.take_samples(second) {
                        prop_assert_eq!(seen.insert(second, count), None);
                    }
                }
            }
            for (second, count) in gauge.take_samples(50) {
                prop_assert_eq!(seen.insert(second, count), None);
            }
            prop_assert!(seen.iter().all(|(second, count)| expected.get(second) == Some(count)));
            prop_assert!(expected.iter().all(|(second, count)| *count == 0 || seen.get(second) == Some(count)));
        }
    }
}
