//! Runs hundreds of schedules, each of which is checked after every step.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::{env, thread};

use simulation::{Mutation, Report, World};

const SCHEDULES: u64 = 200;

/// Returns the seeds to run. `SEED=42 cargo test -p simulation` runs one seed, and `SCHEDULES=10000` runs more of them.
fn seeds() -> Vec<u64> {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>());
    match number("SEED") {
        Some(seed) => seed.into_iter().collect(),
        None => (0..number("SCHEDULES").and_then(Result::ok).unwrap_or(SCHEDULES)).collect(),
    }
}

#[test]
fn no_value_is_lost_or_counted_twice() {
    let seeds = seeds();
    assert!(!seeds.is_empty(), "SEED is not a number");
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let total = thread::scope(|scope| {
        let run = |part: Vec<u64>| {
            let mut total = Report::default();
            for seed in part {
                match World::new(seed, Mutation::None).run() {
                    Ok(report) => {
                        total.observed += report.observed;
                        total.stored += report.stored;
                        total.dropped += report.dropped;
                        total.requests += report.requests;
                        total.refused_posts += report.refused_posts;
                    }
                    Err(error) => panic!("SEED={seed}: {error}"),
                }
            }
            total
        };
        let parts = seeds.chunks(seeds.len().div_ceil(threads)).map(<[u64]>::to_vec);
        let workers: Vec<_> = parts.map(|part| scope.spawn(move || run(part))).collect();
        let mut total = Report::default();
        for worker in workers {
            let part = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            total.observed += part.observed;
            total.stored += part.stored;
            total.dropped += part.dropped;
            total.requests += part.requests;
            total.refused_posts += part.refused_posts;
        }
        total
    });
    println!("{} schedules: {total:?}", seeds.len());
    assert!(total.observed > 0 && total.requests > 0);
    assert!(total.refused_posts > 0 || seeds.len() < 100, "no post was refused because the buffer was full");
}

#[test]
fn every_planted_bug_is_found() {
    for mutation in Mutation::BUGS {
        let found = (0..200).find(|seed| World::new(*seed, mutation).run().is_err());
        assert!(found.is_some(), "{mutation:?} is not found");
    }
}
