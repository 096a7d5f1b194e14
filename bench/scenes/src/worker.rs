//! Scenes in which senders match hosts and record requests.

use std::cell::Cell;

use acpw_metric::Now;
use fastrand::Rng;
use sender::{HeaderPhase, HostMatcher, Sender, SenderConfig};

/// The host of all requests.
pub const HOST: &str = "bench.example.com";

/// The seed configuration, which equals the first configuration of ACPW: RequestCount by host, method, path and status.
pub const SEED: &str = r#"{ "receiver_vm_id": "receiver", "match_hosts": ["bench.example.com"] }"#;

/// A configuration that matches another host than that of the requests.
pub const UNMATCHED: &str = r#"{ "receiver_vm_id": "receiver", "match_hosts": ["another.example.com"] }"#;

/// The full set: count, latency, upstream latency, errors and bytes in both directions by host, method, status class
/// and route.
pub const FULL: &str = r#"{
    "receiver_vm_id": "receiver",
    "match_hosts": ["bench.example.com"],
    "metrics": ["RequestCount", "Latency", "TargetResponseTime", "4XXError", "5XXError", "RequestBytes", "ResponseBytes"],
    "dimension_sets": [["host", "method", "status_class", "route"]]
}"#;

const TABLES: usize = 1_000;

/// Matches the hosts of requests.
///
/// There are many matchers with the same entries, because the hash tables of each have another seed, which influences
/// the cost of a lookup.
#[derive(Debug)]
pub struct HostMatching {
    hosts: Vec<HostMatcher>,
    next: usize,
    text: Vec<u8>,
}

impl Default for HostMatching {
    fn default() -> Self {
        let entries =
            ["example.com", "bench.example.com", "*.example.org", "*.internal.example.net", "example.com:8443"];
        let matcher = || {
            let mut matcher = HostMatcher::default();
            entries.iter().for_each(|entry| matcher.add(entry).expect("a valid entry"));
            matcher
        };
        Self { hosts: (0..TABLES).map(|_| matcher()).collect(), next: 0, text: Vec::new() }
    }
}

impl HostMatching {
    /// Matches a host with the next matcher.
    pub fn matches(&mut self, authority: &[u8]) -> bool {
        self.text.clear();
        let hosts = self.hosts.get(self.next % TABLES).expect("an index within bounds");
        self.next = self.next.wrapping_add(1);
        hosts.matches(authority, &mut self.text)
    }
}

/// The sender of one worker thread, with the headers and attributes that Envoy would return for requests.
#[derive(Debug)]
pub struct Worker {
    sender: Sender,
    /// The number of headers and attributes that were returned to the sender.
    returned: u64,
}

impl Worker {
    /// Creates a worker with this configuration.
    pub fn new(configuration: &str, now: Now) -> Self {
        let config = SenderConfig::from_json(configuration.as_bytes(), |_| None).expect("a valid configuration");
        Self { sender: Sender::new(config, now), returned: 0 }
    }

    /// Sends a request with this path and route, which takes `nanoseconds`, through the sender. Returns whether its
    /// host matches.
    pub fn request(&mut self, path: &[u8], route: &[u8], nanoseconds: i64) -> bool {
        let headers: [(&[u8], &[u8]); 8] = [
            (b":authority", HOST.as_bytes()),
            (b":path", path),
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b"user-agent", b"curl/8.10.1"),
            (b"accept", b"*/*"),
            (b"x-forwarded-proto", b"http"),
            (b"x-request-id", b"7c6d7b3a-52f4-4c1f-9d7e-0f3a5b8f5b5e"),
        ];
        let returned = Cell::new(0);
        // The SDK allocates memory for each value that it returns.
        let owned = |value: &[u8]| {
            returned.set(returned.get() + 1);
            value.to_vec()
        };
        let header = |name: &str| {
            let (_, value) = headers.iter().find(|(known, _)| *known == name.as_bytes())?;
            Some(owned(value))
        };
        let Some(pending) = self.sender.start_request(header, HeaderPhase::Arrival) else {
            self.returned += returned.get();
            return false;
        };
        let [code, time] = [200, nanoseconds].map(i64::to_le_bytes);
        let [received, sent] = [420i64, 1_337].map(i64::to_le_bytes);
        let property = |path: &str| {
            let value = match path {
                "xds\0route_name" => route,
                "response\0code" => code.as_slice(),
                "request\0total_size" => received.as_slice(),
                "response\0total_size" => sent.as_slice(),
                _ => time.as_slice(),
            };
            Some(owned(value))
        };
        self.sender.end_request(pending, property);
        self.returned += returned.get();
        true
    }

    /// Returns the number of headers and attributes that were returned to the sender, each in newly allocated memory.
    pub fn returned(&self) -> u64 {
        self.returned
    }

    /// Flushes the sender. Returns its records.
    pub fn flush(&mut self, now: Now) -> Vec<Vec<u8>> {
        self.sender.flush(now);
        self.sender.take_records()
    }
}

/// The shape of one second of load.
#[derive(Clone, Copy, Debug)]
pub struct LoadShape {
    /// The number of senders.
    pub senders: usize,
    /// The configuration of the senders.
    pub configuration: &'static str,
    /// The number of paths that each sender sees. Each path has its own route.
    pub paths: usize,
    /// True if all senders see the same paths. Otherwise, all paths are different.
    pub is_shared: bool,
    /// The number of requests that each sender sees.
    pub requests: usize,
}

/// Returns the records of all senders for the second that starts at `now`.
pub fn records(shape: LoadShape, now: Now) -> Vec<Vec<u8>> {
    let mut rng = Rng::with_seed(7);
    let records_of = |number: usize| {
        let mut worker = Worker::new(shape.configuration, now);
        for request in 0..shape.requests {
            let path = request.checked_rem(shape.paths).unwrap_or(0);
            let path = if shape.is_shared { path } else { path.saturating_add(number.saturating_mul(shape.paths)) };
            // An approximately lognormal distribution with a median of 20 ms and a tail up to seconds.
            let noise: f64 = (0..6).map(|_| rng.f64() - 0.5).sum();
            let nanoseconds = 20e6 * (noise * 1.5).exp();
            let (path, route) = (format!("/resource/{path}"), format!("route-{path}"));
            worker.request(path.as_bytes(), route.as_bytes(), nanoseconds as i64);
        }
        worker.flush(now)
    };
    (0..shape.senders).flat_map(records_of).collect()
}
