//! Lists every configuration error and every refusal in `messages.txt`, provoked by real inputs.
//!
//! The file is reviewed as text. `UPDATE_MESSAGES=1 cargo test -p acpw-gateway --test messages` writes it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that traps has failed, in its helpers too"
)]

#[path = "support/golden.rs"]
mod golden;

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use acpw_metric::{Now, Timestamp};
use acpw_shared_state::Status;
use gateway::{
    Config, Gateway,
    answer::Answer,
    gateway::{NextStep, PostOutcome},
    request::Request,
};
use prost::Message as _;

/// 2026-11-28T09:30:00Z.
const NOW: Now = Now { wall: Timestamp::from_secs(1_795_858_200), steady: Duration::from_secs(60) };

const JSON: (&str, &[u8]) = ("content-type", b"application/json");
const FORM: (&str, &[u8]) = ("content-type", b"application/x-www-form-urlencoded");
const API: [(&str, &[u8]); 2] =
    [("content-type", b"application/x-amz-json-1.0"), ("x-amz-target", b"GraniteServiceVersion20100801.PutMetricData")];
const CBOR: [(&str, &[u8]); 2] = [("content-type", b"application/cbor"), ("smithy-protocol", b"rpc-v2-cbor")];
const CBOR_PATH: &str = "/service/GraniteServiceVersion20100801/operation/PutMetricData";

/// Literals that are not messages, and messages that no input provokes.
const EXCEPTIONS: [&str; 4] = [
    "authorization, content-encoding, content-type",
    // The signer always returns an authorization header.
    "The signature cannot be checked.",
    // serde asks for these, and JSON has no value or name that would show them.
    "a JSON value",
    "a name must be a string",
];

const CONFIGURATIONS: [&str; 19] = [
    "",
    "[]",
    "{",
    "{}",
    r#"{"receiver_vm_id": "r", "receiver_vm_id": "s", "namespace": ["N"]}"#,
    r#"{"receiver_vm_id": 1, "namespaces": "N", "default_dimensions": {}, "max_exact_values": "1", "bearer_token": 1,
        "access_keys": "A", "cors_allow_origins": true}"#,
    r#"{"receiver_vm_id": "r", "namespaces": []}"#,
    r#"{"receiver_vm_id": "r", "namespaces": ["", "AWS/EC2", ":N", "é", "MyApp/*", 1]}"#,
    r#"{"receiver_vm_id": "r", "default_dimensions": [{}, {"name": ":a", "value": ""}, {"nam": "a", "name": "a", "value": 1}]}"#,
    r#"{"receiver_vm_id": "r", "default_dimensions": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]}"#,
    r#"{"receiver_vm_id": "r", "max_exact_values": 0}"#,
    r#"{"receiver_vm_id": "r", "otlp": []}"#,
    r#"{"receiver_vm_id": "r", "otlp": {"namespace": "AWS/S", "resource_attributes": [":a", "b", "b", 1], "max_streams": 0,
        "resource_attribute": []}}"#,
    r#"{"receiver_vm_id": "r", "namespaces": ["N"], "otlp": {"namespace": "Other", "resource_attributes": ["a00", "a01",
        "a02", "a03", "a04", "a05", "a06", "a07", "a08", "a09", "a10", "a11", "a12", "a13", "a14", "a15", "a16", "a17",
        "a18", "a19", "a20", "a21", "a22", "a23", "a24", "a25", "a26", "a27", "a28", "a29", "a30"]}}"#,
    r#"{"receiver_vm_id": "r", "bearer_token": ""}"#,
    r#"{"receiver_vm_id": "r", "bearer_token": "two words"}"#,
    r#"{"receiver_vm_id": "r", "access_keys": []}"#,
    r#"{"receiver_vm_id": "r", "access_keys": [{"access_key_id": "A", "secret_access_key": "s"},
        {"access_key_id": "A", "secret_access_key": "t"}, {}, {"access_key_id": "", "secret_access_key": ""},
        {"access_key_id": "B", "secret_access_key": "\n", "token": "t"}]}"#,
    r#"{"receiver_vm_id": "r", "cors_allow_origins": ["example.com", "https://", "https://a/b"]}"#,
];

/// `MetricData` of requests.
const DATA: [&str; 22] = [
    "{}",
    "[]",
    "[1]",
    r#"[{"metricName": "M", "Vale": 1, "Colour": "red"}]"#,
    r#"[{"MetricName": 1, "Value": "1", "Unit": 1, "StorageResolution": "1", "Dimensions": {}, "Timestamp": true}]"#,
    r#"[{"MetricName": "", "Value": 1, "Unit": "Parsec", "StorageResolution": 30, "Timestamp": "yesterday"}]"#,
    r#"[{"MetricName": "M", "MetricName": "M", "Value": 1, "Timestamp": 1}]"#,
    r#"[{"MetricName": "M", "Value": 1, "Timestamp": 1795858200000}]"#,
    r#"[{"MetricName": "M", "Value": 1e300, "Dimensions": [{"Name": ":a"}, {"Name": "a", "Value": " "}, {"Name": "é", "Value": "v"}]}]"#,
    r#"[{"MetricName": "M", "Value": 1, "Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]}]"#,
    r#"[{"MetricName": "M", "Value": 1, "Values": [1]}]"#,
    r#"[{"MetricName": "M", "Value": 1, "Counts": [1]}]"#,
    r#"[{"MetricName": "M", "Value": 1, "StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}}]"#,
    r#"[{"MetricName": "M", "Values": [], "Counts": []}]"#,
    r#"[{"MetricName": "M", "Values": [1, "2"], "Counts": [1, 2, 3]}]"#,
    r#"[{"MetricName": "M", "Values": [1, 2], "Counts": [0.5, 0]}]"#,
    r#"[{"MetricName": "M", "StatisticValues": {}}]"#,
    r#"[{"MetricName": "M", "StatisticValues": {"SampleCount": 0, "Sum": 1, "Minimum": 1, "Maximum": 1}}]"#,
    r#"[{"MetricName": "M", "StatisticValues": {"SampleCount": 1e-300, "Sum": 1, "Minimum": 1, "Maximum": 1}}]"#,
    r#"[{"MetricName": "M", "StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1}}]"#,
    r#"[{"MetricName": "M", "Counts": [1], "StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}}]"#,
    r#"[{"MetricName": "M", "Values": [1], "StatisticValues": {"SampleCount": 2, "Sum": 1, "Minimum": 1, "Maximum": 1}}]"#,
];

/// `EntityMetricData` of requests.
const ENTITIES: [&str; 8] = [
    r#"[{"MetricData": [{"MetricName": "M", "Value": 1}]}]"#,
    r#"[{"Entity": {}, "MetricData": [{"MetricName": "M", "Value": 1}]}]"#,
    r#"[{"Entity": {"KeyAttributes": 1}, "MetricData": [{"MetricName": "M", "Value": 1}]}]"#,
    r#"[{"Entity": {"KeyAttributes": {"Type": "Service"}}, "MetricData": [{"MetricName": "M", "Value": 1}]}]"#,
    r#"[{"Entity": {"KeyAttributes": {"Type": "Service", "Colour": "red"}}, "MetricData": [{"MetricName": "M", "Value": 1}]}]"#,
    r#"[{"Entity": {"KeyAttributes": {"Type": "AWS::Resource", "ResourceType": "AWS::SQS::Queue"}},
        "MetricData": [{"MetricName": "M", "Value": 1}]}]"#,
    r#"[{"Entity": {"KeyAttributes": {"Type": "Service", "Name": "", "Environment": "é"}}, "MetricData": [{"MetricName": "M", "Value": 1}]}]"#,
    "[{}, {}, {}]",
];

/// The list of messages that the test writes.
#[derive(Default)]
struct Messages {
    text: String,
}

impl Messages {
    fn section(&mut self, title: &str) {
        let line = if self.text.is_empty() { "" } else { "\n" };
        writeln!(self.text, "{line}== {title} ==").unwrap();
    }

    /// Adds an input, shortened to 200 characters, and the messages that it provokes. Long lists are shortened.
    fn case(&mut self, input: &str, messages: &[String]) {
        let input: Vec<_> = input.split_whitespace().collect();
        let input: String = input.join(" ").chars().map(|c| if c.is_control() { '?' } else { c }).take(200).collect();
        writeln!(self.text, "\n{input}").unwrap();
        let lines: Vec<_> = messages.iter().flat_map(|message| message.lines()).collect();
        let skipped = if lines.len() > 20 { 3..lines.len() - 1 } else { 0..0 };
        for (index, line) in lines.iter().enumerate() {
            if skipped.contains(&index) {
                continue;
            }
            writeln!(self.text, "    {line}").unwrap();
            if index + 1 == skipped.start {
                writeln!(self.text, "    ({} lines)", skipped.len()).unwrap();
            }
        }
    }
}

/// The state of the receiver.
#[derive(Clone, Copy)]
enum Receiver {
    Ready,
    Full,
    /// The buffer is too small for any post.
    Small,
    Absent,
    OtherRelease,
}

impl Receiver {
    /// Returns the status in shared data.
    fn status(self) -> Option<Vec<u8>> {
        let status = Status { time: NOW.wall.as_millis(), buffer_limit_bytes: 1 << 23, ..Status::default() };
        match self {
            Self::Ready => Some(status.encode()),
            Self::Full => Some(Status { held_bytes: 1 << 23, ..status }.encode()),
            Self::Small => Some(Status { buffer_limit_bytes: 100, ..status }.encode()),
            Self::Absent => None,
            Self::OtherRelease => Some(br#"{"state_version": 7}"#.to_vec()),
        }
    }
}

fn gateway(keys: &str, receiver: Receiver) -> Gateway {
    let document = format!(r#"{{"receiver_vm_id": "receiver"{keys}}}"#);
    let config = Config::from_json(document.as_bytes(), |_| None).unwrap_or_else(|faults| panic!("{faults}"));
    let mut gateway = Gateway::new(config);
    gateway.handle_status(receiver.status().as_deref());
    gateway
}

/// Sends a request that is refused, or accepted without its entity, and returns the lines of the answer.
fn refusal(gateway: &Gateway, method: &str, path: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Vec<String> {
    let pseudo = [(":method", method.as_bytes()), (":path", path.as_bytes()), (":authority", b"localhost:3000")];
    let request = Request::new(|name| {
        let (_, value) = pseudo.iter().chain(headers).find(|(known, _)| *known == name)?;
        Some(value.to_vec())
    });
    let answer = match gateway.begin(request, 1, NOW) {
        NextStep::Respond(answer) => answer,
        NextStep::Status => panic!("{path} returns the status"),
        NextStep::Read(call) => match gateway.finish(&call, body, NOW) {
            PostOutcome::Accepted(_, answer) | PostOutcome::Refused(answer) => answer,
            PostOutcome::Exported(export) => {
                let (Ok((_, answer)) | Err(answer)) = gateway.settle(&call, &export, None, NOW);
                answer
            }
            PostOutcome::Flush(_) => panic!("{path} starts a flush"),
        },
    };
    lines(&answer)
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

/// Returns the status, the error code and the messages of an answer in any protocol.
fn lines(answer: &Answer) -> Vec<String> {
    let text = String::from_utf8_lossy(&answer.body);
    let between = |start: &str, end: &str| Some(text.split_once(start)?.1.split_once(end)?.0.to_owned());
    let (code, messages) = match header(answer, "content-type").unwrap_or_default() {
        "application/json" => {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            // The answers to OTLP exports: a status, or a partial success.
            let partial = &body["partialSuccess"];
            let rejected = partial["rejectedDataPoints"].as_str().map(|count| format!("{count} rejected"));
            let code = body["code"].as_i64().map(|code| format!("gRPC code {code}"));
            if let Some(code) = rejected.or(code) {
                let message = partial["errorMessage"].as_str().or(body["message"].as_str()).unwrap();
                return vec![format!("{} {code}", answer.status), message.to_owned()];
            }
            let faults = body["faults"].as_array().cloned().unwrap_or_default();
            let faults = faults.iter().map(|fault| {
                let (path, message) = (fault["path"].as_str().unwrap(), fault["message"].as_str().unwrap());
                if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") }
            });
            let message = body["message"].as_str().unwrap().to_owned();
            (body["error"].as_str().unwrap().to_owned(), [message].into_iter().chain(faults).collect())
        }
        "application/x-amz-json-1.0" => {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            let message = header(answer, "x-amzn-failure-message").or(body["message"].as_str()).unwrap();
            (body["__type"].as_str().unwrap_or_default().to_owned(), vec![message.to_owned()])
        }
        "application/cbor" => {
            let body: std::collections::BTreeMap<String, String> = ciborium::from_reader(&*answer.body).unwrap();
            (body["__type"].clone(), vec![body["message"].clone()])
        }
        "application/x-protobuf" => {
            let status = acpw_otlp::RpcStatus::decode(&*answer.body).unwrap();
            (format!("gRPC code {}", status.code), vec![status.message])
        }
        "text/xml" => {
            let message = between("<Message>", "</Message>").unwrap();
            (between("<Code>", "</Code>").unwrap(), vec![message])
        }
        _ => (String::new(), vec![text.trim_end().to_owned()]),
    };
    let mut lines = vec![format!("{} {code}", answer.status).trim_end().to_owned()];
    lines.extend(messages);
    lines
}

fn list_configuration_errors(messages: &mut Messages) {
    messages.section("Configuration");
    let environment = |_: &str| None;
    for document in CONFIGURATIONS {
        let faults = Config::from_json(document.as_bytes(), environment).unwrap_err();
        let input = if document.is_empty() { "(empty)" } else { document };
        messages.case(input, &faults.lines().collect::<Vec<_>>());
    }
    let faults = Config::from_json(br#"{"receiver_vm_id": "r"}"#, |_| Some(String::new())).unwrap_err();
    messages.case("ACPW_GATEWAY_BEARER_TOKEN=", &faults.lines().collect::<Vec<_>>());
}

fn list_faults_of_data(messages: &mut Messages) {
    messages.section("Data posted to /metrics");
    let gateway = gateway(r#", "namespaces": ["N", "Other"]"#, Receiver::Ready);
    let mut post = |input: &str, body: &str| {
        messages.case(input, &refusal(&gateway, "POST", "/metrics", &[JSON], body.as_bytes()));
    };
    for body in
        ["[]", "1", "{}", r#"{"Namespace": "Mine", "MetricData": []}"#, r#"{"Namespace": "AWS/N", "Metric": 1}"#]
    {
        post(body, body);
    }
    for data in DATA {
        post(data, &format!(r#"{{"Namespace": "N", "MetricData": {data}}}"#));
    }
    for entities in ENTITIES {
        post(
            entities,
            &format!(r#"{{"Namespace": "N", "StrictEntityValidation": true, "EntityMetricData": {entities}}}"#),
        );
    }
    let entity = r#"{"Namespace": "N", "EntityMetricData": [{"Entity": {"KeyAttributes": {"Type": "Service", "Name": "a",
        "Environment": "b"}}, "MetricData": [{"MetricName": "M", "Value": 1}]}]}"#;
    post(entity, entity);
    let attributes: Vec<_> = (0..11).map(|n| format!(r#""a{n}": "v""#)).collect();
    let attributes = format!(
        r#"[{{"Entity": {{"KeyAttributes": {{"Type": "Service", "Name": "a", "Environment": "b"}},
        "Attributes": {{{}}}}}, "MetricData": [{{"MetricName": "M", "Value": 1}}]}}]"#,
        attributes.join(", ")
    );
    post(
        "11 Attributes",
        &format!(r#"{{"Namespace": "N", "StrictEntityValidation": true, "EntityMetricData": {attributes}}}"#),
    );
    let data = |datum: &str, count: usize| {
        format!(r#"{{"Namespace": "N", "MetricData": [{}]}}"#, vec![datum; count].join(", "))
    };
    post("1001 data", &data(r#"{"MetricName": "M", "Value": 1}"#, 1_001));
    post("151 Values", &data(&format!(r#"{{"MetricName": "M", "Values": {:?}}}"#, vec![1; 151]), 1));
    let dimensions = |count: usize| {
        let pairs: Vec<_> = (0..count).map(|n| format!(r#"{{"Name": "n{n}", "Value": "v"}}"#)).collect();
        data(&format!(r#"{{"MetricName": "M", "Value": 1, "Dimensions": [{}]}}"#, pairs.join(", ")), 1)
    };
    post("31 Dimensions", &dimensions(31));
    let gateway = self::gateway(r#", "default_dimensions": [{"name": "env", "value": "prod"}]"#, Receiver::Ready);
    let answer = refusal(&gateway, "POST", "/metrics", &[JSON], dimensions(30).as_bytes());
    messages.case("30 Dimensions with default_dimensions", &answer);
}

fn list_refusals(messages: &mut Messages) {
    messages.section("Requests");
    let ready = gateway("", Receiver::Ready);
    let mut send = |gateway: &Gateway, method: &str, path: &str, headers: &[(&str, &[u8])], body: &[u8]| {
        let shown: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
            .chain((!body.is_empty() && body.len() < 200).then(|| String::from_utf8_lossy(body).into_owned()))
            .collect();
        let shown = shown.join(" | ");
        messages.case(&format!("{method} {path} {shown}"), &refusal(gateway, method, path, headers, body));
    };
    let gzip: &[(&str, &[u8])] = &[JSON, ("content-encoding", b"gzip")];
    send(&ready, "GET", "/nothing", &[], b"");
    send(&ready, "PUT", "/", &[], b"");
    send(&ready, "POST", "/status", &[], b"");
    send(&ready, "GET", "/metrics", &[], b"");
    send(&ready, "GET", CBOR_PATH, &[], b"");
    send(&ready, "GET", "/?Action=PutMetricData", &[], b"");
    send(&ready, "POST", "/metrics", &[FORM], b"");
    send(&ready, "POST", "/", &[JSON], b"");
    send(&ready, "POST", "/metrics", &[JSON, ("content-encoding", b"br")], b"");
    send(&ready, "POST", "/metrics", &[JSON, ("content-length", b"1048577")], b"");
    send(&ready, "POST", "/metrics", &[JSON, ("origin", b"https://example.com")], b"");
    send(&ready, "POST", "/metrics", &[JSON], b"{");
    send(&ready, "POST", "/metrics", &[JSON], br#"{"Namespace": NaN}"#);
    send(&ready, "POST", "/metrics", &[JSON], b"\xff\xfe{\0}\0");
    send(&ready, "POST", "/metrics", &[JSON], b"\x1f\x8b\x08\0");
    send(&ready, "POST", "/metrics", gzip, b"\x1f\x8b\x08");
    send(&ready, "POST", "/metrics", gzip, b"not gzip at all");
    send(&ready, "POST", "/batch", &[JSON], b"{}");
    send(&ready, "POST", "/batch", &[JSON], br#"[{"Namespace": "N", "MetricData": [{"MetricName": "M"}]}, {}]"#);
    send(&ready, "POST", "/flush?timeout_millisecond=1h", &[], b"");
    let body = br#"{"Namespace": "N", "MetricData": [{"MetricName": "M", "Value": 1}]}"#;
    send(&gateway("", Receiver::Small), "POST", "/metrics", &[JSON], body);
    for receiver in [Receiver::Full, Receiver::Absent, Receiver::OtherRelease] {
        send(&gateway("", receiver), "POST", "/metrics", &[JSON], body);
        send(&gateway("", receiver), "GET", "/healthcheck", &[], b"");
    }
    messages.section("CloudWatch's protocols");
    let mut send = |method: &str, path: &str, headers: &[(&str, &[u8])], body: &[u8]| {
        let shown = if path == CBOR_PATH { format!("{body:02x?}") } else { String::from_utf8_lossy(body).into_owned() };
        messages.case(&format!("{method} {path} {shown}"), &refusal(&ready, method, path, headers, body));
    };
    send("POST", "/", &[API[0], ("x-amz-target", b"GraniteServiceVersion20100801.ListMetrics")], b"{}");
    send("POST", "/", &[API[0], ("x-amz-target", b"DynamoDB_20120810.PutItem")], b"{}");
    send("POST", "/", &API, br#"{"Namespace": "N", "MetricData": [{"MetricName": "M"}, {"Value": 1}]}"#);
    send("POST", "/", &API, br#"{"Namespace": "N", "MetricData": 1}"#);
    send(
        "POST",
        "/",
        &API,
        br#"{"Namespace": "N", "StrictEntityValidation": false, "EntityMetricData": [{"MetricData":
            [{"MetricName": "M", "Value": 1}]}]}"#,
    );
    let invalid = format!(r#"{{"Namespace": "N", "MetricData": [{}]}}"#, ["{}"; 1_000].join(", "));
    send("POST", "/", &API, invalid.as_bytes());
    send("POST", "/", &[FORM], b"Action=PutMetricData&Version=2009-05-15");
    send("POST", "/", &[FORM], b"Action=PutMetricData&Action=PutMetricData");
    send("POST", "/", &[FORM], b"Action=PutMetricData&Namespace=N&Namespace=N");
    send("POST", "/", &[FORM], b"Action=PutMetricData&a.b.c.d.e.f.g.h.i.j.k.l.m=1");
    send("POST", "/", &[FORM], b"Action=ListMetrics");
    send("POST", "/", &[FORM], b"Action=PutMetricData&Namespace=N");
    let entity = "Action=PutMetricData&Namespace=N&StrictEntityValidation=maybe&EntityMetricData.member.1.Entity.\
                  KeyAttributes.entry.1.key=Type";
    send("POST", "/", &[FORM], entity.as_bytes());
    send("POST", CBOR_PATH, &CBOR[..1], b"");
    send("POST", "/service/Other/operation/PutMetricData", &CBOR, b"");
    let deep = [0x81].repeat(17);
    for body in [
        &[0xa1][..],
        &[0xa0, 0xa0],
        &[0xa1, 0x01, 0x01],
        &[0x41, 0x00],
        &[0xc1, 0x61, b'x'],
        &[0xc2, 0x41, 0x00],
        &[0xff],
        &[0xf8, 0xff],
        &[0x1c],
        &[0x61, 0xff],
        &[0x7f, 0x01],
        &[0x62, b'x'],
        &deep,
    ] {
        send("POST", CBOR_PATH, &CBOR, body);
    }
}

/// Data points with errors, as `metrics` of an export in JSON.
const METRICS: [&str; 26] = [
    r#"{"name": "é", "gauge": {"dataPoints": [{"asInt": 1}]}}"#,
    r#"{"name": "m", "sum": {"isMonotonic": true, "dataPoints": [{"asInt": 1}]}}"#,
    r#"{"name": "m", "sum": {"isMonotonic": true, "aggregationTemporality": 1, "dataPoints": [{"asInt": -1}]}}"#,
    r#"{"name": "m", "sum": {"isMonotonic": true, "aggregationTemporality": 2, "dataPoints": [{"asInt": 1}]}}"#,
    r#"{"name": "m", "gauge": {"dataPoints": [{}]}}"#,
    r#"{"name": "m", "gauge": {"dataPoints": [{"asDouble": "NaN"}, {"asDouble": "Infinity"}]}}"#,
    r#"{"name": "m", "gauge": {"dataPoints": [{"asInt": 1, "timeUnixNano": 1}]}}"#,
    r#"{"name": "m", "gauge": {"dataPoints": [{"asInt": 1, "timeUnixNano": "1895858200000000000"}]}}"#,
    r#"{"name": "m", "gauge": {"dataPoints": [{"asInt": 1, "attributes": [{"key": ":a", "value": {"stringValue": "v"}}]}]}}"#,
    r#"{"name": "m", "gauge": {"dataPoints": [{"asInt": 1, "attributes": [{"key": "a", "value": {"arrayValue": {}}}]}]}}"#,
    r#"{"name": "m", "gauge": {"dataPoints": [{"asInt": 1, "attributes": [{"key": "a", "value": {"intValue": 1}},
        {"key": "a", "value": {"intValue": 2}}]}]}}"#,
    r#"{"name": "m", "histogram": {"aggregationTemporality": 1, "dataPoints": [{"bucketCounts": [1], "explicitBounds": [1]}]}}"#,
    r#"{"name": "m", "histogram": {"aggregationTemporality": 1, "dataPoints": [{"bucketCounts": [1, 1, 1], "explicitBounds": [1, 1]}]}}"#,
    r#"{"name": "m", "histogram": {"aggregationTemporality": 1, "dataPoints": [{"count": 1}]}}"#,
    r#"{"name": "m", "histogram": {"aggregationTemporality": 1, "dataPoints": [{"count": 1, "sum": 1, "bucketCounts": [2]}]}}"#,
    r#"{"name": "m", "histogram": {"aggregationTemporality": 1, "dataPoints": [{"count": "9007199254740993", "sum": 1, "bucketCounts": ["9007199254740993"]}]}}"#,
    r#"{"name": "m", "histogram": {"aggregationTemporality": 1, "dataPoints": [{"count": 1, "sum": 1, "bucketCounts": [1], "min": 2, "max": 1}]}}"#,
    r#"{"name": "m", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [{"count": 1, "scale": -11, "zeroCount": 1}]}}"#,
    r#"{"name": "m", "summary": {"dataPoints": [{"count": 1, "sum": "NaN"}]}}"#,
    r#"{"name": "m", "gauge": {"dataPoints": [{"asInt": 1.5}]}}"#,
    r#"{"name": "m", "gauge": {"dataPoints": [{"asInt": "x"}]}}"#,
    r#"{"name": "m", "gauge": {"dataPoints": [{"asDouble": "x"}]}}"#,
    r#"{"name": "m", "histogram": {"dataPoints": [{"count": -1}]}}"#,
    r#"{"name": "m", "sum": {"aggregationTemporality": "DELTA"}}"#,
    r#"{"name": "m", "exponentialHistogram": {"dataPoints": [{"scale": 4294967296}]}}"#,
    r#"{"name": "m", "gauge": 1}"#,
];

fn list_exports(messages: &mut Messages) {
    messages.section("Exports of OTLP metrics");
    let ready = gateway("", Receiver::Ready);
    let mut send = |gateway: &Gateway, shown: &str, method: &str, headers: &[(&str, &[u8])], body: &[u8]| {
        messages.case(shown, &refusal(gateway, method, "/v1/metrics", headers, body));
    };
    let document =
        |metrics: &str| format!(r#"{{"resourceMetrics": [{{"scopeMetrics": [{{"metrics": [{metrics}]}}]}}]}}"#);
    for metrics in METRICS {
        send(&ready, metrics, "POST", &[JSON], document(metrics).as_bytes());
    }
    let invalid: Vec<_> =
        (0..12).map(|n| format!(r#"{{"name": "{n}é", "gauge": {{"dataPoints": [{{"asInt": 1}}]}}}}"#)).collect();
    send(&ready, "12 invalid names", "POST", &[JSON], document(&invalid.join(",")).as_bytes());
    let attributes: Vec<_> = (0..31).map(|n| format!(r#"{{"key": "a{n}", "value": {{"boolValue": true}}}}"#)).collect();
    let wide = format!(
        r#"{{"name": "m", "gauge": {{"dataPoints": [{{"asInt": 1, "attributes": [{}]}}]}}}}"#,
        attributes.join(",")
    );
    send(&ready, "31 attributes", "POST", &[JSON], document(&wide).as_bytes());
    send(&ready, "GET", "GET", &[], b"");
    send(&ready, "content-type: text/plain", "POST", &[("content-type", b"text/plain")], b"");
    send(&ready, "{", "POST", &[JSON], b"{");
    send(&ready, "300,000 values", "POST", &[JSON], &b"{},".repeat(150_000));
    send(&ready, "content-length: 1048577", "POST", &[JSON, ("content-length", b"1048577")], b"");
    send(&gateway(r#", "bearer_token": "t0k3n""#, Receiver::Ready), "without a token", "POST", &[JSON], b"{}");
    let body = document(r#"{"name": "m", "gauge": {"dataPoints": [{"asInt": 1}]}}"#);
    for (receiver, state) in [
        (Receiver::Small, "a small buffer"),
        (Receiver::Full, "a full buffer"),
        (Receiver::Absent, "no receiver"),
        (Receiver::OtherRelease, "a receiver of another release"),
    ] {
        send(&gateway("", receiver), state, "POST", &[JSON], body.as_bytes());
    }
    let protobuf = ("content-type", &b"application/x-protobuf"[..]);
    let answer = refusal(&ready, "POST", "/v1/metrics", &[protobuf], b"\x0a\x05");
    messages.case("0a 05 in protobuf", &answer);
}

fn list_denials(messages: &mut Messages) {
    messages.section("Authorization");
    let token = gateway(r#", "bearer_token": "t0k3n""#, Receiver::Ready);
    let keys = r#", "access_keys": [{"access_key_id": "AKID", "secret_access_key": "s3cr3t"}]"#;
    let keys_only = gateway(keys, Receiver::Ready);
    let both = gateway(&format!(r#", "bearer_token": "t0k3n"{keys}"#), Receiver::Ready);
    let mut send = |gateway: &Gateway, configured: &str, headers: &[(&str, &[u8])]| {
        let shown: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect();
        let shown = if shown.is_empty() { "no authorization header".to_owned() } else { shown.join(" | ") };
        let headers: Vec<_> = [JSON].into_iter().chain(headers.iter().copied()).collect();
        let answer = refusal(gateway, "POST", "/metrics", &headers, b"{}");
        assert!(!answer.concat().contains("s3cr3t") && !answer.concat().contains("t0k3n"), "{answer:?}");
        messages.case(&format!("[{configured}] {shown}"), &answer);
    };
    for (gateway, configured) in [(&token, "token"), (&keys_only, "keys"), (&both, "token and keys")] {
        send(gateway, configured, &[]);
        send(gateway, configured, &[("authorization", b"Basic Ym9iOnB3")]);
    }
    send(&token, "token", &[("authorization", b"Bearer other")]);
    let signed = |credential: &str, names: &str| {
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature=00")
    };
    let scope = |key: &str, region: &str, service: &str| format!("{key}/20261128/{region}/{service}/aws4_request");
    let good = scope("AKID", "eu-central-1", "monitoring");
    let now: (&str, &[u8]) = ("x-amz-date", b"20261128T093000Z");
    let names = "host;x-amz-date";
    for (authorization, headers) in [
        ("AWS4-HMAC-SHA256 Signature=00".to_owned(), vec![]),
        (signed("AKID/20261128/eu-central-1", names), vec![]),
        (signed(&scope("OTHER", "eu-central-1", "monitoring"), names), vec![now]),
        (signed(&good, names), vec![]),
        (signed(&good, names), vec![("x-amz-date", b"20261127T093000Z".as_slice())]),
        (signed(&good, names), vec![("x-amz-date", b"20261128T092459Z")]),
        (signed(&good, names), vec![("x-amz-date", b"20261128T093501Z")]),
        (signed(&scope("AKID", "eu-central-1", "s3"), names), vec![now]),
        (signed(&good, "x-amz-date"), vec![now]),
        (signed(&good, names), vec![now]),
        (signed(&scope("AKID", "eu central", "monitoring"), names), vec![now]),
        (signed(&good, "host;x-note"), vec![now, ("x-note", b"a\tb")]),
        (signed(&good, "host;x-note"), vec![now, ("x-note", b"\xe9")]),
        (signed(&good, "host;authorization"), vec![now]),
    ] {
        let headers: Vec<_> = [("authorization", authorization.as_bytes())].into_iter().chain(headers).collect();
        send(&keys_only, "keys", &headers);
    }
}

#[test]
fn every_message_is_provoked_and_reviewed() {
    let mut messages = Messages::default();
    list_configuration_errors(&mut messages);
    list_faults_of_data(&mut messages);
    list_refusals(&mut messages);
    list_exports(&mut messages);
    list_denials(&mut messages);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    golden::compare(&root.join("tests/messages.txt"), &messages.text);

    // The glue, the page and the answers to a status or flush have no messages that a request provokes.
    let other = ["context.rs", "page.rs", "receiver_state.rs", "status.rs"];
    let text = messages.text + &EXCEPTIONS.concat();
    for folder in ["src", "src/otlp", "src/protocol"] {
        for file in fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let is_other = other.iter().any(|name| path.ends_with(name));
            if !is_other && path.extension().is_some_and(|extension| extension == "rs") {
                let missing = golden::missing(&fs::read_to_string(&path).unwrap(), &text);
                assert!(missing.is_empty(), "{}: no input provokes {missing:#?}", path.display());
            }
        }
    }
}
