//! Fuzzes the parser of stats from Envoy's admin interface. A stat that cannot be read must not change the value of
//! another stat, which is either right or missing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use receiver::source::{
    SourceCounts,
    envoy::{
        baseline::Baseline,
        known_names::KnownNames,
        stat_pattern::StatPattern,
        stats_response::{StatBucket, StatsResponse},
    },
};

/// The counters of a valid response.
const COUNTERS: [(&str, u64); 3] = [("right_a", 3), ("right_b", 30), ("right_c", 300)];

/// Returns a response with these counters, in which `stat` replaces the one with the index `of`.
fn response_with(stat: &[u8], of: usize) -> Vec<u8> {
    let counter = |(name, value): &(&str, u64)| format!(r#"{{"name":"{name}","value":{value}}}"#).into_bytes();
    let mut stats: Vec<Vec<u8>> = COUNTERS.iter().map(counter).collect();
    stats[of] = stat.to_vec();
    [&b"{\"stats\":["[..], &stats.join(&b','), b"]}"].concat()
}

/// Returns the counters that can be read from a response.
fn readable(body: Vec<u8>) -> Vec<(String, Option<u64>)> {
    let Ok(mut response) = StatsResponse::new(body) else { return Vec::new() };
    let mut counters = Vec::new();
    while let Ok(Some((stat, _))) = response.next_stat() {
        counters.push((stat.name, stat.value));
    }
    counters
}

fuzz_target!(|input: (Vec<Vec<u8>>, &str)| {
    let (answers, pattern) = input;
    let (mut counters, mut histograms) = (Baseline::new(10), Baseline::new(10));
    let (mut counts, mut names) = (SourceCounts::default(), KnownNames::default());
    let pattern = StatPattern::new(pattern);
    for (stat, of) in answers.iter().zip((0..COUNTERS.len()).cycle()) {
        let names = |name: &str| stat.windows(name.len()).any(|part| part == name.as_bytes());
        // An escaped name could be that of another counter, too.
        let is_of_another =
            stat.contains(&b'\\') || COUNTERS.iter().enumerate().any(|(index, (name, _))| index != of && names(name));
        if is_of_another {
            continue;
        }
        for (name, value) in readable(response_with(stat, of)) {
            let expected = COUNTERS.iter().enumerate().find(|(index, (known, _))| *index != of && *known == name);
            assert!(
                expected.is_none_or(|(_, (_, expected))| value == Some(*expected)),
                "{name} is {value:?} with {stat:?}"
            );
        }
    }
    for body in answers {
        for begin in [&b"{\"stats\":["[..], b"{\"stats\":[{\"histograms\":{\"details\":[", b""] {
            let bytes = [begin, &body].concat();
            let length = bytes.len();
            let Ok(mut answer) = StatsResponse::new(bytes) else { continue };
            answer.find("a");
            let mut taken = 0;
            while let Ok(Some((stat, bytes))) = answer.next_stat() {
                taken += bytes;
                names.add(&stat.name, 10);
                if let Some(Ok(Some(values))) = pattern.as_ref().ok().map(|pattern| pattern.values(&stat.name, &names))
                {
                    assert!(values.iter().map(|value| value.len()).sum::<usize>() <= stat.name.len());
                }
                if let Some(value) = stat.value {
                    counters.increase(&stat.name, StatBucket::of_counter(value), &mut counts);
                }
                if let Some(totals) = stat.totals {
                    histograms.increase(&stat.name, totals, &mut counts);
                }
            }
            assert!(taken <= length);
            counters.end_round();
            histograms.end_round();
        }
    }
});
