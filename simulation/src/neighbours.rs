//! Services beside Envoy: an endpoint that hands out credentials which rotate, and an application that is scraped.

use std::collections::VecDeque;

use acpw_metric::Timestamp;
use chrono::DateTime;
use receiver::{Driver, call::Response};
use serde_json::json;

/// Endpoint of credentials. A set that is rotated out is refused by CloudWatch from then on.
#[derive(Debug, Default)]
pub(crate) struct Endpoint {
    generation: u64,
}

impl Endpoint {
    /// Replaces the credentials by new ones.
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

/// Answers on their way to the receiver, each with the tick at which it arrives.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    pub(crate) endpoint: Endpoint,
    credentials: VecDeque<(u64, Response)>,
    scrapes: VecDeque<(u64, receiver::source::SourceId)>,
    /// Whether the application answers no more, so that everything can come to rest.
    pub(crate) is_application_gone: bool,
}

impl Neighbours {
    /// Takes the requests that the receiver wants to send, at a tick and a true time.
    pub(crate) fn take_calls(&mut self, driver: &mut Driver, tick: u64, now: Timestamp) {
        while let Some(_call) = driver.take_call() {
            self.credentials.push_back((tick + 1, self.endpoint.answer(now)));
        }
        while let Some((id, _)) = driver.poll_source_call() {
            if !self.is_application_gone {
                self.scrapes.push_back((tick + 2, id));
            }
        }
    }

    /// Delivers the answers that have arrived.
    pub(crate) fn deliver(
        &mut self,
        driver: &mut Driver,
        tick: u64,
        now: acpw_metric::Now,
        are_credentials_lost: bool,
    ) {
        while self.credentials.front().is_some_and(|(at, _)| *at <= tick)
            && let Some((_, response)) = self.credentials.pop_front()
        {
            if !are_credentials_lost {
                driver.handle_call_answer(&response, now);
            }
        }
        while self.scrapes.front().is_some_and(|(at, _)| *at <= tick)
            && let Some((_, id)) = self.scrapes.pop_front()
        {
            // One gauge, so each answer makes one value.
            let body = b"# TYPE temperature gauge\ntemperature 21\n".to_vec();
            driver.handle_source_answer(id, Response::Complete { status: 200, body, date: None }, now);
        }
    }

    /// Forgets the requests of a receiver that has failed.
    pub(crate) fn forget_calls(&mut self) {
        self.credentials.clear();
        self.scrapes.clear();
    }
}

/// Writes a time as AWS's providers do.
fn aws_date(time: Timestamp) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(0);
    let date = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    date.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
