//! Every metric of a real Envoy is stored exactly.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use e2e::{
    Bootstrap, ClientRequest, Connection, Envoy, Listener, NAMESPACE, Pair, Plugin, ReceiverAttachment, Route,
    SenderAttachment, Setup, Upstream, eventually, raw,
};
use hyper::Method;
use local_cloudwatch::{LocalCloudWatch, SeriesTotal, ServerOptions};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

/// Timeout for data to arrive at CloudWatch.
const LIMIT: Duration = Duration::from_secs(40);

/// Every metric that filters and access loggers have.
const METRICS: [&str; 20] = [
    "RequestCount",
    "Latency",
    "TargetResponseTime",
    "4XXError",
    "5XXError",
    "HTTPCode_Target_2XX_Count",
    "HTTPCode_Target_3XX_Count",
    "HTTPCode_Target_4XX_Count",
    "HTTPCode_Target_5XX_Count",
    "HTTPCode_Envoy_4XX_Count",
    "HTTPCode_Envoy_5XX_Count",
    "RequestBytes",
    "ResponseBytes",
    "GrpcRequestCount",
    "GrpcError",
    "TargetConnectionErrorCount",
    "RetryCount",
    "ClientDisconnectCount",
    "BufferSize",
    "RequestBodySize",
];

/// Returns an address on which nothing listens.
async fn unused_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

/// Returns a request with this value of the dimension `Kind`.
fn request(kind: &str, path: &str) -> ClientRequest {
    ClientRequest::get("example.com", path).header("x-kind", kind)
}

fn by_kind(metrics: &[&str]) -> Value {
    json!({
        "metrics": metrics,
        "dimensions": { "Kind": { "request_header": "X-Kind" }, "Service": "checkout" },
        "dimension_sets": [["Kind"], ["Service"]],
        "entity": { "service_name": "checkout", "environment": "eks:test/shop" },
    })
}

/// Returns the series by the value of their only dimension and their metric.
fn totals(cloudwatch: &LocalCloudWatch) -> BTreeMap<(String, String), SeriesTotal> {
    let totals = cloudwatch.totals(NAMESPACE).into_iter();
    totals
        .map(|total| {
            assert_eq!(total.dimensions.len(), 1, "{total:?}");
            let value = total.dimensions.values().next().unwrap().clone();
            ((value, total.metric_name.clone()), total)
        })
        .collect()
}

/// Waits until `requests` requests are stored in all sets and nothing is held.
async fn wait_for_requests(pair: &Pair, requests: f64) -> BTreeMap<(String, String), SeriesTotal> {
    let service = ("checkout".to_owned(), "RequestCount".to_owned());
    eventually("all requests are stored", LIMIT, async || {
        let totals = totals(&pair.cloudwatch);
        let stats = pair.envoy.admin().module_stats().await;
        let stored = totals.get(&service).map_or(0.0, |total| total.sum);
        let is_idle = stats["sender.held"] == 0
            && stats["receiver.held"] == 0
            && stats["sender.observed"] == stats["receiver.published"];
        if stored == requests && is_idle { Ok(totals) } else { Err(format!("{stored} of {requests}; {stats:#?}")) }
    })
    .await
}

/// Sends requests of many kinds. Returns the expected count and sum of each metric for each kind.
async fn send_all_kinds(pair: &Pair, upstream: &Upstream) -> Vec<(&'static str, Vec<(&'static str, f64, f64)>)> {
    let mut expected = Vec::new();
    let answered = [
        ("ok", "/status/200", 7, 200, "HTTPCode_Target_2XX_Count"),
        ("moved", "/status/302", 2, 302, "HTTPCode_Target_3XX_Count"),
        ("missing", "/status/404", 3, 404, "HTTPCode_Target_4XX_Count"),
        ("broken", "/status/500", 4, 500, "HTTPCode_Target_5XX_Count"),
        ("sized", "/bytes/5000", 3, 200, "HTTPCode_Target_2XX_Count"),
        ("direct", "/busy", 2, 503, "HTTPCode_Envoy_5XX_Count"),
        ("lost", "/no-route", 2, 404, "HTTPCode_Envoy_4XX_Count"),
        ("refused", "/refused", 2, 503, "HTTPCode_Envoy_5XX_Count"),
        ("reset", "/reset", 2, 503, "HTTPCode_Envoy_5XX_Count"),
        ("slow", "/slow", 1, 504, "HTTPCode_Envoy_5XX_Count"),
        ("retried", "/flaky/2/a", 1, 200, "HTTPCode_Target_2XX_Count"),
        ("exhausted", "/flaky/9/b", 1, 503, "HTTPCode_Target_5XX_Count"),
    ];
    for (kind, path, times, status, code_metric) in answered {
        for _ in 0..times {
            assert_eq!(pair.send(request(kind, path)).await, status, "{path}");
        }
        let count = f64::from(times);
        let is_target = code_metric.contains("Target");
        let errors = |class: u16| if status / 100 == class { count } else { 0.0 };
        let mut metrics = vec![
            ("RequestCount", count, count),
            ("4XXError", count, errors(4)),
            ("5XXError", count, errors(5)),
            (code_metric, count, count),
        ];
        match kind {
            "sized" => metrics.push(("BufferSize", count, 5_000.0 * count)),
            "refused" => metrics.push(("TargetConnectionErrorCount", count, count)),
            _ => {}
        }
        match kind {
            "retried" => metrics.push(("RetryCount", 1.0, 2.0)),
            "exhausted" => metrics.push(("RetryCount", 1.0, 3.0)),
            "direct" | "lost" => {}
            _ => metrics.push(("RetryCount", count, 0.0)),
        }
        assert_eq!(is_target, !matches!(kind, "direct" | "lost" | "refused" | "reset" | "slow"));
        expected.push((kind, metrics));
    }
    let grpc = [("grpc", "/grpc/0", 3, 0.0), ("grpc failed", "/grpc/5", 2, 1.0), ("grpc refused", "/refused", 1, 1.0)];
    for (kind, path, times, error) in grpc {
        for _ in 0..times {
            let request = ClientRequest::new(Method::POST, "example.com", path).header("x-kind", kind);
            assert_eq!(pair.send(request.header("content-type", "application/grpc+proto")).await, 200);
        }
        let count = f64::from(times);
        let metrics = vec![("GrpcRequestCount", count, count), ("GrpcError", count, count * error)];
        expected.push((kind, metrics));
    }
    for size in [0, 2_000, 4_000] {
        let request = ClientRequest::new(Method::POST, "example.com", "/status/200").header("x-kind", "posted");
        assert_eq!(pair.send(request.body(vec![b'x'; size])).await, 200);
    }
    expected.push(("posted", vec![("RequestBodySize", 3.0, 6_000.0)]));
    let before = upstream.requests().len();
    let client = raw::send(pair.address(), b"GET /hang HTTP/1.1\r\nHost: example.com\r\nX-Kind: left\r\n\r\n").await;
    eventually("the upstream received the request", Duration::from_secs(5), async || {
        if upstream.requests().len() > before { Ok(()) } else { Err("it has not") }
    })
    .await;
    drop(client);
    expected.push(("left", vec![("RequestCount", 1.0, 1.0), ("ClientDisconnectCount", 1.0, 1.0)]));
    expected
}

async fn every_metric_is_exact(sender_attachment: SenderAttachment) {
    let upstream = Upstream::start().await;
    let retries = json!({ "retry_on": "5xx", "num_retries": 3, "retry_back_off": { "base_interval": "0.01s" } });
    let listener = Listener::new("main")
        .route(Route::direct("/busy", 503))
        .route(Route::cluster("/refused", "nowhere"))
        .route(Route::cluster("/slow", "upstream").with("prefix_rewrite", "/hang").with("timeout", "0.2s"))
        .route(Route::cluster("/flaky", "upstream").with("retry_policy", retries))
        .route(Route::direct("/no-route/but/this", 200));
    let listener = ["/status", "/bytes", "/grpc", "/reset", "/hang"]
        .into_iter()
        .fold(listener, |listener, prefix| listener.route(Route::cluster(prefix, "upstream")));
    let clusters = vec![("upstream", upstream.address()), ("nowhere", unused_address().await)];
    let sender = by_kind(&METRICS);
    let mut pair = Pair::start(Setup { sender_attachment, sender, listener, clusters, ..Setup::default() }).await;

    let expected = send_all_kinds(&pair, &upstream).await;
    let kinds = expected.iter().map(|(kind, _)| *kind).collect::<Vec<_>>();
    let requests = 30.0 + 6.0 + 3.0 + 1.0;
    let totals = wait_for_requests(&pair, requests).await;

    for (kind, metrics) in &expected {
        for (metric, count, sum) in metrics {
            let total = totals.get(&((*kind).to_owned(), (*metric).to_owned()));
            let actual = total.map(|total| (total.count, total.sum));
            assert_eq!(actual, Some((*count, *sum)), "{metric} of {kind}");
        }
    }
    // Some metrics have values only for some kinds.
    let kinds_with = |metric: &str| {
        let all = totals.iter().filter(|((_, of), total)| of == metric && total.sum > 0.0);
        let mut found: Vec<_> = all.map(|((kind, _), _)| kind.as_str()).filter(|kind| kinds.contains(kind)).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(kinds_with("TargetConnectionErrorCount"), ["grpc refused", "refused"]);
    assert_eq!(kinds_with("ClientDisconnectCount"), ["left"]);
    assert_eq!(kinds_with("RetryCount"), ["exhausted", "retried"]);
    assert_eq!(kinds_with("GrpcRequestCount"), ["grpc", "grpc failed", "grpc refused"]);
    assert_eq!(kinds_with("HTTPCode_Envoy_4XX_Count"), ["lost"]);
    let target = ["broken", "exhausted", "grpc", "grpc failed", "missing", "moved", "ok", "posted", "retried", "sized"];
    assert_eq!(kinds_with("TargetResponseTime"), target);
    // Each request also counts once in the other set.
    for metric in METRICS {
        let sum = |matches: &dyn Fn(&str) -> bool| {
            let all = totals.iter().filter(|((value, of), _)| of == metric && matches(value));
            all.fold((0.0, 0.0), |(count, sum), (_, total)| (count + total.count, sum + total.sum))
        };
        let (by_kind, by_service) = (sum(&|value| value != "checkout"), sum(&|value| value == "checkout"));
        assert_eq!(by_kind.0, by_service.0, "{metric}");
        assert!((by_kind.1 - by_service.1).abs() <= 1e-9 * by_service.1, "{metric}: {by_kind:?} {by_service:?}");
    }
    let unit = |metric: &str| totals[&("checkout".to_owned(), metric.to_owned())].unit.clone();
    assert_eq!(["Latency", "RequestBytes", "4XXError"].map(unit), ["Milliseconds", "Bytes", "Count"]);
    let latency = &totals[&("slow".to_owned(), "Latency".to_owned())];
    // Envoy's timers use the time at which its event loop woke up: even without modules, 200 ms can end after 197 ms.
    assert!(latency.min >= 190.0 && latency.max < 5_000.0, "{latency:?}");
    let of_ok = |metric: &str| totals[&("ok".to_owned(), metric.to_owned())].sum;
    assert!(of_ok("TargetResponseTime") > 0.0 && of_ok("TargetResponseTime") <= of_ok("Latency"));
    let sized = |metric: &str| totals[&("sized".to_owned(), metric.to_owned())].clone();
    let overhead = sized("ResponseBytes").min - 5_000.0;
    assert!((50.0..500.0).contains(&overhead), "{overhead}");
    let posted = |metric: &str| totals[&("posted".to_owned(), metric.to_owned())].clone();
    assert_eq!((posted("RequestBodySize").min, posted("RequestBodySize").max), (0.0, 4_000.0));
    assert!(posted("RequestBytes").min > 50.0);
    assert_eq!(kinds_with("RequestBodySize"), ["posted"]);
    pair.envoy.assert_healthy();
    assert!(pair.cloudwatch.calls().iter().all(|call| call.is_stored), "{:?}", pair.cloudwatch.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_exact_in_a_filter() {
    every_metric_is_exact(SenderAttachment::HttpFilter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_exact_in_an_access_logger() {
    every_metric_is_exact(SenderAttachment::AccessLogger).await;
}

/// Returns the percentile of ascending values with their counts.
fn percentile(ascending: &[(f64, f64)], share: f64) -> f64 {
    let rank = (share * ascending.iter().map(|(_, count)| count).sum::<f64>()).ceil();
    let mut below = 0.0;
    for (value, count) in ascending {
        below += count;
        if below >= rank {
            return *value;
        }
    }
    panic!("no values")
}

async fn percentiles_are_accurate(sender_attachment: SenderAttachment) {
    const TOLERANCE: f64 = 0.025;
    let upstream = Upstream::start().await;
    let listener = Listener::new("main").route(Route::cluster("/", "upstream"));
    let clusters = vec![("upstream", upstream.address())];
    let sender = by_kind(&["RequestCount", "Latency", "TargetResponseTime"]);
    let pair = Pair::start(Setup { sender_attachment, sender, listener, clusters, ..Setup::default() }).await;

    // Durations in milliseconds, and the number of requests with each.
    let mix = [(2u64, 900), (40, 80), (400, 18), (900, 2)];
    let mut slept: Vec<u64> = mix.iter().flat_map(|(millis, times)| std::iter::repeat_n(*millis, *times)).collect();
    let mut tasks: JoinSet<Vec<f64>> = JoinSet::new();
    for worker in 0..8 {
        let share: Vec<u64> = slept.iter().copied().skip(worker).step_by(8).collect();
        let address = pair.address();
        tasks.spawn(async move {
            let mut connection = Connection::new(address);
            let mut observed = Vec::new();
            for millis in share {
                let start = Instant::now();
                connection.send(&request("mixed", &format!("/sleep/{millis}"))).await.unwrap();
                observed.push(start.elapsed().as_secs_f64() * 1_000.0);
            }
            observed
        });
    }
    let mut observed = tasks.join_all().await.concat();
    let totals = wait_for_requests(&pair, 1_000.0).await;

    // Envoy's times are between the upstream's sleep and the client's measurement.
    slept.sort_unstable();
    observed.sort_by(f64::total_cmp);
    let ones = |values: &mut dyn Iterator<Item = f64>| values.map(|value| (value, 1.0)).collect::<Vec<_>>();
    let (least, most) = (ones(&mut slept.iter().map(|millis| *millis as f64)), ones(&mut observed.iter().copied()));
    for metric in ["Latency", "TargetResponseTime"] {
        let total = &totals[&("mixed".to_owned(), metric.to_owned())];
        assert_eq!(total.count, 1_000.0);
        let mut values: Vec<_> = total.buckets.iter().flat_map(|bucket| bucket.values.clone()).collect();
        values.sort_by(|left, right| left.0.total_cmp(&right.0));
        assert_eq!(values.iter().map(|(_, count)| count).sum::<f64>(), 1_000.0);
        for share in [0.5, 0.9, 0.95, 0.99, 0.999] {
            let actual = percentile(&values, share);
            let bounds = (percentile(&least, share) * (1.0 - TOLERANCE), percentile(&most, share) * (1.0 + TOLERANCE));
            assert!(bounds.0 <= actual && actual <= bounds.1, "p{} of {metric} is {actual}: {bounds:?}", 100.0 * share);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn percentiles_from_a_filter_are_accurate() {
    percentiles_are_accurate(SenderAttachment::HttpFilter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn percentiles_from_an_access_logger_are_accurate() {
    percentiles_are_accurate(SenderAttachment::AccessLogger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_progress_are_summed_over_all_workers() {
    let upstream = Upstream::start().await;
    let listener = Listener::new("main").route(Route::cluster("/", "upstream"));
    let clusters = vec![("upstream", upstream.address())];
    let by_second = |name: &str| json!({ "name": name, "storage_resolution": 1 });
    let sender = json!({
        "metrics": ["RequestCount", by_second("RequestsInProgress"), by_second("ConcurrencyUtilization")],
        "concurrency": 40,
        "dimensions": { "Service": "checkout" },
        "dimension_sets": [["Service"]],
    });
    let mut pair = Pair::start(Setup { sender, listener, clusters, workers: 4, ..Setup::default() }).await;

    let mut tasks = JoinSet::new();
    for _ in 0..10 {
        let address = pair.address();
        tasks.spawn(async move { Connection::new(address).send(&request("", "/sleep/6000")).await.unwrap().status });
    }
    assert_eq!(tasks.join_all().await, [200; 10]);

    let seconds = eventually("all requests in progress have ended", LIMIT, async || {
        let totals = totals(&pair.cloudwatch);
        let of = |metric: &str| totals.get(&("checkout".to_owned(), metric.to_owned())).cloned();
        let (Some(progress), Some(share)) = (of("RequestsInProgress"), of("ConcurrencyUtilization")) else {
            return Err("nothing is stored".to_owned());
        };
        let is_over = progress.buckets.last().is_some_and(|last| last.sum == 0.0);
        if is_over && progress.max == 10.0 { Ok((progress, share)) } else { Err(format!("{:?}", progress.buckets)) }
    })
    .await;
    let (progress, share) = seconds;
    assert!(progress.buckets.iter().all(|bucket| (bucket.resolution, bucket.count) == (1, 1.0)), "{progress:?}");
    assert_eq!((progress.max, share.max, share.unit.as_str()), (10.0, 25.0, "Percent"));
    let full = progress.buckets.iter().filter(|bucket| bucket.sum == 10.0).count();
    // All ten requests start within one second and last six seconds.
    assert!((5..=7).contains(&full), "{:?}", progress.buckets);
    assert!(progress.buckets.iter().filter(|bucket| bucket.sum != 10.0 && bucket.sum != 0.0).count() <= 2);
    let (first, last) = (progress.buckets[0].timestamp, progress.buckets.last().unwrap().timestamp);
    assert_eq!(first % 60, 0);
    assert_eq!(progress.buckets.len() as i64, last - first + 1, "there is a gap");
    pair.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_logger_logs_that_it_cannot_measure_requests_in_progress() {
    let sender = json!({ "metrics": ["RequestCount", "RequestsInProgress"], "dimension_sets": [["host"], ["status"]] });
    let sender_attachment = SenderAttachment::AccessLogger;
    let mut pair = Pair::start(Setup { sender, sender_attachment, workers: 1, ..Setup::default() }).await;
    for _ in 0..3 {
        assert_eq!(pair.send(ClientRequest::get("example.com", "/")).await, 200);
    }
    let totals = eventually("all requests are stored", LIMIT, async || {
        let totals = totals(&pair.cloudwatch);
        if totals.values().map(|total| total.sum).sum::<f64>() == 6.0 { Ok(totals) } else { Err(format!("{totals:?}")) }
    })
    .await;
    assert!(totals.keys().all(|(_, metric)| metric == "RequestCount"));
    let actual = pair.envoy.log().matches("an access logger does not see when requests start").count();
    assert_eq!(actual, 1);
    pair.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_series_is_published_as_zero() {
    let sender = json!({
        "metrics": [{ "name": "RequestCount", "storage_resolution": 1 }, { "name": "Latency", "storage_resolution": 1 }],
        "dimension_sets": [["host"]],
        "publish_zeros": { "minutes": 1 },
    });
    let mut pair = Pair::start(Setup { sender, ..Setup::default() }).await;
    assert_eq!(pair.send(ClientRequest::get("example.com", "/")).await, 200);
    let totals = eventually("two zeros are stored", LIMIT, async || {
        let totals = totals(&pair.cloudwatch);
        let count = totals.get(&("example.com".to_owned(), "RequestCount".to_owned()));
        let zeros = count.map_or(0, |total| total.buckets.iter().filter(|bucket| bucket.sum == 0.0).count());
        if zeros >= 2 { Ok(totals) } else { Err(format!("{totals:?}")) }
    })
    .await;
    let of = |metric: &str| &totals[&("example.com".to_owned(), metric.to_owned())];
    assert_eq!((of("RequestCount").sum, of("RequestCount").min), (1.0, 0.0));
    assert_eq!(of("Latency").count, 1.0);
    let zeros: Vec<_> = of("RequestCount").buckets.iter().filter(|bucket| bucket.sum == 0.0).collect();
    assert!(zeros.iter().all(|zero| zero.timestamp % 10 == 0 && zero.count == 1.0), "{zeros:?}");
    pair.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_of_listeners_and_routes_share_a_receiver() {
    let cloudwatch = LocalCloudWatch::start(ServerOptions::default()).await.unwrap();
    let receiver = json!({
        "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "cloud_watch",
        "cloud_watch_host": cloudwatch.address().to_string(), "aws_access_key_id": "local",
        "aws_secret_access_key": "local", "metric_namespace": NAMESPACE, "publish_interval_millisecond": 1000,
    });
    let sender = |service: &str| {
        Plugin::sender(json!({
            "receiver_vm_id": "receiver", "flush_interval_millisecond": 200,
            "dimensions": { "Service": service }, "dimension_sets": [["Service"]],
        }))
    };
    let on = json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {} });
    let off = json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true });
    let routed = Listener::new("routed")
        .disabled_filter("shop", &sender("shop"))
        .disabled_filter("help", &sender("help"))
        .route(Route::direct("/shop", 200).filter("shop", on.clone()))
        .route(Route::direct("/help", 200).filter("help", on))
        .route(Route::direct("/", 200));
    let plain = Listener::new("plain")
        .sender(SenderAttachment::HttpFilter, sender("plain"))
        .route(Route::direct("/health", 200).filter("envoy.filters.http.wasm", off))
        .route(Route::direct("/", 200));
    let bootstrap = Bootstrap::default()
        .listener(routed)
        .listener(plain)
        .cluster("cloud_watch", cloudwatch.address())
        .receiver(ReceiverAttachment::StatsSink, Plugin::receiver(receiver));
    let mut envoy = Envoy::start(&bootstrap).await;
    for (listener, path, times) in
        [("routed", "/shop", 3), ("routed", "/help", 2), ("routed", "/", 4), ("plain", "/", 5), ("plain", "/health", 7)]
    {
        for _ in 0..times {
            let request = ClientRequest::get("example.com", path);
            assert_eq!(Connection::new(envoy.address(listener)).send(&request).await.unwrap().status, 200);
        }
    }
    eventually("all requests are stored", LIMIT, async || {
        let sums: BTreeMap<_, _> = totals(&cloudwatch).into_iter().map(|((of, _), total)| (of, total.sum)).collect();
        let expected = [("help", 2.0), ("plain", 5.0), ("shop", 3.0)].map(|(of, sum)| (of.to_owned(), sum));
        if sums == expected.into() { Ok(()) } else { Err(format!("{sums:?}")) }
    })
    .await;
    envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overflow_is_logged_with_its_cause_and_the_cost_is_counted() {
    let sender = json!({ "max_series": 6, "dimension_sets": [["method", "path"], []] });
    let mut pair = Pair::start(Setup { sender, workers: 1, ..Setup::default() }).await;
    let mut connection = Connection::new(pair.address());
    for n in 0..40 {
        connection.send(&ClientRequest::get("example.com", &format!("/{n}"))).await.unwrap();
    }
    let stats = eventually("all requests are stored", LIMIT, async || {
        let stored: f64 = pair.cloudwatch.totals(NAMESPACE).iter().map(|total| total.sum).sum();
        let stats = pair.envoy.admin().module_stats().await;
        if stored == 80.0 && stats["receiver.held"] == 0 { Ok(stats) } else { Err(format!("{stored}; {stats:#?}")) }
    })
    .await;
    let series = pair.cloudwatch.totals(NAMESPACE);
    assert_eq!(series.len(), 7, "expected six series and the overflow: {series:?}");
    let overflow = series.iter().find(|total| total.dimensions.get("path").is_some_and(|path| path == "__other__"));
    assert_eq!(overflow.map(|total| total.sum), Some(35.0));
    assert_eq!((stats["receiver.published_series"], stats["receiver.predicted_monthly_cost_cents"]), (7, 210));
    let log = pair.envoy.log();
    let actual: Vec<_> = log.lines().filter(|line| line.contains("a sender has reached its max_series")).collect();
    assert_eq!(actual.len(), 1, "{actual:?}");
    assert!(actual[0].contains("The dimension with the most values is path, with"), "{actual:?}");
    pair.envoy.assert_healthy();
}
