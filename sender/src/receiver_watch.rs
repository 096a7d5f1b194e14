//! Detects a missing or stalled receiver.

use std::time::Duration;

/// The time for which a receiver may be missing before this is reported. It may start later than the sender.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The state of the queue, as seen by one flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// No receiver has registered a queue.
    Missing,
    /// The queue exists and contains data that are older than the time between two flushes.
    Stalled,
    /// The queue exists and contains no old data.
    Draining,
}

/// Watches over several flushes whether a receiver takes data from the queue.
///
/// Even if the receiver works, the queue may contain records that another worker has just enqueued. So only old data
/// show that no receiver takes them.
#[derive(Debug, Default)]
pub struct ReceiverWatch {
    absence: Option<Absence>,
}

/// A period without a working receiver.
#[derive(Debug)]
struct Absence {
    /// The steady time at which it started.
    since: Duration,
    /// The value of the shared counter at the last flush.
    counter: u64,
    is_detected: bool,
}

/// The result of [`ReceiverWatch::handle_flush`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchResult {
    /// The receiver has been missing or stalled for longer than [`PATIENCE`].
    pub is_absent: bool,
    /// The absence must be logged: it has just been detected, and no other worker detected it before.
    pub is_first_detection: bool,
}

impl ReceiverWatch {
    /// Handles a flush.
    ///
    /// `counter` is the value of the counter of flushes without a receiver, which all workers share. If it has
    /// increased since the last flush, another worker has already detected the absence.
    pub fn handle_flush(&mut self, state: QueueState, counter: u64, now: Duration) -> WatchResult {
        if state == QueueState::Draining {
            self.absence = None;
            return WatchResult::default();
        }
        let absence = self.absence.get_or_insert(Absence { since: now, counter, is_detected: false });
        let is_absent = now.saturating_sub(absence.since) > PATIENCE;
        let is_new = is_absent && !std::mem::replace(&mut absence.is_detected, is_absent);
        let is_first = std::mem::replace(&mut absence.counter, counter) == counter;
        WatchResult { is_absent, is_first_detection: is_new && is_first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    /// Returns the second of each flush with its result.
    fn results(state: QueueState, seconds: impl Iterator<Item = u64>) -> Vec<(u64, WatchResult)> {
        let mut watch = ReceiverWatch::default();
        let mut counter = 7;
        seconds
            .map(|second| {
                let result = watch.handle_flush(state, counter, at(second));
                counter += u64::from(result.is_absent);
                (second, result)
            })
            .collect()
    }

    #[test]
    fn an_absence_of_more_than_ten_seconds_is_detected_once() {
        for state in [QueueState::Missing, QueueState::Stalled] {
            for (second, result) in results(state, 100..200) {
                let expected = WatchResult { is_absent: second > 110, is_first_detection: second == 111 };
                assert_eq!(result, expected, "{state:?} {second}");
            }
        }
        assert!(results(QueueState::Draining, 100..200).iter().all(|(_, result)| *result == WatchResult::default()));
    }

    #[test]
    fn a_second_absence_is_detected_again() {
        let mut watch = ReceiverWatch::default();
        let mut detections = Vec::new();
        for second in 0..100 {
            let state = if second % 30 == 29 { QueueState::Draining } else { QueueState::Stalled };
            if watch.handle_flush(state, 0, at(second)).is_first_detection {
                detections.push(second);
            }
        }
        assert_eq!(detections, [11, 41, 71]);
    }

    #[test]
    fn only_one_of_several_workers_reports_the_absence() {
        let mut workers: Vec<ReceiverWatch> = (0..8).map(|_| ReceiverWatch::default()).collect();
        let (mut counter, mut detections) = (0, 0);
        for second in 0..60 {
            for (number, worker) in workers.iter_mut().enumerate() {
                // Some workers start later than others.
                if second >= number as u64 / 2 {
                    let result = worker.handle_flush(QueueState::Missing, counter, at(second));
                    counter += u64::from(result.is_absent);
                    detections += u64::from(result.is_first_detection);
                }
            }
        }
        assert_eq!(detections, 1);
    }
}
