//! Buckets with bounds of someone else's choice, as a distribution.

use acpw_metric::{Distribution, quota::MAX_VALUES_PER_DATUM};

/// Values between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slice {
    /// The bound of the bucket below, which does not belong to this one.
    pub lower: f64,
    /// The bucket's bound, +Inf for the last.
    pub upper: f64,
    /// How many values, at least one.
    pub count: u64,
}

/// The distribution of so many values in each bucket, in ascending order, whose sum is known. Nothing when there are none,
/// and when values in these buckets cannot have this sum, by more than `slack`, which is how far off the sum may be.
///
/// Count and sum are exact. Each bucket is told by one value in it, so no value is off by more than its bucket is wide;
/// minimum and maximum are such values too. Where in their buckets they are follows from the sum: values above the highest
/// bound are told by what the sum leaves for them when all others are taken in the middle of their buckets; without such
/// values, all are taken at the same share of the width of their buckets, which is the one that gives the sum.
pub fn distribution(slices: &[Slice], sum: f64, slack: f64) -> Option<Distribution> {
    let over = slices.last().filter(|last| last.upper.is_infinite());
    let finite = slices.get(..slices.len().saturating_sub(usize::from(over.is_some())))?;
    let (mut lowest, mut width) = (0.0, 0.0);
    for slice in finite {
        let Slice { lower, upper, count } = *slice;
        lowest += lower * count as f64;
        width += (upper - lower) * count as f64;
    }
    let over = over.map(|Slice { lower, count, .. }| {
        let count = *count as f64;
        let mean = (sum - lowest - width / 2.0) / count;
        let value = mean.max(*lower);
        (value, value * count)
    });
    let rest = sum - over.map_or(0.0, |(_, sum)| sum) - lowest;
    if !(-slack..=width + slack).contains(&rest) {
        return None;
    }
    // Not clamp(), whose panic would bring the formatting of doubles along.
    let share = if rest < width { (rest / width).max(0.0) } else { 1.0 };
    let mut distribution = Distribution::exact(MAX_VALUES_PER_DATUM as u32);
    for Slice { lower, upper, count } in slices {
        let value = if upper.is_infinite() { over?.0 } else { lower + (upper - lower) * share };
        if !distribution.record_n(value, *count) {
            return None;
        }
    }
    let (min, max) = (distribution.min(), distribution.max());
    distribution.with_statistics(sum, min, max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slices(counts: &[(f64, f64, u64)]) -> Vec<Slice> {
        counts.iter().map(|(lower, upper, count)| Slice { lower: *lower, upper: *upper, count: *count }).collect()
    }

    fn values(counts: &[(f64, f64, u64)], sum: f64) -> Option<Vec<(f64, u64)>> {
        let distribution = distribution(&slices(counts), sum, 1e-9)?;
        assert_eq!(distribution.sum(), sum);
        Some(distribution.values().collect())
    }

    #[test]
    fn the_sum_tells_where_in_their_buckets_values_are() {
        let buckets = [(0.0, 1.0, 2), (1.0, 3.0, 1)];
        assert_eq!(values(&buckets, 3.0), Some(vec![(0.5, 2), (2.0, 1)]));
        assert_eq!(values(&buckets, 1.0), Some(vec![(0.0, 2), (1.0, 1)]));
        assert_eq!(values(&buckets, 5.0), Some(vec![(1.0, 2), (3.0, 1)]));
        assert_eq!(values(&[(-2.0, -2.0, 3)], -6.0), Some(vec![(-2.0, 3)]));
    }

    #[test]
    fn values_above_the_highest_bound_are_what_the_sum_leaves() {
        let inf = f64::INFINITY;
        assert_eq!(values(&[(0.0, 1.0, 2), (1.0, inf, 2)], 21.0), Some(vec![(0.5, 2), (10.0, 2)]));
        // Less than the bound is left: the others are lower in their buckets.
        assert_eq!(values(&[(0.0, 1.0, 2), (1.0, inf, 2)], 2.5), Some(vec![(0.25, 2), (1.0, 2)]));
        assert_eq!(values(&[(f64::NEG_INFINITY, inf, 4)], -8.0), Some(vec![(-2.0, 4)]));
    }

    #[test]
    fn a_sum_that_cannot_be_is_refused() {
        assert_eq!(values(&[(0.0, 1.0, 2)], 2.1), None);
        assert_eq!(values(&[(0.0, 1.0, 2)], -0.1), None);
        assert_eq!(values(&[(0.0, 1.0, 2), (1.0, f64::INFINITY, 1)], 0.9), None);
        assert_eq!(values(&[], 0.0), None);
        assert_eq!(values(&[(0.0, 1.0, 2)], f64::NAN), None);
    }

    proptest! {
        #[test]
        fn count_and_sum_are_exact_and_each_value_lies_in_its_bucket(
            samples in prop::collection::vec(0u32..40_000, 1..200)
        ) {
            let bounds = [0.0, 5.0, 10.0, 25.0, 100.0, 1_000.0, 30_000.0, f64::INFINITY];
            let samples: Vec<f64> = samples.into_iter().map(|sample| f64::from(sample) / 4.0).collect();
            let mut counted: Vec<Slice> = bounds
                .windows(2)
                .map(|pair| Slice { lower: pair[0], upper: pair[1], count: 0 })
                .collect();
            for sample in &samples {
                let slice = counted.iter_mut().find(|slice| *sample <= slice.upper).unwrap();
                slice.count += 1;
            }
            counted.retain(|slice| slice.count > 0);
            let sum: f64 = samples.iter().sum();
            let distribution = distribution(&counted, sum, 1e-6).unwrap();
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
