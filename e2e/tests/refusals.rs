//! Envoy does not start with a configuration that is wrong, and says which key is.

use e2e::{Bootstrap, Envoy, Listener, Plugin, ReceiverAttachment, Route, SenderAttachment};

const SECRET: &str = "wJalrXUtnFEMIbPxRfiCYEXAMPLE";

/// Envoy ends with an error, after a line of the module's at `critical` with each of these texts, and shows no secret.
async fn is_refused(bootstrap: Bootstrap, module: &str, faults: &[&str]) {
    let refusal = Envoy::refuse(&bootstrap).await;
    assert!(!refusal.status.success(), "{refusal:?}");
    let told: Vec<_> = refusal.log.lines().filter(|line| line.contains(&format!("acpw {module}: "))).collect();
    assert!(!told.is_empty(), "{}", refusal.log);
    for line in told {
        assert!(line.contains("[critical]"), "{line}");
        for fault in faults {
            assert!(line.contains(fault), "{fault:?} is not in {line}");
        }
    }
    assert!(!refusal.log.contains(SECRET), "a secret is in the log: {}", refusal.log);
}

async fn sender_is_refused(attachment: SenderAttachment, configuration: &str, faults: &[&str]) {
    let listener =
        Listener::new("main").route(Route::direct("/", 200)).sender(attachment, Plugin::sender(configuration));
    is_refused(Bootstrap::default().listener(listener), "sender", faults).await;
}

async fn receiver_is_refused(attachment: ReceiverAttachment, receiver: Plugin, faults: &[&str]) {
    is_refused(Bootstrap::default().receiver(attachment, receiver), "receiver", faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_says_what_is_wrong() {
    use SenderAttachment::{AccessLogger, HttpFilter};
    sender_is_refused(HttpFilter, "{}", &["receiver_vm_id: is required"]).await;
    sender_is_refused(HttpFilter, "", &["the configuration is empty"]).await;
    sender_is_refused(AccessLogger, "[1]", &["JSON object"]).await;
    let wrong = r#"{
        "receiver_vm_id": 5, "match_host": ["example.com"], "match_hosts": ["example.com", "exa mple.com", 7],
        "flush_interval_millisecond": "1000", "max_series": 0
    }"#;
    let faults = [
        "receiver_vm_id: ",
        "match_host: unknown key",
        "match_hosts[1]: \"exa mple.com\" is not a host name",
        "match_hosts[2]: ",
        "flush_interval_millisecond: ",
        "max_series: must be between 1 and 100000, got 0",
    ];
    for attachment in SenderAttachment::ALL {
        sender_is_refused(attachment, wrong, &faults).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_says_what_is_wrong() {
    let wrong = format!(
        r#"{{
            "cloud_watch_region": "tokyo", "cloud_watch_host": "http://localhost", "aws_access_key_id": "AKIDEXAMPLE",
            "aws_secret_access_key": ["{SECRET}"], "aws_session_token": {{"token": "{SECRET}"}},
            "metric_namespace": "AWS/EC2", "metric_name": 5, "publish_interval_millisecond": true, "namespace": "{SECRET}"
        }}"#
    );
    let faults = [
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
        receiver_is_refused(attachment, Plugin::receiver(&wrong), &faults).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_says_what_is_wrong_with_its_endpoint() {
    let cases = [
        ("monitoring.eu-west-1.amazonaws.com", "cloud_watch_host: is of the region eu-west-1"),
        ("http://localhost:4582", "cloud_watch_host: \"http://localhost:4582\" is not a host"),
    ];
    for (host, fault) in cases {
        let receiver = format!(
            r#"{{
                "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "cloud_watch_host": "{host}",
                "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "{SECRET}", "aws_session_token": "{SECRET}"
            }}"#
        );
        receiver_is_refused(ReceiverAttachment::StatsSink, Plugin::receiver(receiver), &[fault]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_says_where_it_looked_for_credentials() {
    let configuration = r#"{ "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c" }"#;
    let faults = [
        "aws_access_key_id: is required",
        "ACPW_AWS_ACCESS_KEY_ID",
        "aws_secret_access_key: is required",
        "ACPW_AWS_SECRET_ACCESS_KEY",
        "host_env_keys",
    ];
    receiver_is_refused(ReceiverAttachment::StatsSink, Plugin::receiver(configuration), &faults).await;
    // What is set but empty is not there.
    let half = Plugin::receiver(configuration)
        .environment("ACPW_AWS_ACCESS_KEY_ID", "")
        .environment("ACPW_AWS_SECRET_ACCESS_KEY", SECRET);
    let fault = "credentials: ACPW_AWS_SECRET_ACCESS_KEY is set but ACPW_AWS_ACCESS_KEY_ID is not; set both";
    receiver_is_refused(ReceiverAttachment::Singleton, half, &[fault]).await;
    let unusable = Plugin::receiver(configuration)
        .environment("ACPW_AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .environment("ACPW_AWS_SECRET_ACCESS_KEY", &format!("{SECRET}\n"));
    receiver_is_refused(ReceiverAttachment::Singleton, unusable, &["credentials: ACPW_AWS_…: "]).await;
}
