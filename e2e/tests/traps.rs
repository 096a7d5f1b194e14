//! A module that fails takes no request with it, what is lost is told, and counting goes on where Envoy lets it.
//!
//! They run with modules that fail when they are asked to, which is their only difference from those that are shipped.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test runs in real time and fails by panicking, in its helpers too"
)]

use std::{collections::BTreeMap, time::Duration};

use e2e::{
    Bootstrap, Connections, Envoy, Listener, Pair, Plugin, ReceiverAttachment, Request, Route, SenderAttachment, Setup,
    SteadyLoad, Upstream, eventually, installation, load, series,
};
use serde_json::json;
use tokio::time::sleep;

const TRAP_THE_SENDER: &str = "/trap-the-sender";
const TRAP_THE_RECEIVER: &str = "/trap-the-receiver";

/// Envoy starts a sink anew at a flush of its statistics, every 5 s.
const LIMIT: Duration = Duration::from_secs(30);

/// In this time every worker flushes.
const FLUSHES: Duration = Duration::from_millis(500);

type Stats = BTreeMap<String, u64>;

fn setup() -> Setup {
    Setup { modules: installation::trap_modules(), ..Setup::default() }
}

fn get(path: &str) -> Request {
    Request::get("example.com", path)
}

/// Sends requests for this path over four connections; none may fail.
async fn send(pair: &Pair, requests: usize, path: &str) {
    let statuses = load(pair.address(), 4, vec![get(path); requests]).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

async fn eventually_counted(pair: &Pair, what: &str, is_so: impl Fn(&Stats) -> bool) -> Stats {
    eventually(what, LIMIT, async || {
        let stats = pair.envoy.admin().acpw().await;
        if is_so(&stats) { Ok(stats) } else { Err(format!("{stats:#?}")) }
    })
    .await
}

/// The value of one of the modules' statistics.
async fn counted(pair: &Pair, name: &str) -> u64 {
    pair.envoy.admin().acpw().await[name]
}

fn stored(pair: &Pair, path: &str) -> u64 {
    pair.stored().get(&series("example.com", "GET", path, 200)).copied().unwrap_or_default()
}

/// Waits until nothing more is observed and what was is stored; gives how much it is.
async fn observed_and_stored(pair: &Pair) -> u64 {
    let mut before = None;
    let observed = eventually("what was observed is published", LIMIT, async || {
        let stats = pair.envoy.admin().acpw().await;
        let observed = stats["sender.observed"];
        let is_so = before.replace(observed) == Some(observed) && stats["receiver.published"] == observed;
        if is_so {
            return Ok(observed);
        }
        // Only time shows that nothing more is: every worker flushes.
        sleep(FLUSHES).await;
        Err(format!("{stats:#?}"))
    })
    .await;
    let stats = pair.at_rest(observed).await;
    assert_eq!(pair.stored().values().sum::<u64>(), stats["receiver.published"]);
    observed
}

/// Traps the sender of one of two workers while requests come in; gives the statuses that are not 200.
async fn with_a_trapped_sender(sender_attachment: SenderAttachment) -> (Pair, Vec<(usize, u16)>) {
    let mut pair = Pair::start(Setup { sender_attachment, ..setup() }).await;
    send(&pair, 1_000, "/before").await;
    pair.settled(1_000).await;
    let requests = (0..2_000).map(|n| get(if n == 1_000 { TRAP_THE_SENDER } else { "/meanwhile" }));
    let statuses = load(pair.address(), 4, requests.collect()).await;
    pair.envoy.assert_running();
    assert_eq!(pair.envoy.traps(), 1, "{}", pair.envoy.log());
    // What says why has passed all that is taken out of a module.
    assert!(pair.envoy.log().contains("a test has asked for it"), "{}", pair.envoy.log());
    (pair, statuses.into_iter().enumerate().filter(|(_, status)| *status != 200).collect())
}

/// Envoy answers the request at which a filter traps with 503, for all that it is told FAIL_OPEN, and lets later ones pass.
/// The worker whose filter it was counts nothing any more; the other one does.
#[tokio::test(flavor = "multi_thread")]
async fn requests_pass_a_filter_that_has_trapped_and_the_other_worker_counts_on() {
    let (pair, failed) = with_a_trapped_sender(SenderAttachment::HttpFilter).await;
    assert_eq!(failed, [(1_000, 503)]);
    let before = observed_and_stored(&pair).await;
    send(&pair, 400, "/after").await;
    let after = observed_and_stored(&pair).await;
    println!(
        "of 2,000 requests around the trap {} are counted, and of 400 after it {}",
        before - 1_000,
        after - before
    );
    assert!((1_001..3_000).contains(&before), "{before}");
    assert!((1..400).contains(&(after - before)), "{after} after {before}");
    assert_eq!((stored(&pair, "/before"), stored(&pair, TRAP_THE_SENDER)), (1_000, 0));
}

/// How the requests end that wait for their upstream when another one traps the sender of their worker; Envoy itself would
/// answer them with 504 in the end.
async fn under_way_at_a_trap(sender_attachment: SenderAttachment, trapping: u16) -> Vec<u16> {
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
    eventually("they wait", LIMIT, async || if upstream.seen().len() == 4 { Ok(()) } else { Err("not all") }).await;
    assert_eq!(pair.send(get(TRAP_THE_SENDER)).await, trapping);
    send(&pair, 100, "/after").await;
    let statuses = waiting.await.unwrap();
    pair.envoy.assert_running();
    assert_eq!(pair.envoy.traps(), 1);
    statuses
}

/// Envoy fails those too that have passed the filter before it trapped.
#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_fail_with_a_filter_that_traps() {
    assert_eq!(under_way_at_a_trap(SenderAttachment::HttpFilter, 503).await, [503; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_are_not_touched_by_an_access_logger_that_traps() {
    assert_eq!(under_way_at_a_trap(SenderAttachment::AccessLogger, 200).await, [504; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_logger_that_has_trapped_counts_again() {
    let (mut pair, failed) = with_a_trapped_sender(SenderAttachment::AccessLogger).await;
    assert_eq!(failed, []);
    let mut before = observed_and_stored(&pair).await;
    assert!((1_001..3_000).contains(&before), "{before}");
    println!("of 2,000 requests around the trap {} are counted", before - 1_000);
    // Envoy starts it anew when a request comes, a while after the trap.
    eventually("both workers count", LIMIT, async || {
        send(&pair, 8, "/again").await;
        let after = observed_and_stored(&pair).await;
        let counted = after - std::mem::replace(&mut before, after);
        if counted == 8 { Ok(()) } else { Err(format!("{counted} of 8 are counted")) }
    })
    .await;
    send(&pair, 400, "/after").await;
    assert_eq!(observed_and_stored(&pair).await, before + 400);
    assert_eq!((stored(&pair, "/after"), stored(&pair, TRAP_THE_SENDER)), (400, 0));
    pair.envoy.assert_running();
    assert_eq!(pair.envoy.traps(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_has_trapped_is_started_anew_and_tells_what_was_lost() {
    let mut pair = Pair::start(setup()).await;
    send(&pair, 100, "/published").await;
    pair.settled(100).await;

    pair.cloudwatch.pause().await;
    send(&pair, 300, "/held").await;
    eventually_counted(&pair, "300 are held, and sent in vain", |stats| {
        stats["receiver.held"] == 300 && stats["receiver.retried"] > 0
    })
    .await;
    let meanwhile = SteadyLoad::start(pair.address(), 200, Connections::Kept, |_| get("/meanwhile"));
    assert_eq!(pair.send(get(TRAP_THE_RECEIVER)).await, 200);
    eventually("the receiver traps", LIMIT, async || if pair.envoy.traps() > 0 { Ok(()) } else { Err("not yet") })
        .await;
    let received = counted(&pair, "receiver.received").await;
    send(&pair, 50, "/queued").await;
    pair.cloudwatch.resume().await.unwrap();
    eventually_counted(&pair, "the receiver is there again", |stats| stats["receiver.dropped.restart"] > 0).await;
    send(&pair, 200, "/after").await;
    let meanwhile = meanwhile.stop().await;

    let stats = pair.at_rest(100 + 300 + 1 + 50 + 200 + meanwhile).await;
    let lost = stats["receiver.dropped.restart"];
    println!("{lost} values were lost with the receiver; it had received {received} and published 100");
    assert!(lost >= 301, "{stats:#?}");
    assert_eq!(received, 100 + lost, "what it had received and not published is what is told");
    assert_eq!(stats["receiver.published"] + lost, stats["receiver.received"], "{stats:#?}");
    assert_eq!(["/published", "/queued", "/after", "/held"].map(|path| stored(&pair, path)), [100, 50, 200, 0]);
    assert_eq!(stored(&pair, "/meanwhile"), meanwhile - (lost - 301));
    assert_eq!(pair.stored().values().sum::<u64>(), stats["receiver.published"]);
    pair.envoy.assert_running();
    assert_eq!(pair.envoy.traps(), 1);
}

/// With a call under way, more may be stored than is counted: what it carried is counted as lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_traps_during_a_call_is_started_anew() {
    let mut pair = Pair::start(setup()).await;
    pair.cloudwatch.delay(Duration::from_secs(3));
    send(&pair, 100, "/under-way").await;
    eventually("a call is under way", LIMIT, async || {
        if stored(&pair, "/under-way") == 100 { Ok(()) } else { Err("it is not") }
    })
    .await;
    assert_eq!(pair.send(get(TRAP_THE_RECEIVER)).await, 200);
    eventually_counted(&pair, "the receiver is there again", |stats| stats["receiver.dropped.restart"] == 101).await;
    pair.cloudwatch.delay(Duration::ZERO);
    send(&pair, 100, "/after").await;
    let stats = pair.at_rest(201).await;
    assert_eq!((stats["receiver.published"], stats["receiver.dropped.restart"]), (100, 101), "{stats:#?}");
    assert_eq!(["/under-way", "/after"].map(|path| stored(&pair, path)), [100, 100]);
    pair.envoy.assert_running();
}

/// Envoy never starts a singleton anew. Senders then take back what nobody takes, and put it into the queue again with
/// what has come since, so that it stays within their bound.
#[tokio::test(flavor = "multi_thread")]
async fn a_singleton_that_has_trapped_takes_no_request_with_it_and_the_queue_is_bounded() {
    let setup = Setup {
        receiver_attachment: ReceiverAttachment::Singleton,
        sender: json!({ "max_series": 100_000 }),
        // Each worker has its bound, and takes of the queue what the others leave.
        workers: 1,
        ..setup()
    };
    let mut pair = Pair::start(setup).await;
    send(&pair, 100, "/published").await;
    pair.settled(100).await;
    assert_eq!(pair.send(get(TRAP_THE_RECEIVER)).await, 200);
    eventually("the receiver traps", LIMIT, async || if pair.envoy.traps() > 0 { Ok(()) } else { Err("not yet") })
        .await;

    let mut sent = 101;
    let queued = |stats: &Stats| stats["sender.enqueued"] - stats["sender.taken_back"] - stats["receiver.received"];
    for round in 0..3 {
        send(&pair, 200, &format!("/{round}")).await;
        sent += 200;
        let stats = eventually_counted(&pair, "all lies in the queue", |stats| {
            stats["sender.observed"] == sent && stats["sender.held"] == 0 && queued(stats) == sent - 101
        })
        .await;
        assert!(round == 0 || stats["sender.taken_back"] > 0, "{stats:#?}");
    }
    // A series takes more than a kilobyte, so some 8,000 are all that the queue can have.
    let filling = "x".repeat(1_000);
    for round in 0..3 {
        let requests = (0..4_000).map(|n| get(&format!("/{round}/{n}/{filling}"))).collect();
        let statuses = load(pair.address(), 4, requests).await;
        assert!(statuses.iter().all(|status| *status == 200));
        sent += 4_000;
    }
    let stats = eventually_counted(&pair, "the queue keeps its bound", |stats| {
        stats["sender.observed"] == sent
            && queued(stats) + stats["sender.held"] + stats["sender.dropped.buffer_full"] == sent - 101
    })
    .await;
    println!("of {sent} values {} were dropped at the bound", stats["sender.dropped.buffer_full"]);
    assert!(stats["sender.dropped.buffer_full"] > 0, "{stats:#?}");
    assert!(queued(&stats) < 9_000, "{stats:#?}");
    assert_eq!(pair.stored().values().sum::<u64>(), 100);
    pair.envoy.assert_running();
    assert_eq!(pair.envoy.traps(), 1);
}

/// The gauge is one for all workers, so the next sender cannot tell what the one before had put into it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_sender_held_for_want_of_a_receiver_stays_in_the_gauge_when_it_traps() {
    let sender = r#"{ "receiver_vm_id": "receiver", "flush_interval_millisecond": 100 }"#;
    let sender = Plugin::sender(sender).from_folder(installation::trap_modules());
    let listener = Listener::new("main").route(Route::direct("/", 200)).sender(SenderAttachment::AccessLogger, sender);
    let mut envoy = Envoy::start(&Bootstrap::default().listener(listener).workers(1)).await;
    load(envoy.address("main"), 4, vec![get("/"); 100]).await;
    eventually("they are held", LIMIT, async || {
        let held = envoy.admin().acpw().await["sender.held"];
        if held == 100 { Ok(()) } else { Err(held) }
    })
    .await;
    assert_eq!(load(envoy.address("main"), 1, vec![get(TRAP_THE_SENDER)]).await, [200]);
    let stats = eventually("the next sender counts", LIMIT, async || {
        load(envoy.address("main"), 1, vec![get("/")]).await;
        let stats = envoy.admin().acpw().await;
        if stats["sender.observed"] > 100 { Ok(stats) } else { Err(format!("{stats:#?}")) }
    })
    .await;
    assert!(stats["sender.held"] > 100, "{stats:#?}");
    assert_eq!((stats["sender.enqueued"], stats["sender.dropped.buffer_full"]), (0, 0), "{stats:#?}");
    assert_eq!(envoy.traps(), 1);
    envoy.assert_running();
}
