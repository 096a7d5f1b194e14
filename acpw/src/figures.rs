//! Figures of a running Envoy, from a gateway's status or from the statistics of Envoy's admin interface.

use std::collections::BTreeMap;

use acpw_shared_state::Status;
use serde::Serialize;
use serde_json::Value;

/// The prefix of the modules' statistics in Envoy.
const PREFIX: &str = "wasmcustom.acpw.";

/// The prefix of counters of data that was lost.
const DROPPED: &str = "receiver.dropped.";

/// Figures at one time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// The kind of endpoint: `gateway` or `admin`.
    pub endpoint: &'static str,
    /// The gateway's state: `ready`, or the reason why it refuses posts. Absent for the admin interface.
    pub state: Option<String>,
    /// Counters and gauges by name, without the prefix `acpw.`.
    pub counters: BTreeMap<String, u64>,
    /// The time in milliseconds since the epoch, by the clock of Envoy's host.
    pub time: Option<u64>,
    /// Details of the receiver that only a gateway's status has.
    pub receiver: Option<Details>,
}

/// Details about a receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Details {
    /// The version.
    pub version: String,
    /// The region, empty while it is unknown.
    pub region: String,
    /// The namespace of data without one of their own.
    pub namespace: String,
    /// When the receiver started, in milliseconds since the epoch.
    pub started: u64,
    /// The time between publications.
    pub publish_interval_millisecond: u64,
    /// The bound on the memory of unpublished data.
    pub buffer_limit_bytes: u64,
    /// Milliseconds that are added to the host's clock.
    pub clock_skew_millisecond: i64,
    /// The provider of the credentials, `none` while there are none.
    pub credentials: String,
    /// When they expire, in milliseconds since the epoch.
    pub credentials_expire: Option<u64>,
    /// The predicted number of requests a month.
    pub requests_per_month: u64,
    /// The last warnings and errors, newest first, with their times.
    pub errors: Vec<(u64, String)>,
}

impl Figures {
    /// Reads the status of a gateway.
    ///
    /// # Errors
    /// Returns a message if it is not a status, or that of a receiver of another release.
    pub fn of_gateway(body: &[u8]) -> Result<Self, String> {
        let document: Value = serde_json::from_slice(body).map_err(|error| format!("it is not JSON: {error}"))?;
        let state = document.get("state").and_then(Value::as_str).ok_or("it has no \"state\"")?;
        let mut figures = Self { endpoint: "gateway", state: Some(state.to_owned()), ..Self::default() };
        figures.time = document.get("time").and_then(Value::as_u64);
        for (name, value) in document.get("gateway").and_then(Value::as_object).into_iter().flatten() {
            // `refused_buffer_full` is `refused.buffer_full` in Envoy's statistics.
            let name = match name.as_str() {
                "otlp_rejected" => "otlp.rejected_data_points".to_owned(),
                name => name.replacen("refused_", "refused.", 1).replacen("otlp_", "otlp.", 1),
            };
            figures.counters.insert(format!("gateway.{name}"), value.as_u64().unwrap_or(0));
        }
        let receiver = document.get("receiver").filter(|receiver| !receiver.is_null());
        let Some(receiver) = receiver else { return Ok(figures) };
        let status: Status = serde_json::from_value(receiver.clone())
            .map_err(|error| format!("its receiver's status is that of another release than this program: {error}"))?;
        let counters = status.counts.iter().map(|(name, value)| (format!("receiver.{name}"), *value));
        figures.counters.extend(counters);
        let cents = (status.dollars_per_month * 100.0).round().max(0.0) as u64;
        let gauges = [
            ("held", Some(status.held)),
            ("held_bytes", Some(status.held_bytes)),
            ("held_series", Some(status.held_series)),
            ("published_series", Some(status.series)),
            ("predicted_monthly_cost_cents", Some(cents)),
            ("seconds_since_success", status.seconds_since_success),
            ("clock_skew_millisecond", Some(status.clock_skew_millisecond.unsigned_abs())),
            ("otlp.held", status.otlp.map(|otlp| otlp.held)),
            ("otlp.held_bytes", status.otlp.map(|otlp| otlp.held_bytes)),
            ("otlp.series", status.otlp.map(|otlp| otlp.series)),
            ("otlp.seconds_since_success", status.otlp.and_then(|otlp| otlp.seconds_since_success)),
        ];
        let gauges = gauges.into_iter().filter_map(|(name, value)| Some((format!("receiver.{name}"), value?)));
        figures.counters.extend(gauges);
        figures.receiver = Some(Details {
            version: status.version,
            region: status.region,
            namespace: status.namespace,
            started: status.started,
            publish_interval_millisecond: status.publish_interval_millisecond,
            buffer_limit_bytes: status.buffer_limit_bytes,
            clock_skew_millisecond: status.clock_skew_millisecond,
            credentials: status.credentials.source,
            credentials_expire: status.credentials.expires,
            requests_per_month: status.requests_per_month,
            errors: status.errors.into_iter().map(|line| (line.time, line.text)).collect(),
        });
        Ok(figures)
    }

    /// Reads the answer of `/stats` of Envoy's admin interface, lines of `name: value`.
    ///
    /// # Errors
    /// Returns a message if no line is a statistic of a module.
    pub fn of_admin(body: &str) -> Result<Self, String> {
        let mut figures = Self { endpoint: "admin", ..Self::default() };
        for line in body.lines() {
            let Some((name, value)) = line.strip_prefix(PREFIX).and_then(|line| line.split_once(": ")) else {
                continue;
            };
            if let Ok(value) = value.trim().parse() {
                figures.counters.insert(name.to_owned(), value);
            }
        }
        match figures.counters.is_empty() {
            true => Err("it has no statistic of sender, receiver or gateway".to_owned()),
            false => Ok(figures),
        }
    }

    /// Returns a counter or gauge, if the endpoint has it.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.counters.get(name).copied()
    }

    /// Returns the counters of lost values that are not 0, without their prefix, and their sum.
    pub fn dropped(&self) -> (Vec<(&str, u64)>, u64) {
        let reasons = self.counters.iter().filter_map(|(name, value)| Some((name.strip_prefix(DROPPED)?, *value)));
        let reasons: Vec<_> = reasons.filter(|(_, value)| *value > 0).collect();
        let sum = reasons.iter().fold(0u64, |sum, (_, value)| sum.saturating_add(*value));
        (reasons, sum)
    }

    /// Returns true if nothing stops publishing: there is a receiver, and the gateway is ready.
    pub fn is_ready(&self) -> bool {
        let is_ready = self.state.as_deref().is_none_or(|state| state == "ready");
        is_ready && self.get("receiver.received").is_some()
    }
}

#[cfg(test)]
mod tests {
    use acpw_shared_state::OtlpStatus;
    use receiver::{Counts, status::Snapshot};

    use super::*;

    #[test]
    fn names_are_those_of_the_receiver() {
        let status = Status {
            counts: Counts::NAMES.iter().map(|name| ((*name).to_owned(), 1)).collect(),
            seconds_since_success: Some(3),
            otlp: Some(OtlpStatus { seconds_since_success: Some(4), ..OtlpStatus::default() }),
            ..Status::default()
        };
        let status: Value = serde_json::from_slice(&status.encode()).unwrap();
        let body = serde_json::json!({
            "time": 5, "state": "ready", "gateway": { "accepted": 1, "refused_buffer_full": 2, "otlp_rejected": 3, "otlp_gaps": 4 }, "receiver": status,
        });
        let figures = Figures::of_gateway(body.to_string().as_bytes()).unwrap();
        for name in Counts::NAMES {
            assert_eq!(figures.get(&format!("receiver.{name}")), Some(1), "{name}");
        }
        for name in Snapshot::GAUGES {
            assert!(figures.get(&format!("receiver.{name}")).is_some(), "{name}");
        }
        for (name, value) in [("refused.buffer_full", 2), ("otlp.rejected_data_points", 3), ("otlp.gaps", 4)] {
            assert_eq!(figures.get(&format!("gateway.{name}")), Some(value), "{name}");
        }
        let dropped = Counts::NAMES.iter().filter(|name| name.starts_with("dropped.")).count();
        assert_eq!((figures.dropped().0.len(), figures.dropped().1), (dropped, dropped as u64));
        assert!(dropped > 4 && figures.is_ready());
    }

    #[test]
    fn the_statistics_of_the_admin_interface_are_read() {
        let body = "wasmcustom.acpw.receiver.received: 5\nwasmcustom.acpw.receiver.dropped.too_old: 2\nother: 1\n";
        let figures = Figures::of_admin(body).unwrap();
        assert_eq!((figures.get("receiver.received"), figures.dropped()), (Some(5), (vec![("too_old", 2)], 2)));
        assert!(figures.is_ready());
        assert_eq!(Figures::of_admin("other: 1\n").unwrap_err(), "it has no statistic of sender, receiver or gateway");
    }

    #[test]
    fn other_answers_are_refused() {
        for (body, start) in [
            ("<html>", "it is not JSON"),
            ("{}", "it has no \"state\""),
            (
                r#"{"state": "ready", "receiver": {"state_version": 0}}"#,
                "its receiver's status is that of another release",
            ),
        ] {
            let error = Figures::of_gateway(body.as_bytes()).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
        let absent = Figures::of_gateway(br#"{"state": "no_receiver", "receiver": null}"#).unwrap();
        assert!(!absent.is_ready() && absent.receiver.is_none());
    }
}
