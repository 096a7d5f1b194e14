//! Tests the handling of answers in virtual time: refused namespaces, answers of proxies, throttling in every format,
//! and invalid data. Answers are parsed from headers and bodies.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, io::Read as _, time::Duration};

use acpw_metric::{
    Accumulator, DataKind, DimensionName, DimensionValue, Dimensions, Distribution, Entity, EntityText, Metric,
    MetricName, Namespace, Now, Origin, PeriodKey, StorageResolution, Timestamp, Unit,
};
use acpw_shared_state::FlushDone;
use flate2::read::GzDecoder;
use log::Level;
use receiver::{Counts, Driver, PublishAnswer, ReceiverConfig, Transmit};
use serde_json::Value;

const START: u64 = 1_787_402_160;
const DATE: &str = "Sat, 22 Aug 2026 12:36:00 GMT";
const DAY: i64 = 86_400;
const HOUR: u64 = 3_600_000;

/// An answer of Envoy to a callout.
#[derive(Clone, Debug, Default)]
struct Reply {
    headers: Vec<(String, String)>,
    body: String,
}

impl Reply {
    fn foreign(status: u16, body: &str) -> Self {
        let headers = vec![(":status".to_owned(), status.to_string())];
        Self { headers, body: body.to_owned() }.with("x-envoy-upstream-service-time", "3")
    }

    fn own(status: u16, body: &str) -> Self {
        Self::foreign(status, body).with("x-amzn-requestid", "6d0d1b6a-0000-0000-0000-000000000000")
    }

    fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"__type": format!("com.amazonaws.cloudwatch#{code}"), "message": message});
        Self::own(status, &body.to_string())
    }

    fn ok() -> Self {
        Self::own(200, "")
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn answer(&self) -> PublishAnswer {
        let header = |name: &str| {
            // Envoy looks headers up in lower case.
            let (_, value) = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
            Some(value.as_bytes().to_vec())
        };
        PublishAnswer::new(header, self.body.as_bytes())
    }
}

/// A driver in virtual time, with its requests and log lines.
struct World {
    driver: Driver,
    millis: u64,
    /// The number of stored values by namespace and path.
    stored: BTreeMap<(String, String), u64>,
    calls: usize,
    lines: Vec<(u64, Level, String)>,
}

impl World {
    fn new(extra: &str) -> Self {
        let document = format!(
            r#"{{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "metric_namespace": "N",
                "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "S",
                "publish_interval_millisecond": 1000 {extra}}}"#
        );
        let config = ReceiverConfig::from_json(document.as_bytes(), |_| None).unwrap();
        Self { driver: Driver::new(config, 7), millis: 0, stored: BTreeMap::new(), calls: 0, lines: Vec::new() }
    }

    fn now(&self) -> Now {
        Now { wall: Timestamp::from_millis(START * 1000 + self.millis), steady: Duration::from_millis(self.millis) }
    }

    fn observe(&mut self, namespace: &str, paths: impl IntoIterator<Item = String>) {
        self.observe_of(namespace, None, paths);
    }

    fn observe_of(&mut self, namespace: &str, entity: Option<Entity>, paths: impl IntoIterator<Item = String>) {
        let mut held = Accumulator::default();
        let mut one = Distribution::new();
        one.record(1.0);
        let name = MetricName::new("RequestCount").unwrap();
        let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
        let origin = Origin { namespace: Some(Namespace::new(namespace).unwrap()), entity, ..Origin::default() };
        for path in paths {
            let value = DimensionValue::new(&path).unwrap();
            let dimensions = Dimensions::new(vec![(DimensionName::new("path").unwrap(), value)]).unwrap();
            let key = PeriodKey::new(self.now().wall, DataKind::OBSERVED, origin.clone(), &metric);
            held.file(key, &dimensions, &metric, &one);
        }
        for record in held.into_records(1 << 16) {
            self.driver.handle_record(&record, self.now());
        }
    }

    /// Runs a tick of 200 ms, and answers its requests.
    fn tick(&mut self, answer: &mut dyn FnMut(u64, &Value) -> Option<Reply>) {
        while let Some(transmit) = self.driver.poll_transmit(self.now()) {
            self.calls += 1;
            let document = document(&transmit);
            if let Some(reply) = answer(self.millis, &document) {
                let answer = reply.answer();
                if answer.status() == 200 && !answer.is_foreign() {
                    self.store(&document);
                }
                self.driver.handle_answer(transmit.id, &answer, self.now());
            }
            self.settle();
        }
        self.settle();
        self.millis += 200;
    }

    fn run(&mut self, millis: u64, mut answer: impl FnMut(u64, &Value) -> Option<Reply>) {
        let end = self.millis + millis;
        while self.millis < end {
            self.tick(&mut answer);
        }
    }

    fn store(&mut self, document: &Value) {
        let namespace = document["Namespace"].as_str().unwrap();
        for datum in data(document) {
            let count: u64 = datum["Counts"].as_array().map_or(1, |counts| counts[0].as_u64().unwrap());
            *self.stored.entry((namespace.to_owned(), path(&datum))).or_default() += count;
        }
    }

    fn stored_of(&self, namespace: &str) -> u64 {
        self.stored.iter().filter(|((of, _), _)| of == namespace).map(|(_, count)| count).sum()
    }

    fn settle(&mut self) {
        while let Some((level, line)) = self.driver.poll_log_line() {
            self.lines.push((self.millis, level, line));
        }
        assert_eq!(self.counts().unaccounted(), self.driver.receiver().held());
    }

    fn counts(&self) -> Counts {
        *self.driver.receiver().counts()
    }

    fn lines_with(&self, text: &str) -> Vec<&str> {
        let lines = self.lines.iter().filter(|(_, level, _)| *level != Level::Debug);
        lines.filter(|(_, _, line)| line.contains(text)).map(|(_, _, line)| line.as_str()).collect()
    }
}

fn document(transmit: &Transmit) -> Value {
    let is_compressed = transmit.headers.iter().any(|(name, _)| *name == "content-encoding");
    let mut body = transmit.body.clone();
    if is_compressed {
        body.clear();
        GzDecoder::new(transmit.body.as_slice()).read_to_end(&mut body).unwrap();
    }
    serde_json::from_slice(&body).unwrap()
}

fn data(document: &Value) -> Vec<Value> {
    let data = document.get("MetricData").unwrap_or(&document["EntityMetricData"][0]["MetricData"]);
    data.as_array().unwrap().clone()
}

fn path(datum: &Value) -> String {
    datum["Dimensions"][0]["Value"].as_str().unwrap().to_owned()
}

fn paths(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|n| format!("/{n}"))
}

fn is_of(document: &Value, namespace: &str) -> bool {
    document["Namespace"] == namespace
}

/// Returns a `Date` that is `ahead` seconds in the future.
fn date(millis: u64, ahead: i64) -> String {
    let seconds = (START + millis / 1_000) as i64 + ahead;
    chrono::DateTime::from_timestamp(seconds, 0).unwrap().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn entity() -> Entity {
    let text = |text| EntityText::new(text).unwrap();
    Entity { service: text("checkout"), environment: text("eks:prod/shop") }
}

#[test]
fn a_namespace_denied_by_iam_does_not_delay_others() {
    let mut world = World::new("");
    let (mut seconds, mut late) = (0, 0);
    for _ in 0..600 {
        for namespace in ["A", "B"] {
            world.observe(namespace, paths(0..3));
        }
        seconds += 1;
        world.run(1_000, |_, document| {
            Some(if is_of(document, "B") {
                let message = "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: \
                    cloudwatch:PutMetricData because no identity-based policy allows it";
                Reply::error(403, "AccessDenied", message)
            } else {
                Reply::ok()
            })
        });
        late = late.max(3 * seconds - world.stored_of("A"));
    }
    assert!(late <= 3 * 3, "data of A is published within the interval and a tick, {late}");
    assert_eq!(world.stored_of("B"), 0);
    let denied = world.counts().denied;
    assert!((18..=24).contains(&denied), "every 30 s, {denied}");
    let lines = world.lines_with("CloudWatch denied access to the namespace");
    assert!((10..=11).contains(&lines.len()), "once a minute: {lines:#?}");
    for line in lines {
        assert!(line.contains("the namespace B") && line.contains("cloudwatch:namespace"), "{line}");
        assert!(line.contains("403 AccessDenied User: arn:aws:sts"), "{line}");
    }
    // The permission is granted.
    world.run(60_000, |_, _| Some(Reply::ok()));
    assert_eq!((world.stored_of("A"), world.stored_of("B"), world.driver.receiver().held()), (1_800, 1_800, 0));
}

#[test]
fn a_namespace_that_fails_for_any_reason_does_not_delay_others() {
    let html = "<html><head><title>403 Forbidden</title></head></html>";
    for reply in [
        Reply::error(500, "InternalFailure", ""),
        Reply::error(503, "ServiceUnavailable", ""),
        Reply::foreign(403, html),
        Reply::foreign(200, "OK"),
        Reply::foreign(502, "<html>bad gateway</html>"),
        Reply::foreign(504, "upstream request timeout"),
        Reply::error(404, "UnknownOperationException", ""),
        Reply::own(301, ""),
        Reply::error(400, "NeverHeardOf", "no"),
    ] {
        let mut world = World::new("");
        for _ in 0..60 {
            for namespace in ["A", "B", "C"] {
                world.observe(namespace, paths(0..3));
            }
            world.run(1_000, |_, document| Some(if is_of(document, "B") { reply.clone() } else { Reply::ok() }));
        }
        world.run(1_000, |_, document| Some(if is_of(document, "B") { reply.clone() } else { Reply::ok() }));
        assert_eq!((world.stored_of("A"), world.stored_of("C")), (180, 180), "{reply:?}");
        assert_eq!((world.driver.receiver().held(), world.counts().dropped()), (180, 0), "{reply:?}");
        assert!(world.calls < 300, "{} {reply:?}", world.calls);
        world.run(60_000, |_, _| Some(Reply::ok()));
        assert_eq!(world.stored_of("B"), 180, "{reply:?}");
    }
}

#[test]
fn failures_of_an_entity_do_not_delay_other_data_of_its_namespace() {
    let mut world = World::new("");
    for _ in 0..30 {
        world.observe("A", paths(0..3));
        world.observe_of("A", Some(entity()), paths(0..3));
        world.run(1_000, |_, document| {
            let has_entity = document.get("EntityMetricData").is_some();
            Some(if has_entity { Reply::error(500, "InternalFailure", "") } else { Reply::ok() })
        });
    }
    world.run(1_000, |_, document| {
        let has_entity = document.get("EntityMetricData").is_some();
        Some(if has_entity { Reply::error(500, "InternalFailure", "") } else { Reply::ok() })
    });
    assert_eq!((world.stored_of("A"), world.driver.receiver().held()), (90, 90));
}

#[test]
fn a_payload_that_keeps_failing_does_not_block_its_lane() {
    let mut world = World::new("");
    let poisoned = |document: &Value| data(document).iter().any(|datum| path(datum) == "/poison");
    world.observe("A", ["/poison".to_owned()]);
    for _ in 0..120 {
        world.run(1_000, |_, document| {
            Some(if poisoned(document) { Reply::error(500, "InternalFailure", "") } else { Reply::ok() })
        });
        world.observe("A", paths(0..3));
    }
    world.run(2_000, |_, document| {
        Some(if poisoned(document) { Reply::error(500, "InternalFailure", "") } else { Reply::ok() })
    });
    assert_eq!((world.stored_of("A"), world.driver.receiver().held()), (360, 1));
    assert!(world.counts().retried < 30, "{:?}", world.counts());
}

#[test]
fn refused_namespaces_stay_within_their_share_and_others_lose_no_data() {
    let mut world = World::new(r#", "buffer_limit_bytes": 200000"#);
    for n in 0..300 {
        world.observe("A", paths(0..3));
        world.observe(&format!("B{n}"), paths(0..20));
        world.run(1_000, |_, document| {
            Some(if is_of(document, "A") { Reply::ok() } else { Reply::error(403, "AccessDenied", "no") })
        });
        // Half of the limit, and the data of A.
        assert!(world.driver.receiver().held_bytes() <= 110_000, "{n}: {}", world.driver.receiver().held_bytes());
    }
    assert!(world.counts().dropped_buffer_full > 0);
    assert!(world.stored_of("A") >= 3 * 298, "{}", world.stored_of("A"));
    let named = world.lines_with("CloudWatch denied access to the namespace B").len();
    assert!((128..=600).contains(&named), "{named}");
}

/// CloudWatch throttles the account.
#[test]
fn throttling_of_one_namespace_delays_all() {
    let mut world = World::new("");
    world.observe("A", paths(0..1));
    world.run(2_000, |_, _| Some(Reply::error(400, "Throttling", "Rate exceeded").with("retry-after", "30")));
    assert_eq!(world.calls, 1);
    world.observe("B", paths(0..1));
    world.run(27_000, |_, _| panic!("it is throttled"));
    world.run(5_000, |_, _| Some(Reply::ok()));
    assert_eq!((world.stored_of("A"), world.stored_of("B")), (1, 1));
}

/// All lanes use the same credentials.
#[test]
fn refused_credentials_delay_all_namespaces() {
    let mut world = World::new("");
    world.observe("A", paths(0..1));
    world.run(2_000, |_, _| Some(Reply::error(403, "InvalidClientTokenId", "unknown")));
    world.observe("B", paths(0..1));
    world.run(27_000, |_, _| panic!("the credentials are refused"));
    assert_eq!(world.calls, 1);
    assert_eq!(world.lines_with("CloudWatch rejected the credentials").len(), 1);
}

#[test]
fn only_answers_of_cloudwatch_correct_the_clock() {
    let a_day_off = "Sun, 23 Aug 2026 12:36:00 GMT";
    let mut world = World::new("");
    world.observe("A", paths(0..1));
    world.run(60_000, |_, _| Some(Reply::foreign(502, "<html>").with("date", a_day_off)));
    assert_eq!(world.driver.receiver().snapshot(world.now()).clock_skew, 0);
    world.run(60_000, |_, document| {
        assert_eq!(data(document)[0]["Timestamp"], START);
        Some(Reply::ok())
    });
    assert_eq!(world.stored_of("A"), 1);
}

#[test]
fn one_answer_with_a_wrong_date_does_not_correct_the_clock() {
    let mut world = World::new("");
    let mut first = true;
    for _ in 0..10 {
        world.observe("A", paths(0..1));
        world.run(1_000, |now, _| {
            let ahead = if std::mem::take(&mut first) { DAY } else { 0 };
            Some(Reply::ok().with("date", &date(now, ahead)))
        });
    }
    assert_eq!((world.driver.receiver().snapshot(world.now()).clock_skew, world.lines_with("clock").len()), (0, 0));
    world.run(2_000, |_, _| Some(Reply::ok()));
    assert_eq!(world.stored_of("A"), 10);
}

#[test]
fn a_wrong_clock_and_its_recovery_are_logged() {
    let mut world = World::new("");
    let skewed = |now, ahead| {
        Reply::error(400, "InvalidSignatureException", "Signature expired").with("date", &date(now, ahead))
    };
    world.observe("A", paths(0..1));
    world.run(3_000, |now, _| Some(skewed(now, DAY)));
    let off = world.driver.receiver().snapshot(world.now()).clock_skew;
    assert!(off > 86_000_000, "{off}");
    world.run(65_000, |now, _| Some(skewed(now, 0)));
    assert!(world.driver.receiver().snapshot(world.now()).clock_skew.abs() < 10_000);
    assert_eq!(world.lines_with("this host's clock is off").len(), 1, "{:?}", world.lines);
    assert_eq!(world.lines_with("this host's clock is correct").len(), 1, "{:?}", world.lines);
}

#[test]
fn the_requested_delay_is_granted_up_to_five_minutes() {
    let throttled = || Reply::error(400, "Throttling", "Rate exceeded");
    let cases = [
        (throttled().with("retry-after", "20"), 20_000, false),
        (throttled().with("retry-after", "99999999999"), 300_000, true),
        (throttled().with("x-amz-retry-after", "20000"), 20_000, false),
        (throttled().with("x-amz-retry-after", "99999999999999999999999"), 300_000, true),
        (throttled().with("date", DATE).with("retry-after", "Sat, 22 Aug 2026 12:36:20 GMT"), 20_000, false),
        (throttled().with("retry-after", "Sat, 22 Aug 2026 12:36:20 GMT"), 19_000, false),
        (throttled().with("retry-after", "Fri, 22 Aug 2036 12:36:20 GMT"), 300_000, true),
        (Reply::error(503, "ServiceUnavailable", "").with("retry-after", "20"), 20_000, false),
        (Reply::foreign(429, "").with("retry-after", "20"), 20_000, false),
    ];
    for (reply, expected, is_capped) in cases {
        let mut world = World::new("");
        world.observe("A", paths(0..1));
        let mut times = Vec::new();
        world.run(400_000, |now, _| {
            times.push(now);
            Some(if times.len() == 1 { reply.clone() } else { Reply::ok() })
        });
        let [first, second] = times[..] else { panic!("{times:?} {reply:?}") };
        let waited = second - first;
        assert!((expected..=expected + 1_000).contains(&waited), "{waited} {reply:?}");
        assert_eq!(world.lines_with("asked for a delay of").len(), usize::from(is_capped), "{reply:?}");
    }
}

/// A client waits for the flush.
#[test]
fn a_flush_retries_once_despite_a_requested_delay() {
    let mut world = World::new("");
    world.observe("A", paths(0..1));
    let throttled = || Some(Reply::error(400, "Throttling", "").with("x-amz-retry-after", "120000"));
    world.run(2_000, |_, _| throttled());
    world.driver.request_flush(1);
    world.run(20_000, |_, _| throttled());
    assert_eq!(world.calls, 2);
    world.driver.request_flush(2);
    world.run(2_000, |_, _| Some(Reply::ok()));
    assert_eq!((world.calls, world.stored_of("A")), (3, 1));
    assert_eq!(world.driver.take_flushed(), Some(FlushDone { id: 2, held: 0 }));
}

#[test]
fn a_refused_namespace_does_not_delay_later_flushes() {
    let mut world = World::new("");
    let answer =
        |document: &Value| Some(if is_of(document, "B") { Reply::error(403, "AccessDenied", "") } else { Reply::ok() });
    world.observe("B", paths(0..1));
    for tick in 0..40 {
        world.driver.request_flush(u64::from(tick >= 5));
        world.tick(&mut |_, document| answer(document));
    }
    world.observe("A", paths(0..1));
    assert_eq!(world.driver.take_flushed(), None);
    world.driver.request_flush(2);
    world.tick(&mut |_, document| answer(document));
    world.tick(&mut |_, document| answer(document));
    assert_eq!(world.stored_of("A"), 1, "at once");
}

#[test]
fn throttling_in_any_format_drops_no_data() {
    let xml = "<ErrorResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><Error><Type>Sender</Type>\
        <Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>x</RequestId></ErrorResponse>";
    for reply in [
        Reply::own(400, xml),
        Reply::own(400, "").with("x-amzn-ErrorType", "ThrottlingException:http://internal.amazon.com/"),
        Reply::own(400, r#"{"code": "ThrottlingException", "message": "Rate exceeded"}"#),
        Reply::own(400, r#"{"Code": "Throttling"}"#),
        Reply::own(400, "").with("x-amzn-query-error", "Throttling;Sender"),
    ] {
        let mut world = World::new("");
        world.observe("A", paths(0..100));
        world.run(11_000, |_, _| Some(reply.clone()));
        assert!(world.calls <= 8, "{} {reply:?}", world.calls);
        let counts = world.counts();
        assert_eq!((counts.throttled, counts.dropped()), (world.calls as u64, 0), "{reply:?}");
        world.run(60_000, |_, _| Some(Reply::ok()));
        assert_eq!(world.stored_of("A"), 100);
    }
}

#[test]
fn data_are_not_dropped_when_cloudwatch_refuses_all_of_them() {
    for code in ["AccountSuspended", "InvalidParameterCombination", "ValidationError"] {
        let mut world = World::new("");
        world.observe("A", paths(0..3_000));
        world.run(60_000, |_, _| Some(Reply::error(400, code, "The account is not allowed to do that.")));
        assert!(world.calls < 80, "{}", world.calls);
        assert_eq!((world.counts().dropped(), world.driver.receiver().held()), (0, 3_000));
        let lines = world.lines_with("refused all data of the namespace A");
        assert!((1..=2).contains(&lines.len()) && lines[0].contains(code), "{:?}", world.lines);
        world.run(120_000, |_, _| Some(Reply::ok()));
        assert_eq!(world.stored_of("A"), 3_000);
    }
}

/// CloudWatch accepts some of the data at first.
#[test]
fn data_are_not_dropped_when_cloudwatch_begins_to_refuse_all_of_them() {
    let mut world = World::new("");
    world.observe("A", paths(0..1_000));
    let mut taken = 0;
    world.run(60_000, |_, document| {
        let is_small = data(document).len() < 200 && taken < 1;
        taken += usize::from(is_small);
        Some(if is_small { Reply::ok() } else { Reply::error(400, "Odd", "no") })
    });
    assert_eq!(world.counts().dropped(), 0);
    world.run(300_000, |_, _| Some(Reply::ok()));
    assert_eq!(world.stored_of("A"), 1_000);
}

#[test]
fn a_refused_datum_is_dropped_once_cloudwatch_accepts_others() {
    let mut world = World::new("");
    let is_bad = |document: &Value| data(document).iter().any(|datum| path(datum) == "/bad");
    let answer = |document: &Value| Some(if is_bad(document) { Reply::error(400, "Odd", "no") } else { Reply::ok() });
    world.observe("A", ["/bad".to_owned()]);
    world.run(60_000, |_, document| answer(document));
    assert_eq!(world.driver.receiver().held(), 1);
    world.observe("A", paths(0..3));
    world.run(120_000, |_, document| answer(document));
    assert_eq!((world.stored_of("A"), world.counts().dropped_invalid, world.driver.receiver().held()), (3, 1, 0));
}

#[test]
fn only_named_data_are_dropped() {
    let cases = [
        (
            "InvalidParameterValue",
            "The parameter EntityMetricData.member.1.MetricData.member.3.Timestamp must be so.",
            true,
        ),
        ("InvalidParameterValue", "The parameter MetricData.member.3.Timestamp must be so.", false),
        ("ValidationError", "Value null at 'metricData.3.member.metricName' failed: Member must not be null", false),
        ("ValidationException", "Value '' at 'metricData.3.member.metricName' failed to satisfy constraint", false),
        ("ValidationException", "Value '' at 'entityMetricData.1.member.metricData.3.member.unit' failed", true),
        ("NeverHeardOf", "The parameter MetricData.member.3.Value is odd", false),
    ];
    for (code, message, has_entity) in cases {
        let mut world = World::new("");
        world.observe_of("A", has_entity.then(entity), paths(0..10));
        let mut bad = None;
        world.run(5_000, |_, document| {
            assert_eq!(document.get("EntityMetricData").is_some(), has_entity);
            Some(match bad {
                None => {
                    bad = Some(path(&data(document)[2]));
                    Reply::error(400, code, message)
                }
                Some(_) => Reply::ok(),
            })
        });
        assert_eq!((world.calls, world.counts().dropped_invalid, world.stored_of("A")), (2, 1, 9), "{message}");
        assert!(!world.stored.contains_key(&("A".to_owned(), bad.unwrap())), "{message}");
    }
}

#[test]
fn data_of_a_refused_entity_is_published_without_it() {
    for message in
        ["The parameter EntityMetricData.member.1.Entity.KeyAttributes must have Type.", "The entity is invalid."]
    {
        let mut world = World::new("");
        for _ in 0..90 {
            world.observe_of("A", Some(entity()), paths(0..5));
            world.run(1_000, |_, document| {
                let has_entity = document.get("EntityMetricData").is_some();
                Some(if has_entity { Reply::error(400, "InvalidParameterValue", message) } else { Reply::ok() })
            });
        }
        world.run(2_000, |_, _| Some(Reply::ok()));
        assert_eq!((world.stored_of("A"), world.counts().dropped()), (450, 0));
        assert_eq!(world.counts().retried, 1, "the refused entity is remembered");
        let lines = world.lines_with("the entity checkout in eks:prod/shop");
        assert!(lines.len() == 1 && lines[0].contains(message), "{:?}", world.lines);
    }
}

/// CloudWatch stores the data, and returns the error in a header.
#[test]
fn an_entity_that_cloudwatch_ignores_is_logged() {
    let mut world = World::new("");
    for _ in 0..10 {
        world.observe_of("A", Some(entity()), paths(0..5));
        world.run(1_000, |_, _| Some(Reply::ok().with("x-amzn-failure-message", "Entity is missing Environment")));
    }
    let lines = world.lines_with("the entity checkout in eks:prod/shop");
    assert!(lines.len() == 1 && lines[0].contains("Entity is missing Environment"), "{:?}", world.lines);
}

#[test]
fn a_foreign_answer_neither_delivers_nor_drops_data() {
    for status in [200, 204, 301, 400, 401, 404, 405, 407, 413, 415, 418, 500, 502] {
        let mut world = World::new(r#", "on_unknown_outcome": "drop""#);
        world.observe("A", paths(0..20));
        world.run(30_000, |_, _| Some(Reply::foreign(status, "<html>ServiceX</html>")));
        let counts = world.counts();
        assert_eq!((counts.published, counts.dropped(), world.driver.receiver().held()), (0, 0, 20), "{status}");
        assert_eq!(counts.foreign, world.calls as u64);
        assert!(world.calls < 60, "{status} {}", world.calls);
        let lines = world.lines_with(&format!("a server other than CloudWatch responded with status {status}"));
        assert!(lines.len() == 1 && lines[0].contains("x-amzn-requestid"), "{status} {:?}", world.lines);
        world.run(60_000, |_, _| Some(Reply::ok()));
        assert_eq!(world.stored_of("A"), 20, "{status}");
    }
}

/// AWS writes the header as `x-amzn-RequestId`, but proxies may change the case.
#[test]
fn the_case_of_the_request_id_does_not_matter() {
    for name in ["x-amzn-RequestId", "X-Amzn-Requestid", "x-amzn-requestid"] {
        let mut world = World::new("");
        world.observe("A", paths(0..1));
        world.run(2_000, |_, _| Some(Reply::foreign(200, "").with(name, "6d0d1b6a")));
        assert_eq!((world.counts().published, world.counts().foreign), (1, 0), "{name}");
    }
}

#[test]
fn the_books_balance_over_hours_of_mixed_answers() {
    let mut world = World::new(r#", "buffer_limit_bytes": 100000"#);
    let replies = [
        Reply::ok(),
        Reply::error(403, "AccessDenied", "no"),
        Reply::error(500, "InternalFailure", ""),
        Reply::foreign(200, ""),
        Reply::error(400, "InvalidParameterValue", "MetricData.member.1.Value"),
        Reply::error(400, "Odd", "no"),
        Reply::error(413, "RequestEntityTooLarge", ""),
        Reply::error(400, "Throttling", "").with("x-amz-retry-after", "100"),
        Reply::error(400, "InvalidParameterValue", "The entity is invalid."),
    ];
    let mut turn = 0usize;
    while world.millis < 2 * HOUR {
        for n in 0..4 {
            let entity = (n == 3).then(entity);
            world.observe_of(&format!("N{n}"), entity, paths(0..7));
        }
        world.run(10_000, |_, _| {
            turn = turn.wrapping_mul(31).wrapping_add(7);
            Some(replies[(turn >> 3) % replies.len()].clone())
        });
        assert!(world.driver.receiver().held_bytes() <= 100_000);
    }
    world.run(HOUR, |_, _| Some(Reply::ok()));
    assert_eq!(world.driver.receiver().held(), 0, "{:?}", world.counts());
}
