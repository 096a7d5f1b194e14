//! Makes payloads of the data that are due, sends them and handles their answers.

mod answers;
mod budget;
mod flush;
mod in_flight;
mod isolation;

use std::time::Duration;

use acpw_metric::Now;

use self::{
    budget::Budget,
    flush::Flush,
    in_flight::{InFlight, Sent},
};
use crate::{
    Buffer, Config, Payload, Transmit,
    backoff::Backoff,
    buffer::Work,
    cardinality::Cardinality,
    clock::Clock,
    config::OnUnknownOutcome,
    cost::{Costs, Prediction},
    credentials::Chain,
    endpoint::Region,
    journal::Journal,
    lanes::LaneId,
    notice::Notice,
    random::Random,
    schedule::Schedule,
    waiting::{Body, History, Waiting},
};

/// Time for which nothing is sent after CloudWatch has refused the credentials.
const DENIED_DELAY: Duration = Duration::from_secs(30);

/// Publishes the data of a buffer.
///
/// A payload is sent as it is until it is delivered, and never merged with other data again, so what CloudWatch has
/// accepted is never sent twice. Only an attempt without an answer leaves that open; those are counted.
///
/// While there are no good credentials nothing is taken out of the buffer.
#[derive(Debug)]
pub struct Publisher {
    /// Host of CloudWatch, if the configuration gives another one than the region's.
    host: Option<String>,
    schedule: Schedule,
    backoff: Backoff,
    random: Random,
    publish_interval: Duration,
    cardinality: Cardinality,
    costs: Costs,
    prediction: Prediction,
    budget: Budget,
    in_flight: InFlight,
    on_unknown_outcome: OnUnknownOutcome,
    flush: Option<Flush>,
    last_success: Option<Duration>,
}

/// The parts of a receiver with which the publisher works while it handles an event.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The time, with the wall clock corrected.
    pub now: Now,
    /// CloudWatch's time, learnt from its answers.
    pub clock: &'a mut Clock,
    /// Credentials to sign with.
    pub credentials: &'a mut Chain,
    /// Data to publish.
    pub buffer: &'a mut Buffer,
    /// Counters and log.
    pub journal: &'a mut Journal,
}

impl Parts<'_> {
    /// Learns the time from an answer of AWS to a request that was signed when `learnt_when_signed` had been learnt, and
    /// moves all data by what is new.
    pub fn learn(&mut self, difference: i64, learnt_when_signed: i64) {
        let before = self.clock.learnt();
        self.clock.learn(difference, learnt_when_signed);
        let news = self.clock.learnt().saturating_sub(before);
        if news != 0 {
            self.buffer.shift(news);
            self.log(&Notice::ClockCorrected(self.clock.skew()));
        }
    }

    fn log(&mut self, notice: &Notice) {
        self.journal.log(notice, self.now.steady);
    }
}

impl Publisher {
    /// Creates a publisher that has sent nothing. `seed` makes it differ from the others of a fleet.
    pub fn new(config: &Config, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            host: config.host.clone(),
            schedule: Schedule::new(config.publish_interval, &mut random),
            backoff: Backoff::default(),
            random,
            publish_interval: config.publish_interval,
            cardinality: Cardinality::default(),
            costs: Costs::default(),
            prediction: Prediction::default(),
            budget: Budget::default(),
            in_flight: InFlight::default(),
            on_unknown_outcome: config.on_unknown_outcome,
            flush: None,
            last_success: None,
        }
    }

    /// Starts or stops to publish every second, as Envoy is being drained or no longer is.
    pub fn set_draining(&mut self, is_draining: bool) {
        self.schedule.set_draining(is_draining);
    }

    /// Makes data due when it is time to publish them. To be called on every tick.
    pub fn handle_time(&mut self, parts: &mut Parts<'_>) {
        let now = parts.now.steady;
        self.budget.refill(now);
        let is_due = self.schedule.is_due(now, parts.buffer.has_pending());
        let is_flushing = self.flush.as_mut().is_some_and(|flush| flush.gathers(now));
        if is_due || is_flushing {
            parts.buffer.release();
        }
        parts.buffer.gather(&mut self.budget.left);
    }

    /// Returns the next request to send now. To be called on a tick until there is none.
    pub fn poll_transmit(&mut self, parts: &mut Parts<'_>) -> Option<Transmit> {
        let Now { wall, steady } = parts.now;
        parts.buffer.gather(&mut self.budget.left);
        if !self.backoff.allows(steady, self.in_flight.len()) {
            return None;
        }
        let region_host = || parts.credentials.region().map(Region::cloud_watch_host);
        let host = self.host.clone().or_else(region_host)?;
        // Without credentials nothing is taken out of the buffer.
        parts.credentials.signing(wall)?;
        let (lane, payload, history) = self.next_payload(parts)?;
        let id = self.in_flight.next_id();
        let (signed_with, transmit) = match parts.credentials.signing(wall) {
            Some((signed_with, signing)) => (signed_with, Transmit::sign(id, &payload, &host, signing, wall)),
            None => {
                wait_first(parts.buffer, lane, Body::Payload(payload), history);
                return None;
            }
        };
        match transmit {
            Ok(transmit) => {
                self.costs.call(steady);
                if let Some(lane) = parts.buffer.lanes_mut().get_mut(lane) {
                    lane.sent();
                }
                self.in_flight.push(Sent { id, lane, payload, history, signed_at: wall, signed_with, at: steady });
                Some(transmit)
            }
            Err(error) => {
                wait_first(parts.buffer, lane, Body::Payload(payload), history);
                self.backoff.fail(steady, DENIED_DELAY, None, &mut self.random);
                parts.log(&Notice::Undispatched(error));
                None
            }
        }
    }

    /// Returns whether there is more to encode and compress than fitted into this tick.
    pub fn is_working(&self) -> bool {
        self.budget.left == 0
    }

    /// Returns the number of values in payloads on their way.
    pub fn samples(&self) -> u64 {
        self.in_flight.samples()
    }

    /// Returns the memory in bytes, approximately, of payloads on their way.
    pub fn bytes(&self) -> usize {
        self.in_flight.bytes()
    }

    /// Returns the series that are published.
    pub fn cardinality(&self) -> &Cardinality {
        &self.cardinality
    }

    /// Returns the time since CloudWatch last accepted a request, or since the start if it never has.
    pub fn since_success(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last_success.unwrap_or_default())
    }

    /// Returns the predicted cost of a month, as of the last publication.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// Returns the next payload of the lane whose turn it is: one that waits, else one of data that are due, stamped by what
    /// the clock has learnt. There is none while it is not encoded and compressed to its end.
    fn next_payload(&mut self, parts: &mut Parts<'_>) -> Option<(LaneId, Payload, History)> {
        let now = parts.now.steady;
        let learnt = parts.clock.learnt();
        let lane = parts.buffer.lanes().next(now)?;
        let work = Work { budget: &mut self.budget.left, cardinality: &mut self.cardinality, now };
        let waiting = parts.buffer.next_body(lane, learnt, work);
        if let Some(notice) = self.cardinality.poll_notice(now) {
            parts.log(&notice);
        }
        let Waiting { body, history } = waiting?;
        if matches!(body, Body::Draft(_)) && !parts.buffer.lanes().has_open_data() {
            self.predict(parts);
        }
        match body.seal(&mut self.budget.left) {
            Ok(payload) => {
                parts.buffer.lanes_mut().end_turn(lane);
                Some((lane, payload, history))
            }
            Err(body) => {
                wait_first(parts.buffer, lane, body, history);
                None
            }
        }
    }

    /// Predicts the cost once all data that are due are encoded, and logs it.
    fn predict(&mut self, parts: &mut Parts<'_>) {
        let now = parts.now.steady;
        self.cardinality.prune(now);
        self.prediction = self.costs.predict(self.cardinality.series(), self.publish_interval, now);
        if self.costs.is_log_due(self.prediction, now) {
            parts.log(&Notice::Cost(self.prediction));
        }
    }
}

fn wait_first(buffer: &mut Buffer, lane: LaneId, body: Body, history: History) {
    if let Some(lane) = buffer.lanes_mut().get_mut(lane) {
        lane.wait_first(Waiting { body, history });
    }
}
