//! What a gateway tells of itself and of the receiver, for programs; and how a flush ended.

use acpw_metric::Now;
use serde::Serialize;

use crate::{answer::Answer, protocol::json, receiver_state::Readiness};

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

/// The status; `receiver` is what the receiver wrote last.
pub fn status(receiver: Option<&[u8]>, readiness: Readiness, counts: &Counts, now: Now) -> Answer {
    let state = match readiness {
        Readiness::Ready => "ready",
        Readiness::Full => "buffer_full",
        Readiness::Absent => "no_receiver",
    };
    let receiver = receiver.filter(|status| json::decode(status).is_ok()).unwrap_or(b"null");
    let own = Status { time: now.wall.as_millis(), state, gateway: counts };
    // Writing our own types to memory does not fail.
    let mut body = serde_json::to_vec(&own).unwrap_or_default();
    // What the receiver wrote goes in as it is, before the closing brace.
    body.pop();
    body.extend_from_slice(b",\"receiver\":");
    body.extend_from_slice(receiver);
    body.extend_from_slice(b"}\n");
    Answer::new(200, "application/json", body).header("cache-control", "no-store")
}

/// The answer to a flush that CloudWatch has all of, or that came to its limit; and how many values are held.
pub fn flushed(is_flushed: bool, held: Option<u64>) -> Answer {
    Answer::json(if is_flushed { 200 } else { 504 }, &Flushed { is_flushed, held })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(answer: &Answer) -> String {
        String::from_utf8_lossy(&answer.body).trim_end().to_owned()
    }

    #[test]
    fn what_the_receiver_wrote_is_passed_on() {
        let counts = Counts { accepted: 1, accepted_data: 2, enqueued: 3, ..Counts::default() };
        let told = |receiver| body(&status(receiver, Readiness::Ready, &counts, Now::default()));
        let own = r#"{"time":0,"state":"ready","gateway":{"accepted":1,"accepted_data":2,"enqueued":3,"refused_invalid":0,"refused_unauthorized":0,"refused_buffer_full":0,"refused_no_receiver":0},"receiver":"#;
        assert_eq!(told(Some(br#"{"held":7}"#)), [own, r#"{"held":7}}"#].concat());
        assert_eq!(told(Some(b"?")), [own, "null}"].concat());
        assert_eq!(told(None), [own, "null}"].concat());
    }

    #[test]
    fn a_flush_tells_what_is_left() {
        let done = flushed(true, Some(0));
        assert_eq!((done.status, body(&done)), (200, r#"{"is_flushed":true,"held":0}"#.to_owned()));
        let left = flushed(false, Some(5));
        assert_eq!((left.status, body(&left)), (504, r#"{"is_flushed":false,"held":5}"#.to_owned()));
    }
}
