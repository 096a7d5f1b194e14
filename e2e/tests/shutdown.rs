//! Envoy ends as it should when it is told to, whatever the modules are doing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::time::Duration;

use e2e::{Connection, Pair, Request, SenderAttachment, Setup, eventually};
use local_cloudwatch::Failure;
use tokio::task::JoinSet;

const ROUNDS: usize = 5;

/// Ends Envoy; gives what its log says that is worse than a warning.
async fn end(pair: Pair) {
    let (status, log) = pair.envoy.terminate().await;
    assert_eq!(status.code(), Some(0), "{status}\n{log}");
    let signs = ["[critical]", "[error]", "Segmentation", "panicked"];
    let wrong: Vec<_> = log.lines().filter(|line| signs.iter().any(|sign| line.contains(sign))).collect();
    assert_eq!(wrong, [""; 0]);
}

/// By turns, the sender is a filter and an access logger.
fn setup(round: usize) -> Setup {
    let sender_attachment =
        if round.is_multiple_of(2) { SenderAttachment::HttpFilter } else { SenderAttachment::AccessLogger };
    Setup { sender_attachment, ..Setup::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_idle() {
    for round in 0..ROUNDS {
        let mut pair = Pair::start(setup(round)).await;
        if round > 0 {
            pair.send(Request::get("example.com", "/")).await;
            pair.settled(1).await;
        }
        end(pair).await;
    }
}

/// Requests come in without a pause, and a call to CloudWatch is under way: it has been received and is not answered.
#[tokio::test(flavor = "multi_thread")]
async fn under_load_with_a_call_in_flight() {
    for round in 0..ROUNDS {
        let pair = Pair::start(setup(round)).await;
        pair.cloudwatch.delay(Duration::from_secs(30));
        let _load = endless_load(&pair);
        eventually("a call is in flight", Duration::from_secs(10), async || {
            // The data are stored at once, and the answer comes late.
            let published = pair.envoy.admin().acpw().await["receiver.published"];
            if !pair.stored().is_empty() && published == 0 { Ok(()) } else { Err("none yet") }
        })
        .await;
        end(pair).await;
    }
}

/// The receiver is sending again what CloudWatch refuses to take.
#[tokio::test(flavor = "multi_thread")]
async fn under_load_while_retrying() {
    for round in 0..ROUNDS {
        let pair = Pair::start(setup(round)).await;
        pair.cloudwatch.fail_next(10_000, Failure::new(503, "ServiceUnavailable"));
        let _load = endless_load(&pair);
        eventually("calls are retried", Duration::from_secs(10), async || {
            let retried = pair.envoy.admin().acpw().await["receiver.retried"];
            if retried > 1 + round as u64 { Ok(()) } else { Err(retried) }
        })
        .await;
        end(pair).await;
    }
}

/// Clients that ask without a pause until Envoy is gone, or until this is dropped.
fn endless_load(pair: &Pair) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for client in 0..4 {
        let (address, path) = (pair.address(), format!("/{client}"));
        clients.spawn(async move {
            let mut connection = Connection::new(address);
            while connection.send(&Request::get("example.com", &path)).await.is_ok() {}
        });
    }
    clients
}
