//! ListMetrics.

use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::metric::{MetricId, invalid, required, too_large};
use crate::quota::{MAX_DIMENSION_FILTERS, MAX_LISTED_METRICS};
use crate::request_fields::RequestFields;
use crate::store::MetricStore;
use crate::wire_value::WireValue;

/// PT3H, the only value of `RecentlyActive`, in seconds.
const RECENTLY_ACTIVE_SECONDS: i64 = 3 * 3_600;

/// Returns one page of the matching metrics, in order of first appearance.
pub(crate) fn list_metrics(fields: &RequestFields<'_>, store: &MetricStore, now: i64) -> Result<WireValue, ApiError> {
    let filter = MetricFilter::read(fields, now)?;
    let after = fields.text("NextToken")?.map(read_token).transpose()?.unwrap_or(0);
    let mut metrics: BTreeMap<u64, &MetricId> = BTreeMap::new();
    let mut numbers: BTreeMap<&MetricId, u64> = BTreeMap::new();
    for (id, series) in store.iter().filter(|(id, series)| filter.matches(&id.metric, series.updated)) {
        let number = numbers.entry(&id.metric).or_insert(series.created);
        *number = series.created.min(*number);
    }
    metrics.extend(numbers.into_iter().filter(|(_, number)| *number > after).map(|(metric, number)| (number, metric)));
    let page: Vec<_> = metrics.iter().take(MAX_LISTED_METRICS).collect();
    let token = page.last().filter(|_| metrics.len() > MAX_LISTED_METRICS).map(|(number, _)| write_token(**number));
    let mut response =
        vec![("Metrics".to_owned(), WireValue::List(page.iter().map(|(_, metric)| metric.to_wire()).collect()))];
    response.extend(token.map(|token| ("NextToken".to_owned(), WireValue::Text(token))));
    Ok(WireValue::Structure(response))
}

struct MetricFilter<'a> {
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    dimensions: Vec<(&'a str, Option<&'a str>)>,
    updated_since: i64,
}

impl<'a> MetricFilter<'a> {
    fn read(fields: &RequestFields<'a>, now: i64) -> Result<Self, ApiError> {
        let items = fields.structures("Dimensions")?;
        if items.len() > MAX_DIMENSION_FILTERS {
            return Err(too_large("Dimensions", MAX_DIMENSION_FILTERS));
        }
        let dimension = |item: &RequestFields<'a>| Ok((required(item, "Name")?, item.text("Value")?));
        let updated_since = match fields.text("RecentlyActive")? {
            None => i64::MIN,
            Some("PT3H") => now - RECENTLY_ACTIVE_SECONDS,
            Some(_) => return Err(invalid("The parameter RecentlyActive must be a value in the set [ PT3H ].")),
        };
        Ok(Self {
            namespace: fields.text("Namespace")?,
            name: fields.text("MetricName")?,
            dimensions: items.iter().map(dimension).collect::<Result<_, ApiError>>()?,
            updated_since,
        })
    }

    fn matches(&self, metric: &MetricId, updated: i64) -> bool {
        self.namespace.is_none_or(|namespace| namespace == metric.namespace)
            && self.name.is_none_or(|name| name == metric.name)
            && self.dimensions.iter().all(|(name, value)| {
                metric.dimensions.get(*name).is_some_and(|found| value.is_none_or(|value| value == found))
            })
            && updated >= self.updated_since
    }
}

/// Encodes a token: the sequence number of the last metric on the page, so that new metrics do not shift the pages.
fn write_token(number: u64) -> String {
    format!("after-{number}")
}

fn read_token(token: &str) -> Result<u64, ApiError> {
    let number = token.strip_prefix("after-").and_then(|number| number.parse().ok());
    number.ok_or_else(|| invalid("The parameter NextToken is not a token that ListMetrics returned."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::{Measurement, MetricDatum, StorageResolution};
    use crate::request_fields::TimeForm;
    use crate::statistics::StatisticSet;
    use crate::unit::StandardUnit;

    const NOW: i64 = 1_795_170_600;

    fn datum(name: &str, dimensions: &[(&str, &str)]) -> MetricDatum {
        MetricDatum {
            metric_name: name.into(),
            dimensions: dimensions.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            unit: StandardUnit::NONE,
            timestamp: NOW,
            resolution: StorageResolution::Minute,
            measurement: Measurement { statistics: StatisticSet::repeated(1.0, 1.0), values: None },
        }
    }

    fn list(store: &MetricStore, request: WireValue) -> (Vec<String>, Option<String>) {
        let response =
            list_metrics(&RequestFields::root(&request, TimeForm::Number).unwrap(), store, NOW + 60).unwrap();
        let response = RequestFields::root(&response, TimeForm::Number).unwrap();
        let metrics = response.structures("Metrics").unwrap();
        let names = metrics.iter().map(|metric| metric.text("MetricName").unwrap().unwrap().to_owned()).collect();
        (names, response.text("NextToken").unwrap().map(str::to_owned))
    }

    fn dimension(name: &str, value: Option<&str>) -> WireValue {
        let mut fields = vec![("Name".to_owned(), WireValue::text(name))];
        fields.extend(value.map(|value| ("Value".to_owned(), WireValue::text(value))));
        WireValue::Structure(fields)
    }

    #[test]
    fn filters_select_metrics() {
        let mut store = MetricStore::default();
        store.put("n", vec![datum("a", &[]), datum("b", &[("d", "1")]), datum("c", &[("d", "2"), ("e", "3")])], NOW);
        store.put("other", vec![datum("z", &[])], NOW - 4 * 3_600);
        let by = |name: &str, value: WireValue| list(&store, WireValue::structure([(name, value)])).0;
        assert_eq!(by("Namespace", WireValue::text("n")), ["a", "b", "c"]);
        assert_eq!(by("MetricName", WireValue::text("z")), ["z"]);
        assert_eq!(by("Dimensions", WireValue::List(vec![dimension("d", None)])), ["b", "c"]);
        assert_eq!(by("Dimensions", WireValue::List(vec![dimension("d", Some("2"))])), ["c"]);
        assert_eq!(by("RecentlyActive", WireValue::text("PT3H")), ["a", "b", "c"]);
    }

    #[test]
    fn pages_contain_each_metric_once() {
        for extra in [0, 1, MAX_LISTED_METRICS] {
            let count = MAX_LISTED_METRICS + extra;
            let mut store = MetricStore::default();
            store.put("n", (0..count).map(|n| datum(&format!("m{n:04}"), &[])).collect(), NOW);
            let (mut all, mut token) = list(&store, WireValue::structure([]));
            assert_eq!((all.len(), token.is_some()), (MAX_LISTED_METRICS, extra > 0));
            while let Some(next) = token {
                let (names, after) = list(&store, WireValue::structure([("NextToken", WireValue::Text(next))]));
                all.extend(names);
                token = after;
            }
            all.dedup();
            assert_eq!(all.len(), count);
        }
    }
}
