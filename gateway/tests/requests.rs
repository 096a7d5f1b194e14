//! Tests requests of all protocols, from Envoy's headers to the answer.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that traps has failed, in its helpers too"
)]

use std::time::Duration;

use acpw_metric::{Accumulator, Now, Record, Timestamp};
use acpw_shared_state::{RoomLedger, Status};
use gateway::{
    Config, Gateway,
    answer::Answer,
    gateway::{NextStep, PostOutcome},
    put_metric_data::AcceptedPost,
    request::Request,
};

const SECOND: u64 = 1_795_858_200;

const NOW: Now = Now { wall: Timestamp::from_secs(SECOND), steady: Duration::from_secs(60) };

const JSON: (&str, &str) = ("content-type", "application/json");

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Returns a gateway with these configuration keys, besides `receiver_vm_id`, and a receiver with free buffer.
fn gateway(keys: &str) -> Gateway {
    let document = format!(r#"{{"receiver_vm_id": "receiver"{keys}}}"#);
    let config = Config::from_json(document.as_bytes(), |_| None).unwrap_or_else(|faults| panic!("{faults}"));
    let mut gateway = Gateway::new(config);
    let status = Status { time: SECOND * 1_000, buffer_limit_bytes: 1 << 23, ..Status::default() };
    assert_eq!(gateway.handle_status(Some(&status.encode())), None);
    gateway
}

/// Sends a request and returns the accepted posting, or the answer that refuses it.
fn sent(
    gateway: &Gateway,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<AcceptedPost, Answer> {
    let pseudo = [(":method", method), (":path", path), (":authority", "localhost:3000")];
    let header = |name: &str| {
        let (_, value) = pseudo.iter().chain(headers).find(|(known, _)| *known == name)?;
        Some(value.as_bytes().to_vec())
    };
    match gateway.begin(Request::new(header), 1, NOW) {
        NextStep::Respond(answer) => Err(answer),
        NextStep::Status => panic!("{path} is the status"),
        NextStep::Read(call) => match gateway.finish(&call, body, NOW) {
            PostOutcome::Accepted(posting, _) => Ok(posting),
            PostOutcome::Refused(answer) => Err(answer),
            PostOutcome::Exported(_) => panic!("{path} is an export"),
            PostOutcome::Flush(_) => panic!("{path} is a flush"),
        },
    }
}

fn posted(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<AcceptedPost, Answer> {
    sent(&gateway(""), "POST", path, headers, body)
}

/// Returns the start, in seconds since the epoch, and the sum of each period in a posting.
fn data(posting: &AcceptedPost) -> Vec<(u64, f64)> {
    let mut held = Accumulator::default();
    for record in &posting.records {
        held.merge_record(&Record::decode(record).unwrap(), 0);
    }
    let sums = |(key, _, distributions): (&acpw_metric::PeriodKey, _, &[(_, acpw_metric::Distribution)])| {
        let sum = distributions.iter().map(|(_, distribution)| distribution.sum()).sum::<f64>();
        (key.start.as_secs(), sum)
    };
    held.iter().map(sums).collect()
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

#[test]
fn timestamps_in_every_iso_8601_format_are_accepted() {
    for (timestamp, second) in [
        ("1795858200", SECOND),
        ("\"1795858200\"", SECOND),
        ("\"2026-11-28T09:30:00Z\"", SECOND),
        ("\"2026-11-28T09:30:00\"", SECOND),
        ("\"2026-11-28T09:30:00+0000\"", SECOND),
        ("\"2026-11-28T09:30Z\"", SECOND),
        ("\"2026-11-28\"", SECOND - 9 * 3_600 - 1_800),
        ("\"20261128T093000Z\"", SECOND),
    ] {
        let body = format!(
            r#"{{"Namespace": "N", "MetricData": [{{"MetricName": "M", "Value": 2, "Timestamp": {timestamp}}}]}}"#
        );
        assert_eq!(data(&posted("/metrics", &[JSON], body.as_bytes()).unwrap()), [(second, 2.0)], "{timestamp}");
    }
    for timestamp in ["Sat, 28 Nov 2026 09:30:00 GMT", "/Date(1795858200000)/", "yesterday"] {
        let body = format!(
            r#"{{"Namespace": "N", "MetricData": [{{"MetricName": "M", "Value": 2, "Timestamp": "{timestamp}"}}]}}"#
        );
        let answer = text(&posted("/metrics", &[JSON], body.as_bytes()).unwrap_err());
        let message = "must be a timestamp: seconds since 1970 or ISO 8601, such as 2026-11-20T09:30:00Z, ";
        assert!(answer.contains(r#""path":"MetricData[0].Timestamp""#) && answer.contains(message), "{answer}");
    }
    // Milliseconds, which as seconds would be in the year 58,000.
    let body = br#"{"Namespace": "N", "MetricData": [{"MetricName": "M", "Value": 2, "Timestamp": 1795858200000}]}"#;
    assert!(text(&posted("/metrics", &[JSON], body).unwrap_err()).contains("send seconds, not milliseconds"));
}

#[test]
fn timestamps_and_numbers_in_a_form_are_parsed_as_aws_does() {
    let body = |rest: &str| {
        format!(
            "Action=PutMetricData&Version=2010-08-01&Namespace=N&MetricData.member.1.MetricName=M&MetricData.member.1.{rest}"
        )
    };
    for (rest, expected) in [
        ("Value=.5&MetricData.member.1.Timestamp=1795836340", (1_795_836_340, 0.5)),
        ("Value=1.&MetricData.member.1.Timestamp=2026-11-28T09%3A30%3A00Z", (SECOND, 1.0)),
        ("Value=%2B1", (SECOND, 1.0)),
        ("Value=-2.5E%2B1", (SECOND, -25.0)),
        ("Values.member.1=.5&MetricData.member.1.Counts.member.1=2.", (SECOND, 1.0)),
    ] {
        let posting = posted("/", &[FORM], body(rest).as_bytes()).unwrap_or_else(|answer| panic!("{}", text(&answer)));
        assert_eq!(data(&posting), [expected], "{rest}");
    }
    for value in ["INF", "NaN", "1e999", "nan", "inf", "Infinity", "%2BInf"] {
        let answer = text(&posted("/", &[FORM], body(&format!("Value={value}")).as_bytes()).unwrap_err());
        assert!(answer.contains("MetricData.member.1.Value must be a number between"), "{answer}");
    }
    for value in ["1,5", "0x10", "."] {
        let answer = text(&posted("/", &[FORM], body(&format!("Value={value}")).as_bytes()).unwrap_err());
        assert!(answer.contains("MetricData.member.1.Value must be a number."), "{answer}");
    }
}

#[test]
fn a_byte_order_mark_is_ignored_and_other_encodings_are_refused() {
    let json = r#"{"Namespace": "N", "MetricData": [{"MetricName": "M", "Value": 2}]}"#;
    let marked = ["\u{feff}", json].concat();
    assert!(posted("/metrics", &[JSON], marked.as_bytes()).is_ok());
    assert!(posted("/batch", &[JSON], format!("\u{feff}[{json}]").as_bytes()).is_ok());
    let api = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "GraniteServiceVersion20100801.PutMetricData"),
    ];
    assert!(posted("/", &api, marked.as_bytes()).is_ok());
    let utf_16: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (headers, path) in [(&[JSON][..], "/metrics"), (&api, "/")] {
        let answer = posted(path, headers, &utf_16).unwrap_err();
        assert_eq!(answer.status, 400);
        assert!(text(&answer).contains("The request is encoded as UTF-16 or UTF-32; send UTF-8."));
    }
    let answer = posted("/metrics", &[JSON], b"\x1f\x8b\x08\x00").unwrap_err();
    assert!(text(&answer).contains("is gzip but lacks the header"));
}

#[test]
fn a_misspelt_name_is_answered_with_the_similar_one() {
    let body = br#"{"namespace": "N", "metricData": [{"metricName": "M", "value": 2, "Colour": "red"}]}"#;
    let answer = text(&posted("/metrics", &[JSON], body).unwrap_err());
    for (path, meant) in [("namespace", "Namespace"), ("metricData", "MetricData")] {
        let fault = format!(r#"{{"path":"{path}","message":"is not a known field; did you mean {meant}?"}}"#);
        assert!(answer.contains(&fault), "{answer}");
    }
    let body = br#"{"Namespace": "N", "MetricData": [{"metricName": "M", "value": 2, "Colour": "red"}]}"#;
    let answer = text(&posted("/metrics", &[JSON], body).unwrap_err());
    assert!(
        answer.contains(
            r#""path":"MetricData[0].metricName","message":"is not a known field; did you mean MetricName?""#
        )
    );
    assert!(answer.contains(
        r#""path":"MetricData[0].Colour","message":"is not a known field; the known fields are MetricName, "#
    ));
}

#[test]
fn an_empty_list_next_to_a_value_is_ignored() {
    let body = |fields: &str| format!(r#"{{"Namespace": "N", "MetricData": [{{"MetricName": "M", {fields}}}]}}"#);
    let statistics = r#""StatisticValues": {"SampleCount": 1, "Sum": 2, "Minimum": 2, "Maximum": 2}"#;
    for fields in [
        r#""Value": 2, "Values": [], "Counts": []"#,
        r#""Value": 2, "Counts": []"#,
        &format!(r#"{statistics}, "Values": [], "Counts": []"#),
        r#""Values": [2], "Counts": []"#,
    ] {
        let posting = posted("/metrics", &[JSON], body(fields).as_bytes()).unwrap_or_else(|a| panic!("{}", text(&a)));
        assert_eq!(data(&posting), [(SECOND, 2.0)], "{fields}");
    }
    for (fields, path, message) in [
        (r#""Values": [], "Counts": []"#, "MetricData[0].Values", "must have at least one value"),
        (r#""Value": 2, "Values": [1]"#, "MetricData[0].Value", "must not be combined with Values"),
        (r#""Value": 2, "Counts": [1]"#, "MetricData[0].Value", "must not be combined with Counts"),
    ] {
        let answer = text(&posted("/metrics", &[JSON], body(fields).as_bytes()).unwrap_err());
        assert!(answer.contains(&format!(r#""path":"{path}","message":"{message}""#)), "{answer}");
    }
}

#[test]
fn a_form_in_the_query_string_of_a_get_is_refused() {
    let path = "/?Action=PutMetricData&Version=2010-08-01&Namespace=N&MetricData.member.1.MetricName=M&MetricData.member.1.Value=1";
    for method in ["GET", "HEAD"] {
        let answer = sent(&gateway(""), method, path, &[], b"").unwrap_err();
        assert_eq!((answer.status, header(&answer, "allow")), (405, Some("POST")));
        assert!(text(&answer).contains("<Code>InvalidAction</Code><Message>Send the form in the body of a POST"));
    }
    let page = sent(&gateway(""), "GET", "/?x=Action", &[], b"").unwrap_err();
    assert_eq!((page.status, header(&page, "content-type")), (200, Some("text/html; charset=utf-8")));
}

#[test]
fn the_challenge_names_the_configured_scheme() {
    for (keys, challenge) in [
        (r#", "bearer_token": "t0k3n""#, "Bearer"),
        (r#", "access_keys": [{"access_key_id": "A", "secret_access_key": "s3cr3t"}]"#, "AWS4-HMAC-SHA256"),
    ] {
        for authorization in [None, Some("Basic Ym9iOnB3"), Some("Bearer 0ther"), Some("AWS4-HMAC-SHA256 x")] {
            let header_of = authorization.map(|value| ("authorization", value));
            let headers: Vec<_> = [JSON].into_iter().chain(header_of).collect();
            let answer = sent(&gateway(keys), "POST", "/metrics", &headers, b"{}").unwrap_err();
            assert_eq!((answer.status, header(&answer, "www-authenticate")), (401, Some(challenge)));
            let shown = format!("{answer:?} {}", text(&answer));
            let secrets = ["t0k3n", "s3cr3t", "0ther", "Ym9iOnB3"];
            assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
        }
    }
}

#[test]
fn default_dimensions_that_exceed_the_limit_are_listed() {
    let gateway = gateway(
        r#", "default_dimensions": [{"name": "env", "value": "prod"}, {"name": "n0", "value": "x"},
            {"name": "zone", "value": "a"}]"#,
    );
    let body = |count: usize| {
        let pairs: Vec<_> = (0..count).map(|n| format!(r#"{{"Name": "n{n}", "Value": "v"}}"#)).collect();
        let dimensions = pairs.join(", ");
        format!(
            r#"{{"Namespace": "N", "MetricData": [{{"MetricName": "M", "Value": 1, "Dimensions": [{dimensions}]}}]}}"#
        )
    };
    assert!(sent(&gateway, "POST", "/metrics", &[JSON], body(28).as_bytes()).is_ok());
    let answer = text(&sent(&gateway, "POST", "/metrics", &[JSON], body(30).as_bytes()).unwrap_err());
    let message =
        "has 30 items and the gateway's default_dimensions add env, zone; CloudWatch accepts at most 30 in total";
    assert!(answer.contains(&format!(r#""path":"MetricData[0].Dimensions","message":"{message}""#)), "{answer}");
}

#[test]
fn the_memory_that_a_post_declares_is_what_its_records_take() {
    let gateway = gateway("");
    let datum = |n: usize| {
        format!(
            r#"{{"MetricName": "M{}", "Dimensions": [{{"Name": "n", "Value": "{}"}}], "Timestamp": {}, "Values": [1, 2, {n}]}}"#,
            n % 3,
            n % 7,
            SECOND - n as u64 % 5
        )
    };
    for count in [1, 2, 100, 1_000] {
        let data: Vec<_> = (0..count).map(datum).collect();
        let body = format!(r#"{{"Namespace": "N", "MetricData": [{}]}}"#, data.join(", "));
        let posting = sent(&gateway, "POST", "/metrics", &[JSON], body.as_bytes()).unwrap();
        let memory = posting.records.iter().map(|record| Record::decode(record).unwrap().posted_memory() as u64);
        assert_eq!(memory.sum::<u64>(), posting.memory, "{count}");
    }
}

#[test]
fn a_post_takes_its_room_from_the_ledger_or_is_answered_429() {
    let gateway = gateway("");
    let body = br#"{"Namespace": "N", "MetricData": [{"MetricName": "M", "Value": 1}]}"#;
    let posting = sent(&gateway, "POST", "/metrics", &[JSON], body).unwrap();
    let ledger = RoomLedger { granted: posting.memory * 2 - 1, taken: 0, arrived: 0 };
    let after = Gateway::take_room(posting.memory, Some(&ledger.encode())).unwrap();
    assert_eq!(after.taken, posting.memory);
    assert_eq!(Gateway::take_room(posting.memory, Some(&after.encode())), None);
    assert_eq!(Gateway::take_room(posting.memory, None), None, "without a ledger nothing was granted");
    assert_eq!(Gateway::give_room_back(posting.memory, Some(&after.encode())), Some(ledger));
}

#[test]
fn a_post_that_can_never_fit_is_answered_413() {
    let mut gateway = gateway("");
    let status = Status { time: SECOND * 1_000, buffer_limit_bytes: 400, ..Status::default() };
    gateway.handle_status(Some(&status.encode()));
    let data: Vec<_> = (0..10).map(|n| format!(r#"{{"MetricName": "M{n}", "Value": 1}}"#)).collect();
    let body = format!(r#"{{"Namespace": "N", "MetricData": [{}]}}"#, data.join(", "));
    let answer = sent(&gateway, "POST", "/metrics", &[JSON], body.as_bytes()).unwrap_err();
    assert_eq!(answer.status, 413);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.contains("at most 300 for posts"), "{text}");
}
