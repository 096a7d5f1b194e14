//! A trap in a module does not affect requests, losses are reported, and counting continues where Envoy allows it.
//!
//! The tests use modules that trap on request, which is their only difference from the released modules.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test runs in real time and fails by panicking, in its helpers too"
)]

use std::{collections::BTreeMap, time::Duration};

use e2e::{
    Bootstrap, ClientRequest, ConnectionMode, Envoy, Listener, Pair, Plugin, ReceiverAttachment, Route,
    SenderAttachment, Setup, SteadyLoad, Upstream, eventually, installation, load, series,
};
use serde_json::json;
use tokio::time::sleep;

const TRAP_THE_SENDER: &str = "/trap-the-sender";
const TRAP_THE_RECEIVER: &str = "/trap-the-receiver";

/// Timeout for conditions. Envoy restarts a stats sink at its next stats flush, every 5 s.
const LIMIT: Duration = Duration::from_secs(30);

/// A time in which every worker flushes.
const FLUSHES: Duration = Duration::from_millis(500);

type Stats = BTreeMap<String, u64>;

fn setup() -> Setup {
    Setup { modules: installation::trap_modules(), ..Setup::default() }
}

fn get(path: &str) -> ClientRequest {
    ClientRequest::get("example.com", path)
}

/// Sends requests for this path over four connections, and asserts that none fails.
async fn send(pair: &Pair, requests: usize, path: &str) {
    let statuses = load(pair.address(), 4, vec![get(path); requests]).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

async fn eventually_counted(pair: &Pair, what: &str, is_met: impl Fn(&Stats) -> bool) -> Stats {
    eventually(what, LIMIT, async || {
        let stats = pair.envoy.admin().module_stats().await;
        if is_met(&stats) { Ok(stats) } else { Err(format!("{stats:#?}")) }
    })
    .await
}

/// Returns the value of one of the modules' stats.
async fn counted(pair: &Pair, name: &str) -> u64 {
    pair.envoy.admin().module_stats().await[name]
}

fn stored(pair: &Pair, path: &str) -> u64 {
    pair.stored().get(&series("example.com", "GET", path, 200)).copied().unwrap_or_default()
}

/// Waits until no more requests are observed and all observed requests are stored. Returns their number.
async fn wait_until_observed_and_stored(pair: &Pair) -> u64 {
    let mut before = None;
    let observed = eventually("all observed requests are published", LIMIT, async || {
        let stats = pair.envoy.admin().module_stats().await;
        let observed = stats["sender.observed"];
        let is_met = before.replace(observed) == Some(observed) && stats["receiver.published"] == observed;
        if is_met {
            return Ok(observed);
        }
        // Give every worker time to flush, to show that nothing follows.
        sleep(FLUSHES).await;
        Err(format!("{stats:#?}"))
    })
    .await;
    let stats = pair.wait_until_idle(observed).await;
    assert_eq!(pair.stored().values().sum::<u64>(), stats["receiver.published"]);
    observed
}

/// Traps the sender of one of two workers under load. Returns the requests with another status than 200.
async fn trap_a_sender(sender_attachment: SenderAttachment) -> (Pair, Vec<(usize, u16)>) {
    let mut pair = Pair::start(Setup { sender_attachment, ..setup() }).await;
    send(&pair, 1_000, "/before").await;
    pair.wait_until_stored(1_000).await;
    let requests = (0..2_000).map(|n| get(if n == 1_000 { TRAP_THE_SENDER } else { "/meanwhile" }));
    let statuses = load(pair.address(), 4, requests.collect()).await;
    pair.envoy.assert_running();
    assert_eq!(pair.envoy.traps(), 1, "{}", pair.envoy.log());
    // The panic message survives the size reductions of the module.
    assert!(pair.envoy.log().contains("a test has asked for it"), "{}", pair.envoy.log());
    (pair, statuses.into_iter().enumerate().filter(|(_, status)| *status != 200).collect())
}

/// Despite FAIL_OPEN, Envoy responds with 503 to the request at which a filter traps; later requests bypass the filter.
/// Its worker no longer counts, but the other worker does.
#[tokio::test(flavor = "multi_thread")]
async fn requests_bypass_a_trapped_filter_and_other_workers_keep_counting() {
    let (pair, failed) = trap_a_sender(SenderAttachment::HttpFilter).await;
    assert_eq!(failed, [(1_000, 503)]);
    let before = wait_until_observed_and_stored(&pair).await;
    send(&pair, 400, "/after").await;
    let after = wait_until_observed_and_stored(&pair).await;
    println!("of 2,000 requests around the trap, {} were counted; of 400 after it, {}", before - 1_000, after - before);
    assert!((1_001..3_000).contains(&before), "{before}");
    assert!((1..400).contains(&(after - before)), "{after} after {before}");
    assert_eq!((stored(&pair, "/before"), stored(&pair, TRAP_THE_SENDER)), (1_000, 0));
}

/// Returns the statuses of requests that wait for their upstream when another request traps the sender of their worker.
/// Without the trap, they would time out with 504.
async fn statuses_in_flight_at_a_trap(sender_attachment: SenderAttachment, trapping: u16) -> Vec<u16> {
    let upstream = Upstream::start().await;
    let setup = Setup {
        sender_attachment,
        listener: Listener::new("main")
            .route(Route::cluster("/hang", "upstream").with("timeout", "2s"))
            .route(Route::direct("/", 200)),
        clusters: vec![("upstream", upstream.address())],
        workers: 1,
        ..setup()
    };
    let mut pair = Pair::start(setup).await;
    let address = pair.address();
    let waiting = tokio::spawn(async move { load(address, 4, vec![get("/hang"); 4]).await });
    eventually("four requests are in flight", LIMIT, async || {
        if upstream.requests().len() == 4 { Ok(()) } else { Err("not yet") }
    })
    .await;
    assert_eq!(pair.send(get(TRAP_THE_SENDER)).await, trapping);
    send(&pair, 100, "/after").await;
    let statuses = waiting.await.unwrap();
    pair.envoy.assert_running();
    assert_eq!(pair.envoy.traps(), 1);
    statuses
}

/// Envoy also fails requests that passed the filter before it trapped.
#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_fail_when_a_filter_traps() {
    assert_eq!(statuses_in_flight_at_a_trap(SenderAttachment::HttpFilter, 503).await, [503; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_not_affected_when_an_access_logger_traps() {
    assert_eq!(statuses_in_flight_at_a_trap(SenderAttachment::AccessLogger, 200).await, [504; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trapped_access_logger_is_restarted_and_counts_again() {
    let (mut pair, failed) = trap_a_sender(SenderAttachment::AccessLogger).await;
    assert_eq!(failed, []);
    let mut before = wait_until_observed_and_stored(&pair).await;
    assert!((1_001..3_000).contains(&before), "{before}");
    println!("of 2,000 requests around the trap, {} were counted", before - 1_000);
    // Some time after the trap, Envoy restarts the access logger at the next request.
    eventually("both workers count", LIMIT, async || {
        send(&pair, 8, "/again").await;
        let after = wait_until_observed_and_stored(&pair).await;
        let counted = after - std::mem::replace(&mut before, after);
        if counted == 8 { Ok(()) } else { Err(format!("{counted} of 8 were counted")) }
    })
    .await;
    send(&pair, 400, "/after").await;
    assert_eq!(wait_until_observed_and_stored(&pair).await, before + 400);
    assert_eq!((stored(&pair, "/after"), stored(&pair, TRAP_THE_SENDER)), (400, 0));
    pair.envoy.assert_running();
    assert_eq!(pair.envoy.traps(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trapped_receiver_is_restarted_and_reports_its_losses() {
    let mut pair = Pair::start(setup()).await;
    send(&pair, 100, "/published").await;
    pair.wait_until_stored(100).await;

    pair.cloudwatch.pause().await;
    send(&pair, 300, "/held").await;
    eventually_counted(&pair, "300 values are held and calls fail", |stats| {
        stats["receiver.held"] == 300 && stats["receiver.retried"] > 0
    })
    .await;
    let meanwhile = SteadyLoad::start(pair.address(), 200, ConnectionMode::KeepAlive, |_| get("/meanwhile"));
    assert_eq!(pair.send(get(TRAP_THE_RECEIVER)).await, 200);
    eventually("the receiver traps", LIMIT, async || if pair.envoy.traps() > 0 { Ok(()) } else { Err("not yet") })
        .await;
    let received = counted(&pair, "receiver.received").await;
    send(&pair, 50, "/queued").await;
    pair.cloudwatch.resume().await.unwrap();
    eventually_counted(&pair, "the receiver is restarted", |stats| stats["receiver.dropped.restart"] > 0).await;
    send(&pair, 200, "/after").await;
    let meanwhile = meanwhile.stop().await;

    let stats = pair.wait_until_idle(100 + 300 + 1 + 50 + 200 + meanwhile).await;
    let lost = stats["receiver.dropped.restart"];
    println!("the trap lost {lost} values; the receiver had received {received} and published 100");
    assert!(lost >= 301, "{stats:#?}");
    assert_eq!(received, 100 + lost, "the reported losses must be all values that were received but not published");
    assert_eq!(stats["receiver.published"] + lost, stats["receiver.received"], "{stats:#?}");
    assert_eq!(["/published", "/queued", "/after", "/held"].map(|path| stored(&pair, path)), [100, 50, 200, 0]);
    assert_eq!(stored(&pair, "/meanwhile"), meanwhile - (lost - 301));
    assert_eq!(pair.stored().values().sum::<u64>(), stats["receiver.published"]);
    pair.envoy.assert_running();
    assert_eq!(pair.envoy.traps(), 1);
}

/// The values of a call in flight count as lost, although CloudWatch may have stored them.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_traps_during_a_call_is_restarted() {
    let mut pair = Pair::start(setup()).await;
    pair.cloudwatch.delay(Duration::from_secs(3));
    send(&pair, 100, "/in-flight").await;
    eventually("a call is in flight", LIMIT, async || {
        if stored(&pair, "/in-flight") == 100 { Ok(()) } else { Err("it is not") }
    })
    .await;
    assert_eq!(pair.send(get(TRAP_THE_RECEIVER)).await, 200);
    eventually_counted(&pair, "the receiver is restarted", |stats| stats["receiver.dropped.restart"] == 101).await;
    pair.cloudwatch.delay(Duration::ZERO);
    send(&pair, 100, "/after").await;
    let stats = pair.wait_until_idle(201).await;
    assert_eq!((stats["receiver.published"], stats["receiver.dropped.restart"]), (100, 101), "{stats:#?}");
    assert_eq!(["/in-flight", "/after"].map(|path| stored(&pair, path)), [100, 100]);
    pair.envoy.assert_running();
}

/// Envoy never restarts a singleton. Senders then take back what nobody receives and enqueue it again together with
/// newer values, so that the queue stays bounded.
#[tokio::test(flavor = "multi_thread")]
async fn a_trapped_singleton_fails_no_request_and_the_queue_is_bounded() {
    let setup = Setup {
        receiver_attachment: ReceiverAttachment::Singleton,
        sender: json!({ "max_series": 100_000 }),
        // With several workers, each has its own limit and can take values of others from the queue.
        workers: 1,
        ..setup()
    };
    let mut pair = Pair::start(setup).await;
    send(&pair, 100, "/published").await;
    pair.wait_until_stored(100).await;
    assert_eq!(pair.send(get(TRAP_THE_RECEIVER)).await, 200);
    eventually("the receiver traps", LIMIT, async || if pair.envoy.traps() > 0 { Ok(()) } else { Err("not yet") })
        .await;

    let mut sent = 101;
    let queued = |stats: &Stats| stats["sender.enqueued"] - stats["sender.taken_back"] - stats["receiver.received"];
    for round in 0..3 {
        send(&pair, 200, &format!("/{round}")).await;
        sent += 200;
        let stats = eventually_counted(&pair, "all values are in the queue", |stats| {
            stats["sender.observed"] == sent && stats["sender.held"] == 0 && queued(stats) == sent - 101
        })
        .await;
        assert!(round == 0 || stats["sender.taken_back"] > 0, "{stats:#?}");
    }
    // Each series takes more than 1 kB, so the queue can hold about 8,000.
    let filling = "x".repeat(1_000);
    for round in 0..3 {
        let requests = (0..4_000).map(|n| get(&format!("/{round}/{n}/{filling}"))).collect();
        let statuses = load(pair.address(), 4, requests).await;
        assert!(statuses.iter().all(|status| *status == 200));
        sent += 4_000;
    }
    let stats = eventually_counted(&pair, "the queue is full and all values are accounted for", |stats| {
        stats["sender.observed"] == sent
            && queued(stats) + stats["sender.held"] + stats["sender.dropped.buffer_full"] == sent - 101
    })
    .await;
    println!("of {sent} values, {} were dropped at the limit", stats["sender.dropped.buffer_full"]);
    assert!(stats["sender.dropped.buffer_full"] > 0, "{stats:#?}");
    assert!(queued(&stats) < 9_000, "{stats:#?}");
    assert_eq!(pair.stored().values().sum::<u64>(), 100);
    pair.envoy.assert_running();
    assert_eq!(pair.envoy.traps(), 1);
}

/// All workers share the gauge, so the restarted sender cannot know the share of the trapped one.
#[tokio::test(flavor = "multi_thread")]
async fn values_held_by_a_trapped_sender_stay_in_the_gauge() {
    let sender = r#"{ "receiver_vm_id": "receiver", "flush_interval_millisecond": 100 }"#;
    let sender = Plugin::sender(sender).from_folder(installation::trap_modules());
    let listener = Listener::new("main").route(Route::direct("/", 200)).sender(SenderAttachment::AccessLogger, sender);
    let mut envoy = Envoy::start(&Bootstrap::default().listener(listener).workers(1)).await;
    load(envoy.address("main"), 4, vec![get("/"); 100]).await;
    eventually("the values are held", LIMIT, async || {
        let held = envoy.admin().module_stats().await["sender.held"];
        if held == 100 { Ok(()) } else { Err(held) }
    })
    .await;
    assert_eq!(load(envoy.address("main"), 1, vec![get(TRAP_THE_SENDER)]).await, [200]);
    let stats = eventually("the restarted sender counts", LIMIT, async || {
        load(envoy.address("main"), 1, vec![get("/")]).await;
        let stats = envoy.admin().module_stats().await;
        if stats["sender.observed"] > 100 { Ok(stats) } else { Err(format!("{stats:#?}")) }
    })
    .await;
    assert!(stats["sender.held"] > 100, "{stats:#?}");
    assert_eq!((stats["sender.enqueued"], stats["sender.dropped.buffer_full"]), (0, 0), "{stats:#?}");
    assert_eq!(envoy.traps(), 1);
    envoy.assert_running();
}
