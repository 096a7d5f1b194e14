//! Tests exports of OTLP metrics, from the bytes of OpenTelemetry's own messages to the records.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that traps has failed, in its helpers too"
)]

use std::{collections::BTreeMap, io::Write as _, time::Duration};

use acpw_metric::{Accumulator, Now, Record, TimeBasis, Timestamp, Unit};
use acpw_otlp::{ExportMetricsServiceResponse, RpcStatus};
use acpw_shared_state::{RoomLedger, Status};
use gateway::{
    Config, Gateway,
    answer::Answer,
    gateway::{NextStep, PostOutcome},
    otlp::{self, Export, ExportContext, SettledExport, decode::decode, encoding::Encoding, rules::OtlpRules},
    request::Request,
    rules::Rules,
};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    metrics::v1::{
        ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
        NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
        exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
        summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
};
use proptest::prelude::*;
use prost::Message as _;

const SECOND: u64 = 1_795_858_200;
const NOW: Now = Now { wall: Timestamp::from_secs(SECOND), steady: Duration::from_secs(60) };
const NANOS: u64 = SECOND * 1_000_000_000;

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;

fn status() -> Status {
    Status { time: SECOND * 1_000, buffer_limit_bytes: 1 << 23, ..Status::default() }
}

fn gateway_with(keys: &str, status: Option<&[u8]>) -> Gateway {
    let document = format!(r#"{{"receiver_vm_id": "receiver"{keys}}}"#);
    let config = Config::from_json(document.as_bytes(), |_| None).unwrap_or_else(|faults| panic!("{faults}"));
    let mut gateway = Gateway::new(config);
    gateway.handle_status(status);
    gateway
}

fn gateway(keys: &str) -> Gateway {
    gateway_with(keys, Some(&status().encode()))
}

/// Sends an export and settles it with `streams`, which it updates if the export is accepted.
fn export_at(
    gateway: &Gateway,
    headers: &[(&str, &str)],
    body: &[u8],
    streams: &mut Option<Vec<u8>>,
) -> Result<(SettledExport, Answer), Answer> {
    let pseudo = [(":method", "POST"), (":path", "/v1/metrics"), (":authority", "localhost:3000")];
    let header = |name: &str| {
        let (_, value) = pseudo.iter().chain(headers).find(|(known, _)| *known == name)?;
        Some(value.as_bytes().to_vec())
    };
    match gateway.begin(Request::new(header), 1, NOW) {
        NextStep::Respond(answer) => Err(answer),
        NextStep::Status => panic!("the status"),
        NextStep::Read(call) => match gateway.finish(&call, body, NOW) {
            PostOutcome::Exported(export) => {
                let settled = gateway.settle(&call, &export, streams.as_deref(), NOW)?;
                assert_eq!(settled.0.streams.is_some(), export.is_cumulative());
                if settled.0.streams.is_some() {
                    streams.clone_from(&settled.0.streams);
                }
                Ok(settled)
            }
            PostOutcome::Refused(answer) => Err(answer),
            PostOutcome::Accepted(..) | PostOutcome::Flush(_) => panic!("not an export"),
        },
    }
}

fn export(gateway: &Gateway, metrics: Vec<Metric>) -> SettledExport {
    export_at(gateway, &[PROTOBUF], &request(metrics).encode_to_vec(), &mut None).unwrap().0
}

/// Returns the accepted data by metric name and dimensions.
fn data(settled: &SettledExport) -> BTreeMap<String, (Unit, acpw_metric::Distribution)> {
    let mut held = Accumulator::default();
    for record in &settled.post.records {
        held.merge_record(&Record::decode(record).unwrap(), 0);
    }
    assert_eq!(held.samples(), settled.post.values);
    let mut data = BTreeMap::new();
    for (_, dimensions, distributions) in held.iter() {
        let dimensions: Vec<_> = dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for (metric, distribution) in distributions {
            let name = format!("{} {}", metric.name, dimensions.join(","));
            data.insert(name.trim_end().to_owned(), (metric.unit, distribution.clone()));
        }
    }
    data
}

fn sums(settled: &SettledExport) -> Vec<(String, f64, f64)> {
    data(settled).into_iter().map(|(name, (_, values))| (name, values.sample_count(), values.sum())).collect()
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn request(metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let scope = InstrumentationScope { name: "test".to_owned(), ..InstrumentationScope::default() };
    let scope_metrics = ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() };
    let attributes = vec![attribute("service.name", "shop"), attribute("process.pid", "7")];
    let resource = Resource { attributes, ..Resource::default() };
    let resource_metrics =
        ResourceMetrics { resource: Some(resource), scope_metrics: vec![scope_metrics], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![resource_metrics] }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}

fn int(value: i64) -> NumberDataPoint {
    let value = Some(number_data_point::Value::AsInt(value));
    NumberDataPoint { time_unix_nano: NANOS, value, ..NumberDataPoint::default() }
}

fn double(value: f64) -> NumberDataPoint {
    NumberDataPoint { value: Some(number_data_point::Value::AsDouble(value)), ..int(0) }
}

fn sum(aggregation_temporality: i32, is_monotonic: bool, data_points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic })
}

fn histogram_point() -> HistogramDataPoint {
    HistogramDataPoint {
        time_unix_nano: NANOS,
        count: 4,
        sum: Some(14.5),
        bucket_counts: vec![1, 2, 1],
        explicit_bounds: vec![1.0, 5.0],
        min: Some(0.5),
        max: Some(8.0),
        ..HistogramDataPoint::default()
    }
}

fn exponential_point() -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        time_unix_nano: NANOS,
        count: 4,
        sum: Some(6.0),
        scale: 3,
        zero_count: 1,
        positive: Some(Buckets { offset: 0, bucket_counts: vec![1, 0, 2] }),
        min: Some(0.0),
        max: Some(1.25),
        ..ExponentialHistogramDataPoint::default()
    }
}

/// Returns a metric of each kind, with delta temporality where it matters.
fn each_kind() -> Vec<Metric> {
    let histogram = Histogram { data_points: vec![histogram_point()], aggregation_temporality: DELTA };
    let exponential = ExponentialHistogram { data_points: vec![exponential_point()], aggregation_temporality: DELTA };
    vec![
        metric("requests", "{request}", sum(DELTA, true, vec![int(5)])),
        metric("queue", "1", sum(CUMULATIVE, false, vec![int(-3)])),
        metric("moved", "1", sum(DELTA, false, vec![double(-1.5)])),
        metric("heat", "Cel", Data::Gauge(Gauge { data_points: vec![double(21.5)] })),
        metric("latency", "ms", Data::Histogram(histogram)),
        metric("size", "By", Data::ExponentialHistogram(exponential)),
    ]
}

const EACH_KIND_IN_JSON: &str = r#"{"resourceMetrics": [{"resource": {"attributes": [
    {"key": "service.name", "value": {"stringValue": "shop"}}]}, "scopeMetrics": [{"scope": {"name": "test"}, "metrics": [
    {"name": "requests", "unit": "{request}", "sum": {"aggregationTemporality": 1, "isMonotonic": true,
        "dataPoints": [{"asInt": "5", "timeUnixNano": "1795858200000000000"}]}},
    {"name": "queue", "unit": "1", "sum": {"aggregationTemporality": 2,
        "dataPoints": [{"asInt": -3, "timeUnixNano": 1795858200000000000}]}},
    {"name": "moved", "unit": "1", "sum": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA",
        "dataPoints": [{"asDouble": -1.5, "timeUnixNano": "1795858200000000000"}]}},
    {"name": "heat", "unit": "Cel", "gauge": {"dataPoints": [{"asDouble": 21.5, "timeUnixNano": "1795858200000000000"}]}},
    {"name": "latency", "unit": "ms", "histogram": {"aggregationTemporality": 1, "dataPoints": [
        {"count": "4", "sum": 14.5, "bucketCounts": ["1", "2", "1"], "explicitBounds": [1, 5], "min": 0.5, "max": 8,
         "timeUnixNano": "1795858200000000000"}]}},
    {"name": "size", "unit": "By", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [
        {"count": "4", "sum": 6, "scale": 3, "zeroCount": "1", "positive": {"offset": 0, "bucketCounts": ["1", "0", "2"]},
         "min": 0, "max": 1.25, "timeUnixNano": "1795858200000000000"}]}}
    ]}]}]}"#;

fn gzip(raw: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(raw).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_kind_of_metric_is_accepted_in_both_encodings() {
    let gateway = gateway("");
    let protobuf = request(each_kind()).encode_to_vec();
    let zipped = ("content-encoding", "gzip");
    let first = export(&gateway, each_kind());
    assert_eq!((first.post.data, first.post.values, first.rejected, first.message.as_str()), (6, 12, 0, ""));
    for (headers, body) in [
        (vec![PROTOBUF], protobuf.clone()),
        (vec![PROTOBUF, zipped], gzip(&protobuf)),
        (vec![JSON], EACH_KIND_IN_JSON.as_bytes().to_vec()),
        (vec![JSON, zipped], gzip(EACH_KIND_IN_JSON.as_bytes())),
    ] {
        let (settled, answer) = export_at(&gateway, &headers, &body, &mut None).unwrap();
        assert_eq!(settled.post.records, first.post.records, "{headers:?}");
        assert_eq!(answer.status, 200);
        let is_json = headers.contains(&JSON);
        assert_eq!(&*answer.body, if is_json { &b"{}"[..] } else { b"" });
        let media = if is_json { "application/json" } else { "application/x-protobuf" };
        assert!(answer.headers.contains(&("content-type", media.to_owned())), "{answer:?}");
    }
    let data = data(&first);
    for (name, unit, statistics) in [
        ("requests service.name=shop", "Count", [1.0, 5.0, 5.0, 5.0]),
        ("queue service.name=shop", "Count", [1.0, -3.0, -3.0, -3.0]),
        ("moved service.name=shop", "Count", [1.0, -1.5, -1.5, -1.5]),
        ("heat service.name=shop", "None", [1.0, 21.5, 21.5, 21.5]),
        ("latency service.name=shop", "Milliseconds", [4.0, 14.5, 0.5, 8.0]),
        ("size service.name=shop", "Bytes", [4.0, 6.0, 0.0, 1.25]),
    ] {
        let (known, values) = &data[name];
        assert_eq!(known.as_str(), unit, "{name}");
        assert_eq!([values.sample_count(), values.sum(), values.min(), values.max()], statistics, "{name}");
    }
}

#[test]
fn attributes_become_dimensions_as_configured() {
    let attributes = vec![attribute("route", "/cart"), attribute("env", "test")];
    let metrics =
        || vec![metric("m", "", sum(DELTA, true, vec![NumberDataPoint { attributes: attributes.clone(), ..int(1) }]))];
    let defaults = r#", "default_dimensions": [{"name": "env", "value": "prod"}, {"name": "zone", "value": "a"}]"#;
    for (keys, expected) in [
        (String::new(), "m env=test,route=/cart,service.name=shop"),
        (r#", "otlp": {"resource_attributes": []}"#.to_owned(), "m env=test,route=/cart"),
        (
            format!(r#"{defaults}, "otlp": {{"resource_attributes": ["process.pid", "host.name"]}}"#),
            "m env=test,process.pid=7,route=/cart,zone=a",
        ),
    ] {
        assert_eq!(data(&export(&gateway(&keys), metrics())).into_keys().collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn the_namespace_is_the_configured_one_or_the_receivers() {
    for (keys, expected) in [("", None), (r#", "otlp": {"namespace": "Shop"}"#, Some("Shop"))] {
        let settled = export(&gateway(keys), each_kind());
        let record = Record::decode(&settled.post.records[0]).unwrap();
        assert_eq!(record.origin().namespace.as_ref().map(acpw_metric::Namespace::as_str), expected);
    }
}

#[test]
fn data_points_have_their_own_time_or_that_of_their_arrival() {
    for (nanos, basis, second) in [
        (NANOS - 999_999_999, TimeBasis::Stated, SECOND - 1),
        (NANOS, TimeBasis::Stated, SECOND),
        (0, TimeBasis::Received, SECOND),
    ] {
        let point = NumberDataPoint { time_unix_nano: nanos, ..int(1) };
        let settled = export(&gateway(""), vec![metric("m", "", sum(DELTA, true, vec![point]))]);
        let mut held = Accumulator::default();
        held.merge_record(&Record::decode(&settled.post.records[0]).unwrap(), 0);
        let (key, _) = held.pop().unwrap();
        assert_eq!((key.kind.basis, key.start), (basis, Timestamp::from_secs(second)));
    }
    let limit = 14 * 86_400 - 600;
    for (seconds, is_accepted) in
        [(SECOND - limit, true), (SECOND - limit - 1, false), (SECOND + 7_200, true), (SECOND + 7_201, false)]
    {
        let point = NumberDataPoint { time_unix_nano: seconds * 1_000_000_000, ..int(1) };
        let settled = export(&gateway(""), vec![metric("m", "", sum(DELTA, true, vec![point]))]);
        assert_eq!((settled.post.data, settled.rejected), if is_accepted { (1, 0) } else { (0, 1) }, "{seconds}");
    }
}

#[test]
fn rejected_data_points_are_named_and_the_others_accepted() {
    let many = (0..30).map(|n| attribute(&format!("a{n}"), "v")).collect();
    let metrics = vec![
        metric("good", "", sum(DELTA, true, vec![int(1)])),
        metric("caf\u{e9}", "", sum(DELTA, true, vec![int(1), int(2)])),
        metric("", "", Data::Gauge(Gauge { data_points: vec![int(1)] })),
        metric("wide", "", sum(DELTA, true, vec![NumberDataPoint { attributes: many, ..int(1) }, int(1)])),
        metric("infinite", "", Data::Gauge(Gauge { data_points: vec![double(f64::INFINITY), double(f64::NAN)] })),
        metric("falling", "", sum(DELTA, true, vec![int(-1)])),
        metric("timeless", "", sum(0, true, vec![int(1)])),
        metric(
            "summary",
            "",
            Data::Summary(Summary {
                data_points: vec![SummaryDataPoint { count: 1, sum: f64::NAN, ..SummaryDataPoint::default() }],
            }),
        ),
        // An ended stream has no value to reject.
        metric("ended", "", sum(DELTA, true, vec![NumberDataPoint { flags: 1, value: None, ..int(0) }])),
        Metric { name: "nothing".to_owned(), ..Metric::default() },
    ];
    let body = request(metrics).encode_to_vec();
    let (settled, answer) = export_at(&gateway(""), &[PROTOBUF], &body, &mut None).unwrap();
    assert_eq!(
        sums(&settled),
        [("good service.name=shop".to_owned(), 1.0, 1.0), ("wide service.name=shop".to_owned(), 1.0, 1.0)]
    );
    let partial = ExportMetricsServiceResponse::decode(&*answer.body).unwrap().partial_success.unwrap();
    assert_eq!((answer.status, partial.rejected_data_points), (200, 9));
    let lines: Vec<_> = partial.error_message.lines().collect();
    assert_eq!(
        lines,
        [
            r#"metric "caf\u{e9}": the name must contain only printable ASCII characters (2 data points)"#,
            r#"metric "": the name must have at least one character that is not a space (1 data point)"#,
            r#"metric "wide": has 31 dimensions; CloudWatch accepts at most 30 (1 data point)"#,
            r#"metric "infinite": must have finite values between -2^360 and 2^360 (2 data points)"#,
            r#"metric "falling": is monotonic and must not have a negative value (1 data point)"#,
            r#"metric "timeless": must have an aggregationTemporality of 1 (delta) or 2 (cumulative) (1 data point)"#,
            r#"metric "summary": is a summary and must have a finite sum; its quantiles cannot be published (1 data point)"#,
        ]
    );
}

/// Returns cumulative metrics of a stream that started `start` seconds after [`NANOS`], read at `at` seconds before
/// now.
fn cumulative(start: i64, at: i64, total: u64) -> Vec<Metric> {
    let nanos = |seconds: i64| NANOS.checked_add_signed(seconds * 1_000_000_000).unwrap();
    let (start_time_unix_nano, time_unix_nano) = (nanos(start), nanos(at));
    let number = NumberDataPoint { start_time_unix_nano, time_unix_nano, ..int(i64::try_from(total).unwrap()) };
    let histogram = HistogramDataPoint {
        start_time_unix_nano,
        time_unix_nano,
        count: 2 * total,
        sum: Some(4.0 * total as f64),
        bucket_counts: vec![total, total],
        explicit_bounds: vec![2.0],
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        start_time_unix_nano,
        time_unix_nano,
        count: 2 * total,
        sum: Some(6.0 * total as f64),
        scale: 3,
        positive: Some(Buckets { offset: 0, bucket_counts: vec![total, total] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let quantile_values = vec![ValueAtQuantile { quantile: 0.5, value: f64::NAN }];
    let summary = SummaryDataPoint {
        start_time_unix_nano,
        time_unix_nano,
        count: total,
        sum: 8.0 * total as f64,
        quantile_values,
        ..SummaryDataPoint::default()
    };
    let histogram = Histogram { data_points: vec![histogram], aggregation_temporality: CUMULATIVE };
    let exponential = ExponentialHistogram { data_points: vec![exponential], aggregation_temporality: CUMULATIVE };
    vec![
        metric("a", "", sum(CUMULATIVE, true, vec![number])),
        metric("b", "", Data::Histogram(histogram)),
        metric("c", "", Data::ExponentialHistogram(exponential)),
        metric("d", "", Data::Summary(Summary { data_points: vec![summary] })),
    ]
}

#[test]
fn cumulative_metrics_are_published_as_increases_by_whichever_worker() {
    let workers = [gateway(""), gateway("")];
    let mut streams = None;
    let mut send = |worker: usize, metrics| {
        let body = request(metrics).encode_to_vec();
        export_at(&workers[worker], &[PROTOBUF], &body, &mut streams).unwrap()
    };
    let (first, answer) = send(0, cumulative(-1_000, -600, 10));
    assert_eq!((first.post.data, first.gaps, first.rejected), (0, 4, 0));
    let partial = ExportMetricsServiceResponse::decode(&*answer.body).unwrap().partial_success.unwrap();
    assert!(partial.rejected_data_points == 0 && partial.error_message.contains("PREFERENCE=delta"), "{partial:?}");
    let increase = |count: f64| {
        let with = |name: &str, count, sum| (format!("{name} service.name=shop"), count, sum);
        [
            with("a", 1.0, count),
            with("b", 2.0 * count, 4.0 * count),
            with("c", 2.0 * count, 6.0 * count),
            with("d", count, 8.0 * count),
        ]
    };
    assert_eq!(sums(&send(1, cumulative(-1_000, -540, 13)).0), increase(3.0));
    let (again, answer) = send(0, cumulative(-1_000, -540, 13));
    assert_eq!(sums(&again), [("a service.name=shop".to_owned(), 1.0, 0.0)]);
    assert_eq!(&*answer.body, b"");
    assert_eq!(sums(&send(0, cumulative(-1_000, -480, 14)).0), increase(1.0));
    // Late readings add nothing, and the process starts again.
    assert_eq!(send(1, cumulative(-1_000, -570, 11)).0.post.data, 0);
    assert_eq!(sums(&send(0, cumulative(-450, -420, 5)).0), increase(5.0));
    assert_eq!(sums(&send(1, cumulative(-450, -360, 7)).0), increase(2.0));
}

#[test]
fn a_limited_number_of_streams_is_kept() {
    let gateway = gateway(r#", "otlp": {"max_streams": 2}"#);
    let body = request(cumulative(-1_000, -600, 10)).encode_to_vec();
    let (settled, _) = export_at(&gateway, &[PROTOBUF], &body, &mut None).unwrap();
    assert_eq!((settled.gaps, settled.forgotten), (4, 2));
}

#[test]
fn an_undone_export_can_be_sent_again() {
    let gateway = gateway("");
    let mut streams = None;
    let send = |total, at, streams: &mut Option<Vec<u8>>| {
        let body = request(cumulative(-1_000, at, total)).encode_to_vec();
        export_at(&gateway, &[PROTOBUF], &body, streams).unwrap().0
    };
    send(10, -600, &mut streams);
    let before = streams.clone();
    let first = send(12, -540, &mut streams);
    let (lost, undone) = otlp::undo(before.as_deref(), first.streams.as_ref().unwrap(), streams.as_deref());
    assert_eq!(lost, 0);
    assert_eq!(sums(&send(12, -540, &mut Some(undone))), sums(&first));
}

/// A refused export: the gateway, the headers, the body, the status and the gRPC code.
type Refused<'a> = (&'a Gateway, &'a [(&'a str, &'a str)], &'a [u8], u16, i32);

#[test]
fn refusals_are_a_status_in_the_encoding_of_the_request() {
    let good = request(each_kind()).encode_to_vec();
    let open = gateway("");
    let locked = gateway(r#", "bearer_token": "t0k3n""#);
    let full = gateway_with("", Some(&Status { held_bytes: 1 << 23, ..status() }.encode()));
    let small = gateway_with("", Some(&Status { buffer_limit_bytes: 100, ..status() }.encode()));
    let absent = gateway_with("", None);
    let other = gateway_with("", Some(br#"{"state_version": 7}"#));
    let large = vec![0; (1 << 20) + 1];
    let heavy = b"\x0a\x00".repeat(1 << 18);
    let zip = ("content-encoding", "gzip");
    let bomb = gzip(&vec![0; 100 << 20]);
    let cases: [Refused<'_>; 14] = [
        (&open, &[PROTOBUF], b"\x0a\x05", 400, 3),
        (&open, &[PROTOBUF], &good[..good.len() - 1], 400, 3),
        (&open, &[PROTOBUF, zip], &good, 400, 3),
        (&open, &[JSON], b"{", 400, 3),
        (&open, &[JSON], br#"{"resourceMetrics": 1}"#, 400, 3),
        (&locked, &[PROTOBUF], &good, 401, 16),
        (&open, &[PROTOBUF, ("content-length", "104857600")], &[], 413, 8),
        (&open, &[PROTOBUF], &large, 413, 8),
        (&open, &[PROTOBUF, zip], &bomb, 413, 8),
        (&open, &[PROTOBUF], &heavy, 413, 8),
        (&small, &[PROTOBUF], &good, 413, 8),
        (&full, &[PROTOBUF], &good, 429, 8),
        (&absent, &[PROTOBUF], &good, 503, 14),
        (&other, &[PROTOBUF], &good, 503, 14),
    ];
    for (gateway, headers, body, status, code) in cases {
        let answer = export_at(gateway, headers, body, &mut None).unwrap_err();
        let context = format!("{headers:?} {status} {}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.status, status, "{context}");
        let (media, found) = if headers.contains(&JSON) {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert!(!body["message"].as_str().unwrap().is_empty());
            ("application/json", body["code"].as_i64().unwrap())
        } else {
            let status = RpcStatus::decode(&*answer.body).unwrap();
            assert!(!status.message.is_empty(), "{context}");
            ("application/x-protobuf", i64::from(status.code))
        };
        assert_eq!(found, i64::from(code), "{context}");
        assert!(answer.headers.contains(&("content-type", media.to_owned())), "{context}");
        let retry_after = answer.headers.iter().any(|(name, _)| *name == "retry-after");
        assert_eq!(retry_after, status == 429 || std::ptr::eq(gateway, &raw const absent), "{context}");
    }
    let answer = export_at(&locked, &[PROTOBUF], &good, &mut None).unwrap_err();
    assert!(answer.headers.contains(&("www-authenticate", "Bearer".to_owned())));
    assert!(export_at(&locked, &[PROTOBUF, ("authorization", "Bearer t0k3n")], &good, &mut None).is_ok());
    for media in ["text/plain", "application/x-www-form-urlencoded", "application/grpc"] {
        assert_eq!(export_at(&open, &[("content-type", media)], &good, &mut None).unwrap_err().status, 415, "{media}");
    }
    assert_eq!(export_at(&open, &[], &good, &mut None).unwrap_err().status, 415);
}

#[test]
fn deeply_nested_exports_are_refused() {
    let deep = [r#"{"resourceMetrics": "#.to_owned(), "[".repeat(10_000)].concat();
    assert_eq!(export_at(&gateway(""), &[JSON], deep.as_bytes(), &mut None).unwrap_err().status, 400);
    let value = (0..10_000).fold("1".to_owned(), |inner, _| format!(r#"{{"arrayValue":{{"values":[{inner}]}}}}"#));
    let document =
        format!(r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"k","value":{value}}}]}}}}]}}"#);
    assert_eq!(export_at(&gateway(""), &[JSON], document.as_bytes(), &mut None).unwrap_err().status, 400);
}

#[test]
fn the_ledger_grants_the_room_of_an_export() {
    let settled = export(&gateway(""), each_kind());
    assert!(settled.post.memory > 0);
    for (granted, fits) in [(settled.post.memory, true), (settled.post.memory - 1, false)] {
        let ledger = RoomLedger { granted, ..RoomLedger::default() };
        assert_eq!(Gateway::take_room(settled.post.memory, Some(&ledger.encode())).is_some(), fits);
    }
}

fn rules() -> (Rules, OtlpRules) {
    let rules = Rules { namespaces: Vec::new(), default_dimensions: Vec::new(), max_exact_values: 10 };
    let otlp = OtlpRules { namespace: None, resource_attributes: Vec::new(), max_streams: 10 };
    (rules, otlp)
}

/// Decodes and settles any body, twice.
fn settle_any(encoding: Encoding, body: &[u8]) {
    let (rules, otlp) = rules();
    let Ok(request) = decode(encoding, body) else { return };
    let export = Export::read(&request, &ExportContext { rules: &rules, otlp: &otlp, now: NOW.wall });
    let first = export.settle(None, NOW.wall);
    let second = export.settle(first.streams.as_deref(), NOW.wall);
    data(&first);
    data(&second);
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_settled(bytes: Vec<u8>) {
        settle_any(Encoding::Protobuf, &bytes);
        settle_any(Encoding::Json, &bytes);
    }

    #[test]
    fn mutated_exports_are_refused_or_settled(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), is_cut: bool,
    ) {
        let metrics = [each_kind(), cumulative(-1_000, -600, 10)].concat();
        let protobuf = request(metrics).encode_to_vec();
        for (encoding, body) in [(Encoding::Protobuf, protobuf), (Encoding::Json, EACH_KIND_IN_JSON.as_bytes().to_vec())] {
            let mut body = body;
            for (position, byte) in &changes {
                let position = position.index(body.len());
                if is_cut { body.truncate(position + 1) } else { body[position] = *byte }
            }
            settle_any(encoding, &body);
        }
    }

    /// The values are multiples of 1/8, so that sums are exact in any order.
    #[test]
    fn sums_and_counts_are_conserved_in_both_temporalities(
        steps in prop::collection::vec(prop::collection::vec((0i64..800, 0u8..3), 0..12), 1..8),
    ) {
        let bounds = [10.0, 25.0, 50.0];
        let (workers, mut streams) = ([gateway(""), gateway("")], None);
        // The resource is known before the streams start.
        let (start, first) = (-900, cumulative(-1_000, -950, 1));
        export_at(&workers[0], &[PROTOBUF], &request(first).encode_to_vec(), &mut streams).unwrap();
        let mut published: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        let mut recorded: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        let mut totals: BTreeMap<u8, (f64, [u64; 4], f64)> = BTreeMap::new();
        for (index, step) in steps.iter().enumerate() {
            let mut deltas: BTreeMap<u8, (f64, [u64; 4], f64)> = BTreeMap::new();
            for (eighths, series) in step {
                let value = *eighths as f64 / 8.0;
                for map in [&mut deltas, &mut totals] {
                    let (counter, counts, sum) = map.entry(*series).or_default();
                    *counter += value;
                    counts[bounds.partition_point(|bound| *bound < value)] += 1;
                    *sum += value;
                }
                for name in ["counter", "histogram"] {
                    for way in ["delta", "cumulative"] {
                        let known = recorded.entry(format!("{way}.{name} s={series},service.name=shop")).or_default();
                        *known = (known.0 + f64::from(u8::from(name == "histogram")), known.1 + value);
                    }
                }
            }
            let nanos = |seconds: i64| NANOS.checked_add_signed(seconds * 1_000_000_000).unwrap();
            let mut metrics = Vec::new();
            for (way, temporality, values) in [("delta", DELTA, &deltas), ("cumulative", CUMULATIVE, &totals)] {
                for (series, (counter, counts, sum_of)) in values {
                    let attributes = vec![attribute("s", &series.to_string())];
                    let (start_time_unix_nano, time_unix_nano) = (nanos(start), nanos(start + 10 * index as i64 + 10));
                    let number = NumberDataPoint { attributes: attributes.clone(), start_time_unix_nano, time_unix_nano, ..double(*counter) };
                    let point = HistogramDataPoint {
                        attributes, start_time_unix_nano, time_unix_nano, count: counts.iter().sum(), sum: Some(*sum_of),
                        bucket_counts: counts.to_vec(), explicit_bounds: bounds.to_vec(), ..HistogramDataPoint::default()
                    };
                    metrics.push(metric(&format!("{way}.counter"), "", sum(temporality, true, vec![number])));
                    let histogram = Histogram { data_points: vec![point], aggregation_temporality: temporality };
                    metrics.push(metric(&format!("{way}.histogram"), "", Data::Histogram(histogram)));
                }
            }
            let body = request(metrics).encode_to_vec();
            let (settled, _) = export_at(&workers[index % 2], &[PROTOBUF], &body, &mut streams).unwrap();
            prop_assert_eq!((settled.rejected, settled.gaps), (0, 0));
            for (name, count, sum) in sums(&settled) {
                let known = published.entry(name.clone()).or_default();
                *known = (known.0 + if name.contains("histogram") { count } else { 0.0 }, known.1 + sum);
            }
        }
        prop_assert_eq!(published, recorded);
    }
}
