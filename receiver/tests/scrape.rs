//! Prometheus endpoints that answer, fail, hang and lie, through minutes of virtual time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, time::Duration};

use receiver::{call::Response, notice::Notice};
use scene::{Clock, config, header, told};
use serde_json::json;

/// The start of a process, by which increases are known to be of one. It is a metric that client
/// libraries publish.
const PROCESS: &str = "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.78740215925e+09\n";

#[path = "scrape/log_lines.rs"]
mod log_lines;
#[path = "scrape/mutations.rs"]
mod mutations;
#[path = "scrape/pace.rs"]
mod pace;
#[path = "scrape/pages.rs"]
mod pages;
#[path = "scrape/scene.rs"]
mod scene;

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
        let text = format!(
            "{PROCESS}# TYPE rq counter\nrq_total{{code=\"200\"}} {}\nrq_total{{code=\"500\"}} 7\n# EOF\n",
            round * 3
        );
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
fn a_series_that_began_while_an_answer_was_on_its_way_is_published_whole() {
    let mut clock = Clock::new(json!([{ "cluster_name": "app", "rules": [{ "metric": "rq_total" }] }]));
    let (id, _) = clock.next_call();
    let asked = clock.now().wall.as_millis();
    // Written at once, and two seconds on its way.
    clock.tick_for(2_000);
    clock.answer(id, &format!("{PROCESS}# EOF\n"));
    clock.tick_for(400);
    let (id, _) = clock.next_call();
    let began = (asked + 500) as f64 / 1e3;
    clock.answer(id, &format!("{PROCESS}# TYPE rq counter\nrq_total 7\nrq_created {began}\n# EOF\n"));
    assert_eq!(clock.tick_for(400), [("rq_total Count".to_owned(), 1.0, 7.0)]);
}

#[test]
fn failures_are_logged_and_a_missed_round_is_in_the_next() {
    let mut clock =
        Clock::new(json!([{ "cluster_name": "app", "rules": [{ "metric": "a", "metric_type": "counter" }] }]));
    let (id, _) = clock.next_call();
    clock.answer(id, &format!("{PROCESS}a 5\n"));
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
    clock.answer(id, &format!("{PROCESS}a 9\n"));
    assert_eq!(clock.tick_for(200), [told("a Count", 1.0, 4.0)]);
    let counts = clock.sources.counts();
    assert_eq!((counts.answers, counts.failed, counts.gaps), (2, 3, 1));
    let name = || "scrape[0]".to_owned();
    let failed = |reason: &str| Notice::SourceFailed { name: name(), reason: reason.to_owned() };
    let expected = [
        failed("upstream connect error"),
        failed("it answers with status 500: a 1"),
        failed("the answer ends within a line, and neither content-length nor chunks say that it is whole"),
        Notice::SourceRecovered { name: name() },
    ];
    assert_eq!(clock.notices(), expected);

    // A line of the metric that cannot be read is as if it were missing.
    let (id, _) = clock.next_call();
    clock.answer(id, &format!("{PROCESS}a{{ nonsense\n"));
    assert_eq!(clock.tick_for(200), []);
    let (id, _) = clock.next_call();
    clock.answer(id, &format!("{PROCESS}a 110\n"));
    assert_eq!(clock.tick_for(200), [told("a Count", 1.0, 101.0)]);
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
        "scrape[0].urls: unknown key; known keys are cluster_name, path, host, interval_millisecond, ",
        "scrape[0].cluster_name: is required",
        "scrape[0].path: must begin with",
        "scrape[0].host: is not a host",
        "scrape[0].interval_millisecond: must be between 1000 and 3600000, got 999",
        "scrape[0].answer_limit_bytes: must be between 1024 and 16777216, got 1",
        "scrape[0].max_series: must be between 1 and 20000, got 0",
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
