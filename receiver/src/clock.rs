//! CloudWatch's time, learnt from its answers.

use std::time::Duration;

use acpw_metric::{Now, Timestamp};

/// Differences up to this many milliseconds are left alone: `Date` has whole seconds, and answers take time.
const TOLERANCE: u64 = 5_000;

/// An answer that took longer says nothing about the time.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(15 * 60);

/// The largest difference that one answer is believed. AWS refuses a signature that is further off (five minutes), and what
/// moves all held data by more than that is learnt from two answers that agree: one may be a proxy's.
const UNCONFIRMED: u64 = 5 * 60 * 1_000;

/// The host's wall clock, corrected by what CloudWatch's answers tell, so that signatures and timestamps are right on a
/// host whose clock is not.
#[derive(Debug, Default)]
pub struct Clock {
    /// What is added to the wall clock, in milliseconds.
    skew: i64,
    /// The sum of all that was learnt: how far data stamped at the beginning have to be moved.
    learnt: i64,
    /// A large difference that one answer has shown, as what would have been learnt with it.
    doubtful: Option<i64>,
    /// The wall clock less the steady clock, when they were last read.
    distance: Option<i64>,
}

impl Clock {
    /// The corrected time. When the wall clock is set, the steady clock shows by how much, and the corrected time goes on
    /// as before.
    pub fn read(&mut self, now: Now) -> Timestamp {
        let steady = Timestamp::from_millis(u64::try_from(now.steady.as_millis()).unwrap_or(u64::MAX));
        let distance = now.wall.millis_since(steady);
        let step = self.distance.map_or(0, |before| distance.saturating_sub(before));
        if step.unsigned_abs() > TOLERANCE {
            self.skew = self.skew.saturating_sub(step);
        }
        if step != 0 {
            // A slow drift is followed; it is the host's own correction of its clock.
            self.distance = Some(distance);
        }
        self.distance.get_or_insert(distance);
        now.wall.shifted(self.skew)
    }

    /// Returns the time with the wall clock corrected.
    pub fn correct(&mut self, now: Now) -> Now {
        Now { wall: self.read(now), ..now }
    }

    /// By how many milliseconds CloudWatch's clock is ahead of a request's signature, by the date of its answer and half
    /// the time that it took.
    pub fn difference(date: Timestamp, signed_at: Timestamp, round_trip: Duration) -> Option<i64> {
        if round_trip > MAX_ROUND_TRIP {
            return None;
        }
        let half = i64::try_from((round_trip / 2).as_millis()).ok()?;
        Some(date.millis_since(signed_at.shifted(half)))
    }

    /// Takes in the difference of an answer of AWS's own to a request that was signed when `learnt_when_signed` had been
    /// learnt. A difference of more than five minutes counts once a second answer shows it too.
    pub fn learn(&mut self, difference: i64, learnt_when_signed: i64) {
        // Of several answers to requests signed by the same clock, the first has shown it.
        let news = difference.saturating_sub(self.learnt.saturating_sub(learnt_when_signed));
        if news.unsigned_abs() <= TOLERANCE {
            self.doubtful = None;
            return;
        }
        let target = self.learnt.saturating_add(news);
        let is_confirmed = self.doubtful.is_some_and(|doubtful| doubtful.abs_diff(target) <= TOLERANCE);
        if news.unsigned_abs() > UNCONFIRMED && !is_confirmed {
            self.doubtful = Some(target);
            return;
        }
        self.doubtful = None;
        self.skew = self.skew.saturating_add(news);
        self.learnt = target;
    }

    /// The sum of all that was learnt, in milliseconds. Data stamped when it was less are as much too early.
    pub fn learnt(&self) -> i64 {
        self.learnt
    }

    /// What is added to the host's wall clock, in milliseconds.
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
    fn a_clock_that_is_days_off_is_corrected_by_two_answers() {
        let mut clock = Clock::default();
        let signed_at = clock.read(now(-2 * DAY, 0));
        let date = now(1_000, 0).wall;
        let difference = Clock::difference(date, signed_at, Duration::from_secs(2)).unwrap();
        assert_eq!(difference, 2 * DAY);
        clock.learn(difference, 0);
        assert_eq!(clock.learnt(), 0);
        clock.learn(difference + 900, 0);
        clock.learn(difference, 0);
        assert_eq!(clock.read(now(-2 * DAY + 5, 5)), now(905, 5).wall);
        assert_eq!((clock.learnt(), clock.skew()), (2 * DAY + 900, 2 * DAY + 900));
    }

    #[test]
    fn small_differences_and_late_answers_are_left_alone() {
        let mut clock = Clock::default();
        for difference in [-5_000, -1, 0, 5_000] {
            clock.learn(difference, 0);
        }
        assert_eq!(clock.learnt(), 0);
        clock.learn(5_001, 0);
        assert_eq!(clock.learnt(), 5_001);
        let signed_at = now(0, 0).wall;
        assert!(Clock::difference(signed_at, signed_at, MAX_ROUND_TRIP).is_some());
        assert!(Clock::difference(signed_at, signed_at, MAX_ROUND_TRIP + Duration::from_millis(1)).is_none());
    }

    #[test]
    fn one_answer_that_is_far_off_is_not_believed() {
        let mut clock = Clock::default();
        let limit = i64::try_from(UNCONFIRMED).unwrap();
        clock.learn(limit + 1, 0);
        clock.learn(-DAY, 0);
        clock.learn(limit + 1, 0);
        assert_eq!(clock.learnt(), 0, "they do not agree");
        clock.learn(0, 0);
        clock.learn(limit + 1, 0);
        assert_eq!(clock.learnt(), 0, "a good one came between them");
        clock.learn(limit + 1, 0);
        assert_eq!(clock.learnt(), limit + 1);
        clock.learn(-limit, limit + 1);
        assert_eq!(clock.learnt(), 1, "one that the signature allows for is believed at once");
    }

    #[test]
    fn setting_the_wall_clock_does_not_move_the_corrected_time() {
        let mut clock = Clock::default();
        clock.read(now(-2 * DAY, 0));
        clock.learn(2 * DAY, 0);
        clock.learn(2 * DAY, 0);
        assert_eq!(clock.read(now(1_000, 1_000)), now(1_000, 1_000).wall);
        assert_eq!((clock.learnt(), clock.skew()), (2 * DAY, 0));
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
