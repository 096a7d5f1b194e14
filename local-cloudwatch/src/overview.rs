//! What the page shows: sums, the metrics, one metric over time, the latest calls. All of it bounded.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::call::{Call, CallLog};
use crate::datum::Resolution;
use crate::metric::Dimensions;
use crate::operation::period::Statistic;
use crate::state::Shared;
use crate::statistics::Bucket;
use crate::store::{Series, SeriesId, Store};

const SHOWN_METRICS: usize = 500;
const SHOWN_SERIES: usize = 24;
const SHOWN_CALLS: usize = 40;

/// What the reader of the page looks at.
#[derive(Debug, Deserialize)]
pub(crate) struct Selection {
    namespace: Option<String>,
    metric: Option<String>,
    #[serde(default)]
    window: Window,
}

/// How far back the charts go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum Window {
    #[serde(rename = "5m")]
    FiveMinutes,
    #[default]
    #[serde(rename = "15m")]
    Quarter,
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
    refused: u64,
    data: u64,
    series: usize,
    metrics: Vec<MetricName>,
    traffic: Traffic,
    detail: Option<Detail>,
    calls: Vec<Call>,
}

#[derive(Debug, Serialize)]
struct MetricName {
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
    refused: Vec<u64>,
}

/// One metric over time.
#[derive(Debug, Serialize)]
struct Detail {
    namespace: String,
    name: String,
    start: i64,
    period: i64,
    series: Vec<SeriesDetail>,
    hidden: usize,
}

/// One series: its statistics over the window, and by period, `None` where there is nothing.
#[derive(Debug, Serialize)]
struct SeriesDetail {
    id: u64,
    dimensions: Dimensions,
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

impl Window {
    fn seconds(self) -> i64 {
        match self {
            Self::FiveMinutes => 300,
            Self::Quarter => 900,
            Self::Hour => 3_600,
            Self::ThreeHours => 10_800,
        }
    }

    /// A period that gives a readable number of points.
    fn period(self, finest: Resolution) -> i64 {
        match (self, finest) {
            (Self::FiveMinutes, Resolution::Second) => 5,
            (Self::Quarter, Resolution::Second) => 10,
            (Self::FiveMinutes | Self::Quarter | Self::Hour, _) => 60,
            (Self::ThreeHours, _) => 180,
        }
    }
}

impl Overview {
    /// What there is to see now.
    pub(crate) fn of(shared: &Shared, selection: &Selection) -> Self {
        let now_millis = shared.clock.now_millis();
        let now = now_millis.div_euclid(1_000);
        let state = shared.lock();
        let metrics = metrics(&state.store);
        let chosen = metrics
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
            refused: state.calls.refused,
            data: state.calls.data,
            series: state.store.iter().count(),
            traffic: Traffic::of(&state.calls, selection.window, now),
            detail: chosen.map(|metric| Detail::of(&state.store, metric, selection.window, now)),
            metrics,
            calls: state.calls.iter().rev().take(SHOWN_CALLS).cloned().collect(),
        }
    }
}

fn metrics(store: &Store) -> Vec<MetricName> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (id, _) in store.iter() {
        *counts.entry((&id.metric.namespace, &id.metric.name)).or_default() += 1;
    }
    let name = |((namespace, name), series): ((&str, &str), usize)| MetricName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        series,
    };
    counts.into_iter().take(SHOWN_METRICS).map(name).collect()
}

impl Traffic {
    fn of(calls: &CallLog, window: Window, now: i64) -> Self {
        let period = window.period(Resolution::Second);
        let (start, periods) = grid(window, period, now);
        let mut traffic = Self { start, period, accepted: vec![0; periods], refused: vec![0; periods] };
        let seconds = |call: &Call| call.time_millis.div_euclid(1_000);
        for call in calls.iter().rev().take_while(|call| seconds(call) >= start) {
            let side = if call.is_stored {
                &mut traffic.accepted
            } else if call.status == Some(200) {
                continue;
            } else {
                &mut traffic.refused
            };
            let index = usize::try_from((seconds(call) - start) / period).ok();
            if let Some(count) = index.and_then(|index| side.get_mut(index)) {
                *count += 1;
            }
        }
        traffic
    }
}

impl Detail {
    fn of(store: &Store, metric: &MetricName, window: Window, now: i64) -> Self {
        let mut found: Vec<_> = store
            .iter()
            .filter(|(id, _)| id.metric.namespace == metric.namespace && id.metric.name == metric.name)
            .collect();
        // The busiest are shown, in an order that does not change while one looks.
        found.sort_by(|(_, a), (_, b)| b.statistics.count.total_cmp(&a.statistics.count));
        let hidden = found.len().saturating_sub(SHOWN_SERIES);
        found.truncate(SHOWN_SERIES);
        found.sort_by_key(|(id, series)| (Reverse(id.unit), series.created));
        let since = now - window.seconds();
        let by_second = |(_, series): &(_, &Series)| {
            series.buckets().all(|(at, resolution, _)| at < since || resolution == Resolution::Second)
        };
        let finest = if found.iter().all(by_second) { Resolution::Second } else { Resolution::Minute };
        let period = window.period(finest);
        let (start, periods) = grid(window, period, now);
        Self {
            namespace: metric.namespace.clone(),
            name: metric.name.clone(),
            start,
            period,
            series: found
                .into_iter()
                .map(|(id, series)| SeriesDetail::of(id, series, start, period, periods))
                .collect(),
            hidden,
        }
    }
}

impl SeriesDetail {
    fn of(id: &SeriesId, series: &Series, start: i64, period: i64, periods: usize) -> Self {
        let mut buckets = series.periods(start, start + period * periods as i64, period);
        let of = |statistic: Statistic| -> Vec<Option<f64>> {
            let at = |index| buckets.get(&(start + period * index as i64)).and_then(|bucket| statistic.of(bucket));
            (0..periods).map(at).collect()
        };
        let (counts, sums, averages) = (of(Statistic::SampleCount), of(Statistic::Sum), of(Statistic::Average));
        let (p50s, p99s) = (of(Statistic::Percentile(50.0)), of(Statistic::Percentile(99.0)));
        let mut all = Bucket::new();
        while let Some((_, bucket)) = buckets.pop_first() {
            all.merge(&bucket);
        }
        let known = |value: f64| value.is_finite().then_some(value);
        Self {
            id: series.created,
            dimensions: id.metric.dimensions.clone(),
            unit: id.unit.as_str(),
            count: all.statistics.count,
            sum: all.statistics.sum,
            min: known(all.statistics.min),
            max: known(all.statistics.max),
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

/// The start and the number of periods that end with the current one.
fn grid(window: Window, period: i64, now: i64) -> (i64, usize) {
    let last = now - now.rem_euclid(period);
    let periods = window.seconds() / period;
    (last - (periods - 1) * period, usize::try_from(periods).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::tests::call;
    use crate::datum::{Datum, Measurement};
    use crate::metric::Unit;
    use crate::statistics::Statistics;

    const NOW: i64 = 1_795_170_600;

    fn datum(at: i64, resolution: Resolution, value: f64) -> Datum {
        Datum {
            metric_name: "m".into(),
            dimensions: Dimensions::new(),
            unit: Unit::NONE,
            timestamp: at,
            resolution,
            measurement: Measurement { statistics: Statistics::of(value, 1.0), values: Some(vec![(value, 1.0)]) },
        }
    }

    fn detail(data: Vec<Datum>, window: Window) -> Detail {
        let mut store = Store::default();
        store.put("n", data, NOW);
        Detail::of(&store, &metrics(&store)[0], window, NOW)
    }

    #[test]
    fn the_last_period_holds_now() {
        let shown = detail(
            vec![datum(NOW, Resolution::Minute, 2.0), datum(NOW - 60, Resolution::Minute, 3.0)],
            Window::Quarter,
        );
        let series = &shown.series[0];
        assert_eq!((shown.period, series.sums.len()), (60, 15));
        assert_eq!(series.sums[13..], [Some(3.0), Some(2.0)]);
        assert_eq!((series.count, series.p99, series.sums[0]), (2.0, Some(3.0), None));
    }

    #[test]
    fn data_by_the_second_are_shown_finer() {
        assert_eq!(detail(vec![datum(NOW, Resolution::Second, 1.0)], Window::FiveMinutes).period, 5);
        let mixed = vec![datum(NOW, Resolution::Second, 1.0), datum(NOW, Resolution::Minute, 1.0)];
        assert_eq!(detail(mixed, Window::FiveMinutes).series[0].sums.last(), Some(&Some(2.0)));
    }

    #[test]
    fn traffic_tells_stored_from_refused_calls() {
        let mut log = CallLog::default();
        for (seconds, status, is_stored) in
            [(10_000, Some(200), true), (0, Some(200), true), (0, Some(400), false), (0, None, true)]
        {
            let mut call = call(status, is_stored);
            call.time_millis = (NOW - seconds) * 1_000;
            log.push(call);
        }
        let traffic = Traffic::of(&log, Window::Quarter, NOW);
        assert_eq!((traffic.accepted.iter().sum::<u64>(), traffic.refused.iter().sum::<u64>()), (2, 1));
        assert_eq!(traffic.accepted.last(), Some(&2));
    }

    #[test]
    fn few_series_are_shown_and_the_rest_counted() {
        for (count, hidden) in [(23, 0), (24, 0), (25, 1)] {
            let data = (0..count).map(|n| {
                let dimensions = [("d".to_owned(), n.to_string())].into();
                Datum { dimensions, ..datum(NOW, Resolution::Minute, 1.0) }
            });
            assert_eq!(detail(data.collect(), Window::Hour).hidden, hidden);
        }
    }
}
