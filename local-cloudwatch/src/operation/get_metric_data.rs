//! GetMetricData, for `MetricStat` queries. Metric math and Metrics Insights are not supported.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ApiError, ErrorKind};
use crate::metric::{MetricId, invalid, missing, required, too_large};
use crate::operation::period::{Statistic, TimeRange, unknown_statistic};
use crate::quota::{MAX_METRIC_DATA_DATAPOINTS, MAX_METRIC_DATA_QUERIES};
use crate::request_fields::RequestFields;
use crate::statistics::SampleBucket;
use crate::store::MetricStore;
use crate::unit::StandardUnit;
use crate::wire_value::WireValue;

/// Returns the values of each query over time: at most `MaxDatapoints` in total, and the rest with `NextToken`.
pub(crate) fn get_metric_data(fields: &RequestFields<'_>, store: &MetricStore) -> Result<WireValue, ApiError> {
    let items = fields.structures("MetricDataQueries")?;
    if items.is_empty() {
        return Err(missing("MetricDataQueries"));
    }
    if items.len() > MAX_METRIC_DATA_QUERIES {
        return Err(too_large("MetricDataQueries", MAX_METRIC_DATA_QUERIES));
    }
    let queries: Vec<_> = items.iter().map(|item| MetricQuery::read(fields, item)).collect::<Result<_, _>>()?;
    if queries.iter().map(|query| query.id).collect::<BTreeSet<_>>().len() < queries.len() {
        return Err(validation_error("The values for parameter Id in MetricDataQueries are not unique."));
    }
    let is_ascending = match fields.text("ScanBy")? {
        None | Some("TimestampDescending") => false,
        Some("TimestampAscending") => true,
        Some(_) => {
            return Err(invalid(
                "The parameter ScanBy must be a value in the set [ TimestampDescending, TimestampAscending ].",
            ));
        }
    };
    let mut page = ResultPage::read(fields)?;
    let results = queries
        .iter()
        .filter(|query| query.is_returned)
        .map(|query| page.fill(query, query.datapoints(store, is_ascending)))
        .collect();
    let mut response = vec![("MetricDataResults".to_owned(), WireValue::List(results))];
    response.extend(page.next_token().map(|token| ("NextToken".to_owned(), WireValue::Text(token))));
    response.push(("Messages".to_owned(), WireValue::List(Vec::new())));
    Ok(WireValue::Structure(response))
}

struct MetricQuery<'a> {
    id: &'a str,
    label: String,
    metric: MetricId,
    range: TimeRange,
    statistic: Statistic,
    unit: Option<StandardUnit>,
    is_returned: bool,
}

impl<'a> MetricQuery<'a> {
    fn read(fields: &RequestFields<'a>, item: &RequestFields<'a>) -> Result<Self, ApiError> {
        let id = required(item, "Id")?;
        let is_id = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_id {
            let path = item.path_of("Id");
            return Err(validation_error(format!(
                "The value {id} for parameter {path} must start with a lowercase letter and contain only letters, \
                 digits and underscores."
            )));
        }
        if item.text("Expression")?.is_some() {
            let path = item.path_of("Expression");
            return Err(validation_error(format!(
                "The parameter {path} is not supported by local-cloudwatch; use MetricStat."
            )));
        }
        let stat = item.structure("MetricStat")?.ok_or_else(|| missing(&item.path_of("MetricStat")))?;
        let metric = MetricId::read(&stat.structure("Metric")?.ok_or_else(|| missing(&stat.path_of("Metric")))?)?;
        let name = required(&stat, "Stat")?;
        let statistic = Statistic::plain(name)
            .or_else(|| Statistic::percentile(name))
            .ok_or_else(|| unknown_statistic(&stat.path_of("Stat"), name))?;
        Ok(Self {
            id,
            label: item.text("Label")?.unwrap_or(&metric.name).to_owned(),
            metric,
            range: TimeRange::read(fields, &stat)?,
            statistic,
            unit: StandardUnit::read(&stat)?,
            is_returned: item.boolean("ReturnData")?.unwrap_or(true),
        })
    }

    /// Returns the values of the query over time. Without a unit, data of all units is aggregated together.
    fn datapoints(&self, store: &MetricStore, is_ascending: bool) -> Vec<(i64, f64)> {
        let TimeRange { start, end, period } = self.range;
        let mut periods = BTreeMap::new();
        let units =
            store.series_of(&self.metric).filter(|(unit, _)| self.unit.is_none_or(|requested| requested == *unit));
        for (timestamp, bucket) in units.flat_map(|(_, series)| series.aggregate(start, end, period)) {
            periods.entry(timestamp).or_insert_with(SampleBucket::new).merge(&bucket);
        }
        let value = |(timestamp, bucket): (i64, SampleBucket)| Some((timestamp, self.statistic.compute(&bucket)?));
        let mut datapoints: Vec<_> = periods.into_iter().filter_map(value).collect();
        if !is_ascending {
            datapoints.reverse();
        }
        datapoints
    }
}

/// The datapoints in one response: those after the first `skip`, at most `capacity`.
struct ResultPage {
    skip: usize,
    capacity: usize,
    end: usize,
    is_truncated: bool,
}

impl ResultPage {
    fn read(fields: &RequestFields<'_>) -> Result<Self, ApiError> {
        let capacity = match fields.integer("MaxDatapoints")? {
            None => MAX_METRIC_DATA_DATAPOINTS,
            Some(max) => usize::try_from(max)
                .ok()
                .filter(|max| (1..=MAX_METRIC_DATA_DATAPOINTS).contains(max))
                .ok_or_else(|| {
                    validation_error(format!(
                        "The parameter MaxDatapoints must be between 1 and {MAX_METRIC_DATA_DATAPOINTS}."
                    ))
                })?,
        };
        let skip = match fields.text("NextToken")? {
            None => 0,
            Some(token) => token.strip_prefix("after-").and_then(|skip| skip.parse().ok()).ok_or_else(|| {
                ApiError::new(
                    ErrorKind::InvalidNextToken,
                    "The parameter NextToken is not a token that GetMetricData returned.",
                )
            })?,
        };
        Ok(Self { skip, capacity, end: skip, is_truncated: false })
    }

    fn fill(&mut self, query: &MetricQuery<'_>, datapoints: Vec<(i64, f64)>) -> WireValue {
        let skipped = self.skip.min(datapoints.len());
        self.skip -= skipped;
        let rest = datapoints.len() - skipped;
        let taken = rest.min(self.capacity);
        self.capacity -= taken;
        self.end = self.end.saturating_add(taken);
        self.is_truncated |= taken < rest;
        let (timestamps, values) = datapoints
            .into_iter()
            .skip(skipped)
            .take(taken)
            .map(|(timestamp, value)| (WireValue::Time(timestamp as f64), WireValue::Number(value)))
            .unzip();
        WireValue::structure([
            ("Id", WireValue::text(query.id)),
            ("Label", WireValue::text(&query.label)),
            ("Timestamps", WireValue::List(timestamps)),
            ("Values", WireValue::List(values)),
            ("StatusCode", WireValue::text(if taken < rest { "PartialData" } else { "Complete" })),
        ])
    }

    fn next_token(&self) -> Option<String> {
        self.is_truncated.then(|| format!("after-{}", self.end))
    }
}

fn validation_error(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::ValidationError, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::{Measurement, MetricDatum, StorageResolution};
    use crate::metric::DimensionMap;
    use crate::request_fields::TimeForm;
    use crate::statistics::StatisticSet;

    const START: i64 = 1_795_170_600;

    fn store() -> MetricStore {
        let datum = |n: i64| MetricDatum {
            metric_name: "m".into(),
            dimensions: DimensionMap::new(),
            unit: StandardUnit::NONE,
            timestamp: START + 60 * n,
            resolution: StorageResolution::Minute,
            measurement: Measurement {
                statistics: StatisticSet::repeated(n as f64, 1.0),
                values: Some(vec![(n as f64, 1.0)]),
            },
        };
        let mut store = MetricStore::default();
        store.put("n", (0..10).map(datum).collect(), START);
        store
    }

    fn query(id: &str, stat: &str) -> WireValue {
        let metric = WireValue::structure([("Namespace", WireValue::text("n")), ("MetricName", WireValue::text("m"))]);
        let stat = WireValue::structure([
            ("Metric", metric),
            ("Period", WireValue::Number(60.0)),
            ("Stat", WireValue::text(stat)),
        ]);
        WireValue::structure([("Id", WireValue::text(id)), ("MetricStat", stat)])
    }

    fn ask(queries: Vec<WireValue>, extra: Vec<(&str, WireValue)>) -> Result<WireValue, ApiError> {
        let mut fields = vec![
            ("MetricDataQueries".to_owned(), WireValue::List(queries)),
            ("StartTime".to_owned(), WireValue::Number(START as f64)),
            ("EndTime".to_owned(), WireValue::Number((START + 600) as f64)),
        ];
        fields.extend(extra.into_iter().map(|(name, node)| (name.to_owned(), node)));
        get_metric_data(&RequestFields::root(&WireValue::Structure(fields), TimeForm::Number).unwrap(), &store())
    }

    fn values(response: &WireValue) -> Vec<Vec<f64>> {
        let results = RequestFields::root(response, TimeForm::Number).unwrap().structures("MetricDataResults").unwrap();
        results.iter().map(|result| result.numbers("Values").unwrap().unwrap()).collect()
    }

    #[test]
    fn values_are_sorted_newest_first_by_default() {
        let newest_first: Vec<f64> = (0..10).rev().map(f64::from).collect();
        assert_eq!(values(&ask(vec![query("a", "p99")], vec![]).unwrap()), [newest_first]);
        let response = ask(vec![query("a", "Sum")], vec![("ScanBy", WireValue::text("TimestampAscending"))]).unwrap();
        assert_eq!(values(&response)[0][..3], [0.0, 1.0, 2.0]);
    }

    #[test]
    fn pages_contain_each_datapoint_once() {
        let mut seen = [Vec::new(), Vec::new()];
        let mut extra = vec![];
        let pages = std::iter::from_fn(|| {
            extra.push(("MaxDatapoints", WireValue::Number(7.0)));
            let response = ask(vec![query("a", "Sum"), query("b", "Sum")], extra.clone()).unwrap();
            for (seen, found) in seen.iter_mut().zip(values(&response)) {
                seen.extend(found);
            }
            let token =
                RequestFields::root(&response, TimeForm::Number).unwrap().text("NextToken").unwrap().map(str::to_owned);
            token.map(|token| extra = vec![("NextToken", WireValue::Text(token))])
        });
        assert_eq!(pages.count(), 2);
        let all: Vec<f64> = (0..10).rev().map(f64::from).collect();
        assert_eq!(seen, [all.clone(), all]);
    }

    #[test]
    fn invalid_queries_are_rejected() {
        assert!(ask(vec![], vec![]).is_err());
        assert!(ask(vec![query("A", "Sum")], vec![]).is_err());
        assert!(ask(vec![query("a", "Sum"), query("a", "Average")], vec![]).is_err());
        assert_eq!(ask(vec![query("a", "tm90")], vec![]).unwrap_err().kind(), &ErrorKind::ValidationError);
        let math = WireValue::structure([("Id", WireValue::text("a")), ("Expression", WireValue::text("m1 * 2"))]);
        assert_eq!(ask(vec![math], vec![]).unwrap_err().kind(), &ErrorKind::ValidationError);
        let token = ask(vec![query("a", "Sum")], vec![("NextToken", WireValue::text("x"))]).unwrap_err();
        assert_eq!(token.kind(), &ErrorKind::InvalidNextToken);
        let of = |n: usize| ask((0..n).map(|n| query(&format!("a{n}"), "Sum")).collect(), vec![]).is_ok();
        assert_eq!([499, 500, 501].map(of), [true, true, false]);
    }
}
