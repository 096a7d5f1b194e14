//! Changing listeners at run time loses no counts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::time::Duration;

use e2e::{
    Bootstrap, ClientRequest, Envoy, Listener, NAMESPACE, Plugin, ReceiverAttachment, RequestCounts, Route,
    SenderAttachment, counts, eventually, load, series, stored,
};
use local_cloudwatch::{LocalCloudWatch, ServerOptions};

/// Returns a listener whose sender flushes only when it is removed, because its interval is longer than the test.
fn listener(attachment: SenderAttachment, max_series: usize) -> Listener {
    let sender = format!(
        r#"{{ "receiver_vm_id": "receiver", "flush_interval_millisecond": 60000, "max_series": {max_series} }}"#
    );
    Listener::new("main").route(Route::direct("/", 200)).sender(attachment, Plugin::sender(sender))
}

async fn send(envoy: &Envoy, path: &str) -> RequestCounts {
    let requests = (0..100).map(|_| ClientRequest::get("example.com", path)).collect();
    load(envoy.address("main"), 4, requests).await;
    counts((0..100).map(|_| series("example.com", "GET", path, 200)))
}

async fn wait_until_stored(cloudwatch: &LocalCloudWatch, expected: &RequestCounts) {
    eventually("all counts are stored", Duration::from_secs(10), async || {
        let stored = stored(cloudwatch, NAMESPACE);
        if stored == *expected { Ok(()) } else { Err(format!("{stored:?}")) }
    })
    .await;
}

async fn removed_plugins_hand_over_their_counts(attachment: SenderAttachment) {
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
    wait_until_stored(&cloudwatch, &expected).await;

    envoy.update(&[]).await;
    expected.extend(after);
    wait_until_stored(&cloudwatch, &expected).await;
    // The senders' stats disappear with the last sender.
    let stats = envoy.admin().module_stats().await;
    let receiver = ["received", "published", "held"].map(|name| stats.get(&format!("receiver.{name}")).copied());
    assert_eq!(receiver, [Some(200), Some(200), Some(0)], "{stats:#?}");
    envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_filter_hands_over_its_counts() {
    removed_plugins_hand_over_their_counts(SenderAttachment::HttpFilter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_access_logger_hands_over_its_counts() {
    removed_plugins_hand_over_their_counts(SenderAttachment::AccessLogger).await;
}
