//! Prometheus endpoints that answer, fail, hang and lie, through minutes of virtual time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, time::Duration};

use acpw_metric::{Accumulator, Now, Timestamp};
use receiver::{
    Config,
    call::{Call, Response},
    notice::Notice,
    source::{SourceId, Sources},
};
use serde_json::{Value, json};

const START: u64 = 1_787_402_160_000;

fn config(scrape: Value) -> Result<Config, Vec<String>> {
    let document = json!({
        "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "aws_access_key_id": "AKID",
        "aws_secret_access_key": "secret", "scrape": scrape,
    });
    Config::from_json(document.to_string().as_bytes(), |_| None).map_err(|faults| faults.lines().collect())
}

/// Sources that tick five times a second.
struct Clock {
    sources: Sources,
    millis: u64,
    calls: Vec<(SourceId, Call)>,
}

impl Clock {
    fn new(scrape: Value) -> Self {
        Self { sources: Sources::new(config(scrape).unwrap().sources), millis: 0, calls: Vec::new() }
    }

    fn now(&self) -> Now {
        Now { wall: Timestamp::from_millis(START + self.millis), steady: Duration::from_millis(self.millis) }
    }

    fn answer(&mut self, id: SourceId, body: &str) {
        self.respond(id, Response::Complete { status: 200, body: body.as_bytes().to_vec(), date: None });
    }

    fn respond(&mut self, id: SourceId, response: Response) {
        let now = self.now();
        self.sources.handle_answer(id, response, now);
    }

    /// Ticks for so long; gives what was published: the namespace and name, dimension values, samples and sum.
    fn tick_for(&mut self, millis: u64) -> Vec<(String, f64, f64)> {
        let mut all = Accumulator::default();
        for _ in 0..millis / 200 {
            self.millis += 200;
            while let Some(call) = self.sources.poll_call(self.now()) {
                self.calls.push(call);
            }
            for data in self.sources.poll_data() {
                all.merge(data.data);
            }
        }
        let told = all.iter().flat_map(|(key, dimensions, distributions)| {
            let namespace = key.origin.namespace.as_ref().map(|namespace| format!("{namespace} ")).unwrap_or_default();
            let values: String = dimensions.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            distributions.iter().map(move |(metric, told)| {
                (format!("{namespace}{}{values} {}", metric.name, metric.unit), told.sample_count(), told.sum())
            })
        });
        told.collect()
    }

    /// Ticks until the next call.
    fn next_call(&mut self) -> (SourceId, Call) {
        for _ in 0..1_000 {
            if self.calls.is_empty() {
                assert_eq!(self.tick_for(200), []);
            }
        }
        self.calls.remove(0)
    }

    fn notices(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.sources.poll_notice()).collect()
    }
}

fn header<'a>(call: &'a Call, name: &str) -> &'a str {
    &call.headers.iter().find(|(known, _)| *known == name).unwrap().1
}

fn told(name: &str, samples: f64, sum: f64) -> (String, f64, f64) {
    (name.to_owned(), samples, sum)
}

#[test]
fn a_target_is_asked_once_an_interval_and_its_increases_are_published() {
    let mut clock = Clock::new(json!([{
        "cluster_name": "app", "path": "/metrics?all=1", "host": "app.internal:9090", "metric_namespace": "App",
        "dimensions": { "Service": "shop" },
        "rules": [{ "metric": "rq_*", "dimensions": { "Code": { "label": "code" } } }],
    }]));
    let mut minutes = BTreeMap::new();
    for round in 0..12u64 {
        let (id, call) = clock.next_call();
        assert_eq!(call.cluster, "app");
        assert_eq!(
            [":method", ":path", ":authority"].map(|name| header(&call, name)),
            ["GET", "/metrics?all=1", "app.internal:9090"]
        );
        assert!(header(&call, "accept").contains("openmetrics"));
        assert_eq!(call.timeout, Duration::from_secs(10));
        let text =
            format!("# TYPE rq counter\nrq_total{{code=\"200\"}} {}\nrq_total{{code=\"500\"}} 7\n# EOF\n", round * 3);
        clock.answer(id, &text);
        for (name, samples, sum) in clock.tick_for(400) {
            let minute: &mut (f64, f64) = minutes.entry(name).or_default();
            *minute = (minute.0 + samples, minute.1 + sum);
        }
    }
    assert!((110_000..=121_000).contains(&clock.millis), "{}", clock.millis);
    let expected = [
        ("App rq_total Code=200 Service=shop Count".to_owned(), (11.0, 33.0)),
        ("App rq_total Code=500 Service=shop Count".to_owned(), (11.0, 0.0)),
    ];
    assert_eq!(minutes, expected.into());
    assert_eq!((clock.sources.counts().answers, clock.sources.counts().gaps), (12, 2));
    assert_eq!(clock.notices(), []);
}

#[test]
fn what_fails_is_told_once_it_recovers_and_a_missed_round_is_in_the_next() {
    let mut clock =
        Clock::new(json!([{ "cluster_name": "app", "rules": [{ "metric": "a", "metric_type": "counter" }] }]));
    let (id, _) = clock.next_call();
    clock.answer(id, "a 5\n");
    assert_eq!(clock.tick_for(200), []);
    let failures = [
        Response::Missing("upstream connect error".to_owned()),
        Response::Complete { status: 500, body: b"a 1\n".to_vec(), date: None },
        Response::Complete { status: 200, body: b"a 1".to_vec(), date: None },
    ];
    for failure in failures {
        let (id, _) = clock.next_call();
        clock.respond(id, failure);
    }
    let (id, _) = clock.next_call();
    clock.answer(id, "a 9\n");
    assert_eq!(clock.tick_for(200), [told("a Count", 1.0, 4.0)]);
    let counts = clock.sources.counts();
    assert_eq!((counts.answers, counts.failed, counts.gaps), (2, 3, 1));
    let name = || "scrape[0]".to_owned();
    let failed = |reason: &str| Notice::SourceFailed { name: name(), reason: reason.to_owned() };
    let expected = [
        failed("upstream connect error"),
        failed("it answers with status 500"),
        failed("the answer breaks off within a line"),
        Notice::SourceRecovered { name: name() },
    ];
    assert_eq!(clock.notices(), expected);

    // A line that is none: what was read before it may be as wrong.
    let (id, _) = clock.next_call();
    clock.answer(id, "a 100\na{ nonsense\n");
    assert_eq!(clock.tick_for(200), []);
    let (id, _) = clock.next_call();
    clock.answer(id, "a 110\n");
    assert_eq!(clock.tick_for(200), []);
    let (id, _) = clock.next_call();
    clock.answer(id, "a 111\n");
    assert_eq!(clock.tick_for(200), [told("a Count", 1.0, 1.0)]);
}

#[test]
fn a_target_that_hangs_or_tells_too_much_costs_only_itself() {
    let rules = json!([{ "metric": "a" }]);
    let scrape = |cluster: &str, limit: u64| {
        json!({ "cluster_name": cluster, "rules": rules, "interval_millisecond": 1_000, "answer_limit_bytes": limit,
            "dimensions": { "of": cluster }, "max_series": 5 })
    };
    let mut clock = Clock::new(json!([scrape("hangs", 1_024), scrape("talks", 16 << 20), scrape("good", 1_024)]));
    // Ten megabytes, of which five series are wanted.
    let long = (0..200_000).map(|n| format!("a{{n=\"{n}\",text=\"{}\"}} 1\n", "x".repeat(30))).collect::<String>();
    let mut good = 0;
    let mut hung = 0;
    for _ in 0..60 {
        let told = clock.tick_for(200);
        for (name, ..) in &told {
            assert_eq!(name, "a of=good None");
        }
        good += told.iter().map(|(_, samples, _)| samples).sum::<f64>() as u64;
        for (id, call) in std::mem::take(&mut clock.calls) {
            match call.cluster.as_str() {
                "hangs" => hung += 1,
                "talks" => clock.answer(id, &long),
                _ => clock.answer(id, "a 1\n"),
            }
        }
    }
    // Once a second all the while, and at the start.
    assert_eq!((good, hung), (13, 1));
}

#[test]
fn a_large_answer_is_read_over_several_ticks() {
    let mut clock = Clock::new(json!([{ "cluster_name": "app", "rules": [{ "metric": "a" }], "max_series": 20_000 }]));
    let (id, _) = clock.next_call();
    let text = (0..20_000).map(|n| format!("a{{n=\"{n}\",text=\"{}\"}} 1\n", "x".repeat(30))).collect::<String>();
    clock.answer(id, &text);
    let mut ticks = 0;
    let published = loop {
        ticks += 1;
        let told = clock.tick_for(200);
        if !told.is_empty() {
            break told;
        }
    };
    assert_eq!(published, [told("a None", 1.0, 20_000.0)]);
    assert!(ticks >= text.len() / receiver::source::TICK_BYTES, "{ticks}");
    assert_eq!(clock.sources.counts().answers, 1);
}

#[test]
fn every_fault_is_told_with_its_path() {
    let faults = config(json!([
        { "path": "metrics", "host": "a b", "interval_millisecond": 999, "answer_limit_bytes": 1, "max_series": 0,
          "metric_namespace": "AWS/X", "dimensions": { "a": "" }, "rules": [], "urls": [] },
        { "cluster_name": "c", "rules": [{ "metric": "" }] },
        5,
    ]))
    .unwrap_err();
    let starts = [
        "scrape[0].urls: unknown key; known are cluster_name, path, host, interval_millisecond, ",
        "scrape[0].cluster_name: is required",
        "scrape[0].path: must begin with",
        "scrape[0].host: is not a host",
        "scrape[0].interval_millisecond: 999 is not within 1000 and 3600000",
        "scrape[0].answer_limit_bytes: 1 is not within 1024 and 16777216",
        "scrape[0].max_series: 0 is not within 1 and 20000",
        "scrape[0].metric_namespace: must not start with",
        "scrape[0].dimensions.a: must have at least one character",
        "scrape[0].rules: must have 1 to 1000 rules",
        "scrape[1].rules[0].metric: must not be empty",
        "scrape[2]: must be an object",
    ];
    assert_eq!(faults.len(), starts.len(), "{faults:#?}");
    for (fault, start) in faults.iter().zip(starts) {
        assert!(fault.starts_with(start), "{fault} {start}");
    }
}
