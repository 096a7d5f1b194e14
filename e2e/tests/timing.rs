//! When data are published.

#![allow(clippy::disallowed_methods, reason = "a test runs in real time")]

use std::time::{Duration, Instant};

use e2e::{Pair, Request, Setup, eventually, series};
use serde_json::json;
use tokio::time::{interval, sleep};

/// Two seconds are promised; the third is for a machine that runs other tests too.
const SOON: Duration = Duration::from_secs(3);

/// Sends a request; gives how long after its answer CloudWatch has it.
async fn time_to_arrive(pair: &Pair, path: &str) -> Duration {
    let expected = series("example.com", "GET", path, 200);
    assert_eq!(pair.send(Request::get("example.com", path)).await, 200);
    let start = Instant::now();
    eventually("the request is stored", Duration::from_secs(20), async || {
        let stored = pair.stored();
        if stored.contains_key(&expected) { Ok(()) } else { Err(format!("{stored:?}")) }
    })
    .await;
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_data_and_those_after_a_quiet_time_arrive_within_two_seconds() {
    let seconds = Duration::from_secs;
    let flush = json!({ "flush_interval_millisecond": 1_000 });
    let publish = json!({ "publish_interval_millisecond": 3_000 });
    let mut pair = Pair::start(Setup { sender: flush, receiver: publish, ..Setup::default() }).await;

    let first = time_to_arrive(&pair, "/first").await;
    // It is quiet when nothing was published for an interval.
    sleep(seconds(4)).await;
    let after_quiet = time_to_arrive(&pair, "/after-quiet").await;
    sleep(seconds(4)).await;
    let again = time_to_arrive(&pair, "/again").await;
    println!("stored after {first:?} at the start, after {after_quiet:?} and {again:?} after a quiet time");
    assert!(first < SOON && after_quiet < SOON && again < SOON, "{first:?}, {after_quiet:?}, {again:?}");
    pair.settled(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steady_traffic_is_published_once_an_interval() {
    let publish = json!({ "publish_interval_millisecond": 3_000 });
    let mut pair = Pair::start(Setup { receiver: publish, ..Setup::default() }).await;

    let (start, mut requests, mut pace) = (Instant::now(), 0, interval(Duration::from_millis(50)));
    while start.elapsed() < Duration::from_millis(10_500) {
        pace.tick().await;
        assert_eq!(pair.send(Request::get("example.com", "/")).await, 200);
        requests += 1;
    }
    let times: Vec<_> = pair.cloudwatch.calls().iter().map(|call| call.time_millis).collect();
    let between: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    println!("{requests} requests; milliseconds between calls: {between:?}");
    // The first goes out soon; from the second on, they keep to the instance's own times.
    assert!((4..=5).contains(&times.len()), "{times:?}");
    assert!(between[0] < 4_000, "{between:?}");
    assert!(between[1..].iter().all(|millis| (2_400..3_600).contains(millis)), "{between:?}");
    let stored = pair.settled(requests).await;
    assert_eq!(stored[&series("example.com", "GET", "/", 200)], requests);
}
