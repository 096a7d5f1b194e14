//! The receiver's status, for gateways, for the status page and for programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::versioned::{StateError, VERSION, from_json};

/// Key of the [`Status`].
pub const STATUS_KEY: &str = "acpw.status";

/// Status of a receiver. Times are milliseconds since the epoch, by the clock of the host.
///
/// Only programs outside of Envoy read all of it; a gateway reads a [`StatusSummary`] and passes the rest on as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Deserialize))]
pub struct Status {
    /// Version of the shared state, [`VERSION`].
    pub state_version: u32,
    /// When it was written.
    pub time: u64,
    /// When the receiver started.
    pub started: u64,
    /// Version of the receiver.
    pub version: String,
    /// AWS region, empty while it is unknown.
    pub region: String,
    /// Host that the configuration gives, empty if it gives none.
    pub host: String,
    /// Namespace of data that have no namespace of their own.
    pub namespace: String,
    /// Time between publications.
    pub publish_interval_millisecond: u64,
    /// Bound on the memory of unpublished data.
    pub buffer_limit_bytes: u64,
    /// Counters by name, without the prefix `acpw.receiver.`.
    pub counts: BTreeMap<String, u64>,
    /// Values that are received and neither published nor dropped.
    pub held: u64,
    /// Memory that they take.
    pub held_bytes: u64,
    /// Series times periods among them.
    pub held_series: u64,
    /// Milliseconds that are added to the host's clock.
    pub clock_skew_millisecond: i64,
    /// Seconds since CloudWatch last accepted a request; absent before the first one.
    pub seconds_since_success: Option<u64>,
    /// State of the OTLP endpoint; absent if none is configured. Its counters are among `counts`.
    #[cfg_attr(not(target_arch = "wasm32"), serde(default))]
    pub otlp: Option<OtlpStatus>,
    /// Credentials in use.
    pub credentials: CredentialsStatus,
    /// Series that were published within the last hour.
    pub series: u64,
    /// Published series with the most values.
    pub biggest_series: Vec<BigSeries>,
    /// Predicted number of requests a month.
    pub requests_per_month: u64,
    /// Predicted cost a month.
    pub dollars_per_month: f64,
    /// The last hour, oldest minute first.
    pub minutes: Vec<Minute>,
    /// Last publications, newest first.
    pub publications: Vec<Line>,
    /// Last warnings and errors, newest first.
    pub errors: Vec<Line>,
}

/// State of the OTLP endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Deserialize))]
pub struct OtlpStatus {
    /// True if nothing is published to CloudWatch. Then the minutes are those of the endpoint.
    pub is_only: bool,
    /// Values for the endpoint that are received and neither published nor dropped.
    pub held: u64,
    /// Memory that they take.
    pub held_bytes: u64,
    /// Bound on that memory.
    pub buffer_limit_bytes: u64,
    /// Series whose totals are kept.
    pub series: u64,
    /// Seconds since the endpoint last accepted a request; absent before the first one.
    pub seconds_since_success: Option<u64>,
}

/// Source of the credentials, and nothing of the credentials themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Deserialize))]
pub struct CredentialsStatus {
    /// Name of the provider, `none` while there are no credentials.
    pub source: String,
    /// When they expire; absent if they never do.
    pub expires: Option<u64>,
}

/// Published series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Deserialize))]
pub struct BigSeries {
    /// Namespace, metric name and dimensions.
    pub name: String,
    /// Data since the series was first published: one for each period and publication.
    pub data: u64,
    /// Values in these data.
    pub values: u64,
}

/// Events of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Deserialize))]
pub struct Minute {
    /// Start of the minute, in seconds since the epoch.
    pub start: u64,
    /// Values received.
    pub received: u64,
    /// Values published.
    pub published: u64,
    /// Values dropped.
    pub dropped: u64,
    /// Requests that CloudWatch accepted.
    pub requests: u64,
    /// Requests that CloudWatch throttled.
    pub throttled: u64,
    /// Values held when the status was last written in this minute.
    pub held: u64,
}

/// Line of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Deserialize))]
pub struct Line {
    /// When it was logged.
    pub time: u64,
    /// Its text.
    pub text: String,
}

/// The part of a status on which a gateway acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct StatusSummary {
    /// When it was written, in milliseconds since the epoch by the clock of the host.
    pub time: u64,
    /// Values that are received and neither published nor dropped.
    pub held: u64,
    /// Memory that they take, in bytes.
    pub held_bytes: u64,
    /// Bound on that memory.
    pub buffer_limit_bytes: u64,
    /// Milliseconds that are added to the host's clock.
    pub clock_skew_millisecond: i64,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            state_version: VERSION,
            time: 0,
            started: 0,
            version: String::new(),
            region: String::new(),
            host: String::new(),
            namespace: String::new(),
            publish_interval_millisecond: 0,
            buffer_limit_bytes: 0,
            counts: BTreeMap::new(),
            held: 0,
            held_bytes: 0,
            held_series: 0,
            clock_skew_millisecond: 0,
            seconds_since_success: None,
            otlp: None,
            credentials: CredentialsStatus::default(),
            series: 0,
            biggest_series: Vec::new(),
            requests_per_month: 0,
            dollars_per_month: 0.0,
            minutes: Vec::new(),
            publications: Vec::new(),
            errors: Vec::new(),
        }
    }
}

impl Status {
    /// Encodes the status as JSON.
    pub fn encode(&self) -> Vec<u8> {
        // Serializing a plain struct to memory does not fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Decodes a status.
    ///
    /// # Errors
    /// The value has another version, or is malformed.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        from_json(bytes)
    }
}

impl StatusSummary {
    /// Decodes the summary of a status.
    ///
    /// # Errors
    /// The value has another version, or is malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        from_json(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let line = |text: &str| Line { time: 1, text: text.to_owned() };
        Status {
            time: 1_787_402_160_000,
            started: 1_787_402_100_000,
            version: "0.1.0".to_owned(),
            region: "us-east-1".to_owned(),
            namespace: "Envoy".to_owned(),
            counts: [("received".to_owned(), u64::MAX), ("dropped.too_old".to_owned(), 7)].into(),
            clock_skew_millisecond: -5,
            seconds_since_success: Some(0),
            otlp: Some(OtlpStatus { held: 4, seconds_since_success: Some(8), ..OtlpStatus::default() }),
            credentials: CredentialsStatus { source: "imds".to_owned(), expires: Some(3) },
            biggest_series: vec![BigSeries { name: "Envoy RequestCount".to_owned(), data: 2, values: 3 }],
            dollars_per_month: 1.25,
            minutes: vec![Minute { start: 1_787_402_160, held: 9, ..Minute::default() }],
            publications: vec![line("published")],
            errors: vec![line("\"quoted\"\n")],
            ..Status::default()
        }
    }

    #[test]
    fn a_status_survives_a_round_trip() {
        assert_eq!(Status::decode(&status().encode()), Ok(status()));
        assert_eq!(Status::decode(&Status::default().encode()), Ok(Status::default()));
        let summary = StatusSummary { time: 1_787_402_160_000, clock_skew_millisecond: -5, ..StatusSummary::default() };
        assert_eq!(StatusSummary::decode(&status().encode()), Ok(summary));
    }

    #[test]
    fn another_version_is_recognised_whatever_else_it_has() {
        for (bytes, error) in [
            (r#"{"state_version": 2, "what": []}"#, StateError::OtherVersion(2)),
            (r#"{"time": 1}"#, StateError::Malformed),
            ("?", StateError::Malformed),
        ] {
            assert_eq!(Status::decode(bytes.as_bytes()), Err(error));
            assert_eq!(StatusSummary::decode(bytes.as_bytes()), Err(error));
        }
    }
}
