//! What a gateway tells of itself and of the receiver, for programs; and how a flush ended.

use acpw_metric::Now;
use serde::Serialize;

use crate::{answer::Answer, receiver_state::Readiness};

/// What became of requests, since Envoy's start and in all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests whose data were accepted.
    pub accepted: u64,
    /// Their data.
    pub accepted_data: u64,
    /// The values of these data, all of them put onto the queue.
    pub enqueued: u64,
    /// Requests that had faults.
    pub refused_invalid: u64,
    /// Requests that did not show that they may.
    pub refused_unauthorized: u64,
    /// Requests that came when the receiver's buffer was full.
    pub refused_buffer_full: u64,
    /// Requests that came when there was no receiver.
    pub refused_no_receiver: u64,
}

#[derive(Serialize)]
struct Status<'a> {
    /// Milliseconds since the epoch.
    time: u64,
    state: &'static str,
    gateway: &'a Counts,
}

#[derive(Serialize)]
struct Flushed {
    is_flushed: bool,
    held: Option<u64>,
}

/// Returns the status of the gateway and the last one of the receiver, which is JSON already.
pub fn status(receiver: Option<&[u8]>, readiness: Readiness, counts: &Counts, now: Now) -> Answer {
    let state = match readiness {
        Readiness::Ready => "ready",
        Readiness::Full => "buffer_full",
        Readiness::Absent => "no_receiver",
        Readiness::OtherRelease => "receiver_of_another_release",
    };
    let own = Status { time: now.wall.as_millis(), state, gateway: counts };
    // Serializing a plain struct to memory does not fail.
    let mut body = serde_json::to_vec(&own).unwrap_or_default();
    // The receiver's status becomes one more member of the object.
    body.pop();
    body.extend_from_slice(b",\"receiver\":");
    body.extend_from_slice(receiver.unwrap_or(b"null"));
    body.extend_from_slice(b"}\n");
    Answer::new(200, "application/json", body).header("cache-control", "no-store")
}

/// The answer to a flush that CloudWatch has all of, or that came to its limit; and how many values are held.
pub fn flushed(is_flushed: bool, held: Option<u64>) -> Answer {
    Answer::json(if is_flushed { 200 } else { 504 }, &Flushed { is_flushed, held })
}

#[cfg(test)]
mod tests {
    use acpw_shared_state::Status as ReceiverStatus;

    use super::*;

    fn body(answer: &Answer) -> String {
        String::from_utf8_lossy(&answer.body).trim_end().to_owned()
    }

    #[test]
    fn the_receivers_status_is_passed_on() {
        let counts = Counts { accepted: 1, accepted_data: 2, enqueued: 3, ..Counts::default() };
        let status = |receiver| -> serde_json::Value {
            serde_json::from_str(&body(&status(receiver, Readiness::Ready, &counts, Now::default()))).unwrap()
        };
        let receiver = ReceiverStatus { held: 7, ..ReceiverStatus::default() };
        let json = receiver.encode();
        let read = status(Some(json.as_slice()));
        assert_eq!((&read["state"], &read["gateway"]["enqueued"]), (&"ready".into(), &3.into()));
        assert_eq!(serde_json::from_value::<ReceiverStatus>(read["receiver"].clone()).unwrap(), receiver);
        assert_eq!(status(None)["receiver"], serde_json::Value::Null);
    }

    #[test]
    fn a_flush_tells_what_is_left() {
        let done = flushed(true, Some(0));
        assert_eq!((done.status, body(&done)), (200, r#"{"is_flushed":true,"held":0}"#.to_owned()));
        let left = flushed(false, Some(5));
        assert_eq!((left.status, body(&left)), (504, r#"{"is_flushed":false,"held":5}"#.to_owned()));
    }
}
