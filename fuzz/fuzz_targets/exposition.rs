//! Answers of a Prometheus endpoint, read part by part, and what is published of them.
#![no_main]

use std::collections::BTreeMap;

use acpw_metric::{Accumulator, Now, Timestamp};
use libfuzzer_sys::fuzz_target;
use receiver::source::{
    collector::Collector,
    reading::{Reading, Sink, Skipped, Wanted},
    rule::Rule,
    scrape::exposition::Exposition,
};

/// Writes down what is read.
#[derive(Debug, Default, PartialEq)]
struct Written(Vec<String>);

impl Sink for Written {
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

/// Reads all of a text.
fn read(body: &[u8], budget: usize, sink: &mut dyn Sink) -> Result<(), String> {
    let mut exposition = Exposition::new(body.to_vec())?;
    while !exposition.read(&mut { budget }, sink)? {}
    exposition.rewind();
    while !exposition.read_names(&mut { budget }, &mut |_, _| ()) {}
    Ok(())
}

/// The gauges of a page that is right, by name; each is the sum of two series.
const RIGHT: [(&str, f64); 3] = [("right_a", 3.0), ("right_b", 30.0), ("right_c", 300.0)];

/// A page of these gauges, with any bytes for one line of one of them.
fn page_with(line: &[u8], of: usize) -> Vec<u8> {
    let mut page = Vec::new();
    for (index, (name, sum)) in RIGHT.iter().enumerate() {
        page.extend(format!("# TYPE {name} gauge\n{name}{{n=\"1\"}} {}\n", sum / 3.0).into_bytes());
        match index == of {
            true => page.extend(line.iter().copied().filter(|byte| *byte != b'\n').chain([b'\n'])),
            false => page.extend(format!("{name}{{n=\"2\"}} {}\n", sum / 1.5).into_bytes()),
        }
    }
    page
}

/// Publishes a page, and returns sums by names.
fn publish(collector: &mut Collector, page: &[u8], second: u64, budget: usize) -> BTreeMap<String, f64> {
    collector.begin(Now { wall: Timestamp::from_secs(1_787_402_160 + second), ..Now::default() });
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
        let (mut whole, mut parts) = (Written::default(), Written::default());
        let result = read(body, usize::MAX, &mut whole);
        assert_eq!(read(body, budget, &mut parts), result);
        assert_eq!(parts, whole);
        publish(&mut collector, body, second, budget);
        while collector.poll_remark().is_some() {}
    }

    // One line of a page changes only its own metric, or makes gaps.
    let rules: Vec<_> = RIGHT.iter().map(|(name, _)| Rule::new(name)).collect();
    for (line, of) in answers.iter().zip((0..RIGHT.len()).cycle()) {
        let names = |name: &str| line.windows(name.len()).any(|part| part == name.as_bytes());
        let is_of_another = RIGHT.iter().enumerate().any(|(index, (name, _))| index != of && names(name));
        if is_of_another {
            continue;
        }
        let mut collector = Collector::new(rules.clone(), 10, None);
        let right = page_with(format!("{}{{n=\"2\"}} {}", RIGHT[of].0, RIGHT[of].1 / 1.5).as_bytes(), of);
        let expected: BTreeMap<_, _> = RIGHT.iter().map(|(name, sum)| ((*name).to_owned(), *sum)).collect();
        assert_eq!(publish(&mut collector, &right, 0, budget), expected);
        for (name, sum) in publish(&mut collector, &page_with(line, of), 10, budget) {
            assert!(name == RIGHT[of].0 || sum == expected[&name], "{name} {sum} with {line:?}");
        }
        assert_eq!(publish(&mut collector, &right, 20, budget), expected);
    }
});
