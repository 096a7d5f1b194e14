//! Log lines and counters report a missing receiver, and only then.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test runs in real time and fails by panicking, in its helpers too"
)]

use std::time::Duration;

use e2e::{
    Bootstrap, ClientRequest, ConnectionMode, Envoy, Listener, Pair, Plugin, Route, SenderAttachment, Setup,
    SteadyLoad, eventually,
};
use serde_json::json;
use tokio::time::sleep;

const LIMIT: Duration = Duration::from_secs(40);

fn request(_: u64) -> ClientRequest {
    ClientRequest::get("example.com", "/")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_vm_id_is_logged_once_and_counted() {
    let sender = json!({ "receiver_vm_id": "reciever", "flush_interval_millisecond": 200 });
    let listener = Listener::new("main")
        .route(Route::direct("/", 200))
        .sender(SenderAttachment::HttpFilter, Plugin::sender(sender));
    let mut envoy = Envoy::start(&Bootstrap::default().listener(listener).workers(4)).await;
    let load = SteadyLoad::start(envoy.address("main"), 100, ConnectionMode::PerRequest, request);
    eventually("flushes without a receiver are counted", LIMIT, async || {
        let stats = envoy.admin().module_stats().await;
        if stats["sender.no_receiver"] > 20 { Ok(()) } else { Err(format!("{stats:#?}")) }
    })
    .await;
    load.stop().await;
    envoy.assert_healthy();
    let log = envoy.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("no receiver with the vm_id")).collect();
    // Two workers that detect it at the same time may both log it.
    assert!((1..=2).contains(&lines.len()), "{lines:#?}");
    assert!(lines[0].contains("[warning]") && lines[0].contains("\"reciever\""), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_workers_find_the_receiver_in_normal_operation() {
    let mut pair = Pair::start(Setup { workers: 8, ..Setup::default() }).await;
    let load = SteadyLoad::start(pair.address(), 200, ConnectionMode::PerRequest, request);
    // Longer than the time after which a receiver is reported as missing.
    sleep(Duration::from_secs(15)).await;
    let requests = load.stop().await;
    pair.wait_until_stored(requests).await;
    let stats = pair.envoy.admin().module_stats().await;
    assert_eq!(stats["sender.no_receiver"], 0, "{stats:#?}");
    assert!(!pair.envoy.log().contains("with the vm_id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_admin_cluster_is_logged_once() {
    let receiver = json!({ "admin_cluster_name": "nowhere" });
    let mut pair = Pair::start(Setup { receiver, ..Setup::default() }).await;
    let line = "admin_cluster_name \"nowhere\" does not point to Envoy's admin interface";
    eventually("the log has the line", LIMIT, async || {
        if pair.envoy.log().contains(line) { Ok(()) } else { Err(pair.envoy.log()) }
    })
    .await;
    // The interface is polled once per second.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(pair.envoy.log().matches(line).count(), 1);
    pair.envoy.assert_healthy();
}
