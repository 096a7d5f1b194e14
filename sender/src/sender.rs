//! The sender of one worker thread: what it aggregates, holds and enqueues.

use std::time::Duration;

use acpw_metric::{DimensionName, MergeRule, Metric, Now, Origin, RecordError, Timestamp};

use crate::{
    Aggregator, HeaderPhase, LogLine, PendingRequest, RecordBuffer, RequestObserver, SenderConfig, ValueCounts,
    aggregator::Slot,
    builtin_metric::BuiltinMetric,
    dimension::{DimensionDefinition, DimensionSource},
    receiver_watch::{QueueState, ReceiverWatch},
};

/// The maximum time that data stay in the queue if a receiver takes them.
const MAX_QUEUED: Duration = Duration::from_secs(5);

/// The sender of one worker thread.
///
/// For each request, call [`start_request`](Self::start_request). If it returns a request, pass that to
/// [`end_request`](Self::end_request) when the stream ends. If the start of the stream is visible, also call
/// [`track_in_flight`](Self::track_in_flight) after `start_request` and [`untrack_in_flight`](Self::untrack_in_flight)
/// before `end_request`.
///
/// On each tick:
///
/// 1. Call [`flush`](Self::flush).
/// 2. If there is a queue, pass every record that is still in it to [`take_back`](Self::take_back). Then enqueue the
///    records from [`take_records`](Self::take_records), and pass those that the queue refuses to
///    [`restore`](Self::restore).
/// 3. Call [`check_receiver`](Self::check_receiver), with or without a queue.
#[derive(Debug)]
pub struct Sender {
    observer: RequestObserver,
    /// The metrics that are measured once per request.
    metrics: Vec<BuiltinMetric>,
    /// The unit of times in nanoseconds.
    time_unit: f64,
    sets: Vec<DimensionSet>,
    max_series: usize,
    /// The number of series in all sets.
    series: usize,
    origin: Origin,
    /// The dimensions with a constant value. If the receiver has no room for a series, it keeps these dimensions.
    constants: Vec<DimensionName>,
    buffer: RecordBuffer,
    receiver_vm_id: String,
    receiver_watch: ReceiverWatch,
    flush_interval: Duration,
    /// The time of the last flush.
    since: Timestamp,
    /// A buffer for the key of a request.
    key: Vec<u8>,
    /// A buffer for the values of a request, each with the index of its metric.
    values: Vec<(usize, f64)>,
}

/// A dimension set.
#[derive(Debug)]
struct DimensionSet {
    /// The indexes of its dimensions that are not constant.
    indexes: Vec<usize>,
    aggregator: Aggregator,
}

impl Sender {
    /// Creates a sender. `now` is the start of its first flush interval.
    pub fn new(config: SenderConfig, now: Now) -> Self {
        let with_rule = |rule| config.metrics.list.iter().filter(move |(builtin, _)| builtin.merge_rule() == rule);
        let builtins: Vec<BuiltinMetric> = with_rule(MergeRule::Distribution).map(|(builtin, _)| *builtin).collect();
        let metrics: Vec<Metric> = with_rule(MergeRule::Distribution).map(|(_, metric)| metric.clone()).collect();
        let value_per_request = |builtin| match builtin {
            BuiltinMetric::ConcurrencyUtilization => 100.0 / config.metrics.concurrency,
            _ => 1.0,
        };
        let gauges: Vec<_> = with_rule(MergeRule::GaugeShares)
            .map(|(builtin, metric)| (metric.clone(), value_per_request(*builtin)))
            .collect();

        let mut dimensions: Vec<DimensionDefinition> = Vec::new();
        let mut sets = Vec::with_capacity(config.sets.len());
        for set in &config.sets {
            let (mut names, mut indexes, mut is_known_at_start) = (Vec::new(), Vec::new(), true);
            for dimension in set.iter().filter_map(|index| config.dimensions.get(*index)) {
                is_known_at_start &= dimension.source.is_known_at_start();
                let constant = match &dimension.source {
                    DimensionSource::Constant(value) => Some(value.clone()),
                    _ => {
                        let index = dimensions.iter().position(|known| known == dimension).unwrap_or(dimensions.len());
                        if index == dimensions.len() {
                            dimensions.push(dimension.clone());
                        }
                        indexes.push(index);
                        None
                    }
                };
                names.push((dimension.name.clone(), constant));
            }
            let gauges = if is_known_at_start { gauges.clone() } else { Vec::new() };
            sets.push(DimensionSet { indexes, aggregator: Aggregator::new(names, metrics.clone(), gauges) });
        }
        let is_constant = |dimension: &&DimensionDefinition| matches!(dimension.source, DimensionSource::Constant(_));
        let constants = config.dimensions.iter().filter(is_constant).map(|dimension| dimension.name.clone()).collect();
        Self {
            observer: RequestObserver::new(config.hosts, config.path_templates, &builtins, dimensions),
            metrics: builtins,
            time_unit: config.metrics.time_unit,
            sets,
            max_series: config.max_series,
            series: 0,
            origin: config.origin,
            constants,
            buffer: RecordBuffer::default(),
            receiver_vm_id: config.receiver_vm_id,
            receiver_watch: ReceiverWatch::default(),
            flush_interval: config.flush_interval,
            since: now.wall,
            key: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Starts a request. Returns `None` if its host does not match. See [`RequestObserver::start_request`].
    pub fn start_request(
        &mut self,
        header: impl FnMut(&str) -> Option<Vec<u8>>,
        phase: HeaderPhase,
    ) -> Option<PendingRequest> {
        self.observer.start_request(header, phase)
    }

    /// Returns whether a metric needs the number of requests in flight, and so must know when requests start.
    pub fn tracks_in_flight(&self) -> bool {
        self.sets.iter().any(|set| set.aggregator.has_gauges())
    }

    /// Counts a request as in flight from now on.
    pub fn track_in_flight(&mut self, request: &mut PendingRequest, now: Timestamp) {
        for (set, bit) in self.sets.iter_mut().zip(bits()) {
            if !set.aggregator.has_gauges() {
                continue;
            }
            let Some(key) = request.key(&set.indexes, &mut self.key) else { continue };
            let room = self.max_series.saturating_sub(self.series);
            let (slot, added) = set.aggregator.start_request(key, now.as_secs(), room);
            self.series = self.series.saturating_add(added);
            if slot == Slot::Overflow {
                request.overflowed |= bit;
            }
            request.tracked |= bit;
        }
    }

    /// Stops counting a request as in flight.
    pub fn untrack_in_flight(&mut self, request: &PendingRequest, now: Timestamp) {
        for (set, bit) in self.sets.iter_mut().zip(bits()) {
            if request.tracked & bit == 0 {
                continue;
            }
            if let Some(key) = request.key(&set.indexes, &mut self.key) {
                let slot = if request.overflowed & bit == 0 { Slot::Own } else { Slot::Overflow };
                set.aggregator.end_request(key, slot, now.as_secs());
            }
        }
    }

    /// Removes the metrics of requests in flight. Without further ticks, their samples could not be flushed.
    pub fn stop_tracking_in_flight(&mut self) {
        self.sets.iter_mut().for_each(|set| set.aggregator.drop_gauges());
        self.series = self.count_series();
    }

    /// Counts a request that has ended. `property` reads an Envoy attribute; see [`RequestObserver::end_request`].
    pub fn end_request(&mut self, mut request: PendingRequest, property: impl FnMut(&str) -> Option<Vec<u8>>) {
        let info = self.observer.end_request(&mut request, property);
        self.values.clear();
        let metrics = self.metrics.iter().enumerate();
        self.values.extend(metrics.filter_map(|(index, metric)| Some((index, metric.value(&info, self.time_unit)?))));
        for set in &mut self.sets {
            if let Some(key) = request.key(&set.indexes, &mut self.key) {
                let room = self.max_series.saturating_sub(self.series);
                let added = set.aggregator.observe(key, &self.values, room);
                self.series = self.series.saturating_add(added);
                self.buffer.count_observed(self.values.len() as u64);
            }
        }
        self.observer.recycle(request);
    }

    /// Ends a flush interval: moves the aggregated data into the buffer, and keeps the buffer within its memory limit.
    pub fn flush(&mut self, now: Now) {
        for set in &mut self.sets {
            set.aggregator.flush_into(self.buffer.held_mut(), &self.origin, self.since, now);
        }
        self.series = self.count_series();
        self.since = now.wall;
        self.buffer.keep_within_limit(self.since);
    }

    /// Merges a record that no receiver has taken from the queue into the buffer. See [`RecordBuffer::take_back`].
    ///
    /// # Errors
    /// Returns an error if this version cannot decode the record. Enqueue it again, unchanged, for a receiver that can.
    pub fn take_back(&mut self, record: &[u8]) -> Result<(), RecordError> {
        self.buffer.take_back(record, self.since)
    }

    /// Takes all held data, encoded as records for the queue.
    pub fn take_records(&mut self) -> Vec<Vec<u8>> {
        self.buffer.take_records(&self.constants)
    }

    /// Puts back a record from [`take_records`](Self::take_records) that could not be enqueued.
    pub fn restore(&mut self, record: &[u8]) {
        self.buffer.restore(record);
    }

    /// Checks whether a receiver takes data. Returns a line to log if it has not done so for too long.
    ///
    /// `counter` is the value of the counter [`ValueCounts::no_receiver`], which all workers share. Only one of the
    /// workers returns a line.
    pub fn check_receiver(&mut self, has_queue: bool, counter: u64, now: Now) -> Option<LogLine<'_>> {
        let limit = i64::try_from(self.flush_interval.saturating_add(MAX_QUEUED).as_millis()).unwrap_or(i64::MAX);
        let oldest = self.buffer.take_oldest_taken_back();
        let state = match oldest {
            _ if !has_queue => QueueState::Missing,
            Some(oldest) if now.wall.millis_since(oldest) > limit => QueueState::Stalled,
            _ => QueueState::Draining,
        };
        let result = self.receiver_watch.handle_flush(state, counter, now.steady);
        if result.is_absent {
            self.buffer.count_no_receiver();
        }
        let vm_id = self.receiver_vm_id.as_str();
        result.is_first_detection.then_some(match state {
            QueueState::Stalled => LogLine::StalledReceiver { vm_id },
            QueueState::Missing | QueueState::Draining => LogLine::NoReceiver { vm_id },
        })
    }

    /// Returns whether no data are held.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Returns the number of values that are held since the last flush.
    pub fn held(&self) -> u64 {
        self.buffer.samples()
    }

    /// Returns the approximate memory size of the held data in bytes.
    pub fn held_bytes(&self) -> usize {
        self.buffer.bytes()
    }

    /// Returns the counts since the last call.
    pub fn take_counts(&mut self) -> ValueCounts {
        self.buffer.take_counts()
    }

    fn count_series(&self) -> usize {
        self.sets.iter().map(|set| set.aggregator.series()).sum()
    }
}

/// Returns a bit for each dimension set.
fn bits() -> impl Iterator<Item = u32> {
    (0..u32::BITS).map(|index| 1 << index)
}
