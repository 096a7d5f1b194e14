//! The messages of OTLP metrics, version 1: `opentelemetry/proto/collector/metrics/v1/metrics_service.proto` and what
//! it refers to.
//!
//! The field numbers and types are those of OpenTelemetry's definitions. Fields that ACPW neither reads nor writes are
//! left out: exemplars, schema URLs, dropped attribute counts, metadata and entity references. Readers skip them.
//!
//! The derive macros of `prost` read and write the protobuf encoding. The gateway reads the JSON encoding with its own
//! reader of JSON.

mod message;

pub use message::{
    AnyValue, ArrayValue, Buckets, ExponentialHistogram, ExponentialHistogramDataPoint, ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest, ExportMetricsServiceResponse, Gauge, Histogram, HistogramDataPoint,
    InstrumentationScope, KeyValue, KeyValueList, Metric, NumberDataPoint, Resource, ResourceMetrics, RpcStatus,
    ScopeMetrics, Sum, Summary, SummaryDataPoint, Temporality, ValueAtQuantile, any_value, metric, number_data_point,
};

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        collector::metrics::v1 as collector,
        common::v1::{AnyValue as Any, InstrumentationScope as Scope, KeyValue as Attribute, any_value::Value},
        metrics::v1 as metrics,
        resource::v1 as resource,
    };
    use prost::Message;

    use super::*;

    fn attribute(key: &str, value: Value) -> Attribute {
        Attribute { key: key.to_owned(), value: Some(Any { value: Some(value) }), ..Attribute::default() }
    }

    /// Returns a request with a metric of each kind, in OpenTelemetry's own types.
    fn official() -> collector::ExportMetricsServiceRequest {
        let attributes = vec![
            attribute("text", Value::StringValue("a".to_owned())),
            attribute("number", Value::IntValue(-7)),
            attribute("double", Value::DoubleValue(0.5)),
            attribute("is_true", Value::BoolValue(true)),
        ];
        let times = (1_787_402_160_000_000_000, 1_787_402_220_000_000_000);
        let number = metrics::NumberDataPoint {
            attributes: attributes.clone(),
            start_time_unix_nano: times.0,
            time_unix_nano: times.1,
            value: Some(metrics::number_data_point::Value::AsInt(-3)),
            ..metrics::NumberDataPoint::default()
        };
        let histogram = metrics::HistogramDataPoint {
            attributes: attributes.clone(),
            start_time_unix_nano: times.0,
            time_unix_nano: times.1,
            count: 3,
            sum: Some(6.5),
            bucket_counts: vec![1, 2],
            explicit_bounds: vec![2.0],
            min: Some(0.5),
            max: Some(4.0),
            ..metrics::HistogramDataPoint::default()
        };
        let exponential = metrics::ExponentialHistogramDataPoint {
            attributes,
            start_time_unix_nano: times.0,
            time_unix_nano: times.1,
            count: 6,
            sum: Some(1.5),
            scale: -2,
            zero_count: 1,
            positive: Some(metrics::exponential_histogram_data_point::Buckets {
                offset: -4,
                bucket_counts: vec![1, 3],
            }),
            negative: Some(metrics::exponential_histogram_data_point::Buckets { offset: 2, bucket_counts: vec![1] }),
            min: Some(-70.0),
            max: Some(1.0),
            zero_threshold: 0.001,
            ..metrics::ExponentialHistogramDataPoint::default()
        };
        let summary = metrics::SummaryDataPoint {
            time_unix_nano: times.1,
            count: 2,
            sum: 3.0,
            quantile_values: vec![metrics::summary_data_point::ValueAtQuantile { quantile: 0.5, value: 1.0 }],
            ..metrics::SummaryDataPoint::default()
        };
        let data = [
            metrics::metric::Data::Gauge(metrics::Gauge { data_points: vec![number.clone()] }),
            metrics::metric::Data::Sum(metrics::Sum {
                data_points: vec![number],
                aggregation_temporality: 1,
                is_monotonic: true,
            }),
            metrics::metric::Data::Histogram(metrics::Histogram {
                data_points: vec![histogram],
                aggregation_temporality: 2,
            }),
            metrics::metric::Data::ExponentialHistogram(metrics::ExponentialHistogram {
                data_points: vec![exponential],
                aggregation_temporality: 1,
            }),
            metrics::metric::Data::Summary(metrics::Summary { data_points: vec![summary] }),
        ];
        let metrics = data.into_iter().map(|data| metrics::Metric {
            name: "requests".to_owned(),
            unit: "1".to_owned(),
            data: Some(data),
            ..metrics::Metric::default()
        });
        let scope_metrics = metrics::ScopeMetrics {
            scope: Some(Scope { name: "acpw".to_owned(), ..Scope::default() }),
            metrics: metrics.collect(),
            ..metrics::ScopeMetrics::default()
        };
        let resource_metrics = metrics::ResourceMetrics {
            resource: Some(resource::Resource {
                attributes: vec![attribute("service.name", Value::StringValue("shop".to_owned()))],
                ..resource::Resource::default()
            }),
            scope_metrics: vec![scope_metrics],
            ..metrics::ResourceMetrics::default()
        };
        collector::ExportMetricsServiceRequest { resource_metrics: vec![resource_metrics] }
    }

    #[test]
    fn messages_have_the_encoding_of_opentelemetrys_own() {
        let official = official();
        let bytes = official.encode_to_vec();
        let ours = ExportMetricsServiceRequest::decode(bytes.as_slice()).unwrap();
        let read_back = collector::ExportMetricsServiceRequest::decode(ours.encode_to_vec().as_slice()).unwrap();
        assert_eq!(read_back, official);
    }

    #[test]
    fn truncated_and_deeply_nested_messages_are_refused() {
        let bytes = official().encode_to_vec();
        for length in 1..bytes.len() {
            // A prefix that ends between two fields of the request itself is a valid message without the rest.
            let _ = ExportMetricsServiceRequest::decode(&bytes[..length]);
        }
        assert!(ExportMetricsServiceRequest::decode(&bytes[..bytes.len() - 1]).is_err());
        let mut nested = Vec::new();
        for _ in 0..10_000 {
            // AnyValue.array_value (5) of ArrayValue.values (1), from the inside out.
            let mut outer = vec![0x0a];
            prost::encoding::encode_varint(nested.len() as u64, &mut outer);
            outer.append(&mut nested);
            let mut value = vec![0x2a];
            prost::encoding::encode_varint(outer.len() as u64, &mut value);
            value.append(&mut outer);
            nested = value;
        }
        assert!(AnyValue::decode(nested.as_slice()).is_err());
    }
}
