//! Envoy's own stats: those that it keeps anyway, and those of its access logger in the sender's place.

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
    Listener, NAMESPACE, Pair, Relay, Request, Route, Setup, Upstream, eventually, installation, load, raw, table,
};
use hyper::Method;
use local_cloudwatch::{LocalCloudWatch, SeriesTotal};
use receiver::source::envoy::presets::{GROUPS, PresetMetric};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How long data may take to arrive at CloudWatch: histograms wait for a flush of Envoy's stats.
const LIMIT: Duration = Duration::from_secs(40);

/// The namespace of what Envoy's stats say.
const NATIVE: &str = "Native";

/// What a YAML text says.
fn yaml(text: &str) -> Value {
    let program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.argv[1])))";
    let output = Command::new(installation::python()).args(["-c", program, text]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn file(path: &str) -> String {
    fs::read_to_string(installation::root().join(path)).unwrap()
}

/// The examples of native mode.
const BY_TRANSFORMATION: &str = "envoy/native.yaml";
const BY_EXPRESSIONS: &str = "envoy/native-1.37.yaml";

/// Access loggers, and the rules of what they count.
type LoggersAndRules = (Vec<Value>, Vec<Value>);

/// Those of an example.
fn example(name: &str) -> LoggersAndRules {
    let mut file = yaml(&file(name));
    let manager = &mut file["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let loggers = manager["access_log"].as_array().unwrap().clone();
    let receiver = file["stats_sinks"][0]["typed_config"]["config"]["configuration"]["value"].as_str().unwrap();
    let receiver: Value = serde_json::from_str(receiver).unwrap();
    (loggers, receiver["envoy_stats"]["rules"].as_array().unwrap().clone())
}

/// Those that the document adds.
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

/// The names of the metrics of rules.
fn names(rules: &[Value]) -> BTreeSet<String> {
    let metrics = rules.iter().flat_map(|rule| rule["metrics"].as_array().unwrap());
    metrics.map(|metric| metric.as_str().or(metric["name"].as_str()).unwrap().to_owned()).collect()
}

#[test]
fn every_group_is_in_the_document() {
    let told = table(&file("docs/sources.md"), "| group | metric |");
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
    assert_eq!(told, expected);
}

#[test]
fn the_document_says_what_native_mode_tells() {
    let rows = table(&file("docs/metrics.md"), "| metric | unit |");
    let marked =
        |mark: &str| rows.iter().filter(|row| row[5] == mark).map(|row| row[0].clone()).collect::<BTreeSet<_>>();
    assert_eq!(marked("native"), names(&example(BY_TRANSFORMATION).1));
    assert_eq!(marked("native"), names(&example(BY_EXPRESSIONS).1));
    assert_eq!(marked("add"), names(&added().1));
    assert_eq!(marked("listener"), BTreeSet::from(["RequestsInProgress".to_owned()]));
}

/// A series within its namespace: metric, unit and dimensions.
type Key = (String, String, BTreeMap<String, String>);

fn totals(cloudwatch: &LocalCloudWatch, namespace: &str) -> BTreeMap<Key, SeriesTotal> {
    let totals = cloudwatch.totals(namespace).into_iter();
    totals.map(|total| ((total.metric_name.clone(), total.unit.clone(), total.dimensions.clone()), total)).collect()
}

/// The number of samples and the sum of all series of a metric that have dimensions of these names.
fn sum(totals: &BTreeMap<Key, SeriesTotal>, metric: &str, names: &[&str]) -> (f64, f64) {
    let is_wanted = |(name, _, dimensions): &Key| name == metric && dimensions.keys().eq(names);
    let wanted = totals.iter().filter(|(key, _)| is_wanted(key));
    wanted.fold((0.0, 0.0), |(count, sum), (_, total)| (count + total.count, sum + total.sum))
}

/// The value at this rank.
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
    panic!("{total:?} has not all of its values")
}

/// Requests of all kinds for the host that is measured, and what a stranger sends; gives how many of the former.
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
            requests.push(Request::new(method, host, path));
        }
    }
    for path in ["/grpc/0", "/grpc/0", "/grpc/5", "/refused"] {
        let request = Request::new(Method::POST, "example.com", path);
        requests.push(request.header("content-type", "application/grpc+proto"));
    }
    // Milliseconds, and how many requests take so long: long enough for the two clocks to stop at different moments.
    for (millis, times) in [(50, 500), (120, 200), (400, 40)] {
        let path = format!("/sleep/{millis}");
        requests.extend((0..times).map(|_| Request::get("example.com", &path)));
    }
    let count = requests.len();
    let strangers = (0..200).map(|n| Request::get(&format!("host{n}.example.com"), "/status/200"));
    requests.extend(strangers);
    load(pair.address(), 32, requests).await;
    let asked = upstream.seen().len();
    let left = raw::send(pair.address(), b"GET /hang HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    eventually("the upstream has the request", Duration::from_secs(5), async || {
        if upstream.seen().len() > asked { Ok(()) } else { Err("it has not") }
    })
    .await;
    drop(left);
    u32::try_from(count).unwrap() + 1
}

async fn tells_what_the_sender_tells(name: &str) {
    let ((loggers, rules), (mut more_loggers, more_rules)) = (example(name), added());
    if name == BY_EXPRESSIONS {
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

    let (admin, upstream) = (Relay::start().await, Upstream::start().await);
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
    // What comes before the first answer counts too.
    let requests = f64::from(send_all_kinds(&pair, &upstream).await);
    admin.lead_to(pair.envoy.admin().address());

    let (sender, native) = eventually("both tell of all requests", LIMIT, async || {
        let [sender, native] = [NAMESPACE, NATIVE].map(|namespace| totals(&pair.cloudwatch, namespace));
        let told = [&sender, &native].map(|totals| sum(totals, "RequestCount", &["host"]));
        let counts = |metric: &str| [&sender, &native].map(|totals| sum(totals, metric, &["host"]).0);
        let others = ["TargetResponseTime", "ResponseBytes", "RequestBytes", "BufferSize", "RetryCount"].map(counts);
        let latency = sum(&native, "Latency", &["host"]).0;
        let is_all = told == [(requests, requests); 2]
            && others.iter().all(|told| told[0] == told[1])
            && latency == requests - 1.0;
        let message = format!("{requests} requests: {told:?}, {others:?}, {latency}");
        if is_all { Ok((sender, native)) } else { Err(message) }
    })
    .await;
    let is_told = |key: &&Key| by_all_sets.contains(&key.0) || key.2.len() == 1;
    for (key, total) in sender.iter().filter(|(key, _)| is_told(key)) {
        let left = key.2.get("status").is_some_and(|status| status == "0");
        let mut count = total.count;
        if key.0 == "Latency" {
            // The one that the client left has no end of an answer.
            if left {
                assert!(!native.contains_key(key), "{key:?}");
                continue;
            }
            count -= f64::from(u8::from(key.2.len() == 1));
        }
        let told = native.get(key).unwrap_or_else(|| panic!("native mode has no {key:?}"));
        assert_eq!(told.count, count, "{key:?}");
        if key.1 == "Count" {
            assert_eq!((told.sum, told.min, told.max), (total.sum, total.min, total.max), "{key:?}");
        } else if count > 100.0 {
            for share in [0.1, 0.5, 0.9, 0.99] {
                let (exact, native) = (percentile(total, share), percentile(told, share));
                // A bucket of Envoy's is within 5 % of its middle, and both then become CloudWatch's values.
                let bound = exact * 0.08 + 2.0;
                assert!((native - exact).abs() <= bound, "p{} of {key:?}: {native}, not {exact}", share * 100.0);
            }
            assert!((told.sum - total.sum).abs() <= 0.05 * total.sum, "{key:?}: {} {}", told.sum, total.sum);
        }
    }
    assert!(native.keys().all(|key| sender.contains_key(key)), "{native:?}");
    let told: BTreeSet<_> = native.keys().map(|(name, ..)| name.clone()).collect();
    assert_eq!(told, metrics);
    // No stat is a stranger's.
    let stats = pair.envoy.admin().stats("^acpw\\.").await;
    assert!(!stats.is_empty() && stats.keys().all(|name| name.contains(".host.example.com.")), "{stats:#?}");
    assert!(pair.cloudwatch.calls().iter().all(|call| call.is_stored), "{:?}", pair.cloudwatch.calls());
    pair.envoy.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn native_mode_tells_what_the_sender_tells() {
    tells_what_the_sender_tells(BY_TRANSFORMATION).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_mode_by_expressions_tells_what_the_sender_tells() {
    tells_what_the_sender_tells(BY_EXPRESSIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_envoy_keeps_anyway_is_told_by_groups() {
    let (admin, upstream) = (Relay::start().await, Upstream::start().await);
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
    admin.lead_to(pair.envoy.admin().address());

    let key = |metric: &str, unit: &str, of: &[(&str, &str)]| {
        let dimensions = of.iter().chain(&[("ServiceName", "shop")]);
        (metric.to_owned(), unit.to_owned(), dimensions.map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    };
    let cluster = [("Cluster", "upstream")];
    let mut sent = 0u32;
    for (times, path) in [(30, "/status/200"), (20, "/status/503")] {
        // Everything that was counted before is published before the counters are set to zero.
        pair.envoy.admin().post("/reset_counters").await;
        let requests = (0..times).map(|_| Request::get("example.com", path)).collect();
        load(pair.address(), 4, requests).await;
        sent += times;
        let sent = f64::from(sent);
        eventually("all requests are told", LIMIT, async || {
            let totals = totals(&pair.cloudwatch, NATIVE);
            let of = |key: &Key| totals.get(key).map_or((0.0, 0.0), |total| (total.count, total.sum));
            let told = [
                of(&key("UpstreamRequestCount", "Count", &cluster)),
                of(&key("DownstreamRequestCount", "Count", &[("StatPrefix", "main")])),
            ];
            let times = [
                of(&key("UpstreamResponseTime", "Milliseconds", &cluster)).0,
                of(&key("DownstreamLatency", "Milliseconds", &[("StatPrefix", "main")])).0,
            ];
            if told == [(sent, sent); 2] && times == [sent; 2] { Ok(()) } else { Err(format!("{told:?} {times:?}")) }
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
    pair.envoy.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn virtual_clusters_are_told_by_their_group() {
    let (admin, upstream) = (Relay::start().await, Upstream::start().await);
    let nowhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let of_prefix =
        |name, prefix| json!({ "name": name, "headers": [{ "name": ":path", "string_match": { "prefix": prefix } }] });
    let route = |prefix, action| json!({ "match": { "prefix": prefix }, "route": action });
    let retry = json!({ "retry_on": "5xx", "num_retries": 1 });
    // Virtual hosts are mostly named by what they serve, with dots.
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
    let requests = kinds.iter().flat_map(|(path, times)| (0..*times).map(|_| Request::get("example.com", path)));
    load(pair.address(), 4, requests.collect()).await;
    admin.lead_to(pair.envoy.admin().address());

    // A request counts once, however often it was tried, and one that no upstream has seen counts too. What Envoy answers
    // itself has no stats, and what took too long no time.
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
    let expected: BTreeMap<Key, f64> = expected.map(|(name, metric, count)| (key(name, metric), count)).into();
    eventually("all virtual clusters are told", LIMIT, async || {
        let told = totals(&pair.cloudwatch, NATIVE).into_iter().map(|(key, total)| (key, total.count));
        let told: BTreeMap<_, _> = told.collect();
        if told == expected { Ok(()) } else { Err(format!("{told:#?}")) }
    })
    .await;
    pair.envoy.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_with_dots_counts_once_under_its_whole_name() {
    const DOTTED: &str = "outbound|443||graph.example.com";
    let (admin, upstream) = (Relay::start().await, Upstream::start().await);
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
    load(pair.address(), 2, requests.iter().map(|path| Request::get("example.com", path)).collect()).await;
    admin.lead_to(pair.envoy.admin().address());
    let counted = |totals: &BTreeMap<Key, SeriesTotal>, metric: &str| {
        let of = totals.iter().filter(|((name, ..), _)| name == metric);
        let own = of.filter(|((.., dimensions), _)| ["upstream", DOTTED].contains(&dimensions["Cluster"].as_str()));
        own.map(|((.., dimensions), total)| (dimensions["Cluster"].clone(), total.sum)).collect::<BTreeMap<_, _>>()
    };
    let expected = BTreeMap::from([(DOTTED.to_owned(), 3.0), ("upstream".to_owned(), 1.0)]);
    eventually("all requests are counted", LIMIT, async || {
        let totals = totals(&pair.cloudwatch, NATIVE);
        let told = ["UpstreamRequestCount", "Any", "Part"].map(|metric| counted(&totals, metric));
        if told.iter().all(|told| *told == expected) { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await;
    let totals = totals(&pair.cloudwatch, NATIVE);
    // Envoy counts each request in the part `internal` or `external` too, and no cluster is named after these.
    let mut clusters = totals.keys().filter_map(|(.., dimensions)| dimensions.get("Cluster"));
    assert!(clusters.all(|name| !name.ends_with(".external") && !name.ends_with(".internal")), "{:?}", totals.keys());
    let mut parts = totals.keys().filter_map(|(.., dimensions)| dimensions.get("part"));
    assert!(parts.all(|part| ["internal", "external"].contains(&part.as_str())), "{:?}", totals.keys());
    pair.envoy.assert_sound();
}
