//! Reads an export request into points by series. Single invalid points are rejected and do not affect the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceRequest};
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric};

use super::attribute;
use super::limits::OtlpLimits;
use super::point_reader::{self, ReadValue};
use super::series_id::{OtlpKind, OtlpScope, OtlpSeriesId, OtlpTemporality};
use super::stored_point::StoredPoint;

/// Maximum number of rejected points that a message describes.
const MAX_REASONS: usize = 5;

/// The points of a request, and why others were rejected.
#[derive(Debug, Default)]
pub(crate) struct ReadRequest {
    pub(crate) points: Vec<(OtlpSeriesId, StoredPoint)>,
    /// Number of points that were rejected.
    pub(crate) rejected: usize,
    reasons: Vec<String>,
}

impl ReadRequest {
    /// Reads all points. `now_millis` is the server's clock.
    pub(crate) fn new(request: &ExportMetricsServiceRequest, limits: &OtlpLimits, now_millis: i64) -> Self {
        let now_nanos = u64::try_from(now_millis).unwrap_or_default().saturating_mul(1_000_000);
        let mut read = Self::default();
        for (resource_index, resource_metrics) in request.resource_metrics.iter().enumerate() {
            let attributes = resource_metrics.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
            let resource = attribute::labels(attributes).map(Arc::new);
            for (scope_index, scope_metrics) in resource_metrics.scope_metrics.iter().enumerate() {
                let scope =
                    scope_metrics.scope.as_ref().map_or_else(|| Ok(OtlpScope::default()), scope_of).map(Arc::new);
                for (metric_index, metric) in scope_metrics.metrics.iter().enumerate() {
                    let path = format!(
                        "resource_metrics[{resource_index}].scope_metrics[{scope_index}].metrics[{metric_index}]"
                    );
                    let shared = SharedLabels {
                        metric: metric.name.as_str().into(),
                        unit: metric.unit.as_str().into(),
                        resource: resource.clone(),
                        scope: scope.clone(),
                    };
                    MetricReader { read: &mut read, limits, now_nanos, path, metric, shared }.read_points();
                }
            }
        }
        read
    }

    /// Returns the `partial_success` of the response if points were rejected.
    pub(crate) fn partial_success(&self) -> Option<ExportMetricsPartialSuccess> {
        if self.rejected == 0 {
            return None;
        }
        let mut error_message = self.reasons.join("; ");
        let more = self.rejected.saturating_sub(self.reasons.len());
        if more > 0 {
            error_message.push_str(&format!("; and {more} more"));
        }
        let rejected_data_points = i64::try_from(self.rejected).unwrap_or(i64::MAX);
        Some(ExportMetricsPartialSuccess { rejected_data_points, error_message })
    }

    fn reject(&mut self, path: String, reason: &str) {
        self.rejected += 1;
        if self.reasons.len() < MAX_REASONS {
            self.reasons.push(format!("{path} {reason}"));
        }
    }
}

/// Returns the number of data points in a request.
pub(crate) fn count_points(request: &ExportMetricsServiceRequest) -> usize {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let metrics = scopes.flat_map(|scope| &scope.metrics);
    metrics
        .map(|metric| match &metric.data {
            None => 0,
            Some(Data::Gauge(data)) => data.data_points.len(),
            Some(Data::Sum(data)) => data.data_points.len(),
            Some(Data::Histogram(data)) => data.data_points.len(),
            Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
            Some(Data::Summary(data)) => data.data_points.len(),
        })
        .sum()
}

fn scope_of(scope: &InstrumentationScope) -> Result<OtlpScope, String> {
    let attributes = attribute::labels(&scope.attributes)?;
    Ok(OtlpScope { name: scope.name.clone(), version: scope.version.clone(), attributes })
}

type LabelResult<T> = Result<T, String>;

/// The parts of the identity that all points of a metric have in common.
#[derive(Debug, Clone)]
struct SharedLabels {
    metric: Arc<str>,
    unit: Arc<str>,
    resource: LabelResult<Arc<BTreeMap<String, String>>>,
    scope: LabelResult<Arc<OtlpScope>>,
}

/// Reads the points of one metric.
struct MetricReader<'a> {
    read: &'a mut ReadRequest,
    limits: &'a OtlpLimits,
    now_nanos: u64,
    path: String,
    metric: &'a Metric,
    shared: SharedLabels,
}

/// The parts of a data point that all kinds have.
struct PointHead<'a> {
    attributes: &'a [KeyValue],
    start_nanos: u64,
    time_nanos: u64,
}

macro_rules! head {
    ($point:expr) => {
        PointHead {
            attributes: &$point.attributes,
            start_nanos: $point.start_time_unix_nano,
            time_nanos: $point.time_unix_nano,
        }
    };
}

impl MetricReader<'_> {
    fn read_points(mut self) {
        match &self.metric.data {
            None => {}
            Some(Data::Gauge(data)) => {
                for (index, point) in data.data_points.iter().enumerate() {
                    self.add(index, OtlpKind::Gauge, Ok(None), &head!(point), point_reader::number(point, false));
                }
            }
            Some(Data::Sum(data)) => {
                let temporality = temporality(data.aggregation_temporality);
                for (index, point) in data.data_points.iter().enumerate() {
                    let value = point_reader::number(point, data.is_monotonic);
                    self.add(index, OtlpKind::Sum, temporality.clone(), &head!(point), value);
                }
            }
            Some(Data::Histogram(data)) => {
                let temporality = temporality(data.aggregation_temporality);
                for (index, point) in data.data_points.iter().enumerate() {
                    let value = point_reader::histogram(point);
                    self.add(index, OtlpKind::Histogram, temporality.clone(), &head!(point), value);
                }
            }
            Some(Data::ExponentialHistogram(data)) => {
                let temporality = temporality(data.aggregation_temporality);
                for (index, point) in data.data_points.iter().enumerate() {
                    let value = point_reader::exponential_histogram(point);
                    self.add(index, OtlpKind::ExponentialHistogram, temporality.clone(), &head!(point), value);
                }
            }
            Some(Data::Summary(data)) => {
                for (index, point) in data.data_points.iter().enumerate() {
                    self.add(index, OtlpKind::Summary, Ok(None), &head!(point), point_reader::summary(point));
                }
            }
        }
    }

    fn add(
        &mut self,
        index: usize,
        kind: OtlpKind,
        temporality: LabelResult<Option<OtlpTemporality>>,
        head: &PointHead<'_>,
        value: ReadValue,
    ) {
        match self.point(kind, temporality, head, value) {
            Ok(Some(point)) => self.read.points.push(point),
            // A point without a recorded value is accepted and has nothing to store.
            Ok(None) => {}
            Err(reason) => self.read.reject(format!("{}.data_points[{index}]", self.path), &reason),
        }
    }

    fn point(
        &self,
        kind: OtlpKind,
        temporality: LabelResult<Option<OtlpTemporality>>,
        head: &PointHead<'_>,
        value: ReadValue,
    ) -> LabelResult<Option<(OtlpSeriesId, StoredPoint)>> {
        let SharedLabels { metric, unit, resource, scope } = self.shared.clone();
        if metric.is_empty() {
            return Err("belongs to a metric without a name".to_owned());
        }
        let temporality = temporality?;
        let id = OtlpSeriesId {
            metric,
            unit,
            kind,
            temporality,
            is_monotonic: matches!(&self.metric.data, Some(Data::Sum(sum)) if sum.is_monotonic),
            resource: resource?,
            scope: scope?,
            attributes: attribute::labels(head.attributes)?,
        };
        let (labels, max) = (id.label_count(), self.limits.max_labels);
        if labels > max {
            return Err(format!("has {labels} labels; at most {max} are allowed"));
        }
        let Some(value) = value? else { return Ok(None) };
        let point = point_reader::timed(value, head.start_nanos, head.time_nanos, temporality, self.now_nanos)?;
        Ok(Some((id, point)))
    }
}

fn temporality(wire: i32) -> LabelResult<Option<OtlpTemporality>> {
    match AggregationTemporality::try_from(wire) {
        Ok(AggregationTemporality::Delta) => Ok(Some(OtlpTemporality::Delta)),
        Ok(AggregationTemporality::Cumulative) => Ok(Some(OtlpTemporality::Cumulative)),
        _ => Err(format!("has the aggregation_temporality {wire}; it must be 1 (delta) or 2 (cumulative)")),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::AnyValue;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
    use opentelemetry_proto::tonic::metrics::v1::{Gauge, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum};
    use opentelemetry_proto::tonic::resource::v1::Resource;

    use super::*;

    const NOW: i64 = 1_795_170_600_000;

    fn attributes(count: usize) -> Vec<KeyValue> {
        let value = Some(AnyValue { value: Some(Value::StringValue("v".into())) });
        (0..count).map(|n| KeyValue { key: format!("k{n}"), value: value.clone(), ..KeyValue::default() }).collect()
    }

    fn point(attribute_count: usize, value: f64) -> NumberDataPoint {
        NumberDataPoint {
            attributes: attributes(attribute_count),
            time_unix_nano: NOW as u64 * 1_000_000,
            value: Some(Number::AsDouble(value)),
            ..NumberDataPoint::default()
        }
    }

    fn request(resource_attributes: usize, data: Data) -> ExportMetricsServiceRequest {
        let metric = Metric { name: "m".into(), data: Some(data), ..Metric::default() };
        let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
        let resource = Some(Resource { attributes: attributes(resource_attributes), ..Resource::default() });
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }],
        }
    }

    fn read(request: &ExportMetricsServiceRequest) -> ReadRequest {
        ReadRequest::new(request, &OtlpLimits::default(), NOW)
    }

    #[test]
    fn a_point_has_at_most_150_labels_with_those_of_its_resource() {
        for (labels, rejected) in [(149, 0), (150, 0), (151, 1)] {
            let data = Data::Gauge(Gauge { data_points: vec![point(labels - 10, 1.0), point(0, 2.0)] });
            let read = read(&request(10, data));
            assert_eq!((read.rejected, read.points.len()), (rejected, 2 - rejected), "{labels}");
        }
    }

    #[test]
    fn the_message_names_rejected_points() {
        let bad = vec![point(0, f64::NAN); 7];
        let data_points = [vec![point(0, 1.0)], bad].concat();
        let sum = Sum { data_points, aggregation_temporality: 1, is_monotonic: true };
        let partial = read(&request(0, Data::Sum(sum.clone()))).partial_success().unwrap();
        assert_eq!(partial.rejected_data_points, 7);
        let message = partial.error_message;
        let first = "resource_metrics[0].scope_metrics[0].metrics[0].data_points[1] has the value NaN";
        assert!(message.starts_with(first) && message.ends_with("; and 2 more"), "{message}");
        let unspecified = Sum { aggregation_temporality: 0, ..sum };
        assert_eq!(read(&request(0, Data::Sum(unspecified))).rejected, 8);
    }

    #[test]
    fn valid_points_are_read_without_a_partial_success() {
        let sum = Sum { data_points: vec![point(2, 3.0)], aggregation_temporality: 2, is_monotonic: true };
        let request = request(1, Data::Sum(sum));
        let read = read(&request);
        assert_eq!((count_points(&request), read.points.len(), read.partial_success()), (1, 1, None));
        let (id, _) = &read.points[0];
        assert_eq!(
            (id.kind, id.temporality, id.is_monotonic),
            (OtlpKind::Sum, Some(OtlpTemporality::Cumulative), true)
        );
        assert_eq!((id.resource.len(), id.attributes.len(), id.label_count()), (1, 2, 3));
    }
}
