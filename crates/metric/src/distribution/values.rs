//! The values of a distribution as CloudWatch's `Values` and `Counts`.

use super::{Distribution, Shape};
use crate::quota::{MAX_VALUE, MAX_VALUES_PER_DATUM};

impl Distribution {
    /// Returns values and counts, CloudWatch's `Values` and `Counts`, in ascending order.
    ///
    /// Exact values are returned unchanged. Each bucket of a histogram is represented by the value that minimises the
    /// relative error, clamped to minimum and maximum. A histogram of a single value, or of two values that are far
    /// enough apart, such as 0 and 1, is exact. A statistic set has no values.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (f64, u64)> {
        let has_two_values = self.has_two_values();
        let mut buckets = match &self.shape {
            Shape::Histogram(histogram) => Some(histogram.values()),
            Shape::Exact(_) | Shape::Set(_) => None,
        };
        let exact = match &self.shape {
            Shape::Exact(exact) => exact.values(),
            Shape::Histogram(_) | Shape::Set(_) => &[],
        };
        let length = self.bucket_count();
        let last = length.saturating_sub(1);
        (0..length).map(move |index| match buckets.as_mut().and_then(Iterator::next) {
            None => exact.get(index).copied().unwrap_or_default(),
            Some((value, count)) => {
                let is_extreme = has_two_values || count == 1;
                let value = match index {
                    0 if is_extreme => self.min,
                    index if index == last && is_extreme => self.max,
                    // `f64::clamp` can panic, and its message would add the formatting of doubles to the module.
                    _ => value.max(self.min).min(self.max),
                };
                (value, count)
            }
        })
    }

    /// Splits the distribution into parts that fit into one datum each. More than 150 exact values are split;
    /// CloudWatch aggregates the data again.
    pub fn into_data(self) -> Vec<Self> {
        let Shape::Exact(exact) = &self.shape else { return vec![self] };
        if exact.len() <= MAX_VALUES_PER_DATUM {
            return vec![self];
        }
        let part = |values: &[(f64, u64)]| {
            let mut part = Self::exact(exact.limit());
            for (value, count) in values {
                part.record_n(*value, *count);
            }
            part
        };
        exact.values().chunks(MAX_VALUES_PER_DATUM).map(part).collect()
    }

    /// Returns whether CloudWatch can derive sum, minimum and maximum from the values and their counts, so that a datum
    /// needs no `StatisticValues`. Returns false if the sum is outside of the range that CloudWatch accepts.
    pub fn values_imply_statistics(&self) -> bool {
        let (mut sum, mut magnitude, mut min, mut max) = (0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY);
        for (value, count) in self.values() {
            let product = value * count as f64;
            sum += product;
            magnitude += product.abs();
            min = value.min(min);
            max = value.max(max);
        }
        // The two sums of exact values differ by rounding errors only.
        let tolerance = if self.is_exact() { magnitude * 1e-12 } else { 0.0 };
        let is_in_range = self.sum.abs() <= MAX_VALUE;
        is_in_range && (sum - self.sum).abs() <= tolerance && (min, max) == (self.min, self.max)
    }

    /// Returns whether a histogram has exactly two distinct values: it then has two buckets, and minimum and maximum
    /// with their counts add up to the exact sum.
    fn has_two_values(&self) -> bool {
        let Shape::Histogram(histogram) = &self.shape else { return false };
        let mut counts = histogram.values().map(|(_, count)| count);
        match (counts.next(), counts.next(), counts.next()) {
            (Some(low), Some(high), None) => self.sum == self.min * low as f64 + self.max * high as f64,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::distribution::tests::histogram;

    proptest! {
        #[test]
        fn a_value_is_represented_within_the_error_of_the_finest_scale(value in 1e-9f64..1e12) {
            let mut distribution = histogram(&[value, value]);
            distribution.merge(&histogram(&[1e-10, 1e-10, 1e13, 1e13]));
            let near = distribution.values().map(|(kept, _)| (kept / value - 1.0).abs()).fold(f64::INFINITY, f64::min);
            prop_assert!(near <= 0.0109, "{}", near);
        }

        #[test]
        fn exact_values_equal_the_recorded_values(values in prop::collection::vec(-1e6f64..1e6, 1..300)) {
            let mut exact = Distribution::exact(300);
            values.iter().for_each(|value| assert!(exact.record(*value)));
            let mut kept: Vec<f64> =
                exact.values().flat_map(|(value, count)| std::iter::repeat_n(value, count as usize)).collect();
            let mut recorded = values;
            recorded.sort_by(f64::total_cmp);
            kept.sort_by(f64::total_cmp);
            prop_assert_eq!(kept, recorded);
            prop_assert!(exact.values_imply_statistics());
        }
    }

    #[test]
    fn a_single_value_and_the_values_zero_and_one_are_exact() {
        let mut counts = Distribution::new();
        counts.record_n(1.0, 12_345);
        assert_eq!(counts.values().collect::<Vec<_>>(), [(1.0, 12_345)]);
        let errors = histogram(&[0.0, 1.0, 0.0, 0.0, 1.0]);
        assert_eq!(errors.values().collect::<Vec<_>>(), [(0.0, 3), (1.0, 2)]);
        assert_eq!((errors.sum(), errors.count()), (2.0, 5));
    }
}
