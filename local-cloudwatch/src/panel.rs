//! The small charts of a namespace: requests, errors, latency and requests in flight, as far as it has them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::operation::period::Statistic;
use crate::statistics::SampleBucket;
use crate::store::{MetricStore, SeriesId, StoredSeries};
use crate::time_window::{Periods, TimeWindow};
use crate::unit::StandardUnit;

/// Maximum number of metrics in a panel of errors.
const SHOWN_ERRORS: usize = 4;
/// Maximum number of series that are added up for a line.
const ADDED_SERIES: usize = 200;

/// The subject of a panel. Metrics are recognised by their names, which have no fixed meaning in CloudWatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subject {
    Requests,
    Errors,
    Latency,
    InFlight,
}

/// A small chart.
#[derive(Debug, Serialize)]
pub(crate) struct Panel {
    subject: Subject,
    unit: &'static str,
    start: i64,
    period: i64,
    lines: Vec<PanelLine>,
}

/// One statistic of one metric (`None` if a period has no data).
#[derive(Debug, Serialize)]
struct PanelLine {
    metric: String,
    statistic: &'static str,
    values: Vec<Option<f64>>,
    /// Number of series that `values` leaves out.
    hidden: usize,
}

/// A metric of a namespace, and its series.
struct Candidate<'a> {
    name: &'a str,
    series: Vec<(&'a SeriesId, &'a StoredSeries)>,
}

impl Subject {
    const ALL: [Self; 4] = [Self::Requests, Self::Errors, Self::Latency, Self::InFlight];

    /// Returns how well a metric fits, 0 being the best, or `None` if it does not. A panel shows only metrics of the
    /// best rank that its namespace has, because the others count parts of the same requests.
    pub(crate) fn rank(self, name: &str) -> Option<usize> {
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
        let ranks: &[bool] = match self {
            Self::Requests => &[name == "RequestCount", ends(&["RequestCount"]), ends(&["Requests", "Invocations"])],
            Self::Errors => &[
                matches!(name, "4XXError" | "5XXError"),
                ends(&["4XX_Count", "5XX_Count", "4xx", "5xx"]),
                ends(&["Error", "Errors", "ErrorCount"]),
            ],
            Self::Latency => &[name == "Latency", ends(&["Latency"]), ends(&["ResponseTime", "Duration"])],
            Self::InFlight => &[
                name == "RequestsInProgress",
                ends(&["RequestsInProgress"]),
                ends(&["InProgress", "InFlight", "ConcurrentExecutions", "ActiveConnectionCount"]),
            ],
        };
        ranks.iter().position(|fits| *fits)
    }

    fn shown_metrics(self) -> usize {
        if self == Self::Errors { SHOWN_ERRORS } else { 1 }
    }
}

/// Returns the panels of a namespace.
pub(crate) fn panels(store: &MetricStore, namespace: &str, window: TimeWindow, now: i64) -> Vec<Panel> {
    let mut series: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (id, stored) in store.iter().filter(|(id, _)| id.metric.namespace == namespace) {
        series.entry(&id.metric.name).or_default().push((id, stored));
    }
    Subject::ALL.into_iter().filter_map(|subject| Panel::new(subject, &series, window, now)).collect()
}

impl Panel {
    fn new(
        subject: Subject,
        metrics: &BTreeMap<&str, Vec<(&SeriesId, &StoredSeries)>>,
        window: TimeWindow,
        now: i64,
    ) -> Option<Self> {
        let best = metrics.keys().filter_map(|name| subject.rank(name)).min()?;
        let fitting = metrics.iter().filter(|(name, _)| subject.rank(name) == Some(best));
        let mut shown: Vec<_> =
            fitting.map(|(name, series)| Candidate { name, series: coarsest_set(series) }).collect();
        // The busiest ones, then in the order of their names again.
        shown.sort_by(|a, b| b.samples().total_cmp(&a.samples()));
        shown.truncate(subject.shown_metrics());
        shown.sort_by_key(|candidate| candidate.name);
        let periods = window.periods_of(shown.iter().flat_map(|shown| &shown.series).map(|(_, series)| *series), now);
        Some(Self {
            subject,
            unit: shown.first()?.series.first().map_or("None", |(id, _)| id.unit.as_str()),
            start: periods.start,
            period: periods.period,
            lines: shown.iter().flat_map(|candidate| candidate.lines(subject, periods)).collect(),
        })
    }
}

impl Candidate<'_> {
    fn samples(&self) -> f64 {
        self.series.iter().map(|(_, series)| series.statistics.count).sum()
    }

    fn lines(&self, subject: Subject, periods: Periods) -> Vec<PanelLine> {
        let mut series = self.series.clone();
        series.sort_by(|(_, a), (_, b)| b.statistics.count.total_cmp(&a.statistics.count));
        let hidden = series.len().saturating_sub(ADDED_SERIES);
        series.truncate(ADDED_SERIES);
        let line = |statistic: &'static str, value: &dyn Fn(i64) -> Option<f64>| PanelLine {
            metric: self.name.to_owned(),
            statistic,
            values: periods.starts().map(value).collect(),
            hidden,
        };
        let mut merged: BTreeMap<i64, SampleBucket> = BTreeMap::new();
        let mut averages: BTreeMap<i64, f64> = BTreeMap::new();
        for (_, series) in series {
            for (start, bucket) in series.aggregate(periods.start, periods.end(), periods.period) {
                *averages.entry(start).or_default() += Statistic::Average.compute(&bucket).unwrap_or_default();
                merged.entry(start).or_insert_with(SampleBucket::new).merge(&bucket);
            }
        }
        let of = |statistic: Statistic| {
            let merged = &merged;
            move |start: i64| merged.get(&start).and_then(|bucket| statistic.compute(bucket))
        };
        match subject {
            Subject::Requests | Subject::Errors => vec![line("sum", &of(Statistic::Sum))],
            // Each series is the number in one part, such as one service: together they are in flight.
            Subject::InFlight => vec![line("average", &|start| averages.get(&start).copied())],
            Subject::Latency if merged.values().all(|bucket| bucket.percentile(50.0).is_none()) => {
                vec![line("average", &of(Statistic::Average))]
            }
            Subject::Latency => {
                vec![line("p99", &of(Statistic::Percentile(99.0))), line("p50", &of(Statistic::Percentile(50.0)))]
            }
        }
    }
}

/// Returns the series of a metric that count each request once: those with the same names of dimensions and the same
/// unit. Of several such sets, returns the one with the fewest dimensions that has at least half of the samples that
/// the largest one has.
fn coarsest_set<'a>(series: &[(&'a SeriesId, &'a StoredSeries)]) -> Vec<(&'a SeriesId, &'a StoredSeries)> {
    let mut sets: BTreeMap<(Vec<&str>, StandardUnit), Vec<_>> = BTreeMap::new();
    for (id, stored) in series {
        let names = id.metric.dimensions.keys().map(String::as_str).collect();
        sets.entry((names, id.unit)).or_default().push((*id, *stored));
    }
    let samples = |set: &[(&SeriesId, &StoredSeries)]| -> f64 { set.iter().map(|(_, s)| s.statistics.count).sum() };
    let most = sets.values().map(|set| samples(set)).fold(0.0, f64::max);
    let covering = sets.into_iter().filter(|(_, set)| samples(set) >= most / 2.0);
    let coarsest = covering.min_by(|((a, _), first), ((b, _), second)| {
        a.len().cmp(&b.len()).then(samples(second).total_cmp(&samples(first)))
    });
    coarsest.map(|(_, set)| set).unwrap_or_default()
}

/// Returns a key that orders metrics, the smallest being the one to open the page on: first those that count requests,
/// by their number, then the others, by their samples. A gauge has samples without requests.
pub(crate) fn opening_order(name: &str, series: &[(&SeriesId, &StoredSeries)]) -> (bool, Reverse<u64>) {
    let counts_requests = Subject::Requests.rank(name).is_some();
    let size: f64 = if counts_requests {
        coarsest_set(series).iter().map(|(_, series)| series.statistics.sum).sum()
    } else {
        series.iter().map(|(_, series)| series.statistics.count).sum()
    };
    // The bits of numbers that are not negative have the order of the numbers.
    (!counts_requests, Reverse(size.max(0.0).to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::{Measurement, MetricDatum, StorageResolution};
    use crate::statistics::StatisticSet;

    const NOW: i64 = 1_795_170_600;

    fn datum(name: &str, dimensions: &[(&str, &str)], values: &[(f64, f64)]) -> MetricDatum {
        let mut statistics = StatisticSet::EMPTY;
        for (value, count) in values {
            statistics.merge(&StatisticSet::repeated(*value, *count));
        }
        MetricDatum {
            metric_name: name.into(),
            dimensions: dimensions.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect(),
            unit: StandardUnit::NONE,
            timestamp: NOW,
            resolution: StorageResolution::Minute,
            measurement: Measurement { statistics, values: Some(values.to_vec()) },
        }
    }

    /// Returns the subject, metric, statistic and latest value of each line.
    fn shown(data: Vec<MetricDatum>) -> Vec<(Subject, String, &'static str, Option<f64>)> {
        let mut store = MetricStore::default();
        store.put("n", data, NOW);
        let lines = |panel: Panel| {
            let subject = panel.subject;
            panel
                .lines
                .into_iter()
                .map(move |line| (subject, line.metric, line.statistic, line.values.last().copied().flatten()))
        };
        panels(&store, "n", TimeWindow::FifteenMinutes, NOW).into_iter().flat_map(lines).collect()
    }

    #[test]
    fn a_request_in_several_dimension_sets_counts_once() {
        let one = [("ServiceName", "a")];
        let found = shown(vec![
            datum("RequestCount", &[("host", "x"), ("path", "/1")], &[(1.0, 4.0)]),
            datum("RequestCount", &[("host", "x"), ("path", "/2")], &[(1.0, 6.0)]),
            datum("RequestCount", &one, &[(1.0, 7.0)]),
            datum("RequestCount", &[("ServiceName", "b")], &[(1.0, 3.0)]),
            // Too few to be all requests.
            datum("RequestCount", &[], &[(1.0, 1.0)]),
        ]);
        assert_eq!(found, [(Subject::Requests, "RequestCount".into(), "sum", Some(10.0))]);
    }

    #[test]
    fn the_panels_are_requests_errors_latency_and_in_flight() {
        let found = shown(vec![
            datum("5XXError", &[], &[(1.0, 2.0), (0.0, 8.0)]),
            datum("4XXError", &[], &[(1.0, 1.0), (0.0, 9.0)]),
            datum("HTTPCode_Target_5XX_Count", &[], &[(1.0, 1.0)]),
            datum("Latency", &[("s", "a")], &[(10.0, 98.0)]),
            datum("Latency", &[("s", "b")], &[(500.0, 2.0)]),
            datum("RequestCount", &[], &[(1.0, 10.0)]),
            datum("GrpcRequestCount", &[], &[(1.0, 10.0)]),
            datum("RequestsInProgress", &[("s", "a")], &[(2.0, 1.0), (4.0, 1.0)]),
            datum("RequestsInProgress", &[("s", "b")], &[(5.0, 1.0)]),
        ]);
        let expected = [
            (Subject::Requests, "RequestCount", "sum", 10.0),
            (Subject::Errors, "4XXError", "sum", 1.0),
            (Subject::Errors, "5XXError", "sum", 2.0),
            (Subject::Latency, "Latency", "p99", 500.0),
            (Subject::Latency, "Latency", "p50", 10.0),
            (Subject::InFlight, "RequestsInProgress", "average", 8.0),
        ];
        assert_eq!(
            found,
            expected.map(|(subject, name, statistic, value)| (subject, name.into(), statistic, Some(value)))
        );
    }

    #[test]
    fn a_namespace_without_such_metrics_has_no_panels() {
        assert_eq!(shown(vec![datum("Temperature", &[], &[(1.0, 1.0)])]), []);
    }

    #[test]
    fn latency_without_percentiles_is_shown_by_its_average() {
        let mut without_values = datum("Latency", &[], &[(10.0, 1.0), (30.0, 1.0)]);
        without_values.measurement.values = None;
        assert_eq!(shown(vec![without_values]), [(Subject::Latency, "Latency".into(), "average", Some(20.0))]);
    }

    #[test]
    fn at_most_200_series_are_added_up_and_the_others_counted() {
        for (count, hidden) in [(199, 0), (200, 0), (201, 1)] {
            let mut store = MetricStore::default();
            let data = (0..count).map(|n| datum("RequestCount", &[("path", &n.to_string())], &[(1.0, 1.0)]));
            store.put("n", data.collect(), NOW);
            let panels = panels(&store, "n", TimeWindow::Hour, NOW);
            assert_eq!(panels[0].lines[0].hidden, hidden);
            assert_eq!(panels[0].lines[0].values.last(), Some(&Some(f64::from(count - hidden as i32))));
        }
    }

    #[test]
    fn metrics_of_requests_come_first_by_their_number() {
        let order = |name: &str, values: &[(f64, f64)]| {
            let mut store = MetricStore::default();
            let sets = [vec![], vec![("a", "b")]];
            store.put("n", sets.iter().map(|dimensions| datum(name, dimensions, values)).collect(), NOW);
            opening_order(name, &store.iter().collect::<Vec<_>>())
        };
        assert!(order("RequestCount", &[(1.0, 2.0)]) < order("RequestCount", &[(0.0, 9.0), (1.0, 1.0)]));
        assert!(order("RequestCount", &[(1.0, 1.0)]) < order("RequestsInProgress", &[(0.0, 600.0)]));
        assert!(order("Temperature", &[(0.0, 3.0)]) < order("Humidity", &[(9.0, 2.0)]));
        // Both dimension sets count the same request.
        assert_eq!(order("RequestCount", &[(1.0, 3.0)]).1, Reverse(3.0_f64.to_bits()));
    }
}
