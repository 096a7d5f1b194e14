//! A fleet that starts at once, is throttled, and sees an outage: its calls stay under the account's quota within two
//! intervals, and no value is lost.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use simulation::{Fleet, Phase, Second};

/// The interval of publication in seconds.
const INTERVAL: usize = 60;

/// Returns the size of the fleet and the quota of the account, which are in the proportion of 10,000 to 500.
fn size() -> (usize, u64) {
    let size = std::env::var("RECEIVERS").ok().map_or(1_000, |text| text.parse().unwrap());
    (size, (size as u64 / 20).max(1))
}

/// Returns the seconds in which there were more calls than the quota.
fn above(quota: u64, seconds: &[Second]) -> usize {
    seconds.iter().filter(|second| second.calls > quota).count()
}

#[test]
fn a_fleet_stays_under_the_quota_and_loses_nothing() {
    let (size, quota) = size();
    let mut fleet = Fleet::new(size, 1).unwrap();
    fleet.run(10 * 60, Phase::Quota(quota), true);
    fleet.run(20 * 60, Phase::Quota((size as u64 / 60 / 2).max(1)), true);
    fleet.run(10 * 60, Phase::Quota(quota), true);
    fleet.run(30 * 60, Phase::Outage, true);
    fleet.run(10 * 60, Phase::Quota(quota), true);
    let report = fleet.report().unwrap();
    for (minute, seconds) in report.seconds.chunks(60).enumerate() {
        let calls: u64 = seconds.iter().map(|second| second.calls).sum();
        let peak = seconds.iter().map(|second| second.calls).max().unwrap();
        let throttled: u64 = seconds.iter().map(|second| second.throttled).sum();
        let lost: u64 = seconds.iter().map(|second| second.lost).sum();
        println!("{minute:3} calls {calls:6} peak {peak:5} throttled {throttled:6} lost {lost:6} slowest {}", report.slowest[minute * 60 + 59]);
    }
    println!("received {} stored {} held {} dropped {}", report.received, report.stored, report.held, report.dropped);
    assert_eq!(report.dropped, 0);
    assert_eq!(above(quota, &report.seconds[2 * INTERVAL..10 * 60]), 0, "after the start");
    assert_eq!(above(quota, &report.seconds[70 * 60 + 2 * INTERVAL..]), 0, "after the outage");
    assert!(report.slowest.last().unwrap() <= &(2 * INTERVAL as u64));
}
