//! Hostile bodies are rejected in bounded time and memory, and nothing is stored.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use e2e::{ClientRequest, GatewaySetup, GatewayStack, json_post, raw};
use flate2::{Compression, write::GzEncoder};
use hyper::Method;
use serde_json::json;

/// Maximum time for a response, with a margin for a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(5);

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn api(content_type: &str, headers: &[(&str, &str)], path: &str, body: Vec<u8>) -> ClientRequest {
    let request = ClientRequest::new(Method::POST, "localhost", path).header("content-type", content_type);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).body(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_are_rejected_in_time() {
    let mut gateway =
        GatewayStack::start(GatewaySetup { fields: vec![("request_timeout", json!("2s"))], ..GatewaySetup::default() })
            .await;
    const MIB: usize = 1 << 20;
    let datum = r#"{"MetricName":"M","Value":1}"#;
    let names: String = (0..40_000).map(|n| format!("\"{n:020}\":1,")).collect();
    let names = format!("{{{names}\"x\":1}}");
    let valid = gzip(format!(r#"{{"Namespace":"Hostile","MetricData":[{datum}]}}"#).as_bytes());
    let gzipped = |body: Vec<u8>| api("application/json", &[("content-encoding", "gzip")], "/metrics", body);
    let cbor = |body: Vec<u8>| {
        let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
        api("application/cbor", &[("smithy-protocol", "rpc-v2-cbor")], path, body)
    };
    let query = |body: Vec<u8>| api("application/x-www-form-urlencoded", &[], "/", body);
    let fields: String = (0..60_000).map(|n| format!("MetricData.member.{n}=1&")).collect();
    let cases = [
        ("deep lists", json_post("/metrics", "[".repeat(MIB)), 400),
        ("deep objects", json_post("/batch", "{\"a\":".repeat(MIB / 5)), 400),
        ("names", json_post("/metrics", names), 400),
        (
            "empty data",
            json_post("/metrics", format!(r#"{{"Namespace":"Hostile","MetricData":[{}{{}}]}}"#, "{},".repeat(300_000))),
            400,
        ),
        ("numbers", json_post("/batch", format!("[{}1]", "1,".repeat(MIB / 2 - 10))), 400),
        (
            "not a number",
            json_post("/metrics", r#"{"Namespace":"Hostile","MetricData":[{"MetricName":"M","Value":NaN}]}"#),
            400,
        ),
        (
            "number above the maximum double",
            json_post("/metrics", r#"{"Namespace":"Hostile","MetricData":[{"MetricName":"M","Value":1e400}]}"#),
            400,
        ),
        (
            "duplicate key",
            json_post("/metrics", format!(r#"{{"Namespace":"Hostile","Namespace":"Other","MetricData":[{datum}]}}"#)),
            400,
        ),
        (
            "duplicate value",
            json_post("/metrics", r#"{"Namespace":"Hostile","MetricData":[{"MetricName":"M","Value":1,"Value":2}]}"#),
            400,
        ),
        ("truncated gzip", gzipped(valid[..valid.len() - 5].to_vec()), 400),
        ("a gzip bomb", gzipped(gzip(&vec![b' '; 500 * MIB])), 413),
        ("deep CBOR", cbor([0x81].repeat(MIB)), 400),
        ("endless CBOR", cbor([0x9f].repeat(1_000)), 400),
        ("long CBOR", cbor(vec![0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 400),
        (
            "NaN in CBOR",
            cbor(
                [
                    b"\xa2\x69Namespace\x67Hostile\x6aMetricData\x81\xa2\x6aMetricName\x61M\x65Value".as_slice(),
                    b"\xf9\x7e\x00",
                ]
                .concat(),
            ),
            400,
        ),
        (
            "deep names",
            query(["Action=PutMetricData&".as_bytes(), "a.".repeat(MIB / 2 - 100).as_bytes()].concat()),
            400,
        ),
        (
            "many fields",
            query(format!("Action=PutMetricData&Namespace=Hostile&{fields}").into_bytes()[..MIB].to_vec()),
            400,
        ),
    ];
    let before = gateway.envoy.resident_bytes();
    for (name, request, status) in cases {
        let start = Instant::now();
        let response = gateway.send(&request).await;
        let text: String = String::from_utf8_lossy(&response.body).chars().take(300).collect();
        assert_eq!(response.status, status, "{name}: {text}");
        assert!(start.elapsed() < TIME_LIMIT, "{name}: {:?}", start.elapsed());
        assert!(response.body.len() < 100_000, "{name}: a response of {} bytes", response.body.len());
    }
    // Each of the two workers parses bodies of up to 1 MiB, and the memory of a module never shrinks.
    let grown = gateway.envoy.resident_bytes().saturating_sub(before);
    println!("Envoy grew by {grown} bytes");
    assert!(grown < 150 << 20, "Envoy grew by {grown} bytes");

    // An incomplete body times out.
    let head =
        b"POST /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let start = Instant::now();
    let response = raw::exchange(gateway.address(), head).await;
    assert_eq!(raw::status(&response), Some(408), "{}", String::from_utf8_lossy(&response));
    assert!(start.elapsed() < TIME_LIMIT);
    // A chunked body above the limit is rejected before it is complete.
    let mut endless = b"POST /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        endless.extend_from_slice(b"10000\r\n");
        endless.extend_from_slice(&vec![b' '; 0x10000]);
        endless.extend_from_slice(b"\r\n");
    }
    let response = raw::exchange(gateway.address(), &endless).await;
    assert_eq!(raw::status(&response), Some(413));

    assert_eq!(gateway.post("/metrics", format!(r#"{{"Namespace":"Hostile","MetricData":[{datum}]}}"#)).await.0, 202);
    let stored = gateway.flush("Hostile").await;
    assert_eq!(stored.values().map(|total| total.sum).collect::<Vec<_>>(), [1.0]);
    gateway.envoy.assert_healthy();
}
