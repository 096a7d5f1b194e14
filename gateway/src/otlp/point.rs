//! Reads the values of data points and turns them into distributions.

use acpw_metric::{
    Distribution, ExponentialBuckets,
    buckets::{self, BucketDelta},
    quota::MAX_VALUE,
};
use acpw_otlp::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint, number_data_point::Value,
};

use super::{reading::Reading, rejections::Reason};

/// The largest count: an `f64` represents whole numbers exactly up to 2^53.
const MAX_COUNT: u64 = 1 << 53;

const OUT_OF_RANGE: &str = "must have finite values between -2^360 and 2^360";

/// The values of a data point.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) reading: Reading,
    /// The upper bounds of a histogram's buckets, except the last.
    pub(super) bounds: Vec<f64>,
    min: Option<f64>,
    max: Option<f64>,
}

impl From<Reading> for Measured {
    fn from(reading: Reading) -> Self {
        Self { reading, bounds: Vec::new(), min: None, max: None }
    }
}

impl Measured {
    /// Reads a number.
    ///
    /// # Errors
    /// There is no value.
    pub(super) fn number(point: &NumberDataPoint) -> Result<Self, Reason> {
        match point.value {
            Some(Value::AsInt(number)) => Ok(Reading::Int(number).into()),
            Some(Value::AsDouble(number)) => Ok(Reading::Double(number).into()),
            None => Err("must have a value: asDouble or asInt".into()),
        }
    }

    /// Reads a number that never falls.
    ///
    /// # Errors
    /// There is no value, or it is negative.
    pub(super) fn monotonic(point: &NumberDataPoint) -> Result<Self, Reason> {
        let measured = Self::number(point)?;
        match measured.reading {
            Reading::Int(..0) | Reading::Double(..0.0) => Err("is monotonic and must not have a negative value".into()),
            _ => Ok(measured),
        }
    }

    /// Reads a histogram with explicit bounds.
    ///
    /// # Errors
    /// The bounds or counts contradict each other, or a number is not finite.
    pub(super) fn histogram(point: &HistogramDataPoint) -> Result<Self, Reason> {
        let (counts, bounds) = (&point.bucket_counts, &point.explicit_bounds);
        if counts.len() != bounds.len().saturating_add(1) && !(counts.is_empty() && bounds.is_empty()) {
            let (counts, bounds) = (counts.len(), bounds.len());
            let message =
                format!("has {counts} bucketCounts and {bounds} explicitBounds; send one count more than bounds");
            return Err(message.into());
        }
        let is_ascending = bounds.windows(2).all(|pair| matches!(pair, [low, high] if low < high));
        if !is_ascending || !bounds.iter().all(|bound| bound.is_finite()) {
            return Err("must have explicitBounds that are finite and ascend".into());
        }
        if bounds.is_empty() && point.count > 0 && point.sum.is_none() {
            return Err("must have a sum if it has no explicitBounds".into());
        }
        let reading = Reading::Histogram { count: point.count, sum: point.sum, buckets: counts.clone() };
        if !counts.is_empty() {
            check_total(counts.iter().copied(), point.count)?;
        }
        Ok(Self { reading, bounds: bounds.clone(), min: point.min, max: point.max })
    }

    /// Reads an exponential histogram.
    ///
    /// # Errors
    /// The counts contradict each other, or a number is out of range.
    pub(super) fn exponential(point: &ExponentialHistogramDataPoint) -> Result<Self, Reason> {
        let side = |buckets: &Option<acpw_otlp::Buckets>| buckets.clone().unwrap_or_default();
        let (positive, negative) = (side(&point.positive), side(&point.negative));
        let counts = positive.bucket_counts.iter().chain(&negative.bucket_counts).copied();
        check_total(counts.chain([point.zero_count]), point.count)?;
        let [positive, negative] = [&positive, &negative]
            .map(|buckets| ExponentialBuckets { offset: buckets.offset, counts: &buckets.bucket_counts });
        let values = Distribution::exponential(point.scale, point.zero_count, positive, negative)
            .ok_or("must have a scale of at least -10, and values between -2^360 and 2^360")?;
        let reading =
            if values.is_empty() { values } else { with_statistics(values, point.sum, point.min, point.max)? };
        Ok(Reading::Exponential(reading).into())
    }

    /// Reads a summary. Its quantiles are ignored, because those of several periods or processes cannot be merged.
    ///
    /// # Errors
    /// The sum is not finite.
    pub(super) fn summary(point: &SummaryDataPoint) -> Result<Self, Reason> {
        if point.count > 0 && !point.sum.is_finite() {
            return Err("is a summary and must have a finite sum; its quantiles cannot be published".into());
        }
        Ok(Reading::Summary { count: point.count, sum: point.sum }.into())
    }

    /// Returns the increase since an earlier reading of the stream, or `None` if it is unknown. Minimum and maximum are
    /// those since the start, so they are not part of it.
    pub(super) fn since(&self, before: &Reading) -> Option<Self> {
        let reading = self.reading.since(before)?;
        Some(Self { reading, bounds: self.bounds.clone(), min: None, max: None })
    }

    /// Returns the values as a distribution, or `None` if there are none. At most `max_exact` distinct numbers of a
    /// series are published exactly.
    ///
    /// # Errors
    /// CloudWatch would refuse the values.
    pub(super) fn distribution(&self, max_exact: u32) -> Result<Option<Distribution>, Reason> {
        match &self.reading {
            Reading::Int(number) => one(*number as f64, max_exact).map(Some),
            Reading::Double(number) => one(*number, max_exact).map(Some),
            Reading::Histogram { count: 0, .. } | Reading::Summary { count: 0, .. } => Ok(None),
            Reading::Histogram { count, sum, buckets } => self.explicit(*count, *sum, buckets).map(Some),
            Reading::Exponential(values) => Ok(Some(values.clone()).filter(|values| !values.is_empty())),
            Reading::Summary { count, sum } => without_values(*count, *sum, None, None).map(Some),
        }
    }

    /// Returns the distribution of a histogram with explicit bounds. Minimum and maximum narrow the outer buckets.
    fn explicit(&self, count: u64, sum: Option<f64>, counts: &[u64]) -> Result<Distribution, Reason> {
        let Some(last) = counts.iter().rposition(|count| *count > 0) else {
            return without_values(count, sum.unwrap_or(f64::NAN), self.min, self.max);
        };
        let mut deltas: Vec<BucketDelta> = Vec::new();
        for (index, count) in counts.iter().copied().enumerate().filter(|(_, count)| *count > 0) {
            let upper = self.bounds.get(index).copied().unwrap_or(f64::INFINITY);
            let below = index.checked_sub(1).and_then(|index| self.bounds.get(index)).copied();
            let upper = match self.max.filter(|_| index == last) {
                Some(max) => max.min(upper).max(below.unwrap_or(max)),
                None => upper,
            };
            // Most histograms are of times and sizes, which are not negative.
            let open = if upper.is_infinite() { f64::NEG_INFINITY } else { upper.min(0.0) };
            let lower = match self.min.filter(|_| deltas.is_empty()) {
                Some(min) => min.max(below.unwrap_or(min)).min(upper),
                None => below.unwrap_or(open),
            };
            deltas.push(BucketDelta { lower, upper, count });
        }
        let values = buckets::distribution(&deltas, sum.unwrap_or(f64::NAN)).ok_or(OUT_OF_RANGE)?;
        with_statistics(values, sum, self.min, self.max)
    }
}

/// Returns a distribution of a single value.
fn one(value: f64, max_exact: u32) -> Result<Distribution, Reason> {
    let mut one = Distribution::exact(max_exact);
    if one.record(value) { Ok(one) } else { Err(OUT_OF_RANGE.into()) }
}

/// Returns a statistic set. Without minimum and maximum, the mean is between them.
fn without_values(count: u64, sum: f64, min: Option<f64>, max: Option<f64>) -> Result<Distribution, Reason> {
    let mean = sum / count as f64;
    let set = Distribution::statistic_set(count as f64, sum, min.unwrap_or(mean), max.unwrap_or(mean));
    set.ok_or_else(|| OUT_OF_RANGE.into())
}

/// Replaces the estimated statistics by those that are known.
fn with_statistics(
    values: Distribution,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
) -> Result<Distribution, Reason> {
    let is_finite = |number: &f64| number.abs() <= MAX_VALUE;
    if ![sum, min, max].iter().flatten().all(is_finite) {
        return Err(OUT_OF_RANGE.into());
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        return Err("must not have a min greater than its max".into());
    }
    // An estimate must not contradict a known number.
    let least = min.unwrap_or_else(|| max.map_or(values.min(), |max| values.min().min(max)));
    let most = max.unwrap_or_else(|| values.max().max(least));
    let sum = sum.unwrap_or_else(|| values.sum());
    values.with_statistics(sum, least, most).ok_or_else(|| OUT_OF_RANGE.into())
}

/// Checks that the counts of buckets add up to the count of values.
fn check_total(mut counts: impl Iterator<Item = u64>, expected: u64) -> Result<(), Reason> {
    let total = counts.try_fold(0u64, u64::checked_add);
    if expected > MAX_COUNT {
        return Err("must have a count of at most 2^53".into());
    }
    if total != Some(expected) {
        return Err("must have a count that is the sum of its buckets' counts".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use acpw_otlp::Buckets;
    use proptest::prelude::*;

    use super::*;

    fn histogram(bounds: &[f64], counts: &[u64], sum: Option<f64>, extremes: Option<(f64, f64)>) -> HistogramDataPoint {
        HistogramDataPoint {
            count: counts.iter().sum(),
            sum,
            bucket_counts: counts.to_vec(),
            explicit_bounds: bounds.to_vec(),
            min: extremes.map(|(min, _)| min),
            max: extremes.map(|(_, max)| max),
            ..HistogramDataPoint::default()
        }
    }

    fn read(point: &HistogramDataPoint) -> Result<Distribution, Reason> {
        Measured::histogram(point)?.distribution(10).map(Option::unwrap)
    }

    proptest! {
        #[test]
        fn a_histogram_keeps_its_statistics_and_each_value_its_bucket(
            samples in prop::collection::vec(-4_000i32..40_000, 1..100),
            has_sum: bool,
            has_extremes: bool,
        ) {
            let bounds = [0.0, 5.0, 10.0, 25.0, 100.0, 1_000.0];
            let samples: Vec<f64> = samples.into_iter().map(|sample| f64::from(sample) / 4.0).collect();
            let mut counts = [0u64; 7];
            samples.iter().for_each(|sample| counts[bounds.partition_point(|bound| bound < sample)] += 1);
            let sum: f64 = samples.iter().sum();
            let min = samples.iter().copied().fold(f64::INFINITY, f64::min);
            let max = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let read = read(&histogram(&bounds, &counts, has_sum.then_some(sum), has_extremes.then_some((min, max)))).unwrap();
            prop_assert_eq!(read.count(), samples.len() as u64);
            prop_assert!(!has_sum || read.sum() == sum);
            prop_assert!(!has_extremes || (read.min(), read.max()) == (min, max));
            for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let lower = index.checked_sub(1).map_or(f64::NEG_INFINITY, |index| bounds[index]);
                let upper = bounds.get(index).copied().unwrap_or(f64::INFINITY);
                let within = read.values().filter(|(value, _)| lower <= *value && *value <= upper);
                prop_assert!(within.map(|(_, count)| count).sum::<u64>() >= *count, "{:?}", read);
            }
        }
    }

    #[test]
    fn minimum_and_maximum_narrow_the_outer_buckets() {
        let point = histogram(&[1.0, 10.0], &[1, 0, 1], Some(31.0), Some((1.0, 30.0)));
        let read = read(&point).unwrap();
        assert_eq!(read.values().collect::<Vec<_>>(), [(1.0, 1), (30.0, 1)]);
        assert_eq!((read.sum(), read.min(), read.max()), (31.0, 1.0, 30.0));
    }

    #[test]
    fn a_histogram_without_buckets_is_a_statistic_set() {
        let point = HistogramDataPoint { count: 4, sum: Some(10.0), ..HistogramDataPoint::default() };
        let set = read(&point).unwrap();
        assert!(set.is_statistic_set());
        assert_eq!((set.sample_count(), set.sum(), set.min(), set.max()), (4.0, 10.0, 2.5, 2.5));
        let set = read(&HistogramDataPoint { min: Some(1.0), max: Some(4.0), ..point }).unwrap();
        assert_eq!((set.min(), set.max()), (1.0, 4.0));
    }

    #[test]
    fn contradictory_histograms_are_rejected() {
        let good = histogram(&[1.0, 2.0], &[1, 2, 3], Some(9.0), None);
        assert!(read(&good).is_ok());
        let with = |change: fn(&mut HistogramDataPoint)| {
            let mut point = good.clone();
            change(&mut point);
            read(&point).unwrap_err()
        };
        for (reason, part) in [
            (with(|point| point.count = 7), "sum of its buckets"),
            (with(|point| point.bucket_counts = vec![u64::MAX, 6, 1]), "sum of its buckets"),
            (with(|point| point.bucket_counts = vec![6]), "has 1 bucketCounts and 2 explicitBounds"),
            (with(|point| point.explicit_bounds = vec![2.0, 2.0]), "finite and ascend"),
            (with(|point| point.explicit_bounds = vec![2.0, f64::INFINITY]), "finite and ascend"),
            (with(|point| point.explicit_bounds = vec![f64::NAN, 2.0]), "finite and ascend"),
            (with(|point| point.sum = Some(f64::NAN)), "finite values"),
            (with(|point| point.sum = Some(f64::INFINITY)), "finite values"),
            (with(|point| (point.min, point.max) = (Some(2.0), Some(1.0))), "min greater than its max"),
            (with(|point| point.min = Some(f64::NAN)), "finite values"),
            (with(|point| (point.count, point.bucket_counts) = (1 << 54, vec![1 << 54, 0, 0])), "at most 2^53"),
            (
                with(|point| (point.bucket_counts, point.explicit_bounds, point.sum) = (vec![], vec![], None)),
                "must have a sum",
            ),
        ] {
            assert!(reason.contains(part), "{reason}");
        }
    }

    #[test]
    fn an_exponential_histogram_keeps_its_statistics() {
        let side = |offset, counts: &[u64]| Some(Buckets { offset, bucket_counts: counts.to_vec() });
        let point = ExponentialHistogramDataPoint {
            count: 7,
            sum: Some(6.0),
            scale: 20,
            zero_count: 1,
            positive: side(0, &[1, 0, 2]),
            negative: side(-3, &[3]),
            min: Some(-1.0),
            max: Some(3.5),
            ..ExponentialHistogramDataPoint::default()
        };
        let read = |point: &ExponentialHistogramDataPoint| Measured::exponential(point)?.distribution(10);
        let values = read(&point).unwrap().unwrap();
        assert_eq!((values.count(), values.sum(), values.min(), values.max()), (7, 6.0, -1.0, 3.5));
        let nothing = ExponentialHistogramDataPoint::default();
        assert_eq!(read(&nothing), Ok(None));
        for point in [
            ExponentialHistogramDataPoint { count: 8, ..point.clone() },
            ExponentialHistogramDataPoint { scale: -11, ..point.clone() },
            ExponentialHistogramDataPoint { sum: Some(f64::NAN), ..point.clone() },
            ExponentialHistogramDataPoint { scale: 0, positive: side(360, &[3]), ..point.clone() },
        ] {
            assert!(read(&point).is_err(), "{point:?}");
        }
        let estimated = ExponentialHistogramDataPoint { sum: None, min: None, max: None, ..point };
        let values = read(&estimated).unwrap().unwrap();
        assert!((-1.1..-0.9).contains(&values.min()) && (0.9..1.1).contains(&values.max()), "{values:?}");
    }

    #[test]
    fn numbers_and_summaries_out_of_range_are_rejected() {
        let number = |value| NumberDataPoint { value, ..NumberDataPoint::default() };
        assert!(Measured::number(&number(None)).is_err());
        for value in [f64::NAN, f64::INFINITY, 1e300] {
            let measured = Measured::number(&number(Some(Value::AsDouble(value)))).unwrap();
            assert_eq!(measured.distribution(10), Err(OUT_OF_RANGE.into()));
        }
        for negative in [Value::AsDouble(-0.5), Value::AsInt(-1)] {
            assert!(Measured::monotonic(&number(Some(negative))).is_err());
            assert!(Measured::number(&number(Some(negative))).is_ok());
        }
        let summary = |count, sum| SummaryDataPoint { count, sum, ..SummaryDataPoint::default() };
        assert!(Measured::summary(&summary(1, f64::NAN)).is_err());
        let set = Measured::summary(&summary(4, 8.0)).unwrap().distribution(10).unwrap().unwrap();
        assert_eq!((set.sample_count(), set.sum(), set.min()), (4.0, 8.0, 2.0));
        assert_eq!(Measured::summary(&summary(0, f64::NAN)).unwrap().distribution(10), Ok(None));
    }
}
