//! Fuzzes the parser of stats from Envoy's admin interface.
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

fuzz_target!(|input: (Vec<Vec<u8>>, &str)| {
    let (answers, pattern) = input;
    let (mut counters, mut histograms) = (Baseline::new(10), Baseline::new(10));
    let (mut counts, mut names) = (SourceCounts::default(), KnownNames::default());
    let pattern = StatPattern::new(pattern);
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
