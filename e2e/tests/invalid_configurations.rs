//! Envoy does not start with an invalid configuration, and logs the errors by key.

use e2e::{Bootstrap, Envoy, Listener, Plugin, ReceiverAttachment, Route, SenderAttachment};

const SECRET: &str = "wJalrXUtnFEMIbPxRfiCYEXAMPLE";

/// Asserts that Envoy exits with an error after the module logged all errors at `critical`, and that no secret is
/// logged.
async fn assert_fails(bootstrap: Bootstrap, module: &str, errors: &[&str]) {
    let failure = Envoy::fail_to_start(&bootstrap).await;
    assert!(!failure.status.success(), "{failure:?}");
    let lines: Vec<_> = failure.log.lines().filter(|line| line.contains(&format!("acpw {module}: "))).collect();
    assert!(!lines.is_empty(), "{}", failure.log);
    for line in lines {
        assert!(line.contains("[critical]"), "{line}");
        for error in errors {
            assert!(line.contains(error), "{error:?} is not in {line}");
        }
    }
    assert!(!failure.log.contains(SECRET), "the log contains a secret: {}", failure.log);
}

async fn assert_sender_fails(attachment: SenderAttachment, configuration: &str, errors: &[&str]) {
    let listener =
        Listener::new("main").route(Route::direct("/", 200)).sender(attachment, Plugin::sender(configuration));
    assert_fails(Bootstrap::default().listener(listener), "sender", errors).await;
}

async fn assert_receiver_fails(attachment: ReceiverAttachment, receiver: Plugin, errors: &[&str]) {
    assert_fails(Bootstrap::default().receiver(attachment, receiver), "receiver", errors).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_logs_every_error() {
    use SenderAttachment::{AccessLogger, HttpFilter};
    assert_sender_fails(HttpFilter, "{}", &["receiver_vm_id: is required"]).await;
    assert_sender_fails(HttpFilter, "", &["the configuration is empty"]).await;
    assert_sender_fails(AccessLogger, "[1]", &["JSON object"]).await;
    let invalid = r#"{
        "receiver_vm_id": 5, "match_host": ["example.com"], "match_hosts": ["example.com", "exa mple.com", 7],
        "flush_interval_millisecond": "1000", "max_series": 0
    }"#;
    let errors = [
        "receiver_vm_id: ",
        "match_host: unknown key",
        "match_hosts[1]: \"exa mple.com\" is not a host name",
        "match_hosts[2]: ",
        "flush_interval_millisecond: ",
        "max_series: must be between 1 and 100000, got 0",
    ];
    for attachment in SenderAttachment::ALL {
        assert_sender_fails(attachment, invalid, &errors).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_logs_every_error() {
    let invalid = format!(
        r#"{{
            "cloud_watch_region": "tokyo", "cloud_watch_host": "http://localhost", "aws_access_key_id": "AKIDEXAMPLE",
            "aws_secret_access_key": ["{SECRET}"], "aws_session_token": {{"token": "{SECRET}"}},
            "metric_namespace": "AWS/EC2", "metric_name": 5, "publish_interval_millisecond": true, "namespace": "{SECRET}"
        }}"#
    );
    let errors = [
        "cloud_watch_region: \"tokyo\" is not a region",
        "cloud_watch_cluster_name: is required",
        "aws_secret_access_key: ",
        "aws_session_token: ",
        "metric_namespace: must not start with \"AWS/\"",
        "metric_name: ",
        "publish_interval_millisecond: ",
        "namespace: unknown key",
    ];
    for attachment in ReceiverAttachment::ALL {
        assert_receiver_fails(attachment, Plugin::receiver(&invalid), &errors).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_rejects_an_invalid_endpoint() {
    let cases = [
        ("monitoring.eu-west-1.amazonaws.com", "cloud_watch_host: is of the region eu-west-1"),
        ("http://localhost:4582", "cloud_watch_host: \"http://localhost:4582\" is not a host"),
    ];
    for (host, error) in cases {
        let receiver = format!(
            r#"{{
                "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "cloud_watch_host": "{host}",
                "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "{SECRET}", "aws_session_token": "{SECRET}"
            }}"#
        );
        assert_receiver_fails(ReceiverAttachment::StatsSink, Plugin::receiver(receiver), &[error]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_logs_where_it_looked_for_credentials() {
    let configuration = r#"{ "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c" }"#;
    let errors = [
        "aws_access_key_id: is required",
        "ACPW_AWS_ACCESS_KEY_ID",
        "aws_secret_access_key: is required",
        "ACPW_AWS_SECRET_ACCESS_KEY",
        "host_env_keys",
    ];
    assert_receiver_fails(ReceiverAttachment::StatsSink, Plugin::receiver(configuration), &errors).await;
    // An empty variable counts as absent.
    let incomplete = Plugin::receiver(configuration)
        .environment("ACPW_AWS_ACCESS_KEY_ID", "")
        .environment("ACPW_AWS_SECRET_ACCESS_KEY", SECRET);
    let error = "credentials: ACPW_AWS_SECRET_ACCESS_KEY is set but ACPW_AWS_ACCESS_KEY_ID is not; set both";
    assert_receiver_fails(ReceiverAttachment::Singleton, incomplete, &[error]).await;
    let unusable = Plugin::receiver(configuration)
        .environment("ACPW_AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .environment("ACPW_AWS_SECRET_ACCESS_KEY", &format!("{SECRET}\n"));
    assert_receiver_fails(ReceiverAttachment::Singleton, unusable, &["credentials: ACPW_AWS_…: "]).await;
}
