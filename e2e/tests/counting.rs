//! Every request is counted once, with the right dimensions.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;

use e2e::{ClientRequest, Listener, Pair, RequestCounts, RequestSeries, Route, Setup, counts, load, series};
use hyper::Method;
use serde_json::json;

/// Returns request `n`, and its series if it is counted.
fn request(n: usize) -> (ClientRequest, Option<RequestSeries>) {
    let hosts = [
        ("example.com", Some("example.com")),
        ("Example.COM:18000", Some("example.com")),
        ("shop.example.net", Some("shop.example.net")),
        ("a.b.example.org:8080", Some("a.b.example.org")),
        ("c.example.org", Some("c.example.org")),
        ("example.org", None),
        ("localhost:18000", None),
        ("example.com.evil.net", None),
    ];
    let methods = [Method::GET, Method::POST, Method::DELETE];
    let paths = [("/", 200), ("/cart?item=1", 200), ("/created/x", 201), ("/gone", 410), ("/failed?a", 500)];
    let (host, counted_as) = hosts[n % hosts.len()];
    let method = methods[n / 3 % methods.len()].clone();
    let (path, status) = paths[n / 7 % paths.len()];
    let counted_path = path.split('?').next().unwrap();
    let counted = counted_as.map(|host| series(host, method.as_str(), counted_path, status));
    (ClientRequest::new(method, host, path), counted)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_over_four_workers_are_counted_exactly() {
    let routes = [("/created", 201), ("/gone", 410), ("/failed", 500), ("/", 200)];
    let listener = routes
        .iter()
        .fold(Listener::new("main"), |listener, (prefix, status)| listener.route(Route::direct(prefix, *status)));
    let sender = json!({ "match_hosts": ["example.com", "shop.example.net", "*.example.org"] });
    let mut pair = Pair::start(Setup { listener, sender, workers: 4, ..Setup::default() }).await;

    let (requests, counted): (Vec<_>, Vec<_>) = (0..10_000).map(request).unzip();
    load(pair.address(), 16, requests).await;
    let expected = counts(counted.into_iter().flatten());

    assert_eq!(pair.wait_until_stored(expected.values().sum()).await, expected);
    assert_eq!(expected.values().sum::<u64>(), 6_250);
    let connections = pair.envoy.admin().stats("worker_._downstream_cx_total|worker_..downstream_cx_total").await;
    let by_worker: BTreeMap<_, _> = connections.iter().filter(|(name, _)| name.starts_with("listener.127")).collect();
    assert_eq!(by_worker.len(), 4, "{connections:?}");
    assert!(by_worker.values().all(|connections| **connections > 0), "{by_worker:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_beyond_max_series_are_exact_in_the_overflow_series() {
    let mut pair = Pair::start(Setup { sender: json!({ "max_series": 3 }), workers: 1, ..Setup::default() }).await;
    let paths = (0..1_000).map(|n| format!("/{}", n % 10));
    load(pair.address(), 1, paths.map(|path| ClientRequest::get("example.com", &path)).collect()).await;

    let stored = pair.wait_until_stored(1_000).await;
    let mut expected: RequestCounts =
        ["/0", "/1", "/2"].into_iter().map(|path| (series("example.com", "GET", path, 200), 100)).collect();
    let other = || "__other__".to_owned();
    let overflow = RequestSeries { host: other(), method: other(), path: other(), status: other() };
    expected.insert(overflow, 700);
    assert_eq!(stored, expected);
}
