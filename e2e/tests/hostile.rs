//! Hostile requests do not harm Envoy or the modules, and are counted with dimensions that CloudWatch accepts.

use std::net::SocketAddr;

use e2e::{ClientRequest, Listener, Pair, RequestSeries, Route, SenderAttachment, Setup, counts, raw, series};
use serde_json::json;
use tokio::task::JoinSet;

/// The bytes of a request, the status of the response, and the series in which it is counted.
type Case = (Vec<u8>, Option<u16>, Option<RequestSeries>);

/// Returns a request head with this request line, host and additional header lines.
fn head(line: &[u8], host: &[u8], headers: &[u8]) -> Vec<u8> {
    [line, b"\r\nHost: ", host, b"\r\n", headers, b"Connection: close\r\n\r\n"].concat()
}

/// Returns the case of a request that gets a response and is counted.
fn answered(bytes: Vec<u8>, status: u16, host: &str, method: &str, path: &str) -> Case {
    (bytes, Some(status), Some(series(host, method, path, status)))
}

/// Returns the case of a request that Envoy cannot parse, so that only its status is known.
fn unreadable(bytes: Vec<u8>, status: u16) -> Case {
    answered(bytes, status, "-", "-", "-")
}

/// Returns a text that is filled up to 1,024 characters, the maximum length of a dimension value.
fn filled(start: &str, filling: char) -> String {
    start.chars().chain(std::iter::repeat(filling)).take(1_024).collect()
}

fn hosts_and_targets() -> Vec<Case> {
    let long_path = [b"GET /".as_slice(), &[b'a'; 60 * 1024], b" HTTP/1.1"].concat();
    vec![
        answered(head(&long_path, b"long", b""), 200, "long", "GET", &filled("/", 'a')),
        answered(head(b"GET /host HTTP/1.1", &[b'h'; 2_000], b""), 200, &filled("h", 'h'), "GET", "/host"),
        unreadable(head(b"GET /bytes HTTP/1.1", b"a\xff\xfeb", b""), 400),
        unreadable(head(b"GET /markup HTTP/1.1", b"\"><script>", b""), 400),
        unreadable(head(b"GET /space HTTP/1.1", b"a b", b""), 400),
        answered(head(b"GET /empty HTTP/1.1", b"", b""), 200, "-", "GET", "/empty"),
        answered(head(b"GET /blank HTTP/1.1", b"   ", b""), 200, "-", "GET", "/blank"),
        answered(head(b"GET /colon HTTP/1.1", b":", b""), 200, "-", "GET", "/colon"),
        answered(head(b"GET /two HTTP/1.1", b"a", b"Host: b\r\n"), 200, "a,b", "GET", "/two"),
        answered(b"GET /none HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), 400, "-", "GET", "/none"),
        unreadable(head(b"GET /\xff\xfe HTTP/1.1", b"path", b""), 400),
        unreadable(head("GET /é HTTP/1.1".as_bytes(), b"path", b""), 400),
        unreadable(head(b"GET /\x01\x7f HTTP/1.1", b"path", b""), 400),
        unreadable(head(b"GET /\ta HTTP/1.1", b"path", b""), 400),
        unreadable(head(b"GET ?query HTTP/1.1", b"path", b""), 400),
        unreadable(head(b"GET relative HTTP/1.1", b"path", b""), 400),
        answered(head(b"GET /\"<>\\^`{|} HTTP/1.1", b"path", b""), 200, "path", "GET", "/\"<>\\^`{|}"),
        answered(head(b"GET /%ff%00%0a HTTP/1.1", b"path", b""), 200, "path", "GET", "/%ff%00%0a"),
        answered(head(b"GET /fragment#x HTTP/1.1", b"path", b""), 400, "path", "GET", "/fragment"),
        answered(
            head(b"GET http://Absolute.example:81/a?b HTTP/1.1", b"other", b""),
            200,
            "absolute.example",
            "GET",
            "/a",
        ),
        answered(head(b"GET http://bare.example HTTP/1.1", b"other", b""), 200, "bare.example", "GET", "/"),
        answered(head(b"GET http://u:p@user.example/ HTTP/1.1", b"other", b""), 200, "user.example", "GET", "/"),
        answered(head(b"OPTIONS * HTTP/1.1", b"star", b""), 404, "star", "OPTIONS", "*"),
        answered(head(b"CONNECT connect.example:443 HTTP/1.1", b"x", b""), 404, "connect.example", "CONNECT", "-"),
    ]
}

fn methods_versions_and_headers() -> Vec<Case> {
    let flood: Vec<u8> = (0..200).flat_map(|n| format!("X-{n}: y\r\n").into_bytes()).collect();
    let upgrade = b"GET /upgrade HTTP/1.1\r\nHost: header\r\nConnection: Upgrade\r\nUpgrade: \xff\r\n\r\n";
    let smuggled = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    vec![
        answered(head(b"BREW /pot HTTP/1.1", b"method", b""), 200, "method", "BREW", "/pot"),
        answered(head(b"!#$%&'*+-.^_`|~ / HTTP/1.1", b"method", b""), 200, "method", "!#$%&'*+-.^_`|~", "/"),
        answered(head(b"get / HTTP/1.1", b"method", b""), 200, "method", "get", "/"),
        unreadable(head(b"G\xffT / HTTP/1.1", b"method", b""), 400),
        answered(b"GET /one-zero HTTP/1.0\r\nHost: version\r\n\r\n".to_vec(), 200, "version", "GET", "/one-zero"),
        answered(b"GET /no-host HTTP/1.0\r\n\r\n".to_vec(), 400, "-", "GET", "/no-host"),
        answered(b"GET /zero-nine\r\n\r\n".to_vec(), 400, "-", "GET", "/zero-nine"),
        answered(head(b"GET /two-zero HTTP/2.0", b"version", b""), 200, "version", "GET", "/two-zero"),
        // HTTP/2 with an invalid frame: no stream is created.
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), None, None),
        unreadable(b"\x00\xff\x16\x03\x01 garbage\r\n\r\n".to_vec(), 400),
        answered(head(b"GET /agent HTTP/1.1", b"header", b"User-Agent: \xff\xfe\r\n"), 200, "header", "GET", "/agent"),
        unreadable(head(b"GET /control HTTP/1.1", b"header", b"X: \x01\x02\r\n"), 400),
        unreadable(head(b"GET /nul HTTP/1.1", b"header", b"X: \x00\r\n"), 400),
        unreadable(head(b"GET /name HTTP/1.1", b"header", b"\xff\xfe: x\r\n"), 400),
        unreadable(head(b"GET /flood HTTP/1.1", b"header", &flood), 431),
        answered(upgrade.to_vec(), 403, "header", "GET", "/upgrade"),
        unreadable([head(b"POST /smuggle HTTP/1.1", b"header", smuggled), b"0\r\n\r\n".to_vec()].concat(), 400),
        unreadable(head(b"POST /length HTTP/1.1", b"header", b"Content-Length: -5\r\n"), 400),
    ]
}

/// Sends all requests concurrently, and describes those with an unexpected response.
async fn send(address: SocketAddr, cases: &[Case]) -> Vec<String> {
    let mut exchanges = JoinSet::new();
    for (bytes, expected, _) in cases.iter().cloned() {
        exchanges.spawn(async move {
            let status = raw::status(&raw::exchange(address, &bytes).await);
            let start = String::from_utf8_lossy(&bytes).chars().take(80).collect::<String>();
            (status != expected).then(|| format!("{start:?}: expected {expected:?}, got {status:?}"))
        });
    }
    exchanges.join_all().await.into_iter().flatten().collect()
}

async fn survives(sender_attachment: SenderAttachment) {
    let listener = Listener::new("main")
        .route(Route::direct("/", 200))
        .with("max_request_headers_kb", json!(96))
        .with("http_protocol_options", json!({ "accept_http_10": true, "allow_custom_methods": true }));
    let mut pair = Pair::start(Setup { sender_attachment, listener, ..Setup::default() }).await;

    let cases = [hosts_and_targets(), methods_versions_and_headers()].concat();
    assert_eq!(send(pair.address(), &cases).await, [""; 0]);
    assert_eq!(pair.send(ClientRequest::get("example.com", "/good")).await, 200);

    let good = series("example.com", "GET", "/good", 200);
    let expected = counts(cases.into_iter().filter_map(|(_, _, series)| series).chain([good]));
    let stored = pair.wait_until_stored(expected.values().sum()).await;
    assert_eq!(stored, expected);
    for series in stored.keys() {
        for value in [&series.host, &series.method, &series.path, &series.status] {
            assert!(
                (1..=1_024).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic()),
                "{value:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_are_counted_by_a_filter() {
    survives(SenderAttachment::HttpFilter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_are_counted_by_an_access_logger() {
    survives(SenderAttachment::AccessLogger).await;
}

/// A Lua filter can add a header name that Envoy rejects from clients. The SDK's functions for whole header maps panic
/// on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_name_that_is_not_utf_8_does_no_harm() {
    const SCRIPT: &str = r#"function envoy_on_request(handle) handle:headers():add("x-\xff\xfe", "\xff") end"#;
    for sender_attachment in [SenderAttachment::HttpFilter, SenderAttachment::AccessLogger] {
        let listener = Listener::new("main").route(Route::direct("/", 200)).lua(SCRIPT);
        let mut pair = Pair::start(Setup { sender_attachment, listener, ..Setup::default() }).await;
        for _ in 0..8 {
            assert_eq!(pair.send(ClientRequest::get("example.com", "/")).await, 200);
        }
        assert_eq!(pair.wait_until_stored(8).await, counts(vec![series("example.com", "GET", "/", 200); 8]));
    }
}
