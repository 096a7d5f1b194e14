//! The receiver publishes to an OTLP endpoint, next to CloudWatch or in its place.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test runs in real time and fails by panicking, in its helpers too"
)]

use std::{collections::BTreeMap, time::Duration};

use e2e::{ClientRequest, Connection, NAMESPACE, Pair, Setup, eventually, load};
use hyper::Method;
use local_cloudwatch::{
    Failure, LocalCloudWatch, OtlpAccess, OtlpKind, OtlpSeriesTotal, OtlpTemporality, ServerOptions, WriteOperation,
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(40);

async fn start(publish_to: Value) -> Pair {
    let mut options = ServerOptions::default();
    options.keys.push(Pair::key());
    let cloudwatch = LocalCloudWatch::start(options).await.unwrap();
    let host = cloudwatch.address().to_string();
    let sender = json!({
        "metrics": ["RequestCount", "Latency"],
        "dimension_sets": [["method", "path"]],
        "entity": { "service_name": "shop", "environment": "test" },
    });
    let receiver = json!({
        "publish_to": publish_to,
        "otlp": {
            "cluster_name": "cloud_watch", "host": host, "resource_attributes": { "k8s.pod.name": "pod-1" },
        },
    });
    Pair::start(Setup { sender, receiver, cloudwatch: Some(cloudwatch), ..Setup::default() }).await
}

async fn send(pair: &Pair, count: usize) {
    let requests = (0..count).map(|n| ClientRequest::get("example.com", ["/a", "/b", "/c"][n % 3])).collect();
    assert!(load(pair.address(), 4, requests).await.iter().all(|status| *status == 200));
}

/// Returns the totals of a metric by path.
fn totals(pair: &Pair, metric: &str) -> BTreeMap<String, OtlpSeriesTotal> {
    let totals = pair.cloudwatch.otlp_totals().into_iter().filter(|total| total.metric == metric);
    totals.map(|total| (total.attributes["url.path"].clone(), total)).collect()
}

async fn wait_for_values(pair: &Pair, values: u64) -> BTreeMap<String, u64> {
    eventually("every value is published to OTLP", LIMIT, async || {
        let stats = pair.envoy.admin().module_stats().await;
        let is_done = stats["receiver.otlp.published"] == values && stats["receiver.otlp.held"] == 0;
        if is_done { Ok(stats) } else { Err(format!("{stats:#?}")) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_services_store_exactly_what_was_measured() {
    let mut pair = start(json!(["cloudwatch", "otlp"])).await;
    send(&pair, 300).await;
    pair.wait_until_idle(600).await;
    let stats = wait_for_values(&pair, 600).await;
    assert_eq!((stats["receiver.otlp.received"], stats["receiver.otlp.retried"]), (600, 0), "{stats:#?}");

    let counts = totals(&pair, "RequestCount");
    let durations = totals(&pair, "http.server.request.duration");
    let classic = pair.cloudwatch.totals(NAMESPACE);
    for path in ["/a", "/b", "/c"] {
        let (count, duration) = (&counts[path], &durations[path]);
        assert_eq!((count.sum, count.is_monotonic, count.temporality), (100.0, true, Some(OtlpTemporality::Delta)));
        assert_eq!(
            (duration.count, duration.kind, duration.unit.as_str()),
            (100.0, OtlpKind::ExponentialHistogram, "s")
        );
        assert_eq!(count.attributes["http.request.method"], "GET");
        assert_eq!(count.scope.name, "acpw");
        let resource = |name: &str| count.resource[name].as_str();
        assert_eq!((resource("service.name"), resource("deployment.environment.name")), ("shop", "test"));
        assert_eq!((resource("k8s.pod.name"), resource("cloud.region")), ("pod-1", "us-east-1"));
        let latency = classic
            .iter()
            .find(|total| total.metric_name == "Latency" && total.dimensions.values().any(|value| value == path))
            .unwrap();
        assert!((duration.sum * 1_000.0 / latency.sum - 1.0).abs() < 1e-9, "{} {}", duration.sum, latency.sum);
    }
    pair.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_of_one_service_does_not_affect_the_other() {
    for operation in [WriteOperation::ExportMetrics, WriteOperation::PutMetricData] {
        let mut pair = start(json!(["cloudwatch", "otlp"])).await;
        pair.cloudwatch.fail_next(10_000, Failure::new(503, "ServiceUnavailable").for_operation(operation));
        send(&pair, 150).await;
        let (up, down) = match operation {
            WriteOperation::ExportMetrics => ("receiver.", "receiver.otlp."),
            WriteOperation::PutMetricData => ("receiver.otlp.", "receiver."),
        };
        eventually("one service stores everything while the other fails", LIMIT, async || {
            let stats = pair.envoy.admin().module_stats().await;
            let of = |prefix: &str, name: &str| stats[&format!("{prefix}{name}")];
            let is_met = of(up, "published") == 300 && of(down, "held") == 300 && of(down, "retried") > 2;
            if is_met && of(up, "retried") == 0 { Ok(()) } else { Err(format!("{stats:#?}")) }
        })
        .await;
        pair.cloudwatch.clear_faults();
        pair.wait_until_idle(300).await;
        wait_for_values(&pair, 300).await;
        assert_eq!(totals(&pair, "RequestCount").values().map(|total| total.sum).sum::<f64>(), 150.0);
        pair.envoy.assert_healthy();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_cloudwatch_everything_is_published_to_otlp() {
    let mut pair = start(json!(["otlp"])).await;
    send(&pair, 90).await;
    let stats = wait_for_values(&pair, 180).await;
    assert_eq!((stats["receiver.received"], stats["receiver.requests"]), (0, 0), "{stats:#?}");
    assert_eq!(totals(&pair, "RequestCount").values().map(|total| total.sum).sum::<f64>(), 90.0);
    assert!(pair.cloudwatch.totals(NAMESPACE).is_empty());
    pair.envoy.assert_healthy();
}

/// Returns the number of an instant query, as a client of Prometheus reads it.
async fn query(pair: &Pair, query: &str) -> f64 {
    let address = pair.cloudwatch.address();
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let request = ClientRequest::new(Method::POST, &address.to_string(), "/api/v1/query")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("query={encoded}"));
    let response = Connection::new(address).send(&request).await.unwrap();
    let document: Value = serde_json::from_slice(&response.body).unwrap();
    let result = document["data"]["result"].as_array().filter(|result| result.len() == 1);
    let value = result.unwrap_or_else(|| panic!("{query}: {document}"))[0]["value"][1].as_str();
    value.unwrap().parse().unwrap()
}

/// Returns the size of the body of request `n`.
fn size(n: usize) -> usize {
    20 + n * 7_919 % 6_000
}

#[tokio::test(flavor = "multi_thread")]
async fn promql_reads_exact_totals_and_percentiles_within_the_error() {
    const REQUESTS: usize = 900;
    /// The largest ratio of two values in a bucket at scale 4, to which the sizes fit.
    const WIDTH: f64 = 1.0443;
    for (temporality, count, histogram) in [
        (
            "delta",
            r#"sum(increase({"RequestCount"}[10m]))"#,
            r#"sum(increase({"http.server.request.body.size"}[10m]))"#,
        ),
        ("cumulative", r#"sum({"RequestCount"})"#, r#"sum({"http.server.request.body.size"})"#),
    ] {
        // The queries are not signed.
        let mut options = ServerOptions { otlp_access: OtlpAccess::Open, ..ServerOptions::default() };
        options.keys.push(Pair::key());
        let cloudwatch = LocalCloudWatch::start(options).await.unwrap();
        let host = cloudwatch.address().to_string();
        let sender = json!({ "metrics": ["RequestCount", "RequestBodySize"], "dimension_sets": [["path"]] });
        let receiver = json!({
            "publish_to": ["cloudwatch", "otlp"],
            "otlp": { "cluster_name": "cloud_watch", "host": host, "temporality": temporality },
        });
        let mut pair = Pair::start(Setup { sender, receiver, cloudwatch: Some(cloudwatch), ..Setup::default() }).await;
        // Each part is published before the next begins, so that series have several data points.
        for part in 0..3 {
            let request = |n: usize| {
                let body = vec![b'x'; size(n)];
                ClientRequest::new(Method::POST, "example.com", ["/a", "/b"][n % 2]).body(body).closing()
            };
            let requests = (part * REQUESTS / 3..(part + 1) * REQUESTS / 3).map(request).collect();
            assert!(load(pair.address(), 4, requests).await.iter().all(|status| *status == 200));
            wait_for_values(&pair, ((part + 1) * REQUESTS / 3 * 2) as u64).await;
        }
        pair.wait_until_idle(2 * REQUESTS as u64).await;

        let mut sizes: Vec<f64> = (0..REQUESTS).map(|n| size(n) as f64).collect();
        sizes.sort_by(f64::total_cmp);
        let sum: f64 = sizes.iter().sum();
        assert_eq!(query(&pair, count).await, REQUESTS as f64, "{temporality}");
        let of_histogram = |function: &str| format!("histogram_{function}({histogram})");
        assert_eq!(query(&pair, &of_histogram("count")).await, REQUESTS as f64, "{temporality}");
        assert_eq!(query(&pair, &of_histogram("sum")).await, sum, "{temporality}");
        for quantile in [0.01, 0.1, 0.5, 0.9, 0.99] {
            let found = query(&pair, &format!("histogram_quantile({quantile}, {histogram})")).await;
            let exact = sizes[(quantile * REQUESTS as f64).ceil() as usize - 1];
            let ratio = (found / exact).max(exact / found);
            assert!(ratio <= WIDTH, "{temporality} {quantile}: {found} instead of {exact}");
        }

        let classic = pair.cloudwatch.totals(NAMESPACE);
        let classic = |metric: &str| {
            let all = classic.iter().filter(|total| total.metric_name == metric);
            all.fold((0.0, 0.0), |(count, sum), total| (count + total.count, sum + total.sum))
        };
        assert_eq!(classic("RequestCount"), (REQUESTS as f64, REQUESTS as f64));
        assert_eq!(classic("RequestBodySize"), (REQUESTS as f64, sum));
        for total in pair.cloudwatch.otlp_totals() {
            let expected = if temporality == "delta" { OtlpTemporality::Delta } else { OtlpTemporality::Cumulative };
            assert_eq!((total.temporality, total.late), (Some(expected), 0), "{total:?}");
            assert!(total.data >= 3, "{total:?}");
        }
        pair.envoy.assert_healthy();
    }
}
