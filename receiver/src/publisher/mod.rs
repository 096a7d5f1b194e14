//! The receiver's state: what is held, what is sent, and what became of it.

mod answers;
mod budget;
mod flush;
mod in_flight;
mod isolation;
mod log;

use std::time::Duration;

use acpw_metric::{Now, Record, Timestamp};

use self::{
    budget::Budget,
    flush::Flush,
    in_flight::{InFlight, Sent},
    log::Log,
};
use crate::{
    Buffer, Config, Counts, Payload, Transmit,
    backoff::Backoff,
    cardinality::Cardinality,
    clock::Clock,
    config::OnUnknownOutcome,
    cost::{Costs, Prediction},
    credentials::{Call, Chain, Response},
    endpoint::Region,
    lanes::LaneId,
    notice::{Level, Notice},
    outbox::{Names, Work},
    random::Random,
    schedule::Schedule,
    self_metrics::{Reading, SelfMetrics},
    source::{Data, Publish, SourceCounts},
    waiting::{Body, History, Waiting},
};

/// How long nothing is sent after CloudWatch has refused the credentials.
const DENIED_DELAY: Duration = Duration::from_secs(30);

/// Holds what senders observed and publishes it.
///
/// Driven thus: [`handle_record`](Self::handle_record) for every record in the queue. On a tick,
/// [`poll_transmit`](Self::poll_transmit) until there is none; each is dispatched, and what cannot be is told with
/// [`handle_undispatched`](Self::handle_undispatched). When a callout ends, [`handle_answer`](Self::handle_answer). The
/// same for credentials: [`poll_call`](Self::poll_call) on a tick, before the transmits, and
/// [`handle_call_answer`](Self::handle_call_answer). After any of them, [`poll_line`](Self::poll_line) until there is none.
///
/// While there are no good credentials nothing is transmitted, and data are held within the bound on memory.
///
/// A payload is sent as it is until it is delivered, and never merged with other data again, so what CloudWatch has
/// accepted is never sent twice; only an attempt without an answer leaves that open, and those are counted.
#[derive(Debug)]
pub struct Publisher {
    /// CloudWatch's, where it is not the region's.
    host: Option<String>,
    credentials: Chain,
    /// What the clock had learnt when the last call for credentials was signed.
    learnt_at_call: i64,
    schedule: Schedule,
    backoff: Backoff,
    clock: Clock,
    random: Random,
    buffer: Buffer,
    publish_interval: Duration,
    cardinality: Cardinality,
    costs: Costs,
    prediction: Prediction,
    budget: Budget,
    in_flight: InFlight,
    on_unknown_outcome: OnUnknownOutcome,
    flush: Option<Flush>,
    last_success: Option<Duration>,
    self_metrics: Option<SelfMetrics>,
    counts: Counts,
    log: Log,
}

impl Publisher {
    /// A publisher that holds nothing. `seed` makes it differ from the others of a fleet.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let names = Names { namespace: config.namespace, request_count: config.request_count_name };
        Self {
            host: config.host,
            credentials: Chain::new(config.credentials, config.region, !seed),
            learnt_at_call: 0,
            schedule: Schedule::new(config.publish_interval, &mut random),
            backoff: Backoff::default(),
            clock: Clock::default(),
            random,
            buffer: Buffer::new(names, config.buffer_limit),
            publish_interval: config.publish_interval,
            cardinality: Cardinality::default(),
            costs: Costs::default(),
            prediction: Prediction::default(),
            budget: Budget::default(),
            in_flight: InFlight::default(),
            on_unknown_outcome: config.on_unknown_outcome,
            flush: None,
            last_success: None,
            self_metrics: config.self_metrics.then(|| SelfMetrics::new(config.publish_interval)),
            counts: Counts::default(),
            log: Log::default(),
        }
    }

    /// Takes in a record from the queue. Bytes that are none are counted and skipped.
    pub fn handle_record(&mut self, bytes: &[u8], now: Now) {
        match Record::decode(bytes) {
            Ok(record) => {
                self.counts.received = self.counts.received.saturating_add(record.samples());
                let time = self.clock.read(now);
                self.buffer.merge(&record, self.clock.skew());
                self.keep_within_limit(time, now);
            }
            Err(error) => {
                self.counts.bad_records = self.counts.bad_records.saturating_add(1);
                self.tell(&Notice::BadRecord(error.to_string()), now);
            }
        }
    }

    /// Takes in what a source has measured, stamped by [`corrected`](Self::corrected) time.
    pub fn handle_data(&mut self, Data { data, publish }: Data, now: Now) {
        self.counts.received = self.counts.received.saturating_add(data.samples());
        match publish {
            Publish::Interval => self.buffer.add(data),
            Publish::Now => self.buffer.add_due(data),
        }
        let time = self.clock.read(now);
        self.keep_within_limit(time, now);
    }

    /// Takes in what has happened with all sources since the start.
    pub fn set_source_counts(&mut self, counts: SourceCounts) {
        let SourceCounts { answers, failed, gaps, over_limit, skipped_lines } = counts;
        self.counts = Counts {
            source_answers: answers,
            source_failed: failed,
            source_gaps: gaps,
            source_over_limit: over_limit,
            source_skipped_lines: skipped_lines,
            ..self.counts
        };
    }

    /// Envoy is being drained, or no longer: publishes every second while it is.
    pub fn set_draining(&mut self, is_draining: bool) {
        self.schedule.set_draining(is_draining);
    }

    /// The next request to send now, if there is one.
    pub fn poll_transmit(&mut self, now: Now) -> Option<Transmit> {
        self.budget.refill(now.steady);
        let time = self.clock.read(now);
        self.measure_itself(time, now);
        self.buffer.make(time);
        self.count_made();
        // What was too recent to be merged ages.
        self.keep_within_limit(time, now);
        let is_due = self.schedule.is_due(now.steady, self.buffer.has_pending());
        let is_flushing = self.flush.as_mut().is_some_and(|flush| flush.gathers(now.steady));
        if is_due || is_flushing {
            self.buffer.release();
        }
        self.buffer.gather(&mut self.budget.left);
        if !self.backoff.allows(now.steady, self.in_flight.len()) {
            return None;
        }
        self.credentials.handle_time(Now { wall: time, ..now });
        self.tell_of_credentials(now);
        let region_host = || self.credentials.region().map(Region::cloud_watch_host);
        let host = self.host.clone().or_else(region_host)?;
        // Without credentials nothing is taken out of the buffer.
        self.credentials.signing(time)?;
        let (lane, payload, history) = self.next_payload(time, now)?;
        let id = self.in_flight.next_id();
        let (signed_with, transmit) = match self.credentials.signing(time) {
            Some((signed_with, signing)) => (signed_with, Transmit::sign(id, &payload, &host, signing, time)),
            None => {
                self.wait_first(lane, Body::Payload(payload), history);
                return None;
            }
        };
        match transmit {
            Ok(transmit) => {
                self.costs.call(now.steady);
                if let Some(lane) = self.buffer.lanes_mut().get_mut(lane) {
                    lane.sent();
                }
                let signed_at = time;
                self.in_flight.push(Sent { id, lane, payload, history, signed_at, signed_with, at: now.steady });
                Some(transmit)
            }
            Err(error) => {
                self.wait_first(lane, Body::Payload(payload), history);
                self.backoff.fail(now.steady, DENIED_DELAY, None, &mut self.random);
                self.tell(&Notice::Undispatched(error), now);
                None
            }
        }
    }

    /// The next request for credentials to send now, if there is one. At most one is in flight.
    pub fn poll_call(&mut self, now: Now) -> Option<Call> {
        let corrected = self.corrected(now);
        let call = self.credentials.poll_call(corrected);
        if call.is_some() {
            self.learnt_at_call = self.clock.learnt();
        }
        self.tell_of_credentials(now);
        call
    }

    /// The request for credentials has its answer, or could not be dispatched.
    pub fn handle_call_answer(&mut self, answer: &Response, now: Now) {
        if let Some(difference) = self.credentials.clock_difference(answer, now) {
            self.learn_difference(difference, self.learnt_at_call, now);
        }
        let corrected = self.corrected(now);
        self.credentials.handle_answer(answer, corrected);
        self.tell_of_credentials(now);
    }

    /// The next line for Envoy's log.
    pub fn poll_line(&mut self) -> Option<(Level, String)> {
        self.log.poll()
    }

    /// What has become of values and requests since the start.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether there is more to encode and compress, so that it is worth to be called again soon.
    pub fn is_working(&self) -> bool {
        self.budget.left == 0
    }

    /// How many values are held: received, and neither published nor dropped.
    pub fn held(&self) -> u64 {
        self.buffer.samples().saturating_add(self.in_flight.samples())
    }

    /// About how many bytes of memory they take.
    pub fn held_bytes(&self) -> usize {
        self.buffer.bytes().saturating_add(self.in_flight.bytes())
    }

    /// How many data are held and not yet in a payload: series times periods.
    pub fn held_series(&self) -> usize {
        self.buffer.series()
    }

    /// The series that are published.
    pub fn cardinality(&self) -> &Cardinality {
        &self.cardinality
    }

    /// The provider of credentials that is in use, and until when they are good.
    pub fn credentials(&self) -> Option<(&'static str, Option<Timestamp>)> {
        self.credentials.in_use()
    }

    /// How many milliseconds are added to this host's clock.
    pub fn clock_skew(&self) -> i64 {
        self.clock.skew()
    }

    /// How long ago CloudWatch last took something; since the start when it never has.
    pub fn since_success(&self, now: Now) -> Duration {
        now.steady.saturating_sub(self.last_success.unwrap_or_default())
    }

    /// What a month costs, as of the last publication.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    fn count_made(&mut self) {
        self.counts.received = self.counts.received.saturating_add(self.buffer.take_made());
    }

    fn measure_itself(&mut self, time: Timestamp, now: Now) {
        let reading =
            Reading { counts: self.counts, held_bytes: self.held_bytes(), since_success: self.since_success(now) };
        let data = self.self_metrics.as_mut().and_then(|metrics| metrics.poll(now.steady, time, reading));
        if let Some(data) = data {
            self.counts.received = self.counts.received.saturating_add(data.samples());
            self.buffer.add(data);
        }
    }

    /// Returns the next payload of the lane whose turn it is: one that waits, else one of data that are due; stamped by what the
    /// clock has learnt. There is none also while it is not encoded and compressed to its end.
    fn next_payload(&mut self, time: Timestamp, now: Now) -> Option<(LaneId, Payload, History)> {
        self.drop_too_old(time, now);
        let learnt = self.clock.learnt();
        let lane = self.buffer.lanes().next(now.steady)?;
        let work = Work { budget: &mut self.budget.left, cardinality: &mut self.cardinality, now: now.steady };
        let waiting = self.buffer.next_body(lane, learnt, work);
        if let Some(notice) = self.cardinality.poll_notice(now.steady) {
            self.tell(&notice, now);
        }
        let Waiting { body, history } = waiting?;
        if matches!(body, Body::Draft(_)) && !self.buffer.has_open_data() {
            self.predict(now);
        }
        match body.seal(&mut self.budget.left) {
            Ok(payload) => {
                self.buffer.lanes_mut().end_turn(lane);
                Some((lane, payload, history))
            }
            Err(body) => {
                self.wait_first(lane, body, history);
                None
            }
        }
    }

    fn wait_first(&mut self, lane: LaneId, body: Body, history: History) {
        if let Some(lane) = self.buffer.lanes_mut().get_mut(lane) {
            lane.wait_first(Waiting { body, history });
        }
    }

    fn drop_too_old(&mut self, time: Timestamp, now: Now) {
        let too_old = self.buffer.drop_too_old(time);
        if too_old > 0 {
            self.counts.dropped_too_old = self.counts.dropped_too_old.saturating_add(too_old);
            let detail = "CloudWatch takes nothing that is older than two weeks".to_owned();
            self.tell(&Notice::Dropped { reason: "too_old", samples: too_old, detail }, now);
        }
    }

    /// Predicts and tells what the data cost, once all that are due are encoded.
    fn predict(&mut self, now: Now) {
        self.cardinality.prune(now.steady);
        self.prediction = self.costs.predict(self.cardinality.series(), self.publish_interval, now.steady);
        if let Some(notice) = self.costs.line(self.prediction, now.steady) {
            self.tell(&notice, now);
        }
    }

    fn learn_difference(&mut self, difference: i64, learnt_when_signed: i64, now: Now) {
        let before = self.clock.learnt();
        self.clock.learn(difference, learnt_when_signed);
        let news = self.clock.learnt().saturating_sub(before);
        if news != 0 {
            self.buffer.shift(news);
            self.tell(&Notice::ClockCorrected(self.clock.skew()), now);
        }
    }

    /// The time with the wall clock corrected by what CloudWatch's answers have shown.
    pub fn corrected(&mut self, now: Now) -> Now {
        Now { wall: self.clock.read(now), ..now }
    }

    fn tell_of_credentials(&mut self, now: Now) {
        while let Some(notice) = self.credentials.poll_notice() {
            match &notice {
                Notice::CredentialsLoaded { .. } => {
                    self.counts.credentials_refreshed = self.counts.credentials_refreshed.saturating_add(1);
                }
                Notice::CredentialsFailed { .. } => {
                    self.counts.credentials_failed = self.counts.credentials_failed.saturating_add(1);
                }
                _ => {}
            }
            self.tell(&notice, now);
        }
    }

    fn keep_within_limit(&mut self, time: Timestamp, now: Now) {
        let samples = self.buffer.keep_within_limit(self.in_flight.bytes(), time);
        self.count_made();
        if samples > 0 {
            self.counts.dropped_buffer_full = self.counts.dropped_buffer_full.saturating_add(samples);
            let detail = "buffer_limit_bytes is reached; other lines say why nothing is published".to_owned();
            self.tell(&Notice::Dropped { reason: "buffer_full", samples, detail }, now);
        }
    }

    /// Has this told in the log, if nothing like it was told lately.
    pub fn tell(&mut self, notice: &Notice, now: Now) {
        self.log.tell(notice, now.steady);
    }
}
