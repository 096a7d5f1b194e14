//! The driver against an OTLP endpoint and a CloudWatch, in virtual time. OpenTelemetry's own messages decode the
//! requests.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that traps has failed, in its helpers too"
)]

#[path = "otlp/cumulative.rs"]
mod cumulative;
#[path = "otlp/ecs_resource.rs"]
mod ecs_resource;
#[path = "otlp/world.rs"]
mod world;

use std::collections::{BTreeMap, HashMap};

use acpw_metric::{
    Accumulator, DataKind, Distribution, Entity, EntityText, Metric, Namespace, Origin, PeriodKey, PublishTo,
    Timestamp, Unit,
};
use acpw_shared_state::FlushDone;
use log::Level;
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use proptest::prelude::*;
use prost::Message as _;
use receiver::{Counts, PublishAnswer, otlp::ExportAnswer};

use world::{
    Endpoint, START, Stored, World, accept, assert_no_overlap, dimensions, fail, metric, percentile, response,
};

#[test]
fn totals_are_exact_and_percentiles_within_the_error_by_both_services() {
    let mut world = World::new("");
    let mut latencies = Vec::new();
    let mut random = 1u64;
    for second in 0..300u64 {
        let values: Vec<f64> = (0..20)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                1.0 + (random >> 40) as f64 % 600.0
            })
            .collect();
        world.observe("Latency", Unit::MILLISECONDS, "/a", &values);
        world.observe("RequestCount", Unit::COUNT, "/a", &[1.0; 20]);
        world.observe("ResponseBytes", Unit::BYTES, "/a", &[1_000.0 + second as f64]);
        latencies.push((second / 60, values));
        world.run(1_000);
    }
    world.run(200_000);
    let sum: f64 = latencies.iter().flat_map(|(_, values)| values).sum();
    assert_eq!(world.cloudwatch["Latency"], (6_000.0, sum));
    let (count, seconds) = world.total("http.server.request.duration");
    assert!(count == 6_000.0 && (seconds * 1_000.0 / sum - 1.0).abs() < 1e-12, "{count} {seconds}");
    assert_eq!((world.total("RequestCount").1, world.cloudwatch["RequestCount"].1), (6_000.0, 6_000.0));
    assert_eq!(world.total("ResponseBytes"), world.cloudwatch["ResponseBytes"]);
    // One data point for each series and minute, although CloudWatch got some minutes in two parts.
    assert_eq!(world.points("http.server.request.duration").count(), 5);
    for point in world.points("http.server.request.duration") {
        let minute = (point.start / 1_000_000_000 - START) / 60;
        assert_eq!(point.time - point.start, 60_000_000_000);
        let mut values: Vec<f64> =
            latencies.iter().filter(|(of, _)| *of == minute).flat_map(|(_, values)| values.clone()).collect();
        values.sort_by(f64::total_cmp);
        assert_eq!((point.unit.as_str(), point.min, point.max), ("s", values[0] / 1e3, values[values.len() - 1] / 1e3));
        for p in [1.0, 50.0, 90.0, 99.0, 99.9] {
            let exact = values[((p / 100.0 * values.len() as f64).ceil() as usize).max(1) - 1] / 1_000.0;
            let ratio = percentile(point, p) / exact;
            assert!(ratio.max(1.0 / ratio) <= 1.034, "p{p}: {ratio}");
        }
    }
    assert_no_overlap(&world.stored);
    assert!(world.lines.iter().all(|(level, _)| *level > Level::Warn), "{:?}", world.lines);
}

#[test]
fn names_attributes_and_resources_follow_the_conventions() {
    let mut world = World::with_otlp("", r#", "resource_attributes": {"k8s.pod.name": "pod-1"}"#);
    let entity = Entity {
        service: EntityText::new("checkout").unwrap(),
        environment: EntityText::new("eks:production").unwrap(),
    };
    let origin = Origin { entity: Some(entity), ..Origin::default() };
    let key = |metric: &Metric, origin: &Origin| {
        PeriodKey::new(Timestamp::from_secs(START), DataKind::OBSERVED, origin.clone(), metric)
    };
    let mut one = Distribution::new();
    one.record(2.0);
    let mut data = Accumulator::default();
    let all = dimensions(&[
        ("host", "shop.example.com"),
        ("method", "GET"),
        ("path_template", "/users/{id}"),
        ("status", "200"),
        ("Tenant", "t"),
    ]);
    for (name, unit) in [
        ("Latency", Unit::MILLISECONDS),
        ("RequestsInProgress", Unit::COUNT),
        ("BufferSize", Unit::BYTES),
        ("RequestBodySize", Unit::BYTES),
        ("4XXError", Unit::COUNT),
        ("TargetResponseTime", Unit::MILLISECONDS),
    ] {
        let metric = metric(name, unit);
        data.file(key(&metric, &origin), &all, &metric, &one);
    }
    let posted = Origin { namespace: Some(Namespace::new("Shop").unwrap()), ..Origin::default() };
    let orders = metric("Orders", Unit::COUNT);
    data.file(key(&orders, &posted), &dimensions(&[("method", "card")]), &orders, &one);
    let set = Distribution::statistic_set(2.5, 10.0, 1.0, 7.0).unwrap();
    let sizes = metric("Sizes", Unit::BYTES);
    data.file(key(&sizes, &posted), &dimensions(&[]), &sizes, &set);
    world.deliver_all(data);
    world.run(200_000);

    let point = |name: &str| world.points(name).next().unwrap_or_else(|| panic!("{name}")).clone();
    let attributes: BTreeMap<String, String> = [
        ("server.address", "shop.example.com"),
        ("http.request.method", "GET"),
        ("http.route", "/users/{id}"),
        ("http.response.status_code", "int 200"),
        ("Tenant", "t"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, unit, kind, value) in [
        ("http.server.request.duration", "s", "exponential histogram", 0.002),
        ("http.server.active_requests", "{request}", "gauge", 2.0),
        ("http.server.active_requests.max", "{request}", "gauge", 2.0),
        ("http.server.response.body.size", "By", "exponential histogram", 2.0),
        ("http.server.request.body.size", "By", "exponential histogram", 2.0),
        ("4XXError", "1", "sum", 2.0),
        ("TargetResponseTime", "ms", "exponential histogram", 2.0),
    ] {
        let point = point(name);
        assert_eq!((point.unit.as_str(), point.kind, point.sum), (unit, kind, value), "{name}");
        assert_eq!(point.attributes, attributes, "{name}");
        let resource = |name: &str| point.resource.get(name).map(String::as_str);
        assert_eq!(resource("service.name"), Some("checkout"));
        assert_eq!(resource("deployment.environment.name"), Some("eks:production"));
        assert_eq!(resource("k8s.pod.name"), Some("pod-1"));
        assert_eq!((resource("cloud.provider"), resource("cloud.region")), (Some("aws"), Some("us-east-1")));
    }
    let orders = point("Orders");
    assert_eq!((orders.kind, orders.attributes["method"].as_str()), ("exponential histogram", "card"));
    assert_eq!(orders.attributes["cloudwatch.namespace"], "Shop");
    assert_eq!(orders.resource["service.name"], "unknown_service:envoy");
    let sizes = point("Sizes");
    assert_eq!((sizes.kind, sizes.count, sizes.sum, sizes.min, sizes.max), ("histogram", 3.0, 10.0, 1.0, 7.0));
}

#[test]
fn with_the_naming_of_cloudwatch_nothing_is_renamed() {
    let mut world = World::with_otlp("", r#", "naming": "cloudwatch""#);
    world.observe("Latency", Unit::MILLISECONDS, "/a", &[5.0]);
    world.run(200_000);
    let point = world.points("Latency").next().unwrap();
    assert_eq!((point.unit.as_str(), point.sum, point.attributes["path"].as_str()), ("ms", 5.0, "/a"));
}

#[test]
fn an_outage_of_three_minutes_loses_nothing_on_either_service() {
    for (is_otlp_down, is_cloudwatch_down) in [(true, true), (true, false), (false, true)] {
        let mut world = World::new(r#", "publish_interval_millisecond": 10000"#);
        for second in 0..400u64 {
            let is_outage = (60..240).contains(&second);
            world.endpoint = if is_outage && is_otlp_down { fail } else { accept };
            world.is_cloudwatch_up = !(is_outage && is_cloudwatch_down);
            world.observe("RequestCount", Unit::COUNT, "/a", &[1.0, 1.0, 1.0]);
            world.observe("Latency", Unit::MILLISECONDS, "/b", &[second as f64 + 1.0]);
            world.run(1_000);
            if second == 230 {
                // A service that is up is not behind.
                let (counts, now) = (world.counts, world.now());
                let snapshot = world.driver.receiver().snapshot(now);
                assert_eq!(snapshot.otlp_seconds_since_success > 100, is_otlp_down);
                assert_eq!(snapshot.seconds_since_success > 100, is_cloudwatch_down);
                assert_eq!(counts.otlp_published < 500, is_otlp_down, "{counts:?}");
                assert_eq!(counts.published < 500, is_cloudwatch_down, "{counts:?}");
            }
        }
        world.run(120_000);
        assert_eq!((world.total("RequestCount").1, world.cloudwatch["RequestCount"].1), (1_200.0, 1_200.0));
        assert_eq!((world.total("http.server.request.duration").0, world.cloudwatch["Latency"].0), (400.0, 400.0));
        assert_eq!((world.counts.otlp_dropped(), world.counts.dropped()), (0, 0));
        assert_eq!(world.counts.otlp_published, 1_600);
        assert_eq!(world.counts.otlp_retried > 0, is_otlp_down);
        if !is_otlp_down {
            assert_no_overlap(&world.stored);
        }
    }
}

#[test]
fn the_parts_of_a_minute_do_not_overlap() {
    let mut world = World::new(r#", "publish_interval_millisecond": 7000"#);
    for second in 0..150u64 {
        world.observe("RequestCount", Unit::COUNT, if second % 3 == 0 { "/a" } else { "/b" }, &[1.0]);
        world.run(1_000);
    }
    world.run(60_000);
    assert!(world.points("RequestCount").count() > 30);
    assert_eq!(world.total("RequestCount").1, 150.0);
    assert_no_overlap(&world.stored);
}

#[test]
fn data_with_a_later_time_are_not_held_until_then() {
    let mut world = World::new("");
    let metric = metric("Forecast", Unit::COUNT);
    let mut one = Distribution::new();
    one.record(1.0);
    let posted = Origin { namespace: Some(Namespace::new("Shop").unwrap()), ..Origin::default() };
    let hour = Timestamp::from_secs(START + 3_600);
    world.deliver(PeriodKey::new(hour, DataKind::STATED, posted, &metric), "/a", &metric, &one);
    world.run(130_000);
    assert_eq!(world.total("Forecast"), (1.0, 1.0));
}

#[test]
fn a_request_that_is_too_large_is_split_and_a_point_that_is_refused_is_dropped() {
    fn small(points: &[Stored], _: usize, _: &World) -> ExportAnswer {
        if points.len() > 10 { response(413, &[], b"") } else { response(200, &[], b"") }
    }
    let mut world = World::new("");
    for n in 0..100 {
        world.observe("RequestCount", Unit::COUNT, &format!("/{n}"), &[1.0]);
    }
    world.endpoint = small;
    world.run(200_000);
    assert_eq!((world.total("RequestCount").1, world.counts.otlp_dropped()), (100.0, 0));
    assert!(world.counts.otlp_retried > 0);

    fn picky(points: &[Stored], _: usize, _: &World) -> ExportAnswer {
        let is_bad = points.iter().any(|point| point.attributes["url.path"] == "/13");
        if is_bad { response(400, &[], b"bad point") } else { response(200, &[], b"") }
    }
    let mut world = World::new("");
    for n in 0..100 {
        world.observe("RequestCount", Unit::COUNT, &format!("/{n}"), &[1.0]);
    }
    world.endpoint = picky;
    world.run(200_000);
    assert_eq!((world.total("RequestCount").1, world.counts.otlp_dropped_rejected), (99.0, 1));
    assert_eq!(world.counts.otlp_dropped(), 1);
    assert!(world.has_line("otlp: dropped 1 values (rejected)"), "{:?}", world.lines);
    assert_eq!(world.cloudwatch["RequestCount"].1, 100.0);
}

#[test]
fn an_endpoint_that_refuses_everything_costs_three_points_and_no_more() {
    fn refuse(_: &[Stored], _: usize, _: &World) -> ExportAnswer {
        response(400, &[], b"unknown tenant")
    }
    let mut world = World::new("");
    for n in 0..100 {
        world.observe("RequestCount", Unit::COUNT, &format!("/{n}"), &[1.0]);
    }
    world.endpoint = refuse;
    world.run(300_000);
    assert_eq!((world.counts.otlp_dropped(), world.driver.receiver().otlp_held()), (3, 97));
    assert!(world.has_line("refused one data point after the other"));
    let requests = world.requests.len();
    world.run(100_000);
    assert!(world.requests.len() - requests < 30, "the requests back off");
    world.endpoint = accept;
    world.run(100_000);
    assert_eq!((world.total("RequestCount").1, world.driver.receiver().otlp_held()), (97.0, 0));
}

#[test]
fn no_request_exceeds_its_limits() {
    let mut world = World::with_otlp("", r#", "max_request_bytes": 65536, "max_data_points": 150"#);
    for n in 0..1_000 {
        let path = format!("/{n}/{}", "x".repeat(n % 900));
        world.observe("Latency", Unit::MILLISECONDS, &path, &[1.0, n as f64, 500.0, 10_000.0]);
    }
    fn check(points: &[Stored], length: usize, _: &World) -> ExportAnswer {
        assert!(length <= 65_536 && points.len() <= 150, "{length} {}", points.len());
        response(200, &[], b"")
    }
    world.endpoint = check;
    world.run(200_000);
    assert_eq!(world.total("http.server.request.duration").0, 4_000.0);
    assert!(world.requests.len() >= 7);
}

#[test]
fn rejected_data_points_are_counted_and_logged() {
    fn partial(points: &[Stored], _: usize, world: &World) -> ExportAnswer {
        let rejected_data_points = match world.requests.len() {
            0 => 2,
            1 => 0,
            _ => points.len() as i64,
        };
        let partial_success =
            Some(ExportMetricsPartialSuccess { rejected_data_points, error_message: "out of order".to_owned() });
        response(200, &[], &ExportMetricsServiceResponse { partial_success }.encode_to_vec())
    }
    let mut world = World::new("");
    world.endpoint = partial;
    for expected in [(5, 0, 2), (5, 0, 2), (5, 5, 7)] {
        for n in 0..5 {
            world.observe("RequestCount", Unit::COUNT, &format!("/{n}"), &[1.0]);
        }
        world.run(180_000);
        let Counts { otlp_dropped_partial_success, otlp_dropped_rejected, otlp_rejected_data_points, .. } =
            world.counts;
        assert_eq!((otlp_dropped_partial_success, otlp_dropped_rejected, otlp_rejected_data_points), expected);
    }
    assert_eq!((world.counts.otlp_published, world.counts.otlp_requests), (5, 3));
    assert!(world.has_line("otlp: the endpoint rejected 2 of 5 data points of a request: out of order"));
    assert!(world.has_line("otlp: the endpoint accepted a request with a warning: out of order"));
}

#[test]
fn throttling_and_retry_after_are_obeyed() {
    fn throttle(_: &[Stored], _: usize, world: &World) -> ExportAnswer {
        let status = if world.requests.is_empty() { 429 } else { 200 };
        response(status, &[("retry-after", "40")], b"")
    }
    let mut world = World::new("");
    world.endpoint = throttle;
    world.observe("RequestCount", Unit::COUNT, "/a", &[1.0]);
    while world.requests.is_empty() {
        world.step();
    }
    let first = world.millis;
    while world.requests.len() < 2 {
        world.step();
    }
    assert!((40_000..41_000).contains(&(world.millis - first)), "{}", world.millis - first);
    assert_eq!((world.counts.otlp_throttled, world.counts.otlp_retried, world.counts.throttled), (1, 1, 0));
    assert_eq!(world.total("RequestCount").1, 1.0);
}

#[test]
fn requests_are_signed_or_carry_the_token_and_the_headers() {
    let mut world = World::with_otlp("", r#", "headers": {"X-Tenant": "TOPSECRET-tenant"}"#);
    world.observe("RequestCount", Unit::COUNT, "/a", &[1.0]);
    world.run(150_000);
    assert_eq!(world.header(":path").unwrap(), "/v1/metrics");
    assert_eq!(world.header(":authority").unwrap(), "monitoring.us-east-1.amazonaws.com");
    assert_eq!(world.header("content-type").unwrap(), "application/x-protobuf");
    assert_eq!(world.header("content-encoding").unwrap(), "gzip");
    assert_eq!(world.header("x-tenant").unwrap(), "TOPSECRET-tenant");
    assert!(world.header("authorization").unwrap().contains("/us-east-1/monitoring/aws4_request"));
    assert!(!format!("{:?} {:?}", world.requests, world.driver).contains("TOPSECRET"));

    // Neither credentials nor a region are needed.
    let mut world = World::of(
        r#"{"publish_to": ["otlp"], "otlp": {"cluster_name": "collector",
            "host": "collector:4318", "path": "/otlp/v1/metrics", "signing": "bearer", "bearer_token": "TOPSECRET"}}"#,
    );
    world.observe("RequestCount", Unit::COUNT, "/a", &[1.0]);
    world.run(150_000);
    assert_eq!(world.requests.last().unwrap().cluster, "collector");
    assert_eq!(world.header(":authority").unwrap(), "collector:4318");
    assert_eq!(world.header(":path").unwrap(), "/otlp/v1/metrics");
    assert_eq!(world.header("authorization").unwrap(), "Bearer TOPSECRET");
    assert!(!format!("{:?}", world.driver).contains("TOPSECRET"));
    assert!(world.cloudwatch.is_empty() && world.counts.received == 0);
    assert!(world.lines.iter().all(|(level, _)| *level > Level::Warn), "{:?}", world.lines);
}

#[test]
fn a_wrong_path_and_refused_credentials_hold_the_data() {
    fn missing(_: &[Stored], _: usize, _: &World) -> ExportAnswer {
        response(404, &[], b"no route")
    }
    fn deny(_: &[Stored], _: usize, _: &World) -> ExportAnswer {
        response(403, &[], br#"{"__type":"UnrecognizedClientException","message":"who"}"#)
    }
    fn page(_: &[Stored], _: usize, _: &World) -> ExportAnswer {
        response(204, &[], b"<html>")
    }
    for (endpoint, line) in [
        (missing as Endpoint, "status 404 and did not accept the data"),
        (deny, "the endpoint rejected the credentials"),
        (page, "status 204 and did not accept the data"),
    ] {
        let mut world = World::new("");
        world.endpoint = endpoint;
        world.observe("RequestCount", Unit::COUNT, "/a", &[1.0]);
        world.run(300_000);
        assert!(world.has_line(line), "{:?}", world.lines);
        assert!((3..10).contains(&world.requests.len()), "one every 30 s, not {}", world.requests.len());
        assert!(world.counts.otlp_denied >= 3 && world.counts.otlp_dropped() == 0);
        assert_eq!(world.cloudwatch["RequestCount"].1, 1.0);
        world.endpoint = accept;
        world.run(40_000);
        assert_eq!(world.total("RequestCount").1, 1.0);
    }
}

#[test]
fn an_unknown_outcome_is_retried_or_dropped_as_configured() {
    fn silent(_: &[Stored], _: usize, world: &World) -> ExportAnswer {
        if world.requests.is_empty() {
            let reason = "stream timeout".to_owned();
            return ExportAnswer { answer: PublishAnswer::Missing { may_be_stored: true, reason }, partial: None };
        }
        response(200, &[], b"")
    }
    for (extra, stored, dropped) in [("", 1.0, 0), (r#", "on_unknown_outcome": "drop""#, 0.0, 1)] {
        let mut world = World::new(extra);
        world.endpoint = silent;
        world.observe("RequestCount", Unit::COUNT, "/a", &[1.0]);
        world.run(150_000);
        assert_eq!((world.total("RequestCount").1, world.counts.otlp_dropped_unknown_outcome), (stored, dropped));
        assert_eq!((world.counts.otlp_unknown_outcome, world.counts.unknown_outcome), (1, 0));
    }
}

#[test]
fn a_sender_chooses_the_service_of_its_metrics() {
    let mut world = World::new(r#", "publish_to": ["cloudwatch"]"#);
    for (publish_to, name) in [
        (None, "Default"),
        (Some(PublishTo::CLOUDWATCH), "Classic"),
        (Some(PublishTo::OTLP), "Modern"),
        (Some(PublishTo::BOTH), "Both"),
    ] {
        let origin = Origin { publish_to, ..Origin::default() };
        world.observe_of(origin, name, Unit::COUNT, "/a", &[1.0]);
    }
    world.run(200_000);
    let mut cloudwatch: Vec<_> = world.cloudwatch.keys().map(String::as_str).collect();
    cloudwatch.sort_unstable();
    assert_eq!(cloudwatch, ["Both", "Classic", "Default"]);
    let mut otlp: Vec<_> = world.stored.iter().map(|point| point.metric.as_str()).collect();
    otlp.sort_unstable();
    assert_eq!(otlp, ["Both", "Modern"]);
    assert_eq!((world.counts.received, world.counts.otlp_received), (3, 2));
}

#[test]
fn a_service_that_is_not_configured_is_replaced_by_one_that_is() {
    let mut world = World::of(
        r#"{"cloud_watch_region": "eu-west-1", "cloud_watch_cluster_name": "c", "aws_access_key_id": "A",
            "aws_secret_access_key": "s"}"#,
    );
    let origin = Origin { publish_to: Some(PublishTo::OTLP), ..Origin::default() };
    world.observe_of(origin, "Modern", Unit::COUNT, "/a", &[1.0]);
    world.run(70_000);
    assert_eq!(world.cloudwatch["Modern"].1, 1.0);
    assert!(world.has_line("its data are published to cloudwatch"));
}

#[test]
fn a_flush_waits_for_both_services() {
    for is_endpoint_slow in [true, false] {
        let mut world = World::new("");
        world.observe("RequestCount", Unit::COUNT, "/a", &[1.0]);
        world.run(400);
        world.is_slow = is_endpoint_slow;
        world.is_cloudwatch_up = is_endpoint_slow;
        world.driver.request_flush(1);
        world.run(20_000);
        assert_eq!(world.driver.take_flushed(), None);
        world.is_slow = false;
        world.is_cloudwatch_up = true;
        while let Some((id, call)) = world.calls.pop_front() {
            world.answer(id, call);
        }
        world.run(25_000);
        assert_eq!(world.driver.take_flushed(), Some(FlushDone { id: 1, held: 0 }));
        assert_eq!((world.total("RequestCount").1, world.cloudwatch["RequestCount"].1), (1.0, 1.0));
        // The rest of the minute follows without overlap.
        world.observe("RequestCount", Unit::COUNT, "/a", &[1.0]);
        world.run(120_000);
        assert_eq!(world.total("RequestCount").1, 2.0);
        assert_no_overlap(&world.stored);
    }
}

#[test]
fn gauges_are_averages_and_maxima_of_all_workers() {
    let mut world = World::new("");
    let metric = metric("RequestsInProgress", Unit::COUNT);
    for second in 0..60u64 {
        for _worker in 0..2 {
            let mut share = Distribution::new();
            share.record(if second == 30 { 5.0 } else { 1.0 });
            let key = PeriodKey::new(world.now().wall, DataKind::GAUGE_SHARE, Origin::default(), &metric);
            world.deliver(key, "/a", &metric, &share);
        }
        world.run(1_000);
    }
    world.run(180_000);
    let value = |name: &str| world.points(name).map(|point| (point.kind, point.sum)).collect::<Vec<_>>();
    assert_eq!(value("http.server.active_requests"), [("gauge", (59.0 * 2.0 + 10.0) / 60.0)]);
    assert_eq!(value("http.server.active_requests.max"), [("gauge", 10.0)]);
    assert_eq!(world.counts.otlp_published, 60);
}

#[test]
fn a_wrong_clock_is_corrected_by_aws_only() {
    fn dated(_: &[Stored], _: usize, world: &World) -> ExportAnswer {
        // AWS's clock is two minutes ahead.
        let seconds = START + world.millis / 1_000 + 120;
        let date = chrono::DateTime::from_timestamp(seconds as i64, 0).unwrap();
        let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let headers = [("date", date.as_str()), ("x-amzn-requestid", "6d0d1b6a")];
        let is_of_aws = world.endpoint as *const () == dated as *const ();
        response(200, if is_of_aws { &headers } else { &headers[..1] }, b"")
    }
    fn collector(points: &[Stored], length: usize, world: &World) -> ExportAnswer {
        dated(points, length, world)
    }
    for (endpoint, shift) in [(dated as Endpoint, 120), (collector, 0)] {
        let mut world = World::new(r#", "publish_to": ["otlp"]"#);
        world.endpoint = endpoint;
        world.observe("RequestCount", Unit::COUNT, "/first", &[1.0]);
        world.run(70_000);
        world.observe("RequestCount", Unit::COUNT, "/second", &[1.0]);
        world.run(300_000);
        let start = |path: &str| {
            let point = world
                .points("RequestCount")
                .find(|point| {
                    point.attributes.get("path") == Some(&path.to_owned())
                        || point.attributes.get("url.path") == Some(&path.to_owned())
                })
                .unwrap();
            point.start / 1_000_000_000 - START
        };
        assert_eq!((start("/first"), start("/second")), (0, 60 + shift));
    }
}

#[test]
fn data_beyond_the_limit_are_merged_and_then_dropped() {
    let mut world = World::with_otlp(r#", "publish_interval_millisecond": 10000"#, r#", "buffer_limit_bytes": 65536"#);
    world.endpoint = fail;
    for minute in 0..600 {
        for n in 0..5 {
            world.observe("RequestCount", Unit::COUNT, &format!("/{n}"), &[1.0]);
        }
        assert!(world.driver.receiver().snapshot(world.now()).otlp_held_bytes < 80_000, "{minute}");
        world.run(60_000);
    }
    let dropped = world.counts.otlp_dropped_buffer_full;
    assert!(world.has_line("otlp.buffer_limit_bytes is reached; other lines say why nothing is published"));
    assert!(dropped < 1_500, "{dropped}");
    world.endpoint = accept;
    world.run(120_000);
    assert_eq!(world.total("RequestCount").1 as u64 + dropped, 3_000);
    assert_eq!(world.cloudwatch["RequestCount"].1, 3_000.0);
}

#[test]
fn what_an_earlier_receiver_held_is_accounted_for() {
    let mut world = World::new("");
    let totals = Counts { otlp_received: 10, otlp_published: 4, otlp_dropped_rejected: 1, ..Counts::default() };
    world.driver.receiver_mut().account_for_earlier_receivers(|| totals);
    let increments = world.driver.receiver_mut().poll_counters();
    assert_eq!((increments.otlp_dropped_restart, increments.dropped_restart), (5, 0));
}

/// Values, periods and dimensions of a record.
fn any_data() -> impl Strategy<Value = Vec<(u8, u8, u64, Vec<f64>, bool)>> {
    let value = prop_oneof![0.0f64..1e6, (-300i32..300).prop_map(|n| f64::exp2(f64::from(n))), Just(0.0), -1e3f64..0.0];
    prop::collection::vec((0u8..6, 0u8..4, 0u64..3, prop::collection::vec(value, 1..40), any::<bool>()), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_totals_of_any_record_are_those_of_its_request(data in any_data()) {
        let names = [
            ("Latency", Unit::MILLISECONDS, "http.server.request.duration"),
            ("BufferSize", Unit::BYTES, "http.server.response.body.size"),
            ("Anything", Unit::PERCENT, "Anything"),
            ("ResponseBytes", Unit::BYTES, "ResponseBytes"),
            ("TargetResponseTime", Unit::SECONDS, "TargetResponseTime"),
            ("Other", Unit::NONE, "Other"),
        ];
        let mut world = World::with_otlp("", r#", "max_data_points": 7"#);
        let mut expected: HashMap<&str, (f64, f64, f64, f64, f64)> = HashMap::new();
        let mut all = Accumulator::default();
        for (name, path, minute, values, is_exact) in &data {
            let (name, unit, otlp) = names[usize::from(*name)];
            let metric = metric(name, unit);
            let mut distribution = if *is_exact { Distribution::exact(1_000) } else { Distribution::new() };
            values.iter().for_each(|value| assert!(distribution.record(*value)));
            let time = Timestamp::from_secs(START + minute * 60);
            let key = PeriodKey::new(time, DataKind::OBSERVED, Origin::default(), &metric);
            all.file(key, &dimensions(&[("path", &format!("/{path}"))]), &metric, &distribution);
            let divisor = if name == "Latency" { 1_000.0 } else { 1.0 };
            let total = expected.entry(otlp).or_insert((0.0, 0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY));
            for value in values {
                let value = value / divisor;
                *total = (total.0 + 1.0, total.1 + value, total.2 + value.abs(), total.3.min(value), total.4.max(value));
            }
        }
        world.deliver_all(all);
        world.run(400_000);
        prop_assert_eq!(world.counts.otlp_published, data.iter().map(|(_, _, _, values, _)| values.len() as u64).sum::<u64>());
        for (name, (count, sum, magnitude, min, max)) in expected {
            let (stored_count, stored_sum) = world.total(name);
            prop_assert_eq!(stored_count, count);
            prop_assert!((stored_sum - sum).abs() <= magnitude * 1e-12, "{} {}", stored_sum, sum);
            let stored_min = world.points(name).map(|point| point.min).fold(f64::INFINITY, f64::min);
            let stored_max = world.points(name).map(|point| point.max).fold(f64::NEG_INFINITY, f64::max);
            prop_assert_eq!((stored_min, stored_max), (min, max));
        }
    }
}
