//! A fleet starts at once, is throttled to half of what it asks for, and sees an outage. Its calls stay under the
//! account's quota after two intervals, nobody stays behind, and no value is lost.
//!
//! `make fleet` simulates a larger one and prints a table of each minute. With `FLEET_DOCUMENT` it also writes the
//! table and the chart of docs/scaling.md.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::{env, fs, path::Path};

use plot::{Axis, Chart, Panel};
use simulation::{Fleet, FleetReport, Phase, Second};

/// The interval of publication in seconds.
const INTERVAL: usize = 60;

/// The longest interval of a throttled receiver in seconds.
const LONGEST_INTERVAL: usize = 2 * INTERVAL;

/// The time at the end of each phase, in seconds, in which no second may have more than twice its share of the calls.
const STEADY: usize = 5 * 60;

/// The ends of the phases, in seconds.
const START: usize = 10 * 60;
const THROTTLED: usize = START + 60 * 60;
const RECOVERED: usize = THROTTLED + 10 * 60;
const OUTAGE: usize = RECOVERED + 30 * 60;
const END: usize = OUTAGE + 15 * 60;

/// The receivers in a test of every build.
const RECEIVERS: u64 = 300;

/// The first minute of each phase, and others that docs/scaling.md shows.
const MINUTES: [(usize, &str); 16] = [
    (0, "all start"),
    (1, ""),
    (5, "steady"),
    (10, "throttling starts"),
    (12, ""),
    (15, ""),
    (30, ""),
    (69, "its last minute"),
    (70, "throttling ends"),
    (72, ""),
    (75, "steady"),
    (80, "outage starts"),
    (100, ""),
    (110, "outage ends"),
    (111, ""),
    (115, "steady"),
];

/// Returns the sum of a count over a minute.
fn sum(minute: &[Second], count: fn(&Second) -> u64) -> u64 {
    minute.iter().map(count).sum()
}

/// Returns a row of Markdown for each of the given minutes.
fn table(report: &FleetReport, minutes: impl Iterator<Item = (usize, &'static str)>) -> String {
    let mut text = "| minute | | calls | most in a second | throttled | not sent | values held | slowest receiver |\n\
                    |---:|---|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for (minute, name) in minutes {
        let seconds = &report.seconds[minute * 60..minute * 60 + 60];
        let peak = seconds.iter().map(|second| second.calls).max().unwrap();
        let (calls, throttled, lost) = (
            sum(seconds, |second| second.calls),
            sum(seconds, |second| second.throttled),
            sum(seconds, |second| second.lost),
        );
        let (held, slowest) = (seconds[59].held, report.slowest[minute * 60 + 59]);
        text += &format!("| {minute} | {name} | {calls} | {peak} | {throttled} | {lost} | {held} | {slowest} s |\n");
    }
    text
}

/// Draws calls, backlog and the slowest receiver over time.
fn chart(report: &FleetReport, size: u64, quota: u64) -> String {
    let minutes = || report.seconds.chunks(60).enumerate();
    let of_minutes =
        |value: fn(&[Second]) -> f64| minutes().map(move |(minute, seconds)| (minute as f64, value(seconds)));
    let mean = |seconds: &[Second]| sum(seconds, |second| second.calls) as f64 / 60.0;
    let accepted = |seconds: &[Second]| sum(seconds, |second| second.calls - second.throttled) as f64 / 60.0;
    let end = minutes().count() as f64;
    let slowest = report.slowest.chunks(60).enumerate();
    let calls =
        Panel::new("calls of CloudWatch, mean of each minute", Axis::linear("minute"), Axis::linear("a second"))
            .line("sent", of_minutes(mean))
            .line("accepted", of_minutes(accepted))
            .line("quota", [(0.0, quota as f64), (end, quota as f64)]);
    let held = Panel::new("values that wait in the receivers", Axis::linear("minute"), Axis::linear("values"))
        .line("held", of_minutes(|seconds| seconds[seconds.len() - 1].held as f64));
    let behind = Panel::new("the receiver that has waited longest", Axis::linear("minute"), Axis::linear("seconds"))
        .line("since its last success", slowest.map(|(minute, of)| (minute as f64, of[of.len() - 1] as f64)));
    let title = format!("{size} receivers: start, an hour of throttling (10 to 70), an outage (80 to 110)");
    Chart::new(&title, 3).panel(calls).panel(held).panel(behind).to_svg().unwrap()
}

/// Replaces the section `fleet` of docs/scaling.md and its chart.
fn write_document(text: &str, chart: &str) {
    const MARKS: (&str, &str) = ("<!-- fleet -->\n", "<!-- /fleet -->");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let document = fs::read_to_string(docs.join("scaling.md")).unwrap();
    let (before, rest) = document.split_once(MARKS.0).unwrap();
    let (_, after) = rest.split_once(MARKS.1).unwrap();
    fs::write(docs.join("scaling.md"), format!("{before}{}{text}{}{after}", MARKS.0, MARKS.1)).unwrap();
    fs::write(docs.join("fleet.svg"), chart).unwrap();
}

/// Returns the number of seconds after which no receiver was more than two intervals behind.
fn recovery(slowest: &[u64]) -> usize {
    slowest.iter().rposition(|age| *age > 2 * INTERVAL as u64).map_or(0, |last| last + 1)
}

/// Returns the number of calls a second in the busiest minute. A small fleet exceeds its mean in single seconds by
/// chance.
fn busiest_minute(seconds: &[Second]) -> u64 {
    seconds.chunks(60).map(|minute| minute.iter().map(|second| second.calls).sum::<u64>() / 60).max().unwrap()
}

#[test]
fn a_fleet_stays_under_the_quota_and_loses_nothing() {
    let size = env::var("RECEIVERS").map_or(RECEIVERS, |text| text.parse().unwrap());
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
    println!("{}", table(&report, (0..END / 60).map(|minute| (minute, ""))));
    let recoveries = [
        ("the start", recovery(&report.slowest[..START])),
        ("throttling", recovery(&report.slowest[THROTTLED..RECOVERED])),
        ("the outage", recovery(&report.slowest[OUTAGE..])),
    ];
    // The seconds of each phase without its first two intervals.
    let settled = [
        ("the start", 2 * INTERVAL..START),
        ("throttling", START + 2 * INTERVAL..THROTTLED),
        ("the end of throttling", THROTTLED + 2 * INTERVAL..RECOVERED),
        ("the outage", OUTAGE + 2 * INTERVAL..END),
    ];
    let above = settled
        .clone()
        .map(|(_, seconds)| report.seconds[seconds].iter().filter(|second| second.calls > quota).count());
    let FleetReport { received, stored, held, dropped, .. } = report;
    let facts = format!(
        "{size} receivers, a quota of {quota} calls a second, and {half_of_demand} during the throttled hour:\n\n{}\n\
         - The receivers got {received} values. CloudWatch accepted {stored}, {held} were held at the end, and\n  \
         {dropped} were dropped.\n\
         - No receiver was more than two intervals behind {} s after the start, {} s after the end of throttling, and\n  \
         {} s after the outage.\n\
         - Two intervals after the start, the calls exceeded {quota} in {} single seconds; two intervals after throttling\n  \
         started, in {}; two intervals after it ended, in {}; and two intervals after the outage, in {}.\n",
        table(&report, MINUTES.into_iter()),
        recoveries[0].1,
        recoveries[1].1,
        recoveries[2].1,
        above[0],
        above[1],
        above[2],
        above[3],
    );
    println!("{facts}");
    if env::var_os("FLEET_DOCUMENT").is_some() {
        write_document(&facts, &chart(&report, size, quota));
    }

    assert_eq!(report.dropped, 0);
    // By chance, a second of a small fleet exceeds twice its share.
    let most = size.div_ceil(INTERVAL as u64) * if size < 1_000 { 3 } else { 2 };
    for end in [START, RECOVERED, END] {
        let busiest = report.seconds[end - STEADY..end].iter().map(|second| second.calls).max().unwrap();
        assert!(busiest <= most, "{busiest} calls in a second of steady minutes, with a share of {}", size / 60);
    }
    for (phase, seconds) in settled {
        let busiest = busiest_minute(&report.seconds[seconds]);
        assert!(busiest <= quota, "{busiest} calls a second after {phase}, with a quota of {quota}");
    }
    for (phase, seconds) in recoveries {
        assert!(seconds <= LONGEST_INTERVAL, "receivers were behind for {seconds} s after {phase}");
    }
    // While CloudWatch accepts half of the calls, nobody can publish more often than every second interval, and chance
    // decides who has to wait longer.
    let slowest = report.slowest[THROTTLED - 1];
    assert!(slowest <= 8 * INTERVAL as u64, "a receiver is {slowest} s behind when throttling ends");
    for (phase, end) in [("the start", START), ("throttling", RECOVERED), ("the outage", END)] {
        let slowest = report.slowest[end - 1];
        assert!(slowest <= 2 * INTERVAL as u64, "a receiver is {slowest} s behind after {phase}");
    }
}
