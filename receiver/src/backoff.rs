//! When to try again, and with how many callouts at once.

use std::time::Duration;

use crate::{patience, random::Random};

/// The most callouts in flight.
pub const MAX_IN_FLIGHT: usize = 4;

/// The longest time between two attempts.
const MAX_DELAY: Duration = Duration::from_secs(20);

/// The base of delays after throttling, as in AWS's SDKs.
pub const THROTTLED_BASE: Duration = Duration::from_secs(1);

/// The longest time between two attempts after throttling. A fleet of 10,000 that retried within 20 seconds would exceed
/// the account's quota by its retries alone.
const MAX_THROTTLED_DELAY: Duration = Duration::from_secs(60);

/// The state of something that payloads are sent to: the account as a whole, or one lane. After a failure it waits: a random
/// part of base × 2^(failures − 1), at most 20 s, or a minute after
/// throttling, or as long as CloudWatch asks, at most [`patience::LONGEST`]. The callouts
/// allowed in flight halve with every failure and grow by one with every success (AIMD), so a throttled fleet finds a rate
/// that CloudWatch takes.
#[derive(Debug)]
pub struct Backoff {
    /// Consecutive failures with the same base.
    failures: u32,
    base: Duration,
    not_before: Duration,
    in_flight_limit: usize,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { failures: 0, base: Duration::ZERO, not_before: Duration::ZERO, in_flight_limit: MAX_IN_FLIGHT }
    }
}

impl Backoff {
    /// Whether one more callout may be made now, by the steady clock, beside those in flight.
    pub fn allows(&self, now: Duration, in_flight: usize) -> bool {
        now >= self.not_before && in_flight < self.in_flight_limit
    }

    /// Returns whether the last attempt has failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Lets the next attempt be made now.
    pub fn try_now(&mut self) {
        self.not_before = Duration::ZERO;
    }

    /// CloudWatch has taken a payload.
    pub fn succeed(&mut self) {
        self.failures = 0;
        self.in_flight_limit = self.in_flight_limit.saturating_add(1).min(MAX_IN_FLIGHT);
    }

    /// An attempt has failed; gives how long nothing is tried. `after` is how long CloudWatch asks to be left alone.
    pub fn fail(&mut self, now: Duration, base: Duration, after: Option<Duration>, random: &mut Random) -> Duration {
        self.in_flight_limit = (self.in_flight_limit / 2).max(1);
        // The first throttled request after an outage says nothing about the rate, so it does not wait as long as a later one.
        if std::mem::replace(&mut self.base, base) != base {
            self.failures = 0;
        }
        let longest = if base == THROTTLED_BASE { MAX_THROTTLED_DELAY } else { MAX_DELAY };
        let limit = base.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(longest);
        self.failures = self.failures.saturating_add(1);
        let delay = after.map_or_else(|| random.below(limit), |after| after.min(patience::LONGEST));
        // Answers to callouts that were in flight together do not shorten each other's waits.
        self.not_before = self.not_before.max(now.saturating_add(delay));
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(50);

    #[test]
    fn delays_grow_to_the_limit_and_are_spread() {
        let mut longest = [Duration::ZERO; 12];
        for seed in 0..500 {
            let mut random = Random::new(seed);
            let mut backoff = Backoff::default();
            for longest in &mut longest {
                *longest = backoff.fail(Duration::ZERO, BASE, None, &mut random).max(*longest);
            }
        }
        for (failures, longest) in (0..).zip(longest) {
            let limit = (BASE * 2u32.pow(failures)).min(MAX_DELAY);
            assert!(longest < limit && longest > limit.mul_f64(0.9), "{failures} {longest:?}");
        }
    }

    #[test]
    fn what_cloudwatch_asks_for_wins() {
        let mut backoff = Backoff::default();
        let asked = Duration::from_secs(90);
        assert_eq!(backoff.fail(Duration::ZERO, BASE, Some(asked), &mut Random::new(0)), asked);
        backoff.fail(Duration::ZERO, BASE, Some(Duration::ZERO), &mut Random::new(0));
        assert!(!backoff.allows(asked - BASE, 0));
        assert!(backoff.allows(asked, 0));
    }

    #[test]
    fn what_cloudwatch_asks_for_is_capped_and_a_flush_may_try() {
        let mut backoff = Backoff::default();
        let asked = Duration::from_secs(99_999_999_999);
        assert_eq!(backoff.fail(Duration::ZERO, BASE, Some(asked), &mut Random::new(0)), patience::LONGEST);
        assert!(!backoff.allows(patience::LONGEST - BASE, 0) && backoff.allows(patience::LONGEST, 0));
        backoff.try_now();
        assert!(backoff.allows(BASE, 0) && backoff.is_failing());
    }

    #[test]
    fn callouts_in_flight_halve_and_grow_by_one() {
        let mut backoff = Backoff::default();
        let mut random = Random::new(0);
        let allowed = |backoff: &Backoff| (0..10).take_while(|n| backoff.allows(MAX_DELAY * 9, *n)).count();
        assert_eq!(allowed(&backoff), 4);
        for expected in [2, 1, 1] {
            backoff.fail(Duration::ZERO, BASE, None, &mut random);
            assert_eq!(allowed(&backoff), expected);
        }
        for expected in [2, 3, 4, 4] {
            backoff.succeed();
            assert_eq!(allowed(&backoff), expected);
        }
    }
}
