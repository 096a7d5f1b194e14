//! The sender's state: what is observed, what is held, and what goes onto the queue.

use std::io::Write as _;

use acpw_metric::{
    Accumulator, DimensionName, DimensionValue, Metric, MetricName, Now, Record, RecordError, StorageResolution,
    Timestamp, Unit, text::TextError,
};

use crate::{Aggregator, Config, HostMatcher, Request, aggregator::SEPARATOR};

/// A record above this many bytes is split.
const RECORD_LIMIT: usize = 64 * 1024;

/// What a sender holds while there is no queue to put it on.
const HELD_BYTES_LIMIT: usize = 8 * 1024 * 1024;

/// Keys kept for later requests: as many as are commonly in flight on one worker.
const MAX_SPARE_KEYS: usize = 256;

/// Stands where a request says nothing, as in Envoy's access logs.
const NO_VALUE: &[u8] = b"-";

/// One worker's sender.
///
/// For a request: [`begin`](Self::begin), and if that gives an observation, [`finish`](Self::finish) with it at the end of
/// the stream. On a tick: [`flush`](Self::flush); then, if there is a queue, [`take_back`](Self::take_back) every record
/// still in it, and put each of [`take_records`](Self::take_records) onto it, or [`give_back`](Self::give_back) the one
/// that the queue refuses.
#[derive(Debug)]
pub struct Sender {
    hosts: HostMatcher,
    aggregator: Aggregator,
    held: Accumulator,
    since: Timestamp,
    counts: Counts,
    host: Vec<u8>,
    /// Keys of requests that have ended, so that the next ones need no allocation.
    spare_keys: Vec<Vec<u8>>,
}

/// What is known of a request before it has ended: the beginning of its key.
#[derive(Debug)]
pub struct Observation {
    key: Vec<u8>,
}

/// What became of the values observed, since this was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Values observed.
    pub observed: u64,
    /// Values put onto the queue.
    pub enqueued: u64,
    /// Values taken back from it.
    pub taken_back: u64,
    /// Values dropped at the bound on memory, the oldest first, there being no receiver for so long.
    pub dropped_buffer_full: u64,
}

impl Sender {
    /// A sender that begins to observe now.
    ///
    /// # Errors
    /// None, with the names that are built in.
    pub fn new(config: &Config, now: Now) -> Result<Self, TextError> {
        // In the order of the dimensions' names, as everywhere.
        let names = ["host", "method", "path", "status"].into_iter().map(DimensionName::new);
        let name = MetricName::new("RequestCount")?;
        let request_count = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
        Ok(Self {
            hosts: config.hosts.clone(),
            aggregator: Aggregator::new(names.collect::<Result<_, _>>()?, vec![request_count], config.max_series),
            held: Accumulator::default(),
            since: now.wall,
            counts: Counts::default(),
            host: Vec::new(),
            spare_keys: Vec::new(),
        })
    }

    /// Begins to observe a request, if its host is one that is observed. Nothing more need be read of one that is not.
    pub fn begin(&mut self, request: &Request<'_>) -> Option<Observation> {
        self.host.clear();
        if !self.hosts.matches(request.authority(), &mut self.host) {
            return None;
        }
        let mut key = self.spare_keys.pop().unwrap_or_default();
        for value in [self.host.as_slice(), request.method(), request.path()] {
            if !DimensionValue::append_sanitized(&mut key, value) {
                key.extend_from_slice(NO_VALUE);
            }
            key.push(SEPARATOR);
        }
        Some(Observation { key })
    }

    /// Counts a request that has ended. One that ended before there was an answer has no status, and counts as 0.
    pub fn finish(&mut self, mut observation: Observation, status: Option<u16>) {
        // Writing to memory does not fail.
        let _ = write!(observation.key, "{}", status.unwrap_or(0));
        self.aggregator.observe(&observation.key, &[(0, 1.0)]);
        self.counts.observed = self.counts.observed.saturating_add(1);
        if self.spare_keys.len() < MAX_SPARE_KEYS {
            observation.key.clear();
            self.spare_keys.push(observation.key);
        }
    }

    /// Ends the window: what was observed in it is now held. At the bound on memory, what is held long becomes coarser, and
    /// then the oldest is dropped.
    pub fn flush(&mut self, now: Now) {
        self.aggregator.flush_into(&mut self.held, self.since, now.steady);
        self.since = now.wall;
        self.keep_within_limit();
    }

    /// Merges a record that nobody has taken from the queue into what is held, so that a queue without a receiver keeps
    /// the same bound on memory.
    ///
    /// # Errors
    /// Bytes that this version cannot read; they are to be put back as they are, for a receiver that can.
    pub fn take_back(&mut self, record: &[u8]) -> Result<(), RecordError> {
        let record = Record::decode(record)?;
        self.held.merge_record(&record, 0);
        self.counts.taken_back = self.counts.taken_back.saturating_add(record.samples());
        self.keep_within_limit();
        Ok(())
    }

    /// Takes all that is held, as records for the queue.
    pub fn take_records(&mut self) -> Vec<Vec<u8>> {
        self.counts.enqueued = self.counts.enqueued.saturating_add(self.held.samples());
        std::mem::take(&mut self.held).into_records(RECORD_LIMIT)
    }

    /// Holds a record again that the queue did not take.
    pub fn give_back(&mut self, record: &[u8]) {
        if let Ok(record) = Record::decode(record) {
            self.held.merge_record(&record, 0);
            self.counts.enqueued = self.counts.enqueued.saturating_sub(record.samples());
        }
    }

    /// Whether there is anything to put onto a queue.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Values held since the last flush.
    pub fn held(&self) -> u64 {
        self.held.samples()
    }

    /// What has become of values since this was last called.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    fn keep_within_limit(&mut self) {
        if self.held.bytes() > HELD_BYTES_LIMIT {
            // Room for a while, so that what comes next does not come to the bound again.
            let dropped = self.held.shrink(HELD_BYTES_LIMIT / 8 * 7, self.since);
            self.counts.dropped_buffer_full = self.counts.dropped_buffer_full.saturating_add(dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sender(config: &str) -> Sender {
        Sender::new(&Config::from_json(config.as_bytes()).unwrap(), at(0)).unwrap()
    }

    fn at(second: u64) -> Now {
        Now { wall: Timestamp::from_secs(1_700_000_000 + second), steady: Duration::from_secs(second) }
    }

    fn request<'a>(host: &'a [u8], path: &'a [u8]) -> Request<'a> {
        let headers: [(&[u8], &[u8]); 3] = [(b":authority", host), (b":method", b"GET"), (b":path", path)];
        Request::finished(headers.into_iter())
    }

    fn observe(sender: &mut Sender, host: &[u8], path: &[u8], status: Option<u16>) {
        if let Some(observation) = sender.begin(&request(host, path)) {
            sender.finish(observation, status);
        }
    }

    /// What a receiver would hold of these records: dimension values, and the sum of each series.
    fn series(records: &[Vec<u8>]) -> Vec<(String, f64)> {
        let mut held = Accumulator::default();
        for bytes in records {
            held.merge_record(&Record::decode(bytes).unwrap(), 0);
        }
        let mut series: Vec<_> = std::iter::from_fn(|| held.pop())
            .map(|(_, group)| {
                let values: Vec<_> = group.dimensions.iter().map(|(_, value)| value.to_owned()).collect();
                (values.join(" "), group.distributions.iter().map(|(_, distribution)| distribution.sum()).sum())
            })
            .collect();
        series.sort_by(|left, right| left.0.cmp(&right.0));
        series
    }

    #[test]
    fn requests_of_matching_hosts_are_counted_by_host_method_path_and_status() {
        let mut sender = sender(r#"{"receiver_vm_id": "receiver", "match_hosts": ["example.com"]}"#);
        observe(&mut sender, b"Example.com:18000", b"/test?x=1", Some(200));
        observe(&mut sender, b"example.com", b"/test", Some(200));
        observe(&mut sender, b"example.com", b"/test", Some(503));
        observe(&mut sender, b"example.com", b"/test", None);
        observe(&mut sender, b"localhost:18000", b"/test", Some(200));
        sender.flush(at(1));
        let expected = [
            ("example.com GET /test 0".to_owned(), 1.0),
            ("example.com GET /test 200".to_owned(), 2.0),
            ("example.com GET /test 503".to_owned(), 1.0),
        ];
        assert_eq!(series(&sender.take_records()), expected);
        assert_eq!(sender.take_counts(), Counts { observed: 4, enqueued: 4, ..Counts::default() });
        sender.flush(at(2));
        assert!(sender.take_records().is_empty());
    }

    #[test]
    fn hostile_headers_become_values_that_cloudwatch_takes() {
        let mut sender = sender(r#"{"receiver_vm_id": "receiver"}"#);
        observe(&mut sender, b"\xff\x00\x01", b"/\x7f", Some(200));
        observe(&mut sender, b"", b"", Some(400));
        observe(&mut sender, b"h", &[b'/'; 60 * 1024], Some(200));
        sender.flush(at(1));
        let long = format!("h GET {} 200", "/".repeat(1024));
        let expected = ["%FF%00%01 GET /%7F 200", "- GET - 400", &long].map(|values| (values.to_owned(), 1.0));
        assert_eq!(series(&sender.take_records()), expected);
    }

    #[test]
    fn without_a_receiver_the_queue_does_not_grow_and_nothing_is_lost() {
        let mut sender = sender(r#"{"receiver_vm_id": "receiver"}"#);
        let mut queue: Vec<Vec<u8>> = Vec::new();
        for second in 0..600 {
            observe(&mut sender, b"example.com", b"/", Some(200));
            sender.flush(at(second));
            for record in queue.drain(..) {
                sender.take_back(&record).unwrap();
            }
            queue = sender.take_records();
            assert!(queue.len() as u64 <= 2 + second / 60);
        }
        assert_eq!(series(&queue).iter().map(|(_, sum)| sum).sum::<f64>(), 600.0);
        let counts = sender.take_counts();
        assert_eq!(counts.observed, 600);
        assert_eq!(counts.enqueued - counts.taken_back, 600);
    }

    #[test]
    fn a_record_that_the_queue_refuses_is_held_again() {
        let mut sender = sender(r#"{"receiver_vm_id": "receiver"}"#);
        observe(&mut sender, b"example.com", b"/", Some(200));
        sender.flush(at(1));
        for record in sender.take_records() {
            sender.give_back(&record);
        }
        assert_eq!(sender.take_counts(), Counts { observed: 1, ..Counts::default() });
        assert_eq!((sender.held(), sender.is_empty()), (1, false));
        assert_eq!(series(&sender.take_records()), [("example.com GET / 200".to_owned(), 1.0)]);
    }

    #[test]
    fn what_is_held_is_bounded_and_what_is_dropped_is_counted() {
        let mut sender = sender(r#"{"receiver_vm_id": "receiver", "max_series": 100000}"#);
        let mut observed = 0;
        for minute in 0..6 {
            for n in 0..12_000 {
                observe(&mut sender, b"example.com", format!("/{n}").as_bytes(), Some(200));
                observed += 1;
            }
            sender.flush(at(60 * minute));
            assert!(sender.held.bytes() <= HELD_BYTES_LIMIT);
        }
        let counts = sender.take_counts();
        assert!(counts.dropped_buffer_full > 0);
        assert_eq!(counts.observed, observed);
        assert_eq!(counts.observed, sender.held() + counts.dropped_buffer_full);
    }

    #[test]
    fn what_lies_in_a_queue_without_a_receiver_is_bounded_and_what_is_dropped_is_counted() {
        let mut sender = sender(r#"{"receiver_vm_id": "receiver", "max_series": 100000}"#);
        let mut queue: Vec<Vec<u8>> = Vec::new();
        for minute in 0..12 {
            for n in 0..6_000 {
                observe(&mut sender, b"example.com", format!("/{n}").as_bytes(), Some(200));
            }
            sender.flush(at(60 * minute));
            for record in queue.drain(..) {
                sender.take_back(&record).unwrap();
            }
            assert!(sender.held.bytes() <= HELD_BYTES_LIMIT);
            queue = sender.take_records();
        }
        let counts = sender.take_counts();
        assert!(counts.dropped_buffer_full > 0);
        let queued = series(&queue).iter().map(|(_, sum)| *sum as u64).sum::<u64>();
        assert_eq!(counts.observed, queued + counts.dropped_buffer_full);
        assert_eq!(counts.enqueued - counts.taken_back + counts.dropped_buffer_full, counts.observed);
    }

    #[test]
    fn bytes_that_are_no_record_are_not_taken_back() {
        assert!(sender(r#"{"receiver_vm_id": "receiver"}"#).take_back(b"?").is_err());
    }
}
