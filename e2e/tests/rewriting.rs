//! Requests are counted with the original host and path, even if a route rewrites them or a client sends misleading
//! headers.

use e2e::{ClientRequest, Listener, Pair, Route, SeenRequest, SenderAttachment, Setup, Upstream, counts, series};
use serde_json::{Value, json};

async fn the_original_host_and_path_are_counted(sender_attachment: SenderAttachment) {
    let upstream = Upstream::start().await;
    let rewriting = |prefix| Route::cluster(prefix, "upstream").with("prefix_rewrite", "/inner");
    let pattern = json!({ "pattern": { "regex": "^/regex/" }, "substitution": "/inner/" });
    let listener = Listener::new("main")
        .route(rewriting("/both").with("host_rewrite_literal", "inner.example"))
        .route(rewriting("/path"))
        .route(Route::cluster("/regex", "upstream").with("regex_rewrite", pattern))
        .route(Route::cluster("/host", "upstream").with("host_rewrite_literal", "inner.example"))
        .route(Route::cluster("/header", "upstream").with("host_rewrite_header", "x-host"))
        .route(Route::direct("/", 200));
    let setup = Setup {
        sender_attachment,
        sender: json!({ "match_hosts": ["example.com"] }),
        listener,
        clusters: vec![("upstream", upstream.address())],
        ..Setup::default()
    };
    let mut pair = Pair::start(setup).await;

    let paths = ["/both/a?b", "/path/a?b", "/regex/a?b", "/host/a?b", "/header/a?b"];
    for path in paths {
        // The route rewrites the host to one that matches, but the original host does not.
        assert_eq!(pair.send(ClientRequest::get("outer.example", path).header("x-host", "example.com")).await, 200);
        assert_eq!(pair.send(ClientRequest::get("example.com", path).header("x-host", "inner.example")).await, 200);
    }
    let rewritten = |host: &str, path: &str| SeenRequest { host: host.to_owned(), path: path.to_owned() };
    let expected = [
        rewritten("inner.example", "/inner/a?b"),
        rewritten("example.com", "/inner/a?b"),
        rewritten("example.com", "/inner/a?b"),
        rewritten("inner.example", "/host/a?b"),
        rewritten("inner.example", "/header/a?b"),
    ];
    let for_example_com: Vec<_> = upstream.requests().into_iter().skip(1).step_by(2).collect();
    assert_eq!(for_example_com, expected);

    let original = ["/both/a", "/path/a", "/regex/a", "/host/a", "/header/a"];
    let expected = counts(original.map(|path| series("example.com", "GET", path, 200)));
    assert_eq!(pair.wait_until_stored(5).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_counts_the_original_host_and_path() {
    the_original_host_and_path_are_counted(SenderAttachment::HttpFilter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_logger_counts_the_original_host_and_path() {
    the_original_host_and_path_are_counted(SenderAttachment::AccessLogger).await;
}

async fn original_headers_from_a_client_are_ignored(sender_attachment: SenderAttachment, edge: &[(&str, Value)]) {
    let upstream = Upstream::start().await;
    let listener = Listener::new("main")
        .route(Route::cluster("/host", "upstream").with("host_rewrite_literal", "inner.example"))
        .route(Route::direct("/", 200));
    let setup = Setup {
        sender_attachment,
        sender: json!({ "match_hosts": ["example.com"] }),
        listener: edge.iter().fold(listener, |listener, (field, value)| listener.with(field, value.clone())),
        clusters: vec![("upstream", upstream.address())],
        ..Setup::default()
    };
    let mut pair = Pair::start(setup).await;
    for path in ["/direct", "/host"] {
        for (host, original) in [("example.com", "example.net"), ("example.net", "example.com")] {
            let request = ClientRequest::get(host, path);
            let lying = request.header("x-envoy-original-host", original).header("x-envoy-original-path", "/invented");
            assert_eq!(pair.send(lying).await, 200);
        }
    }
    let expected = counts(["/direct", "/host"].map(|path| series("example.com", "GET", path, 200)));
    assert_eq!(pair.wait_until_stored(2).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_ignores_original_headers_from_a_client() {
    original_headers_from_a_client_are_ignored(SenderAttachment::HttpFilter, &[]).await;
}

/// An access logger sees the final headers. Envoy removes its own headers from requests of external clients if it
/// identifies them by their addresses.
#[tokio::test(flavor = "multi_thread")]
async fn an_access_logger_at_the_edge_ignores_original_headers_from_a_client() {
    let internal_addresses = json!({ "cidr_ranges": [{ "address_prefix": "10.0.0.0", "prefix_len": 8 }] });
    let edge = [("use_remote_address", json!(true)), ("internal_address_config", internal_addresses)];
    original_headers_from_a_client_are_ignored(SenderAttachment::AccessLogger, &edge).await;
}
