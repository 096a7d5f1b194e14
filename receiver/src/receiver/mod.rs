//! The receiver without Envoy. Its inputs are events; its outputs are requests, log lines, counters and shared state.
//!
//! `context.rs`, the tests and the simulation drive it in the same way:
//!
//! 1. On a tick, [`begin_drain`], then [`handle_record`] for each record in the queue while [`wants_record`] returns
//!    true. On a wake-up of the queue, the same for one record.
//! 2. On a tick, [`handle_tick`], then [`poll_callout`] until it returns nothing. Each callout is dispatched, and the
//!    result is reported to [`handle_dispatch`].
//! 3. When a callout has ended, [`handle_answer`].
//! 4. After each event, [`poll_log_line`] until it returns nothing, and [`poll_counters`].
//! 5. After a tick, [`handle_flush_requested`], [`poll_shared`], the ledger of room ([`next_room`] and
//!    [`handle_room_written`]), and [`handle_tick_end`].
//!
//! [`handle_record`]: Receiver::handle_record
//! [`begin_drain`]: Receiver::begin_drain
//! [`wants_record`]: Receiver::wants_record
//! [`handle_tick`]: Receiver::handle_tick
//! [`poll_callout`]: Receiver::poll_callout
//! [`handle_dispatch`]: Receiver::handle_dispatch
//! [`handle_answer`]: Receiver::handle_answer
//! [`poll_log_line`]: Receiver::poll_log_line
//! [`poll_counters`]: Receiver::poll_counters
//! [`handle_flush_requested`]: Receiver::handle_flush_requested
//! [`poll_shared`]: Receiver::poll_shared
//! [`next_room`]: Receiver::next_room
//! [`handle_room_written`]: Receiver::handle_room_written
//! [`handle_tick_end`]: Receiver::handle_tick_end

mod callouts;
mod shared;

use std::{collections::HashMap, time::Duration};

use acpw_metric::{Accumulator, Now, PublishTo, Record};
use log::Level;

pub use self::callouts::{Callout, Purpose};
use crate::{
    Buffer, Publisher, ReceiverConfig,
    admission::Admission,
    clock::Clock,
    counter_report::CounterReport,
    credentials::Chain,
    drain::DrainWatch,
    flush::FlushTracker,
    journal::Journal,
    names::Names,
    notice::Notice,
    otlp::{ExportContext, Exporter, ExporterSettings, notice::ExportNotice},
    pace::Pace,
    publisher::PublisherContext,
    self_metrics::{SelfMeasurement, SelfMetrics},
    series_budget::SeriesBudget,
    source::{Data, Publish, Sources},
    status::StatusHistory,
};

/// The time between two ticks. It is short enough for the shortest delays, and costs a small fraction of a percent of a
/// core.
const TICK: Duration = Duration::from_millis(200);

/// The time between two ticks while there is more work than fits into one.
const BUSY_TICK: Duration = Duration::from_millis(20);

/// The state of a receiver.
#[derive(Debug)]
pub struct Receiver {
    cluster: String,
    timeout: Duration,
    clock: Clock,
    journal: Journal,
    credentials: Chain,
    /// The clock's correction when the last request for credentials was signed.
    correction_at_call: i64,
    buffer: Buffer,
    publisher: Publisher,
    /// Publishes to an OTLP endpoint, if one is configured.
    exporter: Option<Exporter>,
    /// The services to which data are published unless they name others.
    publish_to: PublishTo,
    /// The services that are configured.
    available: PublishTo,
    sources: Sources,
    self_metrics: Option<SelfMetrics>,
    drain_watch: Option<DrainWatch>,
    flushes: FlushTracker,
    status: StatusHistory,
    admission: Admission,
    counter_report: CounterReport,
    callouts: HashMap<u32, Purpose>,
    queue: QueueState,
    pace: Pace,
}

/// The state of the queue of records, as far as the receiver knows it.
#[derive(Clone, Copy, Debug, Default)]
struct QueueState {
    /// The number of bytes of records that may be taken now.
    budget: usize,
    /// True if the queue may have more records.
    has_backlog: bool,
}

/// The event on which records are taken out of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Envoy has announced a record.
    WakeUp,
    /// A tick. Envoy does not announce records that an earlier VM left in the queue.
    Tick,
}

impl Receiver {
    /// Creates an empty receiver. `seed` varies its times within a fleet.
    pub fn new(mut config: ReceiverConfig, seed: u64) -> Self {
        let status = StatusHistory::new(&config);
        let publisher = Publisher::new(&config, seed);
        let sources = Sources::new(std::mem::take(&mut config.sources));
        let names = Names { namespace: config.namespace, request_count: config.request_count_name };
        let exporter = config.otlp.map(|otlp| {
            let settings = ExporterSettings {
                names: names.clone(),
                publish_interval: config.publish_interval,
                timeout: config.timeout,
                max_series: config.max_series,
                on_unknown_outcome: config.on_unknown_outcome,
            };
            Exporter::new(otlp, settings, seed)
        });
        let available = PublishTo { cloudwatch: !config.cluster.is_empty(), otlp: exporter.is_some() };
        Self {
            cluster: config.cluster,
            timeout: config.timeout,
            clock: Clock::default(),
            journal: Journal::default(),
            credentials: Chain::new(config.credentials, config.region, !seed),
            correction_at_call: 0,
            buffer: Buffer::new(names, config.buffer_limit, SeriesBudget::new(config.max_series)),
            publisher,
            exporter,
            publish_to: config.publish_to.within(available),
            available,
            sources,
            self_metrics: config.self_metrics.then(|| SelfMetrics::new(config.publish_interval)),
            drain_watch: config.admin_cluster.map(DrainWatch::new),
            flushes: FlushTracker::default(),
            status,
            admission: Admission::default(),
            counter_report: CounterReport::default(),
            callouts: HashMap::new(),
            queue: QueueState::default(),
            pace: Pace::default(),
        }
    }

    /// Starts to take records out of the queue: one record on a wake-up, or as many as fit into a tick.
    pub fn begin_drain(&mut self, trigger: Trigger) {
        self.queue.budget = match trigger {
            Trigger::WakeUp => 1,
            Trigger::Tick => self.pace.bytes(),
        };
    }

    /// Returns true if another record should be taken out of the queue now.
    pub fn wants_record(&self) -> bool {
        self.queue.budget > 0
    }

    /// Merges a record, or handles that the queue is empty. Invalid records are counted and skipped.
    pub fn handle_record(&mut self, record: Option<&[u8]>, now: Now) {
        let Some(bytes) = record else {
            self.queue = QueueState::default();
            return;
        };
        self.queue.has_backlog = true;
        self.queue.budget = self.queue.budget.saturating_sub(bytes.len().max(1));
        match Record::decode(bytes) {
            Ok(record) => {
                let corrected = self.clock.correct(now);
                let publish_to = self.services(record.origin().publish_to, now.steady);
                self.admission.count_arrived(record.posted_memory());
                if publish_to.cloudwatch {
                    self.journal.count_received(record.samples());
                    self.buffer.merge(&record, self.clock.skew(), now.steady);
                    self.handle_overflow(now.steady);
                    self.keep_within_limit(corrected);
                }
                if publish_to.otlp {
                    let skew = self.clock.skew();
                    self.export(corrected, |exporter, parts| exporter.merge(&record, skew, parts));
                }
            }
            Err(error) => {
                self.journal.counts.bad_records = self.journal.counts.bad_records.saturating_add(1);
                self.journal.log(&Notice::BadRecord(error.to_string()), now.steady);
            }
        }
    }

    /// Runs the periodic work: parses responses of sources, adds derived values, drops data that is too old, and starts
    /// a publication if one is due.
    pub fn handle_tick(&mut self, now: Now) {
        let now = self.clock.correct(now);
        for Data { data, publish, publish_to } in self.sources.poll_data() {
            let publish_to = self.services(publish_to, now.steady);
            self.add(data, publish, publish_to, now);
        }
        if let (Some(exporter), Some(attributes)) = (&mut self.exporter, self.sources.poll_resource()) {
            exporter.set_detected(attributes);
        }
        self.journal.counts.set_sources(self.sources.counts());
        while let Some(notice) = self.sources.poll_notice() {
            self.journal.log(&notice, now.steady);
        }
        self.add_self_metrics(now);
        self.buffer.add_derived(now.wall);
        self.journal.count_too_old(self.buffer.drop_too_old(now.wall), now.steady);
        self.keep_within_limit(now);
        self.credentials.handle_time(now);
        self.log_credentials(now);
        let work = self.pace.bytes();
        let (publisher, mut context) = self.publisher_and_context(now);
        publisher.handle_time(work, &mut context);
        self.export(now, |exporter, parts| exporter.handle_time(work, parts));
    }

    /// Returns the next line for Envoy's log.
    pub fn poll_log_line(&mut self, now: Now) -> Option<(Level, String)> {
        let (level, line) = self.journal.poll_log_line()?;
        self.status.record_line(level, &line, now);
        Some((level, line))
    }

    /// Ends a tick that took `duration`. Returns the time until the next one, which is shorter while there is more work
    /// than fits into one.
    pub fn handle_tick_end(&mut self, duration: Duration) -> Duration {
        let is_exporting = self.exporter.as_ref().is_some_and(Exporter::is_working);
        let has_more = self.queue.has_backlog || self.publisher.is_working() || is_exporting;
        self.pace.handle_tick_end(duration, has_more);
        if has_more { BUSY_TICK } else { TICK }
    }

    fn publisher_and_context(&mut self, now: Now) -> (&mut Publisher, PublisherContext<'_>) {
        let Self { publisher, clock, credentials, buffer, journal, .. } = self;
        (publisher, PublisherContext { now, clock, credentials, buffer, journal })
    }

    fn add_self_metrics(&mut self, now: Now) {
        let measurement = SelfMeasurement {
            counts: self.journal.counts,
            held_bytes: self.held_bytes(),
            since_success: self.publisher.since_success(now.steady),
        };
        let data = self.self_metrics.as_mut().and_then(|metrics| metrics.poll(now.steady, now.wall, measurement));
        if let Some(data) = data {
            self.add(data, Publish::Interval, self.publish_to, now);
        }
    }

    /// Adds data of the receiver's own or of a source. The OTLP endpoint gets all data at the end of their period.
    fn add(&mut self, data: Accumulator, publish: Publish, publish_to: PublishTo, now: Now) {
        if publish_to.otlp {
            self.export(now, |exporter, parts| exporter.add(&data, parts));
        }
        if publish_to.cloudwatch {
            self.journal.count_received(data.samples());
            match publish {
                Publish::Interval => self.buffer.add(data),
                Publish::Now => self.buffer.add_due(data),
            }
        }
    }

    /// Returns the services to which data are published that name `wanted`.
    fn services(&mut self, wanted: Option<PublishTo>, now: Duration) -> PublishTo {
        let wanted = wanted.unwrap_or(self.publish_to);
        let publish_to = wanted.within(self.available);
        if publish_to != wanted {
            let used = if publish_to.otlp { "otlp" } else { "cloudwatch" };
            self.journal.log(&Notice::Export(ExportNotice::NotConfigured { used }), now);
        }
        publish_to
    }

    /// Calls a function of the exporter, if there is one. `now` is the corrected time.
    fn export<T>(&mut self, now: Now, call: impl FnOnce(&mut Exporter, &mut ExportContext<'_>) -> T) -> Option<T> {
        let Self { exporter, clock, credentials, journal, .. } = self;
        Some(call(exporter.as_mut()?, &mut ExportContext { now, clock, credentials, journal }))
    }

    fn keep_within_limit(&mut self, now: Now) {
        let dropped = self.buffer.keep_within_limit(self.publisher.bytes(), now.wall);
        self.journal.count_received(self.buffer.take_derived());
        self.journal.count_buffer_full(dropped, now.steady);
    }

    fn handle_overflow(&mut self, now: Duration) {
        let budget = self.buffer.series_budget_mut();
        let counts = &mut self.journal.counts;
        counts.overflowed = counts.overflowed.saturating_add(budget.take_overflow());
        if let Some(notice) = budget.poll_notice() {
            self.journal.log(&notice, now);
        }
    }
}
