//! Reads and validates `MetricDatum`, an item of a PutMetricData request.

use crate::error::{ApiError, ErrorKind};
use crate::metric::{DimensionMap, invalid, missing, read_dimensions, read_metric_name, too_large};
use crate::quota::{MAX_AGE_SECONDS, MAX_LEAD_SECONDS, MAX_VALUE_MAGNITUDE, MAX_VALUES_PER_DATUM};
use crate::request_fields::RequestFields;
use crate::statistics::StatisticSet;
use crate::unit::StandardUnit;

/// The shortest period in which a datum can be queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StorageResolution {
    Second,
    Minute,
}

impl StorageResolution {
    /// Returns the length of a bucket in seconds.
    pub(crate) fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
        }
    }
}

/// The samples of a datum.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measurement {
    pub(crate) statistics: StatisticSet,
    /// Distinct values and their counts. `None` if the datum has only a statistic set, so that percentiles are not
    /// available.
    pub(crate) values: Option<Vec<(f64, f64)>>,
}

/// A valid datum.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MetricDatum {
    pub(crate) metric_name: String,
    pub(crate) dimensions: DimensionMap,
    pub(crate) unit: StandardUnit,
    /// Whole seconds since the epoch.
    pub(crate) timestamp: i64,
    pub(crate) resolution: StorageResolution,
    pub(crate) measurement: Measurement,
}

impl MetricDatum {
    /// Reads a datum that arrived at `now_millis`.
    ///
    /// # Errors
    /// All errors of the datum, not only the first.
    pub(crate) fn read(fields: &RequestFields<'_>, now_millis: i64) -> Result<Self, Vec<ApiError>> {
        let mut errors = Vec::new();
        let metric_name = collect_error(&mut errors, read_metric_name(fields));
        let dimensions = collect_error(&mut errors, read_dimensions(fields));
        let unit = collect_error(&mut errors, StandardUnit::read(fields));
        let timestamp = collect_error(&mut errors, read_timestamp(fields, now_millis));
        let resolution = collect_error(&mut errors, read_resolution(fields));
        let measurement = collect_error(&mut errors, read_measurement(fields));
        match (metric_name, dimensions, unit, timestamp, resolution, measurement) {
            (Some(metric_name), Some(dimensions), Some(unit), Some(timestamp), Some(resolution), Some(measurement)) => {
                let unit = unit.unwrap_or(StandardUnit::NONE);
                Ok(Self { metric_name, dimensions, unit, timestamp, resolution, measurement })
            }
            _ => Err(errors),
        }
    }
}

fn collect_error<T>(errors: &mut Vec<ApiError>, result: Result<T, ApiError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

fn read_timestamp(fields: &RequestFields<'_>, now_millis: i64) -> Result<i64, ApiError> {
    let now = now_millis as f64 / 1_000.0;
    let seconds = fields.time("Timestamp")?.unwrap_or(now);
    let path = fields.path_of("Timestamp");
    if seconds.is_nan() {
        return Err(invalid(format!("The value NaN for parameter {path} is invalid.")));
    }
    if seconds < now - MAX_AGE_SECONDS {
        return Err(invalid(format!("The parameter {path} must specify a time no more than two weeks in the past.")));
    }
    if seconds > now + MAX_LEAD_SECONDS {
        return Err(invalid(format!("The parameter {path} must specify a time no more than two hours in the future.")));
    }
    Ok(seconds.floor() as i64)
}

fn read_resolution(fields: &RequestFields<'_>) -> Result<StorageResolution, ApiError> {
    match fields.integer("StorageResolution")? {
        Some(1) => Ok(StorageResolution::Second),
        None | Some(60) => Ok(StorageResolution::Minute),
        Some(_) => {
            let path = fields.path_of("StorageResolution");
            Err(invalid(format!("The parameter {path} must be a value in the set [ 1, 60 ].")))
        }
    }
}

/// Reads the samples: exactly one of `Value`, `Values` with `Counts`, and `StatisticValues`. `Values` and
/// `StatisticValues` together are the percentiles and the statistics of the same samples.
fn read_measurement(fields: &RequestFields<'_>) -> Result<Measurement, ApiError> {
    let value = fields.number("Value")?;
    let values = fields.numbers("Values")?.filter(|values| !values.is_empty());
    let counts = fields.numbers("Counts")?.filter(|counts| !counts.is_empty());
    let set = fields.structure("StatisticValues")?;
    match (value, values, set) {
        (Some(value), None, None) if counts.is_none() => {
            let value = check_magnitude(value, &fields.path_of("Value"))?;
            Ok(Measurement { statistics: StatisticSet::repeated(value, 1.0), values: Some(vec![(value, 1.0)]) })
        }
        (None, Some(values), None) => {
            let (statistics, values) = read_values(fields, &values, counts.as_deref())?;
            Ok(Measurement { statistics, values: Some(values) })
        }
        (None, None, Some(set)) if counts.is_none() => {
            let statistics = read_statistic_set(&set)?;
            let single = statistics.count == 1.0 || statistics.min == statistics.max;
            Ok(Measurement { statistics, values: single.then(|| vec![(statistics.min, statistics.count)]) })
        }
        (None, Some(values), Some(set)) => {
            let (_, values) = read_values(fields, &values, counts.as_deref())?;
            Ok(Measurement { statistics: read_statistic_set(&set)?, values: Some(values) })
        }
        (Some(_), Some(_), _) => Err(mutually_exclusive(fields, "Value", "Values")),
        (Some(_), None, Some(_)) => Err(mutually_exclusive(fields, "Value", "StatisticValues")),
        (Some(_), None, None) => Err(mutually_exclusive(fields, "Value", "Counts")),
        (None, None, Some(_)) => Err(missing(&fields.path_of("Values"))),
        (None, None, None) => {
            let (value, values, set) =
                (fields.path_of("Value"), fields.path_of("Values"), fields.path_of("StatisticValues"));
            let message = format!("At least one of the parameters {value}, {values} and {set} must be specified.");
            Err(ApiError::new(ErrorKind::InvalidParameterCombination, message))
        }
    }
}

type ValueCounts = Vec<(f64, f64)>;

fn read_values(
    fields: &RequestFields<'_>,
    values: &[f64],
    counts: Option<&[f64]>,
) -> Result<(StatisticSet, ValueCounts), ApiError> {
    for (name, length) in [("Values", values.len()), ("Counts", counts.map_or(0, <[f64]>::len))] {
        if length > MAX_VALUES_PER_DATUM {
            return Err(too_large(&fields.path_of(name), MAX_VALUES_PER_DATUM));
        }
    }
    if counts.is_some_and(|counts| counts.len() != values.len()) {
        let (values, counts) = (fields.path_of("Values"), fields.path_of("Counts"));
        return Err(invalid(format!("The parameters {values} and {counts} must be of the same size.")));
    }
    let mut statistics = StatisticSet::EMPTY;
    let mut pairs = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let value = check_magnitude(*value, &format!("{}.member.{}", fields.path_of("Values"), index + 1))?;
        let count = counts.and_then(|counts| counts.get(index)).copied().unwrap_or(1.0);
        let path = format!("{}.member.{}", fields.path_of("Counts"), index + 1);
        let count = check_positive(check_magnitude(count, &path)?, &path)?;
        statistics.merge(&StatisticSet::repeated(value, count));
        pairs.push((value, count));
    }
    Ok((statistics, pairs))
}

fn read_statistic_set(fields: &RequestFields<'_>) -> Result<StatisticSet, ApiError> {
    let read = |name: &str| {
        let path = fields.path_of(name);
        check_magnitude(fields.number(name)?.ok_or_else(|| missing(&path))?, &path)
    };
    let (count, sum, min, max) = (read("SampleCount")?, read("Sum")?, read("Minimum")?, read("Maximum")?);
    if max < min {
        let (max, min) = (fields.path_of("Maximum"), fields.path_of("Minimum"));
        return Err(invalid(format!("The parameter {max} must be greater than {min}.")));
    }
    Ok(StatisticSet { count: check_positive(count, &fields.path_of("SampleCount"))?, sum, min, max })
}

fn check_magnitude(value: f64, path: &str) -> Result<f64, ApiError> {
    if value.abs() <= MAX_VALUE_MAGNITUDE {
        Ok(value)
    } else {
        Err(invalid(format!("The value {value} for parameter {path} is invalid.")))
    }
}

fn check_positive(count: f64, path: &str) -> Result<f64, ApiError> {
    if count > 0.0 { Ok(count) } else { Err(invalid(format!("The parameter {path} must be greater than 0."))) }
}

fn mutually_exclusive(fields: &RequestFields<'_>, one: &str, other: &str) -> ApiError {
    let (one, other) = (fields.path_of(one), fields.path_of(other));
    let message =
        format!("The parameters {one} and {other} are mutually mutually_exclusive and you have specified both.");
    ApiError::new(ErrorKind::InvalidParameterCombination, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_fields::TimeForm;
    use crate::wire_value::WireValue;

    const NOW: i64 = 1_795_170_600_000;
    const NOW_SECONDS: f64 = 1_795_170_600.0;

    fn read(extra: Vec<(&str, WireValue)>) -> Result<MetricDatum, Vec<ApiError>> {
        let mut fields = vec![("MetricName".to_owned(), WireValue::text("m"))];
        fields.extend(extra.into_iter().map(|(name, node)| (name.to_owned(), node)));
        MetricDatum::read(&RequestFields::root(&WireValue::Structure(fields), TimeForm::Number).unwrap(), NOW)
    }

    fn first_error(extra: Vec<(&str, WireValue)>) -> ApiError {
        read(extra).unwrap_err().remove(0)
    }

    fn value(value: f64) -> (&'static str, WireValue) {
        ("Value", WireValue::Number(value))
    }

    fn numbers(name: &'static str, values: impl IntoIterator<Item = f64>) -> (&'static str, WireValue) {
        (name, WireValue::List(values.into_iter().map(WireValue::Number).collect()))
    }

    fn set(count: f64, sum: f64, min: f64, max: f64) -> (&'static str, WireValue) {
        let fields = [("SampleCount", count), ("Sum", sum), ("Minimum", min), ("Maximum", max)];
        ("StatisticValues", WireValue::structure(fields.map(|(name, value)| (name, WireValue::Number(value)))))
    }

    #[test]
    fn a_value_defaults_to_one_sample_now_without_a_unit() {
        let datum = read(vec![value(2.5)]).unwrap();
        assert_eq!(
            (datum.unit, datum.resolution, datum.timestamp),
            (StandardUnit::NONE, StorageResolution::Minute, NOW / 1_000)
        );
        assert_eq!(datum.measurement.statistics, StatisticSet { count: 1.0, sum: 2.5, min: 2.5, max: 2.5 });
        assert_eq!(datum.measurement.values, Some(vec![(2.5, 1.0)]));
    }

    #[test]
    fn values_and_counts_give_statistics_and_percentiles() {
        let datum = read(vec![numbers("Values", [1.0, 3.0]), numbers("Counts", [2.0, 4.0])]).unwrap();
        assert_eq!(datum.measurement.statistics, StatisticSet { count: 6.0, sum: 14.0, min: 1.0, max: 3.0 });
        assert_eq!(datum.measurement.values, Some(vec![(1.0, 2.0), (3.0, 4.0)]));
        assert_eq!(read(vec![numbers("Values", [1.0, 3.0])]).unwrap().measurement.statistics.count, 2.0);
    }

    #[test]
    fn a_statistic_set_has_percentiles_only_when_all_samples_are_equal() {
        assert_eq!(read(vec![set(2.0, 3.0, 1.0, 2.0)]).unwrap().measurement.values, None);
        assert_eq!(read(vec![set(1.0, 3.0, 3.0, 3.0)]).unwrap().measurement.values, Some(vec![(3.0, 1.0)]));
        assert_eq!(read(vec![set(4.0, 12.0, 3.0, 3.0)]).unwrap().measurement.values, Some(vec![(3.0, 4.0)]));
    }

    #[test]
    fn a_statistic_set_overrides_the_statistics_of_values() {
        let datum = read(vec![numbers("Values", [1.1]), numbers("Counts", [3.0]), set(3.0, 3.33, 1.0, 1.2)]).unwrap();
        assert_eq!(datum.measurement.statistics, StatisticSet { count: 3.0, sum: 3.33, min: 1.0, max: 1.2 });
        assert_eq!(datum.measurement.values, Some(vec![(1.1, 3.0)]));
    }

    #[test]
    fn exactly_one_form_of_samples_is_required() {
        for extra in [
            vec![value(1.0), numbers("Values", [1.0])],
            vec![value(1.0), set(1.0, 1.0, 1.0, 1.0)],
            vec![value(1.0), numbers("Counts", [1.0])],
            vec![],
            vec![numbers("Values", [])],
        ] {
            assert_eq!(first_error(extra).kind(), &ErrorKind::InvalidParameterCombination);
        }
    }

    #[test]
    fn values_and_counts_have_a_quota() {
        let ones = |n: usize| vec![1.0; n];
        for (n, good) in [(149, true), (150, true), (151, false)] {
            assert_eq!(read(vec![numbers("Values", ones(n))]).is_ok(), good, "{n}");
            assert_eq!(read(vec![numbers("Values", ones(n)), numbers("Counts", ones(n))]).is_ok(), good, "{n}");
        }
        let message = first_error(vec![numbers("Values", ones(151))]).message().to_owned();
        assert_eq!(message, "The collection Values must not have a size greater than 150.");
        assert!(read(vec![numbers("Values", ones(2)), numbers("Counts", ones(3))]).is_err());
    }

    #[test]
    fn numbers_have_a_range() {
        let max = MAX_VALUE_MAGNITUDE;
        for sign in [1.0, -1.0] {
            let edges = [max.next_down(), max, max.next_up()].map(|edge| read(vec![value(sign * edge)]).is_ok());
            assert_eq!(edges, [true, true, false]);
        }
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(read(vec![numbers("Values", [1.0, bad])]).is_err());
            assert!(read(vec![set(1.0, bad, 1.0, 1.0)]).is_err());
        }
        assert_eq!(first_error(vec![value(f64::NAN)]).message(), "The value NaN for parameter Value is invalid.");
        for count in [0.0, -1.0] {
            assert!(read(vec![numbers("Values", [1.0]), numbers("Counts", [count])]).is_err());
            assert!(read(vec![set(count, 1.0, 1.0, 1.0)]).is_err());
        }
        assert!(read(vec![set(2.0, 1.0, 2.0, 1.0)]).is_err());
    }

    #[test]
    fn timestamps_have_a_range() {
        let at = |seconds: f64| read(vec![value(1.0), ("Timestamp", WireValue::Number(seconds))]);
        let (oldest, newest) = (NOW_SECONDS - MAX_AGE_SECONDS, NOW_SECONDS + MAX_LEAD_SECONDS);
        assert_eq!([oldest - 1.0, oldest, oldest + 1.0].map(|s| at(s).is_ok()), [false, true, true]);
        assert_eq!([newest - 1.0, newest, newest + 1.0].map(|s| at(s).is_ok()), [true, true, false]);
        assert_eq!(at(NOW_SECONDS - 0.25).unwrap().timestamp, NOW / 1_000 - 1);
    }

    #[test]
    fn resolution_must_be_1_or_60() {
        let of =
            |n: f64| read(vec![value(1.0), ("StorageResolution", WireValue::Number(n))]).map(|datum| datum.resolution);
        assert_eq!(of(1.0).unwrap(), StorageResolution::Second);
        assert_eq!(of(60.0).unwrap(), StorageResolution::Minute);
        for n in [0.0, 2.0, 59.0, 61.0, 1.5] {
            assert!(of(n).is_err(), "{n}");
        }
    }

    #[test]
    fn all_errors_of_a_datum_are_returned() {
        let errors = read(vec![value(f64::NAN), ("Timestamp", WireValue::Number(0.0)), ("Unit", WireValue::text("x"))])
            .unwrap_err();
        assert_eq!(errors.len(), 3);
    }
}
