//! Replays logged requests through the sender, to count the series that they make.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use acpw_metric::{Now, Record, Timestamp, dimension::OVERFLOW_VALUE};
use sender::{HeaderPhase, Sender, SenderConfig};

use crate::{
    access_log::{AccessLog, LoggedRequest},
    deployment::Module,
    plugin::Attachment,
};

/// The time at which all requests are replayed. Their number matters, and not their times.
const TIME: Timestamp = Timestamp::from_secs(1_700_000_000);

/// The value of a header or property that the log does not have.
const UNLOGGED: &str = "not-logged";

/// Requests between two flushes, which bound the memory of the replay.
const REQUESTS_PER_FLUSH: usize = 10_000;

/// The series that requests make, and what could not be replayed.
#[derive(Debug, Default)]
pub struct Replay {
    /// The requests to hosts that the sender measures.
    pub matched: u64,
    /// The combinations of values that each metric has, by metric and by the names of the dimensions in ascending
    /// order.
    pub series: BTreeMap<(String, Vec<String>), BTreeSet<Vec<String>>>,
    /// The headers and properties that the configuration needs and the log does not have.
    pub unlogged: BTreeSet<String>,
    /// True if values of the overflow series were counted, which stand for any number of series.
    pub has_overflow: bool,
}

/// Replays a log through a sender whose number of series is not bounded.
///
/// # Errors
/// Returns a message if a record of the sender cannot be read.
pub fn replay(module: &Module<SenderConfig>, log: &AccessLog, default_host: &str) -> Result<Replay, String> {
    let mut replay = Replay::default();
    let config = SenderConfig { max_series: usize::MAX, ..module.config.clone() };
    let now = Now { wall: TIME, ..Now::default() };
    let mut sender = Sender::new(config, now);
    let phase = match module.attachment {
        Attachment::AccessLogger => HeaderPhase::End,
        _ => HeaderPhase::Arrival,
    };
    let unlogged = RefCell::new(BTreeSet::new());
    for requests in log.requests.chunks(REQUESTS_PER_FLUSH) {
        for request in requests {
            let header = |name: &str| header(request, name, log, default_host, &unlogged);
            let Some(mut pending) = sender.start_request(header, phase) else { continue };
            replay.matched = replay.matched.saturating_add(1);
            if phase == HeaderPhase::Arrival {
                sender.track_in_flight(&mut pending, TIME);
                sender.untrack_in_flight(&pending, TIME.shifted(1_000));
            }
            sender.end_request(pending, |path| property(request, path, log, &unlogged));
        }
        sender.flush(Now { wall: TIME.shifted(2_000), ..now });
        for record in sender.take_records() {
            replay.add(&record)?;
        }
    }
    replay.unlogged = unlogged.into_inner();
    Ok(replay)
}

impl Replay {
    fn add(&mut self, record: &[u8]) -> Result<(), String> {
        let record = Record::decode(record).map_err(|error| format!("the sender's record cannot be read: {error}"))?;
        for group in record.groups() {
            let dimensions: Vec<(String, String)> =
                record.dimensions_of(group).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let (names, values): (Vec<_>, Vec<_>) = dimensions.into_iter().unzip();
            self.has_overflow |= values.iter().any(|value| value == OVERFLOW_VALUE);
            for (metric, _) in record.distributions_of(group) {
                self.series.entry((metric.name.to_string(), names.clone())).or_default().insert(values.clone());
            }
        }
        Ok(())
    }
}

/// Returns a request header. One that no request of the log has is counted as one value.
fn header(
    request: &LoggedRequest,
    name: &str,
    log: &AccessLog,
    default_host: &str,
    unlogged: &RefCell<BTreeSet<String>>,
) -> Option<Vec<u8>> {
    let text = match (request.get(name), name) {
        (Some(text), _) => text,
        (None, ":authority") => default_host,
        (None, ":method") => "GET",
        // A log has the path that the client sent, and no content type.
        (None, "x-envoy-original-path" | "x-envoy-original-host" | "content-type") => return None,
        (None, _) if log.fields.contains(name) => return None,
        (None, _) => {
            unlogged.borrow_mut().insert(format!("request header {name}"));
            UNLOGGED
        }
    };
    Some(text.as_bytes().to_vec())
}

/// Returns an attribute as Envoy encodes it.
fn property(
    request: &LoggedRequest,
    path: &str,
    log: &AccessLog,
    unlogged: &RefCell<BTreeSet<String>>,
) -> Option<Vec<u8>> {
    const NANOSECONDS: i64 = 1_000_000;
    let integer = |name: &str| request.get(name)?.parse::<i64>().ok();
    let bytes = |number: i64| Some(number.to_le_bytes().to_vec());
    let text = |name: &str| match request.get(name) {
        Some(text) => Some(text.as_bytes().to_vec()),
        None if log.fields.contains(name) => None,
        None => {
            unlogged.borrow_mut().insert(path.replace('\0', "."));
            Some(UNLOGGED.as_bytes().to_vec())
        }
    };
    match path {
        "response\0code" => bytes(integer("response_code").unwrap_or(200)),
        "request\0duration" => bytes(integer("duration").unwrap_or(1).saturating_mul(NANOSECONDS)),
        // A list of paths has no times; all of its requests are counted as answered by the upstream.
        "response\0backend_latency" => match integer("upstream_service_time") {
            Some(time) => bytes(time.saturating_mul(NANOSECONDS)),
            None if log.fields.contains("upstream_service_time") => None,
            None => bytes(NANOSECONDS),
        },
        "response\0flags" => {
            let flags = request.get("response_flags").unwrap_or_default().split(',').map(|flag| match flag {
                "UF" => 0x20,
                "DC" => 0x4000,
                _ => 0,
            });
            bytes(flags.fold(0, |all, flag| all | flag))
        }
        "request\0total_size" | "request\0size" => bytes(integer("bytes_received").unwrap_or(0)),
        "response\0total_size" | "response\0size" => bytes(integer("bytes_sent").unwrap_or(0)),
        "response\0grpc_status" => bytes(integer("grpc_status").unwrap_or(0)),
        "upstream\0request_attempt_count" => bytes(1),
        "xds\0route_name" => text("route_name"),
        "xds\0cluster_name" => text("upstream_cluster"),
        "xds\0virtual_host_name" => text("virtual_host_name"),
        other => text(other.rsplit('\0').next().unwrap_or(other)),
    }
}
