//! ListMetrics.

use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::metric::{Metric, invalid, required, too_large};
use crate::node::{Fields, Node};
use crate::quota::{MAX_DIMENSION_FILTERS, MAX_LISTED_METRICS};
use crate::store::Store;

/// Seconds of `RecentlyActive`'s only value, PT3H.
const RECENTLY: i64 = 3 * 3_600;

/// Answers the metrics that match, in the order they first appeared, a page at a time.
pub(crate) fn list_metrics(fields: &Fields<'_>, store: &Store, now: i64) -> Result<Node, ApiError> {
    let filter = Filter::read(fields, now)?;
    let after = fields.text("NextToken")?.map(read_token).transpose()?.unwrap_or(0);
    let mut metrics: BTreeMap<u64, &Metric> = BTreeMap::new();
    let mut numbers: BTreeMap<&Metric, u64> = BTreeMap::new();
    for (id, series) in store.iter().filter(|(id, series)| filter.takes(&id.metric, series.updated)) {
        let number = numbers.entry(&id.metric).or_insert(series.created);
        *number = series.created.min(*number);
    }
    metrics.extend(numbers.into_iter().filter(|(_, number)| *number > after).map(|(metric, number)| (number, metric)));
    let page: Vec<_> = metrics.iter().take(MAX_LISTED_METRICS).collect();
    let token = page.last().filter(|_| metrics.len() > MAX_LISTED_METRICS).map(|(number, _)| write_token(**number));
    let mut answer =
        vec![("Metrics".to_owned(), Node::List(page.iter().map(|(_, metric)| metric.to_node()).collect()))];
    answer.extend(token.map(|token| ("NextToken".to_owned(), Node::Text(token))));
    Ok(Node::Map(answer))
}

struct Filter<'a> {
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    dimensions: Vec<(&'a str, Option<&'a str>)>,
    updated_since: i64,
}

impl<'a> Filter<'a> {
    fn read(fields: &Fields<'a>, now: i64) -> Result<Self, ApiError> {
        let items = fields.structures("Dimensions")?;
        if items.len() > MAX_DIMENSION_FILTERS {
            return Err(too_large("Dimensions", MAX_DIMENSION_FILTERS));
        }
        let dimension = |item: &Fields<'a>| Ok((required(item, "Name")?, item.text("Value")?));
        let updated_since = match fields.text("RecentlyActive")? {
            None => i64::MIN,
            Some("PT3H") => now - RECENTLY,
            Some(_) => return Err(invalid("The parameter RecentlyActive must be a value in the set [ PT3H ].")),
        };
        Ok(Self {
            namespace: fields.text("Namespace")?,
            name: fields.text("MetricName")?,
            dimensions: items.iter().map(dimension).collect::<Result<_, ApiError>>()?,
            updated_since,
        })
    }

    fn takes(&self, metric: &Metric, updated: i64) -> bool {
        self.namespace.is_none_or(|namespace| namespace == metric.namespace)
            && self.name.is_none_or(|name| name == metric.name)
            && self.dimensions.iter().all(|(name, value)| {
                metric.dimensions.get(*name).is_some_and(|found| value.is_none_or(|value| value == found))
            })
            && updated >= self.updated_since
    }
}

/// A token says after which metric the next page starts, so metrics that appear meanwhile shift nothing.
fn write_token(number: u64) -> String {
    format!("after-{number}")
}

fn read_token(token: &str) -> Result<u64, ApiError> {
    let number = token.strip_prefix("after-").and_then(|number| number.parse().ok());
    number.ok_or_else(|| invalid("The parameter NextToken is not a token of this operation."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::{Datum, Measurement, Resolution};
    use crate::metric::Unit;
    use crate::node::TimeForm;
    use crate::statistics::Statistics;

    const NOW: i64 = 1_795_170_600;

    fn datum(name: &str, dimensions: &[(&str, &str)]) -> Datum {
        Datum {
            metric_name: name.into(),
            dimensions: dimensions.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            unit: Unit::NONE,
            timestamp: NOW,
            resolution: Resolution::Minute,
            measurement: Measurement { statistics: Statistics::of(1.0, 1.0), values: None },
        }
    }

    fn list(store: &Store, request: Node) -> (Vec<String>, Option<String>) {
        let answer = list_metrics(&Fields::root(&request, TimeForm::Number).unwrap(), store, NOW + 60).unwrap();
        let answer = Fields::root(&answer, TimeForm::Number).unwrap();
        let metrics = answer.structures("Metrics").unwrap();
        let names = metrics.iter().map(|metric| metric.text("MetricName").unwrap().unwrap().to_owned()).collect();
        (names, answer.text("NextToken").unwrap().map(str::to_owned))
    }

    fn dimension(name: &str, value: Option<&str>) -> Node {
        let mut fields = vec![("Name".to_owned(), Node::text(name))];
        fields.extend(value.map(|value| ("Value".to_owned(), Node::text(value))));
        Node::Map(fields)
    }

    #[test]
    fn filters_narrow_the_list() {
        let mut store = Store::default();
        store.put("n", vec![datum("a", &[]), datum("b", &[("d", "1")]), datum("c", &[("d", "2"), ("e", "3")])], NOW);
        store.put("other", vec![datum("z", &[])], NOW - 4 * 3_600);
        let by = |name: &str, value: Node| list(&store, Node::map([(name, value)])).0;
        assert_eq!(by("Namespace", Node::text("n")), ["a", "b", "c"]);
        assert_eq!(by("MetricName", Node::text("z")), ["z"]);
        assert_eq!(by("Dimensions", Node::List(vec![dimension("d", None)])), ["b", "c"]);
        assert_eq!(by("Dimensions", Node::List(vec![dimension("d", Some("2"))])), ["c"]);
        assert_eq!(by("RecentlyActive", Node::text("PT3H")), ["a", "b", "c"]);
    }

    #[test]
    fn pages_cover_everything_once() {
        for extra in [0, 1, MAX_LISTED_METRICS] {
            let count = MAX_LISTED_METRICS + extra;
            let mut store = Store::default();
            store.put("n", (0..count).map(|n| datum(&format!("m{n:04}"), &[])).collect(), NOW);
            let (mut all, mut token) = list(&store, Node::map([]));
            assert_eq!((all.len(), token.is_some()), (MAX_LISTED_METRICS, extra > 0));
            while let Some(next) = token {
                let (names, after) = list(&store, Node::map([("NextToken", Node::Text(next))]));
                all.extend(names);
                token = after;
            }
            all.dedup();
            assert_eq!(all.len(), count);
        }
    }
}
