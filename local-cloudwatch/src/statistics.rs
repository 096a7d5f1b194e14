//! Statistic sets and the values behind percentiles.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Distinct values a bucket keeps; further ones count as their nearest neighbour.
pub(crate) const MAX_DISTINCT_VALUES: usize = 5_000;

/// Count, sum, minimum and maximum of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Statistics {
    pub(crate) count: f64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Statistics {
    /// No samples.
    pub(crate) const EMPTY: Self = Self { count: 0.0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    /// `count` samples of the same value.
    pub(crate) fn of(value: f64, count: f64) -> Self {
        Self { count, sum: value * count, min: value, max: value }
    }

    /// Adds the samples of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// Everything known of one series in one period.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) statistics: Statistics,
    /// `None` once a statistic set without values was added: percentiles are not known then.
    values: Option<Values>,
}

impl Bucket {
    pub(crate) fn new() -> Self {
        Self { statistics: Statistics::EMPTY, values: Some(Values::default()) }
    }

    /// Adds samples.
    pub(crate) fn add(&mut self, statistics: &Statistics, values: Option<&[(f64, f64)]>) {
        self.statistics.merge(statistics);
        match (&mut self.values, values) {
            (Some(known), Some(values)) => values.iter().for_each(|(value, count)| known.add(*value, *count)),
            (known, _) => *known = None,
        }
    }

    /// Adds the samples of another bucket.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.statistics.merge(&other.statistics);
        match (&mut self.values, &other.values) {
            (Some(known), Some(values)) => values.iter().for_each(|(value, count)| known.add(value, count)),
            (known, _) => *known = None,
        }
    }

    /// The smallest value that at least `percent` of the samples do not exceed. Nothing when a statistic set without
    /// values or a negative value is among the samples, as in CloudWatch.
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        self.values.as_ref().filter(|_| self.statistics.min >= 0.0).and_then(|values| values.percentile(percent))
    }

    /// Values with their counts, ascending; empty when they are not known.
    pub(crate) fn values(&self) -> Vec<(f64, f64)> {
        self.values.iter().flat_map(Values::iter).collect()
    }

    /// How much memory the bucket holds, in units of one entry.
    pub(crate) fn entries(&self) -> usize {
        1 + self.values.as_ref().map_or(0, |values| values.counts.len())
    }
}

/// A multiset of values.
#[derive(Debug, Clone, Default)]
struct Values {
    counts: BTreeMap<Finite, f64>,
}

impl Values {
    fn add(&mut self, value: f64, count: f64) {
        let value = Finite::new(value);
        if self.counts.len() < MAX_DISTINCT_VALUES || self.counts.contains_key(&value) {
            *self.counts.entry(value).or_default() += count;
        } else if let Some(nearest) = self.nearest(value) {
            *self.counts.entry(nearest).or_default() += count;
        }
    }

    fn nearest(&self, value: Finite) -> Option<Finite> {
        let below = self.counts.range(..value).next_back().map(|(key, _)| *key);
        let above = self.counts.range(value..).next().map(|(key, _)| *key);
        let distance = |key: &Finite| (key.0 - value.0).abs();
        below.into_iter().chain(above).min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }

    fn iter(&self) -> impl Iterator<Item = (f64, f64)> {
        self.counts.iter().map(|(value, count)| (value.0, *count))
    }

    fn percentile(&self, percent: f64) -> Option<f64> {
        let total: f64 = self.counts.values().sum();
        let rank = total * percent / 100.0;
        let mut seen = 0.0;
        let found = self.iter().find(|(_, count)| {
            seen += count;
            seen >= rank
        });
        found.map(|(value, _)| value).or_else(|| self.counts.keys().next_back().map(|value| value.0))
    }
}

/// A value in the order of numbers. Minus zero is zero.
#[derive(Debug, Clone, Copy)]
struct Finite(f64);

impl Finite {
    fn new(value: f64) -> Self {
        Self(value + 0.0)
    }
}

impl PartialEq for Finite {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Finite {}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(values: &[(f64, f64)]) -> Bucket {
        let mut bucket = Bucket::new();
        for (value, count) in values {
            bucket.add(&Statistics::of(*value, *count), Some(&[(*value, *count)]));
        }
        bucket
    }

    #[test]
    fn percentiles_are_by_rank() {
        let hundred: Vec<_> = (1..=100).map(|n| (f64::from(n), 1.0)).collect();
        let bucket = bucket(&hundred);
        for (percent, value) in [(0.0, 1.0), (1.0, 1.0), (50.0, 50.0), (50.1, 51.0), (99.0, 99.0), (100.0, 100.0)] {
            assert_eq!(bucket.percentile(percent), Some(value), "p{percent}");
        }
    }

    #[test]
    fn counts_weigh_values() {
        let bucket = bucket(&[(1.0, 90.0), (10.0, 9.0), (100.0, 1.0)]);
        assert_eq!([50.0, 95.0, 99.5].map(|p| bucket.percentile(p).unwrap()), [1.0, 10.0, 100.0]);
    }

    #[test]
    fn a_bare_statistic_set_takes_percentiles_away() {
        let mut set = Bucket::new();
        set.add(&Statistics { count: 2.0, sum: 3.0, min: 1.0, max: 2.0 }, None);
        assert_eq!(set.percentile(50.0), None);
        let mut mixed = bucket(&[(1.0, 1.0)]);
        mixed.merge(&set);
        assert_eq!(mixed.percentile(50.0), None);
        assert_eq!(mixed.statistics, Statistics { count: 3.0, sum: 4.0, min: 1.0, max: 2.0 });
    }

    #[test]
    fn a_negative_value_takes_percentiles_away() {
        assert_eq!(bucket(&[(5.0, 1.0), (-0.5, 1.0)]).percentile(50.0), None);
        assert_eq!(bucket(&[(5.0, 1.0), (-0.0, 1.0)]).percentile(50.0), Some(0.0));
    }

    #[test]
    fn distinct_values_are_bounded_and_counts_stay_exact() {
        for extra in [0, 1, 2] {
            let values: Vec<_> = (0..MAX_DISTINCT_VALUES + extra).map(|n| (n as f64, 1.0)).collect();
            let bucket = bucket(&values);
            assert_eq!(bucket.values().len(), MAX_DISTINCT_VALUES);
            assert_eq!(bucket.values().iter().map(|(_, count)| count).sum::<f64>(), values.len() as f64);
        }
    }
}
