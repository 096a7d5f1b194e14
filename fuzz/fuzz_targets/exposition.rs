//! Fuzzes the responses of a Prometheus endpoint, which are parsed in parts, and the data published from them.
#![no_main]

use std::{collections::BTreeMap, time::Duration};

use acpw_metric::{Accumulator, Now, Timestamp};
use libfuzzer_sys::fuzz_target;
use receiver::source::{
    collector::Collector,
    reading::{Reading, Sink, Skipped, Wanted},
    rule::Rule,
    scrape::exposition::Exposition,
};

/// Records everything that is read.
#[derive(Debug, Default, PartialEq)]
struct Recorder(Vec<String>);

impl Sink for Recorder {
    fn wants(&mut self, name: &str) -> Wanted {
        if name.starts_with('b') { Wanted::No } else { Wanted::ByPattern }
    }

    fn accept(&mut self, reading: &Reading<'_>) {
        self.0.push(format!("{reading:?}"));
    }

    fn skip(&mut self, skipped: &Skipped<'_>) {
        self.0.push(format!("{skipped:?}"));
    }

    fn set_process_start(&mut self, seconds: f64) {
        self.0.push(format!("{seconds}"));
    }
}

/// Reads an exposition to its end.
fn read(body: &[u8], budget: usize, sink: &mut dyn Sink) -> Result<(), String> {
    let mut exposition = Exposition::new(body.to_vec())?;
    while !exposition.read(&mut { budget }, sink)? {}
    exposition.rewind();
    while !exposition.read_names(&mut { budget }, &mut |_, _| ()) {}
    Ok(())
}

/// The gauges of a valid page, by name. Each value is the sum of two series.
const GAUGES: [(&str, f64); 3] = [("right_a", 3.0), ("right_b", 30.0), ("right_c", 300.0)];

/// Returns a page of these gauges, in which `line` replaces one line of the gauge with the index `of`.
fn page_with(line: &[u8], of: usize) -> Vec<u8> {
    let mut page = Vec::new();
    for (index, (name, sum)) in GAUGES.iter().enumerate() {
        page.extend(format!("# TYPE {name} gauge\n{name}{{n=\"1\"}} {}\n", sum / 3.0).into_bytes());
        match index == of {
            true => page.extend(line.iter().copied().filter(|byte| *byte != b'\n').chain([b'\n'])),
            false => page.extend(format!("{name}{{n=\"2\"}} {}\n", sum / 1.5).into_bytes()),
        }
    }
    page
}

/// Publishes a page. Returns the sum of each metric by name.
fn publish(collector: &mut Collector, page: &[u8], second: u64, budget: usize) -> BTreeMap<String, f64> {
    let now = Now { wall: Timestamp::from_secs(1_787_402_160 + second), ..Now::default() };
    collector.begin(now, Duration::ZERO);
    if read(page, budget, collector).is_err() {
        return BTreeMap::new();
    }
    let mut data = Accumulator::default();
    while !collector.finish(&mut { budget }, &mut data) {}
    let mut sums = BTreeMap::new();
    for (_, _, distributions) in data.iter() {
        for (metric, distribution) in distributions {
            assert!(distribution.sum().is_finite() && distribution.min() <= distribution.max());
            *sums.entry(metric.name.to_string()).or_default() += distribution.sum();
        }
    }
    sums
}

fuzz_target!(|input: (u16, Vec<Vec<u8>>)| {
    let (budget, answers) = input;
    let budget = usize::from(budget).max(1);
    let mut collector = Collector::new(vec![Rule::new("*"), Rule::new("a*")], 10, None);
    for (body, second) in answers.iter().zip(0..) {
        let (mut whole, mut parts) = (Recorder::default(), Recorder::default());
        let result = read(body, usize::MAX, &mut whole);
        assert_eq!(read(body, budget, &mut parts), result);
        assert_eq!(parts, whole);
        publish(&mut collector, body, second, budget);
        while collector.poll_remark().is_some() {}
    }

    // A line of a page changes only its own metric, or makes gaps.
    let rules: Vec<_> = GAUGES.iter().map(|(name, _)| Rule::new(name)).collect();
    for (line, of) in answers.iter().zip((0..GAUGES.len()).cycle()) {
        let names = |name: &str| line.windows(name.len()).any(|part| part == name.as_bytes());
        let is_of_another = GAUGES.iter().enumerate().any(|(index, (name, _))| index != of && names(name));
        if is_of_another {
            continue;
        }
        let mut collector = Collector::new(rules.clone(), 10, None);
        let valid = page_with(format!("{}{{n=\"2\"}} {}", GAUGES[of].0, GAUGES[of].1 / 1.5).as_bytes(), of);
        let expected: BTreeMap<_, _> = GAUGES.iter().map(|(name, sum)| ((*name).to_owned(), *sum)).collect();
        assert_eq!(publish(&mut collector, &valid, 0, budget), expected);
        for (name, sum) in publish(&mut collector, &page_with(line, of), 10, budget) {
            assert!(name == GAUGES[of].0 || sum == expected[&name], "{name} {sum} with {line:?}");
        }
        assert_eq!(publish(&mut collector, &valid, 20, budget), expected);
    }
});
