//! The modules behave the same at every extension point.

use e2e::{ClientRequest, Listener, Pair, ReceiverAttachment, Route, SenderAttachment, Setup, counts, load, series};
use hyper::Method;
use serde_json::json;

async fn publishes_exact_counts(sender_attachment: SenderAttachment, receiver_attachment: ReceiverAttachment) {
    let listener = Listener::new("main").route(Route::direct("/missing", 404)).route(Route::direct("/", 200));
    let sender = json!({ "match_hosts": ["example.com", "*.example.org"] });
    let setup = Setup { sender_attachment, receiver_attachment, listener, sender, ..Setup::default() };
    let mut pair = Pair::start(setup).await;

    let request = |n: usize| match n % 4 {
        0 => (ClientRequest::get("example.com", "/a?b"), Some(series("example.com", "GET", "/a", 200))),
        1 => {
            let post = ClientRequest::new(Method::POST, "www.example.org", "/missing").body("body").closing();
            (post, Some(series("www.example.org", "POST", "/missing", 404)))
        }
        2 => (ClientRequest::new(Method::HEAD, "EXAMPLE.com:81", "/"), Some(series("example.com", "HEAD", "/", 200))),
        _ => (ClientRequest::get("example.net", "/a"), None),
    };
    let (requests, counted): (Vec<_>, Vec<_>) = (0..800).map(request).unzip();
    load(pair.address(), 4, requests).await;
    assert_eq!(pair.wait_until_stored(600).await, counts(counted.into_iter().flatten()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_and_a_stats_sink_publish_exact_counts() {
    publishes_exact_counts(SenderAttachment::HttpFilter, ReceiverAttachment::StatsSink).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_and_a_singleton_publish_exact_counts() {
    publishes_exact_counts(SenderAttachment::HttpFilter, ReceiverAttachment::Singleton).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_logger_and_a_stats_sink_publish_exact_counts() {
    publishes_exact_counts(SenderAttachment::AccessLogger, ReceiverAttachment::StatsSink).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_logger_and_a_singleton_publish_exact_counts() {
    publishes_exact_counts(SenderAttachment::AccessLogger, ReceiverAttachment::Singleton).await;
}
