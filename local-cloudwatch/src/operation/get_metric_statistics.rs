//! GetMetricStatistics.

use crate::error::{ApiError, ErrorKind};
use crate::metric::{MetricId, invalid, too_large};
use crate::operation::period::{Statistic, TimeRange, unknown_statistic};
use crate::quota::{MAX_EXTENDED_STATISTICS, MAX_STATISTICS_DATAPOINTS};
use crate::request_fields::RequestFields;
use crate::statistics::SampleBucket;
use crate::store::MetricStore;
use crate::unit::StandardUnit;
use crate::wire_value::WireValue;

/// Returns the datapoints of one metric: one for each period and unit.
pub(crate) fn get_metric_statistics(fields: &RequestFields<'_>, store: &MetricStore) -> Result<WireValue, ApiError> {
    let metric = MetricId::read(fields)?;
    let range = TimeRange::read(fields, fields)?;
    let unit = StandardUnit::read(fields)?;
    let requested = RequestedStatistics::read(fields)?;
    if range.datapoints() > MAX_STATISTICS_DATAPOINTS {
        let message = format!(
            "You have requested up to {} datapoints, which exceeds the limit of {MAX_STATISTICS_DATAPOINTS}. You may \
             reduce the datapoints requested by increasing Period, or decreasing the time range.",
            range.datapoints()
        );
        return Err(ApiError::new(ErrorKind::InvalidParameterCombination, message));
    }
    let mut datapoints = Vec::new();
    for (found, series) in store.series_of(&metric).filter(|(found, _)| unit.is_none_or(|unit| unit == *found)) {
        for (timestamp, bucket) in series.aggregate(range.start, range.end, range.period) {
            datapoints.extend(requested.datapoint(timestamp, found, &bucket));
        }
    }
    Ok(WireValue::structure([("Label", WireValue::text(metric.name)), ("Datapoints", WireValue::List(datapoints))]))
}

/// The statistics to return.
struct RequestedStatistics {
    plain: Vec<(String, Statistic)>,
    extended: Vec<(String, Statistic)>,
}

impl RequestedStatistics {
    fn read(fields: &RequestFields<'_>) -> Result<Self, ApiError> {
        let (plain, extended) = (fields.texts("Statistics")?, fields.texts("ExtendedStatistics")?);
        if plain.is_empty() && extended.is_empty() {
            let message = "At least one of the parameters Statistics and ExtendedStatistics must be specified.";
            return Err(ApiError::new(ErrorKind::InvalidParameterCombination, message));
        }
        if extended.len() > MAX_EXTENDED_STATISTICS {
            return Err(too_large("ExtendedStatistics", MAX_EXTENDED_STATISTICS));
        }
        let plain = plain.into_iter().enumerate().map(|(index, name)| {
            let statistic = Statistic::plain(name).ok_or_else(|| {
                let set = "[ SampleCount, Average, Sum, Minimum, Maximum ]";
                invalid(format!("The parameter Statistics.member.{} must be a value in the set {set}.", index + 1))
            })?;
            Ok((name.to_owned(), statistic))
        });
        let extended = extended.into_iter().enumerate().map(|(index, name)| {
            let path = format!("ExtendedStatistics.member.{}", index + 1);
            let statistic = Statistic::percentile(name).ok_or_else(|| unknown_statistic(&path, name))?;
            Ok((name.to_owned(), statistic))
        });
        Ok(Self {
            plain: plain.collect::<Result<_, ApiError>>()?,
            extended: extended.collect::<Result<_, ApiError>>()?,
        })
    }

    /// Returns the datapoint of a period, or `None` if only percentiles are requested and they are unavailable.
    fn datapoint(&self, timestamp: i64, unit: StandardUnit, bucket: &SampleBucket) -> Option<WireValue> {
        let values = |requested: &[(String, Statistic)]| -> Vec<(String, WireValue)> {
            let value = |(name, statistic): &(String, Statistic)| {
                Some((name.clone(), WireValue::Number(statistic.compute(bucket)?)))
            };
            requested.iter().filter_map(value).collect()
        };
        let (plain, extended) = (values(&self.plain), values(&self.extended));
        if plain.is_empty() && extended.is_empty() {
            return None;
        }
        let mut fields = vec![("Timestamp".to_owned(), WireValue::Time(timestamp as f64))];
        fields.extend(plain);
        fields.push(("Unit".to_owned(), WireValue::text(unit.as_str())));
        if !extended.is_empty() {
            fields.push(("ExtendedStatistics".to_owned(), WireValue::Map(extended)));
        }
        Some(WireValue::Structure(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::{Measurement, MetricDatum, StorageResolution};
    use crate::metric::DimensionMap;
    use crate::request_fields::TimeForm;
    use crate::statistics::StatisticSet;

    const START: i64 = 1_795_170_600;

    fn store(values: Option<Vec<(f64, f64)>>) -> MetricStore {
        let datum = MetricDatum {
            metric_name: "m".into(),
            dimensions: DimensionMap::new(),
            unit: StandardUnit::NONE,
            timestamp: START + 61,
            resolution: StorageResolution::Minute,
            measurement: Measurement { statistics: StatisticSet { count: 2.0, sum: 4.0, min: 1.0, max: 3.0 }, values },
        };
        let mut store = MetricStore::default();
        store.put("n", vec![datum], START);
        store
    }

    fn request(minutes: i64, lists: Vec<(&str, &str)>) -> WireValue {
        let mut fields = vec![
            ("Namespace".to_owned(), WireValue::text("n")),
            ("MetricName".to_owned(), WireValue::text("m")),
            ("StartTime".to_owned(), WireValue::Number(START as f64)),
            ("EndTime".to_owned(), WireValue::Number((START + 60 * minutes) as f64)),
            ("Period".to_owned(), WireValue::Number(60.0)),
        ];
        fields.extend(
            lists.into_iter().map(|(name, item)| (name.to_owned(), WireValue::List(vec![WireValue::text(item)]))),
        );
        WireValue::Structure(fields)
    }

    fn ask(store: &MetricStore, request: &WireValue) -> Result<WireValue, ApiError> {
        get_metric_statistics(&RequestFields::root(request, TimeForm::Number).unwrap(), store)
    }

    #[test]
    fn a_datapoint_has_the_requested_statistics() {
        let requested = request(5, vec![("Statistics", "Average"), ("ExtendedStatistics", "p50")]);
        let point = WireValue::structure([
            ("Timestamp", WireValue::Time((START + 60) as f64)),
            ("Average", WireValue::Number(2.0)),
            ("Unit", WireValue::text("None")),
            ("ExtendedStatistics", WireValue::Map(vec![("p50".into(), WireValue::Number(1.0))])),
        ]);
        let response =
            WireValue::structure([("Label", WireValue::text("m")), ("Datapoints", WireValue::List(vec![point]))]);
        assert_eq!(ask(&store(Some(vec![(1.0, 1.0), (3.0, 1.0)])), &requested).unwrap(), response);
    }

    #[test]
    fn an_unavailable_percentile_is_omitted() {
        let response = ask(&store(None), &request(5, vec![("ExtendedStatistics", "p50")])).unwrap();
        assert_eq!(
            response,
            WireValue::structure([("Label", WireValue::text("m")), ("Datapoints", WireValue::List(vec![]))])
        );
    }

    #[test]
    fn a_response_has_a_quota_of_datapoints() {
        let is_ok = |minutes| ask(&store(None), &request(minutes, vec![("Statistics", "Sum")])).is_ok();
        assert_eq!([1_439, 1_440, 1_441].map(is_ok), [true, true, false]);
    }

    #[test]
    fn statistics_must_be_given_and_supported() {
        assert!(ask(&store(None), &request(5, vec![])).is_err());
        assert!(ask(&store(None), &request(5, vec![("Statistics", "p50")])).is_err());
        let error = ask(&store(None), &request(5, vec![("ExtendedStatistics", "tm90")])).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::ValidationError);
    }
}
