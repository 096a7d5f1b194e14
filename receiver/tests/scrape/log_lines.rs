//! Lines in the log: what is wrong, and what to change.

use receiver::{call::Response, notice::Limiter};
use serde_json::{Value, json};

use crate::scene::{Clock, header, told};

/// An endpoint with these keys, asked every second.
fn clock(keys: Value) -> Clock {
    let mut scrape = json!({ "cluster_name": "shop_metrics", "interval_millisecond": 1_000 });
    scrape.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    if scrape.get("rules").is_none() {
        scrape["rules"] = json!([{ "metric": "a" }]);
    }
    Clock::new(json!([scrape]))
}

/// The line about an answer.
fn line_of(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let mut clock = clock(json!({}));
    let (id, _) = clock.next_call();
    clock.answer_with(id, status, headers, body.as_bytes());
    clock.tick_for(400);
    let mut lines = clock.lines();
    assert_eq!((lines.len(), clock.sources.counts().failed), (1, 1), "{lines:?}");
    let line = lines.remove(0);
    line.strip_prefix("source scrape[0] failed, leaving a gap in its metrics: ").unwrap().to_owned()
}

/// The line about a request without an answer, so many milliseconds after it.
fn line_of_missing(reason: &str, millis: u64) -> String {
    let mut clock = clock(json!({}));
    let (id, _) = clock.next_call();
    clock.millis += millis;
    clock.respond(id, Response::Missing(reason.to_owned()));
    let line = clock.lines().remove(0);
    line.strip_prefix("source scrape[0] failed, leaving a gap in its metrics: ").unwrap().to_owned()
}

#[test]
fn a_redirect_on_the_same_host_is_followed_once() {
    for location in ["/metrics/?a=1", "http://shop-metrics/metrics/?a=1"] {
        let mut clock = clock(json!({}));
        for _ in 0..3 {
            let (id, call) = clock.next_call();
            assert_eq!(header(&call, ":path"), "/metrics");
            clock.answer_with(id, 307, &[("location", location)], b"");
            let (id, call) = clock.next_call();
            assert_eq!([":path", ":authority"].map(|name| header(&call, name)), ["/metrics/?a=1", "shop-metrics"]);
            clock.answer(id, "a 1\n");
            assert_eq!(clock.tick_for(400), [told("a None", 1.0, 1.0)]);
        }
        let lines = clock.lines();
        assert!(lines.len() == 1 && lines[0].ends_with("; set path to it"), "{lines:?}");
        assert!(!lines[0].contains("a=1"));
    }
    // It is not followed for ever.
    let mut clock = clock(json!({}));
    for _ in 0..2 {
        let (id, _) = clock.next_call();
        clock.answer_with(id, 301, &[("location", "/again")], b"");
    }
    assert!(clock.lines()[0].ends_with("it redirects again, with status 301 to /again; set path"));
    assert_eq!(clock.sources.counts().failed, 1);
    let (_, call) = clock.next_call();
    assert_eq!(header(&call, ":path"), "/metrics");
}

#[test]
fn a_redirect_elsewhere_is_named() {
    let line = line_of(302, &[("location", "https://sso.example.com/login?state=secret")], "");
    assert!(line.starts_with("it redirects with status 302 to https://sso.example.com/login, and only"), "{line}");
    assert!(line.contains("http://shop-metrics"));
    assert_eq!(line_of(301, &[], ""), "it answers with status 301 and no location");
}

#[test]
fn the_host_is_a_legal_name_and_is_named_when_it_is_refused() {
    let mut clock = clock(json!({}));
    let (_, call) = clock.next_call();
    assert_eq!(header(&call, ":authority"), "shop-metrics");
    let line = line_of(400, &[], "<title>Bad Request</title>\r\n");
    assert_eq!(
        line,
        "it answers with status 400 (asked for /metrics of the host shop-metrics): <title>Bad Request</title>"
    );
}

#[test]
fn what_is_no_prometheus_text_is_named() {
    let line = line_of(200, &[("content-type", "text/html")], "<html>\n<body>\n</html>\n");
    assert_eq!(line, "the answer is not Prometheus text: it starts with \"<html> <body> </html>\"");
    let line = line_of(200, &[], "{\"status\":\"success\"}\n");
    assert_eq!(line, "the answer is not Prometheus text: it starts with \"{\"status\":\"success\"}\"");
}

#[test]
fn a_port_that_speaks_tls_is_named() {
    let tls = "; if the port speaks TLS, give the cluster a transport_socket";
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
fn requests_without_an_answer_are_explained() {
    let mut clock = clock(json!({}));
    let (id, _) = clock.next_call();
    let now = clock.now();
    clock.sources.handle_undispatched(id, "Envoy has no cluster of that name", now);
    let unknown = "cluster_name \"shop_metrics\": Envoy has no cluster of that name";
    assert_eq!(clock.lines(), [format!("source scrape[0] failed, leaving a gap in its metrics: {unknown}")]);
    assert_eq!(clock.sources.counts().failed, 1);
    for reason in ["upstream request timeout", "the answer broke off"] {
        assert_eq!(line_of_missing(reason, 1_000), format!("no whole answer within 1000 ms: {reason}"));
    }
    assert_eq!(line_of_missing("no healthy upstream", 0), "no healthy upstream");
}

#[test]
fn rules_that_match_nothing_and_labels_that_nothing_has_are_named_once() {
    let page = "# TYPE http_requests_total counter\nhttp_requests_total{code=\"200\"} 1\n# TYPE lat histogram\n\
        lat_bucket{le=\"1\"} 1\nlat_sum 1\nlat_count 1\nup 1\n";
    let mut clock = clock(json!({ "rules": [
        { "metric": "up" },
        { "metric": "http_requests" },
        { "metric": "lat_count" },
        { "metric": "http_requests_total", "dimensions": { "Code": { "label": "cod" } } },
        { "metric": "mem_*" },
    ] }));
    assert_eq!(
        clock.rounds([page; 3]),
        [[told("up None", 1.0, 1.0)], [told("up None", 1.0, 1.0)], [told("up None", 1.0, 1.0)]]
    );
    let expected = [
        "scrape[0]: rules[3].dimensions.Code: no series of \"http_requests_total\" has a label \"cod\"; did you \
         mean \"code\"?",
        "scrape[0]: the answer has no metric for rules[1] \"http_requests\" (did you mean \
         \"http_requests_total\"?), rules[2] \"lat_count\" (did you mean \"lat\"?), rules[4] \"mem_*\"",
    ];
    assert_eq!(clock.lines(), expected);
}

#[test]
fn more_series_than_the_limit_are_named_once() {
    let page: String = (0..1_500).map(|n| format!("a{{n=\"{n}\"}} 1\n")).collect();
    let mut clock = clock(json!({ "rules": [{ "metric": "a", "dimensions": { "N": { "label": "n" } } }] }));
    let published = clock.rounds([&page; 3]);
    assert_eq!(published.map_len(), [1_000; 3]);
    let lines = clock.lines();
    assert!(lines.len() == 1 && lines[0].contains("more than max_series (1000) series that rules want"), "{lines:?}");
    assert_eq!(clock.sources.counts().over_limit, 1_500);
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
fn each_endpoint_has_its_own_lines() {
    let scrape =
        |cluster: &str| json!({ "cluster_name": cluster, "interval_millisecond": 1_000, "rules": [{ "metric": "a" }] });
    let mut clock = Clock::new(json!([scrape("a"), scrape("b"), scrape("c")]));
    let mut limiter = Limiter::default();
    let mut lines = Vec::new();
    for second in 0..30 {
        clock.tick_for(1_000);
        for (id, call) in std::mem::take(&mut clock.calls) {
            match call.cluster.as_str() {
                "c" => clock.answer(id, "a 1\n"),
                "b" if second >= 10 => clock.answer(id, "a 1\n"),
                cluster => clock.respond(id, Response::Missing(format!("{cluster} is down"))),
            }
        }
        let now = clock.now().steady;
        lines.extend(clock.notices().iter().filter_map(|notice| limiter.line(notice, now)));
    }
    let expected = [
        "source scrape[0] failed, leaving a gap in its metrics: a is down",
        "source scrape[1] failed, leaving a gap in its metrics: b is down",
        "source scrape[1] answers again",
    ];
    assert_eq!(lines, expected);
}
