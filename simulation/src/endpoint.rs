//! An OTLP endpoint with scripted faults.

use std::{collections::HashMap, io::Read as _, time::Duration};

use acpw_metric::Timestamp;
use acpw_otlp::{ExportMetricsServiceRequest, KeyValue, any_value::Value, metric::Data, number_data_point};
use fastrand::Rng;
use flate2::read::GzDecoder;
use prost::Message as _;
use receiver::{
    PublishAnswer,
    answer::Reply,
    call::Call,
    otlp::{ExportAnswer, PartialSuccess},
    retry_after::RetryAfter,
};

use crate::{
    Fault,
    cloud_watch::{access_key, signed_at},
};

/// AWS refuses a signature with a time that is off by more than this number of milliseconds.
const MAX_SKEW: i64 = 5 * 60 * 1_000;

/// The data that the endpoint has stored.
#[derive(Debug, Default)]
pub struct SimulatedEndpoint {
    /// The number of values by path.
    pub stored: HashMap<String, u64>,
}

/// The result of a request.
#[derive(Debug)]
pub struct ExportResult {
    /// The response that the receiver gets.
    pub answer: ExportAnswer,
    /// The number of values that were stored.
    pub stored: u64,
    /// The number of ticks until the response arrives.
    pub ticks: u64,
}

impl SimulatedEndpoint {
    /// Handles a request at the true time, with the faults of that time.
    pub fn take(
        &mut self,
        call: &Call,
        now: Timestamp,
        valid_key: &str,
        faults: &[Fault],
        rng: &mut Rng,
    ) -> ExportResult {
        let points = points(&call.body);
        let ticks = rng.u64(0..4);
        let missing = |may_be_stored, stored| ExportResult {
            answer: ExportAnswer {
                answer: PublishAnswer::Missing { may_be_stored, reason: "lost".to_owned() },
                partial: None,
            },
            stored,
            ticks: if may_be_stored { 25 } else { ticks },
        };
        if faults.contains(&Fault::Outage) {
            return missing(false, 0);
        }
        if faults.contains(&Fault::LostRequest) {
            return missing(true, 0);
        }
        let complete = |reply: Reply, stored, partial| ExportResult {
            answer: ExportAnswer { answer: PublishAnswer::Complete(Reply { date: Some(now), ..reply }), partial },
            stored,
            ticks,
        };
        if let Some(reply) = refusal(call, &points, now, valid_key, faults) {
            return complete(reply, 0, None);
        }
        let mut stored = 0;
        for (path, values) in points {
            *self.stored.entry(path).or_default() += values;
            stored += values;
        }
        if faults.contains(&Fault::LostAnswer) {
            return missing(true, stored);
        }
        complete(Reply { status: 200, ..Reply::default() }, stored, Some(PartialSuccess::default()))
    }
}

/// Returns the error with which the endpoint would refuse the request.
fn refusal(call: &Call, points: &[(String, u64)], now: Timestamp, valid_key: &str, faults: &[Fault]) -> Option<Reply> {
    let error = |status, code: &str| Some(Reply { status, code: code.to_owned(), ..Reply::default() });
    if signed_at(&call.headers).millis_since(now).abs() > MAX_SKEW {
        return error(403, "InvalidSignatureException");
    }
    if access_key(&call.headers) != valid_key {
        return error(403, "ExpiredTokenException");
    }
    faults.iter().find_map(|fault| match fault {
        Fault::ServiceFault => error(503, ""),
        Fault::Throttling { retry_after } => {
            let retry_after = retry_after.map(Duration::from_millis).map(RetryAfter::For);
            error(429, "").map(|reply| Reply { retry_after, ..reply })
        }
        Fault::TooLarge { limit } if points.len() > *limit => error(413, ""),
        Fault::BadData { .. } if points.iter().any(|(path, _)| path.contains("bad")) => error(400, ""),
        Fault::Denied => error(403, "AccessDenied"),
        Fault::ExpiredToken => error(403, "ExpiredTokenException"),
        Fault::Refused { .. } => error(404, ""),
        _ => None,
    })
}

/// Returns the path and the number of values of each data point. A sum of requests is their number.
fn points(body: &[u8]) -> Vec<(String, u64)> {
    let mut raw = Vec::new();
    let request = match GzDecoder::new(body).read_to_end(&mut raw) {
        Ok(_) => ExportMetricsServiceRequest::decode(raw.as_slice()).unwrap_or_default(),
        Err(_) => ExportMetricsServiceRequest::default(),
    };
    let scopes = request.resource_metrics.into_iter().flat_map(|metrics| metrics.scope_metrics);
    let data = scopes.flat_map(|scope| scope.metrics).filter_map(|metric| metric.data);
    data.flat_map(|data| match data {
        Data::Sum(sum) => {
            sum.data_points.into_iter().map(|point| (path(&point.attributes), number(point.value))).collect()
        }
        Data::ExponentialHistogram(histogram) => {
            histogram.data_points.into_iter().map(|point| (path(&point.attributes), point.count)).collect()
        }
        Data::Gauge(_) | Data::Histogram(_) | Data::Summary(_) => Vec::new(),
    })
    .collect()
}

fn number(value: Option<number_data_point::Value>) -> u64 {
    match value {
        Some(number_data_point::Value::AsInt(value)) => u64::try_from(value).unwrap_or(0),
        _ => 0,
    }
}

fn path(attributes: &[KeyValue]) -> String {
    let found = attributes.iter().find(|attribute| matches!(attribute.key.as_str(), "path" | "url.path"));
    match found.and_then(|attribute| attribute.value.as_ref()).and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(path)) => path.clone(),
        _ => String::new(),
    }
}
