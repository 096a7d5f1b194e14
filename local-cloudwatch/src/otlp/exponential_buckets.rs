//! The buckets of an exponential histogram.
//!
//! At scale `s`, the bucket with index `i` contains the values in (b^i, b^(i+1)], where b = 2^(2^-s). OpenTelemetry's
//! data model defines them; this implementation is independent of the modules.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts by bucket. Counts are numbers with a fraction in results of queries, such as rates.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExponentialBuckets {
    /// The scale: a bucket is 2^(2^-scale) times as wide as the one below.
    pub scale: i32,
    /// Values whose magnitude is not above this one are in `zero_count`.
    pub zero_threshold: f64,
    /// Number of values around zero.
    pub zero_count: f64,
    /// Counts of values above zero by index.
    pub positive: BTreeMap<i32, f64>,
    /// Counts of values below zero by index.
    pub negative: BTreeMap<i32, f64>,
}

impl ExponentialBuckets {
    /// Returns the upper bound of the bucket `index` of the positive values at `scale`. It is the lower bound of the
    /// next one.
    pub(crate) fn upper_bound(scale: i32, index: i32) -> f64 {
        ((f64::from(index) + 1.0) * (-f64::from(scale)).exp2()).exp2()
    }

    /// Returns the number of buckets.
    pub(crate) fn len(&self) -> usize {
        self.positive.len() + self.negative.len()
    }

    /// Multiplies all counts.
    pub(crate) fn multiply(&mut self, factor: f64) {
        self.zero_count *= factor;
        for count in self.positive.values_mut().chain(self.negative.values_mut()) {
            *count *= factor;
        }
    }

    /// Adds the counts of `other`, times `factor`. The result has the lower scale and the larger zero threshold of
    /// both.
    pub(crate) fn add(&mut self, other: &Self, factor: f64) {
        let mut other = other.clone();
        let scale = self.scale.min(other.scale);
        self.downscale(scale);
        other.downscale(scale);
        // Raising the threshold to the bound of a bucket may make it exceed the other one's bucket again.
        while self.zero_threshold != other.zero_threshold {
            let threshold = self.zero_threshold.max(other.zero_threshold);
            self.widen_zero(threshold);
            other.widen_zero(threshold);
        }
        self.zero_count += other.zero_count * factor;
        for (mine, theirs) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            for (index, count) in theirs {
                *mine.entry(*index).or_default() += count * factor;
            }
            mine.retain(|_, count| *count != 0.0);
        }
    }

    /// Merges buckets until the scale is `scale`, or leaves it if it is not above.
    pub(crate) fn downscale(&mut self, scale: i32) {
        let shift = self.scale.saturating_sub(scale);
        if shift <= 0 {
            return;
        }
        self.scale = scale;
        // A shift by the whole width keeps the sign: all positive indices are in bucket 0 and all negative ones in -1.
        let shift = shift.min(31);
        for buckets in [&mut self.positive, &mut self.negative] {
            let mut merged = BTreeMap::new();
            for (index, count) in std::mem::take(buckets) {
                *merged.entry(index >> shift).or_default() += count;
            }
            *buckets = merged;
        }
    }

    /// Raises the zero threshold to `threshold`, or to the bound of the bucket that contains it.
    fn widen_zero(&mut self, threshold: f64) {
        if threshold <= self.zero_threshold {
            return;
        }
        self.zero_threshold = threshold;
        let scale = self.scale;
        // A bucket that contains the threshold raises it, which may take more buckets of the other sign.
        loop {
            let before = self.zero_threshold;
            for buckets in [&mut self.positive, &mut self.negative] {
                while let Some(first) = buckets.first_entry() {
                    if Self::upper_bound(scale, first.key().saturating_sub(1)) >= self.zero_threshold {
                        break;
                    }
                    self.zero_threshold = self.zero_threshold.max(Self::upper_bound(scale, *first.key()));
                    self.zero_count += first.remove();
                }
            }
            if self.zero_threshold == before {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(scale: i32, positive: &[(i32, f64)]) -> ExponentialBuckets {
        ExponentialBuckets { scale, positive: positive.iter().copied().collect(), ..ExponentialBuckets::default() }
    }

    #[test]
    fn bounds_are_powers_of_the_base() {
        assert_eq!([-2, -1, 0, 1].map(|index| ExponentialBuckets::upper_bound(0, index)), [0.5, 1.0, 2.0, 4.0]);
        assert_eq!(ExponentialBuckets::upper_bound(1, 1), 2.0);
        assert_eq!(ExponentialBuckets::upper_bound(-1, 0), 4.0);
    }

    #[test]
    fn histograms_of_different_scales_are_added_at_the_lower_one() {
        let mut sum = buckets(2, &[(-5, 1.0), (0, 2.0), (3, 3.0), (4, 4.0)]);
        sum.add(&buckets(0, &[(0, 10.0), (7, 1.0)]), 1.0);
        assert_eq!(sum, buckets(0, &[(-2, 1.0), (0, 15.0), (1, 4.0), (7, 1.0)]));
        sum.add(&buckets(-40, &[]), 1.0);
        assert_eq!(sum, buckets(-40, &[(-1, 1.0), (0, 20.0)]));
    }

    #[test]
    fn a_larger_zero_threshold_takes_the_buckets_below() {
        let mut sum = buckets(0, &[(-3, 1.0), (-1, 2.0), (2, 4.0)]);
        let other = ExponentialBuckets { zero_threshold: 0.75, zero_count: 8.0, ..buckets(0, &[(0, 16.0)]) };
        sum.add(&other, 1.0);
        // 0.75 is within (0.5, 1], so the whole bucket counts as zero.
        let expected =
            ExponentialBuckets { zero_threshold: 1.0, zero_count: 11.0, ..buckets(0, &[(0, 16.0), (2, 4.0)]) };
        assert_eq!(sum, expected);
    }

    #[test]
    fn subtraction_leaves_no_empty_buckets() {
        let mut left = buckets(1, &[(1, 3.0), (2, 5.0)]);
        left.add(&buckets(1, &[(1, 3.0), (2, 1.0)]), -1.0);
        assert_eq!(left, buckets(1, &[(2, 4.0)]));
    }
}
