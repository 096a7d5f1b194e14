//! Handles the answers to PutMetricData requests.

use std::time::Duration;

use super::{DENIED_DELAY, Parts, Publisher, in_flight::Sent, wait_first};
use crate::{
    Answer, Disposition, Payload, TransmitId,
    answer::Reply,
    backoff::THROTTLED_BASE,
    clock::Clock,
    config::OnUnknownOutcome,
    disposition::RetryCause,
    error_code::Meaning,
    lane::Lane,
    lanes::LaneId,
    notice::Notice,
    patience::{self, Patience},
    waiting::{Body, Waiting},
};

/// What delays begin with, after AWS's SDKs.
const TRANSIENT_BASE: Duration = Duration::from_millis(50);

impl Publisher {
    /// Takes in that a request could not be dispatched, so it was not sent.
    pub fn handle_undispatched(&mut self, id: TransmitId, reason: &str, parts: &mut Parts<'_>) {
        let missing = Answer::Missing { may_be_stored: false, reason: reason.to_owned() };
        if let Some(sent) = self.take_answered(id, parts) {
            self.retry(sent, RetryCause::Unsent, None, &missing, parts);
        }
    }

    /// Takes in the end of a callout.
    pub fn handle_answer(&mut self, id: TransmitId, answer: &Answer, parts: &mut Parts<'_>) {
        let Some(sent) = self.take_answered(id, parts) else { return };
        let learnt = parts.clock.learnt();
        let difference = learn(&sent, answer, parts);
        let disposition = Disposition::of(answer, difference);
        if answer.is_foreign() {
            note_foreign(&sent, answer, parts);
        }
        match disposition {
            Disposition::Delivered => {
                parts.credentials.accepted(sent.signed_with);
                self.delivered(&sent, answer, parts);
            }
            Disposition::Retry { cause: RetryCause::UnknownOutcome, .. }
                if self.on_unknown_outcome == OnUnknownOutcome::Drop =>
            {
                self.drop_unknown(&sent, answer, parts);
            }
            Disposition::Retry { cause, patience } => self.retry(sent, cause, patience, answer, parts),
            Disposition::CorrectClock => {
                count_retry(parts);
                if parts.clock.learnt() == learnt {
                    // Another answer is needed. Should it never agree, requests are not to follow each other without end.
                    self.backoff.fail(parts.now.steady, TRANSIENT_BASE, None, &mut self.random);
                }
                send_again(sent, parts);
            }
            Disposition::RefreshCredentials if parts.credentials.refused(sent.signed_with, parts.now) => {
                count_retry(parts);
                send_again(sent, parts);
            }
            Disposition::RefreshCredentials => {
                parts.journal.counts.denied = parts.journal.counts.denied.saturating_add(1);
                parts.log(&Notice::Denied { reason: reason(answer) });
                self.backoff.fail(parts.now.steady, DENIED_DELAY, Some(DENIED_DELAY), &mut self.random);
                send_again(sent, parts);
            }
            Disposition::Denied => self.deny(sent, answer, parts),
            Disposition::Isolate { data } => self.isolate(sent, &data, answer, parts),
            Disposition::WithoutEntity => self.send_without_entity(sent, answer, parts),
            Disposition::Split if sent.payload.data() > 1 => self.split(sent, parts),
            Disposition::Split if answer.is_foreign() => self.retry(sent, RetryCause::Foreign, None, answer, parts),
            Disposition::Split => {
                let samples = sent.payload.samples();
                parts.journal.counts.dropped_rejected = parts.journal.counts.dropped_rejected.saturating_add(samples);
                dropped("rejected", samples, answer, parts);
            }
        }
    }

    fn take_answered(&mut self, id: TransmitId, parts: &mut Parts<'_>) -> Option<Sent> {
        let sent = self.in_flight.take(id)?;
        if let Some(lane) = lane_mut(parts, sent.lane) {
            lane.answered();
        }
        Some(sent)
    }

    fn delivered(&mut self, sent: &Sent, answer: &Answer, parts: &mut Parts<'_>) {
        let payload = &sent.payload;
        self.backoff.succeed();
        self.schedule.delivered();
        self.last_success = Some(parts.now.steady);
        if let Some(lane) = lane_mut(parts, sent.lane) {
            lane.accept();
        }
        let counts = &mut parts.journal.counts;
        counts.published = counts.published.saturating_add(payload.samples());
        counts.published_data = counts.published_data.saturating_add(payload.data() as u64);
        counts.requests = counts.requests.saturating_add(1);
        counts.request_bytes = counts.request_bytes.saturating_add(payload.body().len() as u64);
        let (data, samples, bytes) = (payload.data(), payload.samples(), payload.body().len());
        parts.log(&Notice::Published { data, samples, bytes });
        if let Answer::Complete(Reply { entity_fault: Some(fault), .. }) = answer {
            log_entity(payload, fault.clone(), parts);
        }
    }

    /// Sends a payload again after a back-off: of everything, or of its lane only.
    pub(super) fn retry(
        &mut self,
        sent: Sent,
        cause: RetryCause,
        wish: Option<Patience>,
        answer: &Answer,
        parts: &mut Parts<'_>,
    ) {
        count_retry(parts);
        let base = match cause {
            RetryCause::Throttled => {
                parts.journal.counts.throttled = parts.journal.counts.throttled.saturating_add(1);
                self.schedule.throttled();
                THROTTLED_BASE
            }
            RetryCause::UnknownOutcome => {
                parts.journal.counts.unknown_outcome = parts.journal.counts.unknown_outcome.saturating_add(1);
                TRANSIENT_BASE
            }
            RetryCause::Foreign if answer.status() < 500 => THROTTLED_BASE,
            RetryCause::ServiceFault | RetryCause::Unsent | RetryCause::Foreign => TRANSIENT_BASE,
        };
        let after = remaining_patience(wish, answer, parts);
        let delay = if cause.is_of_all() {
            let delay = self.backoff.fail(parts.now.steady, base, after, &mut self.random);
            send_again(sent, parts);
            delay
        } else {
            self.hold_lane(sent, base, after, parts)
        };
        if cause != RetryCause::Foreign {
            parts.log(&Notice::Retrying { cause, reason: reason(answer), delay });
        }
    }

    /// Backs off with the lane of a payload, which waits in it; returns for how long.
    pub(super) fn hold_lane(
        &mut self,
        sent: Sent,
        base: Duration,
        after: Option<Duration>,
        parts: &mut Parts<'_>,
    ) -> Duration {
        let Sent { lane, payload, mut history, .. } = sent;
        let Some(lane) = parts.buffer.lanes_mut().get_mut(lane) else { return Duration::ZERO };
        history.fail(parts.now.steady);
        let waiting = Waiting { body: Body::Payload(payload), history };
        // One that keeps failing is not to be the first of its lane for ever.
        if history.not_before > parts.now.steady {
            lane.wait_last(waiting)
        } else {
            lane.wait_first(waiting)
        }
        lane.fail(parts.now.steady, base, after, &mut self.random)
    }

    /// Holds what the account, its permissions or the configuration do not allow. That may be because of its namespace, so
    /// other lanes go on.
    fn deny(&mut self, sent: Sent, answer: &Answer, parts: &mut Parts<'_>) {
        parts.journal.counts.denied = parts.journal.counts.denied.saturating_add(1);
        let is_permission = match answer {
            Answer::Complete(reply) => Meaning::of(&reply.code) == Some(Meaning::Denied) || reply.status == 403,
            Answer::Missing { .. } => false,
        };
        let namespace = sent.payload.key().namespace.to_string();
        log_lane(sent.lane, &Notice::Refused { namespace, reason: reason(answer), is_permission }, parts);
        self.hold_lane(sent, DENIED_DELAY, Some(DENIED_DELAY), parts);
    }

    fn drop_unknown(&mut self, sent: &Sent, answer: &Answer, parts: &mut Parts<'_>) {
        let samples = sent.payload.samples();
        parts.journal.counts.unknown_outcome = parts.journal.counts.unknown_outcome.saturating_add(1);
        parts.journal.counts.dropped_unknown_outcome =
            parts.journal.counts.dropped_unknown_outcome.saturating_add(samples);
        if let Some(lane) = parts.buffer.lanes_mut().get_mut(sent.lane) {
            lane.fail(parts.now.steady, TRANSIENT_BASE, None, &mut self.random);
        }
        dropped("unknown_outcome", samples, answer, parts);
    }
}

/// Learns the time from an answer of CloudWatch itself; returns the difference that it showed.
fn learn(sent: &Sent, answer: &Answer, parts: &mut Parts<'_>) -> Option<i64> {
    let Answer::Complete(Reply { date: Some(date), is_foreign: false, .. }) = answer else { return None };
    let round_trip = parts.now.steady.saturating_sub(sent.at);
    let difference = Clock::difference(*date, sent.signed_at, round_trip)?;
    parts.learn(difference, sent.history.learnt);
    Some(difference)
}

pub(super) fn lane_mut<'a>(parts: &'a mut Parts<'_>, id: LaneId) -> Option<&'a mut Lane> {
    parts.buffer.lanes_mut().get_mut(id)
}

pub(super) fn count_retry(parts: &mut Parts<'_>) {
    parts.journal.counts.retried = parts.journal.counts.retried.saturating_add(1);
}

/// Sends a payload again as soon as everything else allows it.
fn send_again(sent: Sent, parts: &mut Parts<'_>) {
    let Sent { lane, payload, history, .. } = sent;
    wait_first(parts.buffer, lane, Body::Payload(payload), history);
}

fn dropped(reason: &'static str, samples: u64, answer: &Answer, parts: &mut Parts<'_>) {
    parts.log(&Notice::Dropped { reason, samples, detail: self::reason(answer) });
}

fn note_foreign(sent: &Sent, answer: &Answer, parts: &mut Parts<'_>) {
    parts.journal.counts.foreign = parts.journal.counts.foreign.saturating_add(1);
    let namespace = sent.payload.key().namespace.to_string();
    parts.log(&Notice::Foreign { status: answer.status(), namespace, reason: reason(answer) });
}

/// Returns how long a server wants to be left alone.
fn remaining_patience(wish: Option<Patience>, answer: &Answer, parts: &mut Parts<'_>) -> Option<Duration> {
    let date = match answer {
        Answer::Complete(Reply { date, .. }) => *date,
        Answer::Missing { .. } => None,
    };
    let asked = wish?.remaining(date.unwrap_or(parts.now.wall));
    if asked > patience::LONGEST {
        parts.log(&Notice::DelayTooLong { asked });
    }
    Some(asked)
}

pub(super) fn log_entity(payload: &Payload, reason: String, parts: &mut Parts<'_>) {
    if let Some(entity) = &payload.key().entity {
        let (service, environment) = (entity.service.to_string(), entity.environment.to_string());
        parts.log(&Notice::EntityRefused { service, environment, reason });
    }
}

/// Logs a line about a lane, at most one a minute for each.
pub(super) fn log_lane(lane: LaneId, notice: &Notice, parts: &mut Parts<'_>) {
    let now = parts.now.steady;
    if lane_mut(parts, lane).is_some_and(|lane| lane.may_log(now)) {
        parts.log(notice);
    }
}

/// Returns what was said, for the log. AWS repeats the string to sign, and with it the session token, when a signature does
/// not match; that part is left out.
pub(super) fn reason(answer: &Answer) -> String {
    match answer {
        Answer::Missing { reason, .. } => reason.clone(),
        Answer::Complete(Reply { status, code, message, .. }) => {
            let message = message.split("The Canonical String").next().unwrap_or_default().trim();
            format!("{status} {code} {message}")
        }
    }
}
