//! A simulated CloudWatch with injected faults.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON document is null")]

use std::{collections::HashMap, io::Read as _, time::Duration};

use acpw_metric::{Timestamp, datetime::parse_iso_8601_basic};
use fastrand::Rng;
use flate2::read::GzDecoder;
use receiver::{PublishAnswer, Transmit, answer::Reply, retry_after::RetryAfter};
use serde_json::Value;

use crate::{Fault, RefusalKind};

/// The namespace that [`Fault::Refused`] affects.
pub(crate) const REFUSED_NAMESPACE: &str = "Refused";

const MINUTE: i64 = 60 * 1_000;
const HOUR: i64 = 60 * MINUTE;

/// A CloudWatch that stores the number of values.
#[derive(Debug, Default)]
pub struct SimulatedCloudWatch {
    /// The number of stored values by path.
    pub stored: HashMap<String, u64>,
}

/// The outcome of a request.
#[derive(Debug)]
pub struct RequestOutcome {
    /// The answer that the receiver gets.
    pub answer: PublishAnswer,
    /// The number of stored values.
    pub stored: u64,
    /// The number of ticks after which the answer arrives.
    pub ticks: u64,
}

impl SimulatedCloudWatch {
    /// Handles a request at the true time `now`, with these faults.
    pub fn handle_request(
        &mut self,
        transmit: &Transmit,
        now: Timestamp,
        valid_key: &str,
        faults: &[Fault],
        rng: &mut Rng,
    ) -> RequestOutcome {
        let document = document(transmit);
        let ticks = rng.u64(0..4);
        let lost = |may_be_stored, stored| RequestOutcome {
            answer: PublishAnswer::Missing { may_be_stored, reason: "lost".to_owned() },
            stored,
            ticks: if may_be_stored { 25 } else { ticks },
        };
        if faults.contains(&Fault::Outage) {
            return lost(false, 0);
        }
        if faults.contains(&Fault::LostRequest) {
            return lost(true, 0);
        }
        match refusal(transmit, &document, now, valid_key, faults) {
            Some(reply) => {
                RequestOutcome { answer: PublishAnswer::Complete(Reply { date: Some(now), ..reply }), stored: 0, ticks }
            }
            None => {
                let stored = self.store(data(&document));
                if faults.contains(&Fault::LostAnswer) {
                    return lost(true, stored);
                }
                let reply = Reply { status: 200, date: Some(now), ..Reply::default() };
                RequestOutcome { answer: PublishAnswer::Complete(reply), stored, ticks }
            }
        }
    }

    fn store(&mut self, data: &[Value]) -> u64 {
        let mut total = 0;
        for datum in data {
            *self.stored.entry(path(datum).to_owned()).or_default() += count(datum);
            total += count(datum);
        }
        total
    }
}

/// Returns the error with which CloudWatch refuses the request, or `None` if it accepts it.
fn refusal(transmit: &Transmit, document: &Value, now: Timestamp, valid_key: &str, faults: &[Fault]) -> Option<Reply> {
    let data = data(document);
    let error = |status, code: &str, message: String| {
        Some(Reply { status, code: code.to_owned(), message, ..Reply::default() })
    };
    let difference = signed_at(transmit).millis_since(now).abs();
    if difference > 5 * MINUTE {
        return error(400, "InvalidSignatureException", "Signature expired".to_owned());
    }
    if access_key(transmit) != valid_key {
        return error(403, "ExpiredTokenException", String::new());
    }
    for fault in faults {
        match fault {
            Fault::ServiceFault => return error(500, "InternalServiceFault", String::new()),
            Fault::Throttling { retry_after } => {
                let retry_after = retry_after.map(Duration::from_millis).map(RetryAfter::For);
                return error(400, "Throttling", String::new()).map(|reply| Reply { retry_after, ..reply });
            }
            Fault::TooLarge { limit } if data.len() > *limit => {
                return error(413, "RequestEntityTooLarge", String::new());
            }
            Fault::Refused { answer } if document["Namespace"] == REFUSED_NAMESPACE => {
                return match answer {
                    RefusalKind::Denied => error(403, "AccessDenied", String::new()),
                    RefusalKind::Fault => error(500, "InternalServiceFault", String::new()),
                    RefusalKind::Odd => error(400, "NeverHeardOf", String::new()),
                    RefusalKind::Foreign(status) => {
                        Some(Reply { status: *status, is_foreign: true, ..Reply::default() })
                    }
                };
            }
            Fault::Denied => return error(403, "AccessDenied", String::new()),
            Fault::ExpiredToken => return error(403, "ExpiredTokenException", String::new()),
            _ => {}
        }
    }
    let is_outside = |datum: &Value| {
        let age = now.millis_since(Timestamp::from_secs(datum["Timestamp"].as_u64().unwrap_or(0)));
        !(-2 * HOUR..=14 * 24 * HOUR).contains(&age)
    };
    let is_bad = |datum: &Value| path(datum).contains("bad");
    let named = faults.contains(&Fault::BadData { is_named: true });
    let unnamed = faults.contains(&Fault::BadData { is_named: false });
    let refused: Vec<String> = (1..)
        .zip(data)
        .filter(|(_, datum)| is_outside(datum) || (named && is_bad(datum)))
        .map(|(number, _)| format!("The parameter MetricData.member.{number}.Timestamp is not valid."))
        .collect();
    if !refused.is_empty() {
        return error(400, "InvalidParameterValue", refused.join("\n"));
    }
    if unnamed && data.iter().any(is_bad) {
        return error(400, "InvalidParameterCombination", "no".to_owned());
    }
    None
}

fn document(transmit: &Transmit) -> Value {
    let mut body = Vec::new();
    let is_compressed = transmit.headers.iter().any(|(name, _)| *name == "content-encoding");
    let read = if is_compressed {
        GzDecoder::new(transmit.body.as_slice()).read_to_end(&mut body).map(|_| ())
    } else {
        body.extend_from_slice(&transmit.body);
        Ok(())
    };
    read.ok().and_then(|()| serde_json::from_slice(&body).ok()).unwrap_or_default()
}

fn data(document: &Value) -> &[Value] {
    document["MetricData"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn path(datum: &Value) -> &str {
    let dimensions = datum["Dimensions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let path = dimensions.iter().find(|dimension| dimension["Name"] == "path");
    path.and_then(|dimension| dimension["Value"].as_str()).unwrap_or_default()
}

fn count(datum: &Value) -> u64 {
    datum["Counts"].as_array().map_or(1, |counts| counts.iter().filter_map(Value::as_u64).sum())
}

/// Returns the time in `x-amz-date`.
fn signed_at(transmit: &Transmit) -> Timestamp {
    let millis = header(transmit, "x-amz-date").and_then(parse_iso_8601_basic).unwrap_or(0);
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// Returns the access key that signed the request.
fn access_key(transmit: &Transmit) -> &str {
    let credential = header(transmit, "authorization").and_then(|value| value.split_once("Credential="));
    credential.and_then(|(_, scope)| scope.split_once('/')).map_or("", |(key, _)| key)
}

fn header<'a>(transmit: &'a Transmit, name: &str) -> Option<&'a str> {
    transmit.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}
