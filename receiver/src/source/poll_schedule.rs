//! When a source is asked.

use std::time::Duration;

use acpw_metric::Now;

/// Rounds on a grid of the wall clock: with an interval of whole seconds, in the middle of a second, so that a tick that
/// comes a little late leaves no second without its sample and none with two. A round that takes longer than the interval
/// makes the next one begin at the next point of the grid.
#[derive(Debug)]
pub struct PollSchedule {
    interval: Duration,
    /// The point of the grid at which the last round began.
    last: Option<u64>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    InRound,
    Waiting,
}

impl PollSchedule {
    /// A schedule of this interval, of a second at least.
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: None, state: State::default() }
    }

    /// Whether a round begins now; once it says so, one has begun.
    pub fn begin(&mut self, now: Now) -> bool {
        let interval = u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX).max(1_000);
        let point = now.wall.as_millis().saturating_add(500).checked_div(interval).unwrap_or(0);
        if self.state != State::Idle || self.last == Some(point) {
            return false;
        }
        self.last = Some(point);
        self.state = State::InRound;
        true
    }

    /// A request of the round has been sent.
    pub fn mark_sent(&mut self) {
        self.state = State::Waiting;
    }

    /// It has come to its end.
    pub fn mark_answered(&mut self) {
        self.state = State::InRound;
    }

    /// The round has come to its end.
    pub fn end(&mut self) {
        self.state = State::Idle;
    }

    /// Whether an answer is waited for.
    pub fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// Whether a round is under way.
    pub fn is_in_round(&self) -> bool {
        self.state != State::Idle
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::Timestamp;

    use super::*;

    const START: u64 = 1_787_400_000_000;

    fn at(millis: u64) -> Now {
        Now { wall: Timestamp::from_millis(START + millis), steady: Duration::from_millis(millis) }
    }

    #[test]
    fn every_second_has_one_round_though_ticks_come_late() {
        let mut poll = PollSchedule::new(Duration::from_secs(1));
        let mut seconds = Vec::new();
        for tick in 0..600 {
            let late = tick * 7_919 % 190;
            let now = at(tick * 200 + late);
            if poll.begin(now) {
                poll.mark_sent();
                poll.mark_answered();
                poll.end();
                seconds.push(now.wall.as_secs());
            }
        }
        let first = seconds[1];
        assert_eq!(seconds[1..], (first..first + seconds.len() as u64 - 1).collect::<Vec<_>>());
        assert!(seconds.len() >= 119);
    }

    #[test]
    fn a_round_that_takes_long_is_followed_by_the_next_point_of_the_grid() {
        let mut poll = PollSchedule::new(Duration::from_secs(10));
        assert!(poll.begin(at(0)));
        poll.mark_sent();
        assert!(!poll.begin(at(25_000)));
        poll.end();
        assert!(poll.begin(at(26_000)));
        poll.end();
        assert!(!poll.begin(at(29_400)));
        assert!(poll.begin(at(29_500)));
    }
}
