//! Tests the work per tick with a large page and many rules.

use serde_json::json;

use crate::{PROCESS, scene::Poller};

/// Returns a page of 352 KB with 3,400 metrics that have long names.
fn page() -> String {
    let metric = |n: u32| {
        format!(
            "# TYPE application_component_{n:04}_operations_total counter\napplication_component_{n:04}_operations_total{{}} 1\n"
        )
    };
    PROCESS.to_owned() + &(0..3_400).map(metric).collect::<String>()
}

#[test]
fn names_are_compared_with_rules_once_and_over_many_ticks() {
    let rules: Vec<_> = (0..1_000).map(|n| json!({ "metric": format!("*_component_{n:04}_*_total") })).collect();
    let page = page();
    assert!(page.len() > 352 * 1_024, "{}", page.len());
    let mut poller = Poller::new(json!([{ "cluster_name": "app", "rules": rules, "interval_millisecond": 1_000 }]));
    let mut ticks = || {
        let (id, _) = poller.next_call();
        poller.answer(id, &page);
        let before = poller.millis;
        poller.read();
        (poller.millis - before) / 200
    };
    let (first, second, third) = (ticks(), ticks(), ticks());
    // 3.4 million comparisons of a name with a rule, each of which costs as much as two bytes.
    let comparisons = 2 * 3_400 * 1_000 / receiver::source::TICK_BYTES as u64;
    assert!((comparisons..comparisons + 15).contains(&first), "{first}");
    assert!(second < 12 && third == second, "{second} {third}");
    assert_eq!(poller.sources.counts().gaps, 1_000);
}
