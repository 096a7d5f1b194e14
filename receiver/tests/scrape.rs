//! Tests scrapes of Prometheus endpoints that respond, fail, hang and lie, in virtual time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, time::Duration};

use receiver::{call::Response, notice::Notice};
use scene::{Poller, config, datum, header};
use serde_json::json;

/// The start time of a process, which client libraries publish. It shows that increases are of one process.
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
fn a_target_is_polled_once_per_interval_and_its_increases_are_published() {
    let mut poller = Poller::new(json!([{
        "cluster_name": "app", "path": "/metrics?all=1", "host": "app.internal:9090", "metric_namespace": "App",
        "dimensions": { "Service": "shop" },
        "rules": [{ "metric": "rq_*", "dimensions": { "Code": { "label": "code" } } }],
    }]));
    let mut minutes = BTreeMap::new();
    for round in 0..12u64 {
        let (id, call) = poller.next_call();
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
        poller.answer(id, &text);
        for (name, samples, sum) in poller.tick_for(400) {
            let minute: &mut (f64, f64) = minutes.entry(name).or_default();
            *minute = (minute.0 + samples, minute.1 + sum);
        }
    }
    assert!((110_000..=121_000).contains(&poller.millis), "{}", poller.millis);
    let expected = [
        ("App rq_total Code=200 Service=shop Count".to_owned(), (11.0, 33.0)),
        ("App rq_total Code=500 Service=shop Count".to_owned(), (11.0, 0.0)),
    ];
    assert_eq!(minutes, expected.into());
    assert_eq!((poller.sources.counts().answers, poller.sources.counts().gaps), (12, 2));
    assert_eq!(poller.notices(), []);
}

#[test]
fn failures_are_logged_and_their_increases_are_published_later() {
    let mut poller =
        Poller::new(json!([{ "cluster_name": "app", "rules": [{ "metric": "a", "metric_type": "counter" }] }]));
    let (id, _) = poller.next_call();
    poller.answer(id, &format!("{PROCESS}a 5\n"));
    assert_eq!(poller.tick_for(200), []);
    let failures = [
        Response::Missing("upstream connect error".to_owned()),
        Response::Complete { status: 500, body: b"a 1\n".to_vec(), date: None },
        Response::Complete { status: 200, body: b"a 1".to_vec(), date: None },
    ];
    for failure in failures {
        let (id, _) = poller.next_call();
        poller.respond(id, failure);
    }
    let (id, _) = poller.next_call();
    poller.answer(id, &format!("{PROCESS}a 9\n"));
    assert_eq!(poller.tick_for(200), [datum("a Count", 1.0, 4.0)]);
    let counts = poller.sources.counts();
    assert_eq!((counts.answers, counts.failed, counts.gaps), (2, 3, 1));
    let name = || "scrape[0]".to_owned();
    let failed = |reason: &str| Notice::SourceFailed { name: name(), reason: reason.to_owned() };
    let expected = [
        failed("upstream connect error"),
        failed("it responds with status 500: a 1"),
        failed(
            "the response ends within a line, and neither content-length nor chunked encoding shows that it is complete",
        ),
        Notice::SourceRecovered { name: name() },
    ];
    assert_eq!(poller.notices(), expected);

    // An invalid line is treated as missing.
    let (id, _) = poller.next_call();
    poller.answer(id, &format!("{PROCESS}a{{ nonsense\n"));
    assert_eq!(poller.tick_for(200), []);
    let (id, _) = poller.next_call();
    poller.answer(id, &format!("{PROCESS}a 110\n"));
    assert_eq!(poller.tick_for(200), [datum("a Count", 1.0, 101.0)]);
}

#[test]
fn a_target_that_hangs_or_responds_with_too_much_affects_only_itself() {
    let rules = json!([{ "metric": "a" }]);
    let scrape = |cluster: &str, limit: u64| {
        json!({ "cluster_name": cluster, "rules": rules, "interval_millisecond": 1_000, "answer_limit_bytes": limit,
            "dimensions": { "of": cluster }, "max_series": 5 })
    };
    let mut poller = Poller::new(json!([scrape("hangs", 1_024), scrape("talks", 16 << 20), scrape("good", 1_024)]));
    // Ten megabytes with more series than max_series.
    let long = (0..200_000).map(|n| format!("a{{n=\"{n}\",text=\"{}\"}} 1\n", "x".repeat(30))).collect::<String>();
    let mut good = 0;
    let mut hung = 0;
    for _ in 0..60 {
        let published = poller.tick_for(200);
        for (name, ..) in &published {
            assert_eq!(name, "a of=good None");
        }
        good += published.iter().map(|(_, samples, _)| samples).sum::<f64>() as u64;
        for (id, call) in std::mem::take(&mut poller.calls) {
            match call.cluster.as_str() {
                "hangs" => hung += 1,
                "talks" => poller.answer(id, &long),
                _ => poller.answer(id, "a 1\n"),
            }
        }
    }
    // Once per second, and once at the start.
    assert_eq!((good, hung), (13, 1));
}

#[test]
fn a_large_response_is_read_over_several_ticks() {
    let mut poller =
        Poller::new(json!([{ "cluster_name": "app", "rules": [{ "metric": "a" }], "max_series": 20_000 }]));
    let (id, _) = poller.next_call();
    let text = (0..20_000).map(|n| format!("a{{n=\"{n}\",text=\"{}\"}} 1\n", "x".repeat(30))).collect::<String>();
    poller.answer(id, &text);
    let mut ticks = 0;
    let published = loop {
        ticks += 1;
        let published = poller.tick_for(200);
        if !published.is_empty() {
            break published;
        }
    };
    assert_eq!(published, [datum("a None", 1.0, 20_000.0)]);
    assert!(ticks >= text.len() / receiver::source::TICK_BYTES, "{ticks}");
    assert_eq!(poller.sources.counts().answers, 1);
}

#[test]
fn all_configuration_errors_are_reported_with_their_paths() {
    let errors = config(json!([
        { "path": "metrics", "host": "a b", "interval_millisecond": 999, "answer_limit_bytes": 1, "max_series": 0,
          "metric_namespace": "AWS/X", "dimensions": { "a": "" }, "rules": [], "urls": [] },
        { "cluster_name": "c", "rules": [{ "metric": "" }] },
        5,
    ]))
    .unwrap_err();
    let starts = [
        "scrape[0].urls: unknown key; known keys are cluster_name, path, host, interval_millisecond, ",
        "scrape[0].cluster_name: is required",
        "scrape[0].path: must start with",
        "scrape[0].host: must be a host name or address",
        "scrape[0].interval_millisecond: must be between 1000 and 3600000, got 999",
        "scrape[0].answer_limit_bytes: must be between 1024 and 16777216, got 1",
        "scrape[0].max_series: must be between 1 and 20000, got 0",
        "scrape[0].metric_namespace: must not start with",
        "scrape[0].dimensions.a: must have at least one character",
        "scrape[0].rules: must have 1 to 1000 rules",
        "scrape[1].rules[0].metric: must not be empty",
        "scrape[2]: must be an object",
    ];
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error} {start}");
    }
}
