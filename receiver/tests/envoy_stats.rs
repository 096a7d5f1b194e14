//! Tests polls of an Envoy admin interface that responds, fails, hangs and lies, in virtual time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use acpw_metric::{Accumulator, Distribution, Now, Timestamp};
use receiver::{
    ReceiverConfig,
    call::Response,
    source::{SourceCounts, SourceId, Sources},
};
use serde_json::{Value, json};

const START: u64 = 1_787_402_160_000;

/// The stat that shows that no earlier receiver has read a response.
const FIRST: (&str, u64) = ("wasmcustom.acpw.receiver.sources.answers", 0);

fn config(envoy_stats: &Value) -> Result<ReceiverConfig, Vec<String>> {
    let document = json!({
        "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "aws_access_key_id": "AKID",
        "aws_secret_access_key": "secret", "envoy_stats": envoy_stats,
    });
    ReceiverConfig::from_json(document.to_string().as_bytes(), |_| None).map_err(|errors| errors.lines().collect())
}

fn counter(pattern: &str, metrics: Value) -> Value {
    json!({ "cluster_name": "admin", "rules": [{ "counter": pattern, "metrics": metrics }] })
}

/// Returns a response of `/stats?format=json` with counters or gauges.
fn numbers(stats: &[(&str, u64)]) -> String {
    let stats: Vec<_> = stats.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({ "stats": stats }).to_string()
}

/// A bucket's lower bound, width and count.
type Bucket = (f64, f64, u64);

/// Returns a response of `/stats?format=json` with histograms.
fn histograms(stats: &[(&str, &[Bucket])]) -> String {
    let details = stats.iter().map(|(name, totals)| {
        let totals = totals.iter().map(|(lower_bound, width, count)| {
            format!(r#"{{"lower_bound":{lower_bound},"width":{width},"count":{count}}}"#)
        });
        format!(
            r#"{{"name":"{name}","totals":[{}],"intervals":[],"percentiles":[]}}"#,
            totals.collect::<Vec<_>>().join(",")
        )
    });
    let details = details.collect::<Vec<_>>().join(",");
    format!(r#"{{"stats":[{{"histograms":{{"supported_percentiles":[0,25],"details":[{details}]}}}}]}}"#)
}

/// Polls sources with five ticks per second.
struct Poller {
    sources: Sources,
    millis: u64,
    data: Accumulator,
}

impl Poller {
    fn new(envoy_stats: &Value) -> Self {
        Self { sources: Sources::new(config(envoy_stats).unwrap().sources), millis: 0, data: Accumulator::default() }
    }

    fn now(&self) -> Now {
        Now { wall: Timestamp::from_millis(START + self.millis), steady: Duration::from_millis(self.millis) }
    }

    /// Ticks until the next request, and returns its path.
    fn next_request(&mut self) -> (SourceId, String) {
        for _ in 0..100 {
            if let Some((id, call)) = self.sources.poll_call(self.now()) {
                let path = call.headers.iter().find(|(name, _)| *name == ":path").unwrap().1.clone();
                return (id, path);
            }
            self.tick();
        }
        panic!("there was no request")
    }

    fn tick(&mut self) {
        self.millis += 200;
        for data in self.sources.poll_data() {
            self.data.merge(data.data);
        }
    }

    /// Responds to the next request, and returns its path.
    fn respond(&mut self, body: &str) -> String {
        let (id, path) = self.next_request();
        let answer = Response::Complete { status: 200, body: body.as_bytes().to_vec(), date: None };
        let now = self.now();
        self.sources.handle_answer(id, answer, now);
        self.tick();
        path
    }

    /// Returns the series published since the last call: name with dimensions and unit, sample count and sum.
    fn published(&mut self) -> Vec<(String, f64, f64)> {
        let all = self.distributions().into_iter();
        all.map(|(name, distribution)| (name, distribution.sample_count(), distribution.sum())).collect()
    }

    fn distributions(&mut self) -> Vec<(String, Distribution)> {
        let data = std::mem::take(&mut self.data);
        let of =
            |(_, dimensions, distributions): (_, &acpw_metric::Dimensions, &[(acpw_metric::Metric, Distribution)])| {
                let values: String = dimensions.iter().map(|(name, value)| format!(" {name}={value}")).collect();
                let named = distributions.iter().map(|(metric, distribution)| {
                    (format!("{}{values} {}", metric.name, metric.unit), distribution.clone())
                });
                named.collect::<Vec<_>>()
            };
        let mut all: Vec<_> = data.iter().flat_map(of).collect();
        all.sort_by(|left, right| left.0.cmp(&right.0));
        all
    }

    fn counts(&self) -> SourceCounts {
        self.sources.counts()
    }
}

fn datum(name: &str, samples: f64, sum: f64) -> (String, f64, f64) {
    (name.to_owned(), samples, sum)
}

#[test]
fn each_type_is_requested_with_a_filter() {
    let mut poller = Poller::new(&json!({
        "cluster_name": "admin",
        "rules": [
            { "counter": "a.{x}.b", "metrics": ["A"] },
            { "counter": "c-d", "metrics": ["C"] },
            { "gauge": "e.{y*}", "metrics": ["E"] },
            { "histogram": "f.{z}", "metrics": ["F"] },
        ],
    }));
    let base = "/stats?format=json&type=";
    assert_eq!(poller.respond(&numbers(&[])), format!("{base}Gauges&filter=%5E%28%3F%3Ae%5C..%2A%29%24"));
    assert_eq!(
        poller.respond(&numbers(&[])),
        format!(
            "{base}Counters&filter=%5E%28%3F%3Aa%5C.%5B%5E.%5D%2A%5C.b%7Cc%5C-d%7Cwasmcustom.acpw.receiver.sources.answers%29%24"
        )
    );
    let histograms =
        format!("{base}Histograms&usedonly&histogram_buckets=detailed&filter=%5E%28%3F%3Af%5C.%5B%5E.%5D%2A%29%24");
    assert_eq!(poller.respond(&numbers(&[])), histograms);
    let first = poller.millis;
    poller.respond(&numbers(&[]));
    assert!((9_000..=10_800).contains(&(poller.millis - first)), "{}", poller.millis - first);
    let counters = format!("{base}Counters&usedonly&filter=%5E%28%3F%3Aa%5C.%5B%5E.%5D%2A%5C.b%7Cc%5C-d%29%24");
    assert_eq!(poller.respond(&numbers(&[])), counters);
    assert_eq!(poller.counts().answers, 5);
}

#[test]
fn events_are_ones_and_conditions_make_zeros_and_ones() {
    let mut poller = Poller::new(&json!({
        "cluster_name": "admin",
        "dimensions": { "Service": "shop" },
        "rules": [{
            "counter": "rq.host.{host*}.status.{status}.by.{by}",
            "metrics": [
                "RequestCount",
                { "name": "5XXError", "ones": { "status": "5*" } },
                { "name": "Own", "only": { "by": "!target" } },
                { "name": "Whole", "unit": "Bytes", "scale": 2.5 },
            ],
            "dimension_sets": [["host", "Service"]],
        }],
    }));
    poller.respond(&numbers(&[
        FIRST,
        ("rq.host.a.b.status.200.by.target", 5),
        ("rq.host.a.b.status.503.by.envoy", 2),
        ("rq.host..status.200.by.target", 9),
    ]));
    let expected = [
        datum("5XXError Service=shop host=a.b Count", 7.0, 2.0),
        datum("Own Service=shop host=a.b Count", 2.0, 2.0),
        datum("RequestCount Service=shop host=a.b Count", 7.0, 7.0),
        datum("Whole Service=shop host=a.b Bytes", 2.0, 17.5),
    ];
    assert_eq!(poller.published(), expected);
    // A stat that has not increased is not published. A new stat counts in full.
    poller.respond(&numbers(&[
        ("rq.host.a.b.status.200.by.target", 5),
        ("rq.host.a.b.status.503.by.envoy", 2),
        ("rq.host.a.b.status.404.by.envoy", 1),
    ]));
    assert_eq!(poller.published()[2], datum("RequestCount Service=shop host=a.b Count", 1.0, 1.0));
    assert_eq!(poller.counts().gaps, 0);
}

#[test]
fn after_an_earlier_receiver_the_first_response_is_only_the_baseline() {
    for answers in [&[][..], &[(FIRST.0, 1)]] {
        let mut poller = Poller::new(&counter("a.{x}", json!(["A"])));
        poller.respond(&numbers(&[answers, &[("a.1", 5)]].concat()));
        assert_eq!(poller.published(), []);
        poller.respond(&numbers(&[("a.1", 8), ("a.2", 1)]));
        assert_eq!(poller.published(), [datum("A x=1 Count", 3.0, 3.0), datum("A x=2 Count", 1.0, 1.0)]);
        assert_eq!(poller.counts().gaps, 1);
    }
}

#[test]
fn histograms_are_published_as_the_middles_of_their_buckets() {
    let mut poller = Poller::new(&json!({
        "cluster_name": "admin",
        "rules": [{ "histogram": "t.{x}", "metrics": [{ "name": "T", "scale": 0.001 }] }],
    }));
    poller.respond(&numbers(&[FIRST]));
    poller.respond(&histograms(&[("t.1", &[(0.0, 0.0, 1), (97.0, 1.0, 2), (480.0, 10.0, 1)])]));
    let all = poller.distributions();
    let values: Vec<_> = all[0].1.values().collect();
    assert_eq!((all[0].0.as_str(), values), ("T x=1 Milliseconds", vec![(0.0, 1), (0.097, 2), (0.4845, 1)]));
    poller.respond(&histograms(&[("t.1", &[(0.0, 0.0, 1), (97.0, 1.0, 2), (480.0, 10.0, 3), (1e5, 1e4, 1)])]));
    let values: Vec<_> = poller.distributions()[0].1.values().collect();
    assert_eq!(values, [(0.4845, 2), (104.9995, 1)]);
}

#[test]
fn gauges_are_published_in_every_round() {
    let mut poller = Poller::new(&json!({
        "cluster_name": "admin", "max_stats": 2,
        "rules": [{ "gauge": "g.{x}", "metrics": ["G"], "dimension_sets": [[]] }],
    }));
    poller.respond(&numbers(&[("g.1", 3), ("g.2", 0), ("g.3", 100)]));
    assert_eq!(poller.published(), [datum("G Count", 2.0, 3.0)]);
    assert_eq!(poller.counts().over_limit, 1);
}

#[test]
fn a_large_response_is_read_over_several_ticks() {
    const STATS: u64 = 2_000;
    let mut poller = Poller::new(&counter("a.{x}", json!(["A"])));
    let names: Vec<_> = (0..STATS).map(|n| format!("a.{n:0>60}")).collect();
    let stats: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    poller.respond(&numbers(&[&[FIRST], stats.as_slice()].concat()));
    let mut ticks = 1;
    while poller.counts().answers == 0 {
        poller.tick();
        ticks += 1;
    }
    assert!((9..=12).contains(&ticks), "{ticks}");
    assert_eq!(poller.published().len() as u64, STATS);
}

#[test]
fn a_failed_round_is_counted_and_retried() {
    let mut poller = Poller::new(&json!({
        "cluster_name": "admin", "interval_millisecond": 1000,
        "rules": [{ "counter": "a", "metrics": ["A"] }, { "histogram": "h", "metrics": ["H"] }],
    }));
    poller.respond(&numbers(&[FIRST, ("a", 1)]));
    poller.respond(&histograms(&[]));
    let broken = histograms(&[("h", &[(1.0, 0.1, 1)])]);
    let complete = |status, body: &str| Response::Complete { status, body: body.as_bytes().to_vec(), date: None };
    let answers = [
        Response::Missing("upstream request timeout".to_owned()),
        complete(400, "Invalid regex"),
        complete(200, "<html></html>"),
        complete(200, &broken[..broken.len() - 6]),
        complete(200, r#"{"stats":[{"name":7,"value":1}]}"#),
        complete(200, r#"{"stats":[{"value":1}]}"#),
    ];
    for (failed, answer) in (1..).zip(answers) {
        let (id, path) = poller.next_request();
        assert!(path.contains("type=Counters"), "{path}");
        let now = poller.now();
        poller.sources.handle_answer(id, answer, now);
        poller.tick();
        assert_eq!(poller.counts().failed, failed);
    }
    // Counters without a number are gaps.
    poller.respond(
        r#"{"stats":[{"name":"a","value":null},{"name":"a"},{"name":"a","value":"5"},{"name":"a","value":-1}]}"#,
    );
    assert_eq!(poller.counts().gaps, 4);
    poller.respond(&histograms(&[]));
    // The baseline is from before the failures.
    poller.published();
    poller.respond(&numbers(&[("a", 4)]));
    assert_eq!(poller.published(), [datum("A Count", 4.0, 4.0)]);
}

#[test]
fn every_configuration_error_has_its_path() {
    let rule = |rule: Value| json!({ "cluster_name": "admin", "rules": [rule] });
    for (envoy_stats, error) in [
        (json!({ "groups": ["server"] }), "envoy_stats.cluster_name: is required"),
        (json!({ "cluster_name": "admin" }), "envoy_stats: must have groups or rules"),
        (json!({ "cluster_name": "a", "groups": ["servers"] }), "envoy_stats.groups[0]: unknown group \"servers\""),
        (
            json!({
                "cluster_name": "a", "dimensions": { "Zone": "a", "Service": "b" },
                "rules": [{ "counter": "a.{b}", "metrics": ["M"], "dimension_sets": [["b", "Zone"]] }],
            }),
            "envoy_stats.dimensions.Service: has no effect because no dimension set contains it; add it to one, or remove it",
        ),
        (
            json!({ "cluster_name": "a", "groups": ["server"], "max_stats": 0 }),
            "envoy_stats.max_stats: must be between ",
        ),
        (
            json!({ "cluster_name": "a", "groups": ["server"], "metric_namespace": "AWS/X" }),
            "envoy_stats.metric_namespace: ",
        ),
        (rule(json!({ "metrics": ["A"] })), "envoy_stats.rules[0]: must have exactly one of"),
        (
            rule(json!({ "counter": "a", "gauge": "a", "metrics": ["A"] })),
            "envoy_stats.rules[0]: must have exactly one of",
        ),
        (rule(json!({ "counter": "a.{", "metrics": ["A"] })), "envoy_stats.rules[0].counter: has a {"),
        (rule(json!({ "counter": "a" })), "envoy_stats.rules[0].metrics: is required"),
        (rule(json!({ "counter": "a", "metrics": [] })), "envoy_stats.rules[0].metrics: must have"),
        (rule(json!({ "counter": "a", "metrics": [{}] })), "envoy_stats.rules[0].metrics[0].name: is required"),
        (
            rule(json!({ "counter": "a", "metrics": [{ "name": "A", "unit": "Pounds" }] })),
            "envoy_stats.rules[0].metrics[0].unit: CloudWatch has no unit",
        ),
        (
            rule(json!({ "counter": "a", "metrics": [{ "name": "A", "scale": 0.0 }] })),
            "envoy_stats.rules[0].metrics[0].scale: must be greater than 0",
        ),
        (
            rule(json!({ "counter": "a.{x}", "metrics": [{ "name": "A", "only": { "y": "1" } }] })),
            "envoy_stats.rules[0].metrics[0].only.y: the pattern has no placeholder of this name",
        ),
        (
            rule(json!({ "gauge": "a.{x}", "metrics": [{ "name": "A", "ones": { "x": "1" } }] })),
            "envoy_stats.rules[0].metrics[0].ones: is only valid for counters",
        ),
        (
            rule(json!({ "counter": "a.{x}", "metrics": ["A"], "dimension_sets": [["x", "y"]] })),
            "envoy_stats.rules[0].dimension_sets[0][1]: neither a placeholder of the pattern nor a key of dimensions is named \"y\"",
        ),
        (
            rule(json!({ "counter": "a.{x}", "metrics": ["A"], "dimension_sets": [["x", "x"]] })),
            "envoy_stats.rules[0].dimension_sets[0][1]: \"x\" is listed twice",
        ),
    ] {
        let errors = config(&envoy_stats).unwrap_err();
        assert!(errors.len() == 1 && errors[0].starts_with(error), "{envoy_stats}: {errors:?}");
    }
    for (rules, is_valid) in [(63, true), (64, true), (65, false)] {
        let rules = vec![json!({ "counter": "a", "metrics": ["A"] }); rules];
        assert_eq!(config(&json!({ "cluster_name": "a", "rules": rules })).is_ok(), is_valid);
    }
}

/// Returns a response with the gauges that show the names of clusters.
fn clusters(names: &[&str]) -> String {
    let gauges: Vec<_> = names.iter().map(|name| (format!("cluster.{name}.membership_total"), 1)).collect();
    let gauges: Vec<_> = gauges.iter().map(|(name, level)| (name.as_str(), *level)).collect();
    numbers(&gauges)
}

fn notices(poller: &mut Poller) -> Vec<String> {
    std::iter::from_fn(|| poller.sources.poll_notice()).map(|notice| notice.to_string()).collect()
}

/// Requests as Envoy 1.40 counts them for three clusters. `a.internal` is not a cluster.
const COMPLETED: [(&str, u64); 7] = [
    ("cluster.a.external.upstream_rq_completed", 3),
    ("cluster.a.internal.upstream_rq_completed", 2),
    ("cluster.a.upstream_rq_completed", 5),
    ("cluster.outbound|443||graph.example.com.external.upstream_rq_completed", 7),
    ("cluster.outbound|443||graph.example.com.upstream_rq_completed", 7),
    ("cluster.outbound|80||db.example.com;.upstream_rq_completed", 2),
    ("cluster.outbound|80||db.example.com;.zone.a.b.upstream_rq_completed", 2),
];

#[test]
fn the_name_of_a_cluster_is_complete_and_excludes_its_parts() {
    let gauges = clusters(&["a", "outbound|443||graph.example.com", "outbound|80||db.example.com;"]);
    let expected = |name: &str| {
        [("a", 5.0), ("outbound|443||graph.example.com", 7.0), ("outbound|80||db.example.com", 2.0)]
            .map(|(cluster, sum)| datum(&format!("{name}={cluster} Count"), sum, sum))
    };
    for pattern in ["cluster.{c}.upstream_rq_completed", "cluster.{c*}.upstream_rq_completed"] {
        let mut poller = Poller::new(&counter(pattern, json!(["A"])));
        let path = poller.respond(&gauges);
        assert!(path.ends_with("type=Gauges&filter=%5E%28%3F%3Acluster%5C..%2A%5C.membership_total%29%24"), "{path}");
        poller.respond(&numbers(&[&[FIRST], COMPLETED.as_slice()].concat()));
        assert_eq!(poller.published(), expected("A c"), "{pattern}");
        assert_eq!((poller.counts().gaps, notices(&mut poller)), (0, Vec::new()));
    }
    // The group has its own gauges in the same response.
    let mut poller = Poller::new(&json!({ "cluster_name": "admin", "groups": ["upstream"] }));
    poller.respond(&gauges);
    let hosts: Vec<_> = poller.published().into_iter().map(|(name, ..)| name).collect();
    let names = ["a", "outbound|443||graph.example.com", "outbound|80||db.example.com"];
    assert_eq!(hosts, names.map(|name| format!("HostCount Cluster={name} Count")));
    poller.respond(&numbers(&[&[FIRST], COMPLETED.as_slice()].concat()));
    assert_eq!(poller.published(), expected("UpstreamRequestCount Cluster"));
    poller.respond(&histograms(&[
        ("cluster.outbound|443||graph.example.com.external.upstream_rq_time", &[(5.0, 0.1, 7)]),
        ("cluster.outbound|443||graph.example.com.upstream_rq_time", &[(5.0, 0.1, 7)]),
    ]));
    let name = "UpstreamResponseTime Cluster=outbound|443||graph.example.com Milliseconds";
    assert_eq!(poller.published(), [datum(name, 7.0, 35.0)]);
}

#[test]
fn a_stat_prefix_may_contain_dots() {
    let mut poller = Poller::new(&json!({ "cluster_name": "admin", "groups": ["downstream"] }));
    poller.respond(&numbers(&[
        ("http.in_0.0.0.0_80;.downstream_cx_active", 2),
        ("http.in_0.0.0.0_80;.downstream_rq_active", 1),
    ]));
    poller.published();
    poller.respond(&numbers(&[FIRST, ("http.in_0.0.0.0_80;.downstream_rq_completed", 4)]));
    assert_eq!(poller.published(), [datum("DownstreamRequestCount StatPrefix=in_0.0.0.0_80 Count", 4.0, 4.0)]);
}

#[test]
fn a_stat_of_two_clusters_is_ignored_and_logged_once() {
    let mut poller = Poller::new(&counter("cluster.{c}.upstream_rq_{kind}", json!(["A"])));
    for round in 1..4 {
        poller.respond(&clusters(&["a", "a.internal"]));
        let stats = [FIRST, COMPLETED[1], COMPLETED[2], ("cluster.a.internal.upstream_rq_total", 1)];
        poller.respond(&numbers(&stats));
        assert_eq!(poller.counts().gaps, round);
    }
    let expected = [datum("A c=a kind=completed Count", 5.0, 5.0), datum("A c=a.internal kind=total Count", 1.0, 1.0)];
    assert_eq!(poller.published(), expected);
    let expected = "envoy_stats: \"cluster.a.internal.upstream_rq_completed\" is ignored: it counts the requests of \
                    cluster \"a.internal\" and also some of cluster \"a\", which Envoy counts again under \"internal\". \
                    Set alt_stat_name in one of the clusters";
    assert_eq!(notices(&mut poller), [expected]);
}

#[test]
fn a_name_without_a_gauge_is_ignored_and_logged_once() {
    let completed = ("cluster.graph.example.com.upstream_rq_completed", 7);
    // The cluster may have been created after the gauges were read. Then it counts in the next round.
    let mut poller = Poller::new(&counter("cluster.{c}.upstream_rq_completed", json!(["A"])));
    poller.respond(&clusters(&["a"]));
    poller.respond(&numbers(&[FIRST, completed]));
    assert_eq!((poller.published(), poller.counts().gaps), (vec![], 1));
    poller.respond(&clusters(&["a", "graph.example.com"]));
    poller.respond(&numbers(&[completed]));
    assert_eq!((poller.published(), poller.counts().gaps), (vec![datum("A c=graph.example.com Count", 7.0, 7.0)], 1));
    assert_eq!(notices(&mut poller), Vec::<String>::new());

    let mut poller = Poller::new(&counter("cluster.{c}.upstream_rq_completed", json!(["A"])));
    for _ in 0..4 {
        poller.respond(&clusters(&[]));
        poller.respond(&numbers(&[FIRST, completed, COMPLETED[1], COMPLETED[2]]));
    }
    assert_eq!((poller.published(), poller.counts().gaps), (vec![datum("A c=a Count", 5.0, 5.0)], 4));
    let expected = "envoy_stats: \"cluster.graph.example.com.upstream_rq_completed\" is ignored: the name in it contains \
                    dots, and without a gauge \"cluster.NAME.membership_total\" its end is unknown. Make Envoy keep that \
                    gauge (stats_config.stats_matcher)";
    assert_eq!(notices(&mut poller), [expected]);
    // A placeholder with * accepts it, but not the parts of another cluster.
    let mut poller = Poller::new(&counter("cluster.{c*}.upstream_rq_completed", json!(["A"])));
    poller.respond(&clusters(&[]));
    poller.respond(&numbers(&[FIRST, completed, COMPLETED[1], COMPLETED[2]]));
    let expected = [datum("A c=a Count", 5.0, 5.0), datum("A c=graph.example.com Count", 7.0, 7.0)];
    assert_eq!((poller.published(), poller.counts().gaps), (expected.to_vec(), 0));
}

#[test]
fn the_documented_condition_counts_each_request_once() {
    let metrics = json!([{ "name": "A", "only": { "code": "*xx" } }]);
    let mut poller = Poller::new(&counter("cluster.{c}.upstream_rq_{code}", metrics));
    poller.respond(&clusters(&["a"]));
    let stats = ["200", "2xx", "completed", "total", "external.upstream_rq_2xx"]
        .map(|end| format!("cluster.a.upstream_rq_{end}"));
    let mut stats: Vec<_> = stats.iter().map(|name| (name.as_str(), 3)).collect();
    stats.extend([FIRST, ("cluster.a.external.upstream_rq_2xx", 3)]);
    poller.respond(&numbers(&stats));
    assert_eq!(poller.published(), [datum("A c=a code=2xx Count", 3.0, 3.0)]);
}
