//! What a series says now, less what it said before.

use super::{
    histogram::{Slice, distribution},
    reading::{Bucket, Value},
};
use acpw_metric::Distribution;

/// Counts above this are not whole as doubles.
const MAX_COUNT: f64 = 9_007_199_254_740_992.0;

/// What a series said last.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Previous {
    /// Nothing yet, or nothing that a difference can be taken from.
    #[default]
    Nothing,
    /// A counter.
    Counter(f64),
    /// A histogram.
    Histogram {
        /// Its buckets.
        buckets: Vec<Bucket>,
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

/// What a reading adds.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A number.
    Value(f64),
    /// Many values.
    Distribution(Distribution),
    /// Nothing has happened.
    Nothing,
}

impl Previous {
    /// What a reading adds to what was said before, times `scale`, and keeps it for the next time. None when that cannot be
    /// told: there was nothing before, unless the series `is_new` and began with nothing; it has gone back; it says what
    /// cannot be.
    pub fn advance(&mut self, value: &Value<'_>, is_new: bool, scale: f64) -> Option<Change> {
        let before = std::mem::take(self);
        match *value {
            Value::Gauge(value) | Value::Untyped(value) => value.is_finite().then_some(Change::Value(value * scale)),
            Value::Counter(now) => {
                let is_sound = now.is_finite() && now >= 0.0;
                if is_sound {
                    *self = Self::Counter(now);
                }
                let before = match before {
                    _ if is_new => 0.0,
                    Self::Counter(before) => before,
                    _ => return None,
                };
                (is_sound && now >= before).then_some(Change::Value((now - before) * scale))
            }
            Value::Histogram { buckets, count, sum } => {
                // The last one's allocation is used again.
                let (mut kept, is_known, count_before, sum_before) = match before {
                    Self::Histogram { buckets, count, sum } => (buckets, true, count, sum),
                    _ => (Vec::new(), false, 0.0, 0.0),
                };
                let change = match (is_new, is_known) {
                    (true, _) => histogram(buckets, count, sum, &[], 0.0, 0.0, scale),
                    (false, true) => histogram(buckets, count, sum, &kept, count_before, sum_before, scale),
                    (false, false) => None,
                };
                if sum.is_finite() {
                    kept.clear();
                    kept.extend_from_slice(buckets);
                    *self = Self::Histogram { buckets: kept, count, sum };
                }
                change
            }
            Value::Summary { count, sum } => {
                if sum.is_finite() {
                    *self = Self::Summary { count, sum };
                }
                let (count_before, sum_before) = match before {
                    _ if is_new => (0.0, 0.0),
                    Self::Summary { count, sum } => (count, sum),
                    _ => return None,
                };
                let (count, sum) = (whole(count - count_before)?, (sum - sum_before) * scale);
                if count == 0 {
                    return Some(Change::Nothing);
                }
                // Neither end is known; the mean lies between them.
                let mean = sum / count as f64;
                Distribution::statistic_set(count as f64, sum, mean, mean).map(Change::Distribution)
            }
        }
    }
}

/// The values that came to a histogram since it was as before; no buckets before are ones without values.
fn histogram(
    buckets: &[Bucket],
    count: f64,
    sum: f64,
    before: &[Bucket],
    count_before: f64,
    sum_before: f64,
    scale: f64,
) -> Option<Change> {
    let has_same_bounds = buckets.len() == before.len() && buckets.iter().zip(before).all(|(a, b)| a.upper == b.upper);
    if !before.is_empty() && !has_same_bounds {
        return None;
    }
    let mut slices: Vec<Slice> = Vec::new();
    let (mut lower, mut below) = (None, 0.0);
    // What is above the highest bound need not have a bucket of its own.
    let is_open = buckets.last().is_none_or(|last| last.upper < f64::INFINITY);
    let over = is_open.then_some((f64::INFINITY, count - count_before));
    let was = |at: usize| before.get(at).map_or(0.0, |bucket| bucket.cumulative);
    let told = buckets.iter().enumerate().map(|(at, bucket)| (bucket.upper, bucket.cumulative - was(at)));
    for (upper, cumulative) in told.chain(over) {
        let upper = upper * scale;
        let is_ascending = lower.is_none_or(|lower| lower < upper);
        let count = whole(cumulative - below)?;
        if !is_ascending || upper.is_nan() {
            return None;
        }
        if count > 0 {
            // Most histograms are of times and sizes: there is nothing below zero.
            let open = if upper.is_infinite() { f64::NEG_INFINITY } else { upper.min(0.0) };
            slices.push(Slice { lower: lower.unwrap_or(open), upper, count });
        }
        (lower, below) = (Some(upper), cumulative);
    }
    if whole(count - count_before)? as f64 != below {
        return None;
    }
    if slices.is_empty() {
        return (sum == sum_before).then_some(Change::Nothing);
    }
    // Sums that were added up at the target are off by their rounding.
    let slack = (sum.abs() + sum_before.abs()) * scale * 1e-9;
    distribution(&slices, (sum - sum_before) * scale, slack).map(Change::Distribution)
}

/// A number of values.
fn whole(count: f64) -> Option<u64> {
    let is_count = (0.0..=MAX_COUNT).contains(&count) && count.fract() == 0.0;
    is_count.then_some(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs.iter().map(|(upper, cumulative)| Bucket { upper: *upper, cumulative: *cumulative }).collect()
    }

    fn values(change: Option<Change>) -> Option<Vec<(f64, u64)>> {
        match change? {
            Change::Distribution(distribution) => Some(distribution.values().collect()),
            Change::Nothing => Some(Vec::new()),
            Change::Value(value) => panic!("{value}"),
        }
    }

    #[test]
    fn a_counter_tells_its_increase() {
        let mut previous = Previous::default();
        let mut advance = |value, is_new| previous.advance(&Value::Counter(value), is_new, 2.0);
        assert_eq!(advance(5.0, false), None);
        assert_eq!(advance(8.0, false), Some(Change::Value(6.0)));
        assert_eq!(advance(8.0, false), Some(Change::Value(0.0)));
        // It has gone back: what was counted before that is not known.
        assert_eq!(advance(7.0, false), None);
        assert_eq!(advance(9.0, false), Some(Change::Value(4.0)));
        // It has gone back, and began after it was asked last.
        assert_eq!(advance(1.0, true), Some(Change::Value(2.0)));
        for wrong in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(advance(wrong, false), None);
            assert_eq!(advance(3.0, false), None);
            assert_eq!(advance(4.0, false), Some(Change::Value(2.0)));
        }
    }

    #[test]
    fn a_gauge_is_what_it_says() {
        let mut previous = Previous::default();
        let mut advance = |value| previous.advance(&Value::Gauge(value), false, 0.5);
        assert_eq!(advance(-5.0), Some(Change::Value(-2.5)));
        assert_eq!(advance(f64::NAN), None);
        assert_eq!(advance(f64::NEG_INFINITY), None);
    }

    #[test]
    fn a_histogram_tells_what_came_to_its_buckets() {
        let mut previous = Previous::default();
        let mut advance = |pairs: &[(f64, f64)], count, sum| {
            let buckets = buckets(pairs);
            values(previous.advance(&Value::Histogram { buckets: &buckets, count, sum }, false, 1.0))
        };
        assert_eq!(advance(&[(1.0, 5.0), (3.0, 6.0), (f64::INFINITY, 6.0)], 6.0, 5.0), None);
        let same = advance(&[(1.0, 5.0), (3.0, 6.0), (f64::INFINITY, 6.0)], 6.0, 5.0);
        assert_eq!(same, Some(Vec::new()));
        let more = advance(&[(1.0, 7.0), (3.0, 9.0), (f64::INFINITY, 10.0)], 10.0, 20.0);
        assert_eq!(more, Some(vec![(0.5, 2), (2.0, 1), (12.0, 1)]));
        // Other bounds, counts that go back, a count that its buckets do not have, a sum they cannot have.
        assert_eq!(advance(&[(2.0, 7.0), (3.0, 9.0), (f64::INFINITY, 11.0)], 11.0, 21.0), None);
        assert_eq!(advance(&[(2.0, 8.0), (3.0, 9.0), (f64::INFINITY, 11.0)], 11.0, 22.0), None);
        assert_eq!(advance(&[(2.0, 9.0), (3.0, 10.0), (f64::INFINITY, 12.0)], 13.0, 22.0), None);
        assert_eq!(advance(&[(2.0, 9.0), (3.0, 10.0), (f64::INFINITY, 12.0)], 12.0, 22.0), None);
        assert_eq!(advance(&[(2.0, 10.0), (3.0, 11.0), (f64::INFINITY, 13.0)], 13.0, 22.0), Some(vec![(0.0, 1)]));
        assert_eq!(advance(&[(2.0, 11.0), (3.0, 12.0), (f64::INFINITY, 14.0)], 14.0, 25.0), None);
        assert_eq!(advance(&[(2.0, 12.0), (3.0, 13.0), (f64::INFINITY, 15.0)], 15.0, f64::NAN), None);
        assert_eq!(advance(&[(2.0, 12.0), (3.0, 13.0), (f64::INFINITY, 15.0)], 15.0, 26.0), None);
        // The highest bucket left out.
        assert_eq!(advance(&[(2.0, 12.0), (3.0, 13.0)], 15.0, 26.0), None);
        assert_eq!(advance(&[(2.0, 12.0), (3.0, 13.0)], 16.0, 126.0), Some(vec![(100.0, 1)]));
        assert_eq!(advance(&[(2.0, 12.5), (3.0, 14.0)], 17.0, 126.0), None);
        assert_eq!(advance(&[(3.0, 12.5), (2.0, 14.0)], 17.0, 126.0), None);
    }

    #[test]
    fn a_histogram_that_has_just_begun_began_with_nothing() {
        let mut previous = Previous::default();
        let buckets = buckets(&[(-1.0, 1.0), (0.5, 2.0)]);
        let value = Value::Histogram { buckets: &buckets, count: 2.0, sum: -1.0 };
        assert_eq!(values(previous.advance(&value, true, 1_000.0)), Some(vec![(-1_000.0, 1), (0.0, 1)]));
    }

    #[test]
    fn a_summary_tells_a_statistic_set() {
        let mut previous = Previous::default();
        let mut advance = |count, sum| previous.advance(&Value::Summary { count, sum }, false, 10.0);
        assert_eq!(advance(5.0, 2.0), None);
        assert_eq!(advance(5.0, 2.0), Some(Change::Nothing));
        let Some(Change::Distribution(set)) = advance(9.0, 4.0) else { panic!() };
        assert_eq!((set.sample_count(), set.sum(), set.min(), set.max()), (4.0, 20.0, 5.0, 5.0));
        assert!(set.is_statistic_set());
        assert_eq!(advance(8.0, 5.0), None);
        assert_eq!(advance(9.0, f64::NAN), None);
        assert_eq!(advance(9.0, 6.0), None);
        assert_eq!(advance(9.0, 6.0), Some(Change::Nothing));
    }
}
