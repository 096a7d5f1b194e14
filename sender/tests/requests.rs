//! The series and values that a sender records for requests, and what it reads of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use sender::{HeaderPhase, Sender, ValueCounts};

use crate::support::{at, end_request, expected, headers, reader, send, send_with, sender, sums};

#[test]
fn requests_to_matching_hosts_are_counted_by_host_method_path_and_status() {
    let mut sender = sender(r#", "match_hosts": ["example.com"]"#);
    send(&mut sender, b"Example.com:18000", b"/test?x=1", Some(200));
    send(&mut sender, b"example.com", b"/test", Some(200));
    send(&mut sender, b"example.com", b"/test", Some(503));
    send(&mut sender, b"example.com", b"/test", None);
    send(&mut sender, b"localhost:18000", b"/test", Some(200));
    sender.flush(at(1));
    let counts = [
        ("RequestCount example.com GET /test 0", 1.0),
        ("RequestCount example.com GET /test 200", 2.0),
        ("RequestCount example.com GET /test 503", 1.0),
    ];
    assert_eq!(sums(&sender.take_records()), expected(counts));
    assert_eq!(sender.take_counts(), ValueCounts { observed: 4, enqueued: 4, ..ValueCounts::default() });
    sender.flush(at(2));
    assert!(sender.take_records().is_empty());
}

#[test]
fn malformed_headers_become_values_that_cloudwatch_accepts() {
    let mut sender = sender("");
    send(&mut sender, b"\xff\x00\x01", b"/\x7f", Some(200));
    send(&mut sender, b"", b"", Some(400));
    send(&mut sender, b"h", &[b'/'; 60 * 1024], Some(200));
    sender.flush(at(1));
    let long = format!("RequestCount h GET {} 200", "/".repeat(1024));
    let series = ["RequestCount %FF%00%01 GET /%7F 200", "RequestCount - GET - 400", &long];
    assert_eq!(sums(&sender.take_records()), expected(series.map(|series| (series, 1.0))));
}

#[test]
fn each_request_counts_once_in_each_set_for_which_it_has_all_values() {
    let mut sender = sender(
        r#", "metrics": ["RequestCount", "5XXError"],
            "dimensions": {"Service": "checkout", "Tenant": {"request_header": "x-tenant"},
                "Zone": {"request_header": "x-zone", "default": "none"}, "Code": {"property": "response.code"}},
            "dimension_sets": [[], ["Service"], ["Tenant", "status_class"], ["Zone", "route"], ["Code"]]"#,
    );
    let mut tenant = headers(b"example.com", b"/");
    tenant.push((b"x-tenant", b"blue"));
    let code = 500i64.to_le_bytes();
    send_with(&mut sender, &tenant, &[("response\0code", &code), ("xds\0route_name", b"main")]);
    send_with(&mut sender, &headers(b"example.com", b"/"), &[("response\0code", &200i64.to_le_bytes())]);
    send_with(&mut sender, &headers(b"example.com", b"/"), &[]);
    sender.flush(at(1));
    let counts = [
        ("RequestCount", 3.0),
        ("5XXError", 1.0),
        ("RequestCount checkout", 3.0),
        ("5XXError checkout", 1.0),
        ("RequestCount blue 5XX", 1.0),
        ("5XXError blue 5XX", 1.0),
        ("RequestCount none main", 1.0),
        ("5XXError none main", 1.0),
        ("RequestCount 500", 1.0),
        ("5XXError 500", 1.0),
        ("RequestCount 200", 1.0),
        ("5XXError 200", 0.0),
    ];
    assert_eq!(sums(&sender.take_records()), expected(counts));
    assert_eq!(sender.take_counts().observed, 20);
}

/// Returns the names of the headers and attributes that the sender reads for one request.
fn reads(rest: &str, host: &[u8], content_type: &[u8], phase: HeaderPhase) -> Vec<String> {
    let mut sender = sender(rest);
    let mut headers = headers(host, b"/");
    headers.push((b"content-type", content_type));
    let names = std::cell::RefCell::new(Vec::new());
    let mut header = reader(&headers);
    let recording_header = |name: &str| {
        names.borrow_mut().push(name.to_owned());
        header(name)
    };
    if let Some(request) = sender.start_request(recording_header, phase) {
        sender.end_request(request, |path| {
            names.borrow_mut().push(path.replace('\0', "."));
            None
        });
    }
    names.into_inner()
}

#[test]
fn the_sender_reads_only_what_the_configuration_needs() {
    let read = |rest: &str| reads(rest, b"example.com", b"text/plain", HeaderPhase::Arrival);
    assert_eq!(read(""), [":authority", ":method", ":path", "response.code"]);
    assert_eq!(read(r#", "dimension_sets": [["host"]]"#), [":authority"]);
    let sets = r#", "normalize_path": true, "dimensions": { "tenant": { "request_header": "x-tenant" } },
        "dimension_sets": [["path", "path_template"], ["path", "tenant"]]"#;
    assert_eq!(read(sets), [":authority", ":path", "x-tenant"]);
    let rest = r#", "metrics": ["GrpcError", "Latency", "HTTPCode_Target_5XX_Count"],
        "dimension_sets": [["host", "route"], ["route", "status"]]"#;
    let headers = [":authority", "content-type"];
    let attributes = ["response.code", "request.duration", "response.backend_latency"];
    let expected = |more: &[&'static str]| [&headers, &attributes[..], more].concat();
    assert_eq!(read(rest), expected(&["xds.route_name"]));
    let grpc = reads(rest, b"example.com", b"application/grpc", HeaderPhase::Arrival);
    assert_eq!(grpc, expected(&["response.grpc_status", "xds.route_name"]));
}

#[test]
fn a_host_that_does_not_match_costs_one_read_as_a_filter_and_two_as_an_access_logger() {
    let read = |phase| reads(r#", "match_hosts": ["example.org"]"#, b"example.com", b"", phase);
    assert_eq!(read(HeaderPhase::Arrival), [":authority"]);
    assert_eq!(read(HeaderPhase::End), ["x-envoy-original-host", ":authority"]);
}

#[test]
fn paths_are_counted_by_template_or_in_normalized_form() {
    let dimensions = r#""dimension_sets": [["path_template"]]"#;
    let mut by_template = sender(&format!(r#", {dimensions}, "path_templates": ["/users/{{id}}"]"#));
    let mut normalized = sender(&format!(r#", {dimensions}, "normalize_path": true"#));
    for path in ["/users/1?x", "/users/2", "/shops/3"] {
        send(&mut by_template, b"h", path.as_bytes(), None);
        send(&mut normalized, b"h", path.as_bytes(), None);
    }
    by_template.flush(at(1));
    normalized.flush(at(1));
    let counts = [("RequestCount /users/{id}", 2.0), ("RequestCount other", 1.0)];
    assert_eq!(sums(&by_template.take_records()), expected(counts));
    let counts = [("RequestCount /users/{id}", 2.0), ("RequestCount /shops/{id}", 1.0)];
    assert_eq!(sums(&normalized.take_records()), expected(counts));
}

#[test]
fn all_sets_share_the_limit_of_series_and_each_set_keeps_its_total() {
    let mut sender = sender(r#", "max_series": 5, "dimension_sets": [["path"], ["host"], []]"#);
    for n in 0..100 {
        send(&mut sender, b"h", format!("/{}", n % 10).as_bytes(), None);
    }
    sender.flush(at(1));
    let sums = sums(&sender.take_records());
    assert_eq!(sums["RequestCount h"], 100.0);
    assert_eq!(sums["RequestCount"], 100.0);
    assert_eq!(sums["RequestCount __other__"], 70.0);
    assert_eq!(sums.len(), 6);
}

#[test]
fn requests_in_flight_are_sampled_in_sets_whose_values_are_known_at_the_start() {
    let mut sender = sender(
        r#", "metrics": ["RequestCount", "RequestsInProgress", "ConcurrencyUtilization"], "concurrency": 8,
            "dimension_sets": [["host", "status"], ["host"]]"#,
    );
    assert!(sender.tracks_in_flight());
    let start = |sender: &mut Sender, second| {
        let headers = headers(b"h", b"/");
        let mut request = sender.start_request(reader(&headers), HeaderPhase::Arrival).unwrap();
        sender.track_in_flight(&mut request, at(second).wall);
        request
    };
    let (first, second) = (start(&mut sender, 0), start(&mut sender, 1));
    for (request, end) in [(first, 2), (second, 4)] {
        sender.untrack_in_flight(&request, at(end).wall);
        end_request(&mut sender, request, &[]);
    }
    sender.flush(at(5));
    let records = sender.take_records();
    // The samples of the seconds 0 to 4 are 1, 2, 1, 1, 0.
    let totals = [
        ("RequestCount h 0", 2.0),
        ("RequestCount h", 2.0),
        ("RequestsInProgress h", 5.0),
        ("ConcurrencyUtilization h", 62.5),
    ];
    assert_eq!(sums(&records), expected(totals));
    assert_eq!(sender.take_counts(), ValueCounts { observed: 4, enqueued: 4, ..ValueCounts::default() });

    // Samples of several workers for the same second are added, also when a sender takes them back from the queue.
    for record in &records {
        sender.take_back(record).unwrap();
    }
    let request = start(&mut sender, 5);
    sender.stop_tracking_in_flight();
    assert!(!sender.tracks_in_flight());
    sender.untrack_in_flight(&request, at(6).wall);
    end_request(&mut sender, request, &[]);
    sender.flush(at(7));
    let totals = sums(&sender.take_records());
    assert_eq!((totals["RequestsInProgress h"], totals["RequestCount h"]), (5.0, 3.0));
}
