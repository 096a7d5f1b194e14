//! When listeners change while Envoy runs, nothing is lost of what their plugins have counted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::time::Duration;

use e2e::{
    Bootstrap, Counts, Envoy, Listener, NAMESPACE, Plugin, ReceiverAttachment, Request, Route, SenderAttachment,
    counts, eventually, load, series, stored,
};
use local_cloudwatch::{LocalCloudWatch, ServerOptions};

/// A listener whose sender hands over what it counted only when it is done: the interval is far longer than the test.
fn listener(attachment: SenderAttachment, max_series: usize) -> Listener {
    let sender = format!(
        r#"{{ "receiver_vm_id": "receiver", "flush_interval_millisecond": 60000, "max_series": {max_series} }}"#
    );
    Listener::new("main").route(Route::direct("/", 200)).sender(attachment, Plugin::sender(sender))
}

async fn send(envoy: &Envoy, path: &str) -> Counts {
    let requests = (0..100).map(|_| Request::get("example.com", path)).collect();
    load(envoy.address("main"), 4, requests).await;
    counts((0..100).map(|_| series("example.com", "GET", path, 200)))
}

async fn is_stored(cloudwatch: &LocalCloudWatch, expected: &Counts) {
    eventually("what was counted is stored", Duration::from_secs(10), async || {
        let stored = stored(cloudwatch, NAMESPACE);
        if stored == *expected { Ok(()) } else { Err(format!("{stored:?}")) }
    })
    .await;
}

async fn plugins_that_go_hand_over(attachment: SenderAttachment) {
    let cloudwatch = LocalCloudWatch::start(ServerOptions::default()).await.unwrap();
    let receiver = format!(
        r#"{{
            "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "cloud_watch",
            "cloud_watch_host": "{}", "aws_access_key_id": "local", "aws_secret_access_key": "local",
            "metric_namespace": "{NAMESPACE}", "publish_interval_millisecond": 1000
        }}"#,
        cloudwatch.address()
    );
    let bootstrap = Bootstrap::default()
        .listener(listener(attachment, 1_000))
        .dynamic()
        .cluster("cloud_watch", cloudwatch.address())
        .receiver(ReceiverAttachment::StatsSink, Plugin::receiver(receiver));
    let mut envoy = Envoy::start(&bootstrap).await;

    let mut expected = send(&envoy, "/before").await;
    envoy.update(&[listener(attachment, 2_000)]).await;
    let after = send(&envoy, "/after").await;
    is_stored(&cloudwatch, &expected).await;

    envoy.update(&[]).await;
    expected.extend(after);
    is_stored(&cloudwatch, &expected).await;
    // The senders' own are gone with the last of them.
    let stats = envoy.admin().acpw().await;
    let receiver = ["received", "published", "held"].map(|name| stats.get(&format!("receiver.{name}")).copied());
    assert_eq!(receiver, [Some(200), Some(200), Some(0)], "{stats:#?}");
    envoy.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_goes_hands_over_what_it_counted() {
    plugins_that_go_hand_over(SenderAttachment::HttpFilter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_logger_that_goes_hands_over_what_it_counted() {
    plugins_that_go_hand_over(SenderAttachment::AccessLogger).await;
}
