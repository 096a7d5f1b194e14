//! Shrinks an accumulator: merges old data into longer periods, and then drops the oldest data.

use std::collections::VecDeque;

use super::{Accumulator, DataKind, MergeRule, PeriodKey};
use crate::{Metric, StorageResolution, Timestamp};

/// The lengths of longer periods in seconds, each with the age in seconds from which data may be merged into them.
const COARSER: [(u32, u64); 2] = [(300, 10 * 60), (3_600, 2 * 60 * 60)];

/// The data that must not be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Posted data. The gateway accepted them because there was room for them.
    Posted,
    /// No data.
    Nothing,
}

/// The result of [`Accumulator::shrink`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shrunk {
    /// The number of values that were made from shares of gauges.
    pub settled: u64,
    /// The number of dropped values.
    pub dropped: u64,
}

impl Accumulator {
    /// Merges the periods that start before `before` into periods of `seconds` seconds. No value is lost, but its time
    /// is less precise.
    ///
    /// Shares of gauges are treated as complete, and the sum of each second becomes a value. Returns the number of
    /// these values.
    pub fn coarsen(&mut self, seconds: u32, before: Timestamp) -> u64 {
        let samples = self.samples;
        self.refile(|key, _| {
            let kind = DataKind { merge: MergeRule::Distribution, ..key.kind };
            let coarse = PeriodKey { start: key.start.floor(seconds), kind, ..key.clone() };
            (key.start < before && coarse != *key).then_some(coarse)
        });
        self.samples.saturating_sub(samples)
    }

    /// Merges posted data of standard resolution into minutes. CloudWatch stores them by the minute, so nothing is
    /// lost.
    fn merge_posted_seconds(&mut self) {
        self.refile(|key, metric| {
            let is_minute = key.start == key.start.floor(StorageResolution::Standard.seconds());
            let resolution = metric.map_or(StorageResolution::Standard, |metric| metric.resolution);
            let coarse = PeriodKey { start: key.start.floor(resolution.seconds()), ..key.clone() };
            (key.kind.is_posted() && !is_minute).then_some(coarse)
        });
    }

    /// Moves data into the period that `coarser` returns for their period and metric.
    ///
    /// `coarser` is first called without a metric. If it returns `None`, all data of the period stay there. A returned
    /// period must not be later than the current one.
    fn refile(&mut self, coarser: impl Fn(&PeriodKey, Option<&Metric>) -> Option<PeriodKey>) {
        for (key, period) in std::mem::take(&mut self.periods) {
            if coarser(&key, None).is_none() {
                // No period so far is later, so this one stays the last.
                self.periods.push_back((key, period));
                continue;
            }
            for group in period.into_groups() {
                self.subtract(key.kind, &group);
                let borrowed: Vec<_> = group.dimensions.iter().collect();
                for (metric, distribution) in &group.distributions {
                    let key = coarser(&key, Some(metric)).unwrap_or_else(|| key.clone());
                    self.add_borrowed(key, &borrowed, metric, distribution);
                }
            }
        }
    }

    /// Merges data into longer periods until they take at most `target` bytes, or until no more can be merged. Posted
    /// data of standard resolution are merged into minutes, then old data into five minutes, and then into hours.
    ///
    /// No value is lost. Returns the number of values that were made from shares of gauges.
    pub fn merge_old(&mut self, target: usize, now: Timestamp) -> u64 {
        let mut settled = 0u64;
        if self.bytes > target {
            self.merge_posted_seconds();
        }
        for (seconds, age) in COARSER {
            if self.bytes <= target {
                return settled;
            }
            let before = Timestamp::from_secs(now.as_secs().saturating_sub(age)).floor(seconds);
            settled = settled.saturating_add(self.coarsen(seconds, before));
        }
        settled
    }

    /// Drops the oldest data until the remaining data take at most `target` bytes, or until only data to keep are left.
    /// Returns the number of dropped values.
    pub fn drop_until(&mut self, target: usize, keep: Keep) -> u64 {
        let before = self.samples;
        let mut kept = VecDeque::new();
        while self.bytes > target
            && let Some((key, mut period)) = self.periods.pop_front()
        {
            if keep == Keep::Posted && key.kind.is_posted() {
                kept.push_back((key, period));
                continue;
            }
            while self.bytes > target
                && let Some(group) = period.pop()
            {
                self.subtract(key.kind, &group);
            }
            if !period.is_empty() {
                kept.push_back((key, period));
            }
        }
        kept.append(&mut self.periods);
        self.periods = kept;
        before.saturating_sub(self.samples)
    }

    /// Shrinks the data to at most `target` bytes: [merges](Self::merge_old) old data, and then drops the oldest if
    /// that does not suffice.
    pub fn shrink(&mut self, target: usize, now: Timestamp) -> Shrunk {
        let settled = self.merge_old(target, now);
        Shrunk { settled, dropped: self.drop_until(target, Keep::Nothing) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::accumulator::tests::{accumulator, samples};

    /// Creates a copy of an accumulator whose totals are computed from its data.
    fn rebuilt(accumulator: &Accumulator) -> Accumulator {
        let mut rebuilt = Accumulator::default();
        for (key, dimensions, distributions) in accumulator.iter() {
            for (metric, distribution) in distributions {
                rebuilt.file(key.clone(), dimensions, metric, distribution);
            }
        }
        rebuilt
    }

    fn assert_consistent(accumulator: &Accumulator) {
        let rebuilt = rebuilt(accumulator);
        let counts = |accumulator: &Accumulator| (accumulator.samples(), accumulator.series(), accumulator.bytes());
        assert_eq!(counts(accumulator), counts(&rebuilt));
        let keys: Vec<_> = accumulator.periods.iter().map(|(key, _)| key.clone()).collect();
        assert!(keys.is_sorted() && keys.iter().eq(rebuilt.periods.iter().map(|(key, _)| key)));
    }

    proptest! {
        #[test]
        fn merging_loses_no_value(
            samples in samples(), age in 0u64..400, target in 0usize..40_000,
        ) {
            let now = Timestamp::from_secs(1_700_000_200 + age);
            let mut merged = accumulator(&samples);
            let (count, bytes) = (merged.samples(), merged.bytes());
            let settled = merged.merge_old(target, now);
            assert_consistent(&merged);
            prop_assert_eq!(merged.samples(), count + settled);
            prop_assert!(merged.bytes() <= bytes);
            if bytes <= target {
                prop_assert_eq!(merged.bytes(), bytes);
            } else {
                let is_merged = |(key, _, distributions): (&PeriodKey, _, &[(crate::Metric, _)])| {
                    let is_standard = distributions.iter().any(|(metric, _)| metric.resolution == StorageResolution::Standard);
                    let is_posted = key.kind.is_posted();
                    !(is_posted && is_standard) || key.start == key.start.floor(60)
                };
                prop_assert!(merged.iter().all(is_merged));
            }
            let settled_later = merged.merge_old(target, now);
            assert_consistent(&merged);
            prop_assert_eq!(merged.samples(), count + settled + settled_later);
            let mut sum = 0.0;
            while let Some((_, group)) = merged.pop() {
                sum += group.distributions.iter().map(|(_, distribution)| distribution.sum()).sum::<f64>();
            }
            prop_assert_eq!(sum, samples.iter().map(|(_, _, value)| f64::from(*value)).sum::<f64>());
        }

        #[test]
        fn coarsening_merges_old_periods_and_loses_no_value(samples in samples(), before in 0u64..250) {
            let before = Timestamp::from_secs(1_700_000_000 + before);
            let mut coarse = accumulator(&samples);
            let (count, series, bytes) = (coarse.samples(), coarse.series(), coarse.bytes());
            let settled = coarse.coarsen(300, before);
            prop_assert_eq!(coarse.samples(), count + settled);
            prop_assert!(coarse.iter().all(|(key, ..)| key.kind != DataKind::GAUGE_SHARE || key.start >= before));
            prop_assert!(coarse.series() <= series && coarse.bytes() <= bytes);
            assert_consistent(&coarse);
            let mut sum = 0.0;
            while let Some((key, group)) = coarse.pop() {
                let is_coarse = key.start.floor(300) == key.start;
                prop_assert!(key.start >= before || is_coarse || key.kind == DataKind::GAUGE_SHARE);
                sum += group.distributions.iter().map(|(_, distribution)| distribution.sum()).sum::<f64>();
            }
            prop_assert_eq!(sum, samples.iter().map(|(_, _, value)| f64::from(*value)).sum::<f64>());
        }
    }
}
