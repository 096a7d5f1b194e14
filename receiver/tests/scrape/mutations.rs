//! One wrong line of a page changes only its own series, or leaves gaps.

use std::collections::BTreeMap;

use receiver::source::{
    reading::{Reading, Sink, Skipped, Wanted},
    scrape::exposition::Exposition,
};
use serde_json::json;

use crate::{PROCESS, scene::Clock};

/// The rounds, and the one in which a line is wrong.
const ROUNDS: u32 = 16;
const WRONG: u32 = 5;

/// The metrics of the page, none of which is near to another.
const METRICS: [&str; 6] = ["requests_total", "queue_depth", "took_seconds", "rpc", "untyped_thing", "process"];

/// Samples and sums published so far or in a round, by series.
type Published = BTreeMap<String, (f64, f64)>;

fn page(n: u32) -> String {
    format!(
        "{PROCESS}# TYPE requests_total counter\nrequests_total{{code=\"200\",pod=\"alpha\"}} {}\n\
         requests_total{{code=\"200\",pod=\"omega\"}} {}\nrequests_total{{code=\"503\",pod=\"alpha\"}} {}\n\
         # TYPE queue_depth gauge\nqueue_depth{{shard=\"first\"}} {}\nqueue_depth{{shard=\"other\"}} {}\n\
         # TYPE took_seconds histogram\ntook_seconds_bucket{{le=\"0.5\"}} {}\ntook_seconds_bucket{{le=\"+Inf\"}} {}\n\
         took_seconds_sum {}\ntook_seconds_count {}\n# TYPE rpc summary\nrpc{{quantile=\"0.5\"}} 4\nrpc_sum {}\nrpc_count {}\n\
         untyped_thing 7\n",
        100 + 3 * n,
        200 + 5 * n,
        300 + 7 * n,
        40 + n,
        50 + n,
        20 + n,
        30 + 2 * n,
        4 * n,
        30 + 2 * n,
        6 * n,
        60 + n,
    )
}

/// Publishes the pages, of which one may be `wrong`. Returns what was published in each round.
fn published(wrong: Option<&[u8]>) -> Vec<Published> {
    let code = json!({ "Code": { "label": "code" } });
    let mut clock = Clock::new(json!([{ "cluster_name": "app", "interval_millisecond": 1_000, "rules": [
        { "metric": "requests_total", "dimensions": code },
        { "metric": "queue_depth" }, { "metric": "took_seconds" }, { "metric": "rpc" }, { "metric": "untyped_thing" },
    ] }]));
    let round = |n| {
        let (id, _) = clock.next_call();
        match wrong.filter(|_| n == WRONG) {
            Some(page) => clock.answer_with(id, 200, &[], page),
            None => clock.answer(id, &page(n)),
        }
        clock.tick_for(800).into_iter().map(|(name, samples, sum)| (name, (samples, sum))).collect()
    };
    (0..ROUNDS).map(round).collect()
}

/// Notes whether a line is skipped.
struct Skips(bool);

impl Sink for Skips {
    fn wants(&mut self, name: &str) -> Wanted {
        if METRICS.contains(&name) { Wanted::ByName } else { Wanted::No }
    }

    fn accept(&mut self, _: &Reading<'_>) {}

    fn skip(&mut self, _: &Skipped<'_>) {
        self.0 = true;
    }

    fn set_process_start(&mut self, _: f64) {}
}

/// Returns whether a page has a line that cannot be read.
fn is_skipped(page: &[u8]) -> bool {
    let mut skips = Skips(false);
    let mut exposition = Exposition::new(page.to_vec()).unwrap();
    while !exposition.read(&mut { usize::MAX }, &mut skips).unwrap() {}
    skips.0
}

/// Pages with one wrong line, each with the line as it should be and as it is.
fn wrong_pages() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let page = page(WRONG);
    let lines: Vec<_> = page.lines().collect();
    let mut pages = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let bytes = line.as_bytes();
        let mut wrong: Vec<Vec<u8>> = vec![Vec::new(), [bytes, b"\n", bytes].concat(), [bytes, b" ?"].concat()];
        wrong.extend((1..bytes.len()).step_by(4).map(|length| bytes[..length].to_vec()));
        for place in (0..bytes.len()).step_by(2) {
            for byte in [b'x', b'9', b'"', b' ', b'{', 0xe4] {
                let mut changed = bytes.to_vec();
                changed[place] = byte;
                wrong.push(changed);
            }
        }
        for wrong in wrong {
            let all = |at_line: usize, known: &&str| {
                let line = if at_line == at { wrong.as_slice() } else { known.as_bytes() };
                [line, b"\n"].concat()
            };
            let page: Vec<_> = lines.iter().enumerate().flat_map(|(at, line)| all(at, line)).collect();
            pages.push(((*line).to_owned(), wrong.clone(), page));
        }
    }
    pages
}

#[test]
fn one_wrong_line_changes_only_its_own_series() {
    let right = published(None);
    assert!(right.last().unwrap().len() == METRICS.len() && right[2].len() == METRICS.len(), "{right:#?}");
    let pages = wrong_pages();
    assert!(pages.len() > 1_000);
    let mut skipped = 0;
    for (line, wrong, page) in pages {
        let own = METRICS.iter().find(|metric| line.contains(*metric)).unwrap();
        // One that cannot be read says nothing, so even its own series may only be absent.
        let is_skipped = is_skipped(&page);
        skipped += usize::from(is_skipped);
        let is_own = |name: &str| !is_skipped && name.starts_with(own);
        let told = published(Some(&page));
        let shown = format!("{line:?} as {:?}", String::from_utf8_lossy(&wrong));
        let mut so_far = Published::new();
        for (round, (told, right)) in told.iter().zip(&right).enumerate() {
            for (name, (samples, sum)) in right {
                let entry = so_far.entry(name.clone()).or_default();
                (entry.0, entry.1) = (entry.0 + samples, entry.1 + sum);
                let level = name.starts_with("queue_depth") || name.starts_with("untyped_thing");
                let Some((told_samples, told_sum)) = told.get(name).filter(|_| !is_own(name)) else { continue };
                if level {
                    assert_eq!((told_samples, told_sum), (samples, sum), "{name} in round {round} with {shown}");
                    continue;
                }
                // Increases may be part of a later one, or lost, and are never more than there
                // were.
                (entry.0, entry.1) = (entry.0 - told_samples, entry.1 - told_sum);
                assert!(entry.1 > -1e-9, "{name} in round {round} with {shown}");
            }
            for (name, (samples, sum)) in told {
                let is_known = right.contains_key(name) || round == 0;
                assert!(is_known || is_own(name), "{name} {samples} {sum} in round {round} with {shown}");
            }
        }
        // It is forgotten at last.
        assert_eq!(told.last(), right.last(), "{shown}");
    }
    assert!(skipped > 400, "{skipped}");
}
