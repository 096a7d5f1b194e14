//! Distributions from OpenTelemetry's exponential histograms.

use super::{Distribution, Shape};
use crate::histogram::Histogram;

/// Consecutive buckets of one sign in an OpenTelemetry exponential histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExponentialBuckets<'a> {
    /// The index of the first bucket. Bucket i at scale s has magnitudes in (2^(i/2^s), 2^((i+1)/2^s)].
    pub offset: i32,
    /// The number of values in each bucket.
    pub counts: &'a [u64],
}

impl Distribution {
    /// Creates a histogram from the buckets of an OpenTelemetry exponential histogram.
    ///
    /// Scales above 5 are converted by merging buckets, so no count is lost and no value moves by more than 1.1 %. Sum,
    /// minimum and maximum are estimated from the buckets; [`with_statistics`](Self::with_statistics) replaces them.
    ///
    /// Returns `None` if CloudWatch would refuse a value, if the scale is below -10, OpenTelemetry's minimum, or if
    /// there are more values than 64 bits can count.
    pub fn exponential(
        scale: i32,
        zeros: u64,
        positive: ExponentialBuckets<'_>,
        negative: ExponentialBuckets<'_>,
    ) -> Option<Self> {
        let sides = [positive, negative].map(|buckets| (buckets.offset, buckets.counts));
        let [positive, negative] = sides;
        let (histogram, count) = Histogram::from_buckets(scale, zeros, positive, negative)?;
        Some(if count == 0 { Self::new() } else { Self::estimated(histogram, count) })
    }

    /// Returns the values that were added since an earlier state of this histogram.
    ///
    /// The count is exact, and the sum is exact up to the rounding of doubles. Minimum and maximum are estimated from
    /// the buckets, within those of this histogram. Returns `None` if a bucket has lost values, or if one of the two
    /// distributions is not a histogram.
    pub fn since(&self, before: &Self) -> Option<Self> {
        let (Shape::Histogram(now), Shape::Histogram(then)) = (&self.shape, &before.shape) else { return None };
        let (histogram, count) = now.since(then)?;
        let mut added = Self::estimated(histogram, count);
        if count > 0 {
            added.sum = self.sum - before.sum;
            // `f64::clamp` can panic.
            let within = |value: f64| value.max(self.min).min(self.max);
            (added.min, added.max) = (within(added.min), within(added.max));
        }
        Some(added)
    }

    /// Creates a histogram whose statistics are estimated from its buckets.
    fn estimated(histogram: Histogram, count: u64) -> Self {
        let mut distribution = Self { count, ..Self::new() };
        for (value, count) in histogram.values() {
            distribution.sum += value * count as f64;
            distribution.min = distribution.min.min(value);
            distribution.max = distribution.max.max(value);
        }
        distribution.shape = Shape::Histogram(histogram);
        distribution
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        distribution::tests::histogram,
        quota::{MAX_VALUE, MAX_VALUES_PER_DATUM},
    };

    const NOTHING: ExponentialBuckets<'_> = ExponentialBuckets { offset: 0, counts: &[] };

    fn positive(scale: i32, offset: i32, counts: &[u64]) -> Option<Distribution> {
        Distribution::exponential(scale, 0, ExponentialBuckets { offset, counts }, NOTHING)
    }

    /// Returns the buckets of values at a scale, with the index of the first bucket.
    fn buckets(values: &[f64], scale: i32) -> (i32, Vec<u64>) {
        let index = |value: f64| (value.log2() * f64::exp2(f64::from(scale))).ceil() as i32 - 1;
        let indexes: Vec<_> = values.iter().map(|value| index(*value)).collect();
        let (least, most) = (indexes.iter().min().unwrap(), indexes.iter().max().unwrap());
        let mut counts = vec![0; (most - least + 1) as usize];
        indexes.iter().for_each(|index| counts[(index - least) as usize] += 1);
        (*least, counts)
    }

    proptest! {
        #[test]
        fn a_histogram_of_any_scale_has_the_counts_of_its_values(
            values in prop::collection::vec(0.001f64..50.0, 1..200),
            scale in -10i32..12,
            zeros in 0u64..5,
        ) {
            let (offset, counts) = buckets(&values, scale);
            let side = ExponentialBuckets { offset, counts: &counts };
            let both = Distribution::exponential(scale, zeros, side, side).unwrap();
            prop_assert_eq!(both.count(), zeros + 2 * values.len() as u64);
            prop_assert_eq!(both.values().map(|(_, count)| count).sum::<u64>(), both.count());
            prop_assert!(both.bucket_count() <= MAX_VALUES_PER_DATUM);
            if scale >= 5 {
                // At the finest scale the buckets are those of recording the values.
                let recorded = histogram(&values);
                let read = positive(scale, offset, &counts).unwrap();
                let read = read.with_statistics(recorded.sum(), recorded.min(), recorded.max()).unwrap();
                let counts = |distribution: &Distribution| distribution.values().collect::<Vec<_>>();
                prop_assert_eq!(counts(&read), counts(&recorded));
            }
        }

        #[test]
        fn a_difference_has_the_values_that_were_added(
            before in prop::collection::vec(1u32..100_000, 0..300),
            added in prop::collection::vec(1u32..100_000, 0..300),
        ) {
            let [then, more] = [&before, &added].map(|values| values.iter().copied().map(f64::from).collect::<Vec<_>>());
            let (earlier, mut all) = (histogram(&then), histogram(&then));
            all.merge(&histogram(&more));
            let difference = all.since(&earlier).unwrap();
            prop_assert_eq!(difference.count(), more.len() as u64);
            prop_assert_eq!(difference.sum(), more.iter().sum::<f64>());
            if !more.is_empty() {
                prop_assert!(all.min() <= difference.min() && difference.max() <= all.max());
                prop_assert_eq!(earlier.since(&all), None);
            }
        }

        #[test]
        fn arbitrary_buckets_are_refused_or_have_values_in_range(
            scale: i32, zeros: u64, offsets: (i32, i32), counts: Vec<u64>, few in prop::collection::vec(0u64..3, 0..50),
        ) {
            for scale in [scale, scale.rem_euclid(32) - 11] {
                let side = ExponentialBuckets { offset: offsets.0, counts: &counts };
                let other = ExponentialBuckets { offset: offsets.1 >> 20, counts: &few };
                if let Some(read) = Distribution::exponential(scale, zeros, side, other) {
                    prop_assert_eq!(read.values().map(|(_, count)| count).sum::<u64>(), read.count());
                }
            }
        }
    }

    #[test]
    fn the_coarsest_scale_has_one_bucket_for_all_values_above_one() {
        let read = positive(-10, -1, &[2, 3]).unwrap().with_statistics(8.0, 0.5, 3.0).unwrap();
        assert_eq!((read.count(), read.sum(), read.min(), read.max()), (5, 8.0, 0.5, 3.0));
        assert_eq!(positive(-11, 0, &[1]), None);
        assert!(positive(i32::MIN, 0, &[1]).is_none() && positive(i32::MAX, i32::MAX, &[1]).is_some());
    }

    #[test]
    fn values_outside_of_cloudwatchs_range_are_refused_or_zero() {
        for scale in [0, 3, 20] {
            let bound = 360i32 << scale;
            assert!(positive(scale, bound - 1, &[1]).is_some_and(|read| read.max() <= MAX_VALUE), "{scale}");
            assert_eq!(positive(scale, bound, &[1]), None, "{scale}");
            let small = positive(scale, -bound - 1, &[4]).unwrap();
            assert_eq!(small.values().collect::<Vec<_>>(), [(0.0, 4)], "{scale}");
            assert!(positive(scale, -bound, &[4]).unwrap().min() > 0.0, "{scale}");
        }
        assert_eq!(positive(0, 0, &[u64::MAX, 1]), None);
    }
}
