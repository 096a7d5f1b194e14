//! Changes of a series from one reading to the next.

use super::{
    histogram::{BucketDelta, distribution},
    reading::{CumulativeBucket, Value},
};
use acpw_metric::Distribution;

/// Counts above this are not whole as doubles.
const MAX_COUNT: f64 = 9_007_199_254_740_992.0;

/// The reading of a series from which the next change is taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PreviousReading {
    /// None.
    #[default]
    Nothing,
    /// A counter.
    Counter(f64),
    /// A histogram.
    Histogram {
        /// Its buckets.
        buckets: Vec<CumulativeBucket>,
        /// Its number of values.
        count: f64,
        /// Their sum.
        sum: f64,
    },
    /// A summary.
    Summary {
        /// Its number of values.
        count: f64,
        /// Their sum.
        sum: f64,
    },
}

/// What came to a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A number.
    Value(f64),
    /// Many values.
    Distribution(Distribution),
    /// Nothing.
    Nothing,
}

impl PreviousReading {
    /// Remembers a reading, from which the next change is taken.
    pub fn keep(&mut self, value: &Value<'_>) {
        *self = match *value {
            Value::Gauge(_) => Self::Nothing,
            Value::Counter(total) => Self::Counter(total),
            Value::Histogram { buckets, count, sum } => {
                // The last one's allocation is used again.
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

    /// Returns what came since the reading that is kept, times `scale`. If the series `is_new`, it
    /// began with nothing since. Returns `None` if that is not known: nothing is kept, the series
    /// has gone back, or the bounds of a histogram are others.
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

/// Returns whether a reading can be true by itself: totals are neither negative nor infinite, a
/// histogram's buckets ascend and have its count. A histogram's sum may be anything.
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
    // A summary does not say its smallest and largest value; its mean lies between them.
    let mean = sum / count as f64;
    Distribution::statistic_set(count as f64, sum, mean, mean).map(Change::Distribution)
}

/// Returns the values that came to a histogram of the same bounds.
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
    // What is above the highest bound need not have a bucket of its own.
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
            // Most histograms are of times and sizes: there is nothing below zero.
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

/// Returns a number of values, if it is one.
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
    fn a_counter_says_its_increase() {
        let mut previous = PreviousReading::default();
        let mut advance = |value, is_new| {
            let change = previous.change(&Value::Counter(value), is_new, 2.0);
            previous.keep(&Value::Counter(value));
            change
        };
        assert_eq!(advance(5.0, false), None);
        assert_eq!(advance(8.0, false), Some(Change::Value(6.0)));
        assert_eq!(advance(8.0, false), Some(Change::Value(0.0)));
        // What it counted before it went back is not known.
        assert_eq!(advance(7.0, false), None);
        assert_eq!(advance(9.0, false), Some(Change::Value(4.0)));
        assert_eq!(advance(1.0, true), Some(Change::Value(2.0)));
    }

    #[test]
    fn a_gauge_is_what_it_says() {
        let change = |value| PreviousReading::default().change(&Value::Gauge(value), false, 0.5);
        assert_eq!(change(-5.0), Some(Change::Value(-2.5)));
        assert_eq!(change(f64::NAN), None);
        assert_eq!(change(f64::NEG_INFINITY), None);
    }

    #[test]
    fn a_histogram_says_what_came_to_its_buckets() {
        let mut previous = PreviousReading::default();
        let mut advance = |pairs: &[(f64, f64)], count, sum| {
            let buckets = buckets(pairs);
            let value = Value::Histogram { buckets: &buckets, count, sum };
            assert!(is_plausible(&value));
            let change = values(previous.change(&value, false, 1.0));
            previous.keep(&value);
            change
        };
        assert_eq!(advance(&[(1.0, 5.0), (3.0, 6.0), (f64::INFINITY, 6.0)], 6.0, 5.0), None);
        let same = advance(&[(1.0, 5.0), (3.0, 6.0), (f64::INFINITY, 6.0)], 6.0, 5.0);
        assert_eq!(same, Some(Vec::new()));
        let more = advance(&[(1.0, 7.0), (3.0, 9.0), (f64::INFINITY, 10.0)], 10.0, 20.0);
        assert_eq!(more, Some(vec![(0.5, 2), (2.0, 1), (12.0, 1)]));
        // Other bounds, then counts that go back.
        assert_eq!(advance(&[(2.0, 7.0), (3.0, 9.0), (f64::INFINITY, 11.0)], 11.0, 21.0), None);
        assert_eq!(advance(&[(2.0, 8.0), (3.0, 8.0), (f64::INFINITY, 11.0)], 11.0, 22.0), None);
        // Sums that values in these buckets cannot have, and none.
        assert_eq!(advance(&[(2.0, 9.0), (3.0, 9.0), (f64::INFINITY, 12.0)], 12.0, 25.0), Some(vec![(2.0, 1)]));
        assert_eq!(advance(&[(2.0, 10.0), (3.0, 10.0), (f64::INFINITY, 13.0)], 13.0, f64::NAN), Some(vec![(1.0, 1)]));
        assert_eq!(advance(&[(2.0, 11.0), (3.0, 11.0), (f64::INFINITY, 14.0)], 14.0, 27.0), Some(vec![(1.0, 1)]));
        // The highest bucket left out.
        assert_eq!(advance(&[(2.0, 12.0), (3.0, 13.0)], 16.0, 28.0), None);
        assert_eq!(advance(&[(2.0, 12.0), (3.0, 13.0)], 17.0, 128.0), Some(vec![(100.0, 1)]));
    }

    #[test]
    fn a_series_that_has_just_begun_began_with_nothing() {
        let previous = PreviousReading::default();
        let buckets = buckets(&[(-1.0, 1.0), (0.5, 2.0)]);
        let value = Value::Histogram { buckets: &buckets, count: 2.0, sum: -1.0 };
        assert_eq!(values(previous.change(&value, true, 1_000.0)), Some(vec![(-1_000.0, 1), (0.0, 1)]));
        let summary = previous.change(&Value::Summary { count: 2.0, sum: 8.0 }, true, 1.0);
        assert!(matches!(summary, Some(Change::Distribution(set)) if set.sum() == 8.0));
    }

    #[test]
    fn a_summary_says_a_statistic_set() {
        let mut previous = PreviousReading::default();
        let mut advance = |count, sum| {
            let change = previous.change(&Value::Summary { count, sum }, false, 10.0);
            previous.keep(&Value::Summary { count, sum });
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
    fn a_reading_that_cannot_be_true_is_not_sound() {
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
