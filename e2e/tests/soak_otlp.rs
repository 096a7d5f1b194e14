//! Outages of three minutes: of the OTLP endpoint, of CloudWatch, and of both at once.
//!
//! `make soak` runs them.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test runs in real time and fails by panicking, in its helpers too"
)]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use e2e::{ClientRequest, ConnectionMode, Pair, Setup, SteadyLoad, counts, eventually, series};
use local_cloudwatch::{LocalCloudWatch, OtlpTemporality, ServerOptions};
use serde_json::json;
use tokio::time::sleep;

const SERIES: u64 = 50;
const PER_SECOND: u64 = 50;
const OUTAGE: Duration = Duration::from_secs(180);

/// The time from the end of an outage until everything is published, at most: the longest back-off, and the end of the
/// last minute.
const RECOVERY: Duration = Duration::from_secs(120);

/// An outage.
#[derive(Clone, Copy, Debug)]
struct Outage {
    of_otlp: bool,
    of_cloudwatch: bool,
    temporality: &'static str,
}

fn path(n: u64) -> String {
    format!("/{}", n % SERIES)
}

/// Returns the number of requests with each path, out of `requests`.
fn by_path(requests: u64) -> BTreeMap<String, f64> {
    let mut paths = BTreeMap::new();
    (0..requests).for_each(|n| *paths.entry(path(n)).or_default() += 1.0);
    paths
}

async fn outage(case: Outage) {
    let Outage { of_otlp, of_cloudwatch, temporality } = case;
    let mut options = ServerOptions::default();
    options.keys.push(Pair::key());
    let endpoint = LocalCloudWatch::start(options).await.unwrap();
    let receiver = json!({
        "publish_to": ["cloudwatch", "otlp"],
        "otlp": { "cluster_name": "otlp", "host": endpoint.address().to_string(), "temporality": temporality },
    });
    let clusters = vec![("otlp", endpoint.address())];
    let mut pair = Pair::start(Setup { receiver, clusters, ..Setup::default() }).await;
    let request = |n| ClientRequest::get("example.com", &path(n));
    let load = SteadyLoad::start(pair.address(), PER_SECOND, ConnectionMode::KeepAlive, request);
    sleep(Duration::from_secs(10)).await;

    if of_otlp {
        endpoint.pause().await;
    }
    if of_cloudwatch {
        pair.cloudwatch.pause().await;
    }
    sleep(OUTAGE).await;
    let during = pair.envoy.admin().module_stats().await;
    for (prefix, is_down) in [("receiver.otlp.", of_otlp), ("receiver.", of_cloudwatch)] {
        let of = |name: &str| during[&format!("{prefix}{name}")];
        assert_eq!(of("retried") > 2, is_down, "{case:?} {prefix}: {during:#?}");
        // A service that is up holds no more than the data of a few seconds.
        assert_eq!(of("held") > 100 * PER_SECOND, is_down, "{case:?} {prefix}: {during:#?}");
        assert_eq!(of("seconds_since_success") > 150, is_down, "{case:?} {prefix}: {during:#?}");
    }
    if of_otlp {
        endpoint.resume().await.unwrap();
    }
    if of_cloudwatch {
        pair.cloudwatch.resume().await.unwrap();
    }
    let resumed = Instant::now();
    let requests = load.stop().await;
    eventually("everything is published to OTLP", RECOVERY, async || {
        let stats = pair.envoy.admin().module_stats().await;
        let is_done = stats["receiver.otlp.published"] == requests && stats["receiver.otlp.held"] == 0;
        if is_done { Ok(()) } else { Err(format!("{case:?} {requests}: {stats:#?}")) }
    })
    .await;
    let recovered = resumed.elapsed();
    let expected = counts((0..requests).map(|n| series("example.com", "GET", &path(n), 200)));
    assert_eq!(pair.wait_until_stored(requests).await, expected, "{case:?}");

    let mut stored = BTreeMap::new();
    for total in endpoint.otlp_totals() {
        let is_cumulative = total.temporality == Some(OtlpTemporality::Cumulative);
        assert_eq!((is_cumulative, total.late), (temporality == "cumulative", 0), "{total:?}");
        *stored.entry(total.attributes["url.path"].clone()).or_default() += total.sum;
    }
    assert_eq!(stored, by_path(requests), "{case:?}");
    let stats = pair.envoy.admin().module_stats().await;
    assert_eq!(stats["receiver.unknown_outcome"], 0, "{stats:#?}");
    // A request that the outage interrupts is sent again. A total that was stored then counts once all the same.
    if temporality == "delta" {
        assert_eq!(stats["receiver.otlp.unknown_outcome"], 0, "{stats:#?}");
    }
    println!(
        "{case:?}: {requests} requests in {SERIES} series, all stored by both services; at the end of the outage {} values \
         in {} bytes were held for OTLP, and {} in {} bytes for CloudWatch; {} and {} attempts failed; the endpoint had \
         everything after {recovered:.1?}, in {} requests",
        during["receiver.otlp.held"],
        during["receiver.otlp.held_bytes"],
        during["receiver.held"],
        during["receiver.held_bytes"],
        stats["receiver.otlp.retried"],
        stats["receiver.retried"],
        stats["receiver.otlp.requests"],
    );
    pair.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn three_minutes_without_either_service_or_both_lose_nothing() {
    let case = |of_otlp, of_cloudwatch, temporality| outage(Outage { of_otlp, of_cloudwatch, temporality });
    tokio::join!(case(true, false, "delta"), case(false, true, "delta"), case(true, true, "cumulative"));
}
