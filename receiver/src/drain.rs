//! Whether Envoy is being drained, by its own admin interface.

use std::time::Duration;

/// How often Envoy is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many answers in a row must fail before the failure is reported: a cluster may come with an update, some seconds
/// after the start.
const FAILURES: u32 = 5;

/// The words with which Envoy's `/ready` answers, as its `ServerInfo.State` has them.
const STATES: [&[u8]; 4] = [b"LIVE", b"DRAINING", b"PRE_INITIALIZING", b"INITIALIZING"];

/// Asks `/ready` of Envoy's admin interface: it answers 503 and `DRAINING` after `POST /healthcheck/fail`.
#[derive(Debug, Default)]
pub struct DrainWatch {
    asked: Option<Duration>,
    is_asking: bool,
    /// The number of answers in a row that were not Envoy's.
    failures: u32,
    failure: Option<String>,
}

impl DrainWatch {
    /// The path to ask.
    pub const PATH: &'static str = "/ready";

    /// Whether to ask now, by the steady clock. Once it says so, the answer is waited for.
    pub fn poll(&mut self, now: Duration) -> bool {
        let is_time = self.asked.is_none_or(|asked| now.saturating_sub(asked) >= INTERVAL);
        if self.is_asking || !is_time {
            return false;
        }
        self.asked = Some(now);
        self.is_asking = true;
        true
    }

    /// Takes in the answer's body, empty when there was none, and returns whether Envoy is being drained. Anything but its
    /// word for that counts as no.
    pub fn handle_answer(&mut self, body: &[u8]) -> bool {
        let state = body.trim_ascii();
        if STATES.contains(&state) {
            self.is_asking = false;
            self.failures = 0;
        } else if state.is_empty() {
            self.fail("/ready is not answered");
        } else {
            self.fail("the answer to /ready is not one of Envoy's admin interface");
        }
        state == b"DRAINING"
    }

    /// Takes in why the request was not sent.
    pub fn handle_undispatched(&mut self, error: &str) {
        self.fail(&format!("Envoy does not send the request, as it does for a cluster that it does not have: {error}"));
    }

    /// Returns why Envoy's state cannot be read, once for each time that it begins to fail.
    pub fn poll_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    fn fail(&mut self, reason: &str) {
        self.is_asking = false;
        self.failures = self.failures.saturating_add(1);
        if self.failures == FAILURES {
            self.failure = Some(reason.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoy_is_asked_every_second_and_one_answer_is_waited_for() {
        let mut watch = DrainWatch::default();
        let at = Duration::from_millis;
        assert!(watch.poll(at(0)));
        assert!(!watch.poll(at(5_000)));
        assert!(watch.handle_answer(b"DRAINING\n"));
        assert!(watch.poll(at(5_000)));
        assert!(!watch.handle_answer(b"LIVE\n"));
        assert!(!watch.poll(at(5_999)));
        assert!(watch.poll(at(6_000)));
        assert!(!watch.handle_answer(b""));
    }

    #[test]
    fn a_cluster_that_is_not_the_admins_is_reported_once() {
        type Fail = fn(&mut DrainWatch);
        let fails: [(Fail, &str); 3] = [
            (|watch| watch.handle_undispatched("bad argument"), "does not have: bad argument"),
            (|watch| assert!(!watch.handle_answer(b"")), "/ready is not answered"),
            (|watch| assert!(!watch.handle_answer(b"<html>s3cr3t")), "the answer to /ready is not one of Envoy's"),
        ];
        for (fail, reason) in fails {
            let mut watch = DrainWatch::default();
            for round in 0..2 {
                for second in 0..100 {
                    assert!(watch.poll(Duration::from_secs(1_000 * round + second)));
                    fail(&mut watch);
                    let failure = watch.poll_failure();
                    assert_eq!(failure.is_some(), second == 4, "{failure:?}");
                    assert!(failure.is_none_or(|failure| failure.contains(reason) && !failure.contains("s3cr3t")));
                }
                // It answers, and may fail anew.
                watch.handle_answer(b"INITIALIZING\n");
            }
        }
    }
}
