//! Cumulative temporality.

use std::{collections::HashMap, time::Duration};

use acpw_metric::{DataKind, Distribution, Namespace, Now, Origin, PeriodKey, Timestamp, Unit};
use proptest::prelude::*;
use receiver::{PublishAnswer, otlp::ExportAnswer};

use super::world::{START, Stored, World, accept, fail, metric, percentile, response};

const CUMULATIVE: &str = r#", "temporality": "cumulative""#;

fn world(extra: &str, otlp: &str) -> World {
    World::with_otlp(extra, &format!("{CUMULATIVE}{otlp}"))
}

/// Returns the milliseconds from the start of the world to a point's time, or to its start.
fn millis(nanos: u64) -> u64 {
    nanos / 1_000_000 - START * 1_000
}

/// Asserts that each series has one start, that its points advance, and that no value falls. Returns the last point of
/// each series.
fn last_points(stored: &[Stored]) -> HashMap<String, Stored> {
    let mut series: HashMap<String, Stored> = HashMap::new();
    for point in stored.iter().filter(|point| point.is_cumulative) {
        assert!(point.start < point.time, "{point:?}");
        if let Some(before) = series.insert(format!("{} {} {}", point.series(), point.unit, point.kind), point.clone())
        {
            assert_eq!(before.start, point.start, "{point:?}");
            assert!(before.time < point.time, "{before:?} {point:?}");
            assert!(before.count <= point.count && before.min >= point.min && before.max <= point.max, "{point:?}");
        }
    }
    series
}

/// Returns the sum of the last points of a metric's series.
fn total(world: &World, metric: &str) -> (f64, f64) {
    let last = last_points(&world.stored).into_values().filter(|point| point.metric == metric);
    last.fold((0.0, 0.0), |(count, sum), point| (count + point.count, sum + point.sum))
}

#[test]
fn the_last_point_of_a_series_has_everything_since_its_start() {
    let mut world = world("", "");
    let mut values = Vec::new();
    for second in 0..300u64 {
        let value = 1.0 + (second * 7_919 % 600) as f64;
        world.observe("Latency", Unit::MILLISECONDS, "/a", &[value]);
        world.observe("RequestCount", Unit::COUNT, "/a", &[1.0, 1.0]);
        world.observe("RequestsInProgress", Unit::COUNT, "/a", &[3.0]);
        values.push(value);
        world.run(1_000);
    }
    world.run(120_000);
    let counts: Vec<f64> = world.points("RequestCount").map(|point| point.sum).collect();
    assert_eq!(counts, [120.0, 240.0, 360.0, 480.0, 600.0]);
    let ends: Vec<u64> = world.points("RequestCount").map(|point| millis(point.time)).collect();
    assert_eq!(ends, [60_000, 120_000, 180_000, 240_000, 300_000]);
    assert!(world.points("RequestCount").all(|point| millis(point.start) == 0));

    let last = world.points("http.server.request.duration").last().unwrap();
    let sum: f64 = values.iter().sum();
    values.sort_by(f64::total_cmp);
    assert!((last.sum * 1_000.0 / sum - 1.0).abs() < 1e-12);
    assert_eq!((last.count, last.min, last.max), (300.0, values[0] / 1e3, values[299] / 1e3));
    for p in [1.0, 50.0, 90.0, 99.0] {
        let exact = values[(p / 100.0 * 300.0_f64).ceil() as usize - 1] / 1_000.0;
        let ratio = percentile(last, p) / exact;
        assert!(ratio.max(1.0 / ratio) <= 1.034, "p{p}: {ratio}");
    }
    last_points(&world.stored);
    // A gauge is of its period.
    assert!(world.points("http.server.active_requests").all(|point| point.sum == 3.0));
    assert!(world.points("http.server.active_requests").all(|point| point.time - point.start == 60_000_000_000));
    assert_eq!(world.counts.otlp_published, 300 * 4);
    assert_eq!(world.driver.receiver().snapshot(world.now()).otlp_series, 2);
}

#[test]
fn histograms_of_different_scales_merge() {
    let mut world = world("", "");
    for values in [&[1.0, 1.5, 2.0][..], &[1e-9, 1.0, 1e9], &[5.0]] {
        world.observe("ResponseBytes", Unit::BYTES, "/a", values);
        // Buckets of many magnitudes need a coarser scale.
        let wide: Vec<f64> = (0..values.len() * 90).map(|n| f64::exp2(n as f64)).collect();
        world.observe("RequestBytes", Unit::BYTES, "/a", &wide);
        world.run(60_000);
    }
    world.run(120_000);
    let last = last_points(&world.stored);
    let point = |name: &str| last.values().find(|point| point.metric == name).unwrap();
    let bytes = point("ResponseBytes");
    assert_eq!((bytes.count, bytes.min, bytes.max), (7.0, 1e-9, 1e9));
    assert_eq!(bytes.sum, 1.0 + 1.5 + 2.0 + (1e-9 + 1.0 + 1e9) + 5.0);
    let scales: Vec<i32> = world.points("RequestBytes").map(|point| point.scale).collect();
    assert!(scales.windows(2).all(|pair| pair[0] >= pair[1]) && scales[0] > -3, "{scales:?}");
    assert_eq!(point("RequestBytes").count, (270 + 270 + 90) as f64);
    for point in &world.stored {
        assert!(point.positive.as_ref().is_none_or(|buckets| buckets.bucket_counts.len() <= 320), "{point:?}");
    }
}

#[test]
fn a_total_that_arrives_twice_counts_once() {
    fn silent(_: &[Stored], _: usize, world: &World) -> ExportAnswer {
        // The endpoint stores the first request, and its response is lost.
        if world.requests.len().is_multiple_of(2) {
            let reason = "stream timeout".to_owned();
            return ExportAnswer { answer: PublishAnswer::Missing { may_be_stored: true, reason }, partial: None };
        }
        response(200, &[], b"")
    }
    for extra in ["", r#", "on_unknown_outcome": "drop""#] {
        let mut world = world(extra, "");
        world.endpoint = silent;
        for _ in 0..5 {
            world.observe("RequestCount", Unit::COUNT, "/a", &[1.0, 1.0]);
            world.run(60_000);
        }
        world.run(60_000);
        let sent: Vec<_> = world.requests.iter().map(|call| super::world::decode(&call.body).0).collect();
        assert!(sent.len() >= 4 && sent.len().is_multiple_of(2));
        for pair in sent.chunks(2) {
            let values = |points: &[Stored]| points.iter().map(|p| (p.sum, p.start, p.time)).collect::<Vec<_>>();
            assert_eq!(values(&pair[0]), values(&pair[1]), "the same total is sent again");
        }
        assert_eq!(total(&world, "RequestCount").1, 10.0);
        assert_eq!((world.counts.otlp_dropped(), world.counts.otlp_published), (0, 10));
    }
}

#[test]
fn totals_arrive_in_order_and_none_is_lost_in_an_outage() {
    let mut world = world(r#", "publish_interval_millisecond": 10000"#, r#", "max_data_points": 3"#);
    for second in 0..500u64 {
        world.endpoint = if (60..240).contains(&second) { fail } else { accept };
        for n in 0..5 {
            world.observe("RequestCount", Unit::COUNT, &format!("/{n}"), &[1.0]);
        }
        world.run(1_000);
    }
    world.run(120_000);
    assert!(world.counts.otlp_retried > 0);
    assert_eq!(total(&world, "RequestCount").1, 2_500.0);
    assert_eq!(world.counts.otlp_published, 2_500);
}

#[test]
fn the_parts_of_a_refused_request_have_the_same_totals() {
    fn small(points: &[Stored], _: usize, _: &World) -> ExportAnswer {
        let is_bad = points.iter().any(|point| point.attributes["url.path"] == "/13");
        if points.len() > 10 || is_bad { response(400, &[], b"bad point") } else { response(200, &[], b"") }
    }
    let mut world = world("", "");
    world.endpoint = small;
    for _ in 0..2 {
        for n in 0..50 {
            world.observe("RequestCount", Unit::COUNT, &format!("/{n}"), &[1.0, 1.0]);
        }
        world.run(150_000);
    }
    assert_eq!(total(&world, "RequestCount").1, 49.0 * 4.0);
    assert_eq!((world.counts.otlp_dropped_rejected, world.counts.otlp_published), (4, 196));
    // The total has the values whose point was refused.
    world.endpoint = accept;
    world.observe("RequestCount", Unit::COUNT, "/13", &[1.0]);
    world.run(150_000);
    assert_eq!(total(&world, "RequestCount").1, 49.0 * 4.0 + 5.0);
}

#[test]
fn late_data_are_part_of_the_next_total() {
    let mut world = world("", "");
    let orders = metric("Orders", Unit::COUNT);
    let posted = Origin { namespace: Some(Namespace::new("Shop").unwrap()), ..Origin::default() };
    for (minute, expected_time) in [(60, 3_601_000), (0, 3_601_001), (59, 3_601_002), (61, 3_661_000)] {
        let mut one = Distribution::new();
        one.record(1.0);
        let time = Timestamp::from_secs(START + minute * 60);
        let key = PeriodKey::new(time, DataKind::RECEIVED, posted.clone(), &orders);
        world.deliver(key, "/a", &orders, &one);
        world.run(200_000);
        let last = world.points("Orders").last().unwrap();
        assert_eq!((millis(last.start), millis(last.time)), (3_600_000, expected_time));
    }
    assert_eq!(total(&world, "Orders"), (4.0, 4.0));
}

#[test]
fn series_beyond_the_limit_are_dropped_and_counted() {
    let mut world = world("", r#", "max_series": 3"#);
    for _ in 0..2 {
        for n in 0..5 {
            world.observe("RequestCount", Unit::COUNT, &format!("/{n}"), &[1.0, 1.0]);
        }
        world.observe("RequestsInProgress", Unit::COUNT, "/a", &[3.0]);
        world.run(120_000);
    }
    assert_eq!((world.counts.otlp_dropped_too_many_series, world.counts.otlp_dropped()), (8, 8));
    assert_eq!(total(&world, "RequestCount").1, 12.0);
    let line = "otlp: dropped 4 values (too_many_series): otlp.max_series is 3; increase it, or publish fewer series to \
                OTLP";
    assert!(world.has_line(line), "{:?}", world.lines);
    assert_eq!(world.points("http.server.active_requests").count(), 2);
    // A series without data for an hour makes room.
    world.run(3_700_000);
    for n in 3..5 {
        world.observe("RequestCount", Unit::COUNT, &format!("/{n}"), &[1.0]);
        world.run(120_000);
    }
    assert_eq!((world.counts.otlp_dropped_too_many_series, total(&world, "RequestCount").1), (8, 14.0));
}

#[test]
fn a_request_without_any_room_is_not_sent() {
    let mut world = world("", r#", "max_series": 1"#);
    world.observe("RequestCount", Unit::COUNT, "/a", &[1.0]);
    world.run(120_000);
    world.observe("RequestCount", Unit::COUNT, "/b", &[1.0]);
    world.run(120_000);
    assert_eq!((world.requests.len(), world.counts.otlp_dropped_too_many_series), (1, 1));
    assert_eq!(world.driver.receiver().otlp_held(), 0);
}

#[test]
fn a_wrong_clock_is_corrected_before_the_first_total_and_starts_stay_afterwards() {
    // AWS refuses a signature by a clock that is ten minutes behind. Two answers have to agree on its time.
    fn skewed(_: &[Stored], _: usize, world: &World) -> ExportAnswer {
        let seconds = START + world.millis / 1_000 + 600;
        let date = chrono::DateTime::from_timestamp(seconds as i64, 0).unwrap();
        let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let headers = [("date", date.as_str()), ("x-amzn-requestid", "6d0d1b6a")];
        if world.requests.len() < 2 {
            return response(403, &headers, br#"{"__type":"RequestTimeTooSkewed","message":"too old"}"#);
        }
        response(200, &headers, b"")
    }
    let mut world = world(r#", "publish_to": ["otlp"]"#, "");
    world.endpoint = skewed;
    for _ in 0..4 {
        world.observe("RequestCount", Unit::COUNT, "/a", &[1.0]);
        world.run(60_000);
    }
    world.run(120_000);
    assert!(world.points("RequestCount").all(|point| millis(point.start) == 600_000), "{:?}", world.stored);
    assert_eq!((total(&world, "RequestCount").1, world.counts.otlp_published), (4.0, 4));
}

#[test]
fn metrics_of_the_same_name_in_other_units_and_forms_have_their_own_totals() {
    let mut world = world("", "");
    let posted = Origin { namespace: Some(Namespace::new("Shop").unwrap()), ..Origin::default() };
    for _ in 0..2 {
        for unit in [Unit::BYTES, Unit::COUNT] {
            world.observe_of(posted.clone(), "Sizes", unit, "/a", &[2.0]);
        }
        world.observe_of(Origin::default(), "Sizes", Unit::COUNT, "/a", &[3.0]);
        let sizes = metric("Sizes", Unit::COUNT);
        let set = Distribution::statistic_set(10.0, 100.0, 1.0, 20.0).unwrap();
        let Now { wall, .. } = world.now();
        world.deliver(PeriodKey::new(wall, DataKind::RECEIVED, posted.clone(), &sizes), "/a", &sizes, &set);
        world.run(120_000);
    }
    let mut last: Vec<_> = last_points(&world.stored).into_values().map(|p| (p.kind, p.count, p.sum)).collect();
    last.sort_by(|a, b| a.2.total_cmp(&b.2));
    assert_eq!(
        last,
        [
            ("exponential histogram", 2.0, 4.0),
            ("exponential histogram", 2.0, 4.0),
            ("exponential histogram", 2.0, 6.0),
            ("histogram", 20.0, 200.0)
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_the_last_totals_are_exact(
        steps in prop::collection::vec((0u8..4, 0u64..5, 1u64..90, 0u8..6), 1..40)
    ) {
        fn refuse(points: &[Stored], _: usize, _: &World) -> ExportAnswer {
            if points.len() > 1 { response(413, &[], b"") } else { response(200, &[], b"") }
        }
        let mut world = world(r#", "publish_interval_millisecond": 10000"#, r#", "max_data_points": 4"#);
        let mut expected: HashMap<String, f64> = HashMap::new();
        for (path, values, seconds, fault) in steps {
            world.endpoint = match fault { 0 | 1 => fail, 2 => refuse, _ => accept };
            world.observe("RequestCount", Unit::COUNT, &format!("/{path}"), &vec![1.0; values as usize]);
            *expected.entry(format!("/{path}")).or_default() += values as f64;
            world.run(seconds * 1_000);
        }
        world.endpoint = accept;
        world.run(Duration::from_secs(200).as_millis() as u64);
        let last = last_points(&world.stored);
        for (path, count) in expected.into_iter().filter(|(_, count)| *count > 0.0) {
            let point = last.values().find(|point| point.attributes["url.path"] == path);
            prop_assert_eq!(point.map(|point| point.sum), Some(count));
        }
        prop_assert_eq!((world.counts.otlp_dropped(), world.driver.receiver().otlp_held()), (0, 0));
    }
}
