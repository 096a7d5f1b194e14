//! Nothing is lost or counted twice while CloudWatch fails or there is no receiver.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{collections::BTreeMap, time::Duration};

use e2e::{
    Bootstrap, ClientRequest, Connection, Envoy, Listener, Pair, Plugin, RequestCounts, Route, SenderAttachment, Setup,
    counts, eventually, load, series,
};
use local_cloudwatch::{DropPoint, Failure};

const LIMIT: Duration = Duration::from_secs(30);

/// Sends 100 requests, whose paths depend on `round`, and returns their counts.
async fn send_round(pair: &Pair, round: usize) -> RequestCounts {
    let paths: Vec<_> = (0..100).map(|n| format!("/{}", (n * round) % 7)).collect();
    load(pair.address(), 4, paths.iter().map(|path| ClientRequest::get("example.com", path)).collect()).await;
    counts(paths.iter().map(|path| series("example.com", "GET", path, 200)))
}

fn sum(mut counts: RequestCounts, others: RequestCounts) -> RequestCounts {
    for (series, requests) in others {
        *counts.entry(series).or_default() += requests;
    }
    counts
}

async fn eventually_counted(pair: &Pair, what: &str, is_met: impl Fn(&BTreeMap<String, u64>) -> bool) {
    eventually(what, LIMIT, async || {
        let stats = pair.envoy.admin().module_stats().await;
        if is_met(&stats) { Ok(()) } else { Err(format!("{stats:#?}")) }
    })
    .await;
}

/// Sends requests while calls fail, asserts that all are stored, and returns the modules' stats.
async fn survives(inject: impl FnOnce(&Pair)) -> BTreeMap<String, u64> {
    let mut pair = Pair::start(Setup::default()).await;
    let mut expected = send_round(&pair, 1).await;
    pair.wait_until_stored(100).await;
    inject(&pair);
    for round in 2..5 {
        let retries = (round - 1) as u64;
        expected = sum(expected, send_round(&pair, round).await);
        eventually_counted(&pair, "calls fail", |stats| stats["receiver.retried"] >= retries).await;
    }
    assert_eq!(pair.wait_until_stored(400).await, expected);
    pair.envoy.admin().module_stats().await
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_the_service_are_retried() {
    let stats = survives(|pair| {
        pair.cloudwatch.fail_next(2, Failure::new(503, "ServiceUnavailable"));
        pair.cloudwatch.fail_next(2, Failure::new(500, "InternalServiceFault"));
    })
    .await;
    assert_eq!((stats["receiver.retried"], stats["receiver.throttled"], stats["receiver.unknown_outcome"]), (4, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_requests_are_retried() {
    let stats = survives(|pair| {
        pair.cloudwatch.fail_next(2, Failure::new(400, "ThrottlingException"));
        pair.cloudwatch.fail_next(2, Failure::new(503, "SlowDown").with_header("retry-after", "1"));
    })
    .await;
    assert_eq!((stats["receiver.retried"], stats["receiver.throttled"], stats["receiver.unknown_outcome"]), (4, 4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_a_response_are_retried() {
    let stats = survives(|pair| pair.cloudwatch.drop_next(4, DropPoint::BeforeStoring)).await;
    assert_eq!((stats["receiver.retried"], stats["receiver.throttled"], stats["receiver.unknown_outcome"]), (4, 0, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_cloudwatch_loses_nothing() {
    let mut pair = Pair::start(Setup::default()).await;
    let mut expected = send_round(&pair, 1).await;
    pair.wait_until_stored(100).await;
    pair.cloudwatch.pause().await;
    for round in 2..5 {
        expected = sum(expected, send_round(&pair, round).await);
    }
    eventually_counted(&pair, "calls to CloudWatch fail", |stats| {
        stats["receiver.held"] == 300 && stats["receiver.retried"] >= 3
    })
    .await;
    pair.cloudwatch.resume().await.unwrap();
    expected = sum(expected, send_round(&pair, 5).await);
    assert_eq!(pair.wait_until_stored(500).await, expected);
    let stats = pair.envoy.admin().module_stats().await;
    assert_eq!(stats["receiver.unknown_outcome"], 0, "the outcome of a refused connection is known: {stats:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_receiver_requests_pass_and_their_counts_are_held() {
    let sender = r#"{ "receiver_vm_id": "receiver", "flush_interval_millisecond": 100 }"#;
    let listener = Listener::new("main")
        .route(Route::direct("/", 200))
        .sender(SenderAttachment::HttpFilter, Plugin::sender(sender));
    let mut envoy = Envoy::start(&Bootstrap::default().listener(listener)).await;
    for (round, held) in [(1, 100), (2, 200), (3, 300)] {
        let requests = (0..100).map(|n| ClientRequest::get("example.com", &format!("/{round}/{}", n % 5)));
        let statuses = load(envoy.address("main"), 4, requests.collect()).await;
        assert_eq!(statuses, [200; 100]);
        eventually("the sender holds all counts", LIMIT, async || {
            let stats = envoy.admin().module_stats().await;
            let is_met = stats["sender.held"] == held && stats["sender.observed"] == held;
            if is_met { Ok(()) } else { Err(format!("{stats:?}")) }
        })
        .await;
    }
    let stats = envoy.admin().module_stats().await;
    assert_eq!((stats["sender.enqueued"], stats["sender.dropped.buffer_full"]), (0, 0), "{stats:?}");
    assert_eq!(Connection::new(envoy.address("main")).send(&ClientRequest::get("a", "/")).await.unwrap().status, 200);
    envoy.assert_healthy();
}
