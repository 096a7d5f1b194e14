//! What an accumulator does where there is no room: old data become coarser before any are dropped.

use super::{Accumulator, Kind, PeriodKey};
use crate::Timestamp;

/// Into periods of how many seconds data are merged where there is no room, from which age on.
const COARSER: [(u32, u64); 2] = [(300, 10 * 60), (3_600, 2 * 60 * 60)];

/// What became of values when room was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shrunk {
    /// How many samples were made of gauges.
    pub settled: u64,
    /// How many values were dropped.
    pub dropped: u64,
}

impl Accumulator {
    /// Merges the data of periods that begin before `before` into periods of `seconds` seconds. Nothing is lost but the time
    /// at which it was measured, to within those seconds. What is held of gauges is taken as all there is, and each second
    /// of them as a sample; gives how many.
    pub fn coarsen(&mut self, seconds: u32, before: Timestamp) -> u64 {
        let samples = self.samples;
        for (key, period) in std::mem::take(&mut self.periods) {
            if key.start >= before {
                self.periods.push_back((key, period));
                continue;
            }
            let kind = if key.kind == Kind::Gauge { Kind::Sample } else { key.kind };
            let coarse = PeriodKey { start: key.start.floor(seconds), kind, origin: key.origin };
            for group in period.into_groups() {
                self.forget(key.kind, &group);
                let borrowed: Vec<_> = group.dimensions.iter().collect();
                for (metric, distribution) in &group.distributions {
                    self.add_borrowed(coarse.clone(), &borrowed, metric, distribution);
                }
            }
        }
        self.samples.saturating_sub(samples)
    }

    /// Makes it take at most `target` bytes: merges old minutes into five minutes, then into hours, and when that does not
    /// suffice drops the oldest data.
    pub fn shrink(&mut self, target: usize, now: Timestamp) -> Shrunk {
        let mut shrunk = Shrunk::default();
        for (seconds, age) in COARSER {
            if self.bytes <= target {
                return shrunk;
            }
            let before = Timestamp::from_secs(now.as_secs().saturating_sub(age)).floor(seconds);
            shrunk.settled = shrunk.settled.saturating_add(self.coarsen(seconds, before));
        }
        let before = self.samples;
        while self.bytes > target && self.pop().is_some() {}
        shrunk.dropped = before.saturating_sub(self.samples);
        shrunk
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::accumulator::tests::{accumulator, samples};

    proptest! {
        #[test]
        fn coarsening_merges_old_periods_and_loses_nothing(samples in samples(), before in 0u64..250) {
            let before = Timestamp::from_secs(1_700_000_000 + before);
            let mut coarse = accumulator(&samples);
            let (count, series, bytes) = (coarse.samples(), coarse.series(), coarse.bytes());
            let settled = coarse.coarsen(300, before);
            prop_assert_eq!(coarse.samples(), count + settled);
            prop_assert!(coarse.iter().all(|(key, ..)| key.kind != Kind::Gauge || key.start >= before));
            prop_assert!(coarse.series() <= series && coarse.bytes() <= bytes);
            let mut sum = 0.0;
            while let Some((key, group)) = coarse.pop() {
                let is_coarse = key.start.floor(300) == key.start;
                prop_assert!(key.start >= before || is_coarse || key.kind == Kind::Gauge);
                sum += group.distributions.iter().map(|(_, distribution)| distribution.sum()).sum::<f64>();
            }
            prop_assert_eq!(sum, samples.iter().map(|(_, _, value)| f64::from(*value)).sum::<f64>());
        }
    }
}
