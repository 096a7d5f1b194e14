//! How many requests of a series are in progress, told for every second.

/// Seconds without an event beyond which the clock must have been set, and nothing is told of them.
const LONGEST_GAP: u64 = 120;

/// Requests of one worker that have begun and not ended.
///
/// What is told of a second is how many there were at its end. Seconds in which nothing began, ended or was in progress
/// are not told: they are zero, and the receiver knows it when another second of the minute is told by any worker.
#[derive(Debug, Default)]
pub struct Progress {
    count: u32,
    /// The second since the epoch that is not over.
    second: u64,
    /// Something began or ended in it.
    is_touched: bool,
    /// Seconds that are over: the first of a run, how many, and how many requests were in progress at the end of each.
    told: Vec<(u64, u64, u32)>,
}

impl Progress {
    /// A request begins in this second.
    pub fn begin(&mut self, second: u64) {
        self.advance(second);
        self.count = self.count.saturating_add(1);
        self.is_touched = true;
    }

    /// A request ends.
    pub fn end(&mut self, second: u64) {
        self.advance(second);
        self.count = self.count.saturating_sub(1);
        self.is_touched = true;
    }

    /// Takes what is to be told of the seconds that are over: each second once, with how many requests.
    pub fn take(&mut self, second: u64) -> impl Iterator<Item = (u64, u32)> {
        self.advance(second);
        let runs = std::mem::take(&mut self.told).into_iter();
        runs.flat_map(|(first, length, count)| (first..first.saturating_add(length)).map(move |second| (second, count)))
    }

    /// Whether nothing is in progress.
    pub fn is_idle(&self) -> bool {
        self.count == 0
    }

    fn advance(&mut self, second: u64) {
        // A clock that is set back waits until it has caught up, so that no second is told twice.
        let Some(passed) = second.checked_sub(self.second).filter(|passed| *passed > 0) else { return };
        if passed <= LONGEST_GAP && (self.count > 0 || self.is_touched) {
            let length = if self.count > 0 { passed } else { 1 };
            self.told.push((self.second, length, self.count));
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

    fn told(progress: &mut Progress, second: u64) -> Vec<(u64, u32)> {
        progress.take(second).collect()
    }

    #[test]
    fn each_second_is_told_once_when_it_is_over() {
        let mut progress = Progress::default();
        assert_eq!(told(&mut progress, 1_000), []);
        progress.begin(1_000);
        progress.begin(1_000);
        assert_eq!(told(&mut progress, 1_000), []);
        assert_eq!(told(&mut progress, 1_001), [(1_000, 2)]);
        progress.end(1_003);
        assert_eq!(told(&mut progress, 1_005), [(1_001, 2), (1_002, 2), (1_003, 1), (1_004, 1)]);
        progress.end(1_005);
        assert!(progress.is_idle());
        assert_eq!(told(&mut progress, 1_010), [(1_005, 0)]);
        assert_eq!(told(&mut progress, 1_020), []);
    }

    #[test]
    fn a_request_within_a_second_tells_zero() {
        let mut progress = Progress::default();
        progress.begin(7);
        progress.end(7);
        assert_eq!(told(&mut progress, 9), [(7, 0)]);
    }

    #[test]
    fn a_clock_that_is_set_tells_no_second_twice() {
        let mut progress = Progress::default();
        progress.begin(1_000);
        assert_eq!(told(&mut progress, 1_002), [(1_000, 1), (1_001, 1)]);
        assert_eq!(told(&mut progress, 900), []);
        assert_eq!(told(&mut progress, 1_003), [(1_002, 1)]);
        assert_eq!(
            told(&mut progress, 1_003 + LONGEST_GAP),
            (1_003..1_003 + LONGEST_GAP).map(|s| (s, 1)).collect::<Vec<_>>()
        );
        assert_eq!(told(&mut progress, 1_000_000), []);
        assert_eq!(told(&mut progress, 1_000_001), [(1_000_000, 1)]);
    }

    proptest! {
        /// Whatever happens when: the samples are those of a walk over all events.
        #[test]
        fn samples_are_exact(events in prop::collection::vec((0u64..50, any::<bool>(), any::<bool>()), 0..100)) {
            let mut events = events;
            events.sort_by_key(|(second, _, _)| *second);
            let mut progress = Progress::default();
            let (mut count, mut seen) = (0u32, BTreeMap::new());
            let mut expected: BTreeMap<u64, u32> = BTreeMap::new();
            for (second, begins, takes) in events {
                if begins {
                    progress.begin(second);
                    count += 1;
                } else if count > 0 {
                    progress.end(second);
                    count -= 1;
                } else {
                    continue;
                }
                expected.retain(|known, _| *known < second);
                expected.extend((second..50).map(|second| (second, count)));
                if takes {
                    for (second, count) in progress.take(second) {
                        prop_assert_eq!(seen.insert(second, count), None);
                    }
                }
            }
            for (second, count) in progress.take(50) {
                prop_assert_eq!(seen.insert(second, count), None);
            }
            prop_assert!(seen.iter().all(|(second, count)| expected.get(second) == Some(count)));
            prop_assert!(expected.iter().all(|(second, count)| *count == 0 || seen.get(second) == Some(count)));
        }
    }
}
