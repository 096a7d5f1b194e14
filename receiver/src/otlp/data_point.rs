//! The data points of a distribution.

use acpw_metric::{BucketRange, Dimensions, Distribution, Metric, Namespace, PeriodKey, Timestamp};
use acpw_otlp::{
    Buckets, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, KeyValue,
    KeyValueList, NumberDataPoint, Sum, Temporality, any_value::Value, metric::Data, number_data_point,
};
use prost::Message as _;

use super::{
    naming::{MetricMapping, NAMESPACE_ATTRIBUTE, Naming, PointForm},
    resource::{attribute, text},
};
use crate::names::Names;

/// The largest whole number up to which doubles have all whole numbers.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The suffix of the gauge with the largest sample of a period.
const MAXIMUM_SUFFIX: &str = ".max";

/// The times and values of a data point.
#[derive(Clone, Copy, Debug)]
pub(super) struct PointValues<'a> {
    /// Start and end.
    pub(super) times: (Timestamp, Timestamp),
    pub(super) distribution: &'a Distribution,
    /// The meaning of sums and histograms.
    pub(super) temporality: Temporality,
}

/// The names of data points.
#[derive(Clone, Copy, Debug)]
pub(super) struct PointNames<'a> {
    pub(super) naming: Naming,
    pub(super) names: &'a Names,
}

impl PointNames<'_> {
    /// Returns the metrics of a distribution, each with one data point: two gauges, or one metric of another form.
    pub(super) fn metrics(
        self,
        key: &PeriodKey,
        dimensions: &Dimensions,
        metric: &Metric,
        values: PointValues<'_>,
    ) -> Vec<acpw_otlp::Metric> {
        let MetricMapping { name, unit, divisor, form } = self.naming.metric(self.names, &key.origin, metric);
        let PointValues { times, distribution, temporality } = values;
        let attributes = self.attributes(key, dimensions, metric);
        let point = PointData { attributes, times, distribution, temporality: temporality.into(), divisor };
        let named = |suffix: &str, data| acpw_otlp::Metric {
            name: [name, suffix].concat(),
            description: String::new(),
            unit: unit.to_owned(),
            data: Some(data),
        };
        match form {
            _ if distribution.is_statistic_set() => vec![named("", point.histogram())],
            PointForm::Sum => vec![named("", point.sum())],
            PointForm::Histogram => vec![named("", point.exponential_histogram())],
            PointForm::Gauge => {
                let average = distribution.sum() / distribution.sample_count();
                vec![named("", point.gauge(average)), named(MAXIMUM_SUFFIX, point.gauge(distribution.max()))]
            }
        }
    }

    /// Returns bytes that identify the series of sums or histograms of a metric: two series have the same bytes if they
    /// are one series to the endpoint. Returns `None` for gauges, which have no totals.
    pub(super) fn series(
        self,
        key: &PeriodKey,
        dimensions: &Dimensions,
        metric: &Metric,
        distribution: &Distribution,
    ) -> Option<Vec<u8>> {
        let MetricMapping { name, unit, form, .. } = self.naming.metric(self.names, &key.origin, metric);
        let is_set = distribution.is_statistic_set();
        if form == PointForm::Gauge && !is_set {
            return None;
        }
        let entity = key.origin.entity.as_ref();
        let head = [
            text("name", name),
            text("unit", unit),
            attribute("is_set", Value::BoolValue(is_set)),
            text("service", entity.map_or("", |entity| entity.service.as_str())),
            text("environment", entity.map_or("", |entity| entity.environment.as_str())),
        ];
        let mut attributes = self.attributes(key, dimensions, metric);
        attributes.sort_by(|one, other| one.key.cmp(&other.key));
        let values = head.into_iter().chain(attributes).collect();
        Some(KeyValueList { values }.encode_to_vec())
    }

    fn attributes(self, key: &PeriodKey, dimensions: &Dimensions, metric: &Metric) -> Vec<KeyValue> {
        let has = |name: &str| dimensions.iter().any(|(known, _)| known == name);
        let attribute_of = |(dimension, value): (&str, &str)| {
            let name = self.naming.attribute(&key.origin, metric, dimension, has);
            // By the conventions, a status code is a number.
            match value.parse() {
                Ok(status) if name == "http.response.status_code" => attribute(name, Value::IntValue(status)),
                _ => text(name, value),
            }
        };
        let namespace = key.origin.namespace.as_ref().map(Namespace::as_str);
        let namespace = namespace.filter(|namespace| *namespace != self.names.namespace.as_str());
        let namespace = namespace.filter(|_| !has(NAMESPACE_ATTRIBUTE)).map(|name| text(NAMESPACE_ATTRIBUTE, name));
        dimensions.iter().map(attribute_of).chain(namespace).collect()
    }
}

/// The parts of a data point of any form.
struct PointData<'a> {
    attributes: Vec<KeyValue>,
    times: (Timestamp, Timestamp),
    distribution: &'a Distribution,
    temporality: i32,
    divisor: f64,
}

impl PointData<'_> {
    fn sum(&self) -> Data {
        let point = self.number(self.distribution.sum() / self.divisor);
        Data::Sum(Sum { data_points: vec![point], aggregation_temporality: self.temporality, is_monotonic: true })
    }

    fn gauge(&self, value: f64) -> Data {
        Data::Gauge(Gauge { data_points: vec![self.number(value / self.divisor)] })
    }

    fn number(&self, value: f64) -> NumberDataPoint {
        let is_whole = value.fract() == 0.0 && value.abs() <= MAX_EXACT;
        let value = if is_whole {
            number_data_point::Value::AsInt(value as i64)
        } else {
            number_data_point::Value::AsDouble(value)
        };
        let (start, end) = self.times;
        NumberDataPoint {
            attributes: self.attributes.clone(),
            start_time_unix_nano: nanos(start),
            time_unix_nano: nanos(end),
            value: Some(value),
            flags: 0,
        }
    }

    fn exponential_histogram(&self) -> Data {
        let (Some(buckets), (start, end)) = (self.distribution.dense_buckets(self.divisor), self.times) else {
            return self.histogram();
        };
        let range = |range: BucketRange| {
            (!range.counts.is_empty()).then_some(Buckets { offset: range.offset, bucket_counts: range.counts })
        };
        let point = ExponentialHistogramDataPoint {
            attributes: self.attributes.clone(),
            start_time_unix_nano: nanos(start),
            time_unix_nano: nanos(end),
            count: self.distribution.count(),
            sum: Some(self.distribution.sum() / self.divisor),
            scale: buckets.scale,
            zero_count: buckets.zero_count,
            positive: range(buckets.positive),
            negative: range(buckets.negative),
            flags: 0,
            min: Some(self.distribution.min() / self.divisor),
            max: Some(self.distribution.max() / self.divisor),
            zero_threshold: 0.0,
        };
        let aggregation_temporality = self.temporality;
        Data::ExponentialHistogram(ExponentialHistogram { data_points: vec![point], aggregation_temporality })
    }

    /// Returns a histogram without buckets, the form of a statistic set. Its count is a whole number, so a sample count
    /// with a fraction is rounded.
    fn histogram(&self) -> Data {
        let (start, end) = self.times;
        let point = HistogramDataPoint {
            attributes: self.attributes.clone(),
            start_time_unix_nano: nanos(start),
            time_unix_nano: nanos(end),
            count: (self.distribution.sample_count().round() as u64).max(1),
            sum: Some(self.distribution.sum() / self.divisor),
            bucket_counts: Vec::new(),
            explicit_bounds: Vec::new(),
            flags: 0,
            min: Some(self.distribution.min() / self.divisor),
            max: Some(self.distribution.max() / self.divisor),
        };
        Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: self.temporality })
    }
}

fn nanos(time: Timestamp) -> u64 {
    time.as_millis().saturating_mul(1_000_000)
}
