//! What becomes of a payload by its answer.

use std::time::Duration;

use acpw_metric::Now;

use super::{
    DENIED_DELAY, Publisher,
    payloads::{Body, InFlight},
};
use crate::{
    Answer, Disposition, Payload, TransmitId, answer::Reply, clock::Clock, config::OnUnknownOutcome,
    disposition::RetryCause, notice::Notice,
};

/// What delays begin with, after AWS's SDKs.
const TRANSIENT_BASE: Duration = Duration::from_millis(50);
const THROTTLED_BASE: Duration = Duration::from_secs(1);

impl Publisher {
    /// A request could not be dispatched, so it was not sent.
    pub fn handle_undispatched(&mut self, id: TransmitId, reason: &str, now: Now) {
        let Some(sent) = self.payloads.take(id) else { return };
        let missing = Answer::Missing { may_be_stored: false, reason: reason.to_owned() };
        self.retry(sent, RetryCause::Unsent, None, &missing, now);
    }

    /// A callout has ended.
    pub fn handle_answer(&mut self, id: TransmitId, answer: &Answer, now: Now) {
        let Some(sent) = self.payloads.take(id) else { return };
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
                self.payloads.wait(Body::Payload(sent.payload), sent.learnt);
            }
            Disposition::RefreshCredentials if self.credentials.refused(sent.signed_with, now) => {
                self.counts.retried = self.counts.retried.saturating_add(1);
                self.payloads.wait(Body::Payload(sent.payload), sent.learnt);
            }
            Disposition::RefreshCredentials | Disposition::Denied => {
                self.counts.denied = self.counts.denied.saturating_add(1);
                self.tell(&Notice::Denied { reason: reason(answer) }, now);
                self.backoff.fail(now.steady, DENIED_DELAY, Some(DENIED_DELAY), &mut self.random);
                self.payloads.wait(Body::Payload(sent.payload), sent.learnt);
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

    /// Learns the time from an answer; gives the difference that it showed.
    fn learn(&mut self, sent: &InFlight, answer: &Answer, now: Now) -> Option<i64> {
        let Answer::Complete(Reply { date: Some(date), .. }) = answer else { return None };
        let round_trip = now.steady.saturating_sub(sent.sent);
        let difference = Clock::difference(*date, sent.signed_at, round_trip)?;
        self.learn_difference(difference, sent.learnt, now);
        Some(difference)
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
        self.payloads.wait(Body::Payload(sent.payload), sent.learnt);
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
                // The place in a body that nobody sees says nothing to whoever has to mend the datum.
                let series = places.first().and_then(|place| sent.payload.series(*place)).unwrap_or_default();
                let more = places.len().saturating_sub(1);
                let more = if more > 0 { format!(" and {more} more data") } else { String::new() };
                let detail = format!("{series}{more}: {}", reason(answer));
                self.tell(&Notice::Dropped { reason: "invalid", samples, detail }, now);
                if let Some(rest) = rest {
                    self.payloads.wait(Body::Draft(rest), sent.learnt);
                }
            }
        }
    }

    fn split(&mut self, sent: InFlight) {
        self.counts.retried = self.counts.retried.saturating_add(1);
        let (left, right) = sent.payload.split();
        for half in [right, left].into_iter().flatten() {
            self.payloads.wait(Body::Draft(half), sent.learnt);
        }
    }

    fn dropped(&mut self, reason: &'static str, samples: u64, answer: &Answer, now: Now) {
        self.tell(&Notice::Dropped { reason, samples, detail: self::reason(answer) }, now);
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
