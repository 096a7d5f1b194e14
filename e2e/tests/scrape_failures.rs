//! A real Envoy scrapes endpoints with unusual responses: readable responses are published, and the log explains how to
//! fix the others.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use e2e::{Pair, Setup, eventually};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

const LIMIT: Duration = Duration::from_secs(40);

/// A server that responds with raw bytes, depending on the path.
struct RawServer {
    address: SocketAddr,
    task: AbortHandle,
}

impl RawServer {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(respond(stream));
            }
        };
        Self { address, task: tokio::spawn(serve).abort_handle() }
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn respond(mut stream: TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut part = [0; 1_024];
        match stream.read(&mut part).await {
            Ok(length @ 1..) => request.extend_from_slice(&part[..length]),
            _ => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let page = |head: &str, body: &[u8]| [b"HTTP/1.1 200 OK\r\n", head.as_bytes(), b"\r\n\r\n", body].concat();
    let bytes = match path {
        "/gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(b"compressed 1\n").unwrap();
            let body = encoder.finish().unwrap();
            page(&format!("content-encoding: gzip\r\ncontent-length: {}", body.len()), &body)
        }
        "/redirect" => {
            b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /redirected\r\ncontent-length: 0\r\n\r\n".to_vec()
        }
        "/redirected" => page("content-length: 13", b"redirected 1\n"),
        "/elsewhere" => {
            b"HTTP/1.1 302 Found\r\nlocation: https://sso.example.com/?secret\r\ncontent-length: 0\r\n\r\n".to_vec()
        }
        // Bodies without a final line feed.
        "/length" => page("content-length: 8", b"length 1"),
        "/chunked" => page("transfer-encoding: chunked", b"9\r\nchunked 1\r\n0\r\n\r\n"),
        "/html" => page("content-type: text/html\r\ncontent-length: 6", b"<html>"),
        "/stalled" => page("content-length: 100", b"stalled 1\n"),
        // The fatal TLS alert that a TLS server sends when it receives HTTP.
        "/tls" => b"\x15\x03\x01\x00\x02\x02\x46".to_vec(),
        _ => return,
    };
    let _ = stream.write_all(&bytes).await;
    if path == "/stalled" {
        std::future::pending::<()>().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unusual_responses_are_read_or_their_errors_explained() {
    let server = RawServer::start().await;
    let scrape = |path: &str| -> Value {
        json!({ "cluster_name": "odd_app", "path": path, "interval_millisecond": 1_000, "metric_namespace": "Odd",
            "rules": [{ "metric": path.trim_start_matches('/') }, { "metric": "redirected" }, { "metric": "compressed" }] })
    };
    let mut scrapes: Vec<_> =
        ["/gzip", "/redirect", "/length", "/chunked", "/elsewhere", "/html", "/stalled", "/tls"].map(scrape).to_vec();
    scrapes.push(json!({ "cluster_name": "nobody", "rules": [{ "metric": "a" }], "interval_millisecond": 1_000 }));
    let mut pair = Pair::start(Setup {
        receiver: json!({ "scrape": scrapes }),
        clusters: vec![("odd_app", server.address)],
        ..Setup::default()
    })
    .await;
    eventually("all readable metrics are stored", LIMIT, async || {
        let totals = pair.cloudwatch.totals("Odd");
        let names = ["compressed", "redirected", "length", "chunked"];
        let is_there = |name: &&str| totals.iter().any(|total| total.metric_name == **name && total.min == 1.0);
        if names.iter().all(is_there) { Ok(()) } else { Err(format!("{totals:#?}\n{}", pair.envoy.log())) }
    })
    .await;
    let lines = [
        "scrape[1]: it redirects to /redirected",
        "source scrape[4] failed, which leaves a gap in its metrics: it redirects with status 302 to https://sso.example.com/",
        "source scrape[5] failed, which leaves a gap in its metrics: the response is not Prometheus text: it starts with \"<html>\"",
        "source scrape[6] failed, which leaves a gap in its metrics: no complete response within 1000 ms",
        "configure a transport_socket for the cluster",
        "source scrape[8] failed, which leaves a gap in its metrics: cluster_name \"nobody\": Envoy has no",
    ];
    eventually("the log explains all failures", LIMIT, async || {
        let log = pair.envoy.log();
        match lines.iter().find(|line| !log.contains(**line)) {
            None => Ok(()),
            Some(line) => Err(format!("no {line:?} in {log}")),
        }
    })
    .await;
    assert!(!pair.envoy.log().contains("?secret"));
    pair.envoy.assert_healthy();
}
