//! Aggregates samples: statistic sets, and the distinct values that percentiles need.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Maximum number of distinct values in a bucket. A further value is counted as the nearest one.
pub(crate) const MAX_DISTINCT_VALUES: usize = 5_000;

/// Count, sum, minimum and maximum of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StatisticSet {
    pub(crate) count: f64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl StatisticSet {
    /// No samples.
    pub(crate) const EMPTY: Self = Self { count: 0.0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    /// Returns the statistics of `count` samples of the same value.
    pub(crate) fn repeated(value: f64, count: f64) -> Self {
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

/// The samples of one series in one period.
#[derive(Debug, Clone)]
pub(crate) struct SampleBucket {
    pub(crate) statistics: StatisticSet,
    /// `None` once a statistic set without values was added: percentiles are then unavailable.
    values: Option<DistinctValues>,
}

impl SampleBucket {
    pub(crate) fn new() -> Self {
        Self { statistics: StatisticSet::EMPTY, values: Some(DistinctValues::default()) }
    }

    /// Adds samples.
    pub(crate) fn add(&mut self, statistics: &StatisticSet, values: Option<&[(f64, f64)]>) {
        self.statistics.merge(statistics);
        match (&mut self.values, values) {
            (Some(own), Some(values)) => values.iter().for_each(|(value, count)| own.add(*value, *count)),
            (own, _) => *own = None,
        }
    }

    /// Adds the samples of another bucket.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.statistics.merge(&other.statistics);
        match (&mut self.values, &other.values) {
            (Some(own), Some(values)) => values.iter().for_each(|(value, count)| own.add(value, count)),
            (own, _) => *own = None,
        }
    }

    /// Returns the smallest value that is not exceeded by at least `percent` percent of the samples. As in CloudWatch,
    /// returns `None` if the samples include a statistic set without values, or a negative value.
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        self.values.as_ref().filter(|_| self.statistics.min >= 0.0).and_then(|values| values.percentile(percent))
    }

    /// Returns the distinct values and their counts, ascending. The list is empty if they are unavailable.
    pub(crate) fn values(&self) -> Vec<(f64, f64)> {
        self.values.iter().flat_map(DistinctValues::iter).collect()
    }

    /// Returns the size of the bucket: one entry for itself and one for each distinct value.
    pub(crate) fn entries(&self) -> usize {
        1 + self.values.as_ref().map_or(0, |values| values.counts.len())
    }
}

/// A bounded multiset of values.
#[derive(Debug, Clone, Default)]
struct DistinctValues {
    counts: BTreeMap<OrderedValue, f64>,
}

impl DistinctValues {
    fn add(&mut self, value: f64, count: f64) {
        let value = OrderedValue::new(value);
        if self.counts.len() < MAX_DISTINCT_VALUES || self.counts.contains_key(&value) {
            *self.counts.entry(value).or_default() += count;
        } else if let Some(nearest) = self.nearest(value) {
            *self.counts.entry(nearest).or_default() += count;
        }
    }

    fn nearest(&self, value: OrderedValue) -> Option<OrderedValue> {
        let below = self.counts.range(..value).next_back().map(|(key, _)| *key);
        let above = self.counts.range(value..).next().map(|(key, _)| *key);
        let distance = |key: &OrderedValue| (key.0 - value.0).abs();
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

/// A totally ordered value. Minus zero equals zero.
#[derive(Debug, Clone, Copy)]
struct OrderedValue(f64);

impl OrderedValue {
    fn new(value: f64) -> Self {
        Self(value + 0.0)
    }
}

impl PartialEq for OrderedValue {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for OrderedValue {}

impl PartialOrd for OrderedValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderedValue {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(values: &[(f64, f64)]) -> SampleBucket {
        let mut bucket = SampleBucket::new();
        for (value, count) in values {
            bucket.add(&StatisticSet::repeated(*value, *count), Some(&[(*value, *count)]));
        }
        bucket
    }

    #[test]
    fn percentiles_are_computed_by_rank() {
        let hundred: Vec<_> = (1..=100).map(|n| (f64::from(n), 1.0)).collect();
        let bucket = bucket(&hundred);
        for (percent, value) in [(0.0, 1.0), (1.0, 1.0), (50.0, 50.0), (50.1, 51.0), (99.0, 99.0), (100.0, 100.0)] {
            assert_eq!(bucket.percentile(percent), Some(value), "p{percent}");
        }
    }

    #[test]
    fn counts_weight_values() {
        let bucket = bucket(&[(1.0, 90.0), (10.0, 9.0), (100.0, 1.0)]);
        assert_eq!([50.0, 95.0, 99.5].map(|p| bucket.percentile(p).unwrap()), [1.0, 10.0, 100.0]);
    }

    #[test]
    fn a_statistic_set_without_values_disables_percentiles() {
        let mut set = SampleBucket::new();
        set.add(&StatisticSet { count: 2.0, sum: 3.0, min: 1.0, max: 2.0 }, None);
        assert_eq!(set.percentile(50.0), None);
        let mut mixed = bucket(&[(1.0, 1.0)]);
        mixed.merge(&set);
        assert_eq!(mixed.percentile(50.0), None);
        assert_eq!(mixed.statistics, StatisticSet { count: 3.0, sum: 4.0, min: 1.0, max: 2.0 });
    }

    #[test]
    fn a_negative_value_disables_percentiles() {
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
