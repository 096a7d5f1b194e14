//! Helpers for tests that drive a [`Sender`].

#![allow(clippy::unwrap_used, dead_code, reason = "a helper may panic, and not every test uses every helper")]

use std::{collections::BTreeMap, time::Duration};

use acpw_metric::{Accumulator, Now, Record, Timestamp};
use sender::{HeaderPhase, PendingRequest, Sender, SenderConfig};

/// Creates a sender. `rest` is the JSON text that follows the key `receiver_vm_id` in its configuration.
pub(crate) fn sender(rest: &str) -> Sender {
    let document = format!(r#"{{"receiver_vm_id": "receiver"{rest}}}"#);
    let config = SenderConfig::from_json(document.as_bytes(), |_| None).map_err(|errors| errors.to_string());
    Sender::new(config.unwrap(), at(0))
}

/// Returns the time `second` seconds after the sender was created.
pub(crate) fn at(second: u64) -> Now {
    Now { wall: Timestamp::from_secs(1_700_000_000 + second), steady: Duration::from_secs(second) }
}

pub(crate) type Headers<'a> = Vec<(&'a [u8], &'a [u8])>;

pub(crate) fn headers<'a>(host: &'a [u8], path: &'a [u8]) -> Headers<'a> {
    vec![(b":authority", host), (b":method", b"GET"), (b":path", path)]
}

/// Returns a function that reads one of the headers by name.
pub(crate) fn reader(headers: &Headers<'_>) -> impl FnMut(&str) -> Option<Vec<u8>> {
    |name: &str| {
        let (_, value) = headers.iter().find(|(known, _)| *known == name.as_bytes())?;
        Some(value.to_vec())
    }
}

/// The attributes of a request in Envoy, by path.
pub(crate) type Attributes<'a> = &'a [(&'a str, &'a [u8])];

pub(crate) fn end_request(sender: &mut Sender, request: PendingRequest, attributes: Attributes<'_>) {
    let property = |path: &str| {
        let known = attributes.iter().find(|(known, _)| *known == path);
        known.map(|(_, value)| value.to_vec())
    };
    sender.end_request(request, property);
}

/// Sends a request with these headers and attributes through the sender.
pub(crate) fn send_with(sender: &mut Sender, headers: &Headers<'_>, attributes: Attributes<'_>) {
    if let Some(request) = sender.start_request(reader(headers), HeaderPhase::End) {
        end_request(sender, request, attributes);
    }
}

/// Sends a GET request through the sender.
pub(crate) fn send(sender: &mut Sender, host: &[u8], path: &[u8], status: Option<i64>) {
    let bytes = status.map(i64::to_le_bytes);
    let attributes: Vec<_> = bytes.iter().map(|bytes| ("response\0code", bytes.as_slice())).collect();
    send_with(sender, &headers(host, path), &attributes);
}

/// Returns the sum of each series in the records, keyed by `METRIC VALUE VALUE …`.
pub(crate) fn sums(records: &[Vec<u8>]) -> BTreeMap<String, f64> {
    let mut held = Accumulator::default();
    for bytes in records {
        held.merge_record(&Record::decode(bytes).unwrap(), 0);
    }
    let mut sums = BTreeMap::new();
    for (_, dimensions, distributions) in held.iter() {
        for (metric, distribution) in distributions {
            let values = dimensions.iter().map(|(_, value)| format!(" {value}")).collect::<String>();
            *sums.entry(format!("{}{values}", metric.name)).or_insert(0.0) += distribution.sum();
        }
    }
    sums
}

/// Converts expected sums for a comparison with [`sums`].
pub(crate) fn expected<'a>(sums: impl IntoIterator<Item = (&'a str, f64)>) -> BTreeMap<String, f64> {
    sums.into_iter().map(|(series, sum)| (series.to_owned(), sum)).collect()
}
