//! The receiver's state: what is held, what is sent, and what became of it.

use std::{collections::VecDeque, time::Duration};

use acpw_metric::{Now, Record, Timestamp};

use crate::{
    Answer, Buffer, Config, Counts, Disposition, Payload, Transmit, TransmitId,
    answer::Reply,
    backoff::Backoff,
    cardinality::Cardinality,
    clock::Clock,
    config::OnUnknownOutcome,
    cost::{Costs, Prediction},
    credentials::{Call, Chain, Response, SetId},
    disposition::RetryCause,
    endpoint::Region,
    notice::{Level, Limiter, Notice},
    outbox::Names,
    payload::Draft,
    random::Random,
    schedule::Schedule,
    self_metrics::{Reading, SelfMetrics},
};

/// The most payloads at once, sent or waiting to be sent again. Everything else can still be merged.
const MAX_PAYLOADS: usize = 4;

/// So many bytes are encoded and compressed within so much time: a few milliseconds of work, and then as much time at least
/// for everything else that Envoy's main thread does.
const WORK_BYTES: usize = 128 * 1024;
const WORK_INTERVAL: Duration = Duration::from_millis(15);

/// How long nothing is sent after CloudWatch has refused the credentials.
const DENIED_DELAY: Duration = Duration::from_secs(30);

/// What delays begin with, after AWS's SDKs.
const TRANSIENT_BASE: Duration = Duration::from_millis(50);
const THROTTLED_BASE: Duration = Duration::from_secs(1);

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
    payloads: VecDeque<Waiting>,
    budget: Budget,
    in_flight: Vec<InFlight>,
    next_id: u64,
    on_unknown_outcome: OnUnknownOutcome,
    flush: Option<Flush>,
    last_success: Option<Duration>,
    self_metrics: Option<SelfMetrics>,
    counts: Counts,
    limiter: Limiter,
    lines: VecDeque<(Level, String)>,
}

/// A flush under way.
#[derive(Debug)]
struct Flush {
    /// Until when, by the steady clock, it waits for what senders have not handed over yet.
    settled: Duration,
    /// Whether they have had that time: what is received from now on is not part of it, so that steady traffic does not
    /// keep it from coming to its end.
    is_gathered: bool,
}

/// A payload that is to be sent.
#[derive(Debug)]
struct Waiting {
    body: Body,
    /// What the clock had learnt when the payload was stamped.
    learnt: i64,
}

#[derive(Debug)]
enum Body {
    Draft(Draft),
    Payload(Payload),
}

impl Body {
    fn samples(&self) -> u64 {
        match self {
            Self::Draft(draft) => draft.samples(),
            Self::Payload(payload) => payload.samples(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Draft(draft) => draft.bytes(),
            Self::Payload(payload) => payload.body().len(),
        }
    }

    /// It with every datum moved by so many milliseconds.
    fn shifted(self, millis: i64) -> Self {
        let draft = match self {
            body if millis == 0 => return body,
            Self::Draft(draft) => draft,
            Self::Payload(payload) => match payload.draft() {
                Some(draft) => draft,
                None => return Self::Payload(payload),
            },
        };
        Self::Draft(draft.shifted(millis))
    }

    /// The payload that it is, or becomes with what `budget` has.
    fn seal(self, budget: &mut usize) -> Result<Payload, Self> {
        match self {
            Self::Draft(draft) => draft.seal(budget).map_err(Self::Draft),
            Self::Payload(payload) => Ok(payload),
        }
    }
}

/// How much is encoded and compressed at once: Envoy's main thread does nothing else meanwhile.
#[derive(Debug, Default)]
struct Budget {
    refilled: Option<Duration>,
    left: usize,
}

impl Budget {
    fn refill(&mut self, now: Duration) {
        if self.refilled.is_none_or(|last| now.saturating_sub(last) >= WORK_INTERVAL) {
            *self = Self { refilled: Some(now), left: WORK_BYTES };
        }
    }
}

/// A payload that was sent and has no answer yet.
#[derive(Debug)]
struct InFlight {
    id: TransmitId,
    payload: Payload,
    learnt: i64,
    signed_at: Timestamp,
    signed_with: SetId,
    sent: Duration,
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
            payloads: VecDeque::new(),
            budget: Budget::default(),
            in_flight: Vec::new(),
            next_id: 0,
            on_unknown_outcome: config.on_unknown_outcome,
            flush: None,
            last_success: None,
            self_metrics: config.self_metrics.then(|| SelfMetrics::new(config.publish_interval)),
            counts: Counts::default(),
            limiter: Limiter::default(),
            lines: VecDeque::new(),
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

    /// Publishes everything as soon as it is there, from now until [`is_flushed`](Self::is_flushed). `settle` is how long
    /// senders may take to hand over what they have observed.
    pub fn flush(&mut self, settle: Duration, now: Now) {
        self.flush = Some(Flush { settled: now.steady.saturating_add(settle), is_gathered: false });
    }

    /// Whether a flush has come to its end: senders have had their time, and nothing is held but what came after that.
    pub fn is_flushed(&mut self, now: Now) -> bool {
        let is_late = self.flush.as_ref().is_some_and(|flush| flush.is_gathered || now.steady >= flush.settled);
        let is_gathered = self.flush.as_ref().is_some_and(|flush| flush.is_gathered) || !self.buffer.has_pending();
        let is_out = !self.buffer.has_due() && self.payloads.is_empty() && self.in_flight.is_empty();
        let is_flushed = is_late && is_gathered && is_out;
        if is_flushed {
            self.flush = None;
        }
        is_flushed
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
        let is_due = self.schedule.is_due(now.steady, self.buffer.has_pending());
        let is_flushing = self.flush.as_mut().is_some_and(|flush| {
            let is_flushing = !flush.is_gathered;
            flush.is_gathered = now.steady >= flush.settled;
            is_flushing
        });
        if is_due || is_flushing {
            self.release(now);
        }
        if !self.backoff.allows(now.steady, self.in_flight.len()) {
            return None;
        }
        self.credentials.handle_time(Now { wall: time, ..now });
        self.tell_of_credentials(now);
        let region_host = || self.credentials.region().map(Region::cloud_watch_host);
        let host = self.host.clone().or_else(region_host)?;
        // Without credentials nothing is taken out of the buffer.
        self.credentials.signing(time)?;
        let (payload, learnt) = self.next_payload(time, now)?;
        let Some((signed_with, signing)) = self.credentials.signing(time) else {
            self.wait(Body::Payload(payload), learnt);
            return None;
        };
        let id = TransmitId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        match Transmit::sign(id, &payload, &host, signing, time) {
            Ok(transmit) => {
                self.costs.call(now.steady);
                self.in_flight.push(InFlight { id, payload, learnt, signed_at: time, signed_with, sent: now.steady });
                Some(transmit)
            }
            Err(error) => {
                self.wait(Body::Payload(payload), learnt);
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

    /// A request could not be dispatched, so it was not sent.
    pub fn handle_undispatched(&mut self, id: TransmitId, reason: &str, now: Now) {
        let Some(sent) = self.take_in_flight(id) else { return };
        let missing = Answer::Missing { may_be_stored: false, reason: reason.to_owned() };
        self.retry(sent, RetryCause::Unsent, None, &missing, now);
    }

    /// A callout has ended.
    pub fn handle_answer(&mut self, id: TransmitId, answer: &Answer, now: Now) {
        let Some(sent) = self.take_in_flight(id) else { return };
        let difference = self.learn(&sent, answer, now);
        match Disposition::of(answer, difference) {
            Disposition::Delivered => {
                self.credentials.accepted(sent.signed_with);
                self.delivered(&sent.payload, now);
            }
            Disposition::Retry { cause: RetryCause::UnknownOutcome, .. }
                if self.on_unknown_outcome == OnUnknownOutcome::Drop =>
            {
                self.drop_unknown(&sent.payload, answer, now);
            }
            Disposition::Retry { cause, after } => self.retry(sent, cause, after, answer, now),
            Disposition::CorrectClock => {
                self.counts.retried = self.counts.retried.saturating_add(1);
                self.wait(Body::Payload(sent.payload), sent.learnt);
            }
            Disposition::RefreshCredentials if self.credentials.refused(sent.signed_with, now) => {
                self.counts.retried = self.counts.retried.saturating_add(1);
                self.wait(Body::Payload(sent.payload), sent.learnt);
            }
            Disposition::RefreshCredentials | Disposition::Denied => {
                self.counts.denied = self.counts.denied.saturating_add(1);
                self.tell(&Notice::Denied { reason: reason(answer) }, now);
                self.backoff.fail(now.steady, DENIED_DELAY, Some(DENIED_DELAY), &mut self.random);
                self.wait(Body::Payload(sent.payload), sent.learnt);
            }
            Disposition::Isolate { places } => self.isolate(sent, &places, answer, now),
            Disposition::Split if sent.payload.data() > 1 => self.split(sent),
            Disposition::Split | Disposition::Rejected => {
                let samples = sent.payload.samples();
                self.counts.dropped_rejected = self.counts.dropped_rejected.saturating_add(samples);
                self.dropped("rejected", samples, answer, now);
            }
        }
    }

    /// The next line for Envoy's log.
    pub fn poll_line(&mut self) -> Option<(Level, String)> {
        self.lines.pop_front()
    }

    /// What has become of values and requests since the start.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many values are held: received, and neither published nor dropped.
    pub fn held(&self) -> u64 {
        self.buffer.samples().saturating_add(self.payload_samples())
    }

    /// About how many bytes of memory they take.
    pub fn held_bytes(&self) -> usize {
        self.buffer.bytes().saturating_add(self.payload_bytes())
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

    /// Makes what is pending due, and tells what it costs.
    fn release(&mut self, now: Now) {
        if !self.buffer.has_pending() {
            return;
        }
        let mut overflow = None;
        self.buffer.release(|due, names| overflow = self.cardinality.note(due, names, now.steady));
        self.cardinality.prune(now.steady);
        self.prediction = self.costs.predict(self.cardinality.series(), self.publish_interval, now.steady);
        let costs = self.costs.line(self.prediction, now.steady);
        overflow.iter().chain(&costs).for_each(|notice| self.tell(notice, now));
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

    /// Whether there is more to encode and compress, so that it is worth to be called again soon.
    pub fn is_working(&self) -> bool {
        self.budget.left == 0
    }

    fn payload_bytes(&self) -> usize {
        let waiting = self.payloads.iter().map(|waiting| waiting.body.bytes());
        waiting.chain(self.in_flight.iter().map(|sent| sent.payload.body().len())).sum()
    }

    fn payload_samples(&self) -> u64 {
        let waiting = self.payloads.iter().map(|waiting| waiting.body.samples());
        waiting.chain(self.in_flight.iter().map(|sent| sent.payload.samples())).sum()
    }

    /// A payload that waits to be sent again, else one of data that are due; stamped by what the clock has learnt. None also
    /// while it is not encoded and compressed to its end.
    fn next_payload(&mut self, time: Timestamp, now: Now) -> Option<(Payload, i64)> {
        let learnt = self.clock.learnt();
        let body = match self.payloads.pop_front() {
            Some(waiting) => waiting.body.shifted(learnt.saturating_sub(waiting.learnt)),
            None if self.in_flight.len() >= MAX_PAYLOADS => return None,
            None => {
                self.drop_too_old(time, now);
                Body::Draft(self.buffer.next_draft(&mut self.budget.left)?)
            }
        };
        match body.seal(&mut self.budget.left) {
            Ok(payload) => Some((payload, learnt)),
            Err(body) => {
                self.wait(body, learnt);
                None
            }
        }
    }

    fn drop_too_old(&mut self, time: Timestamp, now: Now) {
        let samples = self.buffer.drop_too_old(time);
        if samples > 0 {
            self.counts.dropped_too_old = self.counts.dropped_too_old.saturating_add(samples);
            let detail = "CloudWatch takes nothing that is older than two weeks".to_owned();
            self.tell(&Notice::Dropped { reason: "too_old", samples, detail }, now);
        }
    }

    fn take_in_flight(&mut self, id: TransmitId) -> Option<InFlight> {
        let at = self.in_flight.iter().position(|sent| sent.id == id)?;
        Some(self.in_flight.swap_remove(at))
    }

    /// Learns the time from an answer; gives the difference that it showed.
    fn learn(&mut self, sent: &InFlight, answer: &Answer, now: Now) -> Option<i64> {
        let Answer::Complete(Reply { date: Some(date), .. }) = answer else { return None };
        let round_trip = now.steady.saturating_sub(sent.sent);
        let difference = Clock::difference(*date, sent.signed_at, round_trip)?;
        self.learn_difference(difference, sent.learnt, now);
        Some(difference)
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

    fn corrected(&mut self, now: Now) -> Now {
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

    fn delivered(&mut self, payload: &Payload, now: Now) {
        self.backoff.succeed();
        self.schedule.delivered();
        self.last_success = Some(now.steady);
        let counts = &mut self.counts;
        counts.published = counts.published.saturating_add(payload.samples());
        counts.published_data = counts.published_data.saturating_add(payload.data() as u64);
        counts.requests = counts.requests.saturating_add(1);
        counts.request_bytes = counts.request_bytes.saturating_add(payload.body().len() as u64);
        let (data, samples, bytes) = (payload.data(), payload.samples(), payload.body().len());
        self.tell(&Notice::Published { data, samples, bytes }, now);
    }

    fn retry(&mut self, sent: InFlight, cause: RetryCause, after: Option<Duration>, answer: &Answer, now: Now) {
        self.counts.retried = self.counts.retried.saturating_add(1);
        let base = match cause {
            RetryCause::Throttled => {
                self.counts.throttled = self.counts.throttled.saturating_add(1);
                self.schedule.throttled();
                THROTTLED_BASE
            }
            RetryCause::UnknownOutcome => {
                self.counts.unknown_outcome = self.counts.unknown_outcome.saturating_add(1);
                TRANSIENT_BASE
            }
            RetryCause::ServiceFault | RetryCause::Unsent => TRANSIENT_BASE,
        };
        let delay = self.backoff.fail(now.steady, base, after, &mut self.random);
        self.tell(&Notice::Retrying { cause, reason: reason(answer), delay }, now);
        self.wait(Body::Payload(sent.payload), sent.learnt);
    }

    fn drop_unknown(&mut self, payload: &Payload, answer: &Answer, now: Now) {
        let samples = payload.samples();
        self.counts.unknown_outcome = self.counts.unknown_outcome.saturating_add(1);
        self.counts.dropped_unknown_outcome = self.counts.dropped_unknown_outcome.saturating_add(samples);
        self.backoff.fail(now.steady, TRANSIENT_BASE, None, &mut self.random);
        self.dropped("unknown_outcome", samples, answer, now);
    }

    /// Drops the data at these places and sends the rest; halves the payload when no place is named.
    fn isolate(&mut self, sent: InFlight, places: &[usize], answer: &Answer, now: Now) {
        let data = sent.payload.data();
        let named: Vec<usize> = places.iter().copied().filter(|place| *place < data).collect();
        match (named.as_slice(), data) {
            ([], 2..) => self.split(sent),
            (named, _) => {
                let places = if named.is_empty() { &[0] } else { named };
                let (rest, samples) = sent.payload.without(places);
                self.counts.dropped_invalid = self.counts.dropped_invalid.saturating_add(samples);
                self.dropped("invalid", samples, answer, now);
                if let Some(rest) = rest {
                    self.wait(Body::Draft(rest), sent.learnt);
                }
            }
        }
    }

    fn split(&mut self, sent: InFlight) {
        self.counts.retried = self.counts.retried.saturating_add(1);
        let (left, right) = sent.payload.split();
        for half in [right, left].into_iter().flatten() {
            self.wait(Body::Draft(half), sent.learnt);
        }
    }

    /// The oldest payloads are sent first.
    fn wait(&mut self, body: Body, learnt: i64) {
        self.payloads.push_front(Waiting { body, learnt });
    }

    fn keep_within_limit(&mut self, time: Timestamp, now: Now) {
        let samples = self.buffer.keep_within_limit(self.payload_bytes(), time);
        self.count_made();
        if samples > 0 {
            self.counts.dropped_buffer_full = self.counts.dropped_buffer_full.saturating_add(samples);
            let detail = "buffer_limit_bytes is reached; other lines say why nothing is published".to_owned();
            self.tell(&Notice::Dropped { reason: "buffer_full", samples, detail }, now);
        }
    }

    fn dropped(&mut self, reason: &'static str, samples: u64, answer: &Answer, now: Now) {
        self.tell(&Notice::Dropped { reason, samples, detail: self::reason(answer) }, now);
    }

    fn tell(&mut self, notice: &Notice, now: Now) {
        if let Some(line) = self.limiter.line(notice, now.steady) {
            self.lines.push_back((notice.level(), line));
        }
    }
}

/// What was said, for the log. AWS repeats the string to sign, and with it the session token, when a signature does not
/// match; that part is left out.
fn reason(answer: &Answer) -> String {
    match answer {
        Answer::Missing { reason, .. } => reason.clone(),
        Answer::Complete(Reply { status, code, message, .. }) => {
            let message = message.split("The Canonical String").next().unwrap_or_default().trim();
            format!("{status} {code} {message}")
        }
    }
}
