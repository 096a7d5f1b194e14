//! Tests the data published in rounds of responses.

use std::time::Duration;

use acpw_metric::{Accumulator, DimensionName, DimensionValue, MetricName, Unit};

use super::*;
use crate::source::{
    reading::{CumulativeBucket, Value},
    rule::{Combine, DimensionSource},
};

const START: u64 = 1_787_402_160;

fn now(second: u64) -> Now {
    Now { wall: Timestamp::from_secs(START + second), steady: Duration::from_secs(second) }
}

/// A target that is polled every ten seconds.
struct Endpoint {
    collector: Collector,
    second: u64,
    counts: SourceCounts,
    /// The start time of its process that it reports.
    start: Option<u64>,
    /// The time that a response takes.
    delay: Duration,
}

type Labels<'a> = &'a [(&'a str, &'a str)];

const SEVERAL_ENDPOINTS: &str = "the cluster has several endpoints, or its endpoint restarts repeatedly: counters go back \
     and forth, and none is published. Configure a cluster and a scrape for each endpoint";

impl Endpoint {
    fn new(rules: Vec<Rule>, max_series: usize) -> Self {
        let collector = Collector::new(rules, max_series, None);
        Self {
            collector,
            second: 0,
            counts: SourceCounts::default(),
            start: Some(START - 1_000),
            delay: Duration::ZERO,
        }
    }

    /// Responds with these series and returns the published series: name with dimension values, sample count and sum.
    fn respond(&mut self, series: &[(&str, Labels<'_>, Value<'_>)]) -> Vec<(String, f64, f64)> {
        self.respond_created(series, None)
    }

    fn respond_created(
        &mut self,
        series: &[(&str, Labels<'_>, Value<'_>)],
        created: Option<u64>,
    ) -> Vec<(String, f64, f64)> {
        self.begin();
        for (name, labels, value) in series {
            self.take(name, labels, *value);
            if let Some(created) = created {
                self.take_part(name, labels, *value, Part::Created((START + created) as f64));
            }
        }
        self.finish()
    }

    fn begin(&mut self) {
        self.second += 10;
        self.collector.begin(now(self.second), self.delay);
        if let Some(start) = self.start {
            self.collector.set_process_start(start as f64 + 0.25);
        }
    }

    fn take(&mut self, name: &str, labels: Labels<'_>, value: Value<'_>) {
        let parts = match value {
            Value::Counter(value) | Value::Gauge(value) => vec![Part::Value(value)],
            Value::Histogram { buckets, count, sum } => {
                let buckets = buckets.iter().map(|bucket| Part::CumulativeBucket(*bucket));
                buckets.chain([Part::Count(count), Part::Sum(sum)]).collect()
            }
            Value::Summary { count, sum } => vec![Part::Sum(sum), Part::Count(count)],
        };
        for part in parts {
            self.take_part(name, labels, value, part);
        }
    }

    fn take_part(&mut self, name: &str, labels: Labels<'_>, value: Value<'_>, part: Part) {
        let kind = match value {
            Value::Counter(_) => SeriesKind::Counter,
            Value::Gauge(_) => SeriesKind::Gauge,
            Value::Histogram { .. } => SeriesKind::Histogram,
            Value::Summary { .. } => SeriesKind::Summary,
        };
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| Label { name: (*name).into(), value: (*value).into() }).collect();
        self.collector.accept(&Reading { name, labels: &labels, kind, part });
    }

    fn skip(&mut self, name: Option<&str>) {
        self.collector.skip(&Skipped { number: 7, name, is_series_known: false, reason: "it is a test", text: "?" });
    }

    fn finish(&mut self) -> Vec<(String, f64, f64)> {
        let mut data = Accumulator::default();
        let mut calls = 1;
        while !self.collector.finish(&mut { 1 }, &mut data) {
            calls += 1;
        }
        assert!(calls >= self.collector.series.len() + self.collector.outputs.len());
        self.counts.add(self.collector.take_counts());
        let mut published: Vec<_> = data
            .iter()
            .flat_map(|(key, dimensions, all)| {
                assert_eq!(key.start, now(self.second).wall.floor(60));
                let values: Vec<_> = dimensions.iter().map(|(_, value)| value.to_owned()).collect();
                all.iter().map(move |(metric, distribution)| {
                    let name = [vec![metric.name.to_string()], values.clone()].concat().join(" ");
                    (name, distribution.sample_count(), distribution.sum())
                })
            })
            .collect();
        published.sort_by(|a, b| a.0.cmp(&b.0));
        published
    }

    fn remarks(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.collector.poll_remark()).collect()
    }
}

fn by_label(metric: &str, label: &str) -> Rule {
    let dimension = (DimensionName::new(label).unwrap(), DimensionSource::Label(label.to_owned(), None));
    Rule { dimensions: vec![dimension], ..Rule::new(metric) }
}

fn expected_series(expected: &[(&str, f64, f64)]) -> Vec<(String, f64, f64)> {
    expected.iter().map(|(name, samples, sum)| ((*name).to_owned(), *samples, *sum)).collect()
}

#[test]
fn increases_are_summed_over_labels_that_are_not_dimensions() {
    let mut endpoint = Endpoint::new(vec![by_label("rq_total", "code"), Rule::new("rq_total")], 100);
    let mut respond = |values: [f64; 3]| {
        let [ok_a, ok_b, error] = values.map(Value::Counter);
        endpoint.respond(&[
            ("rq_total", &[("code", "200"), ("pod", "a")], ok_a),
            ("rq_total", &[("code", "200"), ("pod", "b")], ok_b),
            ("rq_total", &[("code", "500"), ("pod", "a")], error),
            ("other_total", &[], Value::Counter(values[0])),
        ])
    };
    assert_eq!(respond([5.0, 7.0, 1.0]), []);
    let expected = expected_series(&[("rq_total", 1.0, 6.0), ("rq_total 200", 1.0, 6.0), ("rq_total 500", 1.0, 0.0)]);
    assert_eq!(respond([6.0, 12.0, 1.0]), expected);
    // One has gone back. The known increases are published.
    let expected = expected_series(&[("rq_total", 1.0, 4.0), ("rq_total 200", 1.0, 3.0), ("rq_total 500", 1.0, 1.0)]);
    assert_eq!(respond([2.0, 15.0, 2.0]), expected);
    assert_eq!(endpoint.counts, SourceCounts { gaps: 6 + 2, ..SourceCounts::default() });
}

#[test]
fn gauges_are_summed_or_sampled_and_a_sum_needs_all_of_them() {
    let samples = Rule { combine: Combine::Samples, unit: Some(Unit::BYTES), ..Rule::new("b") };
    let mut endpoint = Endpoint::new(vec![Rule::new("a"), samples], 100);
    let mut respond = |last: f64| {
        endpoint.respond(&[
            ("a", &[("n", "1")], Value::Gauge(2.0)),
            ("a", &[("n", "2")], Value::Gauge(last)),
            ("b", &[("n", "1")], Value::Gauge(2.0)),
            ("b", &[("n", "2")], Value::Gauge(5.0)),
        ])
    };
    assert_eq!(respond(3.0), expected_series(&[("a", 1.0, 5.0), ("b", 2.0, 7.0)]));
    assert_eq!(respond(f64::NAN), expected_series(&[("b", 2.0, 7.0)]));
    assert_eq!(respond(1e300), expected_series(&[("b", 2.0, 7.0)]));
    assert_eq!(respond(4.0), expected_series(&[("a", 1.0, 6.0), ("b", 2.0, 7.0)]));
    assert_eq!(endpoint.counts.gaps, 2);
}

#[test]
fn histograms_and_summaries_are_summed_too() {
    let mut endpoint = Endpoint::new(vec![Rule::new("h"), Rule::new("s")], 100);
    let mut respond = |a: (f64, f64, f64), b: (f64, f64, f64)| {
        let buckets = [a, b].map(|(low, ..)| [CumulativeBucket { upper: 1.0, cumulative: low }]);
        endpoint.respond(&[
            ("h", &[("n", "1")], Value::Histogram { buckets: &buckets[0], count: a.1, sum: a.2 }),
            ("h", &[("n", "2")], Value::Histogram { buckets: &buckets[1], count: b.1, sum: b.2 }),
            ("s", &[("n", "1")], Value::Summary { count: a.1, sum: a.2 }),
            ("s", &[("n", "2")], Value::Summary { count: b.1, sum: b.2 }),
        ])
    };
    assert_eq!(respond((0.0, 0.0, 0.0), (1.0, 1.0, 0.5)), []);
    assert_eq!(respond((2.0, 3.0, 6.0), (2.0, 2.0, 1.0)), expected_series(&[("h", 4.0, 6.5), ("s", 4.0, 6.5)]));
    assert_eq!(respond((2.0, 3.0, 6.0), (2.0, 2.0, 1.0)), []);
}

#[test]
fn a_series_created_after_the_last_round_starts_at_zero() {
    let mut endpoint = Endpoint::new(vec![Rule::new("a")], 100);
    let counter = |value| [("a", [("n", "1")].as_slice(), Value::Counter(value))];
    // There is no round before.
    assert_eq!(endpoint.respond_created(&counter(5.0), Some(9)), []);
    assert_eq!(endpoint.respond_created(&counter(3.0), Some(15)), expected_series(&[("a", 1.0, 3.0)]));
    assert_eq!(endpoint.respond_created(&counter(4.0), Some(15)), expected_series(&[("a", 1.0, 1.0)]));
    let both = [counter(6.0)[0], ("a", &[("n", "2")], Value::Counter(10.0))];
    assert_eq!(endpoint.respond_created(&both, Some(15)), expected_series(&[("a", 1.0, 2.0)]));

    // The target's clock is ahead, so the creation time is not between the rounds when it is first reported.
    let mut endpoint = Endpoint::new(vec![Rule::new("a")], 100);
    assert_eq!(endpoint.respond(&[]), []);
    assert_eq!(endpoint.respond_created(&counter(5.0), Some(25)), []);
    assert_eq!(endpoint.respond_created(&counter(6.0), Some(25)), expected_series(&[("a", 1.0, 1.0)]));
    assert_eq!(endpoint.respond_created(&counter(2.0), Some(35)), expected_series(&[("a", 1.0, 2.0)]));
}

#[test]
fn series_beyond_the_limit_and_sums_that_need_them_are_not_published() {
    for (max_series, sums, over) in [(2, [true, false], 2), (3, [true, false], 1), (4, [true, true], 0)] {
        let mut endpoint = Endpoint::new(vec![by_label("a", "x")], max_series);
        let value = Value::Gauge(1.0);
        let answer = endpoint.respond(&[
            ("a", &[("x", "1"), ("n", "1")], value),
            ("a", &[("x", "2"), ("n", "2")], value),
            ("a", &[("x", "2"), ("n", "3")], value),
            ("a", &[("x", "2"), ("n", "4")], value),
        ]);
        let expected = [("a 1", 1.0, 1.0), ("a 2", 1.0, 3.0)];
        let expected: Vec<_> =
            expected.into_iter().zip(sums).filter(|(_, is_there)| *is_there).map(|(sum, _)| sum).collect();
        assert_eq!(answer, expected_series(&expected), "{max_series}");
        assert_eq!((endpoint.counts.over_limit, endpoint.counts.gaps), (over, u64::from(over > 0)));
    }
}

#[test]
fn a_series_that_is_missing_for_two_rounds_is_removed() {
    let mut endpoint = Endpoint::new(vec![by_label("a", "x")], 2);
    let series = |x, value| ("a", x, Value::Counter(value));
    let (one, two, three): (Labels<'_>, Labels<'_>, Labels<'_>) = (&[("x", "1")], &[("x", "2")], &[("x", "3")]);
    assert_eq!(endpoint.respond(&[series(one, 1.0), series(two, 1.0)]), []);
    assert_eq!(endpoint.respond(&[series(two, 3.0)]), expected_series(&[("a 2", 1.0, 2.0)]));
    assert_eq!(endpoint.respond(&[series(two, 4.0), series(three, 1.0)]), expected_series(&[("a 2", 1.0, 1.0)]));
    let again = endpoint.respond(&[series(three, 2.0), series(two, 4.0), series(one, 9.0)]);
    assert_eq!(again, expected_series(&[("a 2", 1.0, 0.0), ("a 3", 1.0, 1.0)]));
    assert_eq!(endpoint.counts, SourceCounts { gaps: 3, over_limit: 1, ..SourceCounts::default() });
    assert_eq!(endpoint.respond(&[]), []);
    assert_eq!(endpoint.respond(&[]), []);
    assert!(endpoint.collector.series.is_empty() && endpoint.collector.outputs.is_empty());
    assert_eq!(endpoint.collector.missing, 0);
    let remarks = endpoint.remarks();
    assert!(remarks.len() == 1 && remarks[0].starts_with("more than max_series (2) series"), "{remarks:?}");
}

#[test]
fn a_counter_that_is_missing_once_is_compared_with_the_round_before() {
    let mut endpoint = Endpoint::new(vec![by_label("a", "x")], 100);
    let series = |x, value| ("a", x, Value::Counter(value));
    let (one, two): (Labels<'_>, Labels<'_>) = (&[("x", "1")], &[("x", "2")]);
    assert_eq!(endpoint.respond(&[series(one, 1.0), series(two, 1.0)]), []);
    assert_eq!(endpoint.respond(&[series(two, 2.0)]), expected_series(&[("a 2", 1.0, 1.0)]));
    assert_eq!(
        endpoint.respond(&[series(one, 21.0), series(two, 2.0)]),
        expected_series(&[("a 1", 1.0, 20.0), ("a 2", 1.0, 0.0)])
    );
    // An implausible number is treated as missing.
    assert_eq!(endpoint.respond(&[series(one, f64::NAN), series(two, 2.0)]), expected_series(&[("a 2", 1.0, 0.0)]));
    assert_eq!(
        endpoint.respond(&[series(one, 30.0), series(two, 3.0)]),
        expected_series(&[("a 1", 1.0, 9.0), ("a 2", 1.0, 1.0)])
    );
    assert_eq!(endpoint.counts.gaps, 2 + 1);
}

#[test]
fn a_repeated_series_is_ignored() {
    let mut endpoint = Endpoint::new(vec![Rule::new("a"), Rule::new("*")], 100);
    let series = [
        ("a", [].as_slice(), Value::Gauge(1.0)),
        ("b", &[("n", "1"), ("m", "1")], Value::Counter(1.0)),
        ("b", &[("n", "2")], Value::Counter(1.0)),
    ];
    // Both rules publish the same series.
    assert_eq!(endpoint.respond(&series), expected_series(&[("a", 2.0, 2.0)]));
    let [a, b, other] = series;
    let more = ("b", [("n", "2")].as_slice(), Value::Counter(6.0));
    assert_eq!(endpoint.respond(&[a, a, b, more]), expected_series(&[("b", 1.0, 5.0)]));
    // Independent of the order of labels.
    let again = ("b", [("m", "1"), ("n", "1")].as_slice(), Value::Counter(3.0));
    assert_eq!(endpoint.respond(&[a, b, again, more]), expected_series(&[("a", 2.0, 2.0), ("b", 1.0, 0.0)]));
    assert_eq!(endpoint.respond(&[a, again, more]), expected_series(&[("a", 2.0, 2.0), ("b", 1.0, 2.0)]));
    let _ = other;
}

#[test]
fn several_endpoints_are_detected_by_counters_that_go_back_and_forth() {
    let endpoints = [1_000.0, 20.0, 500.0];
    let orders: [&[usize]; 8] =
        [&[0, 1], &[1, 0], &[0, 1, 2], &[1, 2, 0], &[2, 1, 0], &[0, 0, 1], &[1, 1, 0], &[0, 1, 1, 0, 2]];
    for order in orders {
        for others in [0, 3] {
            let mut endpoint = Endpoint::new(vec![Rule::new("*")], 100);
            endpoint.start = None;
            let rounds: Vec<_> = order.iter().copied().cycle().take(40).enumerate().collect();
            for (round, index) in &rounds {
                let value = |factor: f64| Value::Counter(endpoints[*index] * factor + *round as f64);
                let names = ["a", "b", "c", "d"];
                let series: Vec<_> =
                    names.into_iter().take(1 + others).map(|name| (name, [].as_slice(), value(1.0))).collect();
                assert_eq!(endpoint.respond(&series), [], "{order:?} {round}");
            }
            let remarks = endpoint.remarks();
            assert!(remarks.contains(&SEVERAL_ENDPOINTS.to_owned()), "{order:?} {remarks:?}");
            // From now on, only one of them responds.
            let mut published = 0.0;
            for round in 40..80 {
                let series = [("a", [].as_slice(), Value::Counter(endpoints[order[0]] + f64::from(round)))];
                published += endpoint.respond(&series).iter().map(|(_, _, sum)| sum).sum::<f64>();
            }
            assert!((10.0..40.0).contains(&published), "{order:?} {published}");
        }
    }
}

#[test]
fn several_processes_are_detected_by_their_start_times() {
    let mut endpoint = Endpoint::new(vec![Rule::new("*")], 100);
    // The first process has the lower total.
    for round in 0..20_u64 {
        let (start, total) = if round % 2 == 0 { (START - 500, 20) } else { (START - 9_000, 1_000) };
        endpoint.start = Some(start);
        let published =
            endpoint.respond(&[("a", &[], Value::Counter((total + round) as f64)), ("g", &[], Value::Gauge(1.0))]);
        for (name, _, sum) in published {
            assert!(name == "g" || (round == 2 && sum == 2.0), "{name} {sum} {round}");
        }
    }
    assert_eq!(endpoint.remarks(), [SEVERAL_ENDPOINTS]);
}

#[test]
fn after_a_restart_increases_are_published_once_it_is_certain() {
    // Without a start time they are held back for some rounds, and none is lost.
    let mut endpoint = Endpoint::new(vec![Rule::new("a")], 100);
    endpoint.start = None;
    let mut respond = |value| endpoint.respond(&[("a", &[], Value::Counter(value))]);
    let sum_of_a = |sum| expected_series(&[("a", 1.0, sum)]);
    assert_eq!([10.0, 11.0, 12.0].map(&mut respond), [const { Vec::new() }; 3]);
    assert_eq!(respond(14.0), sum_of_a(4.0));
    assert_eq!(respond(15.0), sum_of_a(1.0));
    assert_eq!([3.0, 4.0, 4.0, 5.0, 6.0].map(&mut respond), [const { Vec::new() }; 5]);
    assert_eq!(respond(9.0), sum_of_a(6.0));
    assert_eq!(respond(10.0), sum_of_a(1.0));
    assert_eq!(endpoint.counts.gaps, 2);
    assert_eq!(endpoint.remarks(), [""; 0]);

    // With a start time, the next increase is known.
    let mut endpoint = Endpoint::new(vec![Rule::new("a")], 100);
    let series = |value| [("a", [].as_slice(), Value::Counter(value))];
    assert_eq!(endpoint.respond(&series(10.0)), []);
    assert_eq!(endpoint.respond(&series(11.0)), sum_of_a(1.0));
    endpoint.start = Some(START + 15);
    assert_eq!(endpoint.respond(&series(3.0)), []);
    assert_eq!(endpoint.respond(&series(5.0)), sum_of_a(2.0));
    assert_eq!(endpoint.remarks(), [""; 0]);
}

#[test]
fn a_gauge_declared_as_a_counter_does_not_affect_other_series() {
    let mut endpoint = Endpoint::new(vec![Rule::new("*")], 100);
    endpoint.start = None;
    let mut sums = [0.0; 4];
    for round in 0..40 {
        let level = if round % 3 == 0 { 9.0 } else { 5.0 };
        let total = |factor| Value::Counter(f64::from(round) * factor);
        let series = [("a", total(1.0)), ("b", total(2.0)), ("c", total(3.0)), ("level", Value::Counter(level))];
        let series = series.map(|(name, value)| (name, [].as_slice(), value));
        for (name, _, sum) in endpoint.respond(&series) {
            sums[["a", "b", "c", "level"].into_iter().position(|known| known == name).unwrap()] += sum;
        }
    }
    assert_eq!(sums, [39.0, 78.0, 117.0, 0.0]);
    let remarks = endpoint.remarks();
    let expected = "a counter goes back and forth and is not published. If it is a gauge, set metric_type to gauge";
    assert_eq!(remarks, [expected]);
}

#[test]
fn gauges_and_counters_are_not_mixed() {
    let rule = Rule { name: Some(MetricName::new("X").unwrap()), unit: Some(Unit::NONE), ..Rule::new("*") };
    let mut endpoint = Endpoint::new(vec![rule], 100);
    let counter = |value| ("a_total", [].as_slice(), Value::Counter(value));
    let gauge = |name, value| (name, [].as_slice(), Value::Gauge(value));
    assert_eq!(endpoint.respond(&[counter(1.0), gauge("b", 9_000.0)]), []);
    assert_eq!(endpoint.respond(&[counter(4.0), gauge("b", 9_000.0)]), []);
    let remarks = endpoint.remarks();
    assert!(remarks.len() == 1 && remarks[0].contains("another type"), "{remarks:?}");
    assert_eq!(endpoint.respond(&[counter(5.0)]), expected_series(&[("X", 1.0, 1.0)]));
    // The type of a series changes. The first time it may be a mistake.
    assert_eq!(endpoint.respond(&[gauge("a_total", 20.0)]), []);
    assert_eq!(endpoint.respond(&[counter(7.0)]), expected_series(&[("X", 1.0, 2.0)]));
    assert_eq!(endpoint.respond(&[gauge("a_total", 20.0)]), []);
    assert_eq!(endpoint.respond(&[gauge("a_total", 20.0)]), []);
    assert_eq!(endpoint.respond(&[gauge("a_total", 20.0)]), expected_series(&[("X", 1.0, 20.0)]));
    assert!(endpoint.remarks()[0].starts_with("the type of \"a_total\" differs"));
}

#[test]
fn a_sum_that_may_lack_an_unreadable_line_is_a_gap() {
    let mut endpoint = Endpoint::new(vec![by_label("a", "x"), Rule::new("b"), Rule::new("c")], 100);
    let mut respond = |second: bool, skipped: Option<Option<&str>>| {
        endpoint.begin();
        endpoint.take("a", &[("x", "1"), ("n", "1")], Value::Gauge(1.0));
        if second {
            endpoint.take("a", &[("x", "1"), ("n", "2")], Value::Gauge(1.0));
        }
        endpoint.take("a", &[("x", "2")], Value::Gauge(1.0));
        endpoint.take("b", &[], Value::Gauge(1.0));
        endpoint.take("c", &[], Value::Counter(1.0));
        if let Some(name) = skipped {
            endpoint.skip(name);
        }
        endpoint.finish()
    };
    let (one, two, b, c) = (("a 1", 1.0, 2.0), ("a 2", 1.0, 1.0), ("b", 1.0, 1.0), ("c", 1.0, 0.0));
    assert_eq!(respond(true, None), expected_series(&[one, two, b]));
    // The line may be the missing series, with a valid name or without.
    assert_eq!(respond(false, Some(Some("a"))), expected_series(&[two, b, c]));
    assert_eq!(respond(true, None), expected_series(&[one, two, b, c]));
    assert_eq!(respond(false, Some(None)), expected_series(&[two, b, c]));
    // No series is missing, so the line is a new series.
    assert_eq!(respond(true, Some(Some("a"))), expected_series(&[b, c]));
    assert_eq!(respond(true, Some(None)), expected_series(&[one, two, b, c]));
    assert_eq!(respond(false, None), expected_series(&[("a 1", 1.0, 1.0), two, b, c]));
    assert_eq!(endpoint.counts.skipped_lines, 4);
    let expected = ["line 7 is skipped because it is a test: ?"; 2];
    assert_eq!(endpoint.remarks(), expected);
}

#[test]
fn missing_labels_and_unused_rules_are_reported_once() {
    let optional = |label: &str| {
        let default = DimensionValue::new("other").unwrap();
        let source = DimensionSource::Label(label.to_owned(), Some(default));
        Rule { dimensions: vec![(DimensionName::new("D").unwrap(), source)], ..Rule::new("a") }
    };
    let rules = vec![
        by_label("a", "code"),
        by_label("a", "cod"),
        by_label("a", "zone"),
        optional("zone"),
        optional("Code"),
        Rule::new("b*"),
    ];
    let mut endpoint = Endpoint::new(rules, 100);
    endpoint.respond(&[("a", &[("code", "200"), ("pod", "x")], Value::Gauge(1.0))]);
    assert_eq!(endpoint.collector.take_unused_rules(), [(5, "b*".to_owned())]);
    let expected = "rules[1].dimensions.cod: no series of \"a\" has the label \"cod\"; did you mean \"code\"?; \
        rules[2].dimensions.zone: no series of \"a\" has the label \"zone\"; its labels are code, pod; \
        rules[4].dimensions.D: no series of \"a\" has the label \"Code\"; did you mean \"code\"?";
    assert_eq!(endpoint.remarks(), [expected]);
    endpoint.respond(&[]);
    assert_eq!((endpoint.collector.take_unused_rules(), endpoint.remarks().len()), (Vec::new(), 0));

    let rules = ["b", "c", "d", "e"].map(|label| by_label("a", label));
    let mut endpoint = Endpoint::new(rules.to_vec(), 100);
    endpoint.respond(&[("a", &[], Value::Gauge(1.0))]);
    endpoint.collector.take_unused_rules();
    let missing = |index: usize, label: &str| {
        format!("rules[{index}].dimensions.{label}: no series of \"a\" has the label \"{label}\"; it has no labels")
    };
    let expected = [missing(0, "b"), missing(1, "c"), missing(2, "d")].join("; ") + "; and others";
    assert_eq!(endpoint.remarks(), [expected]);
}
