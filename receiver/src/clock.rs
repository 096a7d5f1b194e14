//! Estimates CloudWatch's time from its answers.

use std::time::Duration;

use acpw_metric::{Now, Timestamp};

/// The difference in milliseconds up to which the clock counts as correct: `Date` has whole seconds, and answers take
/// time.
const TOLERANCE: u64 = 5_000;

/// The maximum round-trip time of an answer whose `Date` is used.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(15 * 60);

/// The largest difference in milliseconds for which one answer suffices. A larger one, beyond the five minutes after
/// which AWS refuses a signature, would move all held data far, so two answers must agree: one could be a proxy's.
const UNCONFIRMED: u64 = 5 * 60 * 1_000;

/// The host's wall clock, corrected by CloudWatch's answers, so that signatures and timestamps are right even if the
/// host's clock is wrong.
#[derive(Debug, Default)]
pub struct Clock {
    /// The number of milliseconds that is added to the wall clock.
    skew: i64,
    /// The sum of all corrections in milliseconds: data stamped at the beginning must be moved by it.
    correction: i64,
    /// The correction according to a single answer with a large difference, until another answer confirms it.
    unconfirmed: Option<i64>,
    /// The wall clock minus the steady clock in milliseconds, at the last reading.
    wall_minus_steady: Option<i64>,
}

impl Clock {
    /// Returns the corrected time. If the wall clock was set, the steady clock shows by how much, and the corrected
    /// time continues without a jump.
    pub fn read(&mut self, now: Now) -> Timestamp {
        let steady = Timestamp::from_millis(u64::try_from(now.steady.as_millis()).unwrap_or(u64::MAX));
        let wall_minus_steady = now.wall.millis_since(steady);
        let step = self.wall_minus_steady.map_or(0, |before| wall_minus_steady.saturating_sub(before));
        if step.unsigned_abs() > TOLERANCE {
            self.skew = self.skew.saturating_sub(step);
        }
        if step != 0 {
            // Follow a slow drift, because it is how NTP corrects the host's clock.
            self.wall_minus_steady = Some(wall_minus_steady);
        }
        self.wall_minus_steady.get_or_insert(wall_minus_steady);
        now.wall.shifted(self.skew)
    }

    /// Returns `now` with the wall clock corrected.
    pub fn correct(&mut self, now: Now) -> Now {
        Now { wall: self.read(now), ..now }
    }

    /// Returns by how many milliseconds CloudWatch's clock is ahead of the clock that signed a request. It is computed
    /// from the date of the answer and half of the round-trip time.
    pub fn difference(date: Timestamp, signed_at: Timestamp, round_trip: Duration) -> Option<i64> {
        if round_trip > MAX_ROUND_TRIP {
            return None;
        }
        let half = i64::try_from((round_trip / 2).as_millis()).ok()?;
        Some(date.millis_since(signed_at.shifted(half)))
    }

    /// Adjusts the clock by the difference that an answer of AWS has shown. `correction_when_signed` is the
    /// [`correction`](Self::correction) at the time when the request was signed. A difference of more than five minutes
    /// is applied once a second answer confirms it.
    pub fn adjust(&mut self, difference: i64, correction_when_signed: i64) {
        // The first of several answers to requests signed with the same clock has already been applied.
        let change = difference.saturating_sub(self.correction.saturating_sub(correction_when_signed));
        if change.unsigned_abs() <= TOLERANCE {
            self.unconfirmed = None;
            return;
        }
        let target = self.correction.saturating_add(change);
        let is_confirmed = self.unconfirmed.is_some_and(|unconfirmed| unconfirmed.abs_diff(target) <= TOLERANCE);
        if change.unsigned_abs() > UNCONFIRMED && !is_confirmed {
            self.unconfirmed = Some(target);
            return;
        }
        self.unconfirmed = None;
        self.skew = self.skew.saturating_add(change);
        self.correction = target;
    }

    /// Returns the sum of all corrections in milliseconds. Data stamped before a correction must be moved by the
    /// increase since.
    pub fn correction(&self) -> i64 {
        self.correction
    }

    /// Returns the number of milliseconds that is added to the host's wall clock.
    pub fn skew(&self) -> i64 {
        self.skew
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60 * 1_000;

    fn now(wall: i64, steady: u64) -> Now {
        let wall = Timestamp::from_millis(1_787_402_160_000).shifted(wall);
        Now { wall, steady: Duration::from_millis(steady) }
    }

    #[test]
    fn two_answers_correct_a_clock_that_is_days_off() {
        let mut clock = Clock::default();
        let signed_at = clock.read(now(-2 * DAY, 0));
        let date = now(1_000, 0).wall;
        let difference = Clock::difference(date, signed_at, Duration::from_secs(2)).unwrap();
        assert_eq!(difference, 2 * DAY);
        clock.adjust(difference, 0);
        assert_eq!(clock.correction(), 0);
        clock.adjust(difference + 900, 0);
        clock.adjust(difference, 0);
        assert_eq!(clock.read(now(-2 * DAY + 5, 5)), now(905, 5).wall);
        assert_eq!((clock.correction(), clock.skew()), (2 * DAY + 900, 2 * DAY + 900));
    }

    #[test]
    fn small_differences_and_late_answers_are_ignored() {
        let mut clock = Clock::default();
        for difference in [-5_000, -1, 0, 5_000] {
            clock.adjust(difference, 0);
        }
        assert_eq!(clock.correction(), 0);
        clock.adjust(5_001, 0);
        assert_eq!(clock.correction(), 5_001);
        let signed_at = now(0, 0).wall;
        assert!(Clock::difference(signed_at, signed_at, MAX_ROUND_TRIP).is_some());
        assert!(Clock::difference(signed_at, signed_at, MAX_ROUND_TRIP + Duration::from_millis(1)).is_none());
    }

    #[test]
    fn a_single_answer_with_a_large_difference_is_not_applied() {
        let mut clock = Clock::default();
        let limit = i64::try_from(UNCONFIRMED).unwrap();
        clock.adjust(limit + 1, 0);
        clock.adjust(-DAY, 0);
        clock.adjust(limit + 1, 0);
        assert_eq!(clock.correction(), 0, "they do not agree");
        clock.adjust(0, 0);
        clock.adjust(limit + 1, 0);
        assert_eq!(clock.correction(), 0, "an answer without a difference came in between");
        clock.adjust(limit + 1, 0);
        assert_eq!(clock.correction(), limit + 1);
        clock.adjust(-limit, limit + 1);
        assert_eq!(clock.correction(), 1, "a difference within five minutes is applied at once");
    }

    #[test]
    fn setting_the_wall_clock_does_not_move_the_corrected_time() {
        let mut clock = Clock::default();
        clock.read(now(-2 * DAY, 0));
        clock.adjust(2 * DAY, 0);
        clock.adjust(2 * DAY, 0);
        assert_eq!(clock.read(now(1_000, 1_000)), now(1_000, 1_000).wall);
        assert_eq!((clock.correction(), clock.skew()), (2 * DAY, 0));
    }

    #[test]
    fn a_drifting_clock_is_followed() {
        let mut clock = Clock::default();
        for second in 0..100_000 {
            let drifted = second * 1_001;
            assert_eq!(clock.read(now(drifted, second.unsigned_abs() * 1_000)), now(drifted, 0).wall);
        }
    }
}
