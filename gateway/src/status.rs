//! The JSON answers about the state of gateway and receiver, and about the result of a flush.

use acpw_metric::Now;
use serde::Serialize;

use crate::{answer::Answer, receiver_state::Readiness};

/// Counters of requests since Envoy's start, in all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GatewayCounters {
    /// Requests whose data was accepted.
    pub accepted: u64,
    /// Data in accepted requests.
    pub accepted_data: u64,
    /// Values of accepted data, all of which were enqueued.
    pub enqueued: u64,
    /// Data points of accepted OTLP exports that were rejected.
    pub otlp_rejected: u64,
    /// Cumulative data points of OTLP whose increase is unknown.
    pub otlp_gaps: u64,
    /// Cumulative streams of OTLP that were dropped because there are too many.
    pub otlp_dropped_streams: u64,
    /// Requests that were invalid.
    pub refused_invalid: u64,
    /// Requests with missing or wrong credentials, or from an origin that is not allowed.
    pub refused_unauthorized: u64,
    /// Requests that were refused because the receiver's buffer was full.
    pub refused_buffer_full: u64,
    /// Requests that were refused because no receiver was running.
    pub refused_no_receiver: u64,
}

#[derive(Serialize)]
struct GatewayStatus<'a> {
    /// The time in milliseconds since the epoch.
    time: u64,
    state: &'static str,
    gateway: &'a GatewayCounters,
}

#[derive(Serialize)]
struct FlushResult {
    is_flushed: bool,
    held: Option<u64>,
}

/// Returns the answer with the status of the gateway and the last status of the receiver, which is already JSON.
pub fn status(receiver: Option<&[u8]>, readiness: Readiness, counts: &GatewayCounters, now: Now) -> Answer {
    let state = match readiness {
        Readiness::Ready => "ready",
        Readiness::Full => "buffer_full",
        Readiness::Absent => "no_receiver",
        Readiness::OtherRelease => "receiver_of_another_release",
    };
    let own = GatewayStatus { time: now.wall.as_millis(), state, gateway: counts };
    // Serializing this type to memory cannot fail.
    let mut body = serde_json::to_vec(&own).unwrap_or_default();
    // Add the receiver's status as a further member of the object.
    body.pop();
    body.extend_from_slice(b",\"receiver\":");
    body.extend_from_slice(receiver.unwrap_or(b"null"));
    body.extend_from_slice(b"}\n");
    Answer::new(200, "application/json", body).header("cache-control", "no-store")
}

/// Returns the answer to a flush that published everything or reached its time limit, with the number of held values.
pub fn flushed(is_flushed: bool, held: Option<u64>) -> Answer {
    Answer::json(if is_flushed { 200 } else { 504 }, &FlushResult { is_flushed, held })
}

#[cfg(test)]
mod tests {
    use acpw_shared_state::Status as ReceiverStatus;

    use super::*;

    fn body(answer: &Answer) -> String {
        String::from_utf8_lossy(&answer.body).trim_end().to_owned()
    }

    #[test]
    fn the_status_contains_the_receivers_status() {
        let counts = GatewayCounters { accepted: 1, accepted_data: 2, enqueued: 3, ..GatewayCounters::default() };
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
    fn a_flush_answer_has_the_number_of_held_values() {
        let done = flushed(true, Some(0));
        assert_eq!((done.status, body(&done)), (200, r#"{"is_flushed":true,"held":0}"#.to_owned()));
        let left = flushed(false, Some(5));
        assert_eq!((left.status, body(&left)), (504, r#"{"is_flushed":false,"held":5}"#.to_owned()));
    }
}
