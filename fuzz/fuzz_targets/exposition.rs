//! What a Prometheus endpoint answers, read part by part, and what is made of it.
#![no_main]

use acpw_metric::{Accumulator, Now};
use libfuzzer_sys::fuzz_target;
use receiver::source::{
    SourceCounts, collector::Collector, reading::Reading, rule::Rule, scrape::exposition::Exposition,
};

/// Reads all of it; gives the readings.
fn read(body: &[u8], budget: usize, take: &mut dyn FnMut(&Reading<'_>)) -> Result<(), String> {
    let mut exposition = Exposition::new(body.to_vec())?;
    while !exposition.read(&mut { budget }, &|_| true, take)? {}
    Ok(())
}

fuzz_target!(|input: (u16, Vec<Vec<u8>>)| {
    let (budget, answers) = input;
    let budget = usize::from(budget).max(1);
    let mut collector = Collector::new(vec![Rule::new("*"), Rule::new("a*")], 10, None);
    let (mut data, mut counts) = (Accumulator::default(), SourceCounts::default());
    for body in &answers {
        let mut readings = Vec::new();
        let whole = read(body, usize::MAX, &mut |reading| readings.push(format!("{reading:?}")));
        let mut parts = Vec::new();
        assert_eq!(read(body, budget, &mut |reading| parts.push(format!("{reading:?}"))), whole);
        assert_eq!(parts, readings);
        collector.begin(Now::default());
        match read(body, usize::MAX, &mut |reading| collector.take(reading, &mut counts)) {
            Ok(()) => assert!(collector.finish(&mut { usize::MAX }, &mut data, &mut counts)),
            Err(_) => collector.cancel(),
        }
    }
    for (_, _, distributions) in data.iter() {
        assert!(distributions.iter().all(|(_, told)| told.sum().is_finite() && told.min() <= told.max()));
    }
});
