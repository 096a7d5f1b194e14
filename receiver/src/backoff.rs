//! Decides when to retry, and with how many callouts at once.

use std::{ops::RangeInclusive, time::Duration};

use crate::{random::Random, retry_after};

/// The maximum number of callouts in flight.
pub const MAX_IN_FLIGHT: usize = 4;

/// The delay after CloudWatch has refused the credentials or a namespace.
pub const DENIED_DELAY: Duration = Duration::from_secs(30);

/// The maximum time between two attempts, unless CloudWatch asks for more.
const MAX_DELAY: Duration = Duration::from_secs(20);

/// The growth of the delays after throttling with each attempt, as a part of the interval of publication: the shorter
/// the interval, the fewer receivers share a quota.
const THROTTLED_STEPS: u32 = 10;

/// The limits of that growth.
///
/// Delays do not double as after other failures, because chance decides which receiver of a throttled fleet succeeds,
/// and the unlucky ones would fall further and further behind. With shorter delays the retries of 10,000 receivers
/// exceed an account's quota of 500 calls a second for minutes. docs/scaling.md has a simulation of it.
const THROTTLED_STEP: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(6);

/// The maximum delay after throttling. The retries of 10,000 receivers within 20 s would exceed an account's quota of
/// 500 calls a second on their own.
const MAX_THROTTLED_DELAY: Duration = Duration::from_secs(60);

/// The kinds of failed attempts, which differ in their delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The next attempt may succeed. The first delay is that of AWS's SDKs, 50 ms.
    Transient,
    /// There were too many requests.
    Throttled,
    /// The data or the server must change before an attempt can succeed.
    Refused,
    /// An operator must act. Callers ask for [`DENIED_DELAY`].
    Denied,
}

/// The number of kinds of failures.
const KINDS: usize = 4;

impl FailureKind {
    /// Returns the maximum delay after this number of earlier failures. After throttling it grows by `step`.
    fn max_delay(self, failures: u32, step: Duration) -> Duration {
        let doubled = |first: Duration| first.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX));
        match self {
            Self::Transient => doubled(Duration::from_millis(50)).min(MAX_DELAY),
            Self::Throttled => step.saturating_mul(failures.saturating_add(1)).min(MAX_THROTTLED_DELAY),
            Self::Refused => doubled(Duration::from_secs(1)).min(MAX_DELAY),
            Self::Denied => MAX_DELAY,
        }
    }
}

/// Back-off with jitter, for the account as a whole or for one lane.
///
/// The delay after a failure is a random part of a limit that doubles with each failure, up to 20 s; or that grows by a
/// tenth of the interval, at most 6 s, with each throttled request, up to a minute; or the delay that CloudWatch asks
/// for, at most [`retry_after::MAX_RETRY_AFTER`]. The number of callouts allowed in flight halves with every failure
/// and grows by one with every success (AIMD), so a throttled fleet converges to a rate that CloudWatch accepts.
#[derive(Debug)]
pub struct Backoff {
    /// The number of failures of each kind since the last success. Kinds are counted apart, because an outage says
    /// nothing about the rate that CloudWatch accepts after it.
    failures: [u32; KINDS],
    /// The growth of the delays after throttling.
    throttled_step: Duration,
    not_before: Duration,
    in_flight_limit: usize,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_secs(60))
    }
}

impl Backoff {
    /// Creates the back-off of a receiver that publishes with this interval.
    pub fn new(interval: Duration) -> Self {
        let throttled_step = (interval / THROTTLED_STEPS).clamp(*THROTTLED_STEP.start(), *THROTTLED_STEP.end());
        Self { failures: [0; KINDS], throttled_step, not_before: Duration::ZERO, in_flight_limit: MAX_IN_FLIGHT }
    }

    /// Returns true if another callout may be sent now, by the steady clock, with this number of callouts in flight.
    pub fn allows(&self, now: Duration, in_flight: usize) -> bool {
        now >= self.not_before && in_flight < self.in_flight_limit
    }

    /// Returns true if the last attempt has failed.
    pub fn is_failing(&self) -> bool {
        self.failures.iter().any(|failures| *failures > 0)
    }

    /// Allows the next attempt immediately.
    pub fn retry_now(&mut self) {
        self.not_before = Duration::ZERO;
    }

    /// Records that CloudWatch has accepted a payload.
    pub fn succeed(&mut self) {
        self.failures = [0; KINDS];
        self.in_flight_limit = self.in_flight_limit.saturating_add(1).min(MAX_IN_FLIGHT);
    }

    /// Records a failed attempt, and returns the delay until the next one. `after` is the delay that CloudWatch asks
    /// for.
    pub fn fail(&mut self, now: Duration, kind: FailureKind, after: Option<Duration>, random: &mut Random) -> Duration {
        self.in_flight_limit = (self.in_flight_limit / 2).max(1);
        let mut earlier = 0;
        if let Some(failures) = self.failures.get_mut(kind as usize) {
            earlier = *failures;
            *failures = failures.saturating_add(1);
        }
        let limit = kind.max_delay(earlier, self.throttled_step);
        let delay = after.map_or_else(|| random.below(limit), |after| after.min(retry_after::MAX_RETRY_AFTER));
        // Answers to concurrent callouts do not shorten each other's delays.
        self.not_before = self.not_before.max(now.saturating_add(delay));
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(50);
    const TRANSIENT: FailureKind = FailureKind::Transient;

    #[test]
    fn delays_grow_exponentially_with_full_jitter_up_to_the_limit() {
        let mut longest = [Duration::ZERO; 12];
        for seed in 0..500 {
            let mut random = Random::new(seed);
            let mut backoff = Backoff::default();
            for longest in &mut longest {
                *longest = backoff.fail(Duration::ZERO, TRANSIENT, None, &mut random).max(*longest);
            }
        }
        for (failures, longest) in (0..).zip(longest) {
            let limit = (BASE * 2u32.pow(failures)).min(MAX_DELAY);
            assert!(longest < limit && longest > limit.mul_f64(0.9), "{failures} {longest:?}");
        }
    }

    #[test]
    fn the_delay_that_cloudwatch_asks_for_has_precedence() {
        let mut backoff = Backoff::default();
        let asked = Duration::from_secs(90);
        assert_eq!(backoff.fail(Duration::ZERO, TRANSIENT, Some(asked), &mut Random::new(0)), asked);
        backoff.fail(Duration::ZERO, TRANSIENT, Some(Duration::ZERO), &mut Random::new(0));
        assert!(!backoff.allows(asked - BASE, 0));
        assert!(backoff.allows(asked, 0));
    }

    #[test]
    fn the_delay_that_cloudwatch_asks_for_is_capped_and_a_flush_may_retry_at_once() {
        let mut backoff = Backoff::default();
        let asked = Duration::from_secs(99_999_999_999);
        assert_eq!(
            backoff.fail(Duration::ZERO, TRANSIENT, Some(asked), &mut Random::new(0)),
            retry_after::MAX_RETRY_AFTER
        );
        assert!(
            !backoff.allows(retry_after::MAX_RETRY_AFTER - BASE, 0) && backoff.allows(retry_after::MAX_RETRY_AFTER, 0)
        );
        backoff.retry_now();
        assert!(backoff.allows(BASE, 0) && backoff.is_failing());
    }

    #[test]
    fn the_limit_of_callouts_in_flight_halves_on_failure_and_grows_by_one_on_success() {
        let mut backoff = Backoff::default();
        let mut random = Random::new(0);
        let allowed = |backoff: &Backoff| (0..10).take_while(|n| backoff.allows(MAX_DELAY * 9, *n)).count();
        assert_eq!(allowed(&backoff), 4);
        for expected in [2, 1, 1] {
            backoff.fail(Duration::ZERO, TRANSIENT, None, &mut random);
            assert_eq!(allowed(&backoff), expected);
        }
        for expected in [2, 3, 4, 4] {
            backoff.succeed();
            assert_eq!(allowed(&backoff), expected);
        }
    }

    #[test]
    fn delays_after_throttling_grow_by_a_tenth_of_the_interval() {
        let limit = |interval, failures| {
            let step = Backoff::new(Duration::from_secs(interval)).throttled_step;
            FailureKind::Throttled.max_delay(failures, step).as_secs()
        };
        for (interval, limits) in [(1, [1, 2, 60]), (30, [3, 6, 60]), (60, [6, 12, 60]), (3_600, [6, 12, 60])] {
            assert_eq!([0, 1, 99].map(|failures| limit(interval, failures)), limits, "{interval}");
        }
    }

    /// After an outage, the first throttled request is tried again soon, and other failures do not wait for a minute.
    #[test]
    fn delays_grow_for_each_kind_of_failure() {
        let longest = |earlier: &[FailureKind], kind: FailureKind| {
            let delay = |seed| {
                let (mut random, mut backoff) = (Random::new(seed), Backoff::default());
                for kind in earlier {
                    backoff.fail(Duration::ZERO, *kind, None, &mut random);
                }
                backoff.fail(Duration::ZERO, kind, None, &mut random)
            };
            (0..500).map(delay).max().unwrap().as_secs_f64()
        };
        for (earlier, kind, limit) in [
            ([TRANSIENT; 12], FailureKind::Throttled, 6.0),
            ([FailureKind::Throttled; 12], FailureKind::Throttled, 60.0),
            ([FailureKind::Throttled; 12], TRANSIENT, 0.05),
            ([FailureKind::Refused; 12], FailureKind::Refused, 20.0),
            ([FailureKind::Denied; 12], FailureKind::Denied, 20.0),
        ] {
            let longest = longest(&earlier, kind);
            assert!(longest < limit && longest > 0.9 * limit, "{kind:?} after {earlier:?}: {longest}");
        }
    }
}
