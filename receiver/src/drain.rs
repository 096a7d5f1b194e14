//! Whether Envoy is being drained, by its own admin interface.

use std::time::Duration;

use crate::{call::Call, notice::Notice};

/// How often Envoy is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// Time that the admin interface may take to answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How many answers in a row must fail before the failure is reported: a cluster may come with an update, some seconds
/// after the start.
const FAILURES: u32 = 5;

/// The words with which Envoy's `/ready` answers, as its `ServerInfo.State` has them.
const STATES: [&[u8]; 4] = [b"LIVE", b"DRAINING", b"PRE_INITIALIZING", b"INITIALIZING"];

/// Asks `/ready` of Envoy's admin interface: it answers 503 and `DRAINING` after `POST /healthcheck/fail`.
#[derive(Debug)]
pub struct DrainWatch {
    /// The cluster that leads to the admin interface.
    cluster: String,
    asked: Option<Duration>,
    is_asking: bool,
    /// The number of answers in a row that were not Envoy's.
    failures: u32,
}

impl DrainWatch {
    /// Creates a watch of the admin interface to which this cluster leads.
    pub fn new(cluster: String) -> Self {
        Self { cluster, asked: None, is_asking: false, failures: 0 }
    }

    /// Returns the request to send now, by the steady clock.
    pub fn poll(&mut self, now: Duration) -> Option<Call> {
        let is_time = self.asked.is_none_or(|asked| now.saturating_sub(asked) >= INTERVAL);
        if self.is_asking || !is_time {
            return None;
        }
        self.asked = Some(now);
        self.is_asking = true;
        let call = Call::near(&self.cluster, "GET", &self.cluster, "/ready");
        Some(Call { timeout: TIMEOUT, ..call })
    }

    /// Handles the answer's body, which is empty if there was no answer. Returns whether Envoy is being drained, and a notice
    /// when answers begin to fail.
    pub fn handle_answer(&mut self, body: &[u8]) -> (bool, Option<Notice>) {
        let state = body.trim_ascii();
        if STATES.contains(&state) {
            self.is_asking = false;
            self.failures = 0;
            return (state == b"DRAINING", None);
        }
        let reason = match state {
            [] => "/ready is not answered",
            _ => "the answer to /ready is not one of Envoy's admin interface",
        };
        (false, self.fail(reason))
    }

    /// Handles a request that Envoy did not send. Returns a notice when that begins.
    pub fn handle_undispatched(&mut self, error: &str) -> Option<Notice> {
        self.fail(&format!("Envoy did not send the request; check that it has the cluster: {error}"))
    }

    fn fail(&mut self, reason: &str) -> Option<Notice> {
        self.is_asking = false;
        self.failures = self.failures.saturating_add(1);
        let notice = || Notice::DrainUnknown { cluster: self.cluster.clone(), reason: reason.to_owned() };
        (self.failures == FAILURES).then(notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> DrainWatch {
        DrainWatch::new("admin".to_owned())
    }

    #[test]
    fn envoy_is_asked_every_second_and_one_answer_is_awaited() {
        let mut watch = watch();
        let at = Duration::from_millis;
        assert!(watch.poll(at(0)).is_some_and(|call| call.cluster == "admin" && call.timeout == TIMEOUT));
        assert!(watch.poll(at(5_000)).is_none());
        assert!(watch.handle_answer(b"DRAINING\n").0);
        assert!(watch.poll(at(5_000)).is_some());
        assert!(!watch.handle_answer(b"LIVE\n").0);
        assert!(watch.poll(at(5_999)).is_none());
        assert!(watch.poll(at(6_000)).is_some());
        assert!(!watch.handle_answer(b"").0);
    }

    #[test]
    fn a_cluster_that_does_not_lead_to_the_admin_interface_is_reported_once() {
        type Fail = fn(&mut DrainWatch) -> Option<Notice>;
        let fails: [(Fail, &str); 3] = [
            (|watch| watch.handle_undispatched("bad argument"), "has the cluster: bad argument"),
            (|watch| watch.handle_answer(b"").1, "/ready is not answered"),
            (|watch| watch.handle_answer(b"<html>s3cr3t").1, "the answer to /ready is not one of Envoy's"),
        ];
        for (fail, reason) in fails {
            let mut watch = watch();
            for round in 0..2 {
                for second in 0..100 {
                    assert!(watch.poll(Duration::from_secs(1_000 * round + second)).is_some());
                    let line = fail(&mut watch).map(|notice| notice.to_string());
                    assert_eq!(line.is_some(), second == 4, "{line:?}");
                    assert!(line.is_none_or(|line| line.contains(reason) && !line.contains("s3cr3t")));
                }
                // It answers, and may fail again.
                watch.handle_answer(b"INITIALIZING\n");
            }
        }
    }
}
