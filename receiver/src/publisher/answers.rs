//! Handles the answers to PutMetricData requests.

use std::time::Duration;

use super::{Publisher, PublisherContext, in_flight::Sent, push_front};
use crate::{
    Disposition, Payload, PublishAnswer, TransmitId,
    answer::Reply,
    backoff::{DENIED_DELAY, FailureKind},
    clock::Clock,
    config::OnUnknownOutcome,
    disposition::RetryCause,
    error_code::ErrorClass,
    lane::Lane,
    lanes::LaneId,
    notice::Notice,
    retry_after::{self, RetryAfter},
    waiting::{WaitingBody, WaitingPayload},
};

impl Publisher {
    /// Handles a request that could not be dispatched, so it was not sent.
    pub fn handle_undispatched(&mut self, id: TransmitId, reason: &str, context: &mut PublisherContext<'_>) {
        let missing = PublishAnswer::Missing { may_be_stored: false, reason: reason.to_owned() };
        if let Some(sent) = self.take_answered(id, context) {
            self.retry(sent, RetryCause::Unsent, None, &missing, context);
        }
    }

    /// Handles the answer to a payload.
    pub fn handle_answer(&mut self, id: TransmitId, answer: &PublishAnswer, context: &mut PublisherContext<'_>) {
        let Some(sent) = self.take_answered(id, context) else { return };
        let correction = context.clock.correction();
        let difference = correct_clock(&sent, answer, context);
        let disposition = Disposition::from_answer(answer, difference);
        if answer.is_foreign() {
            note_foreign(&sent, answer, context);
        }
        match disposition {
            Disposition::Delivered => {
                context.credentials.accepted(sent.signed_with);
                self.delivered(&sent, answer, context);
            }
            Disposition::Retry { cause: RetryCause::UnknownOutcome, .. }
                if self.on_unknown_outcome == OnUnknownOutcome::Drop =>
            {
                self.drop_unknown(&sent, answer, context);
            }
            Disposition::Retry { cause, retry_after } => self.retry(sent, cause, retry_after, answer, context),
            Disposition::CorrectClock => {
                count_retry(context);
                if context.clock.correction() == correction {
                    // Another answer must confirm the difference. Back off in case that never happens.
                    self.backoff.fail(context.now.steady, FailureKind::Transient, None, &mut self.random);
                }
                send_again(sent, context);
            }
            Disposition::RefreshCredentials if context.credentials.refused(sent.signed_with, context.now) => {
                count_retry(context);
                send_again(sent, context);
            }
            Disposition::RefreshCredentials => {
                context.journal.counts.denied = context.journal.counts.denied.saturating_add(1);
                context.log(&Notice::Denied { reason: reason(answer) });
                self.backoff.fail(context.now.steady, FailureKind::Denied, Some(DENIED_DELAY), &mut self.random);
                send_again(sent, context);
            }
            Disposition::Denied => self.deny(sent, answer, context),
            Disposition::Isolate { data } => self.isolate(sent, &data, answer, context),
            Disposition::RemoveEntity => self.send_without_entity(sent, answer, context),
            Disposition::Split if sent.payload.data() > 1 => self.split(sent, context),
            Disposition::Split if answer.is_foreign() => self.retry(sent, RetryCause::Foreign, None, answer, context),
            Disposition::Split => {
                let samples = sent.payload.samples();
                context.journal.counts.dropped_rejected =
                    context.journal.counts.dropped_rejected.saturating_add(samples);
                dropped("rejected", samples, answer, context);
            }
        }
    }

    fn take_answered(&mut self, id: TransmitId, context: &mut PublisherContext<'_>) -> Option<Sent> {
        let sent = self.in_flight.take(id)?;
        if let Some(lane) = lane_mut(context, sent.lane) {
            lane.record_answered();
        }
        Some(sent)
    }

    fn delivered(&mut self, sent: &Sent, answer: &PublishAnswer, context: &mut PublisherContext<'_>) {
        let payload = &sent.payload;
        self.backoff.succeed();
        self.schedule.record_delivered(context.now.steady);
        self.last_success = Some(context.now.steady);
        if let Some(lane) = lane_mut(context, sent.lane) {
            lane.record_accepted();
        }
        let counts = &mut context.journal.counts;
        counts.published = counts.published.saturating_add(payload.samples());
        counts.published_data = counts.published_data.saturating_add(payload.data() as u64);
        counts.requests = counts.requests.saturating_add(1);
        counts.request_bytes = counts.request_bytes.saturating_add(payload.body().len() as u64);
        let (data, samples, bytes) = (payload.data(), payload.samples(), payload.body().len());
        context.log(&Notice::Published { data, samples, bytes });
        if let PublishAnswer::Complete(Reply { entity_error: Some(error), .. }) = answer {
            log_entity(payload, error.clone(), context);
        }
    }

    /// Sends a payload again after a back-off of the whole publisher or of the payload's lane.
    pub(super) fn retry(
        &mut self,
        sent: Sent,
        cause: RetryCause,
        retry_after: Option<RetryAfter>,
        answer: &PublishAnswer,
        context: &mut PublisherContext<'_>,
    ) {
        count_retry(context);
        let kind = match cause {
            RetryCause::Throttled => {
                context.journal.counts.throttled = context.journal.counts.throttled.saturating_add(1);
                self.schedule.record_throttled(context.now.steady);
                FailureKind::Throttled
            }
            RetryCause::UnknownOutcome => {
                context.journal.counts.unknown_outcome = context.journal.counts.unknown_outcome.saturating_add(1);
                FailureKind::Transient
            }
            RetryCause::Foreign if answer.status() < 500 => FailureKind::Refused,
            RetryCause::ServiceFault | RetryCause::Unsent | RetryCause::Foreign => FailureKind::Transient,
        };
        let min_delay = remaining_retry_after(retry_after, answer, context);
        let delay = if cause.affects_all_lanes() {
            let delay = self.backoff.fail(context.now.steady, kind, min_delay, &mut self.random);
            send_again(sent, context);
            delay
        } else {
            self.hold_lane(sent, kind, min_delay, context)
        };
        if cause != RetryCause::Foreign {
            context.log(&Notice::Retrying { cause, reason: reason(answer), delay });
        }
    }

    /// Puts a payload back into its lane, and lets the lane back off. Returns the delay.
    pub(super) fn hold_lane(
        &mut self,
        sent: Sent,
        kind: FailureKind,
        min_delay: Option<Duration>,
        context: &mut PublisherContext<'_>,
    ) -> Duration {
        let Sent { lane, payload, mut history, .. } = sent;
        let Some(lane) = context.buffer.lanes_mut().get_mut(lane) else { return Duration::ZERO };
        history.record_failure(context.now.steady);
        let waiting = WaitingPayload { body: WaitingBody::Payload(payload), history };
        // A payload that keeps failing must not stay in front of its lane.
        if history.not_before > context.now.steady {
            lane.push_back(waiting)
        } else {
            lane.push_front(waiting)
        }
        lane.record_failure(context.now.steady, kind, min_delay, &mut self.random)
    }

    /// Holds a payload that the account, its permissions or the configuration do not allow. Other lanes continue,
    /// because the namespace may be the cause.
    fn deny(&mut self, sent: Sent, answer: &PublishAnswer, context: &mut PublisherContext<'_>) {
        context.journal.counts.denied = context.journal.counts.denied.saturating_add(1);
        let is_permission = match answer {
            PublishAnswer::Complete(reply) => {
                ErrorClass::of_code(&reply.code) == Some(ErrorClass::Denied) || reply.status == 403
            }
            PublishAnswer::Missing { .. } => false,
        };
        let namespace = sent.payload.key().namespace.to_string();
        log_lane(sent.lane, &Notice::Refused { namespace, reason: reason(answer), is_permission }, context);
        self.hold_lane(sent, FailureKind::Denied, Some(DENIED_DELAY), context);
    }

    fn drop_unknown(&mut self, sent: &Sent, answer: &PublishAnswer, context: &mut PublisherContext<'_>) {
        let samples = sent.payload.samples();
        context.journal.counts.unknown_outcome = context.journal.counts.unknown_outcome.saturating_add(1);
        context.journal.counts.dropped_unknown_outcome =
            context.journal.counts.dropped_unknown_outcome.saturating_add(samples);
        if let Some(lane) = context.buffer.lanes_mut().get_mut(sent.lane) {
            lane.record_failure(context.now.steady, FailureKind::Transient, None, &mut self.random);
        }
        dropped("unknown_outcome", samples, answer, context);
    }
}

/// Corrects the clock by an answer of CloudWatch itself. Returns the difference that the answer has shown.
fn correct_clock(sent: &Sent, answer: &PublishAnswer, context: &mut PublisherContext<'_>) -> Option<i64> {
    let PublishAnswer::Complete(Reply { date: Some(date), is_foreign: false, .. }) = answer else { return None };
    let round_trip = context.now.steady.saturating_sub(sent.sent_at);
    let difference = Clock::difference(*date, sent.signed_at, round_trip)?;
    context.correct_clock(difference, sent.history.correction);
    Some(difference)
}

pub(super) fn lane_mut<'a>(context: &'a mut PublisherContext<'_>, id: LaneId) -> Option<&'a mut Lane> {
    context.buffer.lanes_mut().get_mut(id)
}

pub(super) fn count_retry(context: &mut PublisherContext<'_>) {
    context.journal.counts.retried = context.journal.counts.retried.saturating_add(1);
}

/// Puts a payload back in front of its lane, to be sent again without a delay of the lane.
fn send_again(sent: Sent, context: &mut PublisherContext<'_>) {
    let Sent { lane, payload, history, .. } = sent;
    push_front(context.buffer, lane, WaitingBody::Payload(payload), history);
}

fn dropped(reason: &'static str, samples: u64, answer: &PublishAnswer, context: &mut PublisherContext<'_>) {
    context.log(&Notice::Dropped { reason, samples, detail: self::reason(answer) });
}

fn note_foreign(sent: &Sent, answer: &PublishAnswer, context: &mut PublisherContext<'_>) {
    context.journal.counts.foreign = context.journal.counts.foreign.saturating_add(1);
    let namespace = sent.payload.key().namespace.to_string();
    context.log(&Notice::Foreign { status: answer.status(), namespace, reason: reason(answer) });
}

/// Returns the remaining delay that a server asks for.
fn remaining_retry_after(
    retry_after: Option<RetryAfter>,
    answer: &PublishAnswer,
    context: &mut PublisherContext<'_>,
) -> Option<Duration> {
    let date = match answer {
        PublishAnswer::Complete(Reply { date, .. }) => *date,
        PublishAnswer::Missing { .. } => None,
    };
    let asked = retry_after?.remaining(date.unwrap_or(context.now.wall));
    if asked > retry_after::MAX_RETRY_AFTER {
        context.log(&Notice::DelayTooLong { asked });
    }
    Some(asked)
}

pub(super) fn log_entity(payload: &Payload, reason: String, context: &mut PublisherContext<'_>) {
    if let Some(entity) = &payload.key().entity {
        let (service, environment) = (entity.service.to_string(), entity.environment.to_string());
        context.log(&Notice::EntityRefused { service, environment, reason });
    }
}

/// Logs a line about a lane, at most once per minute and lane.
pub(super) fn log_lane(lane: LaneId, notice: &Notice, context: &mut PublisherContext<'_>) {
    let now = context.now.steady;
    if lane_mut(context, lane).is_some_and(|lane| lane.may_log(now)) {
        context.log(notice);
    }
}

/// Returns the error of an answer, for the log. If a signature does not match, AWS repeats the string to sign, which
/// contains the session token; that part is removed.
pub(crate) fn reason(answer: &PublishAnswer) -> String {
    match answer {
        PublishAnswer::Missing { reason, .. } => reason.clone(),
        PublishAnswer::Complete(Reply { status, code, message, .. }) => {
            let message = message.split("The Canonical String").next().unwrap_or_default().trim();
            format!("{status} {code} {message}")
        }
    }
}
