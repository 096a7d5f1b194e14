//! The work of a tick, with large pages and many rules.

use serde_json::json;

use crate::{PROCESS, scene::Clock};

/// A page of 3,400 metrics with long names, as many as 352 KB hold.
fn page() -> String {
    let metric = |n: u32| {
        format!(
            "# TYPE application_component_{n:04}_operations_total counter\napplication_component_{n:04}_operations_total{{}} 1\n"
        )
    };
    PROCESS.to_owned() + &(0..3_400).map(metric).collect::<String>()
}

#[test]
fn names_are_compared_with_a_thousand_rules_once_and_over_many_ticks() {
    let rules: Vec<_> = (0..1_000).map(|n| json!({ "metric": format!("*_component_{n:04}_*_total") })).collect();
    let page = page();
    assert!(page.len() > 352 * 1_024, "{}", page.len());
    let mut clock = Clock::new(json!([{ "cluster_name": "app", "rules": rules, "interval_millisecond": 1_000 }]));
    let mut ticks = || {
        let (id, _) = clock.next_call();
        clock.answer(id, &page);
        let before = clock.millis;
        clock.read();
        (clock.millis - before) / 200
    };
    let (first, second, third) = (ticks(), ticks(), ticks());
    // 3.4 million comparisons of a name with a rule, each as much work as two bytes.
    let comparisons = 2 * 3_400 * 1_000 / receiver::source::TICK_BYTES as u64;
    assert!((comparisons..comparisons + 15).contains(&first), "{first}");
    assert!(second < 12 && third == second, "{second} {third}");
    assert_eq!(clock.sources.counts().gaps, 1_000);
}
