//! Tests the log lines about failures and configuration problems.

use receiver::{call::Response, notice::Limiter};
use serde_json::{Value, json};

use crate::scene::{Poller, datum, header};

/// Returns a poller of an endpoint with these configuration keys, polled every second.
fn poller(keys: Value) -> Poller {
    let mut scrape = json!({ "cluster_name": "shop_metrics", "interval_millisecond": 1_000 });
    scrape.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    if scrape.get("rules").is_none() {
        scrape["rules"] = json!([{ "metric": "a" }]);
    }
    Poller::new(json!([scrape]))
}

/// Returns the log line about a response.
fn line_of(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let mut poller = poller(json!({}));
    let (id, _) = poller.next_call();
    poller.answer_with(id, status, headers, body.as_bytes());
    poller.tick_for(400);
    let mut lines = poller.lines();
    assert_eq!((lines.len(), poller.sources.counts().failed), (1, 1), "{lines:?}");
    let line = lines.remove(0);
    line.strip_prefix("source scrape[0] failed, which leaves a gap in its metrics: ").unwrap().to_owned()
}

/// Returns the log line about a missing response, `millis` after the request.
fn line_of_missing(reason: &str, millis: u64) -> String {
    let mut poller = poller(json!({}));
    let (id, _) = poller.next_call();
    poller.millis += millis;
    poller.respond(id, Response::Missing(reason.to_owned()));
    let line = poller.lines().remove(0);
    line.strip_prefix("source scrape[0] failed, which leaves a gap in its metrics: ").unwrap().to_owned()
}

#[test]
fn a_redirect_to_the_same_host_is_followed_once() {
    for location in ["/metrics/?a=1", "http://shop-metrics/metrics/?a=1"] {
        let mut poller = poller(json!({}));
        for _ in 0..3 {
            let (id, call) = poller.next_call();
            assert_eq!(header(&call, ":path"), "/metrics");
            poller.answer_with(id, 307, &[("location", location)], b"");
            let (id, call) = poller.next_call();
            assert_eq!([":path", ":authority"].map(|name| header(&call, name)), ["/metrics/?a=1", "shop-metrics"]);
            poller.answer(id, "a 1\n");
            assert_eq!(poller.tick_for(400), [datum("a None", 1.0, 1.0)]);
        }
        let lines = poller.lines();
        let shown = location.split('?').next().unwrap();
        let expected =
            format!("scrape[0]: it redirects to {shown}, which costs a second request each time; set path to it");
        assert_eq!(lines, [expected]);
    }
    // A second redirect is not followed.
    let mut poller = poller(json!({}));
    for _ in 0..2 {
        let (id, _) = poller.next_call();
        poller.answer_with(id, 301, &[("location", "/again")], b"");
    }
    assert!(
        poller.lines()[0]
            .ends_with("it redirects a second time, with status 301 to /again; set path to the final location")
    );
    assert_eq!(poller.sources.counts().failed, 1);
    let (_, call) = poller.next_call();
    assert_eq!(header(&call, ":path"), "/metrics");
}

#[test]
fn a_redirect_to_another_host_is_logged() {
    let line = line_of(302, &[("location", "https://sso.example.com/login?state=secret")], "");
    let expected = "it redirects with status 302 to https://sso.example.com/login, but only redirects within \
                    http://shop-metrics are followed; set cluster_name, host and path to the new location";
    assert_eq!(line, expected);
    assert_eq!(line_of(301, &[], ""), "it responds with status 301 but without a location header");
}

#[test]
fn a_refused_host_is_logged() {
    let mut poller = poller(json!({}));
    let (_, call) = poller.next_call();
    assert_eq!(header(&call, ":authority"), "shop-metrics");
    let line = line_of(400, &[], "<title>Bad Request</title>\r\n");
    assert_eq!(line, "it responds with status 400 for /metrics on host shop-metrics: <title>Bad Request</title>");
}

#[test]
fn other_formats_are_logged() {
    let line = line_of(200, &[("content-type", "text/html")], "<html>\n<body>\n</html>\n");
    assert_eq!(line, "the response is not Prometheus text: it starts with \"<html> <body> </html>\"");
    let line = line_of(200, &[], "{\"status\":\"success\"}\n");
    assert_eq!(line, "the response is not Prometheus text: it starts with \"{\"status\":\"success\"}\"");
}

#[test]
fn a_port_that_uses_tls_is_suspected() {
    let tls = "; if the port uses TLS, configure a transport_socket for the cluster";
    for (status, body) in [
        (400, "Client sent an HTTP request to an HTTPS server.\n"),
        (502, "upstream connect error or disconnect/reset before headers. reset reason: protocol error"),
    ] {
        let line = line_of(status, &[], body);
        assert!(line.ends_with(tls), "{line}");
    }
    for reason in ["the answer broke off", "… reset reason: connection termination"] {
        let line = line_of_missing(reason, 0);
        assert!(line.ends_with(tls), "{line}");
    }
}

#[test]
fn missing_responses_are_explained() {
    let mut poller = poller(json!({}));
    let (id, _) = poller.next_call();
    let now = poller.now();
    poller.sources.handle_undispatched(id, "Envoy has no cluster of that name", now);
    let unknown = "cluster_name \"shop_metrics\": Envoy has no cluster of that name";
    assert_eq!(poller.lines(), [format!("source scrape[0] failed, which leaves a gap in its metrics: {unknown}")]);
    assert_eq!(poller.sources.counts().failed, 1);
    for reason in ["upstream request timeout", "the answer broke off"] {
        assert_eq!(line_of_missing(reason, 1_000), format!("no complete response within 1000 ms: {reason}"));
    }
    assert_eq!(line_of_missing("no healthy upstream", 0), "no healthy upstream");
}

#[test]
fn unused_rules_and_missing_labels_are_logged_once() {
    let page = "# TYPE http_requests_total counter\nhttp_requests_total{code=\"200\"} 1\n# TYPE lat histogram\n\
        lat_bucket{le=\"1\"} 1\nlat_sum 1\nlat_count 1\nup 1\n";
    let mut poller = poller(json!({ "rules": [
        { "metric": "up" },
        { "metric": "http_requests" },
        { "metric": "lat_count" },
        { "metric": "http_requests_total", "dimensions": { "Code": { "label": "cod" } } },
        { "metric": "mem_*" },
    ] }));
    assert_eq!(
        poller.rounds([page; 3]),
        [[datum("up None", 1.0, 1.0)], [datum("up None", 1.0, 1.0)], [datum("up None", 1.0, 1.0)]]
    );
    let expected = [
        "scrape[0]: rules[3].dimensions.Code: no series of \"http_requests_total\" has the label \"cod\"; did you \
         mean \"code\"?",
        "scrape[0]: no metric in the response matches rules[1] \"http_requests\" (did you mean \
         \"http_requests_total\"?), rules[2] \"lat_count\" (did you mean \"lat\"?), rules[4] \"mem_*\"",
    ];
    assert_eq!(poller.lines(), expected);
}

#[test]
fn more_series_than_the_limit_are_logged_once() {
    let page: String = (0..1_500).map(|n| format!("a{{n=\"{n}\"}} 1\n")).collect();
    let mut poller = poller(json!({ "rules": [{ "metric": "a", "dimensions": { "N": { "label": "n" } } }] }));
    let published = poller.rounds([&page; 3]);
    assert_eq!(published.map_len(), [1_000; 3]);
    let lines = poller.lines();
    assert!(lines.len() == 1 && lines[0].contains("more than max_series (1000) series match the rules"), "{lines:?}");
    assert_eq!(poller.sources.counts().over_limit, 1_500);
}

trait MapLen {
    fn map_len(&self) -> Vec<usize>;
}

impl<T> MapLen for Vec<Vec<T>> {
    fn map_len(&self) -> Vec<usize> {
        self.iter().map(Vec::len).collect()
    }
}

#[test]
fn log_lines_are_limited_per_endpoint() {
    let scrape =
        |cluster: &str| json!({ "cluster_name": cluster, "interval_millisecond": 1_000, "rules": [{ "metric": "a" }] });
    let mut poller = Poller::new(json!([scrape("a"), scrape("b"), scrape("c")]));
    let mut limiter = Limiter::default();
    let mut lines = Vec::new();
    for second in 0..30 {
        poller.tick_for(1_000);
        for (id, call) in std::mem::take(&mut poller.calls) {
            match call.cluster.as_str() {
                "c" => poller.answer(id, "a 1\n"),
                "b" if second >= 10 => poller.answer(id, "a 1\n"),
                cluster => poller.respond(id, Response::Missing(format!("{cluster} is down"))),
            }
        }
        let now = poller.now().steady;
        lines.extend(poller.notices().iter().filter_map(|notice| limiter.line(notice, now)));
    }
    let expected = [
        "source scrape[0] failed, which leaves a gap in its metrics: a is down",
        "source scrape[1] failed, which leaves a gap in its metrics: b is down",
        "source scrape[1] responds again",
    ];
    assert_eq!(lines, expected);
}
