//! Posts to the gateway, and what CloudWatch stores.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use e2e::{ClientRequest, Connection, GatewaySetup, GatewayStack, eventually, json_post};
use hyper::Method;
use local_cloudwatch::Failure;
use serde_json::{Value, json};

/// Timeout for the receiver to publish its state, or to reach CloudWatch again.
const LIMIT: Duration = Duration::from_secs(40);

/// The example in the documentation of the HTTP gateway for CloudWatch.
const EXAMPLE: &str = r#"{
"Namespace": "MyApp",
"MetricData": [
{
"MetricName": "Requests",
"Dimensions": [{ "Name": "ServiceName", "Value": "UserService" }],
"Value": 1,
"Unit": "Count"
}
]
}"#;

const BATCH_EXAMPLE: &str = r#"[
{
"Namespace": "MyApp",
"MetricData": [
{
"MetricName": "Requests",
"Dimensions": [{ "Name": "ServiceName", "Value": "UserService" }],
"Value": 1,
"Unit": "Count"
}
]
},
{
"Namespace": "MyApp",
"MetricData": [
{
"MetricName": "Errors",
"Dimensions": [{ "Name": "ServiceName", "Value": "UserService" }],
"Value": 0,
"Unit": "Count"
}
]
}
]"#;

#[tokio::test(flavor = "multi_thread")]
async fn accepted_posts_are_published_and_rejected_posts_are_not() {
    let mut gateway = GatewayStack::start(GatewaySetup {
        gateway: json!({ "cors_allow_origins": ["https://dashboard.example"] }),
        ..GatewaySetup::default()
    })
    .await;
    assert_eq!(gateway.post("/metrics", EXAMPLE).await, (202, json!({ "accepted": 1 })));
    assert_eq!(gateway.post("/batch", BATCH_EXAMPLE).await, (202, json!({ "accepted": 2 })));

    // A batch with an invalid item is rejected, with all errors.
    let bad = json!([
        { "Namespace": "MyApp", "MetricData": [{ "MetricName": "Requests", "Value": 7, "Unit": "Count" }] },
        { "Namespace": "AWS/MyApp", "MetricData": [{ "MetricName": "", "Value": 1, "Unit": "Counts" }] },
    ]);
    let (status, response) = gateway.post("/batch", bad).await;
    let paths: Vec<_> = response["faults"].as_array().unwrap().iter().map(|fault| fault["path"].clone()).collect();
    assert_eq!(
        (status, paths),
        (400, vec![json!("[1].Namespace"), json!("[1].MetricData[0].MetricName"), json!("[1].MetricData[0].Unit")])
    );

    let large = "x".repeat((1 << 20) + 1);
    let form = ClientRequest::new(Method::POST, "localhost", "/metrics")
        .header("content-type", "application/x-www-form-urlencoded");
    for (request, status) in [
        (ClientRequest::get("localhost", "/nothing"), 404),
        (ClientRequest::get("localhost", "/metrics"), 405),
        (ClientRequest::new(Method::DELETE, "localhost", "/"), 405),
        (form.body(EXAMPLE), 415),
        (json_post("/metrics", EXAMPLE).header("content-encoding", "br"), 415),
        (json_post("/metrics", large), 413),
        (json_post("/metrics", EXAMPLE).header("origin", "https://example.com"), 403),
        (json_post("/metrics", EXAMPLE).header("origin", "https://dashboard.example"), 202),
        (json_post("/metrics", EXAMPLE).header("origin", "http://localhost"), 202),
        (json_post("/flush?timeout_millisecond=soon", ""), 400),
        (ClientRequest::get("localhost", "/"), 200),
    ] {
        let response = gateway.send(&request).await;
        assert_eq!(response.status, status, "{request:?} {}", String::from_utf8_lossy(&response.body));
    }

    let stored = gateway.flush("MyApp").await;
    let statistics: Vec<_> = stored.iter().map(|(name, total)| (name.as_str(), total.count, total.sum)).collect();
    let dimensions = r#"{"ServiceName": "UserService"}"#;
    assert_eq!(
        statistics,
        [
            (format!("Errors Count {dimensions}").as_str(), 1.0, 0.0),
            (format!("Requests Count {dimensions}").as_str(), 4.0, 4.0)
        ]
    );

    let status = gateway.status().await;
    assert_eq!((&status["gateway"]["accepted"], &status["gateway"]["enqueued"]), (&json!(4), &json!(5)), "{status}");
    assert!(!status.to_string().contains("local\""), "the status contains a key: {status}");
    gateway.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_waits_for_cloudwatch_and_returns_what_is_held() {
    let gateway = GatewayStack::start(GatewaySetup {
        receiver: json!({ "publish_interval_millisecond": 3_600_000 }),
        ..GatewaySetup::default()
    })
    .await;
    // The first data is published immediately; later data would wait for an hour.
    for value in [1, 2] {
        let datum = json!({ "Namespace": "Batch", "MetricData": [{ "MetricName": "Rows", "Value": value }] });
        assert_eq!(gateway.post("/metrics", datum).await.0, 202);
        let stored = gateway.flush("Batch").await;
        assert_eq!(stored.values().map(|total| total.sum).sum::<f64>(), f64::from(value * (value + 1) / 2));
    }
    gateway.cloudwatch.pause().await;
    let datum = json!({ "Namespace": "Batch", "MetricData": [{ "MetricName": "Rows", "Value": 3 }] });
    assert_eq!(gateway.post("/metrics", datum).await.0, 202);
    let start = Instant::now();
    let (status, response) = gateway.post("/flush?timeout_millisecond=3000", "").await;
    assert_eq!((status, response), (504, json!({ "is_flushed": false, "held": 1 })));
    assert!(start.elapsed() >= Duration::from_secs(3));
    gateway.cloudwatch.resume().await.unwrap();
    let stored = gateway.flush("Batch").await;
    assert_eq!(stored.values().map(|total| (total.count, total.sum)).collect::<Vec<_>>(), [(3.0, 6.0)]);
}

/// Returns the input of PutMetricData with `count` series, which differ for each `number`.
fn series(number: u32, count: u32) -> Value {
    let row = |index| {
        let dimensions = json!([{ "Name": "Row", "Value": format!("{number}.{index}") }]);
        json!({ "MetricName": "Rows", "Value": number + 1, "Dimensions": dimensions })
    };
    json!({ "Namespace": "Backlog", "MetricData": (0..count).map(row).collect::<Vec<_>>() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_buffer_rejects_posts_until_cloudwatch_accepts_the_backlog() {
    const SERIES: u32 = 25;
    let mut gateway = GatewayStack::start(GatewaySetup {
        receiver: json!({ "buffer_limit_bytes": 1 << 16 }),
        workers: 1,
        ..GatewaySetup::default()
    })
    .await;
    gateway.cloudwatch.pause().await;
    let mut accepted = 0;
    let rejected = loop {
        let response = gateway.send(&json_post("/metrics", series(accepted, SERIES))).await;
        if response.status != 202 {
            break response;
        }
        accepted += 1;
        let values = accepted * SERIES;
        eventually("the receiver reports all values as held", LIMIT, async || {
            let status = gateway.status().await;
            if status["receiver"]["held"] == values { Ok(()) } else { Err(format!("{values} values: {status}")) }
        })
        .await;
    };
    // AWS's protocols return an error that AWS's clients understand.
    let api = ClientRequest::new(Method::POST, "localhost", "/")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "GraniteServiceVersion20100801.PutMetricData")
        .body(series(accepted, SERIES).to_string());
    let throttled = gateway.send(&api).await;
    for (response, name, error) in [(&rejected, "error", "Throttling"), (&throttled, "__type", "ThrottlingException")] {
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((response.status, response.headers["retry-after"].as_bytes()), (429, b"5".as_slice()), "{body}");
        assert!(body[name].as_str().unwrap().ends_with(error), "{body}");
    }
    assert_eq!(gateway.envoy.admin().module_stats().await["gateway.refused.buffer_full"], 2);

    gateway.cloudwatch.resume().await.unwrap();
    eventually("posts are accepted again", LIMIT, async || match gateway.send(&api).await.status {
        200 => Ok(()),
        status => Err(status),
    })
    .await;
    let stored = gateway.flush("Backlog").await;
    let expected = (0..=accepted).flat_map(|number| {
        (0..SERIES)
            .map(move |index| (format!(r#"Rows None {{"Row": "{number}.{index}"}}"#), (1.0, f64::from(number + 1))))
    });
    let stored: BTreeMap<_, _> = stored.into_iter().map(|(name, total)| (name, (total.count, total.sum))).collect();
    assert_eq!(stored, expected.collect());
    let stats = gateway.envoy.admin().module_stats().await;
    assert_eq!((stats["receiver.dropped.buffer_full"], stats["receiver.held"]), (0, 0), "{stats:#?}");
    gateway.envoy.assert_healthy();
}

/// Four connections post distinct series at full speed during an outage of CloudWatch.
#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_post_of_a_burst_is_stored_after_an_outage() {
    const CONNECTIONS: u32 = 4;
    const POSTS: u32 = 2_500;
    let mut gateway = GatewayStack::start(GatewaySetup {
        receiver: json!({ "buffer_limit_bytes": 1 << 18 }),
        workers: 2,
        ..GatewaySetup::default()
    })
    .await;
    gateway.cloudwatch.pause().await;
    let address = gateway.address();
    let start = Instant::now();
    let send = |connection: u32| async move {
        let mut accepted = Vec::new();
        let mut client = Connection::new(address);
        for n in 0..POSTS {
            let response = client.send(&json_post("/metrics", series(connection * POSTS + n, 1))).await.unwrap();
            match response.status {
                202 => accepted.push(connection * POSTS + n),
                429 => assert_eq!(response.headers["retry-after"].as_bytes(), b"5"),
                status => panic!("{status}"),
            }
        }
        accepted
    };
    let tasks: Vec<_> = (0..CONNECTIONS).map(|connection| tokio::spawn(send(connection))).collect();
    let mut accepted = Vec::new();
    for task in tasks {
        accepted.extend(task.await.unwrap());
    }
    let rate = f64::from(CONNECTIONS * POSTS) / start.elapsed().as_secs_f64();
    println!("{rate:.0} posts/s, {} of {} accepted", accepted.len(), CONNECTIONS * POSTS);
    assert!(accepted.len() > 100 && accepted.len() < (CONNECTIONS * POSTS) as usize, "{}", accepted.len());

    gateway.cloudwatch.resume().await.unwrap();
    let stored = gateway.flush("Backlog").await;
    let expected: BTreeMap<_, _> = accepted
        .into_iter()
        .map(|number| (format!(r#"Rows None {{"Row": "{number}.0"}}"#), (1.0, f64::from(number + 1))))
        .collect();
    let stored: BTreeMap<_, _> = stored.into_iter().map(|(name, total)| (name, (total.count, total.sum))).collect();
    assert_eq!(stored, expected);
    let stats = gateway.envoy.admin().module_stats().await;
    assert_eq!((stats["receiver.dropped.buffer_full"], stats["receiver.held"]), (0, 0), "{stats:#?}");
    gateway.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_without_a_receiver_or_a_token_are_rejected() {
    let gateway = GatewayStack::start(GatewaySetup {
        gateway: json!({ "bearer_token": "t0k3n", "namespaces": ["Ours"], "default_dimensions": [{ "name": "env", "value": "test" }] }),
        ..GatewaySetup::default()
    })
    .await;
    let post = |namespace: &str| json_post("/metrics", EXAMPLE.replace("MyApp", namespace));
    for (request, status) in [
        (post("Ours"), 401),
        (post("Ours").header("authorization", "Bearer t0k3"), 401),
        (post("Theirs").header("authorization", "Bearer t0k3n"), 400),
        (post("Ours").header("authorization", "Bearer t0k3n"), 202),
        (json_post("/flush", ""), 401),
        (json_post("/flush", "").header("authorization", "Bearer t0k3n"), 200),
    ] {
        assert_eq!(gateway.send(&request).await.status, status, "{request:?}");
    }
    let totals = gateway.cloudwatch.totals("Ours");
    assert_eq!(totals[0].dimensions["env"], "test");

    let alone = GatewayStack::start(GatewaySetup { has_receiver: false, ..GatewaySetup::default() }).await;
    for path in ["/metrics", "/batch"] {
        assert_eq!(alone.post(path, EXAMPLE).await.0, 503);
    }
    assert_eq!(alone.send(&ClientRequest::get("localhost", "/healthcheck")).await.status, 503);
}

/// The SDK does not pass response code details, so an access log identifies the gateway's responses by filter state.
#[tokio::test(flavor = "multi_thread")]
async fn access_logs_can_identify_the_gateways_responses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let format = "%RESPONSE_CODE% %FILTER_STATE(wasm.acpw_gateway:PLAIN)%\n";
    let access_log = json!([{
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": { "text_format_source": { "inline_string": format } },
        },
    }]);
    let gateway =
        GatewayStack::start(GatewaySetup { fields: vec![("access_log", access_log)], ..GatewaySetup::default() }).await;
    let (status, response) = gateway.post("/flush", "").await;
    assert_eq!(status, 200, "{response}");
    assert_eq!(gateway.send(&json_post("/metrics", "{")).await.status, 400);
    eventually("the access log has both responses", LIMIT, async || {
        let lines = std::fs::read_to_string(&path).unwrap_or_default();
        // Other lines are from `/healthcheck`.
        let has = |line: &str| lines.lines().any(|logged| logged == line);
        (has("200 answered") && has("400 answered") && !lines.contains(" -\n")).then_some(()).ok_or(lines)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_namespace_does_not_delay_others() {
    let gateway = GatewayStack::start(GatewaySetup::default()).await;
    let message = "User: x is not authorized to perform: cloudwatch:PutMetricData";
    let denied = Failure::new(403, "AccessDenied").with_message(message).for_namespace("Refused");
    gateway.cloudwatch.fail_next(1, denied);
    let post = |namespace: &str| json!({ "Namespace": namespace, "MetricData": [{ "MetricName": "M", "Value": 1, "Unit": "Count" }] });
    let stored = |namespace: &str| gateway.cloudwatch.totals(namespace).iter().map(|total| total.count).sum::<f64>();
    assert_eq!(gateway.post("/metrics", post("Refused")).await.0, 202);
    eventually("the call is denied", LIMIT, async || {
        let stats = gateway.envoy.admin().module_stats().await;
        if stats["receiver.denied"] == 1 { Ok(()) } else { Err(format!("{stats:#?}")) }
    })
    .await;
    let start = Instant::now();
    for n in 1..=5 {
        assert_eq!(gateway.post("/metrics", post("Allowed")).await.0, 202);
        eventually("the other namespace is stored", LIMIT, async || {
            let count = stored("Allowed");
            if count == f64::from(n) { Ok(()) } else { Err(count) }
        })
        .await;
    }
    // The denied namespace is tried again after 30 s.
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
    assert_eq!(stored("Refused"), 0.0);
    let log = gateway.envoy.log();
    assert_eq!(log.matches("CloudWatch denied access to the namespace Refused").count(), 1, "{log}");
    eventually("the denied namespace is stored", LIMIT, async || {
        let count = stored("Refused");
        if count == 1.0 { Ok(()) } else { Err(count) }
    })
    .await;
}
