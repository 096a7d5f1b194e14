//! Envoy exits cleanly on SIGTERM, regardless of what the modules are doing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::time::Duration;

use e2e::{ClientRequest, Connection, Pair, SenderAttachment, Setup, eventually};
use local_cloudwatch::Failure;
use tokio::task::JoinSet;

const ROUNDS: usize = 5;

/// Terminates Envoy and asserts that it exits cleanly and logs no error.
async fn assert_clean_exit(pair: Pair) {
    let (status, log) = pair.envoy.terminate().await;
    assert_eq!(status.code(), Some(0), "{status}\n{log}");
    let texts = ["[critical]", "[error]", "Segmentation", "panicked"];
    let errors: Vec<_> = log.lines().filter(|line| texts.iter().any(|text| line.contains(text))).collect();
    assert_eq!(errors, [""; 0]);
}

/// Returns a setup whose sender is alternately a filter and an access logger.
fn setup(round: usize) -> Setup {
    let sender_attachment =
        if round.is_multiple_of(2) { SenderAttachment::HttpFilter } else { SenderAttachment::AccessLogger };
    Setup { sender_attachment, ..Setup::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_exits_cleanly_while_idle() {
    for round in 0..ROUNDS {
        let mut pair = Pair::start(setup(round)).await;
        if round > 0 {
            pair.send(ClientRequest::get("example.com", "/")).await;
            pair.wait_until_stored(1).await;
        }
        assert_clean_exit(pair).await;
    }
}

/// Requests arrive continuously, and CloudWatch has received a call but not responded.
#[tokio::test(flavor = "multi_thread")]
async fn envoy_exits_cleanly_under_load_with_a_call_in_flight() {
    for round in 0..ROUNDS {
        let pair = Pair::start(setup(round)).await;
        pair.cloudwatch.delay(Duration::from_secs(30));
        let _load = endless_load(&pair);
        eventually("a call is in flight", Duration::from_secs(10), async || {
            // The data is stored immediately, and the response is delayed.
            let published = pair.envoy.admin().module_stats().await["receiver.published"];
            if !pair.stored().is_empty() && published == 0 { Ok(()) } else { Err("no call is in flight") }
        })
        .await;
        assert_clean_exit(pair).await;
    }
}

/// The receiver retries calls that fail.
#[tokio::test(flavor = "multi_thread")]
async fn envoy_exits_cleanly_under_load_while_retrying() {
    for round in 0..ROUNDS {
        let pair = Pair::start(setup(round)).await;
        pair.cloudwatch.fail_next(10_000, Failure::new(503, "ServiceUnavailable"));
        let _load = endless_load(&pair);
        eventually("calls are retried", Duration::from_secs(10), async || {
            let retried = pair.envoy.admin().module_stats().await["receiver.retried"];
            if retried > 1 + round as u64 { Ok(()) } else { Err(retried) }
        })
        .await;
        assert_clean_exit(pair).await;
    }
}

/// Starts clients that send requests continuously until Envoy exits or the set is dropped.
fn endless_load(pair: &Pair) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for client in 0..4 {
        let (address, path) = (pair.address(), format!("/{client}"));
        clients.spawn(async move {
            let mut connection = Connection::new(address);
            while connection.send(&ClientRequest::get("example.com", &path)).await.is_ok() {}
        });
    }
    clients
}
