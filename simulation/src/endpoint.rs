//! An OTLP endpoint with scripted faults.

use std::{collections::HashMap, io::Read as _, time::Duration};

use acpw_metric::Timestamp;
use acpw_otlp::{
    ExportMetricsServiceRequest, KeyValue, Temporality, any_value::Value, metric::Data, number_data_point,
};
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
    /// The last data point of each cumulative series: its time and its number of values.
    totals: HashMap<Vec<u8>, (u64, u64)>,
    /// The first data point that went back in time or in values.
    backwards: Option<String>,
}

/// A data point.
#[derive(Debug)]
struct Point {
    path: String,
    /// The number of values: those of a period, or those since the start.
    values: u64,
    /// The time in nanoseconds since the epoch.
    time: u64,
    /// The series with its start, if the point is cumulative.
    series: Option<Vec<u8>>,
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
        for point in points {
            let values = self.values(&point);
            *self.stored.entry(point.path).or_default() += values;
            stored += values;
        }
        if faults.contains(&Fault::LostAnswer) {
            return missing(true, stored);
        }
        complete(Reply { status: 200, ..Reply::default() }, stored, Some(PartialSuccess::default()))
    }

    /// Returns a description of the first data point that went back.
    pub fn backwards(&self) -> Option<&str> {
        self.backwards.as_deref()
    }

    /// Returns the number of values that a data point adds to what is stored.
    fn values(&mut self, point: &Point) -> u64 {
        let Some(series) = &point.series else { return point.values };
        let last = self.totals.entry(series.clone()).or_default();
        let (time, values) = *last;
        // The same data point may arrive twice.
        if point.values < values || point.time < time || (point.time == time && point.values != values) {
            let (path, to) = (&point.path, (point.time, point.values));
            self.backwards.get_or_insert_with(|| format!("{path}: from {:?} to {to:?}", (time, values)));
        }
        *last = (point.time, point.values);
        point.values.saturating_sub(values)
    }
}

/// Returns the error with which the endpoint would refuse the request.
fn refusal(call: &Call, points: &[Point], now: Timestamp, valid_key: &str, faults: &[Fault]) -> Option<Reply> {
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
        Fault::BadData { .. } if points.iter().any(|point| point.path.contains("bad")) => error(400, ""),
        Fault::Denied => error(403, "AccessDenied"),
        Fault::ExpiredToken => error(403, "ExpiredTokenException"),
        Fault::Refused { .. } => error(404, ""),
        _ => None,
    })
}

/// Returns the data points. A sum of requests is their number.
fn points(body: &[u8]) -> Vec<Point> {
    let mut raw = Vec::new();
    let request = match GzDecoder::new(body).read_to_end(&mut raw) {
        Ok(_) => ExportMetricsServiceRequest::decode(raw.as_slice()).unwrap_or_default(),
        Err(_) => ExportMetricsServiceRequest::default(),
    };
    let mut points = Vec::new();
    for resource_metrics in request.resource_metrics {
        let resource = resource_metrics.resource.unwrap_or_default().encode_to_vec();
        for metric in resource_metrics.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            let mut add = |temporality: i32, attributes: Vec<KeyValue>, values: u64, start: u64, time: u64| {
                let series = (temporality == Temporality::Cumulative as i32).then(|| {
                    let attributes = attributes.iter().flat_map(KeyValue::encode_to_vec);
                    let key = resource.iter().copied().chain(metric.name.bytes()).chain(attributes);
                    key.chain(start.to_be_bytes()).collect()
                });
                points.push(Point { path: path(&attributes), values, time, series });
            };
            match metric.data {
                Some(Data::Sum(sum)) => {
                    for point in sum.data_points {
                        let times = (point.start_time_unix_nano, point.time_unix_nano);
                        add(sum.aggregation_temporality, point.attributes, number(point.value), times.0, times.1);
                    }
                }
                Some(Data::ExponentialHistogram(histogram)) => {
                    for point in histogram.data_points {
                        let times = (point.start_time_unix_nano, point.time_unix_nano);
                        add(histogram.aggregation_temporality, point.attributes, point.count, times.0, times.1);
                    }
                }
                Some(Data::Gauge(_) | Data::Histogram(_) | Data::Summary(_)) | None => {}
            }
        }
    }
    points
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_stored_once_and_must_not_go_back() {
        let mut endpoint = SimulatedEndpoint::default();
        let mut add = |time, values| {
            let stored = endpoint.values(&Point { path: "/".to_owned(), values, time, series: Some(vec![7]) });
            (stored, endpoint.backwards().is_some())
        };
        assert_eq!([add(1, 5), add(1, 5), add(2, 5), add(3, 9)], [(5, false), (0, false), (0, false), (4, false)]);
        assert_eq!(add(2, 5), (0, true));
    }

    #[test]
    fn a_point_that_changes_at_the_same_time_went_back() {
        let mut endpoint = SimulatedEndpoint::default();
        for values in [5, 6] {
            endpoint.values(&Point { path: "/".to_owned(), values, time: 1, series: Some(vec![7]) });
        }
        assert!(endpoint.backwards().is_some_and(|text| text.contains("(1, 5) to (1, 6)")));
    }
}
