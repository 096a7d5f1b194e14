//! Schedules the rounds of a source.

use std::time::Duration;

use acpw_metric::Now;

/// Starts rounds on a grid of the wall clock.
///
/// If the interval is a whole number of seconds, rounds start in the middle of a second. A tick that is a little late
/// then still puts exactly one sample into each second. A round that takes longer than the interval delays the next one
/// to the next point of the grid.
#[derive(Debug)]
pub struct PollSchedule {
    interval: Duration,
    /// The grid point at which the last round started.
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
    /// Creates a schedule with this interval, which is at least a second.
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: None, state: State::default() }
    }

    /// Starts a round if one is due, and returns true if it did.
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

    /// Records that a request of the round was sent.
    pub fn mark_sent(&mut self) {
        self.state = State::Waiting;
    }

    /// Records that the request was answered or has failed.
    pub fn mark_answered(&mut self) {
        self.state = State::InRound;
    }

    /// Ends the round.
    pub fn end(&mut self) {
        self.state = State::Idle;
    }

    /// Returns true if a response is pending.
    pub fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// Returns true during a round.
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
    fn every_second_has_one_round_even_if_ticks_are_late() {
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
    fn after_a_long_round_the_next_one_starts_at_a_grid_point() {
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
