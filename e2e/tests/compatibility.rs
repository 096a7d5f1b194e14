//! A configuration of the original ACPW has the same effect.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::time::Duration;

use e2e::{
    Bootstrap, ClientRequest, Connection, Envoy, Listener, Plugin, ReceiverAttachment, Route, SenderAttachment, counts,
    eventually, series, stored,
};
use local_cloudwatch::{AccessKey, LocalCloudWatch, ServerOptions};

const SENDER: &str = r#"{"receiver_vm_id": "receiver", "match_hosts": ["example.com"]}"#;
const RECEIVER: &str = r#"{
    "cloud_watch_region": "ap-northeast-1",
    "cloud_watch_cluster_name": "monitoring",
    "http_request_timeout_millisecond": 5000,
    "metric_namespace": "AWSCloudWatchProxyWasm-dev",
    "metric_name": "RequestCount"
}"#;
const NAMESPACE: &str = "AWSCloudWatchProxyWasm-dev";
const KEY: (&str, &str) = ("AKIDFIRSTACPW", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLE//token==";

/// Sends requests through an Envoy with this receiver, and checks what a CloudWatch that accepts this key stores.
async fn publishes_with(key: AccessKey, receiver: Plugin) {
    let options =
        ServerOptions { region: Some("ap-northeast-1".to_owned()), keys: vec![key], ..ServerOptions::default() };
    let cloudwatch = LocalCloudWatch::start(options).await.unwrap();
    let listener = Listener::new("main")
        .route(Route::direct("/", 200))
        .sender(SenderAttachment::HttpFilter, Plugin::sender(SENDER));
    let bootstrap = Bootstrap::default()
        .listener(listener)
        .cluster("monitoring", cloudwatch.address())
        .receiver(ReceiverAttachment::Singleton, receiver);
    let mut envoy = Envoy::start(&bootstrap).await;

    let mut client = Connection::new(envoy.address("main"));
    for host in ["example.com", "localhost:18000", "example.com:18000"] {
        assert_eq!(client.send(&ClientRequest::get(host, "/test")).await.unwrap().status, 200);
    }
    let expected = counts([(); 2].map(|()| series("example.com", "GET", "/test", 200)));
    eventually("both requests are stored", Duration::from_secs(10), async || {
        let stored = stored(&cloudwatch, NAMESPACE);
        if stored == expected { Ok(()) } else { Err(format!("{stored:?}, {:?}", cloudwatch.calls())) }
    })
    .await;
    let calls = cloudwatch.calls();
    assert!(calls.iter().all(|call| call.is_stored && call.access_key_id == KEY.0), "{calls:?}");
    envoy.assert_healthy();
    let log = envoy.log();
    assert!(!log.contains(KEY.1) && !log.contains(TOKEN), "the log contains a secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_from_the_environment_are_used() {
    let receiver = Plugin::receiver(RECEIVER)
        .environment("ACPW_AWS_ACCESS_KEY_ID", KEY.0)
        .environment("ACPW_AWS_SECRET_ACCESS_KEY", KEY.1);
    publishes_with(AccessKey::new(KEY.0, KEY.1), receiver).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_the_configuration_are_used() {
    let keys = format!(r#"{{ "aws_access_key_id": "{}", "aws_secret_access_key": "{}","#, KEY.0, KEY.1);
    publishes_with(AccessKey::new(KEY.0, KEY.1), Plugin::receiver(RECEIVER.replacen('{', &keys, 1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_token_from_the_environment_is_used() {
    let receiver = Plugin::receiver(RECEIVER)
        .environment("ACPW_AWS_ACCESS_KEY_ID", KEY.0)
        .environment("ACPW_AWS_SECRET_ACCESS_KEY", KEY.1)
        .environment("ACPW_AWS_SESSION_TOKEN", TOKEN);
    publishes_with(AccessKey::new(KEY.0, KEY.1).with_session_token(TOKEN), receiver).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_token_in_the_configuration_is_used() {
    let keys = format!(
        r#"{{ "aws_access_key_id": "{}", "aws_secret_access_key": "{}", "aws_session_token": "{TOKEN}","#,
        KEY.0, KEY.1
    );
    let receiver = Plugin::receiver(RECEIVER.replacen('{', &keys, 1));
    publishes_with(AccessKey::new(KEY.0, KEY.1).with_session_token(TOKEN), receiver).await;
}
