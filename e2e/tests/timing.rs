//! The time at which data is published.

#![allow(clippy::disallowed_methods, reason = "a test runs in real time")]

use std::time::{Duration, Instant};

use e2e::{ClientRequest, Pair, Setup, eventually, series};
use serde_json::json;
use tokio::time::{interval, sleep};

/// The documented two seconds, and one second for a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Sends a request and returns the time from the response until CloudWatch has stored it.
async fn time_to_arrive(pair: &Pair, path: &str) -> Duration {
    let expected = series("example.com", "GET", path, 200);
    assert_eq!(pair.send(ClientRequest::get("example.com", path)).await, 200);
    let start = Instant::now();
    eventually("the request is stored", Duration::from_secs(20), async || {
        let stored = pair.stored();
        if stored.contains_key(&expected) { Ok(()) } else { Err(format!("{stored:?}")) }
    })
    .await;
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn data_after_an_idle_time_arrives_within_two_seconds() {
    let seconds = Duration::from_secs;
    let flush = json!({ "flush_interval_millisecond": 1_000 });
    let publish = json!({ "publish_interval_millisecond": 3_000 });
    let mut pair = Pair::start(Setup { sender: flush, receiver: publish, ..Setup::default() }).await;

    let first = time_to_arrive(&pair, "/first").await;
    // An idle time is a publish interval without publications.
    sleep(seconds(4)).await;
    let after_idle = time_to_arrive(&pair, "/after-idle").await;
    sleep(seconds(4)).await;
    let again = time_to_arrive(&pair, "/again").await;
    println!("stored after {first:?} at the start, and after {after_idle:?} and {again:?} after an idle time");
    assert!(
        first < TIME_LIMIT && after_idle < TIME_LIMIT && again < TIME_LIMIT,
        "{first:?}, {after_idle:?}, {again:?}"
    );
    pair.wait_until_stored(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steady_traffic_is_published_once_per_interval() {
    let publish = json!({ "publish_interval_millisecond": 3_000 });
    let mut pair = Pair::start(Setup { receiver: publish, ..Setup::default() }).await;

    let (start, mut requests, mut pace) = (Instant::now(), 0, interval(Duration::from_millis(50)));
    while start.elapsed() < Duration::from_millis(10_500) {
        pace.tick().await;
        assert_eq!(pair.send(ClientRequest::get("example.com", "/")).await, 200);
        requests += 1;
    }
    let times: Vec<_> = pair.cloudwatch.calls().iter().map(|call| call.time_millis).collect();
    let between: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    println!("{requests} requests; milliseconds between calls: {between:?}");
    // The first call is sent immediately; later calls follow the schedule of the instance.
    assert!((4..=5).contains(&times.len()), "{times:?}");
    assert!(between[0] < 4_000, "{between:?}");
    assert!(between[1..].iter().all(|millis| (2_400..3_600).contains(millis)), "{between:?}");
    let stored = pair.wait_until_stored(requests).await;
    assert_eq!(stored[&series("example.com", "GET", "/", 200)], requests);
}
