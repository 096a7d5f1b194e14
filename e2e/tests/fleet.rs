//! Eight Envoys publish the same series to one CloudWatch: totals are exact, percentiles of the whole are within the
//! stated error, and publications are spread over the interval. simulation/tests/fleet.rs plays larger fleets.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test runs in real time and fails by panicking, in its helpers too"
)]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use e2e::{
    Bootstrap, ClientRequest, ConnectionMode, Envoy, Listener, NAMESPACE, Plugin, ReceiverAttachment, Route,
    SenderAttachment, SteadyLoad, eventually,
};
use local_cloudwatch::{AccessKey, LocalCloudWatch, SECRET_MARK, SeriesTotal, ServerOptions};
use serde_json::json;
use tokio::time::sleep;

const ENVOYS: u64 = 8;

/// The interval of publication in seconds.
const INTERVAL: u64 = 8;

/// The intervals in which publications are counted, after a first one that they have to settle.
const COUNTED: u64 = 3;

/// The requests a second of each Envoy.
const PER_SECOND: u64 = 40;

/// The largest number of publications in one second. A second's share is one. The offset of each Envoy is random, so
/// that a second has six of the eight in one of 1,500 runs. Without offsets it has all.
const MOST_IN_A_SECOND: usize = 5;

/// The relative error of percentiles, as docs/metrics.md states it.
const PERCENTILE_ERROR: f64 = 0.022;

const LIMIT: Duration = Duration::from_secs(40);

fn key(envoy: u64) -> AccessKey {
    AccessKey::new(format!("fleet-{envoy}"), secret(envoy))
}

fn secret(envoy: u64) -> String {
    format!("{SECRET_MARK}fleet-{envoy}")
}

/// Starts an Envoy with one worker, which measures the size of requests and publishes with its own access key.
async fn start(envoy: u64, cloudwatch: SocketAddr) -> Envoy {
    let sender = json!({
        "receiver_vm_id": "receiver",
        "metrics": ["RequestBytes"],
        "dimension_sets": [["host"]],
    });
    let receiver = json!({
        "cloud_watch_region": "us-east-1",
        "cloud_watch_cluster_name": "cloud_watch",
        "cloud_watch_host": cloudwatch.to_string(),
        "aws_access_key_id": key(envoy).access_key_id(),
        "aws_secret_access_key": secret(envoy),
        "metric_namespace": NAMESPACE,
        "publish_interval_millisecond": INTERVAL * 1_000,
    });
    let listener = Listener::new("main")
        .route(Route::direct("/", 200))
        .sender(SenderAttachment::HttpFilter, Plugin::sender(sender));
    let bootstrap = Bootstrap::default()
        .listener(listener)
        .cluster("cloud_watch", cloudwatch)
        .receiver(ReceiverAttachment::StatsSink, Plugin::receiver(receiver))
        .workers(1);
    Envoy::start(&bootstrap).await
}

/// Returns the bytes of the header that request `number` to an Envoy has: a long-tailed distribution that differs
/// between the Envoys, so that no Envoy has the percentiles of the whole.
fn fill(envoy: u64, number: u64) -> usize {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let uniform = (number as f64 * GOLDEN).fract();
    (20.0 * (envoy + 1) as f64 * 100f64.powf(uniform)) as usize
}

fn request(envoy: u64, number: u64) -> ClientRequest {
    ClientRequest::get("example.com", "/").header("x-fill", &"x".repeat(fill(envoy, number)))
}

/// Returns the smallest value that at least a fraction of all values do not exceed.
fn percentile(values: &[(f64, f64)], fraction: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rank = fraction * sorted.iter().map(|(_, count)| count).sum::<f64>();
    let mut passed = 0.0;
    let reached = sorted.iter().find(|(_, count)| {
        passed += count;
        passed >= rank
    });
    reached.unwrap().0
}

fn now_millis() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Asserts that each Envoy published about once an interval, and that no second had too many publications.
fn assert_spread(cloudwatch: &LocalCloudWatch, from: i64) {
    let to = from + (COUNTED * INTERVAL * 1_000) as i64;
    let (mut of_envoy, mut of_second) = (BTreeMap::<String, usize>::new(), BTreeMap::<i64, usize>::new());
    for call in cloudwatch.calls().into_iter().filter(|call| (from..to).contains(&call.time_millis)) {
        *of_envoy.entry(call.access_key_id).or_default() += 1;
        *of_second.entry((call.time_millis - from) / 1_000).or_default() += 1;
    }
    println!("publications in {COUNTED} intervals by Envoy: {of_envoy:?}, by second: {of_second:?}");
    assert_eq!(of_envoy.len(), ENVOYS as usize, "{of_envoy:?}");
    let expected = COUNTED as usize - 1..=COUNTED as usize + 1;
    assert!(of_envoy.values().all(|calls| expected.contains(calls)), "{of_envoy:?}");
    assert!(of_second.values().all(|calls| *calls <= MOST_IN_A_SECOND), "{of_second:?}");
}

/// Asserts that count, sum, minimum and maximum are exact, and percentiles within the stated error.
fn assert_exact(total: &SeriesTotal, fills: &[usize]) {
    let fills: Vec<f64> = fills.iter().map(|fill| *fill as f64).collect();
    let count = fills.len() as f64;
    let (min, max) = fills.iter().fold((f64::MAX, 0.0f64), |(min, max), fill| (min.min(*fill), max.max(*fill)));
    // The other headers have the same size in every request.
    let others = total.min - min;
    assert!((100.0..500.0).contains(&others), "{others} bytes of other headers");
    let sum = fills.iter().sum::<f64>() + others * count;
    assert_eq!((total.count, total.sum, total.max), (count, sum, max + others));
    let exact: Vec<_> = fills.iter().map(|fill| (fill + others, 1.0)).collect();
    let stored: Vec<_> = total.buckets.iter().flat_map(|bucket| bucket.values.clone()).collect();
    assert_eq!(stored.iter().map(|(_, count)| count).sum::<f64>(), count);
    for fraction in [0.1, 0.5, 0.9, 0.99, 0.999] {
        let (expected, actual) = (percentile(&exact, fraction), percentile(&stored, fraction));
        let error = (actual - expected).abs() / expected;
        println!("p{}: {actual:.1}, exactly {expected}, {:.2} % off", fraction * 100.0, error * 100.0);
        assert!(error <= PERCENTILE_ERROR, "p{}: {actual}, exactly {expected}", fraction * 100.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_envoys_publish_exact_totals_and_percentiles_at_different_times() {
    let keys = (0..ENVOYS).map(key).collect();
    let cloudwatch = LocalCloudWatch::start(ServerOptions { keys, ..ServerOptions::default() }).await.unwrap();
    let address = cloudwatch.address();
    let start = |envoy| start(envoy, address);
    let envoys: [Envoy; ENVOYS as usize] =
        tokio::join!(start(0), start(1), start(2), start(3), start(4), start(5), start(6), start(7)).into();
    let start_load = |(envoy, process): (u64, &Envoy)| {
        let request = move |number| request(envoy, number);
        SteadyLoad::start(process.address("main"), PER_SECOND, ConnectionMode::KeepAlive, request)
    };
    let loads: Vec<_> = (0..).zip(&envoys).map(start_load).collect();
    sleep(Duration::from_secs(INTERVAL)).await;
    let from = now_millis();
    sleep(Duration::from_secs(INTERVAL * COUNTED)).await;
    assert_spread(&cloudwatch, from);

    let mut fills = Vec::new();
    for (envoy, load) in (0..).zip(loads) {
        fills.extend((0..load.stop().await).map(|number| fill(envoy, number)));
    }
    let total = eventually("all requests are stored", LIMIT, async || match cloudwatch.totals(NAMESPACE).as_slice() {
        [total] if total.count >= fills.len() as f64 => Ok(total.clone()),
        totals => Err(format!("{} requests: {totals:?}", fills.len())),
    })
    .await;
    assert_exact(&total, &fills);
    for mut envoy in envoys {
        let stats = envoy.admin().module_stats().await;
        assert_eq!(["receiver.held", "sender.held"].map(|name| stats[name]), [0, 0], "{stats:#?}");
        assert_eq!(stats["sender.observed"], stats["receiver.published"], "{stats:#?}");
        envoy.assert_healthy();
    }
}
