//! The modules do the same however they are attached.

use e2e::{Listener, Pair, ReceiverAttachment, Request, Route, SenderAttachment, Setup, counts, load, series};
use hyper::Method;
use serde_json::json;

async fn counts_alike(sender_attachment: SenderAttachment, receiver_attachment: ReceiverAttachment) {
    let listener = Listener::new("main").route(Route::direct("/missing", 404)).route(Route::direct("/", 200));
    let sender = json!({ "match_hosts": ["example.com", "*.example.org"] });
    let setup = Setup { sender_attachment, receiver_attachment, listener, sender, ..Setup::default() };
    let mut pair = Pair::start(setup).await;

    let of = |n: usize| match n % 4 {
        0 => (Request::get("example.com", "/a?b"), Some(series("example.com", "GET", "/a", 200))),
        1 => {
            let post = Request::new(Method::POST, "www.example.org", "/missing").body("body");
            (post, Some(series("www.example.org", "POST", "/missing", 404)))
        }
        2 => (Request::new(Method::HEAD, "EXAMPLE.com:81", "/"), Some(series("example.com", "HEAD", "/", 200))),
        _ => (Request::get("example.net", "/a"), None),
    };
    let (requests, counted): (Vec<_>, Vec<_>) = (0..800).map(of).unzip();
    load(pair.address(), 4, requests).await;
    assert_eq!(pair.settled(600).await, counts(counted.into_iter().flatten()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_and_a_stats_sink_count() {
    counts_alike(SenderAttachment::HttpFilter, ReceiverAttachment::StatsSink).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_and_a_singleton_count() {
    counts_alike(SenderAttachment::HttpFilter, ReceiverAttachment::Singleton).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_logger_and_a_stats_sink_count() {
    counts_alike(SenderAttachment::AccessLogger, ReceiverAttachment::StatsSink).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_logger_and_a_singleton_count() {
    counts_alike(SenderAttachment::AccessLogger, ReceiverAttachment::Singleton).await;
}
