//! `MetricDatum`: one item of a PutMetricData request, validated.

use crate::error::{ApiError, ErrorKind};
use crate::metric::{Dimensions, Unit, invalid, missing, read_dimensions, read_metric_name, too_large};
use crate::node::Fields;
use crate::quota::{MAX_AGE_SECONDS, MAX_LEAD_SECONDS, MAX_VALUE_MAGNITUDE, MAX_VALUES_PER_DATUM};
use crate::statistics::Statistics;

/// The finest period a datum can be read at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resolution {
    Second,
    Minute,
}

impl Resolution {
    /// Seconds of a bucket.
    pub(crate) fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
        }
    }
}

/// What a datum measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measurement {
    pub(crate) statistics: Statistics,
    /// Values with how often each occurred; `None` when only a statistic set is known, so no percentile is.
    pub(crate) values: Option<Vec<(f64, f64)>>,
}

/// A datum that CloudWatch accepts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Datum {
    pub(crate) metric_name: String,
    pub(crate) dimensions: Dimensions,
    pub(crate) unit: Unit,
    /// Whole seconds since the epoch.
    pub(crate) timestamp: i64,
    pub(crate) resolution: Resolution,
    pub(crate) measurement: Measurement,
}

impl Datum {
    /// Reads a datum that arrived at `now_millis`. Gives every fault of it, not only the first.
    pub(crate) fn read(fields: &Fields<'_>, now_millis: i64) -> Result<Self, Vec<ApiError>> {
        let mut faults = Vec::new();
        let metric_name = kept(&mut faults, read_metric_name(fields));
        let dimensions = kept(&mut faults, read_dimensions(fields));
        let unit = kept(&mut faults, Unit::read(fields));
        let timestamp = kept(&mut faults, read_timestamp(fields, now_millis));
        let resolution = kept(&mut faults, read_resolution(fields));
        let measurement = kept(&mut faults, read_measurement(fields));
        match (metric_name, dimensions, unit, timestamp, resolution, measurement) {
            (Some(metric_name), Some(dimensions), Some(unit), Some(timestamp), Some(resolution), Some(measurement)) => {
                let unit = unit.unwrap_or(Unit::NONE);
                Ok(Self { metric_name, dimensions, unit, timestamp, resolution, measurement })
            }
            _ => Err(faults),
        }
    }
}

fn kept<T>(faults: &mut Vec<ApiError>, result: Result<T, ApiError>) -> Option<T> {
    result.map_err(|fault| faults.push(fault)).ok()
}

fn read_timestamp(fields: &Fields<'_>, now_millis: i64) -> Result<i64, ApiError> {
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

fn read_resolution(fields: &Fields<'_>) -> Result<Resolution, ApiError> {
    match fields.integer("StorageResolution")? {
        Some(1) => Ok(Resolution::Second),
        None | Some(60) => Ok(Resolution::Minute),
        Some(_) => {
            let path = fields.path_of("StorageResolution");
            Err(invalid(format!("The parameter {path} must be a value in the set [ 1, 60 ].")))
        }
    }
}

/// Exactly one of `Value`, `Values` with `Counts`, and `StatisticValues`; or the last two together, which CloudWatch
/// takes as the statistics and the percentiles of the same samples.
fn read_measurement(fields: &Fields<'_>) -> Result<Measurement, ApiError> {
    let value = fields.number("Value")?;
    let values = fields.numbers("Values")?.filter(|values| !values.is_empty());
    let counts = fields.numbers("Counts")?.filter(|counts| !counts.is_empty());
    let set = fields.structure("StatisticValues")?;
    match (value, values, set) {
        (Some(value), None, None) if counts.is_none() => {
            let value = in_range(value, &fields.path_of("Value"))?;
            Ok(Measurement { statistics: Statistics::of(value, 1.0), values: Some(vec![(value, 1.0)]) })
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
        (Some(_), Some(_), _) => Err(exclusive(fields, "Value", "Values")),
        (Some(_), None, Some(_)) => Err(exclusive(fields, "Value", "StatisticValues")),
        (Some(_), None, None) => Err(exclusive(fields, "Value", "Counts")),
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
    fields: &Fields<'_>,
    values: &[f64],
    counts: Option<&[f64]>,
) -> Result<(Statistics, ValueCounts), ApiError> {
    for (name, length) in [("Values", values.len()), ("Counts", counts.map_or(0, <[f64]>::len))] {
        if length > MAX_VALUES_PER_DATUM {
            return Err(too_large(&fields.path_of(name), MAX_VALUES_PER_DATUM));
        }
    }
    if counts.is_some_and(|counts| counts.len() != values.len()) {
        let (values, counts) = (fields.path_of("Values"), fields.path_of("Counts"));
        return Err(invalid(format!("The parameters {values} and {counts} must be of the same size.")));
    }
    let mut statistics = Statistics::EMPTY;
    let mut pairs = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let value = in_range(*value, &format!("{}.member.{}", fields.path_of("Values"), index + 1))?;
        let count = counts.and_then(|counts| counts.get(index)).copied().unwrap_or(1.0);
        let path = format!("{}.member.{}", fields.path_of("Counts"), index + 1);
        let count = positive(in_range(count, &path)?, &path)?;
        statistics.merge(&Statistics::of(value, count));
        pairs.push((value, count));
    }
    Ok((statistics, pairs))
}

fn read_statistic_set(fields: &Fields<'_>) -> Result<Statistics, ApiError> {
    let read = |name: &str| {
        let path = fields.path_of(name);
        in_range(fields.number(name)?.ok_or_else(|| missing(&path))?, &path)
    };
    let (count, sum, min, max) = (read("SampleCount")?, read("Sum")?, read("Minimum")?, read("Maximum")?);
    if max < min {
        let (max, min) = (fields.path_of("Maximum"), fields.path_of("Minimum"));
        return Err(invalid(format!("The parameter {max} must be greater than {min}.")));
    }
    Ok(Statistics { count: positive(count, &fields.path_of("SampleCount"))?, sum, min, max })
}

fn in_range(value: f64, path: &str) -> Result<f64, ApiError> {
    if value.abs() <= MAX_VALUE_MAGNITUDE {
        Ok(value)
    } else {
        Err(invalid(format!("The value {value} for parameter {path} is invalid.")))
    }
}

fn positive(count: f64, path: &str) -> Result<f64, ApiError> {
    if count > 0.0 { Ok(count) } else { Err(invalid(format!("The parameter {path} must be greater than 0."))) }
}

fn exclusive(fields: &Fields<'_>, one: &str, other: &str) -> ApiError {
    let (one, other) = (fields.path_of(one), fields.path_of(other));
    let message = format!("The parameters {one} and {other} are mutually exclusive and you have specified both.");
    ApiError::new(ErrorKind::InvalidParameterCombination, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Node, TimeForm};

    const NOW: i64 = 1_795_170_600_000;
    const NOW_SECONDS: f64 = 1_795_170_600.0;

    fn read(extra: Vec<(&str, Node)>) -> Result<Datum, Vec<ApiError>> {
        let mut fields = vec![("MetricName".to_owned(), Node::text("m"))];
        fields.extend(extra.into_iter().map(|(name, node)| (name.to_owned(), node)));
        Datum::read(&Fields::root(&Node::Map(fields), TimeForm::Number).unwrap(), NOW)
    }

    fn fault(extra: Vec<(&str, Node)>) -> ApiError {
        read(extra).unwrap_err().remove(0)
    }

    fn value(value: f64) -> (&'static str, Node) {
        ("Value", Node::Number(value))
    }

    fn numbers(name: &'static str, values: impl IntoIterator<Item = f64>) -> (&'static str, Node) {
        (name, Node::List(values.into_iter().map(Node::Number).collect()))
    }

    fn set(count: f64, sum: f64, min: f64, max: f64) -> (&'static str, Node) {
        let fields = [("SampleCount", count), ("Sum", sum), ("Minimum", min), ("Maximum", max)];
        ("StatisticValues", Node::map(fields.map(|(name, value)| (name, Node::Number(value)))))
    }

    #[test]
    fn a_value_is_one_sample_now_without_a_unit() {
        let datum = read(vec![value(2.5)]).unwrap();
        assert_eq!((datum.unit, datum.resolution, datum.timestamp), (Unit::NONE, Resolution::Minute, NOW / 1_000));
        assert_eq!(datum.measurement.statistics, Statistics { count: 1.0, sum: 2.5, min: 2.5, max: 2.5 });
        assert_eq!(datum.measurement.values, Some(vec![(2.5, 1.0)]));
    }

    #[test]
    fn values_and_counts_have_statistics_and_percentiles() {
        let datum = read(vec![numbers("Values", [1.0, 3.0]), numbers("Counts", [2.0, 4.0])]).unwrap();
        assert_eq!(datum.measurement.statistics, Statistics { count: 6.0, sum: 14.0, min: 1.0, max: 3.0 });
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
    fn a_statistic_set_beside_values_gives_the_statistics() {
        let datum = read(vec![numbers("Values", [1.1]), numbers("Counts", [3.0]), set(3.0, 3.33, 1.0, 1.2)]).unwrap();
        assert_eq!(datum.measurement.statistics, Statistics { count: 3.0, sum: 3.33, min: 1.0, max: 1.2 });
        assert_eq!(datum.measurement.values, Some(vec![(1.1, 3.0)]));
    }

    #[test]
    fn forms_that_exclude_each_other_are_refused() {
        for extra in [
            vec![value(1.0), numbers("Values", [1.0])],
            vec![value(1.0), set(1.0, 1.0, 1.0, 1.0)],
            vec![value(1.0), numbers("Counts", [1.0])],
            vec![],
            vec![numbers("Values", [])],
        ] {
            assert_eq!(fault(extra).kind(), &ErrorKind::InvalidParameterCombination);
        }
    }

    #[test]
    fn values_and_counts_have_their_quota() {
        let ones = |n: usize| vec![1.0; n];
        for (n, good) in [(149, true), (150, true), (151, false)] {
            assert_eq!(read(vec![numbers("Values", ones(n))]).is_ok(), good, "{n}");
            assert_eq!(read(vec![numbers("Values", ones(n)), numbers("Counts", ones(n))]).is_ok(), good, "{n}");
        }
        let message = fault(vec![numbers("Values", ones(151))]).message().to_owned();
        assert_eq!(message, "The collection Values must not have a size greater than 150.");
        assert!(read(vec![numbers("Values", ones(2)), numbers("Counts", ones(3))]).is_err());
    }

    #[test]
    fn numbers_have_their_range() {
        let most = MAX_VALUE_MAGNITUDE;
        for sign in [1.0, -1.0] {
            let edges = [most.next_down(), most, most.next_up()].map(|edge| read(vec![value(sign * edge)]).is_ok());
            assert_eq!(edges, [true, true, false]);
        }
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(read(vec![numbers("Values", [1.0, bad])]).is_err());
            assert!(read(vec![set(1.0, bad, 1.0, 1.0)]).is_err());
        }
        assert_eq!(fault(vec![value(f64::NAN)]).message(), "The value NaN for parameter Value is invalid.");
        for count in [0.0, -1.0] {
            assert!(read(vec![numbers("Values", [1.0]), numbers("Counts", [count])]).is_err());
            assert!(read(vec![set(count, 1.0, 1.0, 1.0)]).is_err());
        }
        assert!(read(vec![set(2.0, 1.0, 2.0, 1.0)]).is_err());
    }

    #[test]
    fn timestamps_have_their_range() {
        let at = |seconds: f64| read(vec![value(1.0), ("Timestamp", Node::Number(seconds))]);
        let (oldest, newest) = (NOW_SECONDS - MAX_AGE_SECONDS, NOW_SECONDS + MAX_LEAD_SECONDS);
        assert_eq!([oldest - 1.0, oldest, oldest + 1.0].map(|s| at(s).is_ok()), [false, true, true]);
        assert_eq!([newest - 1.0, newest, newest + 1.0].map(|s| at(s).is_ok()), [true, true, false]);
        assert_eq!(at(NOW_SECONDS - 0.25).unwrap().timestamp, NOW / 1_000 - 1);
    }

    #[test]
    fn resolution_is_1_or_60() {
        let of = |n: f64| read(vec![value(1.0), ("StorageResolution", Node::Number(n))]).map(|datum| datum.resolution);
        assert_eq!(of(1.0).unwrap(), Resolution::Second);
        assert_eq!(of(60.0).unwrap(), Resolution::Minute);
        for n in [0.0, 2.0, 59.0, 61.0, 1.5] {
            assert!(of(n).is_err(), "{n}");
        }
    }

    #[test]
    fn every_fault_of_a_datum_is_told() {
        let faults =
            read(vec![value(f64::NAN), ("Timestamp", Node::Number(0.0)), ("Unit", Node::text("x"))]).unwrap_err();
        assert_eq!(faults.len(), 3);
    }
}
