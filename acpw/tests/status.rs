//! `acpw status` shows what a gateway and Envoy's admin interface answer. The modules' own code makes the answers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod support;

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use acpw_metric::{Now, Timestamp};
use gateway::{receiver_state::Readiness, status::GatewayCounters};
use receiver::{Counts, Driver, PublishAnswer, ReceiverConfig, answer::Reply, status::Snapshot};
use sender::{HeaderPhase, Sender, SenderConfig};
use serde_json::Value;

use crate::support::{Output, run, within_repository};

const START: u64 = 1_787_400_000;

fn now(second: u64) -> Now {
    Now { wall: Timestamp::from_secs(START + second), steady: Duration::from_secs(second) }
}

/// Returns the status of a receiver that published for a while, and whose last calls were refused.
fn receiver_status() -> Vec<u8> {
    let config = r#"{
        "cloud_watch_region": "eu-central-1", "cloud_watch_cluster_name": "cloud_watch",
        "metric_namespace": "Shop", "aws_access_key_id": "AKID", "aws_secret_access_key": "secret"
    }"#;
    let mut driver = Driver::new(ReceiverConfig::from_json(config.as_bytes(), |_| None).unwrap(), 1);
    let config = br#"{ "receiver_vm_id": "receiver", "metrics": ["RequestCount", "Latency"] }"#;
    let mut sender = Sender::new(SenderConfig::from_json(config, |_| None).unwrap(), now(0));
    for second in 1..400 {
        let header =
            |name: &str| Some(if name == ":path" { format!("/{}", second % 5) } else { "a".to_owned() }.into_bytes());
        let request = sender.start_request(header, HeaderPhase::Arrival).unwrap();
        sender.end_request(request, |_| Some(200i64.to_le_bytes().to_vec()));
        sender.flush(now(second));
        for record in sender.take_records() {
            driver.handle_record(&record, now(second));
        }
        driver.tick(now(second));
        while let Some(transmit) = driver.take_transmit() {
            let reply = match second {
                0..300 => Reply { status: 200, ..Reply::default() },
                _ => Reply {
                    status: 403,
                    code: "AccessDenied".to_owned(),
                    message: "not authorized".to_owned(),
                    ..Reply::default()
                },
            };
            driver.handle_answer(transmit.id, &PublishAnswer::Complete(reply), now(second));
        }
        while driver.poll_log_line().is_some() {}
    }
    driver.status().unwrap().to_vec()
}

/// Starts a server that answers each request by its path, and with 404 if `answer` returns nothing.
fn serve(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            let path = first.split(' ').nth(1).unwrap().to_owned();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let (status, body) = answer(&path).map_or((404, Vec::new()), |body| (200, body));
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            connection.write_all(head.as_bytes()).unwrap();
            connection.write_all(&body).unwrap();
        }
    });
    address
}

/// Returns the answer of a gateway to `/status`.
fn gateway_status(readiness: Readiness) -> Vec<u8> {
    let counts =
        GatewayCounters { accepted: 12, accepted_data: 30, enqueued: 34, refused_invalid: 2, ..Default::default() };
    let receiver = receiver_status();
    let receiver = (readiness != Readiness::Absent).then_some(receiver.as_slice());
    gateway::status::status(receiver, readiness, &counts, now(400)).body.into_owned()
}

fn status(address: SocketAddr, arguments: &[&str]) -> Output {
    let url = address.to_string();
    run(&[&["status", url.as_str()], arguments].concat())
}

#[test]
fn a_gateways_figures_are_shown() {
    let answer = gateway_status(Readiness::Ready);
    let address = serve(move |path| (path == "/status").then(|| answer.clone()));
    let Output { code, out, err } = status(address, &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        within_repository("docs/acpw.md").contains(&format!("```\n{out}```\n")),
        "docs/acpw.md does not show\n{out}"
    );
    insta::assert_snapshot!("gateway", out);
    let Output { code, out, .. } = status(address, &["--json"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!("gateway-json", out);
}

#[test]
fn a_gateway_that_is_not_ready_is_an_exit_code() {
    for (readiness, state) in [(Readiness::Absent, "no_receiver"), (Readiness::Full, "buffer_full")] {
        let answer = gateway_status(readiness);
        let address = serve(move |path| (path == "/status").then(|| answer.clone()));
        let Output { code, out, .. } = status(address, &[]);
        assert_eq!(code, 1);
        assert!(out.starts_with(&format!("gateway      {state}\n")), "{out}");
    }
}

#[test]
fn the_statistics_of_the_admin_interface_are_shown() {
    let names = Counts::NAMES.iter().chain(Snapshot::GAUGES);
    let lines = names.enumerate().map(|(value, name)| format!("wasmcustom.acpw.receiver.{name}: {value}\n"));
    let text = format!("{}wasmcustom.acpw.sender.observed: 99\n", lines.collect::<String>());
    let address = serve(move |path| (path == "/stats?filter=acpw").then(|| text.clone().into_bytes()));
    let Output { code, out, err } = status(address, &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!("admin", out);
}

#[test]
fn watching_shows_rates_and_outlives_a_bad_answer() {
    let count = std::sync::atomic::AtomicU64::new(0);
    let answer = move |path: &str| {
        let count = count.fetch_add(u64::from(path == "/status"), std::sync::atomic::Ordering::Relaxed);
        let mut document: Value = serde_json::from_slice(&gateway_status(Readiness::Ready)).unwrap();
        document["receiver"]["counts"]["received"] = (1_000 + 1_000_000 * count).into();
        (path == "/status" && count != 1).then(|| document.to_string().into_bytes())
    };
    let Output { code, out, err } = status(serve(answer), &["--watch", "--interval", "0.2", "--times", "3"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let received: Vec<_> = out.lines().filter(|line| line.starts_with("received")).collect();
    assert_eq!(received[0], "received     1,000 values");
    assert!(received[1].starts_with("received     2,001,000 values, ") && received[1].ends_with("/s"), "{received:?}");
    assert!(out.contains("where Envoy's admin interface answers 200"), "{out}");
}

#[test]
fn other_servers_are_errors() {
    for (body, part) in [
        (&b"<html>"[..], "/status: it is not JSON"),
        (b"{}", "/status: it has no \"state\""),
        (b"{\"state\": \"ready\", \"receiver\": {}}", "is that of another release"),
    ] {
        let Output { code, out, err } = status(serve(move |_| Some(body.to_vec())), &[]);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.contains(part), "{err}");
    }
    let none = serve(|path| path.starts_with("/stats").then(|| b"cluster.x: 1\n".to_vec()));
    assert!(status(none, &[]).err.contains("it has no statistic of sender, receiver or gateway"));
}
