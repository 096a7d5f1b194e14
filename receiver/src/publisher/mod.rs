//! Encodes due data into payloads, sends them, and handles the answers.

mod answers;
pub(crate) mod budget;
mod flush;
mod in_flight;
mod isolation;

use std::time::Duration;

pub(crate) use self::answers::reason;

use acpw_metric::Now;

use self::{
    budget::Budget,
    flush::Flush,
    in_flight::{InFlight, Sent},
};
use crate::{
    Buffer, Payload, ReceiverConfig, Transmit,
    backoff::{Backoff, FailureKind},
    buffer::EncodingBudget,
    cardinality::Cardinality,
    clock::Clock,
    config::OnUnknownOutcome,
    cost::{CostEstimate, CostEstimator},
    credentials::Chain,
    endpoint::Region,
    journal::Journal,
    lanes::LaneId,
    notice::Notice,
    publish_schedule::PublishSchedule,
    random::Random,
    waiting::{PayloadHistory, WaitingBody, WaitingPayload},
};

/// Publishes the data of a buffer.
///
/// A payload is sent unchanged until it is delivered, and is never merged with other data again, so data that
/// CloudWatch has accepted is not sent twice. The exception is an attempt without an answer, whose outcome is unknown;
/// these attempts are counted.
///
/// Without valid credentials all data remains in the buffer.
#[derive(Debug)]
pub struct Publisher {
    /// The configured host of CloudWatch, if it is not the one of the region.
    host: Option<String>,
    schedule: PublishSchedule,
    backoff: Backoff,
    random: Random,
    publish_interval: Duration,
    cardinality: Cardinality,
    cost_estimator: CostEstimator,
    cost: CostEstimate,
    budget: Budget,
    in_flight: InFlight,
    on_unknown_outcome: OnUnknownOutcome,
    flush: Option<Flush>,
    last_success: Option<Duration>,
}

/// The parts of the receiver that the publisher uses while it handles an event.
#[derive(Debug)]
pub struct PublisherContext<'a> {
    /// The time, with the wall clock corrected.
    pub now: Now,
    /// The estimate of CloudWatch's time.
    pub clock: &'a mut Clock,
    /// The credentials to sign with.
    pub credentials: &'a mut Chain,
    /// The data to publish.
    pub buffer: &'a mut Buffer,
    /// The counters and the log.
    pub journal: &'a mut Journal,
}

impl PublisherContext<'_> {
    /// Corrects the clock by the difference that an answer of AWS has shown, and moves all data by the change.
    /// `correction_when_signed` is the clock's correction at the time when the request was signed.
    pub fn correct_clock(&mut self, difference: i64, correction_when_signed: i64) {
        let before = self.clock.correction();
        self.clock.adjust(difference, correction_when_signed);
        let change = self.clock.correction().saturating_sub(before);
        if change != 0 {
            self.buffer.shift(change);
            self.log(&Notice::ClockCorrected(self.clock.skew()));
        }
    }

    fn log(&mut self, notice: &Notice) {
        self.journal.log(notice, self.now.steady);
    }
}

impl Publisher {
    /// Creates a publisher. `seed` varies its schedule and delays within a fleet.
    pub fn new(config: &ReceiverConfig, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            host: config.host.clone(),
            schedule: PublishSchedule::new(config.publish_interval, &mut random),
            backoff: Backoff::new(config.publish_interval),
            random,
            publish_interval: config.publish_interval,
            cardinality: Cardinality::default(),
            cost_estimator: CostEstimator::default(),
            cost: CostEstimate::default(),
            budget: Budget::default(),
            in_flight: InFlight::default(),
            on_unknown_outcome: config.on_unknown_outcome,
            flush: None,
            last_success: None,
        }
    }

    /// Starts or stops publishing every second, depending on whether Envoy is being drained.
    pub fn set_draining(&mut self, is_draining: bool) {
        self.schedule.set_draining(is_draining);
    }

    /// Marks data as due when a publication is due. Call this on every tick. The tick may encode and compress `work`
    /// bytes.
    pub fn handle_time(&mut self, work: usize, context: &mut PublisherContext<'_>) {
        let now = context.now.steady;
        self.budget.refill(work, now);
        let is_due = self.schedule.is_due(now, context.buffer.has_pending());
        let is_flushing = self.flush.as_mut().is_some_and(|flush| flush.should_release(now));
        if is_due || is_flushing {
            context.buffer.release();
        }
        context.buffer.merge_due(&mut self.budget.left);
    }

    /// Returns the next request to send now. Call this on a tick until it returns `None`.
    pub fn poll_transmit(&mut self, context: &mut PublisherContext<'_>) -> Option<Transmit> {
        let Now { wall, steady } = context.now;
        context.buffer.merge_due(&mut self.budget.left);
        if !self.backoff.allows(steady, self.in_flight.len()) {
            return None;
        }
        let region_host = || context.credentials.region().map(Region::cloud_watch_host);
        let host = self.host.clone().or_else(region_host)?;
        // Without credentials all data remains in the buffer.
        context.credentials.signing(wall)?;
        let (lane, payload, history) = self.next_payload(context)?;
        let id = self.in_flight.next_id();
        let (signed_with, transmit) = match context.credentials.signing(wall) {
            Some((signed_with, signing)) => (signed_with, Transmit::sign(id, &payload, &host, signing, wall)),
            None => {
                push_front(context.buffer, lane, WaitingBody::Payload(payload), history);
                return None;
            }
        };
        match transmit {
            Ok(transmit) => {
                self.cost_estimator.record_call(steady);
                if let Some(lane) = context.buffer.lanes_mut().get_mut(lane) {
                    lane.record_sent();
                }
                self.in_flight.push(Sent { id, lane, payload, history, signed_at: wall, signed_with, sent_at: steady });
                Some(transmit)
            }
            Err(error) => {
                push_front(context.buffer, lane, WaitingBody::Payload(payload), history);
                self.backoff.fail(steady, FailureKind::Denied, None, &mut self.random);
                context.log(&Notice::Undispatched(error));
                None
            }
        }
    }

    /// Returns true if there is more to encode and compress than fitted into this tick.
    pub fn is_working(&self) -> bool {
        self.budget.left == 0
    }

    /// Returns the number of values in flight.
    pub fn samples(&self) -> u64 {
        self.in_flight.samples()
    }

    /// Returns the approximate memory of payloads in flight in bytes.
    pub fn bytes(&self) -> usize {
        self.in_flight.bytes()
    }

    /// Returns the counts of published series.
    pub fn cardinality(&self) -> &Cardinality {
        &self.cardinality
    }

    /// Returns the time since CloudWatch last accepted a request, or since the start if it never has.
    pub fn since_success(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last_success.unwrap_or_default())
    }

    /// Returns the estimated cost per month, as of the last publication.
    pub fn cost(&self) -> CostEstimate {
        self.cost
    }

    /// Returns the next payload of the lane whose turn is next: a waiting one, or otherwise one of due data. Its
    /// timestamps include the clock's correction. Returns `None` if the payload is not completely encoded and
    /// compressed yet.
    fn next_payload(&mut self, context: &mut PublisherContext<'_>) -> Option<(LaneId, Payload, PayloadHistory)> {
        let now = context.now.steady;
        let correction = context.clock.correction();
        let lane = context.buffer.lanes().next(now)?;
        let work = EncodingBudget { budget: &mut self.budget.left, cardinality: &mut self.cardinality, now };
        let waiting = context.buffer.next_to_send(lane, correction, work);
        if let Some(notice) = self.cardinality.poll_notice(now) {
            context.log(&notice);
        }
        let WaitingPayload { body, history } = waiting?;
        if matches!(body, WaitingBody::Draft(_)) && !context.buffer.lanes().has_data_in_healthy_lanes() {
            self.update_cost(context);
        }
        match body.seal(&mut self.budget.left) {
            Ok(payload) => {
                context.buffer.lanes_mut().end_turn(lane);
                Some((lane, payload, history))
            }
            Err(body) => {
                push_front(context.buffer, lane, body, history);
                None
            }
        }
    }

    /// Estimates the cost once all due data is encoded, and logs it.
    fn update_cost(&mut self, context: &mut PublisherContext<'_>) {
        let now = context.now.steady;
        self.cardinality.prune(now);
        self.cost = self.cost_estimator.estimate(self.cardinality.series(), self.publish_interval, now);
        if self.cost_estimator.is_log_due(self.cost, now) {
            context.log(&Notice::Cost(self.cost));
        }
    }
}

fn push_front(buffer: &mut Buffer, lane: LaneId, body: WaitingBody, history: PayloadHistory) {
    if let Some(lane) = buffer.lanes_mut().get_mut(lane) {
        lane.push_front(WaitingPayload { body, history });
    }
}
