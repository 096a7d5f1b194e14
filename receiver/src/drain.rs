//! Whether Envoy is being drained, by its own admin interface.

use std::time::Duration;

/// How often Envoy is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// Asks `/ready` of Envoy's admin interface: it answers 503 and `DRAINING` after `POST /healthcheck/fail`.
#[derive(Debug, Default)]
pub struct DrainWatch {
    asked: Option<Duration>,
    is_asking: bool,
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

    /// Takes in the answer's body, empty when there was none; tells whether Envoy is being drained. Anything but its word for
    /// that is taken as no.
    pub fn handle_answer(&mut self, body: &[u8]) -> bool {
        self.is_asking = false;
        body.trim_ascii() == b"DRAINING"
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
}
