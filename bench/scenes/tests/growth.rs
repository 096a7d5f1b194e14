//! Memory and bytes grow with series, and not with requests or senders.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use scenes::{FULL, LoadShape, Publication, SEED, at, records};

/// The costs of one publication.
#[derive(Debug)]
struct Costs {
    series: f64,
    /// The memory of the held data in bytes.
    held: f64,
    /// The bytes of the bodies.
    body: f64,
    calls: f64,
}

/// Merges a second of each of these senders, and publishes the data.
fn costs(shape: LoadShape) -> Costs {
    let mut publication = Publication::default();
    publication.merge(&records(shape, at(0)));
    let (series, held) = (publication.series() as f64, publication.held_bytes() as f64);
    let totals = publication.publish();
    Costs { series, held, body: totals.bytes as f64, calls: totals.calls as f64 }
}

fn shape(configuration: &'static str, paths: usize, requests: usize) -> LoadShape {
    LoadShape { senders: 1, configuration, paths, is_shared: true, requests }
}

/// Returns a value for each series, as a multiple of that of another run.
fn ratio(value: fn(&Costs) -> f64, large: &Costs, small: &Costs) -> f64 {
    (value(large) / large.series) / (value(small) / small.series)
}

#[test]
fn memory_and_bytes_are_linear_in_series() {
    for configuration in [SEED, FULL] {
        // Ten senders, so that none of them reaches its bound of series.
        let of = |paths: usize| {
            costs(LoadShape { senders: 10, configuration, paths, is_shared: false, requests: paths * 10 })
        };
        let [small, medium, large] = [10, 100, 700 / if configuration == FULL { 7 } else { 1 }].map(of);
        for (large, small) in [(&medium, &small), (&large, &small)] {
            let (held, body) = (ratio(|costs| costs.held, large, small), ratio(|costs| costs.body, large, small));
            assert!((0.8..1.2).contains(&held), "{configuration}: {held} of the memory: {large:?} {small:?}");
            // A larger body compresses better.
            assert!((0.2..1.1).contains(&body), "{configuration}: {body} of the bytes: {large:?} {small:?}");
        }
    }
}

#[test]
fn calls_are_one_for_each_thousand_series() {
    for paths in [100, 1_000] {
        let costs = costs(LoadShape { senders: 10, configuration: SEED, paths, is_shared: false, requests: paths });
        assert_eq!(costs.calls, (costs.series / 1_000.0).ceil(), "{costs:?}");
    }
}

#[test]
fn memory_and_bytes_are_flat_in_requests() {
    let [few, many, more] = [1_000, 5_000, 25_000].map(|requests| costs(shape(SEED, 100, requests)));
    assert_eq!([few.series, many.series, more.series], [100.0; 3]);
    assert_eq!([many.held / few.held, more.held / few.held], [1.0; 2], "{few:?} {more:?}");
    // Only the counts have more digits.
    assert!(more.body / few.body < 1.1, "{few:?} {more:?}");
    // Distributions have a bucket for each 2 % of the range of values, so four times the requests add a few buckets at
    // the ends of the range, and fewer each time.
    let [few, many, more] = [5_000, 20_000, 80_000].map(|requests| costs(shape(FULL, 10, requests)));
    for value in [|costs: &Costs| costs.held, |costs: &Costs| costs.body] {
        let growth = [value(&many) / value(&few), value(&more) / value(&many)];
        assert!(growth[0] < 1.6 && growth[1] < growth[0], "{growth:?}: {few:?} {many:?} {more:?}");
    }
}

#[test]
fn memory_and_bytes_are_flat_in_senders_of_the_same_series() {
    let of = |senders| costs(LoadShape { senders, configuration: SEED, paths: 100, is_shared: true, requests: 1_000 });
    let [one, many] = [1, 32].map(of);
    assert_eq!((one.series, one.held, one.calls), (many.series, many.held, many.calls));
    assert!(many.body / one.body < 1.1, "{one:?} {many:?}");
}
