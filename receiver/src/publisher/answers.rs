//! Handles the answers to PutMetricData requests.

use std::time::Duration;

use acpw_metric::Now;

use super::{DENIED_DELAY, Publisher, in_flight::Sent};
use crate::{
    Answer, Disposition, Payload, TransmitId,
    answer::Reply,
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
const THROTTLED_BASE: Duration = Duration::from_secs(1);

impl Publisher {
    /// Takes in that a request could not be dispatched, so it was not sent.
    pub fn handle_undispatched(&mut self, id: TransmitId, reason: &str, now: Now) {
        let missing = Answer::Missing { may_be_stored: false, reason: reason.to_owned() };
        if let Some(sent) = self.take_answered(id) {
            self.retry(sent, RetryCause::Unsent, None, &missing, now);
        }
    }

    /// Takes in the end of a callout.
    pub fn handle_answer(&mut self, id: TransmitId, answer: &Answer, now: Now) {
        let Some(sent) = self.take_answered(id) else { return };
        let learnt = self.clock.learnt();
        let difference = self.learn(&sent, answer, now);
        let disposition = Disposition::of(answer, difference);
        if answer.is_foreign() {
            self.note_foreign(&sent, answer, now);
        }
        match disposition {
            Disposition::Delivered => {
                self.credentials.accepted(sent.signed_with);
                self.delivered(&sent, answer, now);
            }
            Disposition::Retry { cause: RetryCause::UnknownOutcome, .. }
                if self.on_unknown_outcome == OnUnknownOutcome::Drop =>
            {
                self.drop_unknown(&sent, answer, now);
            }
            Disposition::Retry { cause, patience } => self.retry(sent, cause, patience, answer, now),
            Disposition::CorrectClock => {
                self.count_retry();
                if self.clock.learnt() == learnt {
                    // Another answer is needed. Should it never agree, requests are not to follow each other without end.
                    self.backoff.fail(now.steady, TRANSIENT_BASE, None, &mut self.random);
                }
                self.send_again(sent);
            }
            Disposition::RefreshCredentials if self.credentials.refused(sent.signed_with, now) => {
                self.count_retry();
                self.send_again(sent);
            }
            Disposition::RefreshCredentials => {
                self.counts.denied = self.counts.denied.saturating_add(1);
                self.tell(&Notice::Denied { reason: reason(answer) }, now);
                self.backoff.fail(now.steady, DENIED_DELAY, Some(DENIED_DELAY), &mut self.random);
                self.send_again(sent);
            }
            Disposition::Denied => self.deny(sent, answer, now),
            Disposition::Isolate { data } => self.isolate(sent, &data, answer, now),
            Disposition::WithoutEntity => self.send_without_entity(sent, answer, now),
            Disposition::Split if sent.payload.data() > 1 => self.split(sent),
            Disposition::Split if answer.is_foreign() => self.retry(sent, RetryCause::Foreign, None, answer, now),
            Disposition::Split => {
                let samples = sent.payload.samples();
                self.counts.dropped_rejected = self.counts.dropped_rejected.saturating_add(samples);
                self.dropped("rejected", samples, answer, now);
            }
        }
    }

    fn take_answered(&mut self, id: TransmitId) -> Option<Sent> {
        let sent = self.in_flight.take(id)?;
        if let Some(lane) = self.lane(sent.lane) {
            lane.answered();
        }
        Some(sent)
    }

    pub(super) fn lane(&mut self, id: LaneId) -> Option<&mut Lane> {
        self.buffer.lanes_mut().get_mut(id)
    }

    /// Learns the time from an answer of CloudWatch's own; returns the difference that it showed.
    fn learn(&mut self, sent: &Sent, answer: &Answer, now: Now) -> Option<i64> {
        let Answer::Complete(Reply { date: Some(date), is_foreign: false, .. }) = answer else { return None };
        let round_trip = now.steady.saturating_sub(sent.at);
        let difference = Clock::difference(*date, sent.signed_at, round_trip)?;
        self.learn_difference(difference, sent.history.learnt, now);
        Some(difference)
    }

    fn delivered(&mut self, sent: &Sent, answer: &Answer, now: Now) {
        let payload = &sent.payload;
        self.backoff.succeed();
        self.schedule.delivered();
        self.last_success = Some(now.steady);
        if let Some(lane) = self.lane(sent.lane) {
            lane.accept();
        }
        let counts = &mut self.counts;
        counts.published = counts.published.saturating_add(payload.samples());
        counts.published_data = counts.published_data.saturating_add(payload.data() as u64);
        counts.requests = counts.requests.saturating_add(1);
        counts.request_bytes = counts.request_bytes.saturating_add(payload.body().len() as u64);
        let (data, samples, bytes) = (payload.data(), payload.samples(), payload.body().len());
        self.tell(&Notice::Published { data, samples, bytes }, now);
        if let Answer::Complete(Reply { entity_fault: Some(fault), .. }) = answer {
            self.tell_of_entity(payload, fault.clone(), now);
        }
    }

    /// Sends a payload again after a back-off: of everything, or of its lane only.
    pub(super) fn retry(&mut self, sent: Sent, cause: RetryCause, wish: Option<Patience>, answer: &Answer, now: Now) {
        self.count_retry();
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
            RetryCause::Foreign if answer.status() < 500 => THROTTLED_BASE,
            RetryCause::ServiceFault | RetryCause::Unsent | RetryCause::Foreign => TRANSIENT_BASE,
        };
        let after = self.patience(wish, answer, now);
        let delay = if cause.is_of_all() {
            let delay = self.backoff.fail(now.steady, base, after, &mut self.random);
            self.send_again(sent);
            delay
        } else {
            self.hold_lane(sent, base, after, now)
        };
        if cause != RetryCause::Foreign {
            self.tell(&Notice::Retrying { cause, reason: reason(answer), delay }, now);
        }
    }

    /// Returns how long a server wants to be left alone.
    fn patience(&mut self, wish: Option<Patience>, answer: &Answer, now: Now) -> Option<Duration> {
        let date = match answer {
            Answer::Complete(Reply { date, .. }) => *date,
            Answer::Missing { .. } => None,
        };
        let server_time = date.unwrap_or_else(|| self.clock.read(now));
        let asked = wish?.remaining(server_time);
        if asked > patience::LONGEST {
            self.tell(&Notice::AskedTooMuch { asked }, now);
        }
        Some(asked)
    }

    /// Backs off with the lane of a payload, which waits in it; returns for how long.
    pub(super) fn hold_lane(&mut self, sent: Sent, base: Duration, after: Option<Duration>, now: Now) -> Duration {
        let Sent { lane, payload, mut history, .. } = sent;
        let Some(lane) = self.buffer.lanes_mut().get_mut(lane) else { return Duration::ZERO };
        history.fail(now.steady);
        let waiting = Waiting { body: Body::Payload(payload), history };
        // One that keeps failing is not to be the first of its lane for ever.
        if history.not_before > now.steady {
            lane.wait_last(waiting)
        } else {
            lane.wait_first(waiting)
        }
        lane.fail(now.steady, base, after, &mut self.random)
    }

    /// Holds what the account, its permissions or the configuration do not allow. That may be because of its namespace, so
    /// other lanes go on.
    fn deny(&mut self, sent: Sent, answer: &Answer, now: Now) {
        self.counts.denied = self.counts.denied.saturating_add(1);
        let is_permission = match answer {
            Answer::Complete(reply) => Meaning::of(&reply.code) == Some(Meaning::Denied) || reply.status == 403,
            Answer::Missing { .. } => false,
        };
        let namespace = sent.payload.key().namespace.to_string();
        self.tell_of_lane(sent.lane, &Notice::Refused { namespace, reason: reason(answer), is_permission }, now);
        self.hold_lane(sent, DENIED_DELAY, Some(DENIED_DELAY), now);
    }

    /// Sends a payload again as soon as everything else allows it.
    fn send_again(&mut self, sent: Sent) {
        let Sent { lane, payload, history, .. } = sent;
        if let Some(lane) = self.lane(lane) {
            lane.wait_first(Waiting { body: Body::Payload(payload), history });
        }
    }

    fn drop_unknown(&mut self, sent: &Sent, answer: &Answer, now: Now) {
        let samples = sent.payload.samples();
        self.counts.unknown_outcome = self.counts.unknown_outcome.saturating_add(1);
        self.counts.dropped_unknown_outcome = self.counts.dropped_unknown_outcome.saturating_add(samples);
        if let Some(lane) = self.buffer.lanes_mut().get_mut(sent.lane) {
            lane.fail(now.steady, TRANSIENT_BASE, None, &mut self.random);
        }
        self.dropped("unknown_outcome", samples, answer, now);
    }

    fn note_foreign(&mut self, sent: &Sent, answer: &Answer, now: Now) {
        self.counts.foreign = self.counts.foreign.saturating_add(1);
        let namespace = sent.payload.key().namespace.to_string();
        self.tell(&Notice::Foreign { status: answer.status(), namespace, reason: reason(answer) }, now);
    }

    pub(super) fn count_retry(&mut self) {
        self.counts.retried = self.counts.retried.saturating_add(1);
    }

    pub(super) fn dropped(&mut self, reason: &'static str, samples: u64, answer: &Answer, now: Now) {
        self.tell(&Notice::Dropped { reason, samples, detail: self::reason(answer) }, now);
    }

    pub(super) fn tell_of_entity(&mut self, payload: &Payload, reason: String, now: Now) {
        if let Some(entity) = &payload.key().entity {
            let (service, environment) = (entity.service.to_string(), entity.environment.to_string());
            self.tell(&Notice::EntityRefused { service, environment, reason }, now);
        }
    }

    /// Logs a line about a lane, one a minute for each.
    pub(super) fn tell_of_lane(&mut self, lane: LaneId, notice: &Notice, now: Now) {
        if self.lane(lane).is_some_and(|lane| lane.may_log(now.steady)) {
            self.tell(notice, now);
        }
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
