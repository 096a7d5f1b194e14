//! A fleet starts at once, is throttled to half of what it asks for, and sees an outage. Its calls stay under the
//! account's quota after two intervals, nobody stays behind, and no value is lost.
//!
//! `RECEIVERS=10000 cargo test --release -p simulation --test fleet -- --nocapture` simulates a larger one, and prints
//! a table of each minute.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use simulation::{Fleet, FleetReport, Phase, Second};

/// The interval of publication in seconds.
const INTERVAL: usize = 60;

/// The ends of the phases, in seconds.
const START: usize = 10 * 60;
const THROTTLED: usize = START + 60 * 60;
const RECOVERED: usize = THROTTLED + 10 * 60;
const OUTAGE: usize = RECOVERED + 30 * 60;
const END: usize = OUTAGE + 15 * 60;

/// The receivers in a test of every build.
const RECEIVERS: u64 = 300;

fn print(report: &FleetReport) {
    println!("minute   calls  most a second  throttled    lost  slowest (s)");
    for (minute, seconds) in report.seconds.chunks(60).enumerate() {
        let sum = |count: fn(&Second) -> u64| seconds.iter().map(count).sum::<u64>();
        let peak = seconds.iter().map(|second| second.calls).max().unwrap();
        println!(
            "{minute:6} {:7} {peak:14} {:10} {:7} {:12}",
            sum(|second| second.calls),
            sum(|second| second.throttled),
            sum(|second| second.lost),
            report.slowest[minute * 60 + seconds.len() - 1]
        );
    }
    let FleetReport { received, stored, held, dropped, .. } = report;
    println!("{received} values received, {stored} stored, {held} held, {dropped} dropped");
}

/// Returns the number of calls a second in the busiest minute. A small fleet exceeds its mean in single seconds by
/// chance.
fn busiest_minute(seconds: &[Second]) -> u64 {
    seconds.chunks(60).map(|minute| minute.iter().map(|second| second.calls).sum::<u64>() / 60).max().unwrap()
}

#[test]
fn a_fleet_stays_under_the_quota_and_loses_nothing() {
    let size = std::env::var("RECEIVERS").map_or(RECEIVERS, |text| text.parse().unwrap());
    // 10,000 receivers under AWS's default of 500 calls a second, or the same proportion.
    let quota = (size / 20).max(1);
    let half_of_demand = (size / INTERVAL as u64 / 2).max(1);
    let mut fleet = Fleet::new(usize::try_from(size).unwrap(), 1).unwrap();
    fleet.run(START, Phase::Quota(quota));
    fleet.run(THROTTLED - START, Phase::Quota(half_of_demand));
    fleet.run(RECOVERED - THROTTLED, Phase::Quota(quota));
    fleet.run(OUTAGE - RECOVERED, Phase::Outage);
    fleet.run(END - OUTAGE, Phase::Quota(quota));
    let report = fleet.report().unwrap();
    print(&report);

    assert_eq!(report.dropped, 0);
    for (phase, seconds) in [
        ("the start", 0..START),
        ("throttling", START..THROTTLED),
        ("the end of throttling", THROTTLED..RECOVERED),
        ("the outage", OUTAGE..END),
    ] {
        let busiest = busiest_minute(&report.seconds[seconds.start + 2 * INTERVAL..seconds.end]);
        assert!(busiest <= quota, "{busiest} calls a second after {phase}, with a quota of {quota}");
    }
    for (phase, end) in [("the start", START), ("throttling", RECOVERED), ("the outage", END)] {
        let slowest = report.slowest[end - 1];
        assert!(slowest <= 2 * INTERVAL as u64, "a receiver is {slowest} s behind after {phase}");
    }
}
