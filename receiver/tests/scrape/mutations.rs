//! Mutates one line of a page and checks that only its own series changes or has gaps.

use std::collections::BTreeMap;

use receiver::source::{
    reading::{Reading, Sink, Skipped, Wanted},
    scrape::exposition::Exposition,
};
use serde_json::json;

use crate::{PROCESS, scene::Poller};

/// The number of rounds.
const ROUNDS: u32 = 16;

/// The round in which a line is mutated.
const MUTATED: u32 = 5;

/// The metrics of the page. Their names are too different for a mutation to turn one into another.
const METRICS: [&str; 6] = ["requests_total", "queue_depth", "took_seconds", "rpc", "untyped_thing", "process"];

/// Sample counts and sums by series.
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

/// Publishes the pages, with `mutated` in place of one of them. Returns the series published in each round.
fn published(mutated: Option<&[u8]>) -> Vec<Published> {
    let code = json!({ "Code": { "label": "code" } });
    let mut poller = Poller::new(json!([{ "cluster_name": "app", "interval_millisecond": 1_000, "rules": [
        { "metric": "requests_total", "dimensions": code },
        { "metric": "queue_depth" }, { "metric": "took_seconds" }, { "metric": "rpc" }, { "metric": "untyped_thing" },
    ] }]));
    let round = |n| {
        let (id, _) = poller.next_call();
        match mutated.filter(|_| n == MUTATED) {
            Some(page) => poller.answer_with(id, 200, &[], page),
            None => poller.answer(id, &page(n)),
        }
        poller.tick_for(800).into_iter().map(|(name, samples, sum)| (name, (samples, sum))).collect()
    };
    (0..ROUNDS).map(round).collect()
}

/// Records if a line is skipped.
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

/// Returns true if a page has an invalid line.
fn is_skipped(page: &[u8]) -> bool {
    let mut skips = Skips(false);
    let mut exposition = Exposition::new(page.to_vec()).unwrap();
    while !exposition.read(&mut { usize::MAX }, &mut skips).unwrap() {}
    skips.0
}

/// Returns pages with one mutated line, each with the original and the mutated line.
fn mutated_pages() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let page = page(MUTATED);
    let lines: Vec<_> = page.lines().collect();
    let mut pages = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let bytes = line.as_bytes();
        let mut mutations: Vec<Vec<u8>> = vec![Vec::new(), [bytes, b"\n", bytes].concat(), [bytes, b" ?"].concat()];
        mutations.extend((1..bytes.len()).step_by(4).map(|length| bytes[..length].to_vec()));
        for offset in (0..bytes.len()).step_by(2) {
            for byte in [b'x', b'9', b'"', b' ', b'{', 0xe4] {
                let mut changed = bytes.to_vec();
                changed[offset] = byte;
                mutations.push(changed);
            }
        }
        for mutation in mutations {
            let line_at = |at: usize, original: &&str| {
                let line = if at == index { mutation.as_slice() } else { original.as_bytes() };
                [line, b"\n"].concat()
            };
            let page: Vec<_> = lines.iter().enumerate().flat_map(|(at, line)| line_at(at, line)).collect();
            pages.push(((*line).to_owned(), mutation, page));
        }
    }
    pages
}

#[test]
fn one_mutated_line_changes_only_its_own_series() {
    let expected = published(None);
    assert!(expected.last().unwrap().len() == METRICS.len() && expected[2].len() == METRICS.len(), "{expected:#?}");
    let pages = mutated_pages();
    assert!(pages.len() > 1_000);
    let mut skipped = 0;
    for (line, mutation, page) in pages {
        let own = METRICS.iter().find(|metric| line.contains(*metric)).unwrap();
        // An invalid line has no effect, so even its own series may only be missing.
        let is_skipped = is_skipped(&page);
        skipped += usize::from(is_skipped);
        let is_own = |name: &str| !is_skipped && name.starts_with(own);
        let actual = published(Some(&page));
        let shown = format!("{line:?} as {:?}", String::from_utf8_lossy(&mutation));
        let mut so_far = Published::new();
        for (round, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
            for (name, (samples, sum)) in expected {
                let entry = so_far.entry(name.clone()).or_default();
                (entry.0, entry.1) = (entry.0 + samples, entry.1 + sum);
                let is_gauge = name.starts_with("queue_depth") || name.starts_with("untyped_thing");
                let Some((actual_samples, actual_sum)) = actual.get(name).filter(|_| !is_own(name)) else { continue };
                if is_gauge {
                    assert_eq!((actual_samples, actual_sum), (samples, sum), "{name} in round {round} with {shown}");
                    continue;
                }
                // An increase may be published later or lost, but it is never exceeded.
                (entry.0, entry.1) = (entry.0 - actual_samples, entry.1 - actual_sum);
                assert!(entry.1 > -1e-9, "{name} in round {round} with {shown}");
            }
            for (name, (samples, sum)) in actual {
                let is_known = expected.contains_key(name) || round == 0;
                assert!(is_known || is_own(name), "{name} {samples} {sum} in round {round} with {shown}");
            }
        }
        // In the end it has no effect.
        assert_eq!(actual.last(), expected.last(), "{shown}");
    }
    assert!(skipped > 400, "{skipped}");
}
