//! Whether a receiver takes what a sender hands over.

use std::time::Duration;

/// How long a receiver may be missing before that is reported: it may start after the sender.
const PATIENCE: Duration = Duration::from_secs(10);

/// The traces of a receiver that a flush finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traces {
    /// There is no queue of a receiver.
    NoQueue,
    /// There is a queue, and data in it that nobody has taken for longer than between two flushes.
    Untaken,
    /// There is a queue, and nothing in it is old.
    Taken,
}

/// Watches for a receiver that does not take data, by the steady clock.
///
/// A record that another worker has put onto the queue a moment ago lies there in normal service too, so only old data
/// show that nobody takes them.
#[derive(Debug, Default)]
pub struct ReceiverWatch {
    missing: Option<Missing>,
}

#[derive(Debug)]
struct Missing {
    since: Duration,
    /// The counter that all workers share, at the last flush.
    counted: u64,
    is_noticed: bool,
}

/// The result of a flush.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Whether the receiver has been missing for more than ten seconds.
    pub is_missing: bool,
    /// Whether this is to be logged: it has just been noticed, and by no other worker before.
    pub is_news: bool,
}

impl ReceiverWatch {
    /// Takes in what a flush has found. `counted` is the value of the counter of flushes without a receiver, which all
    /// workers share: where it has grown since the last flush, another worker has noticed before.
    pub fn handle_flush(&mut self, traces: Traces, counted: u64, now: Duration) -> Finding {
        if traces == Traces::Taken {
            self.missing = None;
            return Finding::default();
        }
        let missing = self.missing.get_or_insert(Missing { since: now, counted, is_noticed: false });
        let is_missing = now.saturating_sub(missing.since) > PATIENCE;
        let is_new = is_missing && !std::mem::replace(&mut missing.is_noticed, is_missing);
        let is_first = std::mem::replace(&mut missing.counted, counted) == counted;
        Finding { is_missing, is_news: is_new && is_first }
    }
}

/// Returns the line about a receiver that is missing.
pub(crate) fn line(traces: Traces, vm_id: &str) -> String {
    let vm_id = vm_id.escape_default();
    let seconds = PATIENCE.as_secs();
    match traces {
        Traces::NoQueue | Traces::Taken => format!(
            "there is no receiver with the vm_id \"{vm_id}\" since more than {seconds} s, so data are held. \
             receiver_vm_id must be the vm_id in the receiver's vm_config; else see the receiver's lines in this log"
        ),
        Traces::Untaken => format!(
            "the receiver with the vm_id \"{vm_id}\" has taken nothing for more than {seconds} s, so data are held. \
             It has failed, or is behind: see its lines in this log"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    /// Whether it is missing, and whether that is news, at each of these seconds.
    fn findings(traces: Traces, seconds: impl Iterator<Item = u64>) -> Vec<(u64, bool, bool)> {
        let mut watch = ReceiverWatch::default();
        let mut counted = 7;
        seconds
            .map(|second| {
                let Finding { is_missing, is_news } = watch.handle_flush(traces, counted, at(second));
                counted += u64::from(is_missing);
                (second, is_missing, is_news)
            })
            .collect()
    }

    #[test]
    fn a_receiver_that_is_missing_for_longer_than_ten_seconds_is_reported_once() {
        for traces in [Traces::NoQueue, Traces::Untaken] {
            for (second, is_missing, is_news) in findings(traces, 100..200) {
                assert_eq!((is_missing, is_news), (second > 110, second == 111), "{traces:?} {second}");
            }
        }
        assert!(findings(Traces::Taken, 100..200).iter().all(|(_, is_missing, is_news)| !is_missing && !is_news));
    }

    #[test]
    fn a_receiver_that_comes_back_may_be_missing_again() {
        let mut watch = ReceiverWatch::default();
        let mut news = Vec::new();
        for second in 0..100 {
            let traces = if second % 30 == 29 { Traces::Taken } else { Traces::Untaken };
            if watch.handle_flush(traces, 0, at(second)).is_news {
                news.push(second);
            }
        }
        assert_eq!(news, [11, 41, 71]);
    }

    #[test]
    fn of_several_workers_one_reports() {
        let mut workers: Vec<ReceiverWatch> = (0..8).map(|_| ReceiverWatch::default()).collect();
        let (mut counted, mut news) = (0, 0);
        for second in 0..60 {
            for (number, worker) in workers.iter_mut().enumerate() {
                // Some have begun to observe later.
                if second >= number as u64 / 2 {
                    let finding = worker.handle_flush(Traces::NoQueue, counted, at(second));
                    counted += u64::from(finding.is_missing);
                    news += u64::from(finding.is_news);
                }
            }
        }
        assert_eq!(news, 1);
    }

    #[test]
    fn a_line_names_the_vm_id() {
        for traces in [Traces::NoQueue, Traces::Untaken] {
            assert!(line(traces, "recei\"ver\n").contains("the vm_id \"recei\\\"ver\\n\" "), "{traces:?}");
        }
    }
}
