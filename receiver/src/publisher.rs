//! The receiver's state: what is held, what is sent, and what became of it.

use std::{collections::VecDeque, fmt, time::Duration};

use acpw_metric::{Accumulator, Now, Record, Timestamp};
use acpw_sigv4::{PayloadHash, Request, Signed};

use crate::{
    Answer, Config, Disposition, Payload,
    answer::Reply,
    backoff::Backoff,
    clock::Clock,
    credentials::{Call, Chain, Response, SetId, Signing},
    disposition::RetryCause,
    endpoint::Region,
    notice::{Level, Limiter, Notice},
    outbox::{Names, Outbox},
    random::Random,
    schedule::Schedule,
};

/// The most payloads at once, sent or waiting to be sent again. Everything else can still be merged.
const MAX_PAYLOADS: usize = 4;

/// How long nothing is sent after CloudWatch has refused the credentials.
const DENIED_DELAY: Duration = Duration::from_secs(30);

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
const TARGET: &str = "GraniteServiceVersion20100801.PutMetricData";

/// Holds what senders observed and publishes it.
///
/// Driven thus: [`handle_record`](Self::handle_record) for every record in the queue. On a tick,
/// [`poll_transmit`](Self::poll_transmit) until there is none; each is dispatched, and what cannot be is told with
/// [`handle_undispatched`](Self::handle_undispatched). When a callout ends, [`handle_answer`](Self::handle_answer). The
/// same for credentials: [`poll_call`](Self::poll_call) on a tick, before the transmits, and
/// [`handle_call_answer`](Self::handle_call_answer). After any of them, [`poll_line`](Self::poll_line) until there is none,
/// and [`take_counts`](Self::take_counts).
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
    /// What the clock had learnt when the last callout for credentials was sent.
    learnt_at_call: i64,
    schedule: Schedule,
    backoff: Backoff,
    clock: Clock,
    random: Random,
    pending: Accumulator,
    outbox: Outbox,
    payloads: VecDeque<Waiting>,
    in_flight: Vec<InFlight>,
    next_id: u64,
    buffer_limit: usize,
    counts: Counts,
    limiter: Limiter,
    lines: VecDeque<(Level, String)>,
}

/// Names a payload in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransmitId(u64);

/// A signed request. Its `Debug` shows no header, since one of them is the signature.
pub struct Transmit {
    /// To tell its answer with.
    pub id: TransmitId,
    /// All headers, Envoy's pseudo-headers first.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmit").field("id", &self.id).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// A payload that is to be sent.
#[derive(Debug)]
struct Waiting {
    payload: Payload,
    /// What the clock had learnt when the payload was stamped.
    learnt: i64,
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

/// What became of values and requests, since this was last asked. A value is one measurement of one metric of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Values taken from the queue.
    pub received: u64,
    /// Values that CloudWatch has stored.
    pub published: u64,
    /// Data that CloudWatch has stored.
    pub published_data: u64,
    /// Requests that CloudWatch has accepted.
    pub requests: u64,
    /// Bytes of their bodies.
    pub request_bytes: u64,
    /// Requests sent again, or to be.
    pub retried: u64,
    /// Requests that CloudWatch throttled.
    pub throttled: u64,
    /// Requests that got no answer: their data may be stored, and are sent again.
    pub unknown_outcome: u64,
    /// Requests that CloudWatch refused for the credentials or permissions.
    pub denied: u64,
    /// Records that could not be read.
    pub bad_records: u64,
    /// Values dropped because the bound on memory was reached, the oldest first.
    pub dropped_buffer_full: u64,
    /// Values dropped because CloudWatch refused exactly their data.
    pub dropped_invalid: u64,
    /// Values dropped because CloudWatch did not understand the request.
    pub dropped_rejected: u64,
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
            pending: Accumulator::default(),
            outbox: Outbox::new(names),
            payloads: VecDeque::new(),
            in_flight: Vec::new(),
            next_id: 0,
            buffer_limit: config.buffer_limit,
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
                self.clock.read(now);
                self.pending.merge_record(&record, self.clock.skew());
                self.keep_within_limit(now);
            }
            Err(error) => {
                self.counts.bad_records = self.counts.bad_records.saturating_add(1);
                self.tell(&Notice::BadRecord(error.to_string()), now);
            }
        }
    }

    /// The next request to send now, if there is one.
    pub fn poll_transmit(&mut self, now: Now) -> Option<Transmit> {
        let signed_at = self.clock.read(now);
        if self.schedule.is_due(now.steady, !self.pending.is_empty()) {
            self.outbox.add(std::mem::take(&mut self.pending));
        }
        if !self.backoff.allows(now.steady, self.in_flight.len()) {
            return None;
        }
        self.credentials.handle_time(Now { wall: signed_at, ..now });
        self.tell_of_credentials(now);
        self.credentials.signing(signed_at)?;
        let learnt = self.clock.learnt();
        let waiting = match self.payloads.pop_front() {
            Some(waiting) => waiting,
            None if self.in_flight.len() < MAX_PAYLOADS => Waiting { payload: self.outbox.next_payload()?, learnt },
            None => return None,
        };
        let payload = match learnt.saturating_sub(waiting.learnt) {
            0 => waiting.payload,
            millis => waiting.payload.shifted(millis),
        };
        match self.sign(&payload, signed_at) {
            Ok((signed_with, headers)) => {
                let id = TransmitId(self.next_id);
                self.next_id = self.next_id.wrapping_add(1);
                let body = payload.body().to_vec();
                self.in_flight.push(InFlight { id, payload, learnt, signed_at, signed_with, sent: now.steady });
                Some(Transmit { id, headers, body })
            }
            Err(error) => {
                self.payloads.push_front(Waiting { payload, learnt });
                self.backoff.fail(now.steady, DENIED_DELAY, None, &mut self.random);
                self.tell(&Notice::Undispatched(error), now);
                None
            }
        }
    }

    /// The next request for credentials to send now, if there is one. At most one is in flight.
    pub fn poll_call(&mut self, now: Now) -> Option<Call> {
        let now = self.corrected(now);
        self.learnt_at_call = self.clock.learnt();
        let call = self.credentials.poll_call(now);
        self.tell_of_credentials(now);
        call
    }

    /// The request for credentials has its answer, or could not be dispatched.
    pub fn handle_call_answer(&mut self, answer: &Response, now: Now) {
        if let Some(difference) = self.credentials.clock_difference(answer, now) {
            self.learn_difference(difference, self.learnt_at_call, now);
        }
        let now = self.corrected(now);
        self.credentials.handle_answer(answer, now);
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
            Disposition::Retry { cause, after } => self.retry(sent, cause, after, answer, now),
            Disposition::CorrectClock => {
                self.counts.retried = self.counts.retried.saturating_add(1);
                self.wait(sent.payload, sent.learnt);
            }
            Disposition::RefreshCredentials if self.refresh_credentials(sent.signed_with, now) => {
                self.counts.retried = self.counts.retried.saturating_add(1);
                self.wait(sent.payload, sent.learnt);
            }
            Disposition::RefreshCredentials | Disposition::Denied => {
                self.counts.denied = self.counts.denied.saturating_add(1);
                self.tell(&Notice::Denied { reason: reason(answer) }, now);
                self.backoff.fail(now.steady, DENIED_DELAY, Some(DENIED_DELAY), &mut self.random);
                self.wait(sent.payload, sent.learnt);
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

    /// What has become of values and requests since this was last called.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// How many values are held: received, and neither published nor dropped.
    pub fn held(&self) -> u64 {
        let waiting = self.payloads.iter().map(|waiting| &waiting.payload);
        let payloads = waiting.chain(self.in_flight.iter().map(|sent| &sent.payload));
        let in_payloads: u64 = payloads.map(Payload::samples).sum();
        self.pending.samples().saturating_add(self.outbox.samples()).saturating_add(in_payloads)
    }

    /// About how many bytes of memory they take.
    pub fn held_bytes(&self) -> usize {
        let waiting = self.payloads.iter().map(|waiting| &waiting.payload);
        let payloads = waiting.chain(self.in_flight.iter().map(|sent| &sent.payload));
        let in_payloads: usize = payloads.map(|payload| payload.body().len()).sum();
        self.pending.bytes().saturating_add(self.outbox.bytes()).saturating_add(in_payloads)
    }

    /// How many series times periods are held and not yet in a payload.
    pub fn held_series(&self) -> usize {
        self.pending.series().saturating_add(self.outbox.series())
    }

    /// By how many milliseconds this host's clock is behind CloudWatch's.
    pub fn clock_skew(&self) -> i64 {
        self.clock.skew()
    }

    fn sign(
        &mut self,
        payload: &Payload,
        signed_at: Timestamp,
    ) -> Result<(SetId, Vec<(&'static str, String)>), String> {
        let region_host = || self.credentials.region().map(Region::cloud_watch_host);
        let host = self.host.clone().or_else(region_host).ok_or("the region is not known")?;
        let (signed_with, signing) = self.credentials.signing(signed_at).ok_or("there are no credentials")?;
        let mut own = vec![
            ("content-type", CONTENT_TYPE),
            ("x-amz-target", TARGET),
            // Errors then carry the codes of the older protocol too, which is what AWS documents.
            ("x-amzn-query-mode", "true"),
        ];
        if payload.is_compressed() {
            own.push(("content-encoding", "gzip"));
        }
        let request = Request {
            method: "POST",
            host: &host,
            path: "/",
            query: "",
            headers: &own,
            body: payload.body(),
            payload_hash: PayloadHash::Implied,
        };
        let seconds = i64::try_from(signed_at.as_secs()).unwrap_or(i64::MAX);
        let signed = match signing {
            Signing::Keys(signer) => Some(signer.sign(&request, seconds).map_err(|error| error.to_string())?),
            Signing::Envoy => None,
        };
        let pseudo = [(":method", "POST"), (":path", "/"), (":authority", host.as_str()), (":scheme", "https")];
        let headers = pseudo.into_iter().chain(own).chain(signed.iter().flat_map(Signed::headers));
        Ok((signed_with, headers.map(|(name, value)| (name, value.to_owned())).collect()))
    }

    fn corrected(&mut self, now: Now) -> Now {
        Now { wall: self.clock.read(now), ..now }
    }

    /// Has the credentials replaced that a request was signed with; gives whether there are others, or will be.
    fn refresh_credentials(&mut self, signed_with: SetId, now: Now) -> bool {
        let now = self.corrected(now);
        self.credentials.refused(signed_with, now)
    }

    fn tell_of_credentials(&mut self, now: Now) {
        while let Some(notice) = self.credentials.poll_notice() {
            self.tell(&notice, now);
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
            self.pending.shift(news);
            self.outbox.shift(news);
            self.tell(&Notice::ClockCorrected(self.clock.skew()), now);
        }
    }

    fn delivered(&mut self, payload: &Payload, now: Now) {
        self.backoff.succeed();
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
                Duration::from_secs(1)
            }
            RetryCause::UnknownOutcome => {
                self.counts.unknown_outcome = self.counts.unknown_outcome.saturating_add(1);
                Duration::from_millis(50)
            }
            RetryCause::ServiceFault | RetryCause::Unsent => Duration::from_millis(50),
        };
        let delay = self.backoff.fail(now.steady, base, after, &mut self.random);
        self.tell(&Notice::Retrying { cause, reason: reason(answer), delay }, now);
        self.wait(sent.payload, sent.learnt);
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
                    self.wait(rest, sent.learnt);
                }
            }
        }
    }

    fn split(&mut self, sent: InFlight) {
        self.counts.retried = self.counts.retried.saturating_add(1);
        let (left, right) = sent.payload.split();
        for half in [right, left].into_iter().flatten() {
            self.wait(half, sent.learnt);
        }
    }

    /// The oldest payloads are sent first.
    fn wait(&mut self, payload: Payload, learnt: i64) {
        self.payloads.push_front(Waiting { payload, learnt });
    }

    fn keep_within_limit(&mut self, now: Now) {
        while self.held_bytes() > self.buffer_limit {
            let oldest = self.outbox.drop_oldest().or_else(|| self.pending.pop().map(|(_, group)| group.samples()));
            let Some(samples) = oldest else { return };
            self.counts.dropped_buffer_full = self.counts.dropped_buffer_full.saturating_add(samples);
            let detail = "buffer_limit_bytes is reached; see the lines above for why nothing is published".to_owned();
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
