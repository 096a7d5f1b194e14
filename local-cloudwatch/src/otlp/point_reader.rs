//! Checks data points and converts them to what the store keeps. Errors describe what is wrong with a point.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets as WireBuckets;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    DataPointFlags, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint,
};

use super::distribution::{Buckets, Distribution};
use super::explicit_buckets::ExplicitBuckets;
use super::exponential_buckets::ExponentialBuckets;
use super::series_id::OtlpTemporality;
use super::stored_point::{PointValue, StoredPoint};

/// Maximum age of a data point on arrival, in nanoseconds: two weeks, as for PutMetricData.
const MAX_AGE_NANOS: u64 = 14 * 86_400 * 1_000_000_000;
/// Maximum nanoseconds that a data point can be in the future: two hours, as for PutMetricData.
const MAX_LEAD_NANOS: u64 = 2 * 3_600 * 1_000_000_000;
/// The scales that OpenTelemetry's data model describes.
const SCALES: std::ops::RangeInclusive<i32> = -10..=20;

/// The value of a data point; `None` if its flag says that there is no recorded value.
pub(super) type ReadValue = Result<Option<PointValue>, String>;

/// Returns true if the flags say that the point has no recorded value.
fn has_no_value(flags: u32) -> bool {
    flags & (DataPointFlags::NoRecordedValueMask as u32) != 0
}

/// Reads the value of a gauge or sum.
pub(super) fn number(point: &NumberDataPoint, must_not_be_negative: bool) -> ReadValue {
    if has_no_value(point.flags) {
        return Ok(None);
    }
    let value = match point.value {
        Some(Value::AsDouble(value)) => value,
        Some(Value::AsInt(value)) => value as f64,
        None => return Err("has no value".to_owned()),
    };
    if !value.is_finite() {
        return Err(format!("has the value {value}, which is not finite"));
    }
    if must_not_be_negative && value < 0.0 {
        return Err(format!("has the value {value}, but its sum is monotonic"));
    }
    Ok(Some(PointValue::Number(value)))
}

/// Reads the value of a histogram with explicit bounds.
pub(super) fn histogram(point: &HistogramDataPoint) -> ReadValue {
    if has_no_value(point.flags) {
        return Ok(None);
    }
    let bounds = &point.explicit_bounds;
    if bounds.iter().any(|bound| !bound.is_finite()) || !bounds.is_sorted_by(|a, b| a < b) {
        return Err("has explicit_bounds that are not finite and ascending".to_owned());
    }
    let counts = match point.bucket_counts.as_slice() {
        // A histogram may have only a count and a sum.
        [] if bounds.is_empty() => vec![point.count as f64],
        counts if counts.len() == bounds.len() + 1 => {
            check_count(point.count, counts.iter().copied())?;
            counts.iter().map(|count| *count as f64).collect()
        }
        counts => {
            let (found, expected) = (counts.len(), bounds.len() + 1);
            return Err(format!("has {found} bucket_counts, but its explicit_bounds require {expected}"));
        }
    };
    let buckets = Buckets::Explicit(ExplicitBuckets { bounds: bounds.clone(), counts });
    distribution(point.count, point.sum, point.min, point.max, buckets)
}

/// Reads the value of an exponential histogram.
pub(super) fn exponential_histogram(point: &ExponentialHistogramDataPoint) -> ReadValue {
    if has_no_value(point.flags) {
        return Ok(None);
    }
    let scale = point.scale;
    if !SCALES.contains(&scale) {
        return Err(format!("has the scale {scale}; it must be between {} and {}", SCALES.start(), SCALES.end()));
    }
    let zero_threshold = point.zero_threshold;
    if !zero_threshold.is_finite() || zero_threshold < 0.0 {
        return Err(format!("has the zero_threshold {zero_threshold}; it must be finite and not negative"));
    }
    let wire_counts = |buckets: &Option<WireBuckets>| {
        buckets.iter().flat_map(|buckets| buckets.bucket_counts.clone()).collect::<Vec<_>>()
    };
    let counts = wire_counts(&point.positive).into_iter().chain(wire_counts(&point.negative));
    check_count(point.count, counts.chain([point.zero_count]))?;
    let buckets = Buckets::Exponential(ExponentialBuckets {
        scale,
        zero_threshold,
        zero_count: point.zero_count as f64,
        positive: sparse(point.positive.as_ref())?,
        negative: sparse(point.negative.as_ref())?,
    });
    distribution(point.count, point.sum, point.min, point.max, buckets)
}

/// Reads the value of a summary.
pub(super) fn summary(point: &SummaryDataPoint) -> ReadValue {
    if has_no_value(point.flags) {
        return Ok(None);
    }
    let mut quantiles: Vec<_> = point.quantile_values.iter().map(|at| (at.quantile, at.value)).collect();
    quantiles.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    if quantiles.iter().any(|(quantile, _)| !(0.0..=1.0).contains(quantile)) {
        return Err("has a quantile that is not between 0 and 1".to_owned());
    }
    if !point.sum.is_finite() {
        return Err(format!("has the sum {}, which is not finite", point.sum));
    }
    Ok(Some(PointValue::Summary { count: point.count as f64, sum: point.sum, quantiles }))
}

/// Checks the times of a point and adds them to its value. `now_nanos` is the server's clock.
pub(super) fn timed(
    value: PointValue,
    start_nanos: u64,
    time_nanos: u64,
    temporality: Option<OtlpTemporality>,
    now_nanos: u64,
) -> Result<StoredPoint, String> {
    if time_nanos == 0 {
        return Err("has no time_unix_nano".to_owned());
    }
    if time_nanos < now_nanos.saturating_sub(MAX_AGE_NANOS) {
        return Err("has a time_unix_nano that is more than two weeks in the past".to_owned());
    }
    if time_nanos > now_nanos.saturating_add(MAX_LEAD_NANOS) {
        return Err("has a time_unix_nano that is more than two hours in the future".to_owned());
    }
    if temporality.is_some() && start_nanos > time_nanos {
        return Err("has a start_time_unix_nano after its time_unix_nano".to_owned());
    }
    Ok(StoredPoint { start_nanos, time_nanos, value })
}

fn distribution(count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>, buckets: Buckets) -> ReadValue {
    // Without a sum, which OpenTelemetry allows where values are negative, the average is unknown.
    let sum = match sum {
        Some(sum) if !sum.is_finite() => return Err(format!("has the sum {sum}, which is not finite")),
        None if count > 0 => return Err("has no sum".to_owned()),
        sum => sum.unwrap_or_default(),
    };
    if let (Some(min), Some(max)) = (min, max)
        && count > 0
        && !(min.is_finite() && max.is_finite() && min <= max)
    {
        return Err(format!("has the min {min} and the max {max}"));
    }
    let (min, max) = if count > 0 { (min, max) } else { (None, None) };
    let distribution = Distribution { count: count as f64, sum, buckets };
    Ok(Some(PointValue::Distribution { distribution, min, max }))
}

fn check_count(count: u64, buckets: impl Iterator<Item = u64>) -> Result<(), String> {
    let total: u128 = buckets.map(u128::from).sum();
    if total == u128::from(count) {
        Ok(())
    } else {
        Err(format!("has the count {count}, but its buckets contain {total}"))
    }
}

fn sparse(buckets: Option<&WireBuckets>) -> Result<BTreeMap<i32, f64>, String> {
    let Some(WireBuckets { offset, bucket_counts }) = buckets else { return Ok(BTreeMap::new()) };
    let mut sparse = BTreeMap::new();
    for (position, count) in bucket_counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let index = i32::try_from(position).ok().and_then(|position| offset.checked_add(position));
        let index = index.ok_or("has a bucket whose index exceeds 32 bits")?;
        sparse.insert(index, *count as f64);
    }
    Ok(sparse)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_170_600_000_000_000;

    fn exponential() -> ExponentialHistogramDataPoint {
        ExponentialHistogramDataPoint {
            count: 6,
            sum: Some(9.0),
            scale: 1,
            zero_count: 1,
            positive: Some(WireBuckets { offset: -1, bucket_counts: vec![2, 0, 3] }),
            min: Some(0.0),
            max: Some(2.5),
            ..ExponentialHistogramDataPoint::default()
        }
    }

    #[test]
    fn an_exponential_histogram_keeps_its_buckets() {
        let Ok(Some(PointValue::Distribution { distribution, min, max })) = exponential_histogram(&exponential())
        else {
            panic!("not read")
        };
        let Buckets::Exponential(buckets) = distribution.buckets else { panic!("not exponential") };
        assert_eq!((distribution.count, distribution.sum, min, max), (6.0, 9.0, Some(0.0), Some(2.5)));
        assert_eq!((buckets.scale, buckets.zero_count), (1, 1.0));
        assert_eq!(buckets.positive, BTreeMap::from([(-1, 2.0), (1, 3.0)]));
    }

    #[test]
    fn an_inconsistent_exponential_histogram_is_refused() {
        let refused: [fn(&mut ExponentialHistogramDataPoint); 6] = [
            |point| point.count = 7,
            |point| point.scale = 21,
            |point| point.scale = -11,
            |point| point.sum = None,
            |point| point.zero_threshold = f64::NAN,
            |point| point.positive.as_mut().unwrap().offset = i32::MAX - 1,
        ];
        for (index, change) in refused.into_iter().enumerate() {
            let mut point = exponential();
            change(&mut point);
            assert!(exponential_histogram(&point).is_err(), "change {index}");
        }
    }

    #[test]
    fn a_histogram_must_have_one_count_more_than_bounds() {
        let point = |bounds: &[f64], counts: &[u64]| HistogramDataPoint {
            count: 3,
            sum: Some(1.0),
            explicit_bounds: bounds.to_vec(),
            bucket_counts: counts.to_vec(),
            ..HistogramDataPoint::default()
        };
        for (bounds, counts, good) in [
            (&[1.0, 2.0][..], &[1, 1, 1][..], true),
            (&[], &[], true),
            (&[], &[3], true),
            (&[1.0], &[3], false),
            (&[1.0], &[], false),
            (&[2.0, 1.0], &[1, 1, 1], false),
            (&[1.0, 1.0], &[1, 1, 1], false),
            (&[1.0], &[1, 1], false),
        ] {
            assert_eq!(histogram(&point(bounds, counts)).is_ok(), good, "{bounds:?} {counts:?}");
        }
    }

    #[test]
    fn numbers_must_be_finite_and_monotonic_ones_not_negative() {
        let point = |value| NumberDataPoint { value: Some(value), ..NumberDataPoint::default() };
        assert_eq!(number(&point(Value::AsInt(-2)), false), Ok(Some(PointValue::Number(-2.0))));
        assert!(number(&point(Value::AsInt(-2)), true).is_err());
        assert!(number(&point(Value::AsDouble(f64::NAN)), false).is_err());
        assert!(number(&NumberDataPoint::default(), false).is_err());
        assert_eq!(number(&NumberDataPoint { flags: 1, ..NumberDataPoint::default() }, true), Ok(None));
    }

    #[test]
    fn times_must_be_close_to_the_clock_and_in_order() {
        let at = |start, time| {
            timed(PointValue::Number(0.0), start, time, Some(OtlpTemporality::Delta), NOW).map(|point| point.time_nanos)
        };
        for (bound, inside, outside) in
            [(NOW - MAX_AGE_NANOS, 0, -1_i64), (NOW + MAX_LEAD_NANOS, 0, 1), (NOW + MAX_LEAD_NANOS, -1, 1)]
        {
            assert!(at(0, bound.strict_add_signed(inside)).is_ok());
            assert!(at(0, bound.strict_add_signed(outside)).is_err());
        }
        assert!(at(0, 0).is_err() && at(NOW, NOW).is_ok() && at(NOW + 1, NOW).is_err());
    }
}
