//! Random numbers for spreading load. They are not fit for secrets.

use std::time::Duration;

/// A SplitMix64 random number generator.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Creates a generator. The seed determines its numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a random duration that is less than `limit`, or zero if `limit` is zero.
    pub fn below(&mut self, limit: Duration) -> Duration {
        // The upper 53 bits, as a fraction of one.
        let fraction = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        limit.mul_f64(fraction)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_evenly_distributed_below_the_limit() {
        let mut random = Random::new(7);
        let limit = Duration::from_secs(60);
        let times: Vec<Duration> = (0..10_000).map(|_| random.below(limit)).collect();
        assert!(times.iter().all(|time| *time < limit));
        let mean = times.iter().sum::<Duration>() / 10_000;
        assert!((29..=31).contains(&mean.as_secs()), "{mean:?}");
        assert_eq!(random.below(Duration::ZERO), Duration::ZERO);
    }
}
