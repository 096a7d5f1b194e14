//! Converts histogram buckets with arbitrary bounds into a distribution.

use crate::{Distribution, quota::MAX_VALUES_PER_DATUM};

/// The relative difference of two sums that differ only by rounding.
const ROUNDING: f64 = 1e-9;

/// The values added to a bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BucketDelta {
    /// The lower bound, exclusive.
    pub lower: f64,
    /// The upper bound, inclusive; +Inf for the last bucket.
    pub upper: f64,
    /// The number of values, at least one.
    pub count: u64,
}

/// Returns the distribution of the values in these buckets, which must ascend, with the given sum. Returns `None` if
/// there are no values or if they are too large.
///
/// The count is exact, and so is the sum if it is possible for these buckets. A target may report an impossible sum if
/// it estimates it, as Envoy does; the nearest possible sum replaces it. A missing sum (NaN) is estimated: values are
/// in the middle of their buckets, and values above the highest bound are at that bound.
///
/// One value represents all values of a bucket, so the error of a value is at most the width of its bucket. The minimum
/// and maximum are such values too. The sum determines where in their buckets the values are. Values above the highest
/// bound make up the rest of the sum when all others are in the middle of their buckets. Without such values, all are
/// at the same fraction of the width of their buckets.
pub fn distribution(deltas: &[BucketDelta], sum: f64) -> Option<Distribution> {
    let over = deltas.last().filter(|last| last.upper.is_infinite());
    let finite = deltas.get(..deltas.len().saturating_sub(usize::from(over.is_some())))?;
    let (mut lowest, mut width) = (0.0, 0.0);
    for slice in finite {
        let BucketDelta { lower, upper, count } = *slice;
        lowest += lower * count as f64;
        width += (upper - lower) * count as f64;
    }
    let is_known = sum.is_finite();
    let over = over.map(|BucketDelta { lower, count, .. }| {
        let count = *count as f64;
        let mean = (sum - lowest - width / 2.0) / count;
        // Without a sum, the lower bound is the only estimate; it may be infinite, and then there is no estimate.
        let value = if is_known { mean.max(*lower) } else { *lower };
        (value, value * count)
    });
    let over_sum = over.map_or(0.0, |(_, sum)| sum);
    let rest = if is_known { sum - over_sum - lowest } else { width / 2.0 };
    // clamp() can panic, and its message would add the formatting of floats to the module.
    let rest = if rest < width { rest.max(0.0) } else { width };
    let share = if width > 0.0 { rest / width } else { 0.0 };
    let mut distribution = Distribution::exact(MAX_VALUES_PER_DATUM as u32);
    for BucketDelta { lower, upper, count } in deltas {
        let value = if upper.is_infinite() { over?.0 } else { lower + (upper - lower) * share };
        if !distribution.record_n(value, *count) {
            return None;
        }
    }
    let possible = lowest + rest + over_sum;
    // A possible sum is preserved exactly.
    let is_possible = (possible - sum).abs() <= (sum.abs() + lowest.abs() + width) * ROUNDING;
    let (min, max) = (distribution.min(), distribution.max());
    distribution.with_statistics(if is_possible { sum } else { possible }, min, max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn deltas(counts: &[(f64, f64, u64)]) -> Vec<BucketDelta> {
        counts.iter().map(|(lower, upper, count)| BucketDelta { lower: *lower, upper: *upper, count: *count }).collect()
    }

    fn values(counts: &[(f64, f64, u64)], sum: f64) -> Option<Vec<(f64, u64)>> {
        let distribution = distribution(&deltas(counts), sum)?;
        assert_eq!(distribution.sum(), sum);
        Some(distribution.values().collect())
    }

    #[test]
    fn the_sum_determines_where_values_are_in_their_buckets() {
        let buckets = [(0.0, 1.0, 2), (1.0, 3.0, 1)];
        assert_eq!(values(&buckets, 3.0), Some(vec![(0.5, 2), (2.0, 1)]));
        assert_eq!(values(&buckets, 1.0), Some(vec![(0.0, 2), (1.0, 1)]));
        assert_eq!(values(&buckets, 5.0), Some(vec![(1.0, 2), (3.0, 1)]));
        assert_eq!(values(&[(-2.0, -2.0, 3)], -6.0), Some(vec![(-2.0, 3)]));
    }

    #[test]
    fn values_above_the_highest_bound_make_up_the_rest_of_the_sum() {
        let inf = f64::INFINITY;
        assert_eq!(values(&[(0.0, 1.0, 2), (1.0, inf, 2)], 21.0), Some(vec![(0.5, 2), (10.0, 2)]));
        // The rest is less than the bound, so the others are lower in their buckets.
        assert_eq!(values(&[(0.0, 1.0, 2), (1.0, inf, 2)], 2.5), Some(vec![(0.25, 2), (1.0, 2)]));
        assert_eq!(values(&[(f64::NEG_INFINITY, inf, 4)], -8.0), Some(vec![(-2.0, 4)]));
    }

    #[test]
    fn an_impossible_sum_becomes_the_nearest_possible_one() {
        let sum_of = |counts: &[(f64, f64, u64)], sum| Some(distribution(&deltas(counts), sum)?.sum());
        assert_eq!(sum_of(&[(0.0, 1.0, 2)], 2.1), Some(2.0));
        assert_eq!(sum_of(&[(0.0, 1.0, 2)], -0.1), Some(0.0));
        assert_eq!(sum_of(&[(0.0, 1.0, 2), (1.0, f64::INFINITY, 1)], 0.9), Some(1.0));
        // A rounding error that a target has accumulated is accepted.
        assert_eq!(sum_of(&[(0.0, 1e6, 2)], 2e6 + 1e-7), Some(2e6 + 1e-7));
        assert_eq!(sum_of(&[], 0.0), None);
    }

    #[test]
    fn a_missing_sum_is_estimated() {
        let sum_of = |counts: &[(f64, f64, u64)]| Some(distribution(&deltas(counts), f64::NAN)?.sum());
        assert_eq!(sum_of(&[(0.0, 1.0, 2), (1.0, 3.0, 1)]), Some(3.0));
        assert_eq!(sum_of(&[(0.0, 1.0, 2), (1.0, f64::INFINITY, 3)]), Some(4.0));
        assert_eq!(sum_of(&[(f64::NEG_INFINITY, f64::INFINITY, 3)]), None);
    }

    proptest! {
        #[test]
        fn count_and_sum_are_exact_and_each_value_is_in_its_bucket(
            samples in prop::collection::vec(0u32..40_000, 1..200)
        ) {
            let bounds = [0.0, 5.0, 10.0, 25.0, 100.0, 1_000.0, 30_000.0, f64::INFINITY];
            let samples: Vec<f64> = samples.into_iter().map(|sample| f64::from(sample) / 4.0).collect();
            let mut counted: Vec<BucketDelta> = bounds
                .windows(2)
                .map(|pair| BucketDelta { lower: pair[0], upper: pair[1], count: 0 })
                .collect();
            for sample in &samples {
                let slice = counted.iter_mut().find(|slice| *sample <= slice.upper).unwrap();
                slice.count += 1;
            }
            counted.retain(|slice| slice.count > 0);
            let sum: f64 = samples.iter().sum();
            let distribution = distribution(&counted, sum).unwrap();
            prop_assert_eq!((distribution.count(), distribution.sum()), (samples.len() as u64, sum));
            for slice in &counted {
                let within: u64 = distribution
                    .values()
                    .filter(|(value, _)| (slice.lower..=slice.upper).contains(value))
                    .map(|(_, count)| count)
                    .sum();
                prop_assert!(within >= slice.count, "{slice:?} {:?}", distribution.values().collect::<Vec<_>>());
            }
        }
    }
}
