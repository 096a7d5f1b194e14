//! However a request ends, it is counted once, with the status that the client was sent.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{net::Ipv4Addr, time::Duration};

use e2e::{Listener, Pair, Request, Route, SenderAttachment, Setup, Upstream, counts, eventually, raw, series};
use serde_json::json;
use tokio::net::TcpSocket;

/// A socket whose address nobody listens at, nor can while it lives.
fn nowhere() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    socket
}

async fn each_end_counts_once(sender_attachment: SenderAttachment) {
    let (upstream, nowhere) = (Upstream::start().await, nowhere());
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
        assert_eq!(pair.send(Request::get("example.com", path)).await, status, "{path}");
    }
    assert_eq!(upstream.seen().iter().filter(|seen| seen.path == "/status/502").count(), 3);
    leave_before_the_answer(&pair, &upstream, b"GET /hang HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    let unfinished = b"POST /hang HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\nabc";
    leave_before_the_answer(&pair, &upstream, unfinished).await;
    // Clients that leave before Envoy knows what they want.
    drop(raw::send(pair.address(), b"").await);
    drop(raw::send(pair.address(), b"GET /half HTTP/1.1\r\nHost: exam").await);

    let ended = ends.map(|(path, status)| series("example.com", "GET", path, status));
    let left = ["GET", "POST"].map(|method| series("example.com", method, "/hang", 0));
    let unknown = match sender_attachment {
        // Envoy makes the filters of a stream when it has read the headers.
        SenderAttachment::HttpFilter => None,
        SenderAttachment::AccessLogger => Some(series("-", "-", "-", 0)),
    };
    let expected = counts(ended.into_iter().chain(left).chain(unknown));
    assert_eq!(pair.settled(expected.values().sum()).await, expected);
}

/// A client that goes away while the upstream still thinks.
async fn leave_before_the_answer(pair: &Pair, upstream: &Upstream, request: &[u8]) {
    let asked = upstream.seen().len();
    let client = raw::send(pair.address(), request).await;
    eventually("the upstream has the request", Duration::from_secs(5), async || {
        let seen = upstream.seen();
        if seen.len() > asked { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_is_counted_once_by_a_filter() {
    each_end_counts_once(SenderAttachment::HttpFilter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_is_counted_once_by_an_access_logger() {
    each_end_counts_once(SenderAttachment::AccessLogger).await;
}
