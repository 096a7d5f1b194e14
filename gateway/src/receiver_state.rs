//! The state of the receiver, which the receiver writes to shared data.

use acpw_metric::{Now, Timestamp};
use acpw_shared_state::{StateError, StatusSummary};

/// The time in milliseconds after which a receiver that has not written its status counts as absent. A running receiver
/// writes it every second.
const MAX_SILENCE_MILLIS: u64 = 10_000;

/// The last status that the receiver wrote, if any.
#[derive(Debug, Default)]
pub struct ReceiverState {
    bytes: Vec<u8>,
    status: Option<StatusSummary>,
    error: Option<StateError>,
}

/// The ability of the receiver to accept data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The receiver accepts data.
    Ready,
    /// The receiver's buffer is so full that it would soon have to drop data.
    Full,
    /// There is no receiver.
    Absent,
    /// The receiver is from another release, with which the gateway cannot exchange data.
    OtherRelease,
}

impl ReceiverState {
    /// Replaces the state by the current bytes in shared data. Returns a log line if the bytes are newly from a
    /// receiver of another release.
    pub fn update(&mut self, bytes: Option<&[u8]>) -> Option<String> {
        let bytes = bytes.unwrap_or_default();
        if bytes == self.bytes {
            return None;
        }
        bytes.clone_into(&mut self.bytes);
        let before = self.error.take();
        match StatusSummary::decode(bytes) {
            Ok(status) => self.status = Some(status),
            Err(error) => {
                self.status = None;
                self.error = Some(error).filter(|_| !bytes.is_empty());
            }
        }
        self.error.filter(|error| before != Some(*error)).map(|error| error.to_string())
    }

    /// Returns the summary of the last status.
    pub fn summary(&self) -> Option<&StatusSummary> {
        self.status.as_ref()
    }

    /// Returns the complete last status as JSON.
    pub fn json(&self) -> Option<&[u8]> {
        self.status.is_some().then_some(&self.bytes)
    }

    /// Returns the readiness at time `now`. A quarter of the receiver's buffer is reserved for payloads and for data
    /// from senders.
    pub fn readiness(&self, now: Now) -> Readiness {
        match (&self.status, self.error) {
            (Some(status), _) if now.wall.as_millis().abs_diff(status.time) <= MAX_SILENCE_MILLIS => {
                if status.held_bytes >= capacity(status) { Readiness::Full } else { Readiness::Ready }
            }
            (None, Some(StateError::OtherVersion(_))) => Readiness::OtherRelease,
            _ => Readiness::Absent,
        }
    }

    /// Returns the maximum number of bytes that posted data can take in an empty buffer.
    pub fn capacity(&self) -> u64 {
        self.status.as_ref().map_or(0, capacity)
    }

    /// Returns the wall-clock time, corrected by the clock skew that the receiver measured.
    pub fn corrected(&self, now: Now) -> Timestamp {
        now.wall.shifted(self.status.as_ref().map_or(0, |status| status.clock_skew_millisecond))
    }
}

fn capacity(status: &StatusSummary) -> u64 {
    status.buffer_limit_bytes / 4 * 3
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use acpw_shared_state::Status;

    use super::*;

    fn at(millis: u64) -> Now {
        Now { wall: Timestamp::from_millis(millis), steady: Duration::ZERO }
    }

    fn state(held_bytes: u64) -> ReceiverState {
        let status = Status {
            time: 100_000,
            held: 3,
            held_bytes,
            buffer_limit_bytes: 1_000,
            clock_skew_millisecond: -7,
            ..Status::default()
        };
        let mut state = ReceiverState::default();
        assert_eq!(state.update(Some(&status.encode())), None);
        state
    }

    #[test]
    fn a_silent_receiver_is_absent_and_one_with_three_quarters_in_use_is_full() {
        for (held, millis, expected) in [
            (0, 100_000, Readiness::Ready),
            (749, 110_000, Readiness::Ready),
            (750, 110_000, Readiness::Full),
            (0, 110_001, Readiness::Absent),
            (0, 89_999, Readiness::Absent),
        ] {
            assert_eq!(state(held).readiness(at(millis)), expected, "{held} {millis}");
        }
        assert_eq!(ReceiverState::default().readiness(at(0)), Readiness::Absent);
        assert_eq!(state(0).corrected(at(100_000)), Timestamp::from_millis(99_993));
        assert_eq!((state(0).capacity(), ReceiverState::default().capacity()), (750, 0));
    }

    #[test]
    fn a_receiver_of_another_release_is_reported_once() {
        let mut state = state(0);
        let line = state.update(Some(br#"{"state_version": 7}"#)).unwrap();
        assert!(line.contains("version 7") && line.contains("same release"), "{line}");
        assert_eq!(state.readiness(at(100_000)), Readiness::OtherRelease);
        assert_eq!(state.update(Some(br#"{"state_version": 7}"#)), None);
        assert_eq!(state.update(Some(br#"{"state_version": 7, "time": 1}"#)), None);
        assert_eq!(state.update(None), None);
        assert_eq!(state.readiness(at(100_000)), Readiness::Absent);
    }
}
