//! The controls for tests, and the responses of the API while they are in effect.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant, SystemTime};

use flate2::{Compression, write::GzEncoder};
use local_cloudwatch::{AccessKey, DropPoint, Failure, LocalCloudWatch, ServerOptions, quota};
use support::{SigningClient, control, exchange};

const ONE: &str = r#"{"Namespace":"N","MetricData":[{"MetricName":"m","Value":1}]}"#;

async fn start() -> (LocalCloudWatch, SigningClient) {
    let cloudwatch = LocalCloudWatch::start(ServerOptions::default()).await.unwrap();
    let client = SigningClient::new(cloudwatch.address());
    (cloudwatch, client)
}

fn stored(cloudwatch: &LocalCloudWatch) -> f64 {
    cloudwatch.totals("N").iter().map(|total| total.sum).sum()
}

#[tokio::test]
async fn a_valid_call_is_stored_and_recorded() {
    let (cloudwatch, client) = start().await;
    let response = client.put(ONE).await.unwrap();
    assert_eq!((response.status, response.body.as_str()), (200, ""));
    assert!(response.header("x-amzn-requestid").is_some() && response.header("date").is_some());
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
async fn each_injected_failure_applies_once_and_stores_nothing() {
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
async fn a_failure_can_be_limited_to_a_namespace_or_come_from_another_server() {
    let (cloudwatch, client) = start().await;
    let other = ONE.replace("\"N\"", "\"Other\"");
    cloudwatch.fail_next(1, Failure::new(403, "AccessDenied").for_namespace("Other"));
    cloudwatch.fail_next(1, Failure::foreign(200, "<html>").with_header("server", "proxy").for_namespace("N"));
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
async fn faults_do_not_apply_to_queries_or_badly_signed_calls() {
    let (cloudwatch, client) = start().await;
    cloudwatch.fail_next(1, Failure::new(500, "InternalFailure"));
    assert_eq!(client.json("ListMetrics", b"{}", &[]).await.unwrap().status, 200);
    let stranger = SigningClient { secret_access_key: "wrong", ..client.clone() };
    assert!(stranger.put(ONE).await.unwrap().body.contains("InvalidSignatureException"));
    assert_eq!(client.put(ONE).await.unwrap().status, 500);
    assert_eq!(client.put(ONE).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_dropped_call_gets_no_response_and_is_stored_only_if_dropped_afterwards() {
    for (when, sum) in [(DropPoint::BeforeStoring, 0.0), (DropPoint::AfterStoring, 1.0)] {
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
async fn a_delayed_response_comes_after_the_data_was_stored() {
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
async fn a_shifted_clock_changes_the_date_header_and_rejects_signatures() {
    let (cloudwatch, client) = start().await;
    for (minutes, word) in [(-10, "Signature not yet current"), (10, "Signature expired")] {
        cloudwatch.shift_clock(minutes * 60_000);
        let response = client.put(ONE).await.unwrap();
        assert_eq!(response.status, 400);
        assert!(
            response.body.contains("InvalidSignatureException") && response.body.contains(word),
            "{}",
            response.body
        );
        let date = chrono::DateTime::parse_from_rfc2822(response.header("date").unwrap()).unwrap().timestamp();
        let machine = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!((date - machine - minutes * 60).abs() <= 2);
    }
    let late = SigningClient { time: client.time + Duration::from_secs(600), ..client };
    assert_eq!(late.put(ONE).await.unwrap().status, 200);
}

#[tokio::test]
async fn keys_can_be_rotated_and_expire() {
    let (cloudwatch, client) = start().await;
    let expiry = SystemTime::now() + Duration::from_secs(60);
    cloudwatch.set_keys(vec![AccessKey::new("ASIA", "s").with_session_token("t").with_expiry(expiry)]);
    assert!(client.put(ONE).await.unwrap().body.contains("UnrecognizedClientException"));
    let temporary =
        SigningClient { access_key_id: "ASIA", secret_access_key: "s", session_token: Some("t"), ..client.clone() };
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
async fn only_the_configured_region_is_accepted() {
    let options = ServerOptions { region: Some("eu-west-1".into()), ..ServerOptions::default() };
    let cloudwatch = LocalCloudWatch::start(options).await.unwrap();
    let client = SigningClient::new(cloudwatch.address());
    assert!(client.put(ONE).await.unwrap().body.contains("Credential should be scoped to a valid region"));
    assert_eq!(SigningClient { region: "eu-west-1", ..client }.put(ONE).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_outage_refuses_new_connections_and_closes_open_ones() {
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
    assert_eq!(SigningClient::new(address).put(ONE).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_request_above_the_quota_is_413_in_each_protocol() {
    let (cloudwatch, client) = start().await;
    let padded = |n: usize| format!("{ONE}{}", " ".repeat(n - ONE.len()));
    for (n, status) in [(quota::MAX_REQUEST_BYTES, 200), (quota::MAX_REQUEST_BYTES + 1, 413)] {
        assert_eq!(client.put(&padded(n)).await.unwrap().status, status);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(padded(n).as_bytes()).unwrap();
        let compressed = encoder.finish().unwrap();
        let response = client.json("PutMetricData", &compressed, &[("content-encoding", "gzip")]).await.unwrap();
        assert_eq!(response.status, status);
        assert_eq!(response.body.contains("RequestEntityTooLarge"), status == 413);
    }
    let huge = "x".repeat(9 * quota::MAX_REQUEST_BYTES);
    // The server responds before it has read such a body, so the client may see a reset instead.
    assert!(client.query(&huge).await.map_or(true, |response| response.status == 413));
    assert_eq!(stored(&cloudwatch), 2.0);
}

#[tokio::test]
async fn one_invalid_datum_rejects_the_whole_request() {
    let (cloudwatch, client) = start().await;
    let values = vec!["1"; 151].join(",");
    let body = format!(
        r#"{{"Namespace":"N","MetricData":[{{"MetricName":"m","Value":1}},{{"MetricName":"m","Values":[{values}]}}]}}"#
    );
    let response = client.put(&body).await.unwrap();
    assert_eq!(response.status, 400);
    let message = "The collection MetricData.member.2.Values must not have a size greater than 150.";
    assert!(
        response.body.contains(message) && response.body.contains("InvalidParameterValueException"),
        "{}",
        response.body
    );
    assert!(cloudwatch.totals("N").is_empty());
}

#[tokio::test]
async fn a_signed_form_gets_an_xml_response() {
    let (cloudwatch, client) = start().await;
    let data = "MetricData.member.1.MetricName=m&MetricData.member.1.Value=2&MetricData.member.1.Timestamp=";
    let now = chrono::DateTime::from_timestamp_millis(cloudwatch_time(&cloudwatch, &client).await).unwrap();
    let form =
        format!("Action=PutMetricData&Version=2010-08-01&Namespace=N&{data}{}", now.format("%Y-%m-%dT%H:%M:%SZ"));
    let response = client.query(&form).await.unwrap();
    assert_eq!((response.status, response.header("content-type")), (200, Some("text/xml")));
    assert!(response.body.contains(
        "<PutMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><ResponseMetadata><RequestId>"
    ));
    assert_eq!(stored(&cloudwatch), 2.0);
    let unknown = client.query("Action=DeleteAlarms&Version=2010-08-01").await.unwrap();
    assert_eq!(unknown.status, 400);
    assert!(unknown.body.contains("<Type>Sender</Type><Code>InvalidAction</Code>"), "{}", unknown.body);
}

/// Returns the time of the server's clock, taken from a recorded call.
async fn cloudwatch_time(cloudwatch: &LocalCloudWatch, client: &SigningClient) -> i64 {
    client.json("ListMetrics", b"{}", &[]).await.unwrap();
    cloudwatch.calls().last().unwrap().time_millis
}

#[tokio::test]
async fn unsigned_unknown_and_misrouted_requests_are_rejected() {
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
async fn the_controls_work_over_http() {
    let (cloudwatch, client) = start().await;
    let address = client.address;
    let post = async |path: &str, body: &str| control(address, "POST", path, body).await.status;
    assert_eq!(
        post("/_local/fail", r#"{"calls":1,"status":400,"code":"Throttling","headers":[["retry-after","3"]]}"#).await,
        204
    );
    assert_eq!(client.put(ONE).await.unwrap().header("retry-after"), Some("3"));
    assert_eq!(post("/_local/fail", r#"{"calls":1,"status":404,"body":"<html>","namespace":"N"}"#).await, 204);
    assert_eq!(client.put(ONE).await.unwrap().body, "<html>");
    assert_eq!(post("/_local/drop", r#"{"calls":1,"when":"after_storing"}"#).await, 204);
    assert!(client.put(ONE).await.is_err());
    assert_eq!(post("/_local/keys", r#"{"access_key_id":"b","secret_access_key":"hidden"}"#).await, 204);
    assert_eq!(control(address, "GET", "/_local/keys", "").await.body, r#"["local","b"]"#);
    assert_eq!(control(address, "DELETE", "/_local/keys/local", "").await.status, 204);
    assert_eq!(control(address, "DELETE", "/_local/keys/local", "").await.status, 404);
    assert_eq!(client.put(ONE).await.unwrap().status, 400);
    assert_eq!(post("/_local/clock", r#"{"shift_millis":600000}"#).await, 204);
    assert_eq!(post("/_local/delay", r#"{"millis":1}"#).await, 204);
    assert_eq!(post("/_local/fail", r#"{"calls":1}"#).await, 422);
    assert_eq!(post("/_local/fail", r#"{"calls":1,"status":400}"#).await, 422);
    assert_eq!(post("/_local/fail", r#"{"calls":1,"status":400,"code":"X","body":"x"}"#).await, 422);
    let totals = control(address, "GET", "/_local/totals?namespace=N", "").await.body;
    assert!(totals.contains(r#""metric_name":"m","dimensions":{},"unit":"None","count":1.0,"sum":1.0"#), "{totals}");
    let calls = control(address, "GET", "/_local/calls?after=2", "").await.body;
    assert!(calls.starts_with(r#"[{"number":3,"#), "{calls}");
    assert_eq!(post("/_local/reset", "").await, 204);
    assert_eq!(client.put(ONE).await.unwrap().status, 200);
    assert_eq!((stored(&cloudwatch), cloudwatch.calls().len()), (1.0, 1));
}

#[tokio::test]
async fn the_page_runs_only_its_own_scripts() {
    let (cloudwatch, client) = start().await;
    let evil = "{\"Namespace\":\"N\",\"MetricData\":[{\"MetricName\":\"<script>\",\"Value\":1}]}";
    assert_eq!(client.put(evil).await.unwrap().status, 200);
    let page = control(cloudwatch.address(), "GET", "/", "").await;
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'; script-src 'self';"));
    for line in page.body.lines().filter(|line| line.contains("src=") || line.contains("href=")) {
        assert!(line.contains("=\"/_local/") || line.contains("=\"data:"), "{line}");
    }
    assert!(page.body.contains("uPlot.iife.min.js\"></script>"));
    for file in page.body.split('"').filter(|text| text.starts_with("/_local/")) {
        let response = control(cloudwatch.address(), "GET", file, "").await;
        let media = match file.rsplit('.').next().unwrap() {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "text/plain; charset=utf-8",
        };
        // A file of a library is kept by browsers, because its path contains the version.
        let caching = if file.contains("/uplot-") { "public, max-age=31536000, immutable" } else { "no-store" };
        let headers = ["content-type", "cache-control", "x-content-type-options"].map(|name| response.header(name));
        assert_eq!((response.status, headers), (200, [Some(media), Some(caching), Some("nosniff")]), "{file}");
    }
    let overview = control(cloudwatch.address(), "GET", "/_local/overview?window=5m", "").await;
    assert!(overview.body.contains(r#""accepted":1,"rejected":0,"data":1,"series":1"#), "{}", overview.body);
}
