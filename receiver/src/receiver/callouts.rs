//! Callouts of the receiver: requests to CloudWatch, to credential providers, to sources and to Envoy's admin
//! interface.

use acpw_metric::Now;

use super::Receiver;
use crate::{
    PublishAnswer, TransmitId,
    call::{CREDENTIALS_LIMIT, Call, Response},
    notice::Notice,
    source::{Head, SourceId},
};

/// The maximum number of bytes that are read from CloudWatch's response. An error that names a thousand data fits.
const RESPONSE_LIMIT: usize = 256 * 1024;

/// The purpose of a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Publishes a payload.
    Publish(TransmitId),
    /// Fetches credentials.
    FetchCredentials,
    /// Polls a source for data.
    PollSource(SourceId),
    /// Checks if Envoy is being drained.
    CheckReady,
}

/// A request to send, and its purpose.
#[derive(Debug)]
pub struct Callout {
    /// The purpose.
    pub purpose: Purpose,
    /// The request.
    pub call: Call,
}

impl Receiver {
    /// Returns the next request to send. Call this on a tick only, because a dispatch during Envoy's shutdown would
    /// crash Envoy.
    pub fn poll_callout(&mut self, now: Now) -> Option<Callout> {
        let now = self.clock.correct(now);
        if let Some(call) = self.drain_watch.as_mut().and_then(|watch| watch.poll(now.steady)) {
            return Some(Callout { purpose: Purpose::CheckReady, call });
        }
        if let Some(call) = self.credentials.poll_call(now) {
            self.correction_at_call = self.clock.correction();
            self.log_credentials(now);
            return Some(Callout { purpose: Purpose::FetchCredentials, call });
        }
        self.log_credentials(now);
        if let Some((id, call)) = self.sources.poll_call(now) {
            return Some(Callout { purpose: Purpose::PollSource(id), call });
        }
        let (publisher, mut context) = self.publisher_and_context(now);
        let transmit = publisher.poll_transmit(&mut context)?;
        let call = Call::put_metric_data(&self.cluster, transmit.headers, transmit.body, self.timeout);
        Some(Callout { purpose: Purpose::Publish(transmit.id), call })
    }

    /// Handles the result of a dispatch: the token of the callout, or Envoy's error.
    pub fn handle_dispatch(&mut self, purpose: Purpose, result: Result<u32, String>, now: Now) {
        match result {
            Ok(token) => {
                self.callouts.insert(token, purpose);
            }
            Err(error) => self.handle_undispatched(purpose, &error, now),
        }
    }

    /// Handles a callout that could not be dispatched, so it was not sent.
    pub fn handle_undispatched(&mut self, purpose: Purpose, reason: &str, now: Now) {
        match purpose {
            Purpose::Publish(id) => {
                let reason = format!("cloud_watch_cluster_name \"{}\": {reason}", self.cluster);
                self.handle_publish_answer(id, &PublishAnswer::Missing { may_be_stored: false, reason }, now);
            }
            Purpose::FetchCredentials => self.handle_credentials(&Response::Missing(reason.to_owned()), now),
            Purpose::PollSource(id) => {
                let now = self.clock.correct(now);
                self.sources.handle_undispatched(id, reason, now);
            }
            Purpose::CheckReady => {
                if let Some(notice) = self.drain_watch.as_mut().and_then(|watch| watch.handle_undispatched(reason)) {
                    self.journal.log(&notice, now.steady);
                }
            }
        }
    }

    /// Handles the end of a callout. `header` returns the value of a header, given its name in lower case; `body`
    /// returns at most the given number of bytes of the body.
    pub fn handle_answer(
        &mut self,
        token: u32,
        header: impl Fn(&str) -> Option<Vec<u8>>,
        body: impl FnOnce(usize) -> Vec<u8>,
        now: Now,
    ) {
        match self.callouts.remove(&token) {
            Some(Purpose::Publish(id)) => {
                self.handle_publish_answer(id, &PublishAnswer::new(header, &body(RESPONSE_LIMIT)), now);
            }
            Some(Purpose::FetchCredentials) => {
                let body = body(CREDENTIALS_LIMIT.saturating_add(1));
                self.handle_credentials(&Response::new(header, body, CREDENTIALS_LIMIT), now);
            }
            Some(Purpose::PollSource(id)) => {
                let limit = self.sources.answer_limit(id);
                let head = Head::new(&header);
                let answer = Response::new(header, body(limit.saturating_add(1)), limit);
                self.handle_source_answer(id, &head, answer, now);
            }
            Some(Purpose::CheckReady) => {
                if let Some(watch) = &mut self.drain_watch {
                    let (is_draining, notice) = watch.handle_answer(&body(RESPONSE_LIMIT));
                    self.publisher.set_draining(is_draining);
                    if let Some(notice) = notice {
                        self.journal.log(&notice, now.steady);
                    }
                }
            }
            None => {}
        }
    }

    /// Handles CloudWatch's answer to a payload.
    pub fn handle_publish_answer(&mut self, id: TransmitId, answer: &PublishAnswer, now: Now) {
        let now = self.clock.correct(now);
        let (publisher, mut context) = self.publisher_and_context(now);
        publisher.handle_answer(id, answer, &mut context);
    }

    /// Handles the response to a request for credentials.
    pub fn handle_credentials(&mut self, answer: &Response, now: Now) {
        let correction_at_call = self.correction_at_call;
        if let Some(difference) = self.credentials.clock_difference(answer, now) {
            let (_, mut context) = self.publisher_and_context(now);
            context.correct_clock(difference, correction_at_call);
        }
        let now = self.clock.correct(now);
        self.credentials.handle_answer(answer, now);
        self.log_credentials(now);
    }

    /// Handles the response of a source.
    pub fn handle_source_answer(&mut self, id: SourceId, head: &Head, answer: Response, now: Now) {
        let now = self.clock.correct(now);
        self.sources.handle_answer_with(id, head, answer, now);
    }

    pub(super) fn log_credentials(&mut self, now: Now) {
        while let Some(notice) = self.credentials.poll_notice() {
            let counts = &mut self.journal.counts;
            match &notice {
                Notice::CredentialsLoaded { .. } => {
                    counts.credentials_refreshed = counts.credentials_refreshed.saturating_add(1);
                }
                Notice::CredentialsFailed { .. } => {
                    counts.credentials_failed = counts.credentials_failed.saturating_add(1);
                }
                _ => {}
            }
            self.journal.log(&notice, now.steady);
        }
    }
}
