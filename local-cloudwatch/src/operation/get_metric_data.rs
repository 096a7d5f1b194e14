//! GetMetricData: `MetricStat` queries. Metric math and Metrics Insights are refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ApiError, ErrorKind};
use crate::metric::{Metric, Unit, invalid, missing, required, too_large};
use crate::node::{Fields, Node};
use crate::operation::period::{Range, Statistic, unknown_statistic};
use crate::quota::{MAX_METRIC_DATA_DATAPOINTS, MAX_METRIC_DATA_QUERIES};
use crate::statistics::Bucket;
use crate::store::Store;

/// Answers each query's values over time, at most `MaxDatapoints` together; the rest comes with `NextToken`.
pub(crate) fn get_metric_data(fields: &Fields<'_>, store: &Store) -> Result<Node, ApiError> {
    let items = fields.structures("MetricDataQueries")?;
    if items.is_empty() {
        return Err(missing("MetricDataQueries"));
    }
    if items.len() > MAX_METRIC_DATA_QUERIES {
        return Err(too_large("MetricDataQueries", MAX_METRIC_DATA_QUERIES));
    }
    let queries: Vec<_> = items.iter().map(|item| Query::read(fields, item)).collect::<Result<_, _>>()?;
    if queries.iter().map(|query| query.id).collect::<BTreeSet<_>>().len() < queries.len() {
        return Err(validation("The values for parameter Id in MetricDataQueries are not unique."));
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
    let mut page = Page::read(fields)?;
    let results = queries
        .iter()
        .filter(|query| query.is_returned)
        .map(|query| page.take(query, query.datapoints(store, is_ascending)))
        .collect();
    let mut answer = vec![("MetricDataResults".to_owned(), Node::List(results))];
    answer.extend(page.next_token().map(|token| ("NextToken".to_owned(), Node::Text(token))));
    answer.push(("Messages".to_owned(), Node::List(Vec::new())));
    Ok(Node::Map(answer))
}

struct Query<'a> {
    id: &'a str,
    label: String,
    metric: Metric,
    range: Range,
    statistic: Statistic,
    unit: Option<Unit>,
    is_returned: bool,
}

impl<'a> Query<'a> {
    fn read(fields: &Fields<'a>, item: &Fields<'a>) -> Result<Self, ApiError> {
        let id = required(item, "Id")?;
        let is_id = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_id {
            let path = item.path_of("Id");
            return Err(validation(format!(
                "The value {id} for parameter {path} must start with a lowercase letter and have letters, digits and \
                 underscores only."
            )));
        }
        if item.text("Expression")?.is_some() {
            let path = item.path_of("Expression");
            return Err(validation(format!(
                "{path}: metric math and queries are not supported here, only MetricStat."
            )));
        }
        let stat = item.structure("MetricStat")?.ok_or_else(|| missing(&item.path_of("MetricStat")))?;
        let metric = Metric::read(&stat.structure("Metric")?.ok_or_else(|| missing(&stat.path_of("Metric")))?)?;
        let name = required(&stat, "Stat")?;
        let statistic = Statistic::plain(name)
            .or_else(|| Statistic::percentile(name))
            .ok_or_else(|| unknown_statistic(&stat.path_of("Stat"), name))?;
        Ok(Self {
            id,
            label: item.text("Label")?.unwrap_or(&metric.name).to_owned(),
            metric,
            range: Range::read(fields, &stat)?,
            statistic,
            unit: Unit::read(&stat)?,
            is_returned: item.boolean("ReturnData")?.unwrap_or(true),
        })
    }

    /// The query's values over time. Without a unit, data of all units count together.
    fn datapoints(&self, store: &Store, is_ascending: bool) -> Vec<(i64, f64)> {
        let Range { start, end, period } = self.range;
        let mut periods = BTreeMap::new();
        let units = store.of_metric(&self.metric).filter(|(unit, _)| self.unit.is_none_or(|wanted| wanted == *unit));
        for (timestamp, bucket) in units.flat_map(|(_, series)| series.periods(start, end, period)) {
            periods.entry(timestamp).or_insert_with(Bucket::new).merge(&bucket);
        }
        let value = |(timestamp, bucket): (i64, Bucket)| Some((timestamp, self.statistic.of(&bucket)?));
        let mut datapoints: Vec<_> = periods.into_iter().filter_map(value).collect();
        if !is_ascending {
            datapoints.reverse();
        }
        datapoints
    }
}

/// The part of all datapoints that one answer holds: those after `skip`, at most `room`.
struct Page {
    skip: usize,
    room: usize,
    end: usize,
    is_cut: bool,
}

impl Page {
    fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let room = match fields.integer("MaxDatapoints")? {
            None => MAX_METRIC_DATA_DATAPOINTS,
            Some(most) => usize::try_from(most)
                .ok()
                .filter(|most| (1..=MAX_METRIC_DATA_DATAPOINTS).contains(most))
                .ok_or_else(|| validation(format!("MaxDatapoints must be from 1 to {MAX_METRIC_DATA_DATAPOINTS}.")))?,
        };
        let skip = match fields.text("NextToken")? {
            None => 0,
            Some(token) => token.strip_prefix("after-").and_then(|skip| skip.parse().ok()).ok_or_else(|| {
                ApiError::new(ErrorKind::InvalidNextToken, "The parameter NextToken is not a token of this operation.")
            })?,
        };
        Ok(Self { skip, room, end: skip, is_cut: false })
    }

    fn take(&mut self, query: &Query<'_>, datapoints: Vec<(i64, f64)>) -> Node {
        let skipped = self.skip.min(datapoints.len());
        self.skip -= skipped;
        let rest = datapoints.len() - skipped;
        let taken = rest.min(self.room);
        self.room -= taken;
        self.end = self.end.saturating_add(taken);
        self.is_cut |= taken < rest;
        let (timestamps, values) = datapoints
            .into_iter()
            .skip(skipped)
            .take(taken)
            .map(|(timestamp, value)| (Node::Time(timestamp as f64), Node::Number(value)))
            .unzip();
        Node::map([
            ("Id", Node::text(query.id)),
            ("Label", Node::text(&query.label)),
            ("Timestamps", Node::List(timestamps)),
            ("Values", Node::List(values)),
            ("StatusCode", Node::text(if taken < rest { "PartialData" } else { "Complete" })),
        ])
    }

    fn next_token(&self) -> Option<String> {
        self.is_cut.then(|| format!("after-{}", self.end))
    }
}

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::ValidationError, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::{Datum, Measurement, Resolution};
    use crate::metric::Dimensions;
    use crate::node::TimeForm;
    use crate::statistics::Statistics;

    const START: i64 = 1_795_170_600;

    fn store() -> Store {
        let datum = |n: i64| Datum {
            metric_name: "m".into(),
            dimensions: Dimensions::new(),
            unit: Unit::NONE,
            timestamp: START + 60 * n,
            resolution: Resolution::Minute,
            measurement: Measurement { statistics: Statistics::of(n as f64, 1.0), values: Some(vec![(n as f64, 1.0)]) },
        };
        let mut store = Store::default();
        store.put("n", (0..10).map(datum).collect(), START);
        store
    }

    fn query(id: &str, stat: &str) -> Node {
        let metric = Node::map([("Namespace", Node::text("n")), ("MetricName", Node::text("m"))]);
        let stat = Node::map([("Metric", metric), ("Period", Node::Number(60.0)), ("Stat", Node::text(stat))]);
        Node::map([("Id", Node::text(id)), ("MetricStat", stat)])
    }

    fn ask(queries: Vec<Node>, extra: Vec<(&str, Node)>) -> Result<Node, ApiError> {
        let mut fields = vec![
            ("MetricDataQueries".to_owned(), Node::List(queries)),
            ("StartTime".to_owned(), Node::Number(START as f64)),
            ("EndTime".to_owned(), Node::Number((START + 600) as f64)),
        ];
        fields.extend(extra.into_iter().map(|(name, node)| (name.to_owned(), node)));
        get_metric_data(&Fields::root(&Node::Map(fields), TimeForm::Number).unwrap(), &store())
    }

    fn values(answer: &Node) -> Vec<Vec<f64>> {
        let results = Fields::root(answer, TimeForm::Number).unwrap().structures("MetricDataResults").unwrap();
        results.iter().map(|result| result.numbers("Values").unwrap().unwrap()).collect()
    }

    #[test]
    fn values_come_newest_first_unless_asked_otherwise() {
        let newest_first: Vec<f64> = (0..10).rev().map(f64::from).collect();
        assert_eq!(values(&ask(vec![query("a", "p99")], vec![]).unwrap()), [newest_first]);
        let answer = ask(vec![query("a", "Sum")], vec![("ScanBy", Node::text("TimestampAscending"))]).unwrap();
        assert_eq!(values(&answer)[0][..3], [0.0, 1.0, 2.0]);
    }

    #[test]
    fn pages_cover_all_datapoints_once() {
        let mut seen = [Vec::new(), Vec::new()];
        let mut extra = vec![];
        let pages = std::iter::from_fn(|| {
            extra.push(("MaxDatapoints", Node::Number(7.0)));
            let answer = ask(vec![query("a", "Sum"), query("b", "Sum")], extra.clone()).unwrap();
            for (seen, found) in seen.iter_mut().zip(values(&answer)) {
                seen.extend(found);
            }
            let token = Fields::root(&answer, TimeForm::Number).unwrap().text("NextToken").unwrap().map(str::to_owned);
            token.map(|token| extra = vec![("NextToken", Node::Text(token))])
        });
        assert_eq!(pages.count(), 2);
        let all: Vec<f64> = (0..10).rev().map(f64::from).collect();
        assert_eq!(seen, [all.clone(), all]);
    }

    #[test]
    fn queries_are_checked() {
        assert!(ask(vec![], vec![]).is_err());
        assert!(ask(vec![query("A", "Sum")], vec![]).is_err());
        assert!(ask(vec![query("a", "Sum"), query("a", "Average")], vec![]).is_err());
        assert_eq!(ask(vec![query("a", "tm90")], vec![]).unwrap_err().kind(), &ErrorKind::ValidationError);
        let math = Node::map([("Id", Node::text("a")), ("Expression", Node::text("m1 * 2"))]);
        assert_eq!(ask(vec![math], vec![]).unwrap_err().kind(), &ErrorKind::ValidationError);
        let token = ask(vec![query("a", "Sum")], vec![("NextToken", Node::text("x"))]).unwrap_err();
        assert_eq!(token.kind(), &ErrorKind::InvalidNextToken);
        let of = |n: usize| ask((0..n).map(|n| query(&format!("a{n}"), "Sum")).collect(), vec![]).is_ok();
        assert_eq!([499, 500, 501].map(of), [true, true, false]);
    }
}
