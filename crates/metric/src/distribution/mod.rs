//! The distribution of the values of one series in one period.

mod dense;
mod encoding;
mod exponential;
mod values;

pub use dense::{BucketRange, DenseBuckets};
pub use exponential::ExponentialBuckets;

use crate::{
    exact::ExactValues,
    histogram::Histogram,
    quota::{MAX_VALUE, MAX_VALUES_PER_DATUM, MIN_VALUE, within_range},
};

/// The distribution of the values of one series.
///
/// Count, minimum and maximum are exact, and the sum is exact up to the rounding of doubles. The values, from which
/// CloudWatch computes percentiles, have one of three shapes:
///
/// - A *histogram* ([`Distribution::new`]): a sparse base-2 exponential histogram, after OpenTelemetry's data model. It
///   starts at scale 5, which represents values within 1.1 %. It never has more buckets than a datum may have values
///   (150): before it would, neighbouring buckets are merged and the scale is decremented. Scale 4 represents values
///   within 2.2 %, and suffices while the values span a factor of less than 660. Scale 3 represents values within 4.4
///   %.
/// - *Exact values* ([`Distribution::exact`]): each distinct value, up to a limit. Beyond the limit they are converted
///   into a histogram. The limit is part of the encoding.
/// - A *statistic set* ([`Distribution::statistic_set`]): statistics of samples whose values are unknown, so there are
///   no percentiles. Its sample count may have a fraction, as in CloudWatch.
///
/// The result of recording values and merging distributions does not depend on the order of these operations.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Histogram(Histogram),
    Exact(ExactValues),
    /// The sample count.
    Set(f64),
}

impl Default for Distribution {
    fn default() -> Self {
        Self::new()
    }
}

impl Distribution {
    /// Creates an empty histogram. Does not allocate.
    pub const fn new() -> Self {
        Self::with_shape(Shape::Histogram(Histogram::new()))
    }

    /// Creates an empty distribution that keeps exact values while there are at most `limit` distinct ones.
    pub const fn exact(limit: u32) -> Self {
        Self::with_shape(Shape::Exact(ExactValues::new(limit)))
    }

    /// Creates a statistic set.
    ///
    /// Returns `None` if CloudWatch would refuse it: if a number is NaN or outside of ±2^360, if there are no samples,
    /// or if the minimum is above the maximum.
    pub fn statistic_set(sample_count: f64, sum: f64, min: f64, max: f64) -> Option<Self> {
        let is_valid =
            is_value(sample_count) && sample_count >= MIN_VALUE && is_value(sum) && is_value(min) && is_value(max);
        let [sum, min, max] = [sum, min, max].map(within_range);
        (is_valid && min <= max).then_some(Self { count: 1, sum, min, max, shape: Shape::Set(sample_count) })
    }

    const fn with_shape(shape: Shape) -> Self {
        Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, shape }
    }

    /// Replaces sum, minimum and maximum by numbers that are more accurate than those of the values.
    ///
    /// A datum has to carry both the statistics and the values, so more than 150 distinct values are converted into a
    /// histogram. Returns `None` if CloudWatch would refuse the statistics, or if the distribution has no values
    /// because it is empty or a statistic set.
    pub fn with_statistics(mut self, sum: f64, min: f64, max: f64) -> Option<Self> {
        let is_valid = is_value(sum) && is_value(min) && is_value(max) && min <= max;
        if !is_valid || self.is_empty() || self.is_statistic_set() {
            return None;
        }
        (self.sum, self.min, self.max) = (within_range(sum), within_range(min), within_range(max));
        if let Shape::Exact(exact) = &mut self.shape {
            exact.limit_to(MAX_VALUES_PER_DATUM as u32);
        }
        self.fit();
        Some(self)
    }

    /// Records one value. See [`Self::record_n`].
    pub fn record(&mut self, value: f64) -> bool {
        self.record_n(value, 1)
    }

    /// Records a value `times` times. A magnitude below 2^-360 is recorded as zero.
    ///
    /// Returns false and changes nothing if CloudWatch would refuse the value (NaN, or outside of ±2^360), or if the
    /// distribution is a statistic set.
    pub fn record_n(&mut self, value: f64, times: u64) -> bool {
        if !is_value(value) || self.is_statistic_set() {
            return false;
        }
        if times == 0 {
            return true;
        }
        let value = within_range(value);
        self.count = self.count.saturating_add(times);
        self.sum += value * times as f64;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        match &mut self.shape {
            Shape::Histogram(histogram) => histogram.record_n(value, times),
            Shape::Exact(exact) => {
                exact.record_n(value, times);
                self.fit();
            }
            Shape::Set(_) => {}
        }
        true
    }

    /// Adds all values of `other`.
    ///
    /// The statistics stay exact for all combinations of shapes. Merging values with a statistic set drops the values,
    /// because percentiles of only some of the samples would be wrong; see [`Self::merges_with`].
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 && std::mem::discriminant(&self.shape) != std::mem::discriminant(&other.shape) {
            *self = other.clone();
            return;
        }
        let samples = self.sample_count() + other.sample_count();
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        match (&mut self.shape, &other.shape) {
            (Shape::Histogram(histogram), Shape::Histogram(other)) => histogram.merge(other),
            (Shape::Histogram(histogram), Shape::Exact(other)) => record_all(histogram, other),
            (Shape::Exact(exact), Shape::Exact(other)) => {
                exact.merge(other);
                self.fit();
            }
            (Shape::Exact(exact), Shape::Histogram(other)) => {
                let mut histogram = other.clone();
                record_all(&mut histogram, exact);
                self.shape = Shape::Histogram(histogram);
            }
            (Shape::Set(_), _) | (_, Shape::Set(_)) => self.shape = Shape::Set(samples),
        }
    }

    /// Returns the distribution with a histogram in place of exact values. Its statistics are the same, and its memory
    /// has a bound that does not depend on the limit of exact values.
    #[must_use]
    pub fn into_histogram(mut self) -> Self {
        if let Shape::Exact(exact) = &self.shape {
            let mut histogram = Histogram::new();
            record_all(&mut histogram, exact);
            self.shape = Shape::Histogram(histogram);
        }
        self
    }

    /// Returns whether merging would keep all values: either both distributions have values, or neither does.
    pub fn merges_with(&self, other: &Self) -> bool {
        self.is_statistic_set() == other.is_statistic_set()
    }

    /// Removes all values and keeps the allocated memory.
    pub fn clear(&mut self) {
        let mut shape = std::mem::replace(&mut self.shape, Shape::Set(0.0));
        match &mut shape {
            Shape::Histogram(histogram) => histogram.clear(),
            Shape::Exact(exact) => exact.clear(),
            Shape::Set(samples) => *samples = 0.0,
        }
        *self = Self::with_shape(shape);
    }

    /// Returns the number of recorded values. A statistic set counts as one.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the number of samples, CloudWatch's `SampleCount`.
    pub fn sample_count(&self) -> f64 {
        match self.shape {
            Shape::Set(samples) => samples,
            Shape::Histogram(_) | Shape::Exact(_) => self.count as f64,
        }
    }

    /// Returns whether this is a statistic set, which has no values.
    pub fn is_statistic_set(&self) -> bool {
        matches!(self.shape, Shape::Set(_))
    }

    /// Returns whether the distribution has exact values.
    pub fn is_exact(&self) -> bool {
        matches!(self.shape, Shape::Exact(_))
    }

    /// Returns whether the distribution is empty.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the sum of all values. The sum of many large values may be outside of ±2^360; see [`within_range`].
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Returns the minimum, or infinity if the distribution is empty.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// Returns the maximum, or negative infinity if the distribution is empty.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// Returns the number of pairs that [`Self::values`] returns.
    pub fn bucket_count(&self) -> usize {
        match &self.shape {
            Shape::Histogram(histogram) => histogram.len(),
            Shape::Exact(exact) => exact.len(),
            Shape::Set(_) => 0,
        }
    }

    /// Converts exact values beyond their limit into a histogram.
    fn fit(&mut self) {
        if matches!(&self.shape, Shape::Exact(exact) if exact.is_over()) {
            let this = std::mem::take(self);
            *self = this.into_histogram();
        }
    }
}

/// Returns whether CloudWatch accepts the number as a value.
fn is_value(number: f64) -> bool {
    number.abs() <= MAX_VALUE
}

fn record_all(histogram: &mut Histogram, exact: &ExactValues) {
    exact.values().iter().for_each(|(value, count)| histogram.record_n(*value, *count));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn histogram(values: &[f64]) -> Distribution {
        let mut distribution = Distribution::new();
        for value in values {
            assert!(distribution.record(*value));
        }
        distribution
    }

    /// Generates whole numbers, whose sum does not depend on the order of additions.
    pub(super) fn values() -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![
            4 => (0u32..2_000_000).prop_map(f64::from),
            1 => Just(0.0),
            1 => (1i32..1_000).prop_map(|n| -f64::from(n)),
            1 => (0u32..40).prop_map(|n| f64::exp2(f64::from(n))),
        ];
        prop::collection::vec(value, 0..600)
    }

    proptest! {
        #[test]
        fn merging_in_any_order_equals_recording_all_values(a in values(), b in values(), c in values()) {
            let all = histogram(&[a.as_slice(), &b, &c].concat());
            let mut left = histogram(&a);
            left.merge(&histogram(&b));
            left.merge(&histogram(&c));
            prop_assert_eq!(&left, &all);
            let mut right = histogram(&c);
            right.merge(&histogram(&b));
            let mut last = histogram(&a);
            last.merge(&right);
            prop_assert_eq!(&last, &all);
        }

        #[test]
        fn no_value_is_lost_and_the_result_fits_into_a_datum(values in values()) {
            let distribution = histogram(&values);
            prop_assert_eq!(distribution.count(), values.len() as u64);
            prop_assert_eq!(distribution.sum(), values.iter().sum::<f64>());
            prop_assert_eq!(distribution.values().map(|(_, count)| count).sum::<u64>(), distribution.count());
            prop_assert!(distribution.bucket_count() <= MAX_VALUES_PER_DATUM);
            for (value, _) in distribution.values() {
                prop_assert!(distribution.min() <= value && value <= distribution.max());
            }
            let representatives: Vec<f64> = distribution.values().map(|(value, _)| value).collect();
            prop_assert!(representatives.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn values_of_every_magnitude_fit_into_a_datum() {
        let mut distribution = Distribution::new();
        for exponent in -1022..=360 {
            distribution.record(2f64.powi(exponent));
            distribution.record(-2f64.powi(exponent));
        }
        assert!(distribution.bucket_count() <= MAX_VALUES_PER_DATUM);
        assert_eq!(distribution.count(), 2 * 1383);
    }

    #[test]
    fn values_that_cloudwatch_refuses_are_not_recorded() {
        let mut distribution = histogram(&[1.0]);
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, MAX_VALUE * 2.0, -MAX_VALUE * 2.0] {
            assert!(!distribution.record(value));
        }
        assert_eq!(distribution, histogram(&[1.0]));
        assert!(distribution.record(MAX_VALUE) && distribution.record(-MAX_VALUE));
    }

    #[test]
    fn values_too_small_for_cloudwatch_are_recorded_as_zero() {
        for small in [5e-110, -5e-110, 1e-320, f64::MIN_POSITIVE] {
            for mut distribution in [Distribution::new(), Distribution::exact(10)] {
                assert!(distribution.record(small) && distribution.record(0.0));
                assert_eq!(distribution.values().collect::<Vec<_>>(), [(0.0, 2)], "{small}");
                assert_eq!((distribution.sum(), distribution.min(), distribution.max()), (0.0, 0.0, 0.0));
            }
            let set = Distribution::statistic_set(2.0, small, small, small).unwrap();
            assert_eq!((set.sum(), set.min(), set.max()), (0.0, 0.0, 0.0));
            assert_eq!(Distribution::statistic_set(small, 1.0, 1.0, 1.0), None, "no samples");
        }
    }

    #[test]
    fn the_scale_is_the_finest_at_which_the_buckets_fit() {
        for (buckets, scale) in [(149, 5), (150, 5), (151, 4)] {
            let values: Vec<f64> = (0..buckets).map(|k| f64::exp2((f64::from(k) + 0.5) / 32.0)).collect();
            assert_eq!(scale_of(&histogram(&values)), Some(scale), "{buckets}");
        }
    }

    #[test]
    fn clearing_removes_all_values() {
        let mut distribution = histogram(&[1.0, 2.0, 3.0]);
        distribution.clear();
        assert_eq!(distribution, Distribution::new());
        assert!(distribution.record(7.0) && distribution.count() == 1);
    }

    fn scale_of(distribution: &Distribution) -> Option<i32> {
        match &distribution.shape {
            Shape::Histogram(histogram) => Some(histogram.scale()),
            _ => None,
        }
    }

    /// Generates distributions of all shapes. `limit` is the limit of exact values.
    pub(super) fn any_shape(limit: u32) -> impl Strategy<Value = Distribution> {
        let exact = values().prop_map(move |values| {
            let mut exact = Distribution::exact(limit);
            values.iter().for_each(|value| assert!(exact.record(*value)));
            exact
        });
        let with_statistics = values().prop_map(move |values| {
            let mut exact = Distribution::exact(limit);
            values.iter().for_each(|value| assert!(exact.record(*value)));
            exact.clone().with_statistics(exact.sum() + 8.0, -1_000.0, 3e12).unwrap_or(exact)
        });
        let set = (1u32..1_000, -1_000i32..1_000, 0u32..1_000).prop_map(|(quarters, min, width)| {
            let (min, max) = (f64::from(min), f64::from(min) + f64::from(width));
            Distribution::statistic_set(f64::from(quarters) / 4.0, min + max, min, max).unwrap()
        });
        prop_oneof![2 => exact, 1 => with_statistics, 1 => values().prop_map(|values| histogram(&values)), 1 => set]
    }

    fn statistics(distribution: &Distribution) -> (u64, f64, f64, f64, f64) {
        let Distribution { count, sum, min, max, .. } = *distribution;
        (count, distribution.sample_count(), sum, min, max)
    }

    proptest! {
        #[test]
        fn merging_all_shapes_is_associative_and_commutative_and_keeps_statistics_exact(
            a in any_shape(300), b in any_shape(200), c in any_shape(1_000)
        ) {
            let merged = |parts: &[&Distribution]| {
                let mut all = Distribution::new();
                parts.iter().for_each(|part| all.merge(part));
                all
            };
            let all = merged(&[&a, &b, &c]);
            for order in [[&a, &c, &b], [&b, &a, &c], [&b, &c, &a], [&c, &a, &b], [&c, &b, &a]] {
                prop_assert_eq!(&merged(&order), &all);
            }
            prop_assert_eq!(&merged(&[&a, &merged(&[&b, &c])]), &all);
            let parts = [&a, &b, &c].map(statistics);
            let (count, samples, sum, min, max) = statistics(&all);
            prop_assert_eq!(count, parts.iter().map(|part| part.0).sum::<u64>());
            prop_assert_eq!(samples, parts.iter().map(|part| part.1).sum::<f64>());
            prop_assert_eq!(sum, parts.iter().map(|part| part.2).sum::<f64>());
            prop_assert_eq!(min, parts.iter().map(|part| part.3).fold(f64::INFINITY, f64::min));
            prop_assert_eq!(max, parts.iter().map(|part| part.4).fold(f64::NEG_INFINITY, f64::max));
        }
    }

    #[test]
    fn exact_values_beyond_their_limit_become_a_histogram() {
        for (distinct, is_exact) in [(9, true), (10, true), (11, false)] {
            let mut exact = Distribution::exact(10);
            for n in 0..distinct {
                exact.record_n(f64::from(n), 3);
            }
            assert_eq!(exact.is_exact(), is_exact, "{distinct}");
            assert_eq!(exact.count(), 3 * distinct as u64);
        }
        let mut both = Distribution::exact(10);
        both.record(-0.0);
        both.record(0.0);
        assert_eq!(both.values().collect::<Vec<_>>(), [(0.0, 2)]);
    }

    #[test]
    fn explicit_statistics_are_kept_and_limit_the_values_to_one_datum() {
        for (distinct, is_exact) in [(149, true), (150, true), (151, false)] {
            let mut exact = Distribution::exact(1_000);
            (0..distinct).for_each(|n| assert!(exact.record(f64::from(n))));
            let both = exact.with_statistics(5.0, -1.0, 2_000.0).unwrap();
            assert_eq!((both.is_exact(), both.sum(), both.min(), both.max()), (is_exact, 5.0, -1.0, 2_000.0));
            assert!(!both.values_imply_statistics());
        }
        assert_eq!(Distribution::exact(1).with_statistics(0.0, 0.0, 0.0), None);
        assert_eq!(histogram(&[1.0]).with_statistics(f64::NAN, 0.0, 0.0), None);
        assert_eq!(histogram(&[1.0]).with_statistics(1.0, 2.0, 1.0), None);
    }

    #[test]
    fn merging_statistic_sets_adds_their_statistics() {
        let mut set = Distribution::statistic_set(2.5, 10.0, 1.0, 7.0).unwrap();
        set.merge(&Distribution::statistic_set(0.5, -1.0, -1.0, -1.0).unwrap());
        assert_eq!(statistics(&set), (2, 3.0, 9.0, -1.0, 7.0));
        assert_eq!(set.values().len(), 0);
        assert!(!set.record(1.0) && !set.merges_with(&histogram(&[1.0])));
        for (samples, sum, min, max) in [
            (0.0, 1.0, 1.0, 1.0),
            (-1.0, 1.0, 1.0, 1.0),
            (1.0, f64::NAN, 1.0, 1.0),
            (1.0, 1.0, 2.0, 1.0),
            (1.0, 1.0, 1.0, 2f64.powi(361)),
        ] {
            assert_eq!(Distribution::statistic_set(samples, sum, min, max), None);
        }
    }
}
