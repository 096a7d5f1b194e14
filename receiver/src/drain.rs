//! Asks Envoy's admin interface whether Envoy is being drained.

use std::time::Duration;

use crate::{call::Call, notice::Notice};

/// The time between two requests.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time within which the admin interface must answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The number of consecutive failures before a line is logged. A cluster may be added by an update, some seconds after
/// the start.
const FAILURES_BEFORE_LOG: u32 = 5;

/// The bodies of Envoy's `/ready`: the values of `ServerInfo.State`.
const STATES: [&[u8]; 4] = [b"LIVE", b"DRAINING", b"PRE_INITIALIZING", b"INITIALIZING"];

/// Polls `/ready` of Envoy's admin interface, which returns 503 and `DRAINING` after `POST /healthcheck/fail`.
#[derive(Debug)]
pub struct DrainWatch {
    /// The cluster that leads to the admin interface.
    cluster: String,
    requested_at: Option<Duration>,
    is_in_flight: bool,
    /// The number of consecutive answers that were missing or not Envoy's.
    failures: u32,
}

impl DrainWatch {
    /// Creates a watch of the admin interface behind this cluster.
    pub fn new(cluster: String) -> Self {
        Self { cluster, requested_at: None, is_in_flight: false, failures: 0 }
    }

    /// Returns the request to send now, by the steady clock.
    pub fn poll(&mut self, now: Duration) -> Option<Call> {
        let is_time = self.requested_at.is_none_or(|requested_at| now.saturating_sub(requested_at) >= INTERVAL);
        if self.is_in_flight || !is_time {
            return None;
        }
        self.requested_at = Some(now);
        self.is_in_flight = true;
        let call = Call::local(&self.cluster, "GET", &self.cluster, "/ready");
        Some(Call { timeout: TIMEOUT, ..call })
    }

    /// Handles the answer's body, which is empty if there was no answer. Returns true if Envoy is being drained, and a
    /// notice if answers begin to fail.
    pub fn handle_answer(&mut self, body: &[u8]) -> (bool, Option<Notice>) {
        let state = body.trim_ascii();
        if STATES.contains(&state) {
            self.is_in_flight = false;
            self.failures = 0;
            return (state == b"DRAINING", None);
        }
        let reason = match state {
            [] => "/ready is not answered",
            _ => "the answer to /ready is not one of Envoy's admin interface",
        };
        (false, self.fail(reason))
    }

    /// Handles a request that Envoy did not send. Returns a notice if that begins to happen.
    pub fn handle_undispatched(&mut self, error: &str) -> Option<Notice> {
        self.fail(&format!("Envoy did not send the request; check that it has the cluster: {error}"))
    }

    fn fail(&mut self, reason: &str) -> Option<Notice> {
        self.is_in_flight = false;
        self.failures = self.failures.saturating_add(1);
        let notice = || Notice::DrainUnknown { cluster: self.cluster.clone(), reason: reason.to_owned() };
        (self.failures == FAILURES_BEFORE_LOG).then(notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> DrainWatch {
        DrainWatch::new("admin".to_owned())
    }

    #[test]
    fn envoy_is_polled_every_second_with_one_request_in_flight() {
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
    fn a_cluster_without_the_admin_interface_is_logged_once() {
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
                // After a valid answer, the next failures are logged again.
                watch.handle_answer(b"INITIALIZING\n");
            }
        }
    }
}
