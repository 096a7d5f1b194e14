//! The data of the web page: totals, metrics, one metric over time and the latest calls. All lists are bounded.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::call::{ApiCall, CallLog};
use crate::datum::StorageResolution;
use crate::metric::DimensionMap;
use crate::operation::period::Statistic;
use crate::state::Shared;
use crate::statistics::SampleBucket;
use crate::store::{MetricStore, SeriesId, StoredSeries};

const SHOWN_METRICS: usize = 500;
const SHOWN_SERIES: usize = 24;
const SHOWN_CALLS: usize = 40;

/// The metric and the time range selected on the page.
#[derive(Debug, Deserialize)]
pub(crate) struct Selection {
    namespace: Option<String>,
    metric: Option<String>,
    #[serde(default)]
    window: TimeWindow,
}

/// The time range of the charts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum TimeWindow {
    #[serde(rename = "5m")]
    FiveMinutes,
    #[default]
    #[serde(rename = "15m")]
    FifteenMinutes,
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "3h")]
    ThreeHours,
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
    detail: Option<MetricDetail>,
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

impl TimeWindow {
    fn seconds(self) -> i64 {
        match self {
            Self::FiveMinutes => 300,
            Self::FifteenMinutes => 900,
            Self::Hour => 3_600,
            Self::ThreeHours => 10_800,
        }
    }

    /// Returns the period, chosen for a readable number of points.
    fn period(self, finest: StorageResolution) -> i64 {
        match (self, finest) {
            (Self::FiveMinutes, StorageResolution::Second) => 5,
            (Self::FifteenMinutes, StorageResolution::Second) => 10,
            (Self::FiveMinutes | Self::FifteenMinutes | Self::Hour, _) => 60,
            (Self::ThreeHours, _) => 180,
        }
    }
}

impl Overview {
    /// Collects the current data of the page.
    pub(crate) fn new(shared: &Shared, selection: &Selection) -> Self {
        let now_millis = shared.clock.now_millis();
        let now = now_millis.div_euclid(1_000);
        let state = shared.lock();
        let metrics = metrics(&state.store);
        let selected = metrics
            .iter()
            .find(|metric| {
                selection.namespace.as_ref() == Some(&metric.namespace)
                    && selection.metric.as_ref() == Some(&metric.name)
            })
            .or(metrics.first());
        Self {
            now_millis,
            shift_millis: shared.clock.shift_millis(),
            region: shared.region.clone(),
            accepted: state.calls.accepted,
            rejected: state.calls.rejected,
            data: state.calls.data,
            series: state.store.iter().count(),
            traffic: Traffic::new(&state.calls, selection.window, now),
            detail: selected.map(|metric| MetricDetail::new(&state.store, metric, selection.window, now)),
            metrics,
            calls: state.calls.iter().rev().take(SHOWN_CALLS).cloned().collect(),
        }
    }
}

fn metrics(store: &MetricStore) -> Vec<MetricSummary> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (id, _) in store.iter() {
        *counts.entry((&id.metric.namespace, &id.metric.name)).or_default() += 1;
    }
    let name = |((namespace, name), series): ((&str, &str), usize)| MetricSummary {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        series,
    };
    counts.into_iter().take(SHOWN_METRICS).map(name).collect()
}

impl Traffic {
    fn new(calls: &CallLog, window: TimeWindow, now: i64) -> Self {
        let period = window.period(StorageResolution::Second);
        let (start, periods) = aligned_periods(window, period, now);
        let mut traffic = Self { start, period, accepted: vec![0; periods], rejected: vec![0; periods] };
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
    fn new(store: &MetricStore, metric: &MetricSummary, window: TimeWindow, now: i64) -> Self {
        let mut found: Vec<_> = store
            .iter()
            .filter(|(id, _)| id.metric.namespace == metric.namespace && id.metric.name == metric.name)
            .collect();
        // Show the series with the most samples, in an order that stays the same from update to update.
        found.sort_by(|(_, a), (_, b)| b.statistics.count.total_cmp(&a.statistics.count));
        let hidden = found.len().saturating_sub(SHOWN_SERIES);
        found.truncate(SHOWN_SERIES);
        found.sort_by_key(|(id, series)| (Reverse(id.unit), series.created));
        let since = now - window.seconds();
        let by_second = |(_, series): &(_, &StoredSeries)| {
            series.buckets().all(|(at, resolution, _)| at < since || resolution == StorageResolution::Second)
        };
        let finest = if found.iter().all(by_second) { StorageResolution::Second } else { StorageResolution::Minute };
        let period = window.period(finest);
        let (start, periods) = aligned_periods(window, period, now);
        Self {
            namespace: metric.namespace.clone(),
            name: metric.name.clone(),
            start,
            period,
            series: found
                .into_iter()
                .map(|(id, series)| SeriesDetail::new(id, series, start, period, periods))
                .collect(),
            hidden,
        }
    }
}

impl SeriesDetail {
    fn new(id: &SeriesId, series: &StoredSeries, start: i64, period: i64, periods: usize) -> Self {
        let mut buckets = series.aggregate(start, start + period * periods as i64, period);
        let of = |statistic: Statistic| -> Vec<Option<f64>> {
            let at = |index| buckets.get(&(start + period * index as i64)).and_then(|bucket| statistic.compute(bucket));
            (0..periods).map(at).collect()
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

/// Returns the start of the first period and the number of periods. The last period is the current one.
fn aligned_periods(window: TimeWindow, period: i64, now: i64) -> (i64, usize) {
    let last = now - now.rem_euclid(period);
    let periods = window.seconds() / period;
    (last - (periods - 1) * period, usize::try_from(periods).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::tests::call;
    use crate::datum::{Measurement, MetricDatum};
    use crate::statistics::StatisticSet;
    use crate::unit::StandardUnit;

    const NOW: i64 = 1_795_170_600;

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
        MetricDetail::new(&store, &metrics(&store)[0], window, NOW)
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
