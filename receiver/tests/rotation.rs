//! Tests the rotation of credentials over hours of virtual time, with a simulated container endpoint that returns sets
//! and a simulated CloudWatch that refuses expired ones.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::HashMap, time::Duration};

use acpw_metric::{
    Accumulator, DimensionName, DimensionValue, Dimensions, Distribution, Metric, MetricName, Now, StorageResolution,
    Timestamp, Unit,
};
use log::Level;
use proptest::prelude::*;
use receiver::{
    Driver, PublishAnswer, ReceiverConfig, Transmit,
    answer::Reply,
    credentials::{Call, Response},
};

/// 2026-08-22T12:36:00Z
const START: u64 = 1_787_402_160_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// A receiver and its simulated environment.
struct World {
    driver: Driver,
    /// The true time since the start, in milliseconds.
    millis: u64,
    /// The milliseconds by which the host's clock is ahead.
    ahead: i64,
    /// The lifetime of sets, in milliseconds.
    lifetime: u64,
    /// True if the endpoint responds.
    is_up: bool,
    /// True if the instance has a role.
    has_role: bool,
    /// True if the endpoint returns the same set until it has expired.
    is_cached: bool,
    /// The expiry of each set, by its access key.
    sets: HashMap<String, u64>,
    last: String,
    /// The times at which sets were requested.
    calls: Vec<u64>,
    /// The paths requested while the endpoint responded.
    paths: Vec<String>,
    accepted: Vec<String>,
    refused: usize,
    lines: Vec<(Level, String)>,
}

const CONTAINER: &str = r#"{"provider": "container", "cluster": "ecs", "relative_uri": "/x"}"#;
const IMDS: &str = r#"{"provider": "imds", "cluster": "imds"}"#;

impl World {
    fn new(credentials: &str, seed: u64) -> Self {
        let document = format!(
            r#"{{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "credentials": {credentials},
                "publish_interval_millisecond": 1000, "buffer_limit_bytes": 100000}}"#
        );
        let config = ReceiverConfig::from_json(document.as_bytes(), |_| None).unwrap();
        Self {
            driver: Driver::new(config, seed),
            millis: 0,
            ahead: 0,
            lifetime: HOUR,
            is_up: true,
            has_role: true,
            is_cached: false,
            sets: HashMap::new(),
            last: String::new(),
            calls: Vec::new(),
            paths: Vec::new(),
            accepted: Vec::new(),
            refused: 0,
            lines: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        let wall = Timestamp::from_millis(START + self.millis).shifted(self.ahead);
        Now { wall, steady: Duration::from_millis(self.millis) }
    }

    fn observe(&mut self) {
        self.observe_series(0);
    }

    fn observe_series(&mut self, n: usize) {
        let mut held = Accumulator::default();
        let mut one = Distribution::new();
        one.record(1.0);
        let name = MetricName::new("RequestCount").unwrap();
        let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
        let value = DimensionValue::new(&format!("series-{n}")).unwrap();
        let dimensions = Dimensions::new(vec![(DimensionName::new("path").unwrap(), value)]).unwrap();
        held.add(self.now().wall, None, &dimensions, &metric, &one);
        for record in held.into_records(1 << 16) {
            self.driver.handle_record(&record, self.now());
        }
    }

    /// Runs a tick. Calls get an immediate response, and requests are accepted or refused according to their set.
    fn tick(&mut self) {
        self.fetch();
        while let Some(transmit) = self.driver.poll_transmit(self.now()) {
            self.judge(&transmit);
        }
        self.settle();
        self.millis += 200;
    }

    fn fetch(&mut self) {
        while let Some(call) = self.driver.poll_call(self.now()) {
            let response = self.respond(&call);
            assert!(self.driver.poll_call(self.now()).is_none(), "one at a time");
            self.driver.handle_call_answer(&response, self.now());
        }
    }

    fn respond(&mut self, call: &Call) -> Response {
        if !self.is_up {
            self.calls.push(self.millis);
            return Response::Missing("upstream request timeout".to_owned());
        }
        let path = header(&call.headers, ":path").unwrap();
        self.paths.push(path.to_owned());
        let body = match path {
            "/latest/api/token" => "TOKEN".to_owned(),
            "/latest/meta-data/iam/security-credentials/" if self.has_role => "role".to_owned(),
            "/latest/meta-data/iam/security-credentials/" => {
                return Response::Complete { status: 404, body: Vec::new(), date: None };
            }
            _ => self.set(),
        };
        Response::Complete { status: 200, body: body.into_bytes(), date: None }
    }

    fn set(&mut self) -> String {
        self.calls.push(self.millis);
        let is_valid = self.sets.get(&self.last).is_some_and(|expires| *expires > self.millis);
        if !(self.is_cached && is_valid) {
            self.last = format!("ASIA{}", self.sets.len());
            self.sets.insert(self.last.clone(), self.millis + self.lifetime);
        }
        let expires = START + self.sets[&self.last];
        let expires = chrono::DateTime::from_timestamp_millis(expires as i64).unwrap().to_rfc3339();
        serde_json::json!({ "Code": "Success", "AccessKeyId": self.last, "SecretAccessKey": "S", "Token": "T",
            "Expiration": expires })
        .to_string()
    }

    fn judge(&mut self, transmit: &Transmit) {
        let key = signer(transmit);
        // CloudWatch accepts a signature within five minutes of its own time.
        let is_timely = header(&transmit.headers, "x-amz-date").is_some_and(|date| {
            let date = chrono::NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").unwrap().and_utc();
            (date.timestamp_millis() - (START + self.millis) as i64).abs() < 5 * MINUTE as i64
        });
        let date = Some(Timestamp::from_millis(START + self.millis));
        let reply = if !is_timely {
            Reply { status: 400, code: "InvalidSignatureException".to_owned(), date, ..Reply::default() }
        } else if self.sets[&key] <= self.millis {
            self.refused += 1;
            Reply { status: 403, code: "ExpiredToken".to_owned(), date, ..Reply::default() }
        } else {
            self.accepted.push(key);
            Reply { status: 200, date, ..Reply::default() }
        };
        self.driver.handle_answer(transmit.id, &PublishAnswer::Complete(reply), self.now());
    }

    fn settle(&mut self) {
        while let Some(line) = self.driver.poll_log_line() {
            self.lines.push(line);
        }
    }

    /// Runs under load until this time.
    fn run_until(&mut self, millis: u64) {
        while self.millis < millis {
            if self.millis.is_multiple_of(1_000) {
                self.observe();
            }
            self.tick();
        }
    }

    fn counts(&self) -> (u64, u64) {
        (self.driver.receiver().counts().received, self.driver.receiver().counts().published)
    }
}

fn header<'a>(headers: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

/// Returns the access key that a request is signed with.
fn signer(transmit: &Transmit) -> String {
    header(&transmit.headers, "authorization").unwrap().split(['=', '/']).nth(1).unwrap().to_owned()
}

#[test]
fn a_set_is_replaced_fifteen_minutes_early_at_a_random_time() {
    let mut times = Vec::new();
    for seed in 0..50 {
        let mut world = World::new(CONTAINER, seed);
        world.run_until(HOUR);
        assert_eq!((world.calls.len(), world.refused), (2, 0));
        times.push(world.calls[1]);
    }
    // A quarter of fifteen minutes.
    let jitter = 225_000;
    assert!(times.iter().all(|time| (45 * MINUTE - jitter..=45 * MINUTE + 200).contains(time)), "{times:?}");
    let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(last - first > jitter * 8 / 10, "{first} {last}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]
    #[test]
    fn for_any_lifetime_no_expired_set_is_used_and_nothing_is_lost(seed: u64, lifetime in 3u64..2_000) {
        let mut world = World::new(CONTAINER, seed);
        world.lifetime = lifetime * 1_000;
        world.run_until(world.lifetime * 4 + 10_000);
        let end = world.millis;
        while world.driver.receiver().held() > 0 && world.millis < end + MINUTE {
            world.tick();
        }
        let (received, published) = world.counts();
        prop_assert_eq!((received, world.refused), (published, 0));
        prop_assert!(world.calls.len() >= 5, "{:?}", world.calls);
        prop_assert!(world.calls.len() as u64 <= 2 + world.millis / (world.lifetime * 3 / 8).max(1_000), "{:?}", world.calls);
    }
}

#[test]
fn the_old_set_is_used_until_it_expires_and_then_data_is_held() {
    let mut world = World::new(CONTAINER, 1);
    world.run_until(30 * MINUTE);
    world.is_up = false;
    world.run_until(HOUR);
    let accepted = world.accepted.len();
    assert!(
        world.lines.iter().any(|(level, line)| *level == Level::Warn && line.contains("the previous ones are used"))
    );
    assert!(!world.lines.iter().any(|(_, line)| line.contains("data are held")));
    world.run_until(HOUR + 10 * MINUTE);
    assert!(world.accepted.len() <= accepted + 1, "nothing is sent with an expired set");
    assert_eq!(world.refused, 0);
    assert!(world.lines.iter().any(|(level, line)| *level == Level::Error && line.contains("data are held")));
    let attempts = world.calls.iter().filter(|time| **time >= HOUR).count();
    assert!((10..=20).contains(&attempts), "about one a minute, {attempts}");
    assert_eq!(world.driver.receiver().held(), 600);
    world.is_up = true;
    world.run_until(HOUR + 12 * MINUTE);
    assert!(world.driver.receiver().held() <= 2);
    let (received, published) = world.counts();
    assert_eq!(received, published + world.driver.receiver().held());
}

#[test]
fn without_credentials_data_is_held_up_to_the_limit() {
    let mut world = World::new(CONTAINER, 1);
    world.is_up = false;
    for n in 0..5_000 {
        world.observe_series(n);
        world.tick();
        assert!(world.driver.receiver().held_bytes() <= 100_000);
    }
    let counts = *world.driver.receiver().counts();
    assert_eq!(counts.received, counts.dropped_buffer_full + world.driver.receiver().held());
    assert!(counts.dropped_buffer_full > 0 && counts.credentials_failed > 10 && counts.requests == 0);
    world.is_up = true;
    while world.driver.receiver().held() > 0 {
        world.tick();
    }
    let counts = *world.driver.receiver().counts();
    assert_eq!(counts.received, counts.published + counts.dropped_buffer_full);
    assert_eq!(counts.credentials_refreshed, 1);
}

#[test]
fn expired_credentials_of_the_metadata_service_remain_in_use() {
    let mut world = World::new(IMDS, 1);
    world.run_until(30 * MINUTE);
    world.is_up = false;
    world.run_until(HOUR - 1_000);
    // During such an outage AWS accepts them for longer.
    world.sets.insert("ASIA0".to_owned(), 10 * HOUR);
    world.run_until(3 * HOUR);
    assert!(world.driver.receiver().held() <= 2);
    assert_eq!((world.accepted.iter().all(|key| key == "ASIA0"), world.refused), (true, 0));
}

#[test]
fn a_metadata_service_without_a_new_set_is_retried_in_time() {
    let mut world = World::new(IMDS, 1);
    world.is_cached = true;
    world.run_until(HOUR + MINUTE);
    assert_eq!(world.refused, 0);
    // 15 minutes before the expiry, and then each time after half of the remaining time.
    assert!((5..25).contains(&world.calls.len()), "{:?}", world.calls);
    assert_eq!(world.accepted.last().unwrap(), "ASIA1");
}

#[test]
fn an_accepted_set_that_is_refused_is_replaced_immediately() {
    let mut world = World::new(CONTAINER, 1);
    for _ in 0..3 {
        world.run_until(world.millis + 5_000);
        let calls = world.calls.len();
        // The set is revoked early.
        world.sets.insert(world.last.clone(), 0);
        world.run_until(world.millis + 3_000);
        assert_eq!(world.calls.len(), calls + 1);
    }
    world.run_until(world.millis + 2_000);
    let (received, published) = world.counts();
    assert!(published + 2 >= received, "{received} {published}");
    assert_eq!((world.refused, world.driver.receiver().counts().denied), (3, 0));
}

#[test]
fn sets_that_are_never_accepted_are_replaced_at_most_once_per_minute() {
    let mut world = World::new(CONTAINER, 1);
    world.observe();
    for _ in 0..10 * 300 {
        world.fetch();
        while let Some(transmit) = world.driver.poll_transmit(world.now()) {
            let code = "UnrecognizedClientException".to_owned();
            let answer = PublishAnswer::Complete(Reply { status: 403, code, ..Reply::default() });
            world.driver.handle_answer(transmit.id, &answer, world.now());
            world.refused += 1;
        }
        world.millis += 200;
    }
    // Ten minutes.
    assert!((8..=12).contains(&world.calls.len()), "{:?}", world.calls);
    assert!((15..=35).contains(&world.refused), "{}", world.refused);
    assert_eq!(world.driver.receiver().held(), 1);
}

#[test]
fn a_late_refusal_of_the_old_set_does_not_discard_the_new_one() {
    let mut world = World::new(CONTAINER, 1);
    for n in 0..250 {
        world.observe_series(n);
    }
    let mut sent = Vec::new();
    while sent.is_empty() {
        world.fetch();
        sent.extend(std::iter::from_fn(|| world.driver.poll_transmit(world.now())));
        world.millis += 200;
    }
    world.observe_series(0);
    while sent.len() < 2 {
        sent.extend(std::iter::from_fn(|| world.driver.poll_transmit(world.now())));
        world.millis += 200;
    }
    let expired =
        PublishAnswer::Complete(Reply { status: 403, code: "ExpiredTokenException".to_owned(), ..Reply::default() });
    for transmit in &sent {
        world.driver.handle_answer(transmit.id, &expired, world.now());
        world.fetch();
    }
    assert_eq!(world.calls.len(), 2);
    let again = world.driver.poll_transmit(world.now()).unwrap();
    assert_eq!(signer(&again), "ASIA1");
}

#[test]
fn a_wrong_clock_is_corrected_even_if_every_set_seems_expired() {
    let day = 24 * HOUR as i64;
    for ahead in [2 * day, -2 * day] {
        let mut world = World::new(CONTAINER, 1);
        world.ahead = ahead;
        world.run_until(4 * HOUR);
        let (received, published) = world.counts();
        assert!(published + 5 >= received && world.refused == 0, "{ahead}: {received} {published} {}", world.refused);
        assert!((4..=9).contains(&world.calls.len()), "{ahead}: {:?}", world.calls);
    }
}

#[test]
fn the_clock_is_corrected_by_sts_before_the_first_request() {
    let mut world = World::new(
        r#"{"provider": "assume_role", "cluster": "sts", "role_arn": "arn:aws:iam::1:role/r",
            "source": {"provider": "static", "access_key_id": "AKIA", "secret_access_key": "S"}}"#,
        1,
    );
    world.ahead = -2 * 24 * HOUR as i64;
    world.observe();
    let mut dates = Vec::new();
    for _ in 0..50 {
        while let Some(call) = world.driver.poll_call(world.now()) {
            dates.push(header(&call.headers, "x-amz-date").unwrap().to_owned());
            let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message></Error>";
            let date = Some(Timestamp::from_millis(START + world.millis));
            let response = Response::Complete { status: 403, body: body.as_bytes().to_vec(), date };
            world.driver.handle_call_answer(&response, world.now());
        }
        world.millis += 200;
    }
    assert!(
        dates[..2].iter().all(|date| date.starts_with("20260820"))
            && dates[2..].iter().all(|date| date.starts_with("20260822")),
        "{dates:?}"
    );
    assert_eq!(world.driver.receiver().snapshot(world.now()).clock_skew, 2 * 24 * HOUR as i64);
}

#[test]
fn the_chain_stays_with_the_provider_that_returned_credentials() {
    // In the first minutes the instance has no role.
    let mut world = World::new(&format!("[{IMDS}, {CONTAINER}]"), 1);
    world.has_role = false;
    world.run_until(5 * MINUTE);
    assert_eq!(world.paths.iter().filter(|path| **path == "/latest/api/token").count(), 1);
    world.has_role = true;
    world.run_until(2 * HOUR);
    assert_eq!(world.paths.iter().filter(|path| **path == "/latest/api/token").count(), 1);
    assert!(world.calls.len() >= 3 && world.refused == 0, "{:?}", world.calls);
}

const KEYS: &str = r#"{"provider": "static", "access_key_id": "AKIA", "secret_access_key": "S"}"#;

/// The network starts after the container.
#[test]
fn an_unreachable_provider_is_tried_again_when_the_other_ones_credentials_are_refused() {
    let mut world = World::new(&format!("[{IMDS}, {KEYS}]"), 1);
    world.is_up = false;
    world.sets.insert("AKIA".to_owned(), 0);
    world.run_until(5_000);
    world.is_up = true;
    world.run_until(3 * MINUTE);
    assert_eq!(world.accepted.first().map(String::as_str), Some("ASIA1"), "{:?}", world.lines);
    assert!(world.refused <= 8 && world.driver.receiver().held() <= 2, "{}", world.refused);
    assert!(
        world.lines.iter().any(|(_, line)| line.contains("static: AWS refuses its credentials")),
        "{:?}",
        world.lines
    );
}

/// AWS accepts the credentials of the other provider.
#[test]
fn an_unreachable_provider_is_tried_again_within_five_minutes() {
    let mut world = World::new(&format!("[{IMDS}, {KEYS}]"), 1);
    world.is_up = false;
    world.sets.insert("AKIA".to_owned(), 10 * HOUR);
    world.run_until(MINUTE);
    assert!(world.accepted.len() > 50 && world.accepted.iter().all(|key| key == "AKIA"));
    world.run_until(11 * MINUTE);
    assert!((2..=4).contains(&world.calls.len()), "every five minutes: {:?}", world.calls);
    world.is_up = true;
    world.run_until(17 * MINUTE);
    assert_eq!(world.accepted.last().unwrap(), "ASIA1");
    assert_eq!(world.refused, 0);
}

#[test]
fn providers_whose_credentials_are_refused_are_tried_once_per_minute() {
    let mut world = World::new(&format!("[{IMDS}, {KEYS}]"), 1);
    world.is_up = false;
    world.sets.insert("AKIA".to_owned(), 0);
    world.run_until(10 * MINUTE);
    assert!((8..=12).contains(&world.calls.len()), "{:?}", world.calls);
    assert!((15..=35).contains(&world.refused), "{}", world.refused);
}

/// A change takes some seconds to propagate in IAM.
#[test]
fn a_denied_role_is_retried_within_seconds_at_first() {
    let mut firsts = Vec::new();
    for seed in 0..20 {
        let source = KEYS;
        let role = format!(
            r#"{{"provider": "assume_role", "cluster": "sts", "role_arn": "arn:aws:iam::1:role/r", "source": {source}}}"#
        );
        let mut world = World::new(&role, seed);
        let mut times = Vec::new();
        while world.millis < HOUR {
            while world.driver.poll_call(world.now()).is_some() {
                times.push(world.millis);
                let body = "<Error><Code>AccessDenied</Code><Message>not authorized</Message></Error>";
                let response = Response::Complete { status: 403, body: body.as_bytes().to_vec(), date: None };
                world.driver.handle_call_answer(&response, world.now());
            }
            world.millis += 200;
        }
        let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let limits = [5, 10, 20, 40, 80, 160, 300, 300, 300].map(|seconds| seconds * 1_000);
        for (wait, limit) in waits.iter().zip(limits) {
            assert!((limit / 2..=limit + 200).contains(wait), "{waits:?}");
        }
        assert!((15..=32).contains(&times.len()), "{times:?}");
        firsts.push(waits[0]);
    }
    assert!(firsts.iter().max() > firsts.iter().min(), "a fleet does not retry at the same moment");
}

#[test]
fn a_set_with_an_invalid_expiry_is_logged_once_and_refreshed_every_five_minutes() {
    let mut world = World::new(CONTAINER, 1);
    world.sets.insert("ASIA".to_owned(), 10 * HOUR);
    while world.millis < 31 * MINUTE {
        while world.driver.poll_call(world.now()).is_some() {
            world.calls.push(world.millis);
            let body = serde_json::json!({ "AccessKeyId": "ASIA", "SecretAccessKey": "S", "Token": "T",
                "Expiration": "at noon" });
            let body = body.to_string().into_bytes();
            world.driver.handle_call_answer(&Response::Complete { status: 200, body, date: None }, world.now());
        }
        if world.millis.is_multiple_of(1_000) {
            world.observe();
        }
        while let Some(transmit) = world.driver.poll_transmit(world.now()) {
            world.judge(&transmit);
        }
        world.settle();
        world.millis += 200;
    }
    assert!((6..=8).contains(&world.calls.len()), "{:?}", world.calls);
    assert!(world.driver.receiver().held() <= 2);
    let lines: Vec<_> = world.lines.iter().filter(|(_, line)| line.contains("Expiration")).collect();
    assert!(lines.len() == 1 && !lines[0].1.contains("noon"), "{lines:?}");
}

#[test]
fn static_keys_are_not_refreshed() {
    let keys = r#"{"provider": "static", "access_key_id": "AKIA", "secret_access_key": "S"}"#;
    let mut world = World::new(keys, 1);
    world.sets.insert("AKIA".to_owned(), 0);
    world.run_until(2 * MINUTE);
    assert!((3..=5).contains(&world.refused), "{}", world.refused);
    assert_eq!(world.driver.receiver().counts().denied, world.refused as u64);
    world.sets.insert("AKIA".to_owned(), HOUR);
    world.run_until(3 * MINUTE);
    assert!(world.driver.receiver().held() <= 2);
}
