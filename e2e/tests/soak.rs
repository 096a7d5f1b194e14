//! Tests that take minutes: outages, many updates and many shutdowns. `make soak` runs them, and long_load.rs.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test runs in real time and fails by panicking, in its helpers too"
)]

use std::time::{Duration, Instant};

use e2e::{
    Bootstrap, ClientRequest, Connection, ConnectionMode, Envoy, Listener, NAMESPACE, Pair, Plugin, ReceiverAttachment,
    RequestCounts, Route, SenderAttachment, Setup, SteadyLoad, counts, eventually, series, stored,
};
use local_cloudwatch::{Failure, LocalCloudWatch, ServerOptions};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{interval, sleep},
};

/// Returns the path of request `n`, out of `series` paths.
fn path(n: u64, series: u64) -> String {
    format!("/{}", n % series)
}

/// Returns the counts of `requests` requests with `series_count` paths.
fn expected(requests: u64, series_count: u64) -> RequestCounts {
    counts((0..requests).map(|n| series("example.com", "GET", &path(n, series_count), 200)))
}

fn steady_load(pair: &Pair, per_second: u64, series: u64) -> SteadyLoad {
    let request = move |n| ClientRequest::get("example.com", &path(n, series));
    SteadyLoad::start(pair.address(), per_second, ConnectionMode::KeepAlive, request)
}

/// Returns the resident memory in megabytes.
fn resident(envoy: &Envoy) -> u64 {
    envoy.resident_bytes() / 1_000_000
}

fn failed_calls(cloudwatch: &LocalCloudWatch) -> usize {
    cloudwatch.calls().iter().filter(|call| call.status != Some(200)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_minutes_without_cloudwatch_lose_nothing() {
    const SERIES: u64 = 50;
    let mut pair = Pair::start(Setup::default()).await;
    let load = steady_load(&pair, 100, SERIES);
    sleep(Duration::from_secs(10)).await;
    let start = resident(&pair.envoy);
    pair.cloudwatch.pause().await;
    sleep(Duration::from_secs(180)).await;
    let held = pair.envoy.admin().module_stats().await;
    let during = resident(&pair.envoy);
    pair.cloudwatch.resume().await.unwrap();
    let resumed = Instant::now();
    eventually("CloudWatch is reached again", Duration::from_secs(40), async || {
        let stats = pair.envoy.admin().module_stats().await;
        if stats["receiver.held"] < 500 { Ok(()) } else { Err(format!("{stats:#?}")) }
    })
    .await;
    let recovered = resumed.elapsed();
    let requests = load.stop().await;
    assert_eq!(pair.wait_until_stored(requests).await, expected(requests, SERIES));
    let stats = pair.envoy.admin().module_stats().await;
    assert_eq!(stats["receiver.unknown_outcome"], 0, "{stats:#?}");
    println!(
        "outage of 180 s: {requests} requests in {SERIES} series, all stored; at the end of the outage {} values, {} data \
         and {} bytes were held; {} failed attempts; {} calls; recovered after {recovered:.1?}; resident memory {start} MB \
         before, {during} MB at the end of the outage, {} MB at the end",
        held["receiver.held"],
        held["receiver.held_series"],
        held["receiver.held_bytes"],
        stats["receiver.retried"],
        stats["receiver.requests"],
        resident(&pair.envoy),
    );
}

/// Repeats three failures followed by a success.
#[tokio::test(flavor = "multi_thread")]
async fn a_minute_of_faults_and_throttling_loses_nothing() {
    const SERIES: u64 = 50;
    const LIMIT: Duration = Duration::from_secs(60);
    let mut pair = Pair::start(Setup::default()).await;
    let load = steady_load(&pair, 100, SERIES);
    let (start, mut rounds) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(60) {
        let faults = [(503, "ServiceUnavailable"), (400, "ThrottlingException"), (500, "InternalServiceFault")];
        let (status, code) = faults[rounds % faults.len()];
        pair.cloudwatch.fail_next(3, Failure::new(status, code));
        rounds += 1;
        eventually("three calls fail and the next succeeds", LIMIT, async || {
            let failed = failed_calls(&pair.cloudwatch);
            let is_accepted = pair.cloudwatch.calls().last().is_some_and(|call| call.status == Some(200));
            if failed == 3 * rounds && is_accepted { Ok(()) } else { Err(format!("{failed} of {}", 3 * rounds)) }
        })
        .await;
    }
    let took = start.elapsed();
    let requests = load.stop().await;
    assert_eq!(pair.wait_until_stored(requests).await, expected(requests, SERIES));
    let stats = pair.envoy.admin().module_stats().await;
    let throttled = 3 * (rounds as u64 + 1).div_euclid(3);
    assert_eq!((stats["receiver.retried"], stats["receiver.throttled"]), (3 * rounds as u64, throttled), "{stats:#?}");
    println!(
        "{} failures in {took:.0?}, {throttled} of them throttling: {requests} requests in {SERIES} series, all stored; {} \
         successful calls",
        3 * rounds,
        stats["receiver.requests"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_updates_of_listeners_under_load_lose_nothing() {
    const SERIES: u64 = 50;
    const UPDATES: u64 = 30;
    let cloudwatch = LocalCloudWatch::start(ServerOptions::default()).await.unwrap();
    let receiver = json!({
        "cloud_watch_region": "us-east-1",
        "cloud_watch_cluster_name": "cloud_watch",
        "cloud_watch_host": cloudwatch.address().to_string(),
        "aws_access_key_id": "local",
        "aws_secret_access_key": "local",
        "metric_namespace": NAMESPACE,
        "publish_interval_millisecond": 1_000,
    });
    // With a long flush interval, a sender hands over most counts when it is removed.
    let listener = |update: u64| {
        let attachment =
            if update.is_multiple_of(2) { SenderAttachment::HttpFilter } else { SenderAttachment::AccessLogger };
        let sender =
            json!({ "receiver_vm_id": "receiver", "flush_interval_millisecond": 60_000, "max_series": 1_000 + update });
        Listener::new("main").route(Route::direct("/", 200)).sender(attachment, Plugin::sender(sender))
    };
    let bootstrap = Bootstrap::default()
        .listener(listener(0))
        .dynamic()
        .cluster("cloud_watch", cloudwatch.address())
        .receiver(ReceiverAttachment::StatsSink, Plugin::receiver(receiver));
    let mut envoy = Envoy::start(&bootstrap).await;
    let (start, before) = (Instant::now(), resident(&envoy));
    let request = |n| ClientRequest::get("example.com", &path(n, SERIES));
    let load = SteadyLoad::start(envoy.address("main"), 100, ConnectionMode::PerRequest, request);
    for update in 1..=UPDATES {
        envoy.update(&[listener(update)]).await;
    }
    let requests = load.stop().await;
    envoy.update(&[]).await;
    eventually("all counts are stored", Duration::from_secs(20), async || {
        let stored = stored(&cloudwatch, NAMESPACE);
        if stored == expected(requests, SERIES) { Ok(()) } else { Err(format!("{requests} requests: {stored:?}")) }
    })
    .await;
    let stats = envoy.admin().module_stats().await;
    let actual = ["received", "published", "held"].map(|name| stats[&format!("receiver.{name}")]);
    assert_eq!(actual, [requests, requests, 0], "{stats:#?}");
    envoy.assert_healthy();
    println!(
        "{UPDATES} updates in {:.0?}: {requests} requests in {SERIES} series, all stored; {} calls; resident memory {before} \
         MB before, {} MB after",
        start.elapsed(),
        stats["receiver.requests"],
        resident(&envoy),
    );
}

/// Shutdowns are spread over a publish interval. Every other call is delayed, so that some are in flight.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_shutdowns_during_publishing_are_clean() {
    const ROUNDS: u32 = 50;
    let start = Instant::now();
    let (mut requests, mut total_stored) = (0, 0);
    for round in 0..ROUNDS {
        let attachments = [SenderAttachment::HttpFilter, SenderAttachment::AccessLogger];
        let pair = Pair::start(Setup { sender_attachment: attachments[round as usize % 2], ..Setup::default() }).await;
        let mut clients = JoinSet::new();
        for client in 0..4 {
            let address = pair.address();
            clients.spawn(async move {
                let (mut connection, mut sent) = (Connection::new(address), 0u64);
                let mut pace = interval(Duration::from_millis(10));
                let request = ClientRequest::get("example.com", &path(client, 4));
                while connection.send(&request).await.is_ok() {
                    sent += 1;
                    pace.tick().await;
                }
                sent
            });
        }
        eventually("the first data is stored", Duration::from_secs(20), async || {
            if pair.stored().is_empty() { Err("not yet") } else { Ok(()) }
        })
        .await;
        pair.cloudwatch.delay(Duration::from_millis(300) * (round % 2));
        sleep(Duration::from_millis(1_000) * round / ROUNDS).await;
        let (status, log) = pair.envoy.terminate().await;
        assert_eq!(status.code(), Some(0), "round {round}: {status}\n{log}");
        let texts = ["[critical]", "[error]", "Segmentation", "panicked"];
        let errors: Vec<_> = log.lines().filter(|line| texts.iter().any(|text| line.contains(text))).collect();
        assert_eq!(errors, [""; 0], "round {round}");
        let answered: u64 = clients.join_all().await.iter().sum();
        let stored: u64 = stored(&pair.cloudwatch, NAMESPACE).values().sum();
        // Requests in flight at the end may be counted without a response.
        assert!(stored <= answered + 4, "round {round}: {stored} of {answered}");
        (requests, total_stored) = (requests + answered, total_stored + stored);
    }
    println!(
        "{ROUNDS} shutdowns in {:.0?}, all clean: {requests} requests, {total_stored} of them stored",
        start.elapsed()
    );
}
