//! Export requests, built with OpenTelemetry's own messages.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
    Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// `AggregationTemporality` in the messages.
pub(crate) const DELTA: i32 = 1;
pub(crate) const CUMULATIVE: i32 = 2;

/// Returns the time of the host in nanoseconds since the epoch.
pub(crate) fn now_nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let attribute = |(key, value): &(&str, &str)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue((*value).to_owned())) }),
        ..KeyValue::default()
    };
    pairs.iter().map(attribute).collect()
}

/// Creates a request with metrics of the service `shop` and the scope `acpw`.
pub(crate) fn request(metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let scope = Some(InstrumentationScope { name: "acpw".into(), version: "1.2".into(), ..Default::default() });
    let scope_metrics = vec![ScopeMetrics { scope, metrics, ..ScopeMetrics::default() }];
    let resource = Some(Resource { attributes: attributes(&[("service.name", "shop")]), ..Resource::default() });
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

/// Creates a point of a gauge or sum. `start` and `time` are nanoseconds since the epoch.
pub(crate) fn point(labels: &[(&str, &str)], start: u64, time: u64, value: f64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: start,
        time_unix_nano: time,
        value: Some(Number::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

pub(crate) fn gauge(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    Metric { name: name.into(), data: Some(Data::Gauge(Gauge { data_points })), ..Metric::default() }
}

/// Creates a monotonic sum.
pub(crate) fn sum(name: &str, aggregation_temporality: i32, data_points: Vec<NumberDataPoint>) -> Metric {
    let sum = Sum { data_points, aggregation_temporality, is_monotonic: true };
    Metric { name: name.into(), unit: "{request}".into(), data: Some(Data::Sum(sum)), ..Metric::default() }
}

/// Creates a point of an exponential histogram from positive values.
pub(crate) fn exponential_point(
    labels: &[(&str, &str)],
    start: u64,
    time: u64,
    scale: i32,
    values: &[f64],
) -> ExponentialHistogramDataPoint {
    // OpenTelemetry's data model: the smallest index whose bucket ends at the value or above it.
    let index = |value: &f64| (value.log2() * f64::from(scale).exp2()).ceil() as i32 - 1;
    let offset = values.iter().map(index).min().unwrap_or_default();
    let end = values.iter().map(index).max().unwrap_or_default();
    let mut bucket_counts = vec![0; (end - offset + 1) as usize];
    values.iter().for_each(|value| bucket_counts[(index(value) - offset) as usize] += 1);
    ExponentialHistogramDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: start,
        time_unix_nano: time,
        count: values.len() as u64,
        sum: Some(values.iter().sum()),
        scale,
        positive: Some(Buckets { offset, bucket_counts }),
        min: values.iter().copied().reduce(f64::min),
        max: values.iter().copied().reduce(f64::max),
        ..ExponentialHistogramDataPoint::default()
    }
}

pub(crate) fn exponential_histogram(
    name: &str,
    aggregation_temporality: i32,
    data_points: Vec<ExponentialHistogramDataPoint>,
) -> Metric {
    let data = Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality });
    Metric { name: name.into(), unit: "s".into(), data: Some(data), ..Metric::default() }
}
