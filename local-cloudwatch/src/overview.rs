//! The data of the web page: totals, metrics, one metric over time and the latest calls. All lists are bounded.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::call::{ApiCall, CallLog};
use crate::datum::StorageResolution;
use crate::metric::DimensionMap;
use crate::operation::period::Statistic;
use crate::otlp::summary::{OtlpMetricSummary, summaries};
use crate::panel::{self, Panel};
use crate::state::Shared;
use crate::statistics::SampleBucket;
use crate::store::{MetricStore, SeriesId, StoredSeries};
use crate::time_window::{Periods, TimeWindow};

const SHOWN_METRICS: usize = 500;
const SHOWN_SERIES: usize = 24;
const SHOWN_CALLS: usize = 40;

/// The selection on the page. Without a metric, the page shows the panels of a namespace and the metric with the most
/// requests in it; without a namespace, of the metric with the most requests of all.
#[derive(Debug, Deserialize)]
pub(crate) struct Selection {
    namespace: Option<String>,
    metric: Option<String>,
    #[serde(default)]
    window: TimeWindow,
}

/// The page's data.
#[derive(Debug, Serialize)]
pub(crate) struct Overview {
    now_millis: i64,
    shift_millis: i64,
    region: Option<String>,
    accepted: u64,
    rejected: u64,
    data: u64,
    series: usize,
    metrics: Vec<MetricSummary>,
    traffic: Traffic,
    /// Empty if a metric is selected.
    panels: Vec<Panel>,
    detail: Option<MetricDetail>,
    otlp: Vec<OtlpMetricSummary>,
    calls: Vec<ApiCall>,
}

#[derive(Debug, Serialize)]
struct MetricSummary {
    namespace: String,
    name: String,
    series: usize,
}

/// PutMetricData calls over time.
#[derive(Debug, Serialize)]
struct Traffic {
    start: i64,
    period: i64,
    accepted: Vec<u64>,
    rejected: Vec<u64>,
}

/// One metric over time.
#[derive(Debug, Serialize)]
struct MetricDetail {
    namespace: String,
    name: String,
    start: i64,
    period: i64,
    series: Vec<SeriesDetail>,
    hidden: usize,
}

/// One series: its statistics over the time range, and for each period (`None` if the period has no data).
#[derive(Debug, Serialize)]
struct SeriesDetail {
    id: u64,
    dimensions: DimensionMap,
    unit: &'static str,
    count: f64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
    p50: Option<f64>,
    p99: Option<f64>,
    counts: Vec<Option<f64>>,
    sums: Vec<Option<f64>>,
    averages: Vec<Option<f64>>,
    p50s: Vec<Option<f64>>,
    p99s: Vec<Option<f64>>,
}

impl Overview {
    /// Collects the current data of the page.
    pub(crate) fn new(shared: &Shared, selection: &Selection) -> Self {
        let now_millis = shared.clock.now_millis();
        let now = now_millis.div_euclid(1_000);
        let state = shared.lock();
        let all = series_of_metrics(&state.store);
        let selected = selection.find(&all);
        let panels = match selected {
            Some((namespace, name)) if selection.metric.as_deref() != Some(name) => {
                panel::panels(&state.store, namespace, selection.window, now)
            }
            _ => Vec::new(),
        };
        Self {
            now_millis,
            shift_millis: shared.clock.shift_millis(),
            region: shared.region.clone(),
            accepted: state.calls.accepted,
            rejected: state.calls.rejected,
            data: state.calls.data,
            series: state.store.iter().count() + state.otlp.iter().count(),
            traffic: Traffic::new(&state.calls, selection.window, now),
            panels,
            detail: selected
                .and_then(|metric| Some(MetricDetail::new(metric, all.get(&metric)?, selection.window, now))),
            metrics: all.iter().take(SHOWN_METRICS).map(MetricSummary::new).collect(),
            otlp: summaries(&state.otlp),
            calls: state.calls.iter().rev().take(SHOWN_CALLS).cloned().collect(),
        }
    }
}

impl Selection {
    /// Returns the namespace and name of the metric to show: the selected one if it exists.
    fn find<'a>(&self, metrics: &SeriesByMetric<'a>) -> Option<(&'a str, &'a str)> {
        let (namespace, name) = (self.namespace.as_deref(), self.metric.as_deref());
        let is_selected = |metric: &&(&str, &str)| namespace == Some(metric.0) && name == Some(metric.1);
        if let Some(metric) = metrics.keys().find(is_selected) {
            return Some(*metric);
        }
        let exists = metrics.keys().any(|metric| namespace == Some(metric.0));
        let candidates = metrics.iter().filter(|(metric, _)| !exists || namespace == Some(metric.0));
        candidates.min_by_key(|((_, name), series)| panel::opening_order(name, series)).map(|(metric, _)| *metric)
    }
}

/// The series of each metric, by namespace and name.
type SeriesByMetric<'a> = BTreeMap<(&'a str, &'a str), Vec<(&'a SeriesId, &'a StoredSeries)>>;

fn series_of_metrics(store: &MetricStore) -> SeriesByMetric<'_> {
    let mut found = SeriesByMetric::new();
    for (id, series) in store.iter() {
        found.entry((&id.metric.namespace, &id.metric.name)).or_default().push((id, series));
    }
    found
}

impl MetricSummary {
    fn new(((namespace, name), series): (&(&str, &str), &Vec<(&SeriesId, &StoredSeries)>)) -> Self {
        Self { namespace: (*namespace).to_owned(), name: (*name).to_owned(), series: series.len() }
    }
}

impl Traffic {
    fn new(calls: &CallLog, window: TimeWindow, now: i64) -> Self {
        let Periods { start, period, count } = window.periods(StorageResolution::Second, now);
        let mut traffic = Self { start, period, accepted: vec![0; count], rejected: vec![0; count] };
        let seconds = |call: &ApiCall| call.time_millis.div_euclid(1_000);
        for call in calls.iter().rev().take_while(|call| seconds(call) >= start) {
            let counts = if call.is_stored {
                &mut traffic.accepted
            } else if call.status == Some(200) {
                continue;
            } else {
                &mut traffic.rejected
            };
            let index = usize::try_from((seconds(call) - start) / period).ok();
            if let Some(count) = index.and_then(|index| counts.get_mut(index)) {
                *count += 1;
            }
        }
        traffic
    }
}

impl MetricDetail {
    fn new(
        (namespace, name): (&str, &str),
        series: &[(&SeriesId, &StoredSeries)],
        window: TimeWindow,
        now: i64,
    ) -> Self {
        let mut found = series.to_vec();
        // Show the series with the most samples, in an order that stays the same from update to update.
        found.sort_by(|(_, a), (_, b)| b.statistics.count.total_cmp(&a.statistics.count));
        let hidden = found.len().saturating_sub(SHOWN_SERIES);
        found.truncate(SHOWN_SERIES);
        found.sort_by_key(|(id, series)| (Reverse(id.unit), series.created));
        let periods = window.periods_of(found.iter().map(|(_, series)| *series), now);
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            start: periods.start,
            period: periods.period,
            series: found.into_iter().map(|(id, series)| SeriesDetail::new(id, series, periods)).collect(),
            hidden,
        }
    }
}

impl SeriesDetail {
    fn new(id: &SeriesId, series: &StoredSeries, periods: Periods) -> Self {
        let mut buckets = series.aggregate(periods.start, periods.end(), periods.period);
        let of = |statistic: Statistic| -> Vec<Option<f64>> {
            let at = |start| buckets.get(&start).and_then(|bucket| statistic.compute(bucket));
            periods.starts().map(at).collect()
        };
        let (counts, sums, averages) = (of(Statistic::SampleCount), of(Statistic::Sum), of(Statistic::Average));
        let (p50s, p99s) = (of(Statistic::Percentile(50.0)), of(Statistic::Percentile(99.0)));
        let mut all = SampleBucket::new();
        while let Some((_, bucket)) = buckets.pop_first() {
            all.merge(&bucket);
        }
        let finite = |value: f64| value.is_finite().then_some(value);
        Self {
            id: series.created,
            dimensions: id.metric.dimensions.clone(),
            unit: id.unit.as_str(),
            count: all.statistics.count,
            sum: all.statistics.sum,
            min: finite(all.statistics.min),
            max: finite(all.statistics.max),
            p50: all.percentile(50.0),
            p99: all.percentile(99.0),
            counts,
            sums,
            averages,
            p50s,
            p99s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::tests::call;
    use crate::datum::{Measurement, MetricDatum};
    use crate::statistics::StatisticSet;
    use crate::unit::StandardUnit;

    const NOW: i64 = 1_795_170_600;

    fn named(name: &str, value: f64) -> MetricDatum {
        MetricDatum { metric_name: name.into(), ..datum(NOW, StorageResolution::Minute, value) }
    }

    /// Returns the metric that is shown for a selection.
    fn opened<'a>(store: &'a MetricStore, namespace: Option<&str>, metric: Option<&str>) -> Option<(&'a str, &'a str)> {
        let (namespace, metric) = (namespace.map(Into::into), metric.map(Into::into));
        Selection { namespace, metric, window: TimeWindow::Hour }.find(&series_of_metrics(store))
    }

    #[test]
    fn the_page_opens_on_the_metric_with_the_most_requests() {
        let mut store = MetricStore::default();
        assert_eq!(opened(&store, None, None), None);
        store.put("a", vec![named("Alpha", 1.0), named("Beta", 1.0), named("Beta", 1.0)], NOW);
        assert_eq!(opened(&store, None, None), Some(("a", "Beta")));
        store.put("b", vec![named("RequestCount", 5.0), named("Apples", 1.0)], NOW);
        store.put("c", vec![named("RequestCount", 6.0)], NOW);
        assert_eq!(opened(&store, None, None), Some(("c", "RequestCount")));
        assert_eq!(opened(&store, Some("b"), None), Some(("b", "RequestCount")));
        assert_eq!(opened(&store, Some("b"), Some("Apples")), Some(("b", "Apples")));
        assert_eq!(opened(&store, Some("b"), Some("Gone")), Some(("b", "RequestCount")));
        assert_eq!(opened(&store, Some("gone"), Some("Apples")), Some(("c", "RequestCount")));
    }

    #[test]
    fn a_metric_beyond_the_listed_ones_can_be_the_one_that_is_opened() {
        let mut store = MetricStore::default();
        let data = (0..=SHOWN_METRICS).map(|n| named(&format!("a{n}"), 1.0)).chain([named("RequestCount", 1.0)]);
        store.put("n", data.collect(), NOW);
        assert_eq!(opened(&store, None, None), Some(("n", "RequestCount")));
    }

    fn datum(at: i64, resolution: StorageResolution, value: f64) -> MetricDatum {
        MetricDatum {
            metric_name: "m".into(),
            dimensions: DimensionMap::new(),
            unit: StandardUnit::NONE,
            timestamp: at,
            resolution,
            measurement: Measurement {
                statistics: StatisticSet::repeated(value, 1.0),
                values: Some(vec![(value, 1.0)]),
            },
        }
    }

    fn detail(data: Vec<MetricDatum>, window: TimeWindow) -> MetricDetail {
        let mut store = MetricStore::default();
        store.put("n", data, NOW);
        MetricDetail::new(("n", "m"), &series_of_metrics(&store)[&("n", "m")], window, NOW)
    }

    #[test]
    fn the_last_period_is_the_current_one() {
        let shown = detail(
            vec![datum(NOW, StorageResolution::Minute, 2.0), datum(NOW - 60, StorageResolution::Minute, 3.0)],
            TimeWindow::FifteenMinutes,
        );
        let series = &shown.series[0];
        assert_eq!((shown.period, series.sums.len()), (60, 15));
        assert_eq!(series.sums[13..], [Some(3.0), Some(2.0)]);
        assert_eq!((series.count, series.p99, series.sums[0]), (2.0, Some(3.0), None));
    }

    #[test]
    fn second_data_is_shown_in_shorter_periods() {
        assert_eq!(detail(vec![datum(NOW, StorageResolution::Second, 1.0)], TimeWindow::FiveMinutes).period, 5);
        let mixed = vec![datum(NOW, StorageResolution::Second, 1.0), datum(NOW, StorageResolution::Minute, 1.0)];
        assert_eq!(detail(mixed, TimeWindow::FiveMinutes).series[0].sums.last(), Some(&Some(2.0)));
    }

    #[test]
    fn traffic_counts_stored_and_rejected_calls() {
        let mut log = CallLog::default();
        for (seconds, status, is_stored) in
            [(10_000, Some(200), true), (0, Some(200), true), (0, Some(400), false), (0, None, true)]
        {
            let mut call = call(status, is_stored);
            call.time_millis = (NOW - seconds) * 1_000;
            log.push(call);
        }
        let traffic = Traffic::new(&log, TimeWindow::FifteenMinutes, NOW);
        assert_eq!((traffic.accepted.iter().sum::<u64>(), traffic.rejected.iter().sum::<u64>()), (2, 1));
        assert_eq!(traffic.accepted.last(), Some(&2));
    }

    #[test]
    fn at_most_24_series_are_shown_and_the_others_counted() {
        for (count, hidden) in [(23, 0), (24, 0), (25, 1)] {
            let data = (0..count).map(|n| {
                let dimensions = [("d".to_owned(), n.to_string())].into();
                MetricDatum { dimensions, ..datum(NOW, StorageResolution::Minute, 1.0) }
            });
            assert_eq!(detail(data.collect(), TimeWindow::Hour).hidden, hidden);
        }
    }
}
