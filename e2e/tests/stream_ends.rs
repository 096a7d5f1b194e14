//! A request is counted once, with the status that the client received, no matter how it ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{net::Ipv4Addr, time::Duration};

use e2e::{ClientRequest, Listener, Pair, Route, SenderAttachment, Setup, Upstream, counts, eventually, raw, series};
use serde_json::json;
use tokio::net::TcpSocket;

/// Binds a socket without listening, so that connections to its address are refused.
fn bound_socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    socket
}

async fn every_stream_end_is_counted_once(sender_attachment: SenderAttachment) {
    let (upstream, nowhere) = (Upstream::start().await, bound_socket());
    let retries = json!({ "retry_on": "5xx", "num_retries": 2 });
    let listener = Listener::new("main")
        .route(Route::direct("/busy", 503))
        .route(Route::cluster("/refused", "nowhere"))
        .route(Route::cluster("/absent", "no such cluster"))
        .route(Route::cluster("/slow", "upstream").with("prefix_rewrite", "/hang").with("timeout", "0.2s"))
        .route(Route::cluster("/status/502", "upstream").with("retry_policy", retries))
        .route(Route::cluster("/status", "upstream"))
        .route(Route::cluster("/reset", "upstream"))
        .route(Route::cluster("/hang", "upstream"));
    let clusters = vec![("upstream", upstream.address()), ("nowhere", nowhere.local_addr().unwrap())];
    let mut pair = Pair::start(Setup { sender_attachment, listener, clusters, ..Setup::default() }).await;

    let ends = [
        ("/status/200", 200),
        ("/status/204", 204),
        ("/status/304", 304),
        ("/status/500", 500),
        ("/status/502", 502),
        ("/status/599", 599),
        ("/no-route", 404),
        ("/busy", 503),
        ("/refused", 503),
        ("/absent", 503),
        ("/reset", 503),
        ("/slow", 504),
    ];
    for (path, status) in ends {
        assert_eq!(pair.send(ClientRequest::get("example.com", path)).await, status, "{path}");
    }
    assert_eq!(upstream.requests().iter().filter(|seen| seen.path == "/status/502").count(), 3);
    disconnect_before_the_response(&pair, &upstream, b"GET /hang HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    let unfinished = b"POST /hang HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\nabc";
    disconnect_before_the_response(&pair, &upstream, unfinished).await;
    // Clients that disconnect before Envoy received a complete request head.
    drop(raw::send(pair.address(), b"").await);
    drop(raw::send(pair.address(), b"GET /half HTTP/1.1\r\nHost: exam").await);

    let ended = ends.map(|(path, status)| series("example.com", "GET", path, status));
    let left = ["GET", "POST"].map(|method| series("example.com", method, "/hang", 0));
    let unknown = match sender_attachment {
        // Envoy creates the filters of a stream after it received the headers.
        SenderAttachment::HttpFilter => None,
        SenderAttachment::AccessLogger => Some(series("-", "-", "-", 0)),
    };
    let expected = counts(ended.into_iter().chain(left).chain(unknown));
    assert_eq!(pair.wait_until_stored(expected.values().sum()).await, expected);
}

/// Sends a request and disconnects before the upstream responds.
async fn disconnect_before_the_response(pair: &Pair, upstream: &Upstream, request: &[u8]) {
    let before = upstream.requests().len();
    let client = raw::send(pair.address(), request).await;
    eventually("the upstream received the request", Duration::from_secs(5), async || {
        let requests = upstream.requests();
        if requests.len() > before { Ok(()) } else { Err(format!("{requests:?}")) }
    })
    .await;
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_end_is_counted_once_by_a_filter() {
    every_stream_end_is_counted_once(SenderAttachment::HttpFilter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_end_is_counted_once_by_an_access_logger() {
    every_stream_end_is_counted_once(SenderAttachment::AccessLogger).await;
}
