//! Simulated services next to Envoy: an endpoint with rotating credentials, and an application that is scraped.

use std::collections::VecDeque;

use acpw_metric::Timestamp;
use chrono::DateTime;
use receiver::{Driver, call::Response};
use serde_json::json;

/// An endpoint that returns credentials. After a rotation CloudWatch refuses the previous set.
#[derive(Debug, Default)]
pub(crate) struct CredentialsEndpoint {
    generation: u64,
}

impl CredentialsEndpoint {
    /// Replaces the credentials.
    pub(crate) fn rotate(&mut self) {
        self.generation += 1;
    }

    /// Returns the access key that CloudWatch accepts.
    pub(crate) fn access_key(&self) -> String {
        format!("ASIA{}", self.generation)
    }

    fn answer(&self, now: Timestamp) -> Response {
        const HOUR: i64 = 60 * 60 * 1_000;
        let expiration = aws_date(now.shifted(HOUR));
        let set =
            json!({ "AccessKeyId": self.access_key(), "SecretAccessKey": "S", "Token": "T", "Expiration": expiration });
        Response::Complete { status: 200, body: set.to_string().into_bytes(), date: None }
    }
}

/// The services, and their responses in flight, each with the tick at which it arrives.
#[derive(Debug, Default)]
pub(crate) struct LocalServices {
    pub(crate) endpoint: CredentialsEndpoint,
    credentials: VecDeque<(u64, Response)>,
    scrapes: VecDeque<(u64, receiver::source::SourceId)>,
    /// True if the application no longer responds, so that the simulation can come to an end.
    pub(crate) is_application_gone: bool,
}

impl LocalServices {
    /// Handles the requests that the receiver sends at a tick. `now` is the true time.
    pub(crate) fn handle_calls(&mut self, driver: &mut Driver, tick: u64, now: Timestamp) {
        while let Some(_call) = driver.take_call() {
            self.credentials.push_back((tick + 1, self.endpoint.answer(now)));
        }
        while let Some((id, _)) = driver.poll_source_call() {
            if !self.is_application_gone {
                self.scrapes.push_back((tick + 2, id));
            }
        }
    }

    /// Delivers the responses that have arrived.
    pub(crate) fn deliver_responses(
        &mut self,
        driver: &mut Driver,
        tick: u64,
        now: acpw_metric::Now,
        are_credentials_lost: bool,
    ) {
        while self.credentials.front().is_some_and(|(arrival, _)| *arrival <= tick)
            && let Some((_, response)) = self.credentials.pop_front()
        {
            if !are_credentials_lost {
                driver.handle_call_answer(&response, now);
            }
        }
        while self.scrapes.front().is_some_and(|(arrival, _)| *arrival <= tick)
            && let Some((_, id)) = self.scrapes.pop_front()
        {
            // There is one gauge, so each response has one value.
            let body = b"# TYPE temperature gauge\ntemperature 21\n".to_vec();
            driver.handle_source_answer(id, Response::Complete { status: 200, body, date: None }, now);
        }
    }

    /// Drops the requests of a receiver that has failed.
    pub(crate) fn forget_calls(&mut self) {
        self.credentials.clear();
        self.scrapes.clear();
    }
}

/// Formats a time in the same way as AWS's credential providers.
fn aws_date(time: Timestamp) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(0);
    let date = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    date.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
