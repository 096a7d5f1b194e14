//! The sender's state: what is observed, what is held, and what goes onto the queue.

use std::time::Duration;

use acpw_metric::{DimensionName, MergeRule, Metric, Now, Origin, RecordError, Timestamp};

use crate::{
    Aggregator, Buffer, Config, Counts, HeaderPhase, HostMatcher, Observation, Outcome, RequestHeaders,
    aggregator::Place,
    dimension::{Dimension, Source, append_number},
    measure::Measure,
    outcome::Number,
    path_template::{OTHER, PathTemplates, append_normalized},
    receiver_watch::{self, ReceiverWatch, Traces},
};

/// Observations kept for later requests: as many as are commonly in flight on one worker.
const MAX_SPARES: usize = 256;

/// A host name of 253 characters with a port is shorter.
const MAX_AUTHORITY: usize = 260;

/// How long data lie in the queue of a receiver that takes them, at most.
const MAX_QUEUED: Duration = Duration::from_secs(5);

/// One worker's sender.
///
/// For a request: [`begin`](Self::begin), and if that gives an observation, [`finish`](Self::finish) with it at the end of
/// the stream. Where the beginning of a stream is seen, [`enter`](Self::enter) then, and [`leave`](Self::leave) before `finish`. On a tick: [`flush`](Self::flush); then,
/// if there is a queue, [`take_back`](Self::take_back) every record still in it, and put each of
/// [`take_records`](Self::take_records) onto it, or [`give_back`](Self::give_back) the one that the queue refuses; then, with
/// and without a queue, [`note_queue`](Self::note_queue).
#[derive(Debug)]
pub struct Sender {
    hosts: HostMatcher,
    path_templates: PathTemplates,
    /// All that are not constants.
    dimensions: Vec<Dimension>,
    /// What is read of a request when it ends, beside dimensions.
    numbers: Vec<Number>,
    measures: Vec<Measure>,
    time_unit: f64,
    sets: Vec<Set>,
    max_series: usize,
    /// How many have a place, in all sets.
    series: usize,
    origin: Origin,
    /// Dimensions whose values are constants. The receiver keeps them where it has no room for a series.
    constants: Vec<DimensionName>,
    buffer: Buffer,
    receiver_vm_id: String,
    receiver_watch: ReceiverWatch,
    flush_interval: Duration,
    since: Timestamp,
    spares: Vec<Observation>,
    /// The metrics need to know which requests are gRPC.
    needs_grpc: bool,
    /// The authority of the last request, which is likely to be that of the next one, and whether its host is observed.
    authority: (Vec<u8>, bool),
    /// The host under which it counts.
    host: Vec<u8>,
    // What every request needs for a moment, so that it allocates nothing.
    text: Vec<u8>,
    key: Vec<u8>,
    values: Vec<(usize, f64)>,
}

/// A dimension set.
#[derive(Debug)]
struct Set {
    /// The places of its dimensions that are not constants.
    places: Vec<usize>,
    aggregator: Aggregator,
}

impl Sender {
    /// A sender that begins to observe now.
    pub fn new(config: Config, now: Now) -> Self {
        let all = |kind| config.metrics.list.iter().filter(move |(measure, _)| measure.merge_rule() == kind);
        let measures: Vec<Measure> = all(MergeRule::Distribution).map(|(measure, _)| *measure).collect();
        let metrics: Vec<Metric> = all(MergeRule::Distribution).map(|(_, metric)| metric.clone()).collect();
        let of_one = |measure| match measure {
            Measure::ConcurrencyUtilization => 100.0 / config.metrics.concurrency,
            _ => 1.0,
        };
        let gauges: Vec<_> =
            all(MergeRule::GaugeShares).map(|(measure, metric)| (metric.clone(), of_one(*measure))).collect();

        let mut dimensions: Vec<Dimension> = Vec::new();
        let mut sets = Vec::with_capacity(config.sets.len());
        for set in &config.sets {
            let (mut names, mut places, mut is_known_at_start) = (Vec::new(), Vec::new(), true);
            for dimension in set.iter().filter_map(|place| config.dimensions.get(*place)) {
                is_known_at_start &= dimension.source.is_known_at_start();
                let constant = match &dimension.source {
                    Source::Constant(value) => Some(value.clone()),
                    _ => {
                        let place = dimensions.iter().position(|known| known == dimension).unwrap_or(dimensions.len());
                        if place == dimensions.len() {
                            dimensions.push(dimension.clone());
                        }
                        places.push(place);
                        None
                    }
                };
                names.push((dimension.name.clone(), constant));
            }
            let gauges = if is_known_at_start { gauges.clone() } else { Vec::new() };
            sets.push(Set { places, aggregator: Aggregator::new(names, metrics.clone(), gauges) });
        }
        let is_constant = |dimension: &&Dimension| matches!(dimension.source, Source::Constant(_));
        let constants = config.dimensions.iter().filter(is_constant).map(|dimension| dimension.name.clone()).collect();
        let needs_grpc =
            measures.iter().any(|measure| matches!(measure, Measure::GrpcRequestCount | Measure::GrpcError));
        Self {
            hosts: config.hosts,
            path_templates: config.path_templates,
            numbers: numbers(&measures, &dimensions),
            dimensions,
            measures,
            time_unit: config.metrics.time_unit,
            sets,
            max_series: config.max_series,
            series: 0,
            origin: config.origin,
            constants,
            buffer: Buffer::default(),
            receiver_vm_id: config.receiver_vm_id,
            receiver_watch: ReceiverWatch::default(),
            flush_interval: config.flush_interval,
            since: now.wall,
            spares: Vec::new(),
            needs_grpc,
            authority: (Vec::new(), false),
            host: Vec::new(),
            text: Vec::new(),
            key: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Starts to observe a request if its host matches. `header` reads one request header by its lower-case name.
    ///
    /// Reads the authority first, so a host that does not match costs nothing more; then only what the configured
    /// dimensions and metrics need.
    pub fn begin(&mut self, header: impl FnMut(&str) -> Option<Vec<u8>>, phase: HeaderPhase) -> Option<Observation> {
        let mut request = RequestHeaders::new(header, phase);
        if !self.is_observed(&request.authority()) {
            return None;
        }
        let mut observation = self.spares.pop().unwrap_or_default();
        observation.reset(self.dimensions.len());
        observation.is_grpc = self.needs_grpc && request.is_grpc();
        // Two dimensions may need the path.
        let mut path = None;
        for (place, dimension) in self.dimensions.iter().enumerate() {
            match &dimension.source {
                Source::Host => observation.set(place, dimension, Some(&self.host)),
                Source::Method => observation.set(place, dimension, Some(&request.method())),
                Source::Path => {
                    let path = path.get_or_insert_with(|| request.path());
                    observation.set(place, dimension, Some(path));
                }
                Source::PathTemplate => {
                    let path = path.get_or_insert_with(|| request.path());
                    if self.path_templates.is_empty() {
                        self.text.clear();
                        append_normalized(&mut self.text, path);
                        observation.set(place, dimension, Some(&self.text));
                    } else {
                        let template = self.path_templates.find(path).map_or(OTHER, str::as_bytes);
                        observation.set(place, dimension, Some(template));
                    }
                }
                Source::RequestHeader(name) => observation.set(place, dimension, request.header(name).as_deref()),
                Source::Constant(_) | Source::Status | Source::StatusClass | Source::Property(_) => {}
            }
        }
        Some(observation)
    }

    /// Whether it counts what is in progress, and so must know when requests begin.
    pub fn counts_progress(&self) -> bool {
        self.sets.iter().any(|set| set.aggregator.has_gauges())
    }

    /// A request begins, and is in progress from now on.
    pub fn enter(&mut self, observation: &mut Observation, now: Timestamp) {
        for (set, bit) in self.sets.iter_mut().zip(bits()) {
            if !set.aggregator.has_gauges() {
                continue;
            }
            let Some(key) = observation.key(&set.places, &mut self.key) else { continue };
            let room = self.max_series.saturating_sub(self.series);
            let (place, added) = set.aggregator.begin(key, now.as_secs(), room);
            self.series = self.series.saturating_add(added);
            if place == Place::Overflow {
                observation.overflowed |= bit;
            }
            observation.begun |= bit;
        }
    }

    /// A request that began is no longer in progress.
    pub fn leave(&mut self, observation: &Observation, now: Timestamp) {
        for (set, bit) in self.sets.iter_mut().zip(bits()) {
            if observation.begun & bit == 0 {
                continue;
            }
            if let Some(key) = observation.key(&set.places, &mut self.key) {
                let place = if observation.overflowed & bit == 0 { Place::Own } else { Place::Overflow };
                set.aggregator.end(key, place, now.as_secs());
            }
        }
    }

    /// What is in progress is no longer counted: there will be no more ticks to tell it.
    pub fn end_progress(&mut self) {
        self.sets.iter_mut().for_each(|set| set.aggregator.drop_gauges());
        self.series = self.series();
    }

    /// Counts a request that has ended. `property` reads one attribute of Envoy's by its path, whose parts NUL separates; it
    /// is called once for each attribute that the configuration needs.
    pub fn finish(&mut self, mut observation: Observation, mut property: impl FnMut(&str) -> Option<Vec<u8>>) {
        let mut outcome = Outcome::new(observation.is_grpc);
        for number in &self.numbers {
            if *number != Number::GrpcStatus || observation.is_grpc {
                outcome.set(*number, property(number.path()).as_deref());
            }
        }
        self.set_rest(&mut observation, &outcome, &mut property);
        self.values.clear();
        let values = self.measures.iter().enumerate();
        self.values.extend(values.filter_map(|(at, measure)| Some((at, measure.of(&outcome, self.time_unit)?))));
        for set in &mut self.sets {
            if let Some(key) = observation.key(&set.places, &mut self.key) {
                let room = self.max_series.saturating_sub(self.series);
                let added = set.aggregator.observe(key, &self.values, room);
                self.series = self.series.saturating_add(added);
                self.buffer.observe(self.values.len() as u64);
            }
        }
        if self.spares.len() < MAX_SPARES {
            self.spares.push(observation);
        }
    }

    /// Ends the window: what was observed in it is now held. At the bound on memory, what is held long becomes coarser, and
    /// then the oldest is dropped.
    pub fn flush(&mut self, now: Now) {
        for set in &mut self.sets {
            set.aggregator.flush_into(self.buffer.held_mut(), &self.origin, self.since, now);
        }
        self.series = self.series();
        self.since = now.wall;
        self.buffer.keep_within_limit(self.since);
    }

    /// Merges a record that nobody has taken from the queue into what is held, so that a queue without a receiver keeps
    /// the same bound on memory.
    ///
    /// # Errors
    /// Bytes that this version cannot read; they are to be put back as they are, for a receiver that can.
    pub fn take_back(&mut self, record: &[u8]) -> Result<(), RecordError> {
        self.buffer.take_back(record, self.since)
    }

    /// Takes all that is held, as records for the queue.
    pub fn take_records(&mut self) -> Vec<Vec<u8>> {
        self.buffer.take_records(&self.constants)
    }

    /// Holds a record again that the queue did not take.
    pub fn give_back(&mut self, record: &[u8]) {
        self.buffer.give_back(record);
    }

    /// Takes in whether there was a queue for what was held, and returns a line for the log when no receiver has taken
    /// anything for too long. `counted` is the value of the counter [`Counts::no_receiver`], which all workers share; one of
    /// them returns the line.
    pub fn note_queue(&mut self, has_queue: bool, counted: u64, now: Now) -> Option<String> {
        let limit = i64::try_from(self.flush_interval.saturating_add(MAX_QUEUED).as_millis()).unwrap_or(i64::MAX);
        let oldest = self.buffer.take_oldest_taken_back();
        let traces = match oldest {
            _ if !has_queue => Traces::NoQueue,
            Some(oldest) if now.wall.millis_since(oldest) > limit => Traces::Untaken,
            _ => Traces::Taken,
        };
        let finding = self.receiver_watch.handle_flush(traces, counted, now.steady);
        if finding.is_missing {
            self.buffer.count_no_receiver();
        }
        finding.is_news.then(|| receiver_watch::line(traces, &self.receiver_vm_id))
    }

    /// Whether there is nothing to put onto a queue.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Values held since the last flush.
    pub fn held(&self) -> u64 {
        self.buffer.samples()
    }

    /// What has become of values since this was last called.
    pub fn take_counts(&mut self) -> Counts {
        self.buffer.take_counts()
    }

    /// Whether requests for this authority are observed; if so, `host` is under what they count.
    fn is_observed(&mut self, authority: &[u8]) -> bool {
        let (known, is_observed) = &mut self.authority;
        if known != authority || authority.is_empty() {
            known.clear();
            // What is as long as no host is, is not kept.
            known.extend_from_slice(authority.get(..MAX_AUTHORITY).map_or(authority, |_| &[]));
            self.host.clear();
            *is_observed = self.hosts.matches(authority, &mut self.host);
        }
        *is_observed
    }

    /// Sets the dimensions that are known when a request has ended.
    fn set_rest(
        &mut self,
        observation: &mut Observation,
        outcome: &Outcome,
        property: &mut impl FnMut(&str) -> Option<Vec<u8>>,
    ) {
        for (place, dimension) in self.dimensions.iter().enumerate() {
            match (&dimension.source, outcome.code()) {
                (Source::Status, Some(code)) => {
                    observation.write(place, |text| append_number(text, code.into()));
                }
                (Source::StatusClass, Some(code)) => observation.write(place, |text| {
                    append_number(text, i64::from(code / 100));
                    text.extend_from_slice(b"XX");
                }),
                (Source::Status | Source::StatusClass, None) => observation.set(place, dimension, None),
                (Source::Property(path), _) => {
                    let bytes = property(path);
                    let bytes = bytes.as_deref();
                    let number = bytes.filter(|_| dimension.source.is_number());
                    match number.and_then(|bytes| bytes.try_into().ok()) {
                        Some(bytes) => {
                            observation.write(place, |text| append_number(text, i64::from_le_bytes(bytes)));
                        }
                        None => observation.set(place, dimension, bytes),
                    }
                }
                _ => {}
            }
        }
    }

    fn series(&self) -> usize {
        self.sets.iter().map(|set| set.aggregator.series()).sum()
    }
}

/// The numbers that these metrics and dimensions need.
fn numbers(measures: &[Measure], dimensions: &[Dimension]) -> Vec<Number> {
    let needs_status = |dimension: &Dimension| matches!(dimension.source, Source::Status | Source::StatusClass);
    let is_needed = |number: &Number| {
        measures.iter().any(|measure| measure.needs().contains(number))
            || (*number == Number::Code && dimensions.iter().any(needs_status))
    };
    Number::ALL.into_iter().filter(is_needed).collect()
}

/// A bit for each dimension set.
fn bits() -> impl Iterator<Item = u32> {
    (0..u32::BITS).map(|place| 1 << place)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use acpw_metric::{Accumulator, Record};

    use super::*;
    use crate::buffer::HELD_BYTES_LIMIT;

    fn sender(rest: &str) -> Sender {
        let document = format!(r#"{{"receiver_vm_id": "receiver"{rest}}}"#);
        let config = Config::from_json(document.as_bytes(), |_| None).map_err(|faults| faults.to_string());
        Sender::new(config.unwrap(), at(0))
    }

    fn at(second: u64) -> Now {
        Now { wall: Timestamp::from_secs(1_700_000_000 + second), steady: Duration::from_secs(second) }
    }

    type Headers<'a> = Vec<(&'a [u8], &'a [u8])>;

    fn headers<'a>(host: &'a [u8], path: &'a [u8]) -> Headers<'a> {
        vec![(b":authority", host), (b":method", b"GET"), (b":path", path)]
    }

    fn reader(headers: &Headers<'_>) -> impl FnMut(&str) -> Option<Vec<u8>> {
        |name: &str| {
            let (_, value) = headers.iter().find(|(known, _)| *known == name.as_bytes())?;
            Some(value.to_vec())
        }
    }

    /// What Envoy would have of a request.
    type Properties<'a> = &'a [(&'a str, &'a [u8])];

    fn finish(sender: &mut Sender, observation: Observation, properties: Properties<'_>) {
        let property = |path: &str| {
            let known = properties.iter().find(|(known, _)| *known == path);
            known.map(|(_, value)| value.to_vec())
        };
        sender.finish(observation, property);
    }

    fn observe_with(sender: &mut Sender, headers: &Headers<'_>, properties: Properties<'_>) {
        if let Some(observation) = sender.begin(reader(headers), HeaderPhase::End) {
            finish(sender, observation, properties);
        }
    }

    fn observe(sender: &mut Sender, host: &[u8], path: &[u8], status: Option<i64>) {
        let bytes = status.map(i64::to_le_bytes);
        let properties: Vec<_> = bytes.iter().map(|bytes| ("response\0code", bytes.as_slice())).collect();
        observe_with(sender, &headers(host, path), &properties);
    }

    /// What a receiver would hold of these records: the sum of each series, as `METRIC VALUE VALUE …`.
    fn series(records: &[Vec<u8>]) -> BTreeMap<String, f64> {
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

    fn expected<'a>(sums: impl IntoIterator<Item = (&'a str, f64)>) -> BTreeMap<String, f64> {
        sums.into_iter().map(|(series, sum)| (series.to_owned(), sum)).collect()
    }

    #[test]
    fn requests_of_matching_hosts_are_counted_by_host_method_path_and_status() {
        let mut sender = sender(r#", "match_hosts": ["example.com"]"#);
        observe(&mut sender, b"Example.com:18000", b"/test?x=1", Some(200));
        observe(&mut sender, b"example.com", b"/test", Some(200));
        observe(&mut sender, b"example.com", b"/test", Some(503));
        observe(&mut sender, b"example.com", b"/test", None);
        observe(&mut sender, b"localhost:18000", b"/test", Some(200));
        sender.flush(at(1));
        let sums = [
            ("RequestCount example.com GET /test 0", 1.0),
            ("RequestCount example.com GET /test 200", 2.0),
            ("RequestCount example.com GET /test 503", 1.0),
        ];
        assert_eq!(series(&sender.take_records()), expected(sums));
        assert_eq!(sender.take_counts(), Counts { observed: 4, enqueued: 4, ..Counts::default() });
        sender.flush(at(2));
        assert!(sender.take_records().is_empty());
    }

    #[test]
    fn hostile_headers_become_values_that_cloudwatch_takes() {
        let mut sender = sender("");
        observe(&mut sender, b"\xff\x00\x01", b"/\x7f", Some(200));
        observe(&mut sender, b"", b"", Some(400));
        observe(&mut sender, b"h", &[b'/'; 60 * 1024], Some(200));
        sender.flush(at(1));
        let long = format!("RequestCount h GET {} 200", "/".repeat(1024));
        let sums = ["RequestCount %FF%00%01 GET /%7F 200", "RequestCount - GET - 400", &long].map(|of| (of, 1.0));
        assert_eq!(series(&sender.take_records()), expected(sums));
    }

    #[test]
    fn each_request_counts_once_in_each_set_that_has_all_its_values() {
        let mut sender = sender(
            r#", "metrics": ["RequestCount", "5XXError"],
                "dimensions": {"Service": "checkout", "Tenant": {"request_header": "x-tenant"},
                    "Zone": {"request_header": "x-zone", "default": "none"}, "Code": {"property": "response.code"}},
                "dimension_sets": [[], ["Service"], ["Tenant", "status_class"], ["Zone", "route"], ["Code"]]"#,
        );
        let mut tenant = headers(b"example.com", b"/");
        tenant.push((b"x-tenant", b"blue"));
        let code = 500i64.to_le_bytes();
        observe_with(&mut sender, &tenant, &[("response\0code", &code), ("xds\0route_name", b"main")]);
        observe_with(&mut sender, &headers(b"example.com", b"/"), &[("response\0code", &200i64.to_le_bytes())]);
        observe_with(&mut sender, &headers(b"example.com", b"/"), &[]);
        sender.flush(at(1));
        let sums = [
            ("RequestCount", 3.0),
            ("5XXError", 1.0),
            ("RequestCount checkout", 3.0),
            ("5XXError checkout", 1.0),
            ("RequestCount blue 5XX", 1.0),
            ("5XXError blue 5XX", 1.0),
            ("RequestCount none main", 1.0),
            ("5XXError none main", 1.0),
            ("RequestCount 500", 1.0),
            ("5XXError 500", 1.0),
            ("RequestCount 200", 1.0),
            ("5XXError 200", 0.0),
        ];
        assert_eq!(series(&sender.take_records()), expected(sums));
        assert_eq!(sender.take_counts().observed, 20);
    }

    /// The headers and attributes that the sender reads of one request.
    fn reads(rest: &str, host: &[u8], content_type: &[u8], phase: HeaderPhase) -> Vec<String> {
        let mut sender = sender(rest);
        let mut headers = headers(host, b"/");
        headers.push((b"content-type", content_type));
        let names = std::cell::RefCell::new(Vec::new());
        let mut header = reader(&headers);
        let logged = |name: &str| {
            names.borrow_mut().push(name.to_owned());
            header(name)
        };
        if let Some(observation) = sender.begin(logged, phase) {
            sender.finish(observation, |path| {
                names.borrow_mut().push(path.replace('\0', "."));
                None
            });
        }
        names.into_inner()
    }

    #[test]
    fn the_sender_reads_only_what_the_configuration_needs() {
        let read = |rest: &str| reads(rest, b"example.com", b"text/plain", HeaderPhase::Arrival);
        assert_eq!(read(""), [":authority", ":method", ":path", "response.code"]);
        assert_eq!(read(r#", "dimension_sets": [["host"]]"#), [":authority"]);
        let sets = r#", "normalize_path": true, "dimensions": { "tenant": { "request_header": "x-tenant" } },
            "dimension_sets": [["path", "path_template"], ["path", "tenant"]]"#;
        assert_eq!(read(sets), [":authority", ":path", "x-tenant"]);
        let rest = r#", "metrics": ["GrpcError", "Latency", "HTTPCode_Target_5XX_Count"],
            "dimension_sets": [["host", "route"], ["route", "status"]]"#;
        let headers = [":authority", "content-type"];
        let attributes = ["response.code", "request.duration", "response.backend_latency"];
        let expected = |more: &[&'static str]| [&headers, &attributes[..], more].concat();
        assert_eq!(read(rest), expected(&["xds.route_name"]));
        let grpc = reads(rest, b"example.com", b"application/grpc", HeaderPhase::Arrival);
        assert_eq!(grpc, expected(&["response.grpc_status", "xds.route_name"]));
    }

    #[test]
    fn a_host_that_does_not_match_costs_one_read_as_a_filter_and_two_as_an_access_logger() {
        let read = |phase| reads(r#", "match_hosts": ["example.org"]"#, b"example.com", b"", phase);
        assert_eq!(read(HeaderPhase::Arrival), [":authority"]);
        assert_eq!(read(HeaderPhase::End), ["x-envoy-original-host", ":authority"]);
    }

    #[test]
    fn paths_are_counted_by_their_templates() {
        let dimensions = r#""dimension_sets": [["path_template"]]"#;
        let mut templates = sender(&format!(r#", {dimensions}, "path_templates": ["/users/{{id}}"]"#));
        let mut guesses = sender(&format!(r#", {dimensions}, "normalize_path": true"#));
        for path in ["/users/1?x", "/users/2", "/shops/3"] {
            observe(&mut templates, b"h", path.as_bytes(), None);
            observe(&mut guesses, b"h", path.as_bytes(), None);
        }
        templates.flush(at(1));
        guesses.flush(at(1));
        let sums = [("RequestCount /users/{id}", 2.0), ("RequestCount other", 1.0)];
        assert_eq!(series(&templates.take_records()), expected(sums));
        let sums = [("RequestCount /users/{id}", 2.0), ("RequestCount /shops/{id}", 1.0)];
        assert_eq!(series(&guesses.take_records()), expected(sums));
    }

    #[test]
    fn the_limit_is_for_all_sets_together_and_each_set_keeps_its_total() {
        let mut sender = sender(r#", "max_series": 5, "dimension_sets": [["path"], ["host"], []]"#);
        for n in 0..100 {
            observe(&mut sender, b"h", format!("/{}", n % 10).as_bytes(), None);
        }
        sender.flush(at(1));
        let sums = series(&sender.take_records());
        assert_eq!(sums["RequestCount h"], 100.0);
        assert_eq!(sums["RequestCount"], 100.0);
        assert_eq!(sums["RequestCount __other__"], 70.0);
        assert_eq!(sums.len(), 6);
    }

    #[test]
    fn what_is_in_progress_is_told_by_what_is_known_at_the_start() {
        let mut sender = sender(
            r#", "metrics": ["RequestCount", "RequestsInProgress", "ConcurrencyUtilization"], "concurrency": 8,
                "dimension_sets": [["host", "status"], ["host"]]"#,
        );
        assert!(sender.counts_progress());
        let enter = |sender: &mut Sender, second| {
            let headers = headers(b"h", b"/");
            let mut observation = sender.begin(reader(&headers), HeaderPhase::Arrival).unwrap();
            sender.enter(&mut observation, at(second).wall);
            observation
        };
        let (one, other) = (enter(&mut sender, 0), enter(&mut sender, 1));
        for (observation, second) in [(one, 2), (other, 4)] {
            sender.leave(&observation, at(second).wall);
            finish(&mut sender, observation, &[]);
        }
        sender.flush(at(5));
        let records = sender.take_records();
        // At the ends of the seconds 0 to 4: 1, 2, 1, 1, 0.
        let sums = [
            ("RequestCount h 0", 2.0),
            ("RequestCount h", 2.0),
            ("RequestsInProgress h", 5.0),
            ("ConcurrencyUtilization h", 62.5),
        ];
        assert_eq!(series(&records), expected(sums));
        assert_eq!(sender.take_counts(), Counts { observed: 4, enqueued: 4, ..Counts::default() });

        // Another worker's shares of the same seconds are added to them, wherever that happens.
        for record in &records {
            sender.take_back(record).unwrap();
        }
        let observation = enter(&mut sender, 5);
        sender.end_progress();
        assert!(!sender.counts_progress());
        sender.leave(&observation, at(6).wall);
        finish(&mut sender, observation, &[]);
        sender.flush(at(7));
        let sums = series(&sender.take_records());
        assert_eq!((sums["RequestsInProgress h"], sums["RequestCount h"]), (5.0, 3.0));
    }

    #[test]
    fn without_a_receiver_the_queue_does_not_grow_and_nothing_is_lost() {
        let mut sender = sender("");
        let mut queue: Vec<Vec<u8>> = Vec::new();
        for second in 0..600 {
            observe(&mut sender, b"example.com", b"/", Some(200));
            sender.flush(at(second));
            for record in queue.drain(..) {
                sender.take_back(&record).unwrap();
            }
            queue = sender.take_records();
            assert_eq!(queue.len(), 1);
        }
        assert_eq!(series(&queue).values().sum::<f64>(), 600.0);
        let counts = sender.take_counts();
        assert_eq!(counts.observed, 600);
        assert_eq!(counts.enqueued - counts.taken_back, 600);
    }

    /// The seconds at which a line is written, and how many flushes are counted, over five minutes with a request each
    /// second. `takes` says for each second whether there is a queue, and whether the receiver empties it.
    fn missing(takes: impl Fn(u64) -> (bool, bool)) -> (Vec<u64>, u64) {
        let (mut sender, mut worker) = (sender(""), sender(""));
        let (mut queue, mut lines, mut counted): (Vec<Vec<u8>>, _, _) = (Vec::new(), Vec::new(), 0);
        for second in 0..300 {
            let (has_queue, is_taken) = takes(second);
            observe(&mut sender, b"example.com", b"/", Some(200));
            sender.flush(at(second));
            if has_queue {
                // In normal service there is what another worker has just put there.
                for record in queue.drain(..) {
                    sender.take_back(&record).unwrap();
                }
                queue = sender.take_records();
            }
            if let Some(line) = sender.note_queue(has_queue, counted, at(second)) {
                assert!(line.contains("vm_id \"receiver\""), "{line}");
                lines.push(second);
            }
            counted += sender.take_counts().no_receiver;
            observe(&mut worker, b"example.com", b"/", Some(200));
            worker.flush(at(second));
            if is_taken {
                queue = worker.take_records();
            }
        }
        (lines, counted)
    }

    #[test]
    fn a_receiver_that_is_not_there_is_reported_once() {
        assert_eq!(missing(|_| (true, true)), (vec![], 0));
        assert_eq!(missing(|second| (second >= 10, second >= 10)), (vec![], 0));
        assert_eq!(missing(|_| (false, false)), (vec![11], 300 - 11));
        // It ends. Seconds later its last minute is old.
        let (lines, counted) = missing(|second| (true, second < 100));
        assert!(matches!(lines[..], [115..=180]) && counted > 100, "{lines:?} {counted}");
        // It comes back, and ends again.
        let (lines, _) = missing(|second| (second > 50, (51..100).contains(&second)));
        assert!(matches!(lines[..], [11, 115..=180]), "{lines:?}");
    }

    #[test]
    fn posted_data_of_any_time_say_nothing_of_the_receiver() {
        let metric = Metric {
            name: acpw_metric::MetricName::new("M").unwrap(),
            unit: acpw_metric::Unit::COUNT,
            resolution: acpw_metric::StorageResolution::Standard,
        };
        let mut one = acpw_metric::Distribution::exact(1);
        one.record(1.0);
        let mut sender = sender("");
        for second in 0..100 {
            let mut posted = Accumulator::default();
            let key =
                acpw_metric::PeriodKey::new(at(0).wall, acpw_metric::DataKind::STATED, Origin::default(), &metric);
            posted.file(key, &acpw_metric::Dimensions::default(), &metric, &one);
            sender.take_back(&posted.into_records(1_000)[0]).unwrap();
            assert_eq!(sender.note_queue(true, 0, at(1_000 + second)), None);
        }
        assert_eq!(sender.take_counts().no_receiver, 0);
    }

    #[test]
    fn a_record_that_the_queue_refuses_is_held_again() {
        let mut sender = sender("");
        observe(&mut sender, b"example.com", b"/", Some(200));
        sender.flush(at(1));
        for record in sender.take_records() {
            sender.give_back(&record);
        }
        assert_eq!(sender.take_counts(), Counts { observed: 1, ..Counts::default() });
        assert_eq!((sender.held(), sender.is_empty()), (1, false));
        assert_eq!(series(&sender.take_records()), expected([("RequestCount example.com GET / 200", 1.0)]));
    }

    #[test]
    fn what_is_held_is_bounded_and_what_is_dropped_is_counted() {
        let mut sender = sender(r#", "max_series": 100000"#);
        let mut observed = 0;
        for minute in 0..6 {
            for n in 0..12_000 {
                observe(&mut sender, b"example.com", format!("/{n}").as_bytes(), Some(200));
                observed += 1;
            }
            sender.flush(at(60 * minute));
            assert!(sender.buffer.bytes() <= HELD_BYTES_LIMIT);
        }
        let counts = sender.take_counts();
        assert!(counts.dropped_buffer_full > 0);
        assert_eq!(counts.observed, observed);
        assert_eq!(counts.observed, sender.held() + counts.dropped_buffer_full);
    }

    #[test]
    fn what_lies_in_a_queue_without_a_receiver_is_bounded_and_what_is_dropped_is_counted() {
        let mut sender = sender(r#", "max_series": 100000"#);
        let mut queue: Vec<Vec<u8>> = Vec::new();
        for minute in 0..12 {
            for n in 0..6_000 {
                observe(&mut sender, b"example.com", format!("/{n}").as_bytes(), Some(200));
            }
            sender.flush(at(60 * minute));
            for record in queue.drain(..) {
                sender.take_back(&record).unwrap();
            }
            assert!(sender.buffer.bytes() <= HELD_BYTES_LIMIT);
            queue = sender.take_records();
        }
        let counts = sender.take_counts();
        assert!(counts.dropped_buffer_full > 0);
        let queued = series(&queue).values().map(|sum| *sum as u64).sum::<u64>();
        assert_eq!(counts.observed, queued + counts.dropped_buffer_full);
        assert_eq!(counts.enqueued - counts.taken_back + counts.dropped_buffer_full, counts.observed);
    }

    #[test]
    fn bytes_that_are_no_record_are_not_taken_back() {
        assert!(sender("").take_back(b"?").is_err());
    }
}
