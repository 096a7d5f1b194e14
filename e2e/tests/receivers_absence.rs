//! The signals of a receiver that is not there, and the absence of signals where it is.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test runs in real time and fails by panicking, in its helpers too"
)]

use std::time::Duration;

use e2e::{
    Bootstrap, Connections, Envoy, Listener, Pair, Plugin, Request, Route, SenderAttachment, Setup, SteadyLoad,
    eventually,
};
use serde_json::json;
use tokio::time::sleep;

const LIMIT: Duration = Duration::from_secs(40);

fn request(_: u64) -> Request {
    Request::get("example.com", "/")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_vm_id_is_logged_once_and_counted() {
    let sender = json!({ "receiver_vm_id": "reciever", "flush_interval_millisecond": 200 });
    let listener = Listener::new("main")
        .route(Route::direct("/", 200))
        .sender(SenderAttachment::HttpFilter, Plugin::sender(sender));
    let mut envoy = Envoy::start(&Bootstrap::default().listener(listener).workers(4)).await;
    let load = SteadyLoad::start(envoy.address("main"), 100, Connections::Fresh, request);
    eventually("flushes without a receiver are counted", LIMIT, async || {
        let stats = envoy.admin().acpw().await;
        if stats["sender.no_receiver"] > 20 { Ok(()) } else { Err(format!("{stats:#?}")) }
    })
    .await;
    load.stop().await;
    envoy.assert_sound();
    let log = envoy.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("no receiver with the vm_id")).collect();
    // Workers that notice it within the same millisecond may both log it.
    assert!((1..=2).contains(&lines.len()), "{lines:#?}");
    assert!(lines[0].contains("[warning]") && lines[0].contains("\"reciever\""), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_workers_in_normal_service_do_not_miss_the_receiver() {
    let mut pair = Pair::start(Setup { workers: 8, ..Setup::default() }).await;
    let load = SteadyLoad::start(pair.address(), 200, Connections::Fresh, request);
    // Longer than a receiver may be missing.
    sleep(Duration::from_secs(15)).await;
    let requests = load.stop().await;
    pair.settled(requests).await;
    let stats = pair.envoy.admin().acpw().await;
    assert_eq!(stats["sender.no_receiver"], 0, "{stats:#?}");
    assert!(!pair.envoy.log().contains("with the vm_id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_cluster_that_is_not_there_is_logged_once() {
    let receiver = json!({ "admin_cluster_name": "nowhere" });
    let mut pair = Pair::start(Setup { receiver, ..Setup::default() }).await;
    let line = "admin_cluster_name \"nowhere\" does not lead to Envoy's admin interface";
    eventually("the log has the line", LIMIT, async || {
        if pair.envoy.log().contains(line) { Ok(()) } else { Err("no line".to_owned()) }
    })
    .await;
    // It is asked every second.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(pair.envoy.log().matches(line).count(), 1);
    pair.envoy.assert_sound();
}
