//! Envoy's own stats: built-in stats, and the stats of native mode, whose access logger replaces the sender.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::Ipv4Addr,
    process::Command,
    time::Duration,
};

use e2e::{
    ClientRequest, Listener, NAMESPACE, Pair, Route, Setup, TcpRelay, Upstream, eventually, installation, load, raw,
    table,
};
use hyper::Method;
use local_cloudwatch::{LocalCloudWatch, SeriesTotal};
use receiver::source::envoy::presets::{GROUPS, PresetMetric};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Timeout for data to arrive at CloudWatch. Histograms wait for a flush of Envoy's stats.
const LIMIT: Duration = Duration::from_secs(40);

/// The namespace of the metrics from Envoy's stats.
const NATIVE: &str = "Native";

/// Parses YAML.
fn yaml(text: &str) -> Value {
    let program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.argv[1])))";
    let output = Command::new(installation::python()).args(["-c", program, text]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn file(path: &str) -> String {
    fs::read_to_string(installation::root().join(path)).unwrap()
}

/// The example of native mode with `transform_stat`.
const WITH_TRANSFORM_STAT: &str = "envoy/native.yaml";
/// The example of native mode with `%CEL(…)%`.
const WITH_CEL: &str = "envoy/native-1.37.yaml";

/// Access loggers, and the rules for their stats.
type LoggersAndRules = (Vec<Value>, Vec<Value>);

/// Returns the access loggers and rules of an example.
fn example(name: &str) -> LoggersAndRules {
    let mut file = yaml(&file(name));
    let manager = &mut file["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let loggers = manager["access_log"].as_array().unwrap().clone();
    let receiver = file["stats_sinks"][0]["typed_config"]["config"]["configuration"]["value"].as_str().unwrap();
    let receiver: Value = serde_json::from_str(receiver).unwrap();
    (loggers, receiver["envoy_stats"]["rules"].as_array().unwrap().clone())
}

/// Returns the additional access loggers and rules in the document.
fn added() -> LoggersAndRules {
    let document = file("docs/sources.md");
    let (_, section) = document.split_once("## Native mode").unwrap();
    let block = |language: &str| {
        let (_, block) = section.split_once(&format!("```{language}\n")).unwrap();
        block.split_once("```").unwrap().0
    };
    let rules = serde_json::from_str(block("json")).unwrap();
    (yaml(block("yaml")).as_array().unwrap().clone(), rules)
}

/// Returns the metric names of rules.
fn names(rules: &[Value]) -> BTreeSet<String> {
    let metrics = rules.iter().flat_map(|rule| rule["metrics"].as_array().unwrap());
    metrics.map(|metric| metric.as_str().or(metric["name"].as_str()).unwrap().to_owned()).collect()
}

#[test]
fn every_group_is_documented() {
    let actual = table(&file("docs/sources.md"), "| group | metric |");
    let expected: Vec<_> = GROUPS
        .iter()
        .flat_map(|group| {
            let row = |metric: &PresetMetric| {
                let (stat, name) = group.names(metric);
                [group.name.to_owned(), name, metric.3.to_string(), stat]
            };
            group.metrics.iter().map(row)
        })
        .collect();
    assert_eq!(actual, expected);
}

#[test]
fn the_document_lists_the_metrics_of_native_mode() {
    let rows = table(&file("docs/metrics.md"), "| metric | unit |");
    let marked =
        |mark: &str| rows.iter().filter(|row| row[5] == mark).map(|row| row[0].clone()).collect::<BTreeSet<_>>();
    assert_eq!(marked("native"), names(&example(WITH_TRANSFORM_STAT).1));
    assert_eq!(marked("native"), names(&example(WITH_CEL).1));
    assert_eq!(marked("add"), names(&added().1));
    assert_eq!(marked("listener"), BTreeSet::from(["RequestsInProgress".to_owned()]));
}

/// A series within its namespace: metric, unit and dimensions.
type SeriesKey = (String, String, BTreeMap<String, String>);

fn totals(cloudwatch: &LocalCloudWatch, namespace: &str) -> BTreeMap<SeriesKey, SeriesTotal> {
    let totals = cloudwatch.totals(namespace).into_iter();
    totals.map(|total| ((total.metric_name.clone(), total.unit.clone(), total.dimensions.clone()), total)).collect()
}

/// Returns the number of samples and the sum of all series of a metric with these dimension names.
fn sum(totals: &BTreeMap<SeriesKey, SeriesTotal>, metric: &str, names: &[&str]) -> (f64, f64) {
    let matches = |(name, _, dimensions): &SeriesKey| name == metric && dimensions.keys().eq(names);
    let matching = totals.iter().filter(|(key, _)| matches(key));
    matching.fold((0.0, 0.0), |(count, sum), (_, total)| (count + total.count, sum + total.sum))
}

/// Returns a percentile of a series.
fn percentile(total: &SeriesTotal, share: f64) -> f64 {
    let mut values: Vec<_> = total.buckets.iter().flat_map(|bucket| bucket.values.clone()).collect();
    values.sort_by(|left, right| left.0.total_cmp(&right.0));
    let rank = (share * total.count).ceil();
    let mut below = 0.0;
    for (value, count) in values {
        below += count;
        if below >= rank {
            return value;
        }
    }
    panic!("{total:?} has no complete values")
}

/// Sends requests of all kinds to the measured host, and requests to other hosts. Returns the number of the former.
async fn send_all_kinds(pair: &Pair, upstream: &Upstream) -> u32 {
    let kinds = [
        ("/status/200", 20),
        ("/status/302", 3),
        ("/status/404", 4),
        ("/status/500", 2),
        ("/busy", 3),
        ("/nowhere", 2),
        ("/refused", 2),
        ("/reset", 2),
        ("/slow", 1),
        ("/flaky/1/a", 1),
        ("/bytes/5000", 30),
        ("/bytes/99", 3),
    ];
    let mut requests = Vec::new();
    for (path, times) in kinds {
        for n in 0..times {
            let host = ["example.com", "EXAMPLE.com", "example.com:8080", "Example.Com:80"][n % 4];
            let method = [Method::GET, Method::POST, Method::DELETE][n % 3].clone();
            requests.push(ClientRequest::new(method, host, path));
        }
    }
    for path in ["/grpc/0", "/grpc/0", "/grpc/5", "/refused"] {
        let request = ClientRequest::new(Method::POST, "example.com", path);
        requests.push(request.header("content-type", "application/grpc+proto"));
    }
    // Durations in milliseconds, and the number of requests with each. They are long, because the sender and Envoy's
    // stats measure the end of a request at slightly different times.
    for (millis, times) in [(50, 500), (120, 200), (400, 40)] {
        let path = format!("/sleep/{millis}");
        requests.extend((0..times).map(|_| ClientRequest::get("example.com", &path)));
    }
    let count = requests.len();
    let other_hosts = (0..200).map(|n| ClientRequest::get(&format!("host{n}.example.com"), "/status/200"));
    requests.extend(other_hosts);
    load(pair.address(), 32, requests).await;
    let before = upstream.requests().len();
    let left = raw::send(pair.address(), b"GET /hang HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    eventually("the upstream received the request", Duration::from_secs(5), async || {
        if upstream.requests().len() > before { Ok(()) } else { Err("it has not") }
    })
    .await;
    drop(left);
    u32::try_from(count).unwrap() + 1
}

async fn publishes_the_same_metrics_as_the_sender(name: &str) {
    let ((loggers, rules), (mut more_loggers, more_rules)) = (example(name), added());
    if name == WITH_CEL {
        for logger in &mut more_loggers {
            let fields = logger["typed_config"].as_object_mut().unwrap();
            let scope = fields.remove("stats_scope").unwrap();
            fields.insert("stat_prefix".to_owned(), scope["prefix"].clone());
        }
    }
    let (by_all_sets, by_host) = (names(&rules), names(&more_rules));
    let metrics: BTreeSet<_> = by_all_sets.union(&by_host).cloned().collect();
    let sets = rules[0]["dimension_sets"].clone();
    let envoy_stats = json!({
        "cluster_name": "envoy_admin",
        "interval_millisecond": 1_000,
        "metric_namespace": NATIVE,
        "rules": rules.iter().chain(&more_rules).collect::<Vec<_>>(),
    });

    let (admin, upstream) = (TcpRelay::start().await, Upstream::start().await);
    let nowhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let listener = Listener::new("main")
        .with("access_log", [loggers, more_loggers].concat().into())
        .route(Route::direct("/busy", 503))
        .route(Route::cluster("/refused", "nowhere"))
        .route(Route::cluster("/slow", "upstream").with("prefix_rewrite", "/hang").with("timeout", "0.2s"))
        .route(
            Route::cluster("/flaky", "upstream").with("retry_policy", json!({ "retry_on": "5xx", "num_retries": 1 })),
        );
    let listener = ["/status", "/sleep", "/reset", "/hang", "/bytes", "/grpc"]
        .into_iter()
        .fold(listener, |listener, prefix| listener.route(Route::cluster(prefix, "upstream")));
    let mut pair = Pair::start(Setup {
        sender: json!({ "match_hosts": ["example.com"], "metrics": metrics, "dimension_sets": sets }),
        receiver: json!({ "envoy_stats": envoy_stats }),
        listener,
        clusters: vec![("upstream", upstream.address()), ("nowhere", nowhere), ("envoy_admin", admin.address())],
        ..Setup::default()
    })
    .await;
    // Requests before the first poll also count.
    let requests = f64::from(send_all_kinds(&pair, &upstream).await);
    admin.set_target(pair.envoy.admin().address());

    let (sender, native) = eventually("both publish all requests", LIMIT, async || {
        let [sender, native] = [NAMESPACE, NATIVE].map(|namespace| totals(&pair.cloudwatch, namespace));
        let actual = [&sender, &native].map(|totals| sum(totals, "RequestCount", &["host"]));
        let counts = |metric: &str| [&sender, &native].map(|totals| sum(totals, metric, &["host"]).0);
        let others =
            ["TargetResponseTime", "ResponseBytes", "RequestBytes", "BufferSize", "RequestBodySize", "RetryCount"]
                .map(counts);
        let latency = sum(&native, "Latency", &["host"]).0;
        let is_all = actual == [(requests, requests); 2]
            && others.iter().all(|actual| actual[0] == actual[1])
            && latency == requests - 1.0;
        let message = format!("{requests} requests: {actual:?}, {others:?}, {latency}");
        if is_all { Ok((sender, native)) } else { Err(message) }
    })
    .await;
    let is_published = |key: &&SeriesKey| by_all_sets.contains(&key.0) || key.2.len() == 1;
    for (key, total) in sender.iter().filter(|(key, _)| is_published(key)) {
        let left = key.2.get("status").is_some_and(|status| status == "0");
        let mut count = total.count;
        if key.0 == "Latency" {
            // The request whose client disconnected has no end of the response.
            if left {
                assert!(!native.contains_key(key), "{key:?}");
                continue;
            }
            count -= f64::from(u8::from(key.2.len() == 1));
        }
        let actual = native.get(key).unwrap_or_else(|| panic!("native mode does not publish {key:?}"));
        assert_eq!(actual.count, count, "{key:?}");
        if key.1 == "Count" {
            assert_eq!((actual.sum, actual.min, actual.max), (total.sum, total.min, total.max), "{key:?}");
        } else if count > 100.0 {
            for share in [0.1, 0.5, 0.9, 0.99] {
                let (exact, native) = (percentile(total, share), percentile(actual, share));
                // Envoy's buckets are within 5 % of their middle, and both sides round values for CloudWatch.
                let bound = exact * 0.08 + 2.0;
                assert!(
                    (native - exact).abs() <= bound,
                    "p{} of {key:?}: expected {exact}, got {native}",
                    share * 100.0
                );
            }
            assert!((actual.sum - total.sum).abs() <= 0.05 * total.sum, "{key:?}: {} {}", actual.sum, total.sum);
        }
    }
    assert!(native.keys().all(|key| sender.contains_key(key)), "{native:?}");
    let actual: BTreeSet<_> = native.keys().map(|(name, ..)| name.clone()).collect();
    assert_eq!(actual, metrics);
    // Other hosts have no stats.
    let stats = pair.envoy.admin().stats("^acpw\\.").await;
    assert!(!stats.is_empty() && stats.keys().all(|name| name.contains(".host.example.com.")), "{stats:#?}");
    assert!(pair.cloudwatch.calls().iter().all(|call| call.is_stored), "{:?}", pair.cloudwatch.calls());
    pair.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn native_mode_publishes_the_same_metrics_as_the_sender() {
    publishes_the_same_metrics_as_the_sender(WITH_TRANSFORM_STAT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_mode_with_cel_publishes_the_same_metrics_as_the_sender() {
    publishes_the_same_metrics_as_the_sender(WITH_CEL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_publish_envoys_built_in_stats() {
    let (admin, upstream) = (TcpRelay::start().await, Upstream::start().await);
    let envoy_stats = json!({
        "cluster_name": "envoy_admin",
        "metric_namespace": NATIVE,
        "interval_millisecond": 1_000,
        "groups": ["upstream", "downstream", "server"],
        "dimensions": { "ServiceName": "shop" },
    });
    let mut pair = Pair::start(Setup {
        receiver: json!({ "envoy_stats": envoy_stats }),
        listener: Listener::new("main").route(Route::cluster("/", "upstream")),
        clusters: vec![("upstream", upstream.address()), ("envoy_admin", admin.address())],
        ..Setup::default()
    })
    .await;
    admin.set_target(pair.envoy.admin().address());

    let key = |metric: &str, unit: &str, of: &[(&str, &str)]| {
        let dimensions = of.iter().chain(&[("ServiceName", "shop")]);
        (metric.to_owned(), unit.to_owned(), dimensions.map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    };
    let cluster = [("Cluster", "upstream")];
    let mut sent = 0u32;
    for (times, path) in [(30, "/status/200"), (20, "/status/503")] {
        // All earlier counts are published before this resets the counters.
        pair.envoy.admin().post("/reset_counters").await;
        let requests = (0..times).map(|_| ClientRequest::get("example.com", path)).collect();
        load(pair.address(), 4, requests).await;
        sent += times;
        let sent = f64::from(sent);
        eventually("all requests are published", LIMIT, async || {
            let totals = totals(&pair.cloudwatch, NATIVE);
            let of = |key: &SeriesKey| totals.get(key).map_or((0.0, 0.0), |total| (total.count, total.sum));
            let actual = [
                of(&key("UpstreamRequestCount", "Count", &cluster)),
                of(&key("DownstreamRequestCount", "Count", &[("StatPrefix", "main")])),
            ];
            let times = [
                of(&key("UpstreamResponseTime", "Milliseconds", &cluster)).0,
                of(&key("DownstreamLatency", "Milliseconds", &[("StatPrefix", "main")])).0,
            ];
            if actual == [(sent, sent); 2] && times == [sent; 2] {
                Ok(())
            } else {
                Err(format!("{actual:?} {times:?}"))
            }
        })
        .await;
    }
    let totals = totals(&pair.cloudwatch, NATIVE);
    let of = |metric: &str, unit: &str, dimensions: &[(&str, &str)]| totals[&key(metric, unit, dimensions)].clone();
    assert_eq!(of("UpstreamHTTPCode_2XX_Count", "Count", &cluster).sum, 30.0);
    assert_eq!(of("UpstreamHTTPCode_5XX_Count", "Count", &cluster).sum, 20.0);
    assert_eq!(of("DownstreamHTTPCode_5XX_Count", "Count", &[("StatPrefix", "main")]).sum, 20.0);
    assert_eq!(of("HealthyHostCount", "Count", &cluster).max, 1.0);
    assert!(of("UpstreamConnections", "Count", &cluster).max >= 1.0);
    assert!(of("MemoryAllocated", "Bytes", &[]).min > 1e6);
    assert!(of("Uptime", "Seconds", &[]).max >= 1.0);
    pair.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_virtual_host_group_publishes_virtual_clusters() {
    let (admin, upstream) = (TcpRelay::start().await, Upstream::start().await);
    let nowhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let of_prefix =
        |name, prefix| json!({ "name": name, "headers": [{ "name": ":path", "string_match": { "prefix": prefix } }] });
    let route = |prefix, action| json!({ "match": { "prefix": prefix }, "route": action });
    let retry = json!({ "retry_on": "5xx", "num_retries": 1 });
    // The names of virtual hosts often contain dots.
    let virtual_host = json!({
        "name": "shop.example.com",
        "domains": ["*"],
        "virtual_clusters": [
            of_prefix("status", "/status"),
            of_prefix("flaky.reads", "/flaky"),
            of_prefix("refused", "/refused"),
            of_prefix("slow", "/hang"),
            of_prefix("direct", "/direct"),
        ],
        "routes": [
            { "match": { "prefix": "/direct" }, "direct_response": { "status": 503 } },
            route("/refused", json!({ "cluster": "nowhere" })),
            route("/hang", json!({ "cluster": "upstream", "timeout": "0.2s" })),
            route("/", json!({ "cluster": "upstream", "retry_policy": retry })),
        ],
    });
    let mut pair = Pair::start(Setup {
        receiver: json!({ "envoy_stats": {
            "cluster_name": "envoy_admin",
            "metric_namespace": NATIVE,
            "interval_millisecond": 1_000,
            "groups": ["virtual_host"],
        } }),
        listener: Listener::new("main").with("route_config", json!({ "virtual_hosts": [virtual_host] })),
        clusters: vec![("upstream", upstream.address()), ("nowhere", nowhere), ("envoy_admin", admin.address())],
        ..Setup::default()
    })
    .await;
    let kinds = [
        ("/status/200", 5),
        ("/status/302", 3),
        ("/status/404", 2),
        ("/flaky/1/a", 1),
        ("/flaky/1/b", 1),
        ("/refused", 4),
        ("/hang", 1),
        ("/direct", 2),
        ("/bytes/5", 6),
    ];
    let requests = kinds.iter().flat_map(|(path, times)| (0..*times).map(|_| ClientRequest::get("example.com", path)));
    load(pair.address(), 4, requests.collect()).await;
    admin.set_target(pair.envoy.admin().address());

    // A request counts once, even if it was retried or did not reach an upstream. Direct responses have no stats, and
    // requests that timed out have no response time.
    let expected = [
        ("status", "HTTPCode_2XX_Count", 5.0),
        ("status", "HTTPCode_3XX_Count", 3.0),
        ("status", "HTTPCode_4XX_Count", 2.0),
        ("status", "RequestCount", 10.0),
        ("status", "ResponseTime", 10.0),
        ("flaky.reads", "HTTPCode_2XX_Count", 2.0),
        ("flaky.reads", "RequestCount", 2.0),
        ("flaky.reads", "ResponseTime", 2.0),
        ("flaky.reads", "RetryCount", 2.0),
        ("refused", "HTTPCode_5XX_Count", 4.0),
        ("refused", "RequestCount", 4.0),
        ("slow", "HTTPCode_5XX_Count", 1.0),
        ("slow", "RequestCount", 1.0),
        ("slow", "TimeoutCount", 1.0),
        ("other", "HTTPCode_2XX_Count", 6.0),
        ("other", "RequestCount", 6.0),
        ("other", "ResponseTime", 6.0),
    ];
    let key = |name: &str, metric: &str| {
        let unit = if metric == "ResponseTime" { "Milliseconds" } else { "Count" };
        let dimensions = [("VirtualHost", "shop.example.com"), ("VirtualCluster", name)];
        let dimensions = dimensions.map(|(name, value)| (name.to_owned(), value.to_owned()));
        (format!("VirtualHost{metric}"), unit.to_owned(), BTreeMap::from(dimensions))
    };
    let expected: BTreeMap<SeriesKey, f64> = expected.map(|(name, metric, count)| (key(name, metric), count)).into();
    eventually("all virtual clusters are published", LIMIT, async || {
        let actual = totals(&pair.cloudwatch, NATIVE).into_iter().map(|(key, total)| (key, total.count));
        let actual: BTreeMap<_, _> = actual.collect();
        if actual == expected { Ok(()) } else { Err(format!("{actual:#?}")) }
    })
    .await;
    pair.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_name_with_dots_is_counted_once() {
    const DOTTED: &str = "outbound|443||graph.example.com";
    let (admin, upstream) = (TcpRelay::start().await, Upstream::start().await);
    let rule = |name: &str, pattern: &str| json!({ "counter": pattern, "metrics": [name] });
    let envoy_stats = json!({
        "cluster_name": "envoy_admin",
        "metric_namespace": NATIVE,
        "interval_millisecond": 1_000,
        "groups": ["upstream"],
        "rules": [
            rule("Any", "cluster.{Cluster*}.upstream_rq_completed"),
            rule("Part", "cluster.{Cluster}.{part}.upstream_rq_completed"),
        ],
    });
    let mut pair = Pair::start(Setup {
        receiver: json!({ "envoy_stats": envoy_stats }),
        listener: Listener::new("main").route(Route::cluster("/status", DOTTED)).route(Route::cluster("/", "upstream")),
        clusters: vec![
            ("upstream", upstream.address()),
            (DOTTED, upstream.address()),
            ("envoy_admin", admin.address()),
        ],
        ..Setup::default()
    })
    .await;
    let requests = ["/status/200", "/status/200", "/status/503", "/bytes/5"];
    load(pair.address(), 2, requests.iter().map(|path| ClientRequest::get("example.com", path)).collect()).await;
    admin.set_target(pair.envoy.admin().address());
    let counted = |totals: &BTreeMap<SeriesKey, SeriesTotal>, metric: &str| {
        let of = totals.iter().filter(|((name, ..), _)| name == metric);
        let own = of.filter(|((.., dimensions), _)| ["upstream", DOTTED].contains(&dimensions["Cluster"].as_str()));
        own.map(|((.., dimensions), total)| (dimensions["Cluster"].clone(), total.sum)).collect::<BTreeMap<_, _>>()
    };
    let expected = BTreeMap::from([(DOTTED.to_owned(), 3.0), ("upstream".to_owned(), 1.0)]);
    eventually("all clusters are published", LIMIT, async || {
        let totals = totals(&pair.cloudwatch, NATIVE);
        let actual = ["UpstreamRequestCount", "Any", "Part"].map(|metric| counted(&totals, metric));
        if actual.iter().all(|actual| *actual == expected) { Ok(()) } else { Err(format!("{actual:?}")) }
    })
    .await;
    let totals = totals(&pair.cloudwatch, NATIVE);
    // Envoy also counts each request in the stats `internal` or `external`, which must not be taken for cluster names.
    let mut clusters = totals.keys().filter_map(|(.., dimensions)| dimensions.get("Cluster"));
    assert!(clusters.all(|name| !name.ends_with(".external") && !name.ends_with(".internal")), "{:?}", totals.keys());
    let mut parts = totals.keys().filter_map(|(.., dimensions)| dimensions.get("part"));
    assert!(parts.all(|part| ["internal", "external"].contains(&part.as_str())), "{:?}", totals.keys());
    pair.envoy.assert_healthy();
}
