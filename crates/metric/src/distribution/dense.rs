//! The values of a distribution as the dense buckets of OTLP's exponential histogram.

use super::{Distribution, Shape};
use crate::histogram::Histogram;

/// The buckets of an exponential histogram. At scale s, bucket i holds the values in (2^(i/2^s), 2^((i+1)/2^s)].
#[derive(Clone, Debug, PartialEq)]
pub struct DenseBuckets {
    /// The scale.
    pub scale: i32,
    /// The number of zeros.
    pub zero_count: u64,
    /// The buckets of positive values.
    pub positive: BucketRange,
    /// The buckets of the magnitudes of negative values.
    pub negative: BucketRange,
}

/// Adjacent buckets. The first and the last one hold values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketRange {
    /// The index of the first bucket.
    pub offset: i32,
    /// The number of values in each bucket.
    pub counts: Vec<u64>,
}

impl Distribution {
    /// The maximum number of buckets of either sign that [`dense_buckets`](Self::dense_buckets) returns. It
    /// suffices for values that span a factor of 1,024 at scale 5, and of 1,048,576 at scale 4.
    pub const MAX_DENSE_BUCKETS: usize = 320;

    /// Returns the buckets of all values, each divided by `divisor`, or `None` for a statistic set, which has no
    /// values.
    ///
    /// The counts add up to [`count`](Self::count). Each value lies in the bucket of the value by which
    /// [`values`](Self::values) represents it. With the divisor 1, the buckets are the distribution's own, or unions of
    /// them.
    pub fn dense_buckets(&self, divisor: f64) -> Option<DenseBuckets> {
        match &self.shape {
            Shape::Set(_) => None,
            Shape::Histogram(histogram) if divisor == 1.0 => Some(dense(histogram.clone())),
            Shape::Histogram(_) | Shape::Exact(_) => {
                let mut divided = Histogram::new();
                self.values().for_each(|(value, count)| divided.record_n(value / divisor, count));
                Some(dense(divided))
            }
        }
    }
}

/// Merges neighbouring buckets until the dense form has few enough, and returns it.
fn dense(mut histogram: Histogram) -> DenseBuckets {
    let limit = Distribution::MAX_DENSE_BUCKETS;
    while histogram.widest_range() > limit && histogram.downscale_once() {}
    let mut dense = DenseBuckets {
        scale: histogram.scale(),
        zero_count: histogram.zero_count(),
        positive: BucketRange::default(),
        negative: BucketRange::default(),
    };
    for (range, is_negative) in [(&mut dense.positive, false), (&mut dense.negative, true)] {
        let Some((first, last)) = histogram.indices(is_negative) else { continue };
        range.offset = first;
        range.counts = vec![0; usize::try_from(last.saturating_sub(first)).unwrap_or_default().saturating_add(1)];
        for (index, count) in histogram.buckets(is_negative) {
            let slot = usize::try_from(index.saturating_sub(first)).ok().and_then(|at| range.counts.get_mut(at));
            if let Some(slot) = slot {
                *slot = slot.saturating_add(count);
            }
        }
    }
    dense
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::distribution::tests::{histogram, values};

    fn total(buckets: &DenseBuckets) -> u64 {
        let sum = |range: &BucketRange| range.counts.iter().sum::<u64>();
        buckets.zero_count + sum(&buckets.positive) + sum(&buckets.negative)
    }

    /// Returns the largest ratio between the two bounds of a bucket.
    fn width(buckets: &DenseBuckets) -> f64 {
        f64::exp2(f64::exp2(f64::from(-buckets.scale)))
    }

    proptest! {
        #[test]
        fn no_value_is_lost_and_the_number_of_buckets_is_bounded(values in values(), is_exact: bool, divide: bool) {
            let mut distribution = if is_exact { Distribution::exact(1_000) } else { Distribution::new() };
            values.iter().for_each(|value| assert!(distribution.record(*value)));
            let divisor = if divide { 1_000.0 } else { 1.0 };
            let buckets = distribution.dense_buckets(divisor).unwrap();
            prop_assert_eq!(total(&buckets), distribution.count());
            for range in [&buckets.positive, &buckets.negative] {
                prop_assert!(range.counts.len() <= Distribution::MAX_DENSE_BUCKETS);
                prop_assert!(range.counts.first() != Some(&0) && range.counts.last() != Some(&0));
            }
            prop_assert_eq!(buckets.zero_count, values.iter().filter(|value| **value == 0.0).count() as u64);
        }

        #[test]
        fn percentiles_in_other_units_lie_within_the_documented_error(
            values in prop::collection::vec(1.0f64..650.0, 1..2_000)
        ) {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            for (divisor, error) in [(1.0, 1.022), (1_000.0, 1.034)] {
                let buckets = histogram(&values).dense_buckets(divisor).unwrap();
                let base = f64::exp2(f64::exp2(f64::from(-buckets.scale)));
                let mut rank = 0;
                for (index, count) in (buckets.positive.offset..).zip(&buckets.positive.counts) {
                    let middle = f64::exp2((f64::from(index) + 0.5) * f64::exp2(f64::from(-buckets.scale)));
                    for value in &sorted[rank..rank + *count as usize] {
                        let ratio = middle / (value / divisor);
                        prop_assert!(ratio.max(1.0 / ratio) <= error, "{} {} {}", ratio, base, buckets.scale);
                    }
                    rank += *count as usize;
                }
                prop_assert_eq!(rank, values.len());
            }
        }
    }

    #[test]
    fn few_buckets_hold_the_largest_range_of_values() {
        let extremes = histogram(&[1e-100, 1.0, 1e100, -1e-50, -1e50, 0.0]);
        let buckets = extremes.dense_buckets(1.0).unwrap();
        assert_eq!((total(&buckets), buckets.zero_count), (6, 1));
        assert!(width(&buckets) > 2.0);
        assert!(buckets.positive.counts.len() <= Distribution::MAX_DENSE_BUCKETS);
        let set = Distribution::statistic_set(3.0, 6.0, 1.0, 3.0).unwrap();
        assert_eq!(set.dense_buckets(1.0), None);
    }

    #[test]
    fn a_power_of_two_is_the_upper_bound_of_its_bucket() {
        let buckets = histogram(&[8.0]).dense_buckets(1.0).unwrap();
        assert_eq!((buckets.scale, buckets.positive.offset, buckets.positive.counts), (5, 3 * 32 - 1, vec![1]));
        let buckets = histogram(&[-8_000.0]).dense_buckets(1_000.0).unwrap();
        assert_eq!((buckets.negative.offset, buckets.negative.counts), (3 * 32 - 1, vec![1]));
    }
}
