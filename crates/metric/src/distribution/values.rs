//! What a distribution tells CloudWatch: its values, their counts, and whether those are all there is to say.

use super::{Distribution, Shape};
use crate::quota::{MAX_VALUE, MAX_VALUES_PER_DATUM};

impl Distribution {
    /// Values with how often each occurred, in ascending order: CloudWatch's `Values` and `Counts`. Exact values are what
    /// they are. A bucket of a histogram is told by the value with the least relative error over it, kept within minimum
    /// and maximum; a histogram of one value, or of only two far enough apart (0 and 1), is exact. A statistic set has none.
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
        (0..length).map(move |at| match buckets.as_mut().and_then(Iterator::next) {
            None => exact.get(at).copied().unwrap_or_default(),
            Some((value, count)) => {
                let is_extreme = has_two_values || count == 1;
                let value = match at {
                    0 if is_extreme => self.min,
                    at if at == last && is_extreme => self.max,
                    // Not clamp(), whose panic would bring the formatting of doubles along.
                    _ => value.max(self.min).min(self.max),
                };
                (value, count)
            }
        })
    }

    /// The same as distributions of which each makes one datum: exact values beyond 150 are dealt out, and CloudWatch adds
    /// them up again.
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

    /// Whether CloudWatch gets sum, minimum and maximum from the values and their counts, so that nothing need be said
    /// beside them. A sum beyond the numbers that CloudWatch takes is to be said in range.
    pub fn values_imply_statistics(&self) -> bool {
        let (mut sum, mut magnitude, mut min, mut max) = (0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY);
        for (value, count) in self.values() {
            let product = value * count as f64;
            sum += product;
            magnitude += product.abs();
            min = value.min(min);
            max = value.max(max);
        }
        // The sum of exact values differs from the one that was kept by its rounding only.
        let tolerance = if self.is_exact() { magnitude * 1e-12 } else { 0.0 };
        let is_in_range = self.sum.abs() <= MAX_VALUE;
        is_in_range && (sum - self.sum).abs() <= tolerance && (min, max) == (self.min, self.max)
    }

    /// Two buckets whose values, taken as minimum and maximum, give the exact sum, hold nothing else.
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
    use crate::distribution::tests::of;

    proptest! {
        #[test]
        fn a_value_stays_within_the_error_of_the_finest_scale(value in 1e-9f64..1e12) {
            let mut distribution = of(&[value, value]);
            distribution.merge(&of(&[1e-10, 1e-10, 1e13, 1e13]));
            let near = distribution.values().map(|(kept, _)| (kept / value - 1.0).abs()).fold(f64::INFINITY, f64::min);
            prop_assert!(near <= 0.0109, "{}", near);
        }

        #[test]
        fn exact_values_are_what_was_recorded(values in prop::collection::vec(-1e6f64..1e6, 1..300)) {
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
    fn one_value_and_zero_or_one_are_exact() {
        let mut counts = Distribution::new();
        counts.record_n(1.0, 12_345);
        assert_eq!(counts.values().collect::<Vec<_>>(), [(1.0, 12_345)]);
        let errors = of(&[0.0, 1.0, 0.0, 0.0, 1.0]);
        assert_eq!(errors.values().collect::<Vec<_>>(), [(0.0, 3), (1.0, 2)]);
        assert_eq!((errors.sum(), errors.count()), (2.0, 5));
    }
}
