//! Senders and their requests.

use std::cell::Cell;

use acpw_metric::Now;
use fastrand::Rng;
use sender::{HeaderPhase, HostMatcher, Sender, SenderConfig};

/// The host of all requests.
pub const HOST: &str = "bench.example.com";

/// The sender's configuration that the first configuration of ACPW means: RequestCount by host, method, path and status.
pub const SEED: &str = r#"{ "receiver_vm_id": "receiver", "match_hosts": ["bench.example.com"] }"#;

/// Another host than that of the requests.
pub const UNMATCHED: &str = r#"{ "receiver_vm_id": "receiver", "match_hosts": ["another.example.com"] }"#;

/// Count, latency, upstream's time, errors and bytes both ways by host, method, status class and route.
pub const FULL: &str = r#"{
    "receiver_vm_id": "receiver",
    "match_hosts": ["bench.example.com"],
    "metrics": ["RequestCount", "Latency", "TargetResponseTime", "4XXError", "5XXError", "RequestBytes", "ResponseBytes"],
    "dimension_sets": [["host", "method", "status_class", "route"]]
}"#;

const TABLES: usize = 1_000;

/// What the host of each request is looked for in: the same entries many times over, since each table has a seed of its own,
/// and so has its own way to a key.
#[derive(Debug)]
pub struct Matching {
    hosts: Vec<HostMatcher>,
    next: usize,
    text: Vec<u8>,
}

impl Default for Matching {
    fn default() -> Self {
        let entries =
            ["example.com", "bench.example.com", "*.example.org", "*.internal.example.net", "example.com:8443"];
        let matcher = || {
            let mut matcher = HostMatcher::default();
            entries.iter().for_each(|entry| matcher.add(entry).expect("a good entry"));
            matcher
        };
        Self { hosts: (0..TABLES).map(|_| matcher()).collect(), next: 0, text: Vec::new() }
    }
}

impl Matching {
    /// Looks for a host, each time in the next table.
    pub fn matches(&mut self, authority: &[u8]) -> bool {
        self.text.clear();
        let hosts = self.hosts.get(self.next % TABLES).expect("one of them");
        self.next = self.next.wrapping_add(1);
        hosts.matches(authority, &mut self.text)
    }
}

/// A worker's sender, with what Envoy would tell it of requests.
#[derive(Debug)]
pub struct Worker {
    sender: Sender,
    handed: u64,
}

impl Worker {
    /// A worker with this configuration that begins now.
    pub fn new(configuration: &str, now: Now) -> Self {
        let config = SenderConfig::from_json(configuration.as_bytes(), |_| None).expect("a good configuration");
        Self { sender: Sender::new(config, now), handed: 0 }
    }

    /// A request of this path ends, of a route of this name, after so many nanoseconds. Tells whether it was observed.
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
        let handed = Cell::new(0);
        // The SDK hands over each value in memory of its own.
        let owned = |value: &[u8]| {
            handed.set(handed.get() + 1);
            value.to_vec()
        };
        let header = |name: &str| {
            let (_, value) = headers.iter().find(|(known, _)| *known == name.as_bytes())?;
            Some(owned(value))
        };
        let Some(observation) = self.sender.start_request(header, HeaderPhase::Arrival) else {
            self.handed += handed.get();
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
        self.sender.end_request(observation, property);
        self.handed += handed.get();
        true
    }

    /// Returns how many values requests were handed so far, each in memory that was allocated for it.
    pub fn handed(&self) -> u64 {
        self.handed
    }

    /// The records of what was observed.
    pub fn flush(&mut self, now: Now) -> Vec<Vec<u8>> {
        self.sender.flush(now);
        self.sender.take_records()
    }
}

/// What senders have observed in one second.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many senders.
    pub senders: usize,
    /// Their configuration.
    pub configuration: &'static str,
    /// Different paths, each of a route of its own, that each sender has seen.
    pub paths: usize,
    /// Whether all senders have seen the same ones; otherwise no two have seen the same.
    pub is_shared: bool,
    /// Requests that each sender has seen.
    pub requests: usize,
}

/// The records of all senders, of the second that begins now.
pub fn records(shape: Shape, now: Now) -> Vec<Vec<u8>> {
    let mut rng = Rng::with_seed(7);
    let of_sender = |number: usize| {
        let mut worker = Worker::new(shape.configuration, now);
        for request in 0..shape.requests {
            let path = request.checked_rem(shape.paths).unwrap_or(0);
            let path = if shape.is_shared { path } else { path.saturating_add(number.saturating_mul(shape.paths)) };
            // About lognormal: a median of 20 ms, and a tail to seconds.
            let noise: f64 = (0..6).map(|_| rng.f64() - 0.5).sum();
            let nanoseconds = 20e6 * (noise * 1.5).exp();
            let (path, route) = (format!("/resource/{path}"), format!("route-{path}"));
            worker.request(path.as_bytes(), route.as_bytes(), nanoseconds as i64);
        }
        worker.flush(now)
    };
    (0..shape.senders).flat_map(of_sender).collect()
}
