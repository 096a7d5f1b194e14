//! What tests can order of the server, and the answers they get meanwhile.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant, SystemTime};

use flate2::{Compression, write::GzEncoder};
use local_cloudwatch::{Failure, Key, LocalCloudWatch, Options, When, quota};
use support::{Client, control, exchange};

const ONE: &str = r#"{"Namespace":"N","MetricData":[{"MetricName":"m","Value":1}]}"#;

async fn start() -> (LocalCloudWatch, Client) {
    let cloudwatch = LocalCloudWatch::start(Options::default()).await.unwrap();
    let client = Client::new(cloudwatch.address());
    (cloudwatch, client)
}

fn stored(cloudwatch: &LocalCloudWatch) -> f64 {
    cloudwatch.totals("N").iter().map(|total| total.sum).sum()
}

#[tokio::test]
async fn a_good_call_is_stored_and_remembered() {
    let (cloudwatch, client) = start().await;
    let answer = client.put(ONE).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(answer.header("x-amzn-requestid").is_some() && answer.header("date").is_some());
    let call = &cloudwatch.calls()[0];
    assert_eq!(
        (call.operation.as_str(), call.namespace.as_str(), call.access_key_id.as_str()),
        ("PutMetricData", "N", "local")
    );
    assert_eq!((call.status, call.data, call.body_bytes, call.raw_bytes), (Some(200), 1, ONE.len(), ONE.len()));
    let totals = cloudwatch.totals("N");
    assert_eq!((totals[0].count, totals[0].data, totals[0].buckets.len()), (1.0, 1, 1));
    assert_eq!((totals[0].buckets[0].resolution, totals[0].buckets[0].timestamp % 60), (60, 0));
    assert_eq!(totals[0].buckets[0].values, [(1.0, 1.0)]);
}

#[tokio::test]
async fn ordered_failures_come_once_each_and_store_nothing() {
    let (cloudwatch, client) = start().await;
    let busy = Failure::new(503, "ServiceUnavailable").with_message("later").with_header("retry-after", "7");
    cloudwatch.fail_next(1, Failure::new(400, "ThrottlingException"));
    cloudwatch.fail_next(1, busy);
    let throttled = client.json("PutMetricData", ONE.as_bytes(), &[("x-amzn-query-mode", "true")]).await.unwrap();
    assert_eq!(throttled.status, 400);
    assert!(throttled.body.contains("#ThrottlingException\""), "{}", throttled.body);
    assert_eq!(throttled.header("x-amzn-query-error"), Some("ThrottlingException;Sender"));
    let busy = client.put(ONE).await.unwrap();
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("7")));
    assert!(busy.body.contains("\"message\":\"later\""), "{}", busy.body);
    assert_eq!(stored(&cloudwatch), 0.0);
    assert_eq!(client.put(ONE).await.unwrap().status, 200);
    assert_eq!(stored(&cloudwatch), 1.0);
    let codes: Vec<_> = cloudwatch.calls().into_iter().map(|call| call.code).collect();
    assert_eq!(codes, [Some("ThrottlingException".to_owned()), Some("ServiceUnavailable".to_owned()), None]);
}

#[tokio::test]
async fn an_order_may_concern_one_namespace_and_another_server_may_answer() {
    let (cloudwatch, client) = start().await;
    let other = ONE.replace("\"N\"", "\"Other\"");
    cloudwatch.fail_next(1, Failure::new(403, "AccessDenied").of_namespace("Other"));
    cloudwatch.fail_next(1, Failure::foreign(200, "<html>").with_header("server", "proxy").of_namespace("N"));
    let foreign = client.put(ONE).await.unwrap();
    assert_eq!((foreign.status, foreign.body.as_str(), foreign.header("server")), (200, "<html>", Some("proxy")));
    assert_eq!(foreign.header("x-amzn-requestid"), None);
    assert_eq!(client.put(ONE).await.unwrap().status, 200);
    let denied = client.put(&other).await.unwrap();
    assert_eq!(denied.status, 403);
    assert!(denied.header("x-amzn-requestid").is_some());
    assert_eq!(client.put(&other).await.unwrap().status, 200);
    assert_eq!(stored(&cloudwatch), 1.0);
}

#[tokio::test]
async fn orders_do_not_concern_reading_or_badly_signed_calls() {
    let (cloudwatch, client) = start().await;
    cloudwatch.fail_next(1, Failure::new(500, "InternalFailure"));
    assert_eq!(client.json("ListMetrics", b"{}", &[]).await.unwrap().status, 200);
    let stranger = Client { secret_access_key: "wrong", ..client.clone() };
    assert!(stranger.put(ONE).await.unwrap().body.contains("InvalidSignatureException"));
    assert_eq!(client.put(ONE).await.unwrap().status, 500);
    assert_eq!(client.put(ONE).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_dropped_call_has_no_answer_and_is_stored_or_not_as_ordered() {
    for (when, sum) in [(When::BeforeStoring, 0.0), (When::AfterStoring, 1.0)] {
        let (cloudwatch, client) = start().await;
        cloudwatch.drop_next(1, when);
        let error = client.put(ONE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{when:?}: {error}");
        assert_eq!(stored(&cloudwatch), sum, "{when:?}");
        let call = &cloudwatch.calls()[0];
        assert_eq!((call.status, call.is_stored), (None, sum > 0.0));
        assert_eq!(client.put(ONE).await.unwrap().status, 200);
        assert_eq!(stored(&cloudwatch), sum + 1.0);
    }
}

#[tokio::test]
async fn a_delayed_answer_comes_after_the_data_were_stored() {
    let (cloudwatch, client) = start().await;
    cloudwatch.delay(Duration::from_millis(300));
    let begin = Instant::now();
    let impatient = tokio::time::timeout(Duration::from_millis(100), client.put(ONE)).await;
    assert!(impatient.is_err());
    assert_eq!(stored(&cloudwatch), 1.0);
    client.put(ONE).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(400));
    assert_eq!(control(client.address, "GET", "/_local/health", "").await.status, 200);
}

#[tokio::test]
async fn a_shifted_clock_shows_in_date_and_refuses_signatures() {
    let (cloudwatch, client) = start().await;
    for (minutes, word) in [(-10, "Signature not yet current"), (10, "Signature expired")] {
        cloudwatch.shift_clock(minutes * 60_000);
        let answer = client.put(ONE).await.unwrap();
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains("InvalidSignatureException") && answer.body.contains(word), "{}", answer.body);
        let date = chrono::DateTime::parse_from_rfc2822(answer.header("date").unwrap()).unwrap().timestamp();
        let machine = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!((date - machine - minutes * 60).abs() <= 2);
    }
    let late = Client { time: client.time + Duration::from_secs(600), ..client };
    assert_eq!(late.put(ONE).await.unwrap().status, 200);
}

#[tokio::test]
async fn keys_can_be_rotated_and_expire() {
    let (cloudwatch, client) = start().await;
    let ends = SystemTime::now() + Duration::from_secs(60);
    cloudwatch.set_keys(vec![Key::new("ASIA", "s").with_session_token("t").with_expiry(ends)]);
    assert!(client.put(ONE).await.unwrap().body.contains("UnrecognizedClientException"));
    let temporary =
        Client { access_key_id: "ASIA", secret_access_key: "s", session_token: Some("t"), ..client.clone() };
    assert_eq!(temporary.put(ONE).await.unwrap().status, 200);
    cloudwatch.shift_clock(61_000);
    let expired = temporary.put(ONE).await.unwrap();
    assert_eq!(expired.status, 400);
    assert!(expired.body.contains("#ExpiredTokenException"), "{}", expired.body);
    let expired = temporary.query("Action=ListMetrics&Version=2010-08-01").await.unwrap();
    assert_eq!(expired.status, 403);
    assert!(expired.body.contains("<Code>ExpiredToken</Code>"), "{}", expired.body);
}

#[tokio::test]
async fn only_the_configured_region_is_served() {
    let options = Options { region: Some("eu-west-1".into()), ..Options::default() };
    let cloudwatch = LocalCloudWatch::start(options).await.unwrap();
    let client = Client::new(cloudwatch.address());
    assert!(client.put(ONE).await.unwrap().body.contains("Credential should be scoped to a valid region"));
    assert_eq!(Client { region: "eu-west-1", ..client }.put(ONE).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_outage_refuses_connections_and_cuts_open_ones() {
    let (cloudwatch, client) = start().await;
    cloudwatch.delay(Duration::from_secs(60));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.put(ONE).await }
    });
    while cloudwatch.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    cloudwatch.pause().await;
    assert!(waiting.await.unwrap().is_err());
    assert_eq!(client.put(ONE).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    cloudwatch.delay(Duration::ZERO);
    cloudwatch.resume().await.unwrap();
    cloudwatch.resume().await.unwrap();
    assert_eq!(client.put(ONE).await.unwrap().status, 200);
    assert_eq!(stored(&cloudwatch), 2.0);
    let address = cloudwatch.address();
    cloudwatch.shutdown().await;
    assert_eq!(Client::new(address).put(ONE).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_request_above_the_quota_is_413_in_each_protocol() {
    let (cloudwatch, client) = start().await;
    let padded = |n: usize| format!("{ONE}{}", " ".repeat(n - ONE.len()));
    for (n, status) in [(quota::MAX_REQUEST_BYTES, 200), (quota::MAX_REQUEST_BYTES + 1, 413)] {
        assert_eq!(client.put(&padded(n)).await.unwrap().status, status);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(padded(n).as_bytes()).unwrap();
        let packed = encoder.finish().unwrap();
        let answer = client.json("PutMetricData", &packed, &[("content-encoding", "gzip")]).await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.body.contains("RequestEntityTooLarge"), status == 413);
    }
    let huge = "x".repeat(9 * quota::MAX_REQUEST_BYTES);
    // The server answers before it has read such a body, so its sender may see a reset instead.
    assert!(client.query(&huge).await.map_or(true, |answer| answer.status == 413));
    assert_eq!(stored(&cloudwatch), 2.0);
}

#[tokio::test]
async fn one_bad_datum_refuses_the_whole_request() {
    let (cloudwatch, client) = start().await;
    let values = vec!["1"; 151].join(",");
    let body = format!(
        r#"{{"Namespace":"N","MetricData":[{{"MetricName":"m","Value":1}},{{"MetricName":"m","Values":[{values}]}}]}}"#
    );
    let answer = client.put(&body).await.unwrap();
    assert_eq!(answer.status, 400);
    let message = "The collection MetricData.member.2.Values must not have a size greater than 150.";
    assert!(answer.body.contains(message) && answer.body.contains("InvalidParameterValueException"), "{}", answer.body);
    assert!(cloudwatch.totals("N").is_empty());
}

#[tokio::test]
async fn a_signed_form_is_answered_in_xml() {
    let (cloudwatch, client) = start().await;
    let data = "MetricData.member.1.MetricName=m&MetricData.member.1.Value=2&MetricData.member.1.Timestamp=";
    let now = chrono::DateTime::from_timestamp_millis(cloudwatch_time(&cloudwatch, &client).await).unwrap();
    let form =
        format!("Action=PutMetricData&Version=2010-08-01&Namespace=N&{data}{}", now.format("%Y-%m-%dT%H:%M:%SZ"));
    let answer = client.query(&form).await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/xml")));
    assert!(answer.body.contains(
        "<PutMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><ResponseMetadata><RequestId>"
    ));
    assert_eq!(stored(&cloudwatch), 2.0);
    let unknown = client.query("Action=DeleteAlarms&Version=2010-08-01").await.unwrap();
    assert_eq!(unknown.status, 400);
    assert!(unknown.body.contains("<Type>Sender</Type><Code>InvalidAction</Code>"), "{}", unknown.body);
}

/// A moment of the server's clock, taken from a call it remembered.
async fn cloudwatch_time(cloudwatch: &LocalCloudWatch, client: &Client) -> i64 {
    client.json("ListMetrics", b"{}", &[]).await.unwrap();
    cloudwatch.calls().last().unwrap().time_millis
}

#[tokio::test]
async fn unsigned_unknown_and_misplaced_requests_are_refused() {
    let (_cloudwatch, client) = start().await;
    let host = client.address.to_string();
    let unsigned = exchange(client.address, "POST", "/", &[("host", &host)], b"Action=ListMetrics").await.unwrap();
    assert_eq!(unsigned.status, 403);
    assert!(unsigned.body.contains("<Code>MissingAuthenticationToken</Code>"));
    let unknown = client.json("DeleteAlarms", b"{}", &[]).await.unwrap();
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("UnknownOperationException"));
    let broken = client.put("{").await.unwrap();
    assert!(broken.status == 400 && broken.body.contains("SerializationException"));
    let path = exchange(client.address, "POST", "/elsewhere", &[("host", &host)], b"").await.unwrap();
    assert_eq!(path.status, 404);
}

#[tokio::test]
async fn the_controls_work_over_http_too() {
    let (cloudwatch, client) = start().await;
    let address = client.address;
    let order = async |path: &str, body: &str| control(address, "POST", path, body).await.status;
    assert_eq!(
        order("/_local/fail", r#"{"calls":1,"status":400,"code":"Throttling","headers":[["retry-after","3"]]}"#).await,
        204
    );
    assert_eq!(client.put(ONE).await.unwrap().header("retry-after"), Some("3"));
    assert_eq!(order("/_local/fail", r#"{"calls":1,"status":404,"body":"<html>","namespace":"N"}"#).await, 204);
    assert_eq!(client.put(ONE).await.unwrap().body, "<html>");
    assert_eq!(order("/_local/drop", r#"{"calls":1,"when":"after_storing"}"#).await, 204);
    assert!(client.put(ONE).await.is_err());
    assert_eq!(order("/_local/keys", r#"{"access_key_id":"b","secret_access_key":"hidden"}"#).await, 204);
    assert_eq!(control(address, "GET", "/_local/keys", "").await.body, r#"["local","b"]"#);
    assert_eq!(control(address, "DELETE", "/_local/keys/local", "").await.status, 204);
    assert_eq!(control(address, "DELETE", "/_local/keys/local", "").await.status, 404);
    assert_eq!(client.put(ONE).await.unwrap().status, 400);
    assert_eq!(order("/_local/clock", r#"{"shift_millis":600000}"#).await, 204);
    assert_eq!(order("/_local/delay", r#"{"millis":1}"#).await, 204);
    assert_eq!(order("/_local/fail", r#"{"calls":1}"#).await, 422);
    assert_eq!(order("/_local/fail", r#"{"calls":1,"status":400}"#).await, 422);
    assert_eq!(order("/_local/fail", r#"{"calls":1,"status":400,"code":"X","body":"x"}"#).await, 422);
    let totals = control(address, "GET", "/_local/totals?namespace=N", "").await.body;
    assert!(totals.contains(r#""metric_name":"m","dimensions":{},"unit":"None","count":1.0,"sum":1.0"#), "{totals}");
    let calls = control(address, "GET", "/_local/calls?after=2", "").await.body;
    assert!(calls.starts_with(r#"[{"number":3,"#), "{calls}");
    assert_eq!(order("/_local/reset", "").await, 204);
    assert_eq!(client.put(ONE).await.unwrap().status, 200);
    assert_eq!((stored(&cloudwatch), cloudwatch.calls().len()), (1.0, 1));
}

#[tokio::test]
async fn the_page_runs_its_own_files_only() {
    let (cloudwatch, client) = start().await;
    let evil = "{\"Namespace\":\"N\",\"MetricData\":[{\"MetricName\":\"<script>\",\"Value\":1}]}";
    assert_eq!(client.put(evil).await.unwrap().status, 200);
    let page = control(cloudwatch.address(), "GET", "/", "").await;
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'; script-src 'self';"));
    for line in page.body.lines().filter(|line| line.contains("src=") || line.contains("href=")) {
        assert!(line.contains("=\"/_local/") || line.contains("=\"data:"), "{line}");
    }
    for file in ["page.css", "page.js", "chart.js"] {
        assert_eq!(control(cloudwatch.address(), "GET", &format!("/_local/{file}"), "").await.status, 200);
    }
    let overview = control(cloudwatch.address(), "GET", "/_local/overview?window=5m", "").await;
    assert!(overview.body.contains(r#""accepted":1,"refused":0,"data":1,"series":1"#), "{}", overview.body);
}
