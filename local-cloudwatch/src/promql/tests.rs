//! Queries of known data. Expected values are computed from the raw values in the tests.

use std::sync::Arc;

use super::instant::{LOOKBACK_MILLIS, QueryResult, evaluate_instant, evaluate_range};
use super::labels::LabelSet;
use super::plan::Plan;
use super::query_error::{QueryError, QueryErrorKind};
use super::sample::Sample;
use crate::otlp::distribution::{Buckets, Distribution};
use crate::otlp::exponential_buckets::ExponentialBuckets;
use crate::otlp::series_id::{OtlpKind, OtlpScope, OtlpSeriesId, OtlpTemporality};
use crate::otlp::store::OtlpStore;
use crate::otlp::stored_point::{PointValue, StoredPoint};

/// The evaluation time in milliseconds; points are a number of seconds before it.
const NOW: i64 = 1_795_170_600_000;

fn id(metric: &str, kind: OtlpKind, temporality: Option<OtlpTemporality>, labels: &[(&str, &str)]) -> OtlpSeriesId {
    let owned = |(name, value): &(&str, &str)| (String::from(*name), String::from(*value));
    OtlpSeriesId {
        metric: metric.into(),
        unit: "".into(),
        kind,
        temporality,
        is_monotonic: true,
        resource: Arc::new([("service.name", "shop")].iter().map(owned).collect()),
        scope: Arc::new(OtlpScope { name: "acpw".into(), ..OtlpScope::default() }),
        attributes: labels.iter().map(owned).collect(),
    }
}

fn point(seconds_ago: i64, value: PointValue) -> StoredPoint {
    let time_nanos = (NOW - seconds_ago * 1_000) as u64 * 1_000_000;
    StoredPoint { start_nanos: 1, time_nanos, value }
}

fn histogram(values: &[f64]) -> PointValue {
    let scale = 4;
    let mut buckets = ExponentialBuckets { scale, ..ExponentialBuckets::default() };
    for value in values {
        let index = ((value.log2() * f64::from(scale).exp2()).ceil() - 1.0) as i32;
        *buckets.positive.entry(index).or_default() += 1.0;
    }
    let (count, sum) = (values.len() as f64, values.iter().sum());
    let distribution = Distribution { count, sum, buckets: Buckets::Exponential(buckets) };
    PointValue::Distribution { distribution, min: None, max: None }
}

/// The store of all tests.
fn store() -> OtlpStore {
    use OtlpTemporality::{Cumulative, Delta};
    let mut store = OtlpStore::default();
    let mut put = |id: OtlpSeriesId, points: Vec<StoredPoint>| {
        store.put(points.into_iter().map(|point| (id.clone(), point)).collect(), NOW);
    };
    let number = |seconds_ago, value| point(seconds_ago, PointValue::Number(value));
    for (route, code, values) in
        [("/cart", "200", [1.0, 2.0, 3.0]), ("/cart", "500", [0.0, 1.0, 0.0]), ("/pay", "200", [10.0, 20.0, 30.0])]
    {
        let labels = [("http.route", route), ("http.response.status_code", code)];
        let points = values.iter().zip([60, 30, 0]).map(|(value, ago)| number(ago, *value)).collect();
        put(id("http.requests", OtlpKind::Sum, Some(Delta), &labels), points);
    }
    // 10 a second, with a restart 25 seconds ago.
    let counter = [(50, 100.0), (40, 200.0), (30, 300.0), (20, 50.0), (10, 150.0), (0, 250.0)];
    let points = counter.iter().map(|(ago, value)| number(*ago, *value)).collect();
    put(id("total", OtlpKind::Sum, Some(Cumulative), &[]), points);
    put(id("in_flight", OtlpKind::Gauge, None, &[("host", "a")]), vec![number(20, 3.0), number(10, 5.0)]);
    put(id("in_flight", OtlpKind::Gauge, None, &[("host", "b")]), vec![number(15, 7.0)]);
    put(id("in_flight", OtlpKind::Gauge, None, &[("host", "stale")]), vec![number(301, 9.0)]);
    for (route, values) in [("/cart", 1..=100), ("/pay", 201..=300)] {
        let values: Vec<f64> = values.map(f64::from).collect();
        let (early, late) = values.split_at(50);
        let points = vec![point(40, histogram(early)), point(0, histogram(late))];
        put(id("duration", OtlpKind::ExponentialHistogram, Some(Delta), &[("http.route", route)]), points);
    }
    let grown = vec![point(60, histogram(&[1.0])), point(0, histogram(&[1.0, 2.0, 2.0, 2.0, 2.0]))];
    put(id("grown", OtlpKind::ExponentialHistogram, Some(Cumulative), &[]), grown);
    let summary = PointValue::Summary { count: 4.0, sum: 10.0, quantiles: vec![(0.5, 2.0), (0.9, 4.0)] };
    put(id("rpc", OtlpKind::Summary, None, &[]), vec![point(5, summary)]);
    store
}

fn run(query: &str) -> Result<QueryResult, QueryError> {
    let store = store();
    evaluate_instant(&Plan::new(query, &store)?, NOW, LOOKBACK_MILLIS)
}

/// Returns the labels and the numbers of a vector; labels as `name=value`, without those of resource and scope.
fn vector(query: &str) -> Vec<(String, f64)> {
    let QueryResult::Vector(elements) = run(query).unwrap_or_else(|error| panic!("{query}: {error}")) else {
        panic!("{query} is not a vector")
    };
    let number = |sample: &Sample| sample.number().unwrap_or_else(|| panic!("{query} has histograms"));
    elements.iter().map(|element| (shown(&element.labels), number(&element.sample))).collect()
}

fn shown(labels: &LabelSet) -> String {
    let own = labels.iter().filter(|(name, _)| !name.starts_with("@resource") && !name.starts_with("@instr"));
    own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

fn expect(query: &str, expected: &[(&str, f64)]) {
    let found = vector(query);
    let is_close = |(found, expected): (&(String, f64), &(&str, f64))| {
        found.0 == expected.0 && (found.1 - expected.1).abs() <= 1e-9 * expected.1.abs()
    };
    let all = found.len() == expected.len() && found.iter().zip(expected).all(is_close);
    assert!(all, "{query}\nfound    {found:?}\nexpected {expected:?}");
}

#[test]
fn selectors_find_series_by_any_label() {
    let cart = [
        ("__name__=http.requests,http.response.status_code=200,http.route=/cart", 3.0),
        ("__name__=http.requests,http.response.status_code=500,http.route=/cart", 0.0),
    ];
    for query in [
        r#"{"http.requests", "http.route"="/cart"}"#,
        r#"{__name__="http.requests", "http.route"=~"/c.*"}"#,
        r#"{"http.requests", "@datapoint.http.route"="/cart", "@resource.service.name"="shop"}"#,
        r#"{"http.requests", "http.route"!="/pay", "@instrumentation.@name"="acpw", missing=""}"#,
        r#"{"http.requests", "http.route"!~"/p.+"}"#,
    ] {
        expect(query, &cart);
    }
    expect(r#"{"http.requests", "@resource.service.name"="other"}"#, &[]);
    // The latest value of the last five minutes.
    let gauges = [("__name__=in_flight,host=a", 5.0), ("__name__=in_flight,host=b", 7.0)];
    expect("in_flight", &gauges);
    expect("in_flight offset 20s", &[("__name__=in_flight,host=a", 3.0), ("__name__=in_flight,host=stale", 9.0)]);
    expect("rpc", &[("__name__=rpc,quantile=0.5", 2.0), ("__name__=rpc,quantile=0.9", 4.0)]);
    expect("rpc_sum / rpc_count", &[("", 2.5)]);
}

#[test]
fn delta_sums_are_summed_over_the_window() {
    let own = |code: &str, route: &str| format!("http.response.status_code={code},http.route={route}");
    let names = [own("200", "/cart"), own("200", "/pay"), own("500", "/cart")];
    // The point of 60 seconds ago is outside: ranges exclude their start.
    let each = |values: [f64; 3]| names.iter().map(String::as_str).zip(values).collect::<Vec<_>>();
    expect(r#"increase({"http.requests"}[1m])"#, &each([5.0, 50.0, 1.0]));
    expect(r#"rate({"http.requests"}[1m])"#, &each([5.0 / 60.0, 50.0 / 60.0, 1.0 / 60.0]));
    expect(r#"sum_over_time({"http.requests"}[61s])"#, &each([6.0, 60.0, 1.0]));
    expect(r#"max_over_time({"http.requests"}[1m])"#, &each([3.0, 30.0, 1.0]));
    expect(r#"min_over_time({"http.requests"}[1m])"#, &each([2.0, 20.0, 0.0]));
    expect(r#"avg_over_time({"http.requests"}[1m])"#, &each([2.5, 25.0, 0.5]));
    expect(r#"count_over_time({"http.requests"}[2m])"#, &each([3.0, 3.0, 3.0]));
    expect(r#"increase({"http.requests"}[1m] offset 1m)"#, &each([1.0, 10.0, 0.0]));
    expect(
        r#"last_over_time(in_flight[1m])"#,
        &[("__name__=in_flight,host=a", 5.0), ("__name__=in_flight,host=b", 7.0)],
    );
}

#[test]
fn cumulative_sums_are_extrapolated_over_resets_as_in_prometheus() {
    // Samples from 50 to 0 seconds ago increase by 100, 100, 50 (from zero), 100 and 100: 450 in 50 seconds. The first
    // one is 10 seconds after the start of the window, which is not more than 1.1 intervals, so its gap counts.
    expect("increase(total[1m])", &[("", 450.0 * 60.0 / 50.0)]);
    expect("rate(total[1m])", &[("", 450.0 / 50.0)]);
    // 70 seconds before the first sample are too many: half an interval counts.
    expect("increase(total[2m])", &[("", 450.0 * 55.0 / 50.0)]);
    // One sample has no increase.
    expect("increase(total[10s])", &[]);
    // Extrapolation to before the counter was zero: 1 value became 5 in 60 seconds, so at most 15 seconds.
    expect("histogram_count(increase(grown[2m]))", &[("", 4.0 * 75.0 / 60.0)]);
}

#[test]
fn aggregations_group_by_labels() {
    let query =
        |operator: &str, grouping: &str| format!(r#"{operator} {grouping} (increase({{"http.requests"}}[1m]))"#);
    expect(&query("sum", r#"by ("http.route")"#), &[("http.route=/cart", 6.0), ("http.route=/pay", 50.0)]);
    expect(
        &query("sum", r#"by ("@datapoint.http.route")"#),
        &[("@datapoint.http.route=/cart", 6.0), ("@datapoint.http.route=/pay", 50.0)],
    );
    expect(&query("sum", ""), &[("", 56.0)]);
    expect(&query("avg", ""), &[("", 56.0 / 3.0)]);
    expect(&query("min", ""), &[("", 1.0)]);
    expect(&query("max", ""), &[("", 50.0)]);
    expect(
        &query("count", r#"without ("http.route")"#),
        &[("http.response.status_code=200", 2.0), ("http.response.status_code=500", 1.0)],
    );
    let QueryResult::Vector(elements) = run(r#"sum by ("@resource.service.name") (in_flight)"#).unwrap() else {
        panic!()
    };
    assert_eq!(elements[0].labels, LabelSet::from([("@resource.service.name".into(), "shop".into())]));
}

#[test]
fn quantiles_of_merged_histograms_are_within_a_bucket_of_the_exact_ones() {
    let width = 2_f64.powf(1.0 / 16.0);
    let all: Vec<f64> = (1..=100).chain(201..=300).map(f64::from).collect();
    for (quantile, exact) in [(0.01, all[1]), (0.245, all[48]), (0.9, all[179]), (0.99, all[197])] {
        let query = format!("histogram_quantile({quantile}, sum(increase(duration[1m])))");
        let [(_, found)] = vector(&query)[..] else { panic!("not one result") };
        assert!(found <= exact * width && found >= exact / width, "{query}: {found}, not {exact}");
    }
    expect("histogram_count(sum(increase(duration[1m])))", &[("", 200.0)]);
    expect("histogram_sum(sum(sum_over_time(duration[1m])))", &[("", all.iter().sum())]);
    expect("histogram_avg(increase(duration[1m]))", &[("http.route=/cart", 50.5), ("http.route=/pay", 250.5)]);
    // Only the later half is within 30 seconds.
    expect("histogram_count(rate(duration[30s])) * 30", &[("http.route=/cart", 50.0), ("http.route=/pay", 50.0)]);
    expect("histogram_count(duration)", &[("http.route=/cart", 50.0), ("http.route=/pay", 50.0)]);
    expect(r#"histogram_count(avg(duration))"#, &[("", 50.0)]);
    expect("histogram_quantile(0.5, in_flight)", &[]);
}

#[test]
fn arithmetic_and_comparisons_match_one_to_one() {
    let errors = r#"sum by ("http.route") (increase({"http.requests", "http.response.status_code"=~"5.."}[1m]))"#;
    let all = r#"sum by ("http.route") (increase({"http.requests"}[1m]))"#;
    expect(&format!("100 * {errors} / {all}"), &[("http.route=/cart", 100.0 / 6.0)]);
    expect(&format!("{all} - on (\"http.route\") {errors}"), &[("http.route=/cart", 5.0)]);
    expect(&format!("{all} > 10"), &[("http.route=/pay", 50.0)]);
    expect(&format!("{all} > bool 10"), &[("http.route=/cart", 0.0), ("http.route=/pay", 1.0)]);
    expect("2 < in_flight < 6", &[("__name__=in_flight,host=a", 5.0)]);
    expect("in_flight == in_flight", &[("__name__=in_flight,host=a", 5.0), ("__name__=in_flight,host=b", 7.0)]);
    expect("-in_flight % 4", &[("host=a", -1.0), ("host=b", -3.0)]);
    expect(&format!("{errors} or 0 * {all}"), &[("http.route=/cart", 1.0), ("http.route=/pay", 0.0)]);
    expect(&format!("{all} and {errors}"), &[("http.route=/cart", 6.0)]);
    expect(&format!("{all} unless {errors}"), &[("http.route=/pay", 50.0)]);
    expect("vector(3) + scalar(sum(in_flight)) ^ 2", &[("", 147.0)]);
    expect(
        "histogram_count(duration + duration) - histogram_count(duration)",
        &[("http.route=/cart", 50.0), ("http.route=/pay", 50.0)],
    );
    assert_eq!(run("1 + 2 * 3"), Ok(QueryResult::Scalar(7.0)));
    assert_eq!(run("time()"), Ok(QueryResult::Scalar(NOW as f64 / 1_000.0)));
    let twice = run(r#"{"http.requests"} * on ("http.route") {"http.requests"}"#).unwrap_err();
    assert!(twice.message.contains("found duplicate series"), "{twice}");
}

#[test]
fn a_range_query_evaluates_each_step() {
    let store = store();
    let plan = Plan::new(r#"sum(increase({"http.requests", "http.route"="/pay"}[30s]))"#, &store).unwrap();
    let result = evaluate_range(&plan, NOW - 60_000, NOW + 30_000, 30_000, LOOKBACK_MILLIS).unwrap();
    let QueryResult::Matrix(series) = result else { panic!() };
    let values: Vec<_> =
        series[0].samples.iter().map(|(time, sample)| ((time - NOW) / 1_000, sample.number().unwrap())).collect();
    assert_eq!((series.len(), values), (1, vec![(-60, 10.0), (-30, 20.0), (0, 30.0)]));
    let QueryResult::Matrix(raw) = run("total[25s]").unwrap() else { panic!() };
    assert_eq!(raw[0].samples.iter().map(|(time, _)| (NOW - time) / 1_000).collect::<Vec<_>>(), [20, 10, 0]);
    let range = Plan::new("total[25s]", &store).unwrap();
    assert_eq!(evaluate_range(&range, NOW, NOW, 1, LOOKBACK_MILLIS).unwrap_err().kind, QueryErrorKind::BadData);
}

#[test]
fn what_is_not_supported_is_named() {
    for (query, construct) in [
        ("label_replace(up, \"a\", \"b\", \"c\", \"d\")", "label_replace"),
        ("topk(3, up)", "topk"),
        ("rate(up[5m:1m])", "subqueries"),
        ("max_over_time(rate(up[5m])[1h:])", "subqueries"),
        ("up * on (a) group_left (b) down", "group_left"),
        ("up * on (a) group_right (b) down", "group_right"),
        ("up @ 1609746000", "@ modifier"),
        ("deriv(up[5m])", "deriv"),
        ("up atan2 up", "atan2"),
    ] {
        let error = run(query).unwrap_err();
        assert!(error.message.contains(construct) && error.kind == QueryErrorKind::Execution, "{query}: {error:?}");
        assert_eq!((error.status().as_u16(), error.error_type()), (422, "execution"));
    }
    for query in
        ["", "rate(", "rate(up)", "sum(1 +)", "{}", "up{a=~\"(\"}", "rate(up[1e30])", "up offset Inf", "rate(up[NaN])"]
    {
        let error = run(query).unwrap_err();
        assert_eq!((error.kind, error.status().as_u16()), (QueryErrorKind::BadData, 400), "{query}: {error}");
    }
}

#[test]
fn long_and_deep_queries_are_refused() {
    let wide = vec!["1"; 5_000].join("+");
    let deep = format!("{}1{}", "(".repeat(4_000), ")".repeat(4_000));
    let signs = format!("{}in_flight", "-".repeat(9_000));
    let calls = format!("{}up{}", "sum(".repeat(101), ")".repeat(101));
    for query in [wide, deep, signs, calls, " ".repeat(10_001)] {
        assert_eq!(run(&query).unwrap_err().kind, QueryErrorKind::BadData, "{}", &query[..20]);
    }
    assert_eq!(vector(&format!("{}in_flight{}", "sum(".repeat(98), ")".repeat(98))), [(String::new(), 12.0)]);
}

#[test]
fn a_query_that_reads_too_much_is_refused() {
    let mut store = OtlpStore::default();
    let gauge = id("g", OtlpKind::Gauge, None, &[]);
    store.put((0..1_000).map(|ago| (gauge.clone(), point(ago, PointValue::Number(1.0)))).collect(), NOW);
    let plan = Plan::new("sum_over_time(g[1h])", &store).unwrap();
    assert!(evaluate_range(&plan, NOW, NOW + 4_999, 1, LOOKBACK_MILLIS).is_ok());
    let error = evaluate_range(&plan, NOW, NOW + 5_000, 1, LOOKBACK_MILLIS).unwrap_err();
    assert!(error.message.contains("more than 5000000 data points"), "{error}");
}

#[test]
fn the_readme_lists_functions_that_are_supported() {
    let readme = include_str!("../../README.md");
    let list = readme.split_once("Supported are").unwrap().1.split_once("Everything else").unwrap().0;
    let names: Vec<_> = list.split('`').skip(1).step_by(2).collect();
    let is_function = |name: &&&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let keywords = ["by", "without", "on", "ignoring", "bool", "offset", "and", "or", "unless"];
    let functions: Vec<_> = names.iter().filter(is_function).filter(|name| !keywords.contains(name)).collect();
    assert_eq!(functions.len(), 20, "{functions:?}");
    for name in functions {
        let argument = match *name {
            "histogram_quantile" => "0.5, duration",
            "time" => "",
            "vector" => "1",
            range if range.ends_with("_over_time") || ["rate", "increase"].contains(&range) => "total[1m]",
            _ => "duration",
        };
        if let Err(error) = run(&format!("{name}({argument})")) {
            panic!("{name}: {error}");
        }
    }
    for operator in
        ["and", "or", "unless", "+", "-", "*", "/", "%", "^", "==", "> bool", "+ on (host)", "+ ignoring (missing)"]
    {
        assert!(run(&format!("in_flight {operator} in_flight")).is_ok(), "{operator}");
    }
}
