//! Handles the responses of the endpoint.

use super::{
    answer::{ExportAnswer, ExportOutcome, PartialSuccess},
    config::Authentication,
    exporter::{ExportContext, Exporter, REFUSED_IN_A_ROW},
    notice::ExportNotice,
    queue::{SentRequest, WaitingRequest},
    request::RequestDraft,
    transmit::ExportId,
};
use crate::{
    PublishAnswer,
    answer::Reply,
    backoff::{DENIED_DELAY, FailureKind},
    clock::Clock,
    config::OnUnknownOutcome,
    disposition::RetryCause,
    publisher::reason,
    retry_after::RetryAfter,
};

impl Exporter {
    /// Returns by how many milliseconds the clock of AWS is ahead according to a response, and the correction of the
    /// clock when the request was signed. Returns `None` if the response is not AWS's.
    pub fn clock_difference(
        &self,
        id: ExportId,
        answer: &ExportAnswer,
        parts: &ExportContext<'_>,
    ) -> Option<(i64, i64)> {
        let PublishAnswer::Complete(Reply { date: Some(date), is_foreign: false, .. }) = &answer.answer else {
            return None;
        };
        let sent = self.queue.sent(id)?;
        let round_trip = parts.now.steady.saturating_sub(sent.at);
        Some((Clock::difference(*date, sent.signed_at, round_trip)?, sent.correction))
    }

    /// Handles the response to a request, or that none arrived.
    pub fn handle_answer(&mut self, id: ExportId, answer: &ExportAnswer, parts: &mut ExportContext<'_>) {
        let difference = self.clock_difference(id, answer, parts).map(|(difference, _)| difference);
        self.correct_times(parts.clock);
        let Some(sent) = self.queue.take_sent(id) else { return };
        let detail = || reason(&answer.answer);
        match answer.outcome(difference) {
            ExportOutcome::Delivered(partial) => self.handle_delivered(&sent, partial, parts),
            ExportOutcome::Retry { cause: RetryCause::UnknownOutcome, .. }
                if self.on_unknown_outcome == OnUnknownOutcome::Drop && self.totals.is_none() =>
            {
                let samples = sent.request.data.samples();
                let counts = &mut parts.journal.counts;
                counts.otlp_unknown_outcome = counts.otlp_unknown_outcome.saturating_add(1);
                counts.otlp_dropped_unknown_outcome = counts.otlp_dropped_unknown_outcome.saturating_add(samples);
                self.backoff.fail(parts.now.steady, FailureKind::Transient, None, &mut self.random);
                parts.log(ExportNotice::Dropped { reason: "unknown_outcome", samples, detail: detail() });
            }
            // A total that arrives twice counts once.
            ExportOutcome::Retry { cause, retry_after } => self.retry(sent, cause, retry_after, answer, parts),
            ExportOutcome::CorrectClock => {
                // Should the response of the next request still not agree, the requests do not follow each other at
                // once.
                self.backoff.fail(parts.now.steady, FailureKind::Transient, None, &mut self.random);
                self.send_again(sent, parts);
            }
            ExportOutcome::RefreshCredentials => {
                let is_signed = self.endpoint.authentication == Authentication::SigV4;
                let signed_with = sent.signed_with.filter(|_| is_signed);
                let is_replaced = signed_with.is_some_and(|set| parts.credentials.refused(set, parts.now));
                if !is_replaced {
                    self.hold(ExportNotice::Denied { reason: detail() }, parts);
                }
                self.send_again(sent, parts);
            }
            ExportOutcome::Hold => {
                self.hold(ExportNotice::Held { status: answer.answer.status(), reason: detail() }, parts);
                self.send_again(sent, parts);
            }
            ExportOutcome::Split => self.split(sent, answer, parts),
        }
    }

    fn handle_delivered(&mut self, sent: &SentRequest, partial: PartialSuccess, parts: &mut ExportContext<'_>) {
        if let Some(set) = sent.signed_with {
            parts.credentials.accepted(set);
        }
        self.backoff.succeed();
        self.schedule.record_delivered(parts.now.steady);
        self.last_success = Some(parts.now.steady);
        self.record_stored(sent.epoch);
        self.refused = 0;
        let (samples, points, bytes) = (sent.request.data.samples(), sent.request.points, sent.request.body.len());
        let counts = &mut parts.journal.counts;
        counts.otlp_requests = counts.otlp_requests.saturating_add(1);
        counts.otlp_request_bytes = counts.otlp_request_bytes.saturating_add(bytes as u64);
        counts.otlp_rejected_data_points = counts.otlp_rejected_data_points.saturating_add(partial.rejected);
        let PartialSuccess { rejected, message } = partial;
        let total = match rejected {
            0 => &mut counts.otlp_published,
            all if all >= points as u64 => &mut counts.otlp_dropped_rejected,
            _ => &mut counts.otlp_dropped_partial_success,
        };
        *total = total.saturating_add(samples);
        if rejected > 0 || !message.is_empty() {
            parts.log(ExportNotice::PartialSuccess { rejected, points, message });
        }
        parts.log(ExportNotice::Published { points, samples, bytes });
    }

    fn retry(
        &mut self,
        sent: SentRequest,
        cause: RetryCause,
        wish: Option<RetryAfter>,
        answer: &ExportAnswer,
        parts: &mut ExportContext<'_>,
    ) {
        let counts = &mut parts.journal.counts;
        let kind = match cause {
            RetryCause::Throttled => {
                counts.otlp_throttled = counts.otlp_throttled.saturating_add(1);
                self.schedule.record_throttled(parts.now.steady);
                FailureKind::Throttled
            }
            RetryCause::UnknownOutcome => {
                counts.otlp_unknown_outcome = counts.otlp_unknown_outcome.saturating_add(1);
                self.record_stored(sent.epoch);
                FailureKind::Transient
            }
            RetryCause::ServiceFault | RetryCause::Unsent | RetryCause::Foreign => FailureKind::Transient,
        };
        let date = match &answer.answer {
            PublishAnswer::Complete(Reply { date, .. }) => *date,
            PublishAnswer::Missing { .. } => None,
        };
        let after = wish.map(|wish| wish.remaining(date.unwrap_or(parts.now.wall)));
        let delay = self.backoff.fail(parts.now.steady, kind, after, &mut self.random);
        parts.log(ExportNotice::Retrying { cause, reason: reason(&answer.answer), delay });
        self.send_again(sent, parts);
    }

    /// Sends nothing for a while, because an operator has to act.
    fn hold(&mut self, notice: ExportNotice, parts: &mut ExportContext<'_>) {
        parts.journal.counts.otlp_denied = parts.journal.counts.otlp_denied.saturating_add(1);
        self.backoff.fail(parts.now.steady, FailureKind::Denied, Some(DENIED_DELAY), &mut self.random);
        parts.log(notice);
    }

    /// Records that the endpoint may have stored the data of a request.
    fn record_stored(&mut self, epoch: u64) {
        if let Some(totals) = &mut self.totals {
            totals.record_stored(epoch);
        }
    }

    /// Sends a request again as soon as the back-off allows it.
    fn send_again(&mut self, sent: SentRequest, parts: &mut ExportContext<'_>) {
        count_retry(parts);
        let request = self.corrected(sent);
        if let Some(request) = request {
            self.queue.waiting.push_front(request);
        }
    }

    /// Returns a request with its times corrected by the change of the clock since it was sent. Returns `None` if its
    /// data are due again, because all series have restarted since then.
    fn corrected(&mut self, sent: SentRequest) -> Option<WaitingRequest> {
        let millis = self.correction.saturating_sub(sent.correction);
        match &self.totals {
            Some(totals) if totals.epoch() != sent.epoch => {
                let (due, _) = self.held.due_mut();
                sent.request.data.shifted(millis).move_to(due);
                None
            }
            // Stored points of the series fix its times.
            Some(_) => Some(WaitingRequest::Encoded(sent.request)),
            None if millis == 0 => Some(WaitingRequest::Encoded(sent.request)),
            None => {
                let draft = RequestDraft::again(sent.request.data.shifted(millis));
                Some(WaitingRequest::Draft(Box::new(draft)))
            }
        }
    }

    /// Sends a refused request in halves, and drops a single distribution. If one after another is refused and none
    /// accepted, the data are not the cause: they are held.
    fn split(&mut self, sent: SentRequest, answer: &ExportAnswer, parts: &mut ExportContext<'_>) {
        let samples = sent.request.data.samples();
        let is_single = sent.request.data.distributions() <= 1;
        if self.refused >= REFUSED_IN_A_ROW {
            self.backoff.fail(parts.now.steady, FailureKind::Refused, None, &mut self.random);
            parts.log(ExportNotice::AllRefused { reason: reason(&answer.answer) });
            count_retry(parts);
            // Another request shows whether it is refused, too.
            let request = self.corrected(sent);
            self.queue.waiting.extend(request);
        } else if is_single {
            self.refused = self.refused.saturating_add(1);
            let counts = &mut parts.journal.counts;
            counts.otlp_dropped_rejected = counts.otlp_dropped_rejected.saturating_add(samples);
            parts.log(ExportNotice::Dropped { reason: "rejected", samples, detail: reason(&answer.answer) });
        } else {
            count_retry(parts);
            let Some(request) = self.corrected(sent) else { return };
            let (first, second) = request.into_data().split();
            for half in [second, first] {
                self.queue.waiting.push_front(WaitingRequest::Draft(Box::new(RequestDraft::again(half))));
            }
        }
    }
}

fn count_retry(parts: &mut ExportContext<'_>) {
    parts.journal.counts.otlp_retried = parts.journal.counts.otlp_retried.saturating_add(1);
}
