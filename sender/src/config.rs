//! The sender's configuration.

use std::time::Duration;

use acpw_config::{Faults, Field, object, read};

use crate::HostMatcher;

object! {
    /// Configuration of sender.wasm.
    pub struct RawConfig {
        /// The `vm_id` in the receiver's `vm_config`. Required.
        receiver_vm_id: String,
        /// Hosts whose requests are counted: a name (`example.com`), all names below one (`*.example.com`), either with a
        /// port (`example.com:8080`). Upper and lower case are the same, and the port of a request is ignored unless the
        /// entry has one. Default: every host.
        match_hosts: Vec<Field<String>>,
        /// How often each worker hands what it has observed to the receiver, 100 to 60,000. Default: 1000.
        flush_interval_millisecond: u64,
        /// How many series each worker keeps apart, 1 to 100,000; requests beyond are counted in one series whose
        /// dimensions are all `__other__`. A series not seen for an hour makes room. Default: 1000.
        max_series: u64,
    }
}

/// A configuration that is sound.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whose queue the records go to.
    pub receiver_vm_id: String,
    /// Whose requests are observed.
    pub hosts: HostMatcher,
    /// Time between flushes.
    pub flush_interval: Duration,
    /// Series kept apart.
    pub max_series: usize,
}

impl Config {
    /// Reads a plugin configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it, each fault with the path of its key.
    pub fn from_json(document: &[u8]) -> Result<Self, Faults> {
        let (raw, mut faults) = read::<RawConfig>(document)?;
        let receiver_vm_id = raw.receiver_vm_id.required("receiver_vm_id", &mut faults).unwrap_or_default();
        let entries = raw.match_hosts.optional("match_hosts", &mut faults).unwrap_or_default();
        let mut hosts = HostMatcher::default();
        for (index, entry) in entries.into_iter().enumerate() {
            let path = format!("match_hosts[{index}]");
            if let Some(entry) = entry.required(&path, &mut faults)
                && let Err(error) = hosts.add(&entry)
            {
                faults.add(path, error);
            }
        }
        let flush_interval =
            raw.flush_interval_millisecond.within("flush_interval_millisecond", 100..=60_000, 1_000, &mut faults);
        let max_series = raw.max_series.within("max_series", 1..=100_000, 1_000, &mut faults);
        faults.into_result(Self {
            receiver_vm_id,
            hosts,
            flush_interval: Duration::from_millis(flush_interval),
            max_series: usize::try_from(max_series).unwrap_or(usize::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(document: &str) -> Vec<String> {
        let faults = Config::from_json(document.as_bytes()).unwrap_err();
        faults.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_first_acpw_configuration_is_taken_as_it_was() {
        let document = r#"{ "receiver_vm_id": "receiver", "match_hosts": ["example.com"] }"#;
        let config = Config::from_json(document.as_bytes()).unwrap();
        assert_eq!(config.receiver_vm_id, "receiver");
        assert_eq!(config.flush_interval, Duration::from_secs(1));
        assert_eq!(config.max_series, 1_000);
    }

    #[test]
    fn every_fault_is_told_with_its_path() {
        let document = r#"{
            "match_hosts": ["example.com", 5, "exa mple.com"],
            "flush_interval_millisecond": 99, "max_series": 0, "match_host": []
        }"#;
        let faults = faults(document);
        let starts = [
            "match_host: unknown key; known are receiver_vm_id, match_hosts, ",
            "receiver_vm_id: is required",
            "match_hosts[1]: must be a string",
            "match_hosts[2]: \"exa mple.com\" is not a host name",
            "flush_interval_millisecond: 99 is not within 100 and 60000",
            "max_series: 0 is not within 1 and 100000",
        ];
        assert_eq!(faults.len(), starts.len(), "{faults:?}");
        for (fault, start) in faults.iter().zip(starts) {
            assert!(fault.starts_with(start), "{fault}");
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        for (key, low, high) in [("flush_interval_millisecond", 100, 60_000), ("max_series", 1, 100_000)] {
            for (value, fits) in [(low - 1, false), (low, true), (high, true), (high + 1, false)] {
                let document = format!(r#"{{"receiver_vm_id": "r", "{key}": {value}}}"#);
                assert_eq!(Config::from_json(document.as_bytes()).is_ok(), fits, "{document}");
            }
        }
    }
}
