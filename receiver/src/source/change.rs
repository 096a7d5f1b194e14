//! Computes the change of a series from one reading to the next.

use acpw_metric::{
    Distribution,
    buckets::{BucketDelta, distribution},
};

use super::reading::{CumulativeBucket, Value};

/// The largest count: an `f64` represents whole numbers exactly up to 2^53.
const MAX_COUNT: f64 = 9_007_199_254_740_992.0;

/// The reading of a series that the next change is relative to.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PreviousReading {
    /// No reading.
    #[default]
    Nothing,
    /// A counter.
    Counter(f64),
    /// A histogram.
    Histogram {
        /// The buckets.
        buckets: Vec<CumulativeBucket>,
        /// The number of values.
        count: f64,
        /// The sum of the values.
        sum: f64,
    },
    /// A summary.
    Summary {
        /// The number of values.
        count: f64,
        /// The sum of the values.
        sum: f64,
    },
}

/// The change of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A single value.
    Value(f64),
    /// Several values.
    Distribution(Distribution),
    /// No values.
    Nothing,
}

impl PreviousReading {
    /// Stores a reading. The next change is relative to it.
    pub fn store(&mut self, value: &Value<'_>) {
        *self = match *value {
            Value::Gauge(_) => Self::Nothing,
            Value::Counter(total) => Self::Counter(total),
            Value::Histogram { buckets, count, sum } => {
                // Reuses the allocation of the previous reading.
                let mut kept = match std::mem::take(self) {
                    Self::Histogram { buckets, .. } => buckets,
                    _ => Vec::new(),
                };
                kept.clear();
                kept.extend_from_slice(buckets);
                Self::Histogram { buckets: kept, count, sum }
            }
            Value::Summary { count, sum } => Self::Summary { count, sum },
        };
    }

    /// Returns the change since the stored reading, multiplied by `scale`. If the series `is_new`, it started at zero
    /// after that reading. Returns `None` if the change is unknown because there is no stored reading, the series has
    /// gone back, or the bounds of a histogram have changed.
    pub fn change(&self, value: &Value<'_>, is_new: bool, scale: f64) -> Option<Change> {
        match (*value, self) {
            (Value::Gauge(value), _) => value.is_finite().then_some(Change::Value(value * scale)),
            (Value::Counter(now), _) if is_new => Some(Change::Value(now * scale)),
            (Value::Counter(now), Self::Counter(before)) => {
                (now >= *before).then_some(Change::Value((now - before) * scale))
            }
            (Value::Histogram { buckets, count, sum }, _) if is_new => {
                let nothing: Vec<_> =
                    buckets.iter().map(|bucket| CumulativeBucket { cumulative: 0.0, ..*bucket }).collect();
                histogram(buckets, count, sum, &nothing, 0.0, 0.0, scale)
            }
            (
                Value::Histogram { buckets, count, sum },
                Self::Histogram { buckets: before, count: count_before, sum: sum_before },
            ) => histogram(buckets, count, sum, before, *count_before, *sum_before, scale),
            (Value::Summary { count, sum }, _) if is_new => summary(count, sum, scale),
            (Value::Summary { count, sum }, Self::Summary { count: count_before, sum: sum_before }) => {
                summary(count - count_before, sum - sum_before, scale)
            }
            _ => None,
        }
    }
}

/// Returns true if a reading is plausible: totals are neither negative nor infinite, and a histogram's buckets ascend
/// and agree with its count. A histogram's sum may be anything.
pub fn is_plausible(value: &Value<'_>) -> bool {
    match *value {
        Value::Gauge(value) => value.is_finite(),
        Value::Counter(total) => total.is_finite() && total >= 0.0,
        Value::Summary { count, sum } => whole(count).is_some() && sum.is_finite(),
        Value::Histogram { buckets, count, .. } => {
            let mut last = CumulativeBucket { upper: f64::NEG_INFINITY, cumulative: 0.0 };
            for (index, bucket) in buckets.iter().enumerate() {
                let is_ascending = bucket.upper > last.upper || (index == 0 && bucket.upper == last.upper);
                if !is_ascending || whole(bucket.cumulative).is_none() || bucket.cumulative < last.cumulative {
                    return false;
                }
                last = *bucket;
            }
            let has_count =
                if last.upper == f64::INFINITY { last.cumulative == count } else { last.cumulative <= count };
            whole(count).is_some() && has_count
        }
    }
}

fn summary(count: f64, sum: f64, scale: f64) -> Option<Change> {
    let (count, sum) = (whole(count)?, sum * scale);
    if count == 0 {
        return Some(Change::Nothing);
    }
    // A summary does not include its minimum and maximum. Its mean is between them.
    let mean = sum / count as f64;
    Distribution::statistic_set(count as f64, sum, mean, mean).map(Change::Distribution)
}

/// Returns the values added to a histogram, or `None` if its bounds have changed.
fn histogram(
    buckets: &[CumulativeBucket],
    count: f64,
    sum: f64,
    before: &[CumulativeBucket],
    count_before: f64,
    sum_before: f64,
    scale: f64,
) -> Option<Change> {
    if buckets.len() != before.len() {
        return None;
    }
    let mut deltas: Vec<BucketDelta> = Vec::new();
    let (mut lower, mut below) = (None, 0.0);
    // The bucket for values above the highest bound is optional.
    let is_open = buckets.last().is_none_or(|last| last.upper < f64::INFINITY);
    let over = is_open.then_some((f64::INFINITY, f64::INFINITY, count - count_before));
    let known = buckets
        .iter()
        .zip(before)
        .map(|(bucket, before)| (bucket.upper, before.upper, bucket.cumulative - before.cumulative));
    for (upper, upper_before, cumulative) in known.chain(over) {
        let count = whole(cumulative - below)?;
        if upper != upper_before {
            return None;
        }
        let upper = upper * scale;
        if count > 0 {
            // Most histograms are of times and sizes, which are not negative.
            let open = if upper.is_infinite() { f64::NEG_INFINITY } else { upper.min(0.0) };
            deltas.push(BucketDelta { lower: lower.unwrap_or(open), upper, count });
        }
        (lower, below) = (Some(upper), cumulative);
    }
    if deltas.is_empty() {
        return Some(Change::Nothing);
    }
    distribution(&deltas, (sum - sum_before) * scale).map(Change::Distribution)
}

/// Returns the count if it is a whole number that is not negative.
fn whole(count: f64) -> Option<u64> {
    let is_count = (0.0..=MAX_COUNT).contains(&count) && count.fract() == 0.0;
    is_count.then_some(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<CumulativeBucket> {
        pairs.iter().map(|(upper, cumulative)| CumulativeBucket { upper: *upper, cumulative: *cumulative }).collect()
    }

    fn values(change: Option<Change>) -> Option<Vec<(f64, u64)>> {
        match change? {
            Change::Distribution(distribution) => Some(distribution.values().collect()),
            Change::Nothing => Some(Vec::new()),
            Change::Value(value) => panic!("{value}"),
        }
    }

    #[test]
    fn the_change_of_a_counter_is_its_increase() {
        let mut previous = PreviousReading::default();
        let mut advance = |value, is_new| {
            let change = previous.change(&Value::Counter(value), is_new, 2.0);
            previous.store(&Value::Counter(value));
            change
        };
        assert_eq!(advance(5.0, false), None);
        assert_eq!(advance(8.0, false), Some(Change::Value(6.0)));
        assert_eq!(advance(8.0, false), Some(Change::Value(0.0)));
        // The increase before the counter went back is unknown.
        assert_eq!(advance(7.0, false), None);
        assert_eq!(advance(9.0, false), Some(Change::Value(4.0)));
        assert_eq!(advance(1.0, true), Some(Change::Value(2.0)));
    }

    #[test]
    fn the_change_of_a_gauge_is_its_value() {
        let change = |value| PreviousReading::default().change(&Value::Gauge(value), false, 0.5);
        assert_eq!(change(-5.0), Some(Change::Value(-2.5)));
        assert_eq!(change(f64::NAN), None);
        assert_eq!(change(f64::NEG_INFINITY), None);
    }

    #[test]
    fn the_change_of_a_histogram_is_the_increase_of_its_buckets() {
        let mut previous = PreviousReading::default();
        let mut advance = |pairs: &[(f64, f64)], count, sum| {
            let buckets = buckets(pairs);
            let value = Value::Histogram { buckets: &buckets, count, sum };
            assert!(is_plausible(&value));
            let change = values(previous.change(&value, false, 1.0));
            previous.store(&value);
            change
        };
        assert_eq!(advance(&[(1.0, 5.0), (3.0, 6.0), (f64::INFINITY, 6.0)], 6.0, 5.0), None);
        let same = advance(&[(1.0, 5.0), (3.0, 6.0), (f64::INFINITY, 6.0)], 6.0, 5.0);
        assert_eq!(same, Some(Vec::new()));
        let more = advance(&[(1.0, 7.0), (3.0, 9.0), (f64::INFINITY, 10.0)], 10.0, 20.0);
        assert_eq!(more, Some(vec![(0.5, 2), (2.0, 1), (12.0, 1)]));
        // The bounds change, then a count goes back.
        assert_eq!(advance(&[(2.0, 7.0), (3.0, 9.0), (f64::INFINITY, 11.0)], 11.0, 21.0), None);
        assert_eq!(advance(&[(2.0, 8.0), (3.0, 8.0), (f64::INFINITY, 11.0)], 11.0, 22.0), None);
        // Sums that are impossible for these buckets, and an unknown sum.
        assert_eq!(advance(&[(2.0, 9.0), (3.0, 9.0), (f64::INFINITY, 12.0)], 12.0, 25.0), Some(vec![(2.0, 1)]));
        assert_eq!(advance(&[(2.0, 10.0), (3.0, 10.0), (f64::INFINITY, 13.0)], 13.0, f64::NAN), Some(vec![(1.0, 1)]));
        assert_eq!(advance(&[(2.0, 11.0), (3.0, 11.0), (f64::INFINITY, 14.0)], 14.0, 27.0), Some(vec![(1.0, 1)]));
        // Without the highest bucket.
        assert_eq!(advance(&[(2.0, 12.0), (3.0, 13.0)], 16.0, 28.0), None);
        assert_eq!(advance(&[(2.0, 12.0), (3.0, 13.0)], 17.0, 128.0), Some(vec![(100.0, 1)]));
    }

    #[test]
    fn a_new_series_starts_at_zero() {
        let previous = PreviousReading::default();
        let buckets = buckets(&[(-1.0, 1.0), (0.5, 2.0)]);
        let value = Value::Histogram { buckets: &buckets, count: 2.0, sum: -1.0 };
        assert_eq!(values(previous.change(&value, true, 1_000.0)), Some(vec![(-1_000.0, 1), (0.0, 1)]));
        let summary = previous.change(&Value::Summary { count: 2.0, sum: 8.0 }, true, 1.0);
        assert!(matches!(summary, Some(Change::Distribution(set)) if set.sum() == 8.0));
    }

    #[test]
    fn the_change_of_a_summary_is_a_statistic_set() {
        let mut previous = PreviousReading::default();
        let mut advance = |count, sum| {
            let change = previous.change(&Value::Summary { count, sum }, false, 10.0);
            previous.store(&Value::Summary { count, sum });
            change
        };
        assert_eq!(advance(5.0, 2.0), None);
        assert_eq!(advance(5.0, 2.0), Some(Change::Nothing));
        let Some(Change::Distribution(set)) = advance(9.0, 4.0) else { panic!() };
        assert_eq!((set.sample_count(), set.sum(), set.min(), set.max()), (4.0, 20.0, 5.0, 5.0));
        assert!(set.is_statistic_set());
        assert_eq!(advance(8.0, 5.0), None);
    }

    #[test]
    fn impossible_readings_are_not_plausible() {
        let inf = f64::INFINITY;
        for wrong in [f64::NAN, inf, -1.0] {
            assert!(!is_plausible(&Value::Counter(wrong)));
        }
        assert!(!is_plausible(&Value::Summary { count: 1.0, sum: f64::NAN }));
        assert!(!is_plausible(&Value::Summary { count: 0.5, sum: 1.0 }));
        let is_plausible =
            |pairs: &[(f64, f64)], count, sum| is_plausible(&Value::Histogram { buckets: &buckets(pairs), count, sum });
        assert!(is_plausible(&[(1.0, 2.0), (2.0, 2.0), (inf, 3.0)], 3.0, f64::NAN));
        assert!(is_plausible(&[(1.0, 2.0)], 3.0, -5.0));
        assert!(is_plausible(&[], 3.0, 5.0));
        assert!(!is_plausible(&[(1.0, 2.0), (inf, 3.0)], 4.0, 5.0));
        assert!(!is_plausible(&[(1.0, 4.0)], 3.0, 5.0));
        assert!(!is_plausible(&[(1.0, 2.0), (1.0, 2.0)], 3.0, 5.0));
        assert!(!is_plausible(&[(2.0, 2.0), (1.0, 2.0)], 3.0, 5.0));
        assert!(!is_plausible(&[(1.0, 2.0), (2.0, 1.0)], 3.0, 5.0));
        assert!(!is_plausible(&[(1.0, 0.5)], 3.0, 5.0));
        assert!(!is_plausible(&[(f64::NAN, 1.0)], 3.0, 5.0));
        assert!(!is_plausible(&[], f64::NAN, 5.0));
    }
}
