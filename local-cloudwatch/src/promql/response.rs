//! Responses in the JSON of Prometheus' HTTP API.

use axum::Json;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::instant::QueryResult;
use super::quantile::{BoundedBucket, buckets};
use super::query_error::QueryError;
use super::sample::Sample;
use crate::otlp::distribution::Distribution;

/// Builds a response.
pub(super) fn respond(outcome: Result<Value, QueryError>) -> Response {
    let mut response = match outcome {
        Ok(data) => Json(json!({ "status": "success", "data": data })).into_response(),
        Err(error) => {
            let body = json!({ "status": "error", "errorType": error.error_type(), "error": error.message });
            (error.status(), Json(body)).into_response()
        }
    };
    let id = HeaderValue::try_from(Uuid::new_v4().to_string());
    response.headers_mut().extend(id.map(|id| (HeaderName::from_static("x-amzn-requestid"), id)).ok());
    response
}

/// Converts the result of a query at `time`, in milliseconds since the epoch.
pub(super) fn data(result: &QueryResult, time: i64) -> Value {
    match result {
        QueryResult::Scalar(value) => {
            json!({ "resultType": "scalar", "result": [seconds(time), number(*value)] })
        }
        QueryResult::Vector(elements) => {
            let result = elements.iter().map(|element| match &element.sample {
                Sample::Number(value) => json!({ "metric": element.labels, "value": [seconds(time), number(*value)] }),
                Sample::Histogram(found) => {
                    json!({ "metric": element.labels, "histogram": [seconds(time), histogram(found)] })
                }
            });
            json!({ "resultType": "vector", "result": result.collect::<Value>() })
        }
        QueryResult::Matrix(series) => {
            let result = series.iter().map(|series| {
                let mut entry = json!({ "metric": series.labels });
                let (mut values, mut histograms) = (Vec::new(), Vec::new());
                for (time, sample) in &series.samples {
                    match sample {
                        Sample::Number(value) => values.push(json!([seconds(*time), number(*value)])),
                        Sample::Histogram(found) => histograms.push(json!([seconds(*time), histogram(found)])),
                    }
                }
                for (name, list) in [("values", values), ("histograms", histograms)] {
                    if let (Some(entry), false) = (entry.as_object_mut(), list.is_empty()) {
                        entry.insert(name.to_owned(), Value::Array(list));
                    }
                }
                entry
            });
            json!({ "resultType": "matrix", "result": result.collect::<Value>() })
        }
    }
}

/// Formats a number as Prometheus does, as text.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

fn seconds(millis: i64) -> Value {
    if millis % 1_000 == 0 { json!(millis / 1_000) } else { json!(millis as f64 / 1_000.0) }
}

fn histogram(found: &Distribution) -> Value {
    let bucket = |bucket: BoundedBucket| {
        json!([bucket.inclusion as u8, number(bucket.lower), number(bucket.upper), number(bucket.count)])
    };
    let buckets: Value = buckets(found).into_iter().map(bucket).collect();
    json!({ "count": number(found.count), "sum": number(found.sum), "buckets": buckets })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::distribution::Buckets;
    use crate::otlp::exponential_buckets::ExponentialBuckets;

    #[test]
    fn numbers_and_times_are_written_as_in_prometheus() {
        let numbers = [1.0, 0.1, 1e21, -2.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(number);
        assert_eq!(numbers, ["1", "0.1", "1000000000000000000000", "-2.5", "NaN", "+Inf", "-Inf"]);
        assert_eq!((seconds(1_500), seconds(2_000)), (json!(1.5), json!(2)));
    }

    #[test]
    fn the_buckets_of_a_histogram_have_their_bounds() {
        let buckets = ExponentialBuckets {
            scale: 0,
            zero_threshold: 0.25,
            zero_count: 1.0,
            positive: [(0, 2.0)].into(),
            negative: [(1, 3.0)].into(),
        };
        let found = Distribution { count: 6.0, sum: 1.5, buckets: Buckets::Exponential(buckets) };
        let expected = json!({ "count": "6", "sum": "1.5", "buckets": [
            [1, "-4", "-2", "3"], [3, "-0.25", "0.25", "1"], [0, "1", "2", "2"],
        ] });
        assert_eq!(histogram(&found), expected);
    }
}
