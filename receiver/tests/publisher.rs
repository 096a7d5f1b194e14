//! Tests a receiver with a simulated CloudWatch in virtual time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, io::Read as _, time::Duration};

use acpw_metric::{
    Accumulator, DataKind, DimensionName, DimensionValue, Dimensions, Distribution, Metric, MetricName, Now, Origin,
    PeriodKey, StorageResolution, Timestamp, Unit,
};
use acpw_shared_state::FlushDone;
use flate2::read::GzDecoder;
use log::Level;
use receiver::{Counts, Driver, PublishAnswer, ReceiverConfig, Transmit, answer::Reply, retry_after::RetryAfter};

const START: u64 = 1_787_402_160;
const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";

/// A driver in virtual time, with its counters and log lines.
struct World {
    driver: Driver,
    millis: u64,
    counts: Counts,
    lines: Vec<(Level, String)>,
}

impl World {
    fn new(extra: &str) -> Self {
        let interval = if extra.contains("interval") { "" } else { r#", "publish_interval_millisecond": 1000"# };
        let document = format!(
            r#"{{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "metric_namespace": "N",
                "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "{SECRET}",
                "aws_session_token": "TOKENTOKEN" {extra} {interval}}}"#
        );
        let config = ReceiverConfig::from_json(document.as_bytes(), |_| None).unwrap();
        let driver = Driver::new(config, 7);
        Self { driver, millis: 0, counts: Counts::default(), lines: Vec::new() }
    }

    fn now(&self) -> Now {
        Now { wall: Timestamp::from_millis(START * 1000 + self.millis), steady: Duration::from_millis(self.millis) }
    }

    /// Adds a record with one request for each of these series.
    fn observe(&mut self, series: std::ops::Range<usize>) {
        self.observe_paths(series.map(|n| format!("series-{n}")));
    }

    fn observe_path(&mut self, path: &str) {
        self.observe_paths([path.to_owned()].into_iter());
    }

    fn observe_paths(&mut self, paths: impl Iterator<Item = String>) {
        let mut held = Accumulator::default();
        let mut one = Distribution::new();
        one.record(1.0);
        let name = MetricName::new("RequestCount").unwrap();
        let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
        for path in paths {
            let value = DimensionValue::new(&path).unwrap();
            let dimensions = Dimensions::new(vec![(DimensionName::new("path").unwrap(), value)]).unwrap();
            held.add(self.now().wall, None, &dimensions, &metric, &one);
        }
        for record in held.into_records(1 << 16) {
            self.driver.handle_record(&record, self.now());
        }
    }

    /// Runs ticks of 200 ms until there is a request, and returns it.
    fn next(&mut self) -> Transmit {
        for _ in 0..1_000 {
            if let Some(transmit) = self.driver.poll_transmit(self.now()) {
                return transmit;
            }
            self.settle();
            self.millis += 200;
        }
        panic!("nothing is sent; {:?}", self.lines);
    }

    /// Runs for `millis`, and asserts that nothing is sent.
    fn run_idle(&mut self, millis: u64) {
        let end = self.millis + millis;
        while self.millis < end {
            assert!(self.driver.poll_transmit(self.now()).is_none(), "at {}", self.millis);
            self.millis += 200;
        }
    }

    fn answer(&mut self, transmit: &Transmit, status: u16, code: &str, message: &str) {
        let reply = Reply { status, code: code.to_owned(), message: message.to_owned(), ..Reply::default() };
        self.reply(transmit, reply);
    }

    fn reply(&mut self, transmit: &Transmit, reply: Reply) {
        self.driver.handle_answer(transmit.id, &PublishAnswer::Complete(reply), self.now());
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(line) = self.driver.poll_log_line() {
            self.lines.push(line);
        }
        self.counts = *self.driver.receiver().counts();
        assert_eq!(self.counts.unaccounted(), self.driver.receiver().held());
    }
}

fn document(transmit: &Transmit) -> serde_json::Value {
    let is_compressed = transmit.headers.iter().any(|(name, _)| *name == "content-encoding");
    let mut body = transmit.body.clone();
    if is_compressed {
        body.clear();
        GzDecoder::new(transmit.body.as_slice()).read_to_end(&mut body).unwrap();
    }
    serde_json::from_slice(&body).unwrap()
}

fn data(transmit: &Transmit) -> Vec<serde_json::Value> {
    document(transmit)["MetricData"].as_array().unwrap().clone()
}

fn paths(transmit: &Transmit) -> Vec<String> {
    let path = |datum: &serde_json::Value| datum["Dimensions"][0]["Value"].as_str().unwrap().to_owned();
    let mut paths: Vec<_> = data(transmit).iter().map(path).collect();
    paths.sort();
    paths
}

fn header<'a>(transmit: &'a Transmit, name: &str) -> Option<&'a str> {
    transmit.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

#[test]
fn received_data_is_published_once() {
    let mut world = World::new("");
    world.observe(0..1);
    world.observe(0..1);
    let transmit = world.next();
    assert!(world.millis <= 1_000, "{}", world.millis);
    let expected = serde_json::json!({"Namespace": "N", "MetricData": [{
        "MetricName": "RequestCount", "Timestamp": START, "Unit": "Count", "Values": [1], "Counts": [2],
        "Dimensions": [{"Name": "path", "Value": "series-0"}],
    }]});
    assert_eq!(document(&transmit), expected);
    assert_eq!(header(&transmit, ":authority"), Some("monitoring.us-east-1.amazonaws.com"));
    assert_eq!(header(&transmit, "x-amz-target"), Some("GraniteServiceVersion20100801.PutMetricData"));
    assert_eq!(header(&transmit, "x-amz-security-token"), Some("TOKENTOKEN"));
    world.answer(&transmit, 200, "", "");
    assert_eq!((world.counts.received, world.counts.published, world.driver.receiver().held()), (2, 2, 0));
    world.run_idle(60_000);
}

#[test]
fn a_failed_request_is_sent_again_unchanged_with_a_new_signature() {
    let mut world = World::new("");
    world.observe(0..500);
    let first = world.next();
    assert_eq!(header(&first, "content-encoding"), Some("gzip"));
    world.answer(&first, 503, "ServiceUnavailable", "");
    world.millis += 2_000;
    let second = world.next();
    assert_eq!(first.body, second.body);
    assert_ne!(header(&first, "authorization"), header(&second, "authorization"));
    world.answer(&second, 200, "", "");
    assert_eq!((world.counts.retried, world.counts.published, world.driver.receiver().held()), (1, 500, 0));
}

#[test]
fn data_is_merged_during_the_delay_that_cloudwatch_asks_for() {
    let mut world = World::new("");
    world.observe(0..1);
    let first = world.next();
    let retry_after = Some(RetryAfter::For(Duration::from_secs(30)));
    world.reply(&first, Reply { status: 400, code: "Throttling".to_owned(), retry_after, ..Reply::default() });
    for _ in 0..25 {
        world.observe(0..1);
        world.run_idle(1_000);
    }
    world.millis += 5_200;
    let again = world.next();
    assert_eq!(again.body, first.body);
    world.answer(&again, 200, "", "");
    let merged = world.next();
    assert_eq!(data(&merged)[0]["Counts"], serde_json::json!([25]));
    world.answer(&merged, 200, "", "");
    assert_eq!((world.counts.throttled, world.counts.published), (1, 26));
}

#[test]
fn only_data_named_by_cloudwatch_is_dropped() {
    let mut world = World::new("");
    world.observe(0..10);
    let first = world.next();
    let bad: Vec<String> =
        [2, 6].map(|index| data(&first)[index]["Dimensions"][0]["Value"].as_str().unwrap().to_owned()).into();
    let message = "The parameter MetricData.member.3.Timestamp must specify a time within the past two weeks.\n\
        The collection MetricData.member.7.Values must not have a size greater than 150.";
    world.answer(&first, 400, "InvalidParameterValue", message);
    let rest = world.next();
    assert_eq!(data(&rest).len(), 8);
    assert!(bad.iter().all(|path| !paths(&rest).contains(path)));
    world.answer(&rest, 200, "", "");
    assert_eq!((world.counts.dropped_invalid, world.counts.published), (2, 8));
    let (level, line) = world.lines.iter().find(|(level, _)| *level == Level::Error).unwrap();
    assert_eq!(*level, Level::Error);
    assert!(line.contains("dropped 2 values (invalid)") && line.contains("within the past two weeks"), "{line}");
    let series = format!("N RequestCount {{path={}}} and 1 more data: 400", bad[0]);
    assert!(line.contains(&series), "{line} has no {series}");
}

#[test]
fn an_unnamed_invalid_datum_is_found_by_splitting() {
    let mut world = World::new("");
    world.observe(0..100);
    let mut calls = 0;
    while world.driver.receiver().held() > 0 {
        let transmit = world.next();
        calls += 1;
        if paths(&transmit).contains(&"series-42".to_owned()) {
            world.answer(&transmit, 400, "InvalidParameterCombination", "no");
        } else {
            world.answer(&transmit, 200, "", "");
        }
    }
    assert_eq!((world.counts.dropped_invalid, world.counts.published), (1, 99));
    // CloudWatch refuses it again after it has accepted other data.
    assert!(calls <= 2 * 7 + 2, "{calls}");
}

#[test]
fn a_request_that_is_too_large_is_split() {
    let mut world = World::new("");
    world.observe(0..8);
    let whole = world.next();
    world.answer(&whole, 413, "RequestEntityTooLarge", "");
    let (left, right) = (world.next(), world.next());
    let mut halves = [paths(&left), paths(&right)].concat();
    halves.sort();
    assert_eq!((paths(&left).len(), halves), (4, paths(&whole)));
    world.answer(&left, 200, "", "");
    world.answer(&right, 200, "", "");
    assert_eq!(world.counts.published, 8);
}

#[test]
fn a_clock_that_is_days_off_is_corrected_together_with_timestamps() {
    const TWO_DAYS: u64 = 2 * 24 * 60 * 60;
    let mut world = World::new("");
    world.observe(0..1);
    let first = world.next();
    world.observe(1..2);
    let date = Some(Timestamp::from_secs(START + TWO_DAYS));
    let code = "InvalidSignatureException".to_owned();
    world.reply(&first, Reply { status: 400, code: code.clone(), date, ..Reply::default() });
    // One answer is not enough.
    let second = world.next();
    assert_eq!(data(&second)[0]["Timestamp"], START);
    world.reply(&second, Reply { status: 400, code, date, ..Reply::default() });
    let again = world.next();
    assert_eq!(data(&again)[0]["Timestamp"], START + TWO_DAYS);
    assert!(header(&again, "x-amz-date").unwrap().starts_with("20260824T"), "{again:?}");
    world.answer(&again, 200, "", "");
    let second = world.next();
    assert_eq!(data(&second)[0]["Timestamp"], START + TWO_DAYS);
    world.answer(&second, 200, "", "");
    assert_eq!((world.counts.published, world.counts.denied), (2, 0));
}

#[test]
fn with_refused_credentials_data_is_held_and_the_log_has_no_secret() {
    let mut world = World::new("");
    world.observe(0..1);
    let message = "The request signature we calculated does not match. The Canonical String for this request should \
        have been 'x-amz-security-token:TOKENTOKEN'";
    for _ in 0..3 {
        let transmit = world.next();
        world.answer(&transmit, 403, "SignatureDoesNotMatch", message);
        world.run_idle(25_000);
    }
    assert_eq!((world.counts.denied, world.driver.receiver().held()), (3, 1));
    let errors: Vec<_> = world.lines.iter().filter(|(level, _)| *level == Level::Error).collect();
    assert!((1..=2).contains(&errors.len()), "{errors:?}");
    for (_, line) in &world.lines {
        assert!(!line.contains("TOKENTOKEN") && !line.contains(SECRET), "{line}");
    }
    let transmit = world.next();
    world.answer(&transmit, 200, "", "");
    assert_eq!(world.counts.published, 1);
}

#[test]
fn a_missing_answer_counts_as_unknown_only_if_the_data_may_be_stored() {
    let mut world = World::new("");
    world.observe(0..1);
    for (may_be_stored, unknown) in [(true, 1), (false, 1), (true, 2)] {
        let transmit = world.next();
        let answer = PublishAnswer::Missing { may_be_stored, reason: "why".to_owned() };
        world.driver.handle_answer(transmit.id, &answer, world.now());
        world.settle();
        assert_eq!(world.counts.unknown_outcome, unknown);
    }
    let transmit = world.next();
    world.driver.handle_undispatched(transmit.id, "bad argument", world.now());
    world.settle();
    assert_eq!(world.counts.retried, 4);
    let transmit = world.next();
    world.answer(&transmit, 200, "", "");
}

#[test]
fn memory_is_bounded_during_an_outage_and_dropped_values_are_counted() {
    let mut world = World::new(r#", "buffer_limit_bytes": 100000"#);
    for minute in 0..30 {
        world.observe(minute * 100..minute * 100 + 100);
        while let Some(transmit) = world.driver.poll_transmit(world.now()) {
            world.answer(&transmit, 500, "InternalFailure", "");
        }
        assert!(world.driver.receiver().held_bytes() <= 100_000);
        world.millis += 60_000;
    }
    assert!(world.counts.dropped_buffer_full > 0);
    while world.driver.receiver().held() > 0 {
        let transmit = world.next();
        world.answer(&transmit, 200, "", "");
    }
    assert_eq!(world.counts.published + world.counts.dropped_buffer_full, 3_000);
}

#[test]
fn at_most_four_payloads_are_in_flight() {
    let mut world = World::new(r#", "max_series": null"#);
    world.observe(0..10_000);
    let mut sent = vec![world.next()];
    for _ in 0..100 {
        world.millis += 20;
        sent.extend(world.driver.poll_transmit(world.now()));
    }
    assert_eq!(sent.len(), 4);
    for transmit in &sent {
        assert!(data(transmit).len() <= 1_000);
        world.answer(transmit, 200, "", "");
    }
    while world.driver.receiver().held() > 0 {
        let transmit = world.next();
        world.answer(&transmit, 200, "", "");
    }
    assert_eq!(world.counts.published, 10_000);
}

/// Encoding blocks Envoy's main thread.
#[test]
fn encoding_is_spread_over_many_ticks() {
    let mut world = World::new(r#", "max_series": null"#);
    world.observe(0..10_000);
    let mut busy_ticks = 0;
    let mut sent = 0;
    while world.driver.receiver().held() > 0 {
        let transmits: Vec<_> = std::iter::from_fn(|| world.driver.poll_transmit(world.now())).collect();
        assert!(transmits.len() <= 1, "{}", transmits.len());
        busy_ticks += usize::from(world.driver.tick_period() < Duration::from_millis(200));
        for transmit in &transmits {
            sent += data(transmit).len();
            world.answer(transmit, 200, "", "");
        }
        world.millis += 20;
    }
    assert_eq!(sent, 10_000);
    assert!(busy_ticks > 10, "{busy_ticks}");
    world.driver.poll_transmit(world.now());
    assert!(world.driver.tick_period() >= Duration::from_millis(200));
}

#[test]
fn shares_of_gauges_become_samples_and_idle_series_get_zeros() {
    let mut world = World::new("");
    let metric = |name| {
        let name = MetricName::new(name).unwrap();
        Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard }
    };
    let origin = Origin { zero_minutes: 2, ..Origin::default() };
    let mut totals: BTreeMap<(String, u64), (u64, u64)> = BTreeMap::new();
    for second in 0..400 {
        if (10..30).contains(&second) {
            // Two workers, each with three requests in progress, one of which ends in this second.
            for _ in 0..2 {
                let mut held = Accumulator::default();
                for (kind, name, value) in
                    [(DataKind::GAUGE_SHARE, "RequestsInProgress", 3.0), (DataKind::OBSERVED, "RequestCount", 1.0)]
                {
                    let (metric, mut of_worker) = (metric(name), Distribution::new());
                    of_worker.record(value);
                    let key = PeriodKey::new(world.now().wall, kind, origin.clone(), &metric);
                    held.file(key, &Dimensions::default(), &metric, &of_worker);
                }
                for record in held.into_records(1 << 16) {
                    world.driver.handle_record(&record, world.now());
                }
            }
        }
        while let Some(transmit) = world.driver.poll_transmit(world.now()) {
            for datum in data(&transmit) {
                let series = (datum["MetricName"].as_str().unwrap().to_owned(), datum["Timestamp"].as_u64().unwrap());
                let (count, sum) = totals.entry(series).or_default();
                let list = |key: &str| datum[key].as_array().cloned();
                let values = list("Values").unwrap();
                let counts = list("Counts").unwrap_or_else(|| vec![1.into(); values.len()]);
                for (value, times) in values.iter().zip(counts) {
                    *count += times.as_u64().unwrap();
                    *sum += value.as_u64().unwrap() * times.as_u64().unwrap();
                }
            }
            world.answer(&transmit, 200, "", "");
        }
        world.settle();
        world.millis += 1_000;
    }
    let expected = [
        (("RequestCount".to_owned(), START), (40, 40)),
        (("RequestCount".to_owned(), START + 60), (1, 0)),
        (("RequestCount".to_owned(), START + 120), (1, 0)),
        (("RequestsInProgress".to_owned(), START), (60, 120)),
    ];
    assert_eq!(totals, expected.into());
    assert_eq!((world.counts.received, world.counts.published, world.driver.receiver().held()), (102, 102, 0));
}

#[test]
fn the_estimated_cost_and_the_overflow_are_logged() {
    let mut world = World::new("");
    for minute in 0..180 {
        world.observe(0..100);
        let overflow = minute >= 100;
        if overflow {
            world.observe_path("__other__");
        }
        while world.driver.receiver().held() > 0 {
            let transmit = world.next();
            world.answer(&transmit, 200, "", "");
        }
        world.millis = (minute + 1) * 60_000;
    }
    let cost = world.driver.receiver().snapshot(world.now()).cost;
    assert_eq!((cost.series, cost.cents), (101, 3_030));
    assert!((40_000..=44_600).contains(&cost.calls), "{cost:?}");
    let lines = |level: Level| world.lines.iter().filter(move |(of, _)| *of == level).map(|(_, line)| line);
    assert_eq!(lines(Level::Info).count(), 3, "{:?}", world.lines);
    assert!(lines(Level::Info).all(|line| line.contains("100 series") || line.contains("101 series")));
    let warnings: Vec<_> = lines(Level::Warn).collect();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("values is path, with 100"), "{warnings:?}");
}

#[test]
fn with_on_unknown_outcome_drop_no_data_is_sent_twice() {
    let mut world = World::new(r#", "on_unknown_outcome": "drop""#);
    world.observe(0..3);
    let transmit = world.next();
    let answer = PublishAnswer::Missing { may_be_stored: true, reason: "upstream request timeout".to_owned() };
    world.driver.handle_answer(transmit.id, &answer, world.now());
    world.settle();
    assert_eq!((world.counts.unknown_outcome, world.counts.dropped_unknown_outcome), (1, 3));
    world.run_idle(60_000);
    world.observe(0..1);
    let transmit = world.next();
    let unsent = PublishAnswer::Missing { may_be_stored: false, reason: "no healthy upstream".to_owned() };
    world.driver.handle_answer(transmit.id, &unsent, world.now());
    let transmit = world.next();
    world.answer(&transmit, 200, "", "");
    assert_eq!((world.counts.published, world.counts.dropped_unknown_outcome), (1, 3));
}

#[test]
fn a_flush_publishes_all_data_including_that_of_senders() {
    let mut world = World::new(r#", "publish_interval_millisecond": 60000"#);
    world.observe(0..1);
    let first = world.next();
    world.answer(&first, 200, "", "");
    world.observe(0..1);
    world.run_idle(1_000);
    world.driver.request_flush(1);
    world.driver.tick(world.now());
    let second = world.driver.poll_transmit(world.now()).unwrap();
    world.answer(&second, 200, "", "");
    world.driver.tick(world.now());
    assert_eq!(world.driver.take_flushed(), None);
    world.millis += 1_000;
    world.observe(0..1);
    world.millis += 400;
    let third = world.driver.poll_transmit(world.now()).unwrap();
    assert_eq!(world.driver.take_flushed(), None);
    world.answer(&third, 200, "", "");
    world.driver.tick(world.now());
    assert_eq!(world.driver.take_flushed(), Some(FlushDone { id: 1, held: 0 }));
    world.observe(0..1);
    world.run_idle(5_000);
}

#[test]
fn a_flush_ends_under_steady_traffic() {
    let mut world = World::new(r#", "publish_interval_millisecond": 60000"#);
    let mut done = Vec::new();
    for tick in 0..100u64 {
        world.observe(0..3);
        world.driver.request_flush(if tick >= 10 { 2 } else { 0 });
        // An answer takes until the next tick, when there is new data.
        let sent: Vec<_> = std::iter::from_fn(|| world.driver.poll_transmit(world.now())).collect();
        done.extend(world.driver.take_flushed().map(|done| (tick, done)));
        world.observe(0..3);
        world.millis += 200;
        for transmit in sent {
            world.answer(&transmit, 200, "", "");
        }
    }
    let [(tick, flush)] = done[..] else { panic!("{done:?}") };
    assert!((16..20).contains(&tick), "{tick}");
    assert!(flush.id == 2 && flush.held > 0, "{flush:?}");
}

#[test]
fn self_metrics_are_published_if_configured() {
    let mut world = World::new(r#", "self_metrics": true"#);
    let transmit = world.next();
    let names: Vec<_> = data(&transmit).iter().map(|datum| datum["MetricName"].to_string()).collect();
    assert_eq!(names.len(), 7);
    assert!(names.contains(&"\"SecondsSinceSuccess\"".to_owned()), "{names:?}");
    world.answer(&transmit, 200, "", "");
    assert_eq!((world.counts.received, world.counts.published), (7, 7));
}

#[test]
fn invalid_records_are_counted_and_skipped() {
    let mut world = World::new("");
    for bytes in [b"".as_slice(), b"\x01", b"\xff\xff", &[1; 100]] {
        world.driver.handle_record(bytes, world.now());
    }
    world.observe(0..1);
    world.settle();
    assert_eq!((world.counts.bad_records, world.counts.received), (4, 1));
}

#[test]
fn debug_shows_neither_secrets_nor_signatures() {
    let mut world = World::new("");
    world.observe(0..1);
    let transmit = world.next();
    let shown = format!("{:?} {transmit:?}", world.driver);
    for secret in [SECRET, "TOKENTOKEN", "Signature="] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
