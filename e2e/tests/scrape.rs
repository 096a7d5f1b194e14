//! A real Envoy scrapes Prometheus endpoints.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{collections::BTreeMap, fs, time::Duration};

use e2e::{
    Bootstrap, ClientRequest, Connection, Envoy, Listener, MetricsServer, Pair, Route, Setup, Upstream, eventually,
    installation,
};
use local_cloudwatch::{LocalCloudWatch, SeriesTotal};
use serde_json::{Value, json};

/// Timeout for data to arrive at CloudWatch.
const LIMIT: Duration = Duration::from_secs(40);

/// The metrics that imgproxy 3 documents, and some metrics of its client library.
const IMGPROXY_3: &str = r#"# HELP buffer_default_size_bytes A gauge of the buffer default size in bytes.
# TYPE buffer_default_size_bytes gauge
buffer_default_size_bytes{type="download"} 65536
buffer_default_size_bytes{type="gzip"} 0
# HELP buffer_max_size_bytes A gauge of the buffer max size in bytes.
# TYPE buffer_max_size_bytes gauge
buffer_max_size_bytes{type="download"} 2.097152e+06
buffer_max_size_bytes{type="gzip"} 0
# HELP buffer_size_bytes A histogram of the buffer size in bytes.
# TYPE buffer_size_bytes histogram
buffer_size_bytes_bucket{type="download",le="1024"} {B1}
buffer_size_bytes_bucket{type="download",le="2048"} {B2}
buffer_size_bytes_bucket{type="download",le="4096"} {B3}
buffer_size_bytes_bucket{type="download",le="+Inf"} {B4}
buffer_size_bytes_sum{type="download"} {BS}
buffer_size_bytes_count{type="download"} {B4}
# HELP concurrency_utilization A gauge of the number of requests in progress, in percent of the concurrency.
# TYPE concurrency_utilization gauge
concurrency_utilization 37.5
# HELP download_duration_seconds A histogram of the source image downloading latency.
# TYPE download_duration_seconds histogram
download_duration_seconds_bucket{le="0.005"} 1
download_duration_seconds_bucket{le="+Inf"} 1
download_duration_seconds_sum 0.004
download_duration_seconds_count 1
# HELP errors_total A counter of the occurred errors separated by type.
# TYPE errors_total counter
errors_total{type="timeout"} 3
# HELP go_goroutines Number of goroutines that currently exist.
# TYPE go_goroutines gauge
go_goroutines 17
# HELP images_in_progress A gauge of the number of images currently being in progress.
# TYPE images_in_progress gauge
images_in_progress 2
# HELP requests_in_progress A gauge of the number of requests currently being in progress.
# TYPE requests_in_progress gauge
requests_in_progress 3
# HELP requests_total A counter of the total number of HTTP requests imgproxy processed.
# TYPE requests_total counter
requests_total 100
# HELP vips_allocs A gauge of the number of active vips allocations.
# TYPE vips_allocs gauge
vips_allocs 12
# HELP vips_max_memory_bytes A gauge of the max tracked vips memory usage in bytes.
# TYPE vips_max_memory_bytes gauge
vips_max_memory_bytes 3.3554432e+07
# HELP vips_memory_bytes A gauge of the vips tracked memory usage in bytes.
# TYPE vips_memory_bytes gauge
vips_memory_bytes 1.6777216e+07
"#;

/// The metrics that imgproxy 4 documents.
const IMGPROXY_4: &str = r#"# HELP errors_total A counter of the occurred errors separated by type.
# TYPE errors_total counter
errors_total{type="timeout"} 3
# HELP images_in_progress A gauge of the number of images currently being in progress.
# TYPE images_in_progress gauge
images_in_progress 2
# HELP request_duration_seconds A histogram of the response latency.
# TYPE request_duration_seconds histogram
request_duration_seconds_bucket{le="0.005"} 1
request_duration_seconds_bucket{le="+Inf"} 1
request_duration_seconds_sum 0.004
request_duration_seconds_count 1
# HELP request_span_duration_seconds A histogram of the duration of spans.
# TYPE request_span_duration_seconds histogram
request_span_duration_seconds_bucket{span="download",le="+Inf"} 1
request_span_duration_seconds_sum{span="download"} 0.004
request_span_duration_seconds_count{span="download"} 1
# HELP requests_in_progress A gauge of the number of requests currently being in progress.
# TYPE requests_in_progress gauge
requests_in_progress 3
# HELP requests_total A counter of the total number of HTTP requests imgproxy processed.
# TYPE requests_total counter
requests_total 100
# HELP status_codes_total A counter of the response status codes.
# TYPE status_codes_total counter
status_codes_total{status="200"} 97
# HELP vips_allocs A gauge of the number of active vips allocations.
# TYPE vips_allocs gauge
vips_allocs 12
# HELP vips_max_memory_bytes A gauge of the max tracked vips memory usage in bytes.
# TYPE vips_max_memory_bytes gauge
vips_max_memory_bytes 3.3554432e+07
# HELP vips_memory_bytes A gauge of the vips tracked memory usage in bytes.
# TYPE vips_memory_bytes gauge
vips_memory_bytes 1.6777216e+07
# HELP workers A gauge of the number of running workers.
# TYPE workers gauge
workers 8
# HELP workers_utilization A gauge of the workers utilization in percents.
# TYPE workers_utilization gauge
workers_utilization 37.5
"#;

/// Returns the text of imgproxy 3 with these cumulative bucket counts and this sum.
fn imgproxy_3(buckets: [u32; 4], sum: f64) -> String {
    let text = (1..).zip(buckets).fold(IMGPROXY_3.to_owned(), |text, (index, count): (u32, u32)| {
        text.replace(&format!("{{B{index}}}"), &count.to_string())
    });
    text.replace("{BS}", &sum.to_string())
}

/// Returns the value of `scrape` in envoy/imgproxy.yaml, with an interval of one second.
fn example() -> Value {
    let text = fs::read_to_string(installation::root().join("envoy/imgproxy.yaml")).unwrap();
    let (_, configuration) = text.split_once("value: |\n").unwrap();
    let (configuration, _) = configuration.split_once("vm_config:").unwrap();
    let mut scrape = serde_json::from_str::<Value>(configuration).unwrap()["scrape"].take();
    scrape[0]["interval_millisecond"] = json!(1_000);
    scrape
}

/// Returns the stored series of a namespace by name, dimensions and unit.
fn totals(cloudwatch: &LocalCloudWatch, namespace: &str) -> BTreeMap<String, SeriesTotal> {
    let totals = cloudwatch.totals(namespace).into_iter();
    totals
        .map(|total| {
            let dimensions: Vec<_> = total.dimensions.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            (format!("{}{} {}", total.metric_name, dimensions.concat(), total.unit), total)
        })
        .collect()
}

/// Waits until the stored series meet a condition, and returns them.
async fn stored(
    pair: &Pair,
    namespace: &str,
    is_met: impl Fn(&BTreeMap<String, SeriesTotal>) -> bool,
) -> BTreeMap<String, SeriesTotal> {
    eventually("the metrics are stored", LIMIT, async || {
        let totals = totals(&pair.cloudwatch, namespace);
        if is_met(&totals) {
            Ok(totals)
        } else {
            Err(format!("{totals:#?}\n{:#?}", pair.envoy.admin().module_stats().await))
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn imgproxy_is_scraped_exactly_next_to_failing_targets() {
    let exposer = MetricsServer::start(&imgproxy_3([1, 1, 1, 2], 9_000.0)).await;
    let upstream = Upstream::start().await;
    let mut scrape = example();
    let bad = ["/hang", "/bytes/100000", "/status/500", "/reset"].map(|path| {
        json!({ "cluster_name": "bad", "path": path, "interval_millisecond": 1_000, "rules": [{ "metric": "*" }] })
    });
    scrape.as_array_mut().unwrap().extend(bad);
    let mut pair = Pair::start(Setup {
        receiver: json!({ "scrape": scrape }),
        clusters: vec![("imgproxy_metrics", exposer.address()), ("bad", upstream.address())],
        environment: vec![("IMGPROXY_CLOUD_WATCH_SERVICE_NAME", "thumbnails".to_owned())],
        ..Setup::default()
    })
    .await;
    eventually("the target is scraped", LIMIT, async || if exposer.responses() > 0 { Ok(()) } else { Err("not yet") })
        .await;
    // Of 7 further buffers, 4 have up to 1 KiB, and 2 have more than 4 KiB.
    exposer.set(&imgproxy_3([5, 6, 7, 9], 9_000.0 + 17_408.0));

    let is_there = |totals: &BTreeMap<String, SeriesTotal>| {
        totals.get("BufferSize BufferType=download ServiceName=thumbnails Bytes").is_some_and(|size| size.count >= 7.0)
            && totals.values().all(|total| total.metric_name == "BufferSize" || total.count >= 3.0)
    };
    let totals = stored(&pair, "imgproxy", is_there).await;
    let gauges = [
        ("BufferDefaultSize BufferType=download ServiceName=thumbnails Bytes", 65_536.0),
        ("BufferDefaultSize BufferType=gzip ServiceName=thumbnails Bytes", 0.0),
        ("BufferMaxSize BufferType=download ServiceName=thumbnails Bytes", 2_097_152.0),
        ("BufferMaxSize BufferType=gzip ServiceName=thumbnails Bytes", 0.0),
        ("ConcurrencyUtilization ServiceName=thumbnails Percent", 37.5),
        ("ImagesInProgress ServiceName=thumbnails Count", 2.0),
        ("RequestsInProgress ServiceName=thumbnails Count", 3.0),
        ("VipsAllocs ServiceName=thumbnails Count", 12.0),
        ("VipsMaxMemory ServiceName=thumbnails Bytes", 33_554_432.0),
        ("VipsMemory ServiceName=thumbnails Bytes", 16_777_216.0),
    ];
    for (name, value) in gauges {
        assert_eq!((totals[name].min, totals[name].max), (value, value), "{name}");
    }
    assert_eq!(totals.len(), gauges.len() + 1, "{totals:#?}");
    let size = &totals["BufferSize BufferType=download ServiceName=thumbnails Bytes"];
    assert_eq!((size.count, size.sum), (7.0, 17_408.0));
    // Values are in the middle of their buckets; the rest of the sum is above 4 KiB.
    let rest = (17_408.0 - 4.0 * 512.0 - 1_536.0 - 3_072.0) / 1.0;
    let mut values: Vec<_> = size.buckets.iter().flat_map(|bucket| bucket.values.clone()).collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(values, [(512.0, 4.0), (1_536.0, 1.0), (3_072.0, 1.0), (rest, 1.0)]);

    // Version 4 renamed some metrics.
    exposer.set(IMGPROXY_4);
    let before = totals["RequestsInProgress ServiceName=thumbnails Count"].count;
    let requests = "RequestsInProgress ServiceName=thumbnails Count";
    let utilization = "ConcurrencyUtilization ServiceName=thumbnails Percent";
    let totals = stored(&pair, "imgproxy", |totals| totals[requests].count > before + 3.0).await;
    assert_eq!((totals[utilization].max, totals[utilization].count), (37.5, totals[requests].count));
    assert_eq!((totals[utilization].sum, totals.len()), (37.5 * totals[requests].count, gauges.len() + 1));

    let stats = pair.envoy.admin().module_stats().await;
    assert!(stats["receiver.sources.failed"] >= 6, "{stats:#?}");
    assert_eq!(stats["receiver.sources.over_limit"], 0);
    pair.envoy.assert_healthy();
}

/// Returns the number in the line that starts with `line`.
fn number(page: &str, line: &str) -> f64 {
    let found = page.lines().find_map(|candidate| candidate.strip_prefix(line));
    found.unwrap_or_else(|| panic!("no {line} in {page}")).trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_envoy_is_scraped_exactly() {
    let listener = Listener::new("main").route(Route::direct("/", 200));
    let target = Envoy::start(&Bootstrap::default().listener(listener)).await;
    let send = async |times: u32| {
        let mut connection = Connection::new(target.address("main"));
        for _ in 0..times {
            assert_eq!(connection.send(&ClientRequest::get("example.com", "/")).await.unwrap().status, 200);
        }
    };
    const PREFIX: &str = "{envoy_http_conn_manager_prefix=\"main\"}";
    let time = |part: &str| format!("envoy_http_downstream_rq_time_{part}{PREFIX}");
    let page = async || target.admin().page("/stats/prometheus").await.unwrap().1;
    // Envoy shows a histogram once it has values, and updates it every five seconds.
    send(5).await;
    let before = eventually("Envoy shows the histogram", LIMIT, async || {
        let page = page().await;
        if page.contains(&format!("{} 5\n", time("count"))) { Ok(page) } else { Err(page) }
    })
    .await;
    let by_listener = json!({ "Listener": { "label": "envoy_http_conn_manager_prefix" } });
    let rule = |metric: &str, name: &str| json!({ "metric": metric, "name": name, "dimensions": by_listener });
    let mut pair = Pair::start(Setup {
        receiver: json!({ "scrape": [{
            "cluster_name": "target", "path": "/stats/prometheus", "interval_millisecond": 1_000,
            "metric_namespace": "Target",
            "rules": [
                rule("envoy_http_downstream_rq_completed", "Requests"),
                rule("envoy_http_downstream_rq_time", "Time"),
                { "metric": "envoy_server_live", "name": "Live", "metric_type": "gauge" },
                { "metric": "envoy_cluster_*_rq_total", "unit": "Count" },
            ],
        }] }),
        clusters: vec![("target", target.admin().address())],
        ..Setup::default()
    })
    .await;
    eventually("the target is scraped", LIMIT, async || {
        let stats = pair.envoy.admin().module_stats().await;
        if stats["receiver.sources.answers"] > 0 { Ok(()) } else { Err(format!("{stats:#?}")) }
    })
    .await;
    send(40).await;

    let (requests, times) = ("Requests Listener=main Count", "Time Listener=main None");
    let totals = stored(&pair, "Target", |totals| {
        let has_reached = |name: &str, least: f64| {
            let total = totals.get(name);
            total.is_some_and(|total| total.sum >= least || total.count >= least && name == times)
        };
        has_reached(requests, 40.0) && has_reached(times, 40.0)
    })
    .await;
    assert_eq!((totals[requests].sum, totals[times].count), (40.0, 40.0));
    let after = page().await;
    let sum = number(&after, &time("sum")) - number(&before, &time("sum"));
    // Envoy computes its sum from finer buckets than it exposes, so the sums can only be close.
    assert!((totals[times].sum - sum).abs() <= 0.1 * sum + 1e-6, "{} {sum}", totals[times].sum);
    assert_eq!((totals["Live None"].min, totals["Live None"].max), (1.0, 1.0));
    pair.envoy.assert_healthy();
}
