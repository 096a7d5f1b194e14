//! Metrics in OTLP: what is accepted, what is stored and how errors are answered.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::io::{ErrorKind, Write};

use flate2::{Compression, write::GzEncoder};
use local_cloudwatch::{
    CallProtocol, DropPoint, Failure, LocalCloudWatch, OtlpAccess, OtlpKind, OtlpLimits, OtlpTemporality,
    ServerOptions, WriteOperation,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use prost::Message;
use serde_json::{Value, json};
use support::export::{
    CUMULATIVE, DELTA, exponential_histogram, exponential_point, gauge, now_nanos, point, request, sum,
};
use support::{HttpResponse, SigningClient, control, exchange};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");
const PATH: &str = "/v1/metrics";
const SECOND: u64 = 1_000_000_000;

/// `google.rpc.Status`, independent of the server's own.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatusBody {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

async fn start_with(options: ServerOptions) -> (LocalCloudWatch, SigningClient) {
    let cloudwatch = LocalCloudWatch::start(options).await.unwrap();
    let client = SigningClient::new(cloudwatch.address());
    (cloudwatch, client)
}

async fn start() -> (LocalCloudWatch, SigningClient) {
    start_with(ServerOptions::default()).await
}

async fn export(client: &SigningClient, request: &ExportMetricsServiceRequest) -> HttpResponse {
    client.signed(PATH, &[PROTOBUF], &request.encode_to_vec()).await.unwrap()
}

fn gzip(raw: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(raw).unwrap();
    encoder.finish().unwrap()
}

/// A request with one delta sum of `value`.
fn one(value: f64) -> ExportMetricsServiceRequest {
    let now = now_nanos();
    request(vec![sum("requests", DELTA, vec![point(&[("http.route", "/cart")], now - SECOND, now, value)])])
}

fn status_of(response: &HttpResponse) -> RpcStatusBody {
    RpcStatusBody::decode(response.bytes.as_slice()).unwrap()
}

#[tokio::test]
async fn every_kind_is_stored_with_exact_totals() {
    let (cloudwatch, client) = start().await;
    let now = now_nanos();
    let values: Vec<f64> = (1..=1_000).map(|n| f64::from(n) / 64.0).collect();
    let exported = request(vec![
        sum(
            "requests",
            DELTA,
            vec![
                point(&[("http.route", "/cart")], now - 2 * SECOND, now - SECOND, 5.0),
                point(&[("http.route", "/cart")], now - SECOND, now, 7.0),
                point(&[("http.route", "/other")], now - SECOND, now, 1.0),
            ],
        ),
        sum(
            "total",
            CUMULATIVE,
            vec![
                point(&[], now - 9 * SECOND, now - 2 * SECOND, 10.0),
                point(&[], now - 9 * SECOND, now - SECOND, 15.0),
                point(&[], now - SECOND / 2, now, 2.0),
            ],
        ),
        gauge("in_flight", vec![point(&[], 0, now, 3.0), point(&[], 0, now - SECOND, 4.0)]),
        exponential_histogram("duration", DELTA, vec![exponential_point(&[], now - SECOND, now, 6, &values)]),
    ]);
    let response = export(&client, &exported).await;
    assert_eq!((response.status, response.bytes.as_slice()), (200, &[][..]));
    assert_eq!(response.header("content-type"), Some("application/x-protobuf"));
    assert!(response.header("x-amzn-requestid").is_some() && response.header("date").is_some());

    let totals = cloudwatch.otlp_totals();
    let found: Vec<_> =
        totals.iter().map(|total| (total.metric.as_str(), total.count, total.sum, total.data)).collect();
    let duration = values.iter().sum();
    let expected = [
        ("duration", 1_000.0, duration, 1),
        ("in_flight", 2.0, 7.0, 2),
        ("requests", 2.0, 12.0, 2),
        ("requests", 1.0, 1.0, 1),
        ("total", 3.0, 17.0, 3),
    ];
    assert_eq!(found, expected);
    let (histogram, requests) = (&totals[0], &totals[2]);
    assert_eq!((histogram.min, histogram.max), (Some(1.0 / 64.0), Some(1_000.0 / 64.0)));
    assert_eq!((histogram.kind, histogram.temporality), (OtlpKind::ExponentialHistogram, Some(OtlpTemporality::Delta)));
    let buckets = histogram.exponential.as_ref().unwrap();
    assert_eq!((buckets.scale, buckets.positive.values().sum::<f64>()), (6, 1_000.0));
    assert_eq!((requests.unit.as_str(), requests.scope.name.as_str()), ("{request}", "acpw"));
    assert_eq!(
        (requests.resource["service.name"].as_str(), requests.attributes["http.route"].as_str()),
        ("shop", "/cart")
    );
    let times: Vec<_> = requests.points.iter().map(|point| (point.start_nanos, point.time_nanos, point.sum)).collect();
    assert_eq!(times, [(now - 2 * SECOND, now - SECOND, 5.0), (now - SECOND, now, 7.0)]);

    let call = &cloudwatch.calls()[0];
    assert_eq!((call.operation.as_str(), call.protocol), ("ExportMetrics", CallProtocol::OtlpProtobuf));
    assert_eq!((call.status, call.data, call.rejected_data, call.is_stored), (Some(200), 9, 0, true));
}

#[tokio::test]
async fn protobuf_and_json_are_accepted_with_and_without_gzip() {
    let (cloudwatch, client) = start().await;
    let protobuf = one(2.0).encode_to_vec();
    let json = serde_json::to_vec(&one(2.0)).unwrap();
    for (media, body, expected) in [(PROTOBUF, protobuf, ""), (JSON, json, "{}")] {
        let plain = client.signed(PATH, &[media], &body).await.unwrap();
        let compressed = client.signed(PATH, &[media, GZIP], &gzip(&body)).await.unwrap();
        for response in [plain, compressed] {
            assert_eq!((response.status, response.body.as_str()), (200, expected));
            assert_eq!(response.header("content-type"), Some(media.1));
        }
    }
    assert_eq!(cloudwatch.otlp_totals()[0].sum, 8.0);
}

#[tokio::test]
async fn the_example_of_the_specification_is_accepted() {
    let (cloudwatch, client) = start().await;
    // From opentelemetry-proto's examples/metrics.json, with current times.
    let (start, time) = ((now_nanos() - SECOND).to_string(), now_nanos().to_string());
    let attributes = json!([{ "key": "my.attr", "value": { "stringValue": "some value" } }]);
    let times = |mut point: Value| {
        for (name, value) in
            [("startTimeUnixNano", json!(start)), ("timeUnixNano", json!(time)), ("attributes", attributes.clone())]
        {
            point[name] = value;
        }
        point
    };
    let counter = times(json!({ "asDouble": 5 }));
    let gauge = times(json!({ "asInt": "10" }));
    let histogram =
        times(json!({ "count": "2", "sum": 2, "bucketCounts": ["1", "1"], "explicitBounds": [1], "min": 0, "max": 2 }));
    let exponential = times(json!({
        "count": "3", "sum": 10, "scale": 0, "zeroCount": "1", "positive": { "offset": 1, "bucketCounts": ["0", "2"] },
        "min": 0, "max": 5, "zeroThreshold": 0,
    }));
    let body = json!({ "resourceMetrics": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "my.service" } }] },
        "scopeMetrics": [{ "scope": { "name": "my.scope", "version": "1.0.0" }, "metrics": [
            { "name": "my.counter", "unit": "1", "sum": { "aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [counter] } },
            { "name": "my.gauge", "unit": "1", "gauge": { "dataPoints": [gauge] } },
            { "name": "my.histogram", "unit": "1", "histogram": { "aggregationTemporality": 1, "dataPoints": [histogram] } },
            { "name": "my.exponential", "exponentialHistogram": { "aggregationTemporality": 1, "dataPoints": [exponential] } },
        ] }],
    }] });
    let response = client.signed(PATH, &[JSON], body.to_string().as_bytes()).await.unwrap();
    assert_eq!((response.status, response.body.as_str()), (200, "{}"));
    let totals = cloudwatch.otlp_totals();
    let found: Vec<_> = totals.iter().map(|total| (total.metric.as_str(), total.count, total.sum)).collect();
    assert_eq!(
        found,
        [("my.counter", 1.0, 5.0), ("my.exponential", 3.0, 10.0), ("my.gauge", 1.0, 10.0), ("my.histogram", 2.0, 2.0)]
    );
    assert_eq!(totals[1].exponential.as_ref().unwrap().positive, [(2, 2.0)].into());
    assert_eq!(totals[3].explicit.as_ref().unwrap().counts, [1.0, 1.0]);
}

#[tokio::test]
async fn rejected_points_are_reported_and_the_others_stored() {
    let (cloudwatch, client) = start().await;
    let now = now_nanos();
    let many: Vec<_> = (0..151).map(|n| (format!("k{n}"), "v".to_owned())).collect();
    let many: Vec<_> = many.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    // The resource has a label, too.
    let points = vec![point(&many[..149], 0, now, 1.0), point(&many[..150], 0, now, 2.0), point(&[], 0, 1, 4.0)];
    let body = request(vec![gauge("g", points)]);
    let response = export(&client, &body).await;
    assert_eq!(response.status, 200);
    let partial = ExportMetricsServiceResponse::decode(response.bytes.as_slice()).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_data_points, 2);
    assert!(partial.error_message.contains("data_points[1] has 151 labels; at most 150 are allowed"), "{partial:?}");
    assert!(partial.error_message.contains("data_points[2] has a time_unix_nano that is more than two weeks"));
    let response = client.signed(PATH, &[JSON], &serde_json::to_vec(&body).unwrap()).await.unwrap();
    let partial: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(partial["partialSuccess"]["rejectedDataPoints"], "2");
    assert_eq!(cloudwatch.otlp_totals()[0].sum, 2.0);
    let call = &cloudwatch.calls()[0];
    assert_eq!((call.data, call.rejected_data, call.code.as_deref(), call.is_stored), (3, 2, None, true));
    assert!(call.message.as_ref().unwrap().contains("151 labels"));
}

#[tokio::test]
async fn errors_have_a_status_in_the_encoding_of_the_request() {
    let (cloudwatch, client) = start().await;
    for (media, headers, body, status) in [
        (PROTOBUF, vec![PROTOBUF], b"\x0a\xff".to_vec(), 400),
        (JSON, vec![JSON], b"{\"resourceMetrics\":".to_vec(), 400),
        (PROTOBUF, vec![PROTOBUF, GZIP], b"not gzip".to_vec(), 400),
        (PROTOBUF, vec![PROTOBUF, ("content-encoding", "zstd")], Vec::new(), 415),
        (JSON, vec![("content-type", "text/plain")], Vec::new(), 415),
        (JSON, vec![], Vec::new(), 415),
        (PROTOBUF, vec![PROTOBUF], vec![0; 1_000_001], 413),
        (JSON, vec![JSON, GZIP], gzip(&vec![b' '; 1_000_001]), 413),
    ] {
        let response = client.signed(PATH, &headers, &body).await.unwrap();
        assert_eq!((response.status, response.header("content-type")), (status, Some(media.1)), "{headers:?}");
        assert!(response.header("x-amzn-requestid").is_some());
        let code = if status == 413 { 8 } else { 3 };
        if media == PROTOBUF {
            assert_eq!(status_of(&response).code, code, "{}", response.body);
        } else {
            let parsed: Value = serde_json::from_str(&response.body).unwrap();
            assert_eq!(parsed["code"], code, "{parsed}");
        }
    }
    assert!(cloudwatch.otlp_totals().is_empty());
    let stranger = SigningClient { secret_access_key: "wrong", ..client.clone() };
    let refused = export(&stranger, &one(1.0)).await;
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (403, Some("InvalidSignatureException")));
    assert_eq!(status_of(&refused).code, 7);
    let logs = SigningClient { service: "logs", ..client.clone() };
    assert!(status_of(&export(&logs, &one(1.0)).await).message.contains("'monitoring'"));
    let host = client.address.to_string();
    let unsigned = [("host", host.as_str()), PROTOBUF];
    let unsigned = exchange(client.address, "POST", PATH, &unsigned, &one(1.0).encode_to_vec()).await.unwrap();
    assert_eq!(
        (unsigned.status, unsigned.header("x-amzn-errortype")),
        (403, Some("MissingAuthenticationTokenException"))
    );
    assert!(cloudwatch.otlp_totals().is_empty());
    let misrouted = exchange(client.address, "GET", PATH, &[("host", host.as_str())], b"").await.unwrap();
    assert_eq!(misrouted.status, 405);
}

#[tokio::test]
async fn the_limits_are_options() {
    let otlp_limits = OtlpLimits { max_request_bytes: 2_000, max_data_points: 3, ..OtlpLimits::default() };
    let (cloudwatch, client) = start_with(ServerOptions { otlp_limits, ..ServerOptions::default() }).await;
    for (points, status) in [(2, 200), (3, 200), (4, 400)] {
        let body = request(vec![gauge("g", vec![point(&[], 0, now_nanos(), 1.0); points])]);
        let response = export(&client, &body).await;
        assert_eq!(response.status, status);
        assert_eq!(response.body.contains("must not have more than 3 data points, got 4"), status == 400);
    }
    let padded = |length: usize| {
        let mut padded = one(1.0);
        let excess = length - padded.encoded_len();
        padded.resource_metrics[0].scope_metrics[0].metrics[0].description = "x".repeat(excess - 3);
        padded
    };
    for (length, status) in [(1_999, 200), (2_000, 200), (2_001, 413)] {
        // The lengths of the messages around the text may take another byte each.
        let body = (0..8).map(|less| padded(length - less)).find(|body| body.encoded_len() == length).unwrap();
        assert_eq!(export(&client, &body).await.status, status, "{length}");
    }
    assert_eq!(cloudwatch.otlp_totals().iter().map(|total| total.sum).sum::<f64>(), 7.0);
}

#[tokio::test]
async fn injected_faults_apply_to_the_operation_that_they_name() {
    let (cloudwatch, client) = start().await;
    let classic = r#"{"Namespace":"N","MetricData":[{"MetricName":"m","Value":1}]}"#;
    let throttled = Failure::new(429, "ThrottlingException").with_message("slow down").with_header("retry-after", "3");
    cloudwatch.fail_next(1, throttled.for_operation(WriteOperation::ExportMetrics));
    cloudwatch.fail_next(1, Failure::new(503, "ServiceUnavailable").for_operation(WriteOperation::PutMetricData));
    cloudwatch.fail_next(1, Failure::new(403, "AccessDenied").for_namespace("N"));
    let first = export(&client, &one(1.0)).await;
    assert_eq!((first.status, first.header("retry-after")), (429, Some("3")));
    assert_eq!(first.header("x-amzn-errortype"), Some("ThrottlingException"));
    assert_eq!(status_of(&first), RpcStatusBody { code: 8, message: "slow down".into() });
    assert_eq!(export(&client, &one(1.0)).await.status, 200);
    assert_eq!(client.put(classic).await.unwrap().status, 503);
    assert_eq!(client.put(classic).await.unwrap().status, 403);
    cloudwatch.fail_next(2, Failure::foreign(502, "<html>"));
    let foreign = export(&client, &one(1.0)).await;
    assert_eq!((foreign.status, foreign.body.as_str(), foreign.header("x-amzn-requestid")), (502, "<html>", None));
    assert_eq!(client.put(classic).await.unwrap().status, 502);
    assert_eq!(cloudwatch.otlp_totals()[0].sum, 1.0);
    let codes: Vec<_> = cloudwatch.calls().iter().map(|call| call.code.clone().unwrap_or_default()).collect();
    assert_eq!(codes, ["ThrottlingException", "", "ServiceUnavailable", "AccessDenied", "Foreign", "Foreign"]);
}

#[tokio::test]
async fn an_outage_of_otlp_leaves_put_metric_data_alone() {
    let (cloudwatch, client) = start().await;
    let classic = r#"{"Namespace":"N","MetricData":[{"MetricName":"m","Value":1}]}"#;
    cloudwatch.drop_next_of(WriteOperation::ExportMetrics, usize::MAX, DropPoint::BeforeStoring);
    for _ in 0..3 {
        let error = client.signed(PATH, &[PROTOBUF], &one(1.0).encode_to_vec()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(client.put(classic).await.unwrap().status, 200);
    }
    cloudwatch.clear_faults();
    cloudwatch.drop_next(1, DropPoint::AfterStoring);
    assert!(client.signed(PATH, &[PROTOBUF], &one(2.0).encode_to_vec()).await.is_err());
    assert_eq!(export(&client, &one(4.0)).await.status, 200);
    assert_eq!(cloudwatch.otlp_totals()[0].sum, 6.0);
}

#[tokio::test]
async fn a_bearer_token_or_nothing_can_be_required_instead_of_a_signature() {
    let address = |cloudwatch: &LocalCloudWatch| cloudwatch.address();
    let body = one(1.0).encode_to_vec();
    for (access, sent, status) in [
        (OtlpAccess::Open, None, 200),
        (OtlpAccess::Bearer("t0ken".into()), Some("Bearer t0ken"), 200),
        (OtlpAccess::Bearer("t0ken".into()), Some("Bearer other"), 403),
        (OtlpAccess::Bearer("t0ken".into()), None, 403),
    ] {
        let (cloudwatch, _) = start_with(ServerOptions { otlp_access: access, ..ServerOptions::default() }).await;
        let host = address(&cloudwatch).to_string();
        let mut headers = vec![("host", host.as_str()), PROTOBUF];
        headers.extend(sent.map(|value| ("authorization", value)));
        let response = exchange(address(&cloudwatch), "POST", PATH, &headers, &body).await.unwrap();
        assert_eq!(response.status, status, "{sent:?}");
        assert_eq!(cloudwatch.otlp_totals().len(), usize::from(status == 200));
    }
}

#[tokio::test]
async fn the_controls_work_over_http() {
    let (cloudwatch, client) = start().await;
    let address = client.address;
    let post = async |path: &str, body: &str| control(address, "POST", path, body).await.status;
    let fail =
        r#"{"calls":1,"status":429,"code":"Throttling","operation":"ExportMetrics","headers":[["retry-after","3"]]}"#;
    assert_eq!(post("/_local/fail", fail).await, 204);
    assert_eq!(post("/_local/fail", &fail.replace("ExportMetrics", "Other")).await, 422);
    assert_eq!(export(&client, &one(1.0)).await.status, 429);
    assert_eq!(post("/_local/drop", r#"{"calls":9,"when":"before_storing","operation":"ExportMetrics"}"#).await, 204);
    assert!(client.signed(PATH, &[PROTOBUF], &one(1.0).encode_to_vec()).await.is_err());
    assert_eq!(control(address, "DELETE", "/_local/faults", "").await.status, 204);
    assert_eq!(export(&client, &one(3.0)).await.status, 200);
    let totals = control(address, "GET", "/_local/otlp/totals?metric=requests", "").await.body;
    let totals: Value = serde_json::from_str(&totals).unwrap();
    let total = &totals[0];
    assert_eq!((&total["metric"], &total["sum"], &total["kind"]), (&json!("requests"), &json!(3.0), &json!("sum")));
    assert_eq!((&total["temporality"], &total["attributes"]["http.route"]), (&json!("delta"), &json!("/cart")));
    assert_eq!(control(address, "GET", "/_local/otlp/totals?metric=other", "").await.body, "[]");
    assert_eq!(post("/_local/reset", "").await, 204);
    assert!(cloudwatch.otlp_totals().is_empty());
}

#[tokio::test]
async fn a_request_with_a_long_shared_text_and_many_points_is_stored() {
    let (cloudwatch, client) = start().await;
    // 20,000 points, each of whose series would have a copy of 400 kB.
    let mut body = request(vec![gauge("g", vec![point(&[], 0, now_nanos(), 1.0); 20_000])]);
    body.resource_metrics[0].resource.as_mut().unwrap().attributes =
        support::export::attributes(&[("text", &"x".repeat(400_000))]);
    assert_eq!(export(&client, &body).await.status, 200);
    assert_eq!(cloudwatch.otlp_totals()[0].count, 20_000.0);
}
