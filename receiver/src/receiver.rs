//! The receiver without Envoy: events in, requests, log lines and shared state out.
//!
//! Driven by `context.rs`, by tests and by the simulation, all in the same way. On a tick: [`begin_drain`] and [`handle_record`] for the records
//! in the queue while [`wants_record`] says so, then [`handle_tick`], then [`poll_callout`] until there is none; each callout
//! is dispatched, which [`handle_dispatched`] or [`handle_undispatched`] reports. When a callout ends: [`handle_answer`]. After any event:
//! [`poll_line`] until there is none. After a tick: [`handle_flush_requested`], [`poll_shared`], and the ledger by [`next_room`]
//! and [`handle_room_written`].
//!
//! [`handle_record`]: Receiver::handle_record
//! [`begin_drain`]: Receiver::begin_drain
//! [`wants_record`]: Receiver::wants_record
//! [`handle_tick`]: Receiver::handle_tick
//! [`poll_callout`]: Receiver::poll_callout
//! [`handle_dispatched`]: Receiver::handle_dispatched
//! [`handle_undispatched`]: Receiver::handle_undispatched
//! [`handle_answer`]: Receiver::handle_answer
//! [`poll_line`]: Receiver::poll_line
//! [`handle_flush_requested`]: Receiver::handle_flush_requested
//! [`poll_shared`]: Receiver::poll_shared
//! [`next_room`]: Receiver::next_room
//! [`handle_room_written`]: Receiver::handle_room_written

use std::{collections::HashMap, time::Duration};

use acpw_metric::{Now, Record};
use acpw_shared_state::{FLUSH_DONE_KEY, FlushNumber, RoomLedger, STATUS_KEY};

use crate::{
    Answer, Buffer, Config, Counts, Publisher, TransmitId,
    admission::Admission,
    call::{CREDENTIALS_LIMIT, Call, Response},
    clock::Clock,
    credentials::Chain,
    drain::DrainWatch,
    flush::{self, Flushes},
    journal::Journal,
    names::Names,
    notice::{Level, Notice},
    publisher::Parts,
    self_metrics::{Reading, SelfMetrics},
    series_budget::SeriesBudget,
    source::{Data, Head, Publish, SourceId, Sources},
    status::{Snapshot, StatusBook},
};

/// Time between two ticks: short enough for the shortest delays, and a small fraction of a percent of a core.
const TICK: Duration = Duration::from_millis(200);

/// Time between two ticks while there is more work than fits into one.
const BUSY_TICK: Duration = Duration::from_millis(20);

/// Bytes of records that are merged in one tick: a few milliseconds of work. Every record also has a wake-up.
const DRAIN_BYTES: usize = 64 * 1024;

/// Bytes that are read of an answer: an error that names a thousand data fits.
const ANSWER_LIMIT: usize = 256 * 1024;

/// All state of a receiver.
#[derive(Debug)]
pub struct Receiver {
    cluster: String,
    timeout: Duration,
    clock: Clock,
    journal: Journal,
    credentials: Chain,
    /// What the clock had learnt when the last call for credentials was signed.
    learnt_at_call: i64,
    buffer: Buffer,
    publisher: Publisher,
    sources: Sources,
    self_metrics: Option<SelfMetrics>,
    drain_watch: Option<DrainWatch>,
    flushes: Flushes,
    status: StatusBook,
    admission: Admission,
    callouts: HashMap<u32, Purpose>,
    queue: QueueState,
}

/// What is known of the queue.
#[derive(Clone, Copy, Debug, Default)]
struct QueueState {
    /// Bytes of records that may be taken now.
    budget: usize,
    /// Whether records are left.
    has_backlog: bool,
}

/// Event on which records are taken out of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Envoy has announced a record.
    WakeUp,
    /// A tick. Records that an earlier VM left in the queue are announced to nobody.
    Tick,
}

/// Purpose of a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Publishes a payload.
    Publish(TransmitId),
    /// Fetches credentials.
    FetchCredentials,
    /// Asks a source for data.
    AskSource(SourceId),
    /// Asks Envoy whether it is being drained.
    AskReady,
}

/// Request to send, and its purpose.
#[derive(Debug)]
pub struct Callout {
    /// What it is for.
    pub purpose: Purpose,
    /// The request.
    pub call: Call,
}

impl Receiver {
    /// Creates a receiver that holds nothing. `seed` makes it differ from the others of a fleet.
    pub fn new(mut config: Config, seed: u64) -> Self {
        let status = StatusBook::new(&config);
        let publisher = Publisher::new(&config, seed);
        let sources = Sources::new(std::mem::take(&mut config.sources));
        let names = Names { namespace: config.namespace, request_count: config.request_count_name };
        Self {
            cluster: config.cluster,
            timeout: config.timeout,
            clock: Clock::default(),
            journal: Journal::default(),
            credentials: Chain::new(config.credentials, config.region, !seed),
            learnt_at_call: 0,
            buffer: Buffer::new(names, config.buffer_limit, SeriesBudget::new(config.max_series)),
            publisher,
            sources,
            self_metrics: config.self_metrics.then(|| SelfMetrics::new(config.publish_interval)),
            drain_watch: config.admin_cluster.map(DrainWatch::new),
            flushes: Flushes::default(),
            status,
            admission: Admission::default(),
            callouts: HashMap::new(),
            queue: QueueState::default(),
        }
    }

    /// Starts to take records out of the queue: one for its wake-up, or as many as fit into a tick.
    pub fn begin_drain(&mut self, trigger: Trigger) {
        self.queue.budget = match trigger {
            Trigger::WakeUp => 1,
            Trigger::Tick => DRAIN_BYTES,
        };
    }

    /// Returns whether another record is to be taken out of the queue now.
    pub fn wants_record(&self) -> bool {
        self.queue.budget > 0
    }

    /// Merges a record, or takes note that the queue is empty. Bytes that are not a record are counted and skipped.
    pub fn handle_record(&mut self, record: Option<&[u8]>, now: Now) {
        let Some(bytes) = record else {
            self.queue = QueueState::default();
            return;
        };
        self.queue.has_backlog = true;
        self.queue.budget = self.queue.budget.saturating_sub(bytes.len().max(1));
        match Record::decode(bytes) {
            Ok(record) => {
                self.journal.receive(record.samples());
                let corrected = self.clock.correct(now);
                self.buffer.merge(&record, self.clock.skew(), now.steady);
                self.admission.arrive(record.posted_memory());
                self.handle_overflow(now.steady);
                self.keep_within_limit(corrected);
            }
            Err(error) => {
                self.journal.counts.bad_records = self.journal.counts.bad_records.saturating_add(1);
                self.journal.log(&Notice::BadRecord(error.to_string()), now.steady);
            }
        }
    }

    /// Does what is due by time: reads sources' answers, makes samples of gauges and zeros, drops what is too old, and starts a
    /// publication.
    pub fn handle_tick(&mut self, now: Now) {
        let now = self.clock.correct(now);
        for Data { data, publish } in self.sources.poll_data() {
            self.journal.receive(data.samples());
            match publish {
                Publish::Interval => self.buffer.add(data),
                Publish::Now => self.buffer.add_due(data),
            }
        }
        self.journal.counts.set_sources(self.sources.counts());
        while let Some(notice) = self.sources.poll_notice() {
            self.journal.log(&notice, now.steady);
        }
        self.measure_itself(now);
        self.buffer.make(now.wall);
        self.journal.drop_too_old(self.buffer.drop_too_old(now.wall), now.steady);
        self.keep_within_limit(now);
        self.credentials.handle_time(now);
        self.log_credentials(now);
        let (publisher, mut parts) = self.parts(now);
        publisher.handle_time(&mut parts);
    }

    /// Returns the next request to send. To be called on a tick only: dispatched while Envoy shuts down, it would crash it.
    pub fn poll_callout(&mut self, now: Now) -> Option<Callout> {
        let now = self.clock.correct(now);
        if let Some(call) = self.drain_watch.as_mut().and_then(|watch| watch.poll(now.steady)) {
            return Some(Callout { purpose: Purpose::AskReady, call });
        }
        if let Some(call) = self.credentials.poll_call(now) {
            self.learnt_at_call = self.clock.learnt();
            self.log_credentials(now);
            return Some(Callout { purpose: Purpose::FetchCredentials, call });
        }
        self.log_credentials(now);
        if let Some((id, call)) = self.sources.poll_call(now) {
            return Some(Callout { purpose: Purpose::AskSource(id), call });
        }
        let (publisher, mut parts) = self.parts(now);
        let transmit = publisher.poll_transmit(&mut parts)?;
        let call = Call::of_transmit(&self.cluster, transmit.headers, transmit.body, self.timeout);
        Some(Callout { purpose: Purpose::Publish(transmit.id), call })
    }

    /// Remembers that a callout was dispatched under this token.
    pub fn handle_dispatched(&mut self, purpose: Purpose, token: u32) {
        self.callouts.insert(token, purpose);
    }

    /// Handles a callout that could not be dispatched, so it was not sent.
    pub fn handle_undispatched(&mut self, purpose: Purpose, reason: &str, now: Now) {
        match purpose {
            Purpose::Publish(id) => {
                let reason = format!("cloud_watch_cluster_name \"{}\": {reason}", self.cluster);
                self.handle_publish_answer(id, &Answer::Missing { may_be_stored: false, reason }, now);
            }
            Purpose::FetchCredentials => self.handle_credentials(&Response::Missing(reason.to_owned()), now),
            Purpose::AskSource(id) => {
                let now = self.clock.correct(now);
                self.sources.handle_undispatched(id, reason, now);
            }
            Purpose::AskReady => {
                if let Some(notice) = self.drain_watch.as_mut().and_then(|watch| watch.handle_undispatched(reason)) {
                    self.journal.log(&notice, now.steady);
                }
            }
        }
    }

    /// Handles the end of a callout. `header` returns a header of the answer by its lower-case name, `body` at most the given
    /// number of bytes of its body.
    pub fn handle_answer(
        &mut self,
        token: u32,
        header: impl Fn(&str) -> Option<Vec<u8>>,
        body: impl FnOnce(usize) -> Vec<u8>,
        now: Now,
    ) {
        match self.callouts.remove(&token) {
            Some(Purpose::Publish(id)) => {
                self.handle_publish_answer(id, &Answer::new(header, &body(ANSWER_LIMIT)), now);
            }
            Some(Purpose::FetchCredentials) => {
                let body = body(CREDENTIALS_LIMIT.saturating_add(1));
                self.handle_credentials(&Response::new(header, body, CREDENTIALS_LIMIT), now);
            }
            Some(Purpose::AskSource(id)) => {
                let limit = self.sources.answer_limit(id);
                let head = Head::new(&header);
                let answer = Response::new(header, body(limit.saturating_add(1)), limit);
                self.handle_source_answer(id, &head, answer, now);
            }
            Some(Purpose::AskReady) => {
                if let Some(watch) = &mut self.drain_watch {
                    let (is_draining, notice) = watch.handle_answer(&body(ANSWER_LIMIT));
                    self.publisher.set_draining(is_draining);
                    if let Some(notice) = notice {
                        self.journal.log(&notice, now.steady);
                    }
                }
            }
            None => {}
        }
    }

    /// Handles CloudWatch's answer to a payload.
    pub fn handle_publish_answer(&mut self, id: TransmitId, answer: &Answer, now: Now) {
        let now = self.clock.correct(now);
        let (publisher, mut parts) = self.parts(now);
        publisher.handle_answer(id, answer, &mut parts);
    }

    /// Handles the answer to a request for credentials.
    pub fn handle_credentials(&mut self, answer: &Response, now: Now) {
        let learnt_at_call = self.learnt_at_call;
        if let Some(difference) = self.credentials.clock_difference(answer, now) {
            let (_, mut parts) = self.parts(now);
            parts.learn(difference, learnt_at_call);
        }
        let now = self.clock.correct(now);
        self.credentials.handle_answer(answer, now);
        self.log_credentials(now);
    }

    /// Handles the answer of a source.
    pub fn handle_source_answer(&mut self, id: SourceId, head: &Head, answer: Response, now: Now) {
        let now = self.clock.correct(now);
        self.sources.handle_answer_with(id, head, answer, now);
    }

    /// Returns the next line for Envoy's log.
    pub fn poll_line(&mut self, now: Now) -> Option<(Level, String)> {
        let (level, line) = self.journal.poll_line()?;
        self.status.remember(level, &line, now);
        Some((level, line))
    }

    /// Returns the time between two ticks: shorter while there is more to do than fits into one.
    pub fn pace(&self) -> Duration {
        if self.queue.has_backlog || self.publisher.is_working() { BUSY_TICK } else { TICK }
    }

    /// Sets the number of flushes that gateways have requested.
    pub fn handle_flush_requested(&mut self, requested: FlushNumber) {
        self.flushes.set_requested(requested);
    }

    /// Returns the shared state to write now, each value with its key.
    pub fn poll_shared(&mut self, now: Now) -> Vec<(&'static str, Vec<u8>)> {
        let mut shared = Vec::new();
        // Records that are still in the queue are part of a flush.
        if !self.queue.has_backlog {
            let corrected = self.clock.correct(now);
            let done = self.flushes.poll(&mut self.publisher, &mut self.buffer, corrected);
            shared.extend(done.map(|number| (FLUSH_DONE_KEY, flush::done(number, self.held()).encode())));
        }
        if self.status.is_due(now) {
            let (snapshot, biggest) = (self.snapshot(now), self.publisher.cardinality().biggest());
            shared.push((STATUS_KEY, self.status.write(snapshot, biggest, now).encode()));
        }
        shared
    }

    /// Returns whether gateways should have a new ledger before the next tick.
    pub fn is_room_urgent(&self) -> bool {
        self.admission.is_urgent(self.buffer.room_for_posts(self.publisher.bytes()))
    }

    /// Returns the ledger to write in place of this one; a receiver writes the first before it is asked anything.
    pub fn next_room(&self, ledger: RoomLedger, now: Now) -> RoomLedger {
        let room = self.buffer.room_for_posts(self.publisher.bytes());
        self.admission.next(ledger, room, !self.queue.has_backlog, now.steady)
    }

    /// Takes note that a ledger was written.
    pub fn handle_room_written(&mut self, ledger: RoomLedger, now: Now) {
        self.admission.handle_written(ledger, now.steady);
    }

    /// Returns what has become of values and requests since the start.
    pub fn counts(&self) -> &Counts {
        &self.journal.counts
    }

    /// Returns the number of values that are held: received, and neither published nor dropped.
    pub fn held(&self) -> u64 {
        self.buffer.samples().saturating_add(self.publisher.samples())
    }

    /// Returns about how many bytes of memory they take.
    pub fn held_bytes(&self) -> usize {
        self.buffer.bytes().saturating_add(self.publisher.bytes())
    }

    /// Returns the state of the receiver at this moment.
    pub fn snapshot(&self, now: Now) -> Snapshot {
        Snapshot {
            counts: self.journal.counts,
            held: self.held(),
            held_bytes: self.held_bytes(),
            held_series: self.buffer.series(),
            clock_skew: self.clock.skew(),
            seconds_since_success: self.publisher.since_success(now.steady).as_secs(),
            credentials: self.credentials.in_use(),
            prediction: self.publisher.prediction(),
        }
    }

    fn parts(&mut self, now: Now) -> (&mut Publisher, Parts<'_>) {
        let Self { publisher, clock, credentials, buffer, journal, .. } = self;
        (publisher, Parts { now, clock, credentials, buffer, journal })
    }

    fn measure_itself(&mut self, now: Now) {
        let reading = Reading {
            counts: self.journal.counts,
            held_bytes: self.held_bytes(),
            since_success: self.publisher.since_success(now.steady),
        };
        let data = self.self_metrics.as_mut().and_then(|metrics| metrics.poll(now.steady, now.wall, reading));
        if let Some(data) = data {
            self.journal.receive(data.samples());
            self.buffer.add(data);
        }
    }

    fn keep_within_limit(&mut self, now: Now) {
        let dropped = self.buffer.keep_within_limit(self.publisher.bytes(), now.wall);
        self.journal.receive(self.buffer.take_made());
        self.journal.drop_for_memory(dropped, now.steady);
    }

    fn handle_overflow(&mut self, now: Duration) {
        let budget = self.buffer.series_budget_mut();
        let counts = &mut self.journal.counts;
        counts.overflowed = counts.overflowed.saturating_add(budget.take_overflow());
        if let Some(notice) = budget.poll_notice() {
            self.journal.log(&notice, now);
        }
    }

    fn log_credentials(&mut self, now: Now) {
        while let Some(notice) = self.credentials.poll_notice() {
            let counts = &mut self.journal.counts;
            match &notice {
                Notice::CredentialsLoaded { .. } => {
                    counts.credentials_refreshed = counts.credentials_refreshed.saturating_add(1);
                }
                Notice::CredentialsFailed { .. } => {
                    counts.credentials_failed = counts.credentials_failed.saturating_add(1);
                }
                _ => {}
            }
            self.journal.log(&notice, now.steady);
        }
    }
}
