//! The requests to CloudWatch that follow from series and traffic.

use acpw_metric::{
    DataKind, DimensionName, DimensionValue, Dimensions, Distribution, Entity, Metric, MetricName, Namespace,
    StorageResolution, Timestamp, Unit,
    quota::{MAX_DATA_PER_REQUEST, MAX_REQUEST_BYTES},
};
use receiver::{Batch, datum::MetricDatum, lane_key::LaneKey, source::published_metric::ValueKind};

use crate::{
    cardinality::SetCount,
    publication::{PublishedSet, Source},
};

/// A month, as AWS's price calculator has it: 730 hours.
pub const MONTH_SECONDS: f64 = 730.0 * 3_600.0;

/// The value of a dimension that is not known, for its length.
const UNKNOWN_VALUE: &str = "a-usual-value";

/// The most different values that a distribution of a minute is assumed to have.
const USUAL_VALUES: u64 = 60;

/// The data and calls of a month.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    /// PutMetricData requests.
    pub calls: u64,
    /// MetricDatum entries.
    pub data: f64,
    /// Uncompressed bytes of their bodies.
    pub bytes: f64,
    /// Bytes of the same data as OTLP data points.
    pub otlp_bytes: f64,
}

/// Estimates the traffic of sets.
///
/// `rate` is the number of requests a second that the senders measure, `envoys` the number of Envoys that share them,
/// and `share` the share of the series of requests that a bound leaves.
pub fn of(sets: &[SetCount], rate: f64, envoys: u64, share: f64) -> Traffic {
    let mut traffic = Traffic::default();
    let mut lanes: Vec<Lane<'_>> = Vec::new();
    for set in sets {
        for (index, metric) in set.metrics.iter().enumerate() {
            let is_request = metric.source == Source::Requests;
            let series = set.of_metric(index, None) as f64 * if is_request { share } else { 1.0 };
            let interval = metric.interval.as_secs_f64().max(1.0);
            let period = match metric.resolution {
                StorageResolution::High => 1.0,
                StorageResolution::Standard => interval.min(60.0),
            };
            // Requests are spread over the Envoys and the series evenly, and arrive independently of each other.
            let samples = match (is_request, metric.values) {
                (true, ValueKind::Level) | (false, _) => None,
                (true, _) => Some(rate / envoys as f64 / series.max(1.0) * period),
            };
            let active = samples.map_or(1.0, |samples| 1.0 - (-samples).exp());
            let data = series * interval / period * active;
            let (bytes, otlp_bytes) = sizes(metric, samples.unwrap_or(period));
            let (data_a_month, intervals) = (data * MONTH_SECONDS / interval, MONTH_SECONDS / interval);
            traffic.data += data_a_month * envoys as f64;
            traffic.bytes += data_a_month * envoys as f64 * bytes;
            traffic.otlp_bytes += data_a_month * envoys as f64 * otlp_bytes;
            let lane = Lane {
                namespace: &metric.namespace,
                entity: metric.entity.as_ref(),
                intervals,
                data,
                bytes: data * bytes,
            };
            match lanes.iter_mut().find(|known| known.shares_calls_with(&lane)) {
                Some(known) => (known.data, known.bytes) = (known.data + lane.data, known.bytes + lane.bytes),
                None => lanes.push(lane),
            }
        }
    }
    for Lane { intervals, data, bytes, .. } in lanes {
        let by_count = (data / MAX_DATA_PER_REQUEST as f64).ceil();
        let by_size = (bytes / MAX_REQUEST_BYTES as f64).ceil();
        // An interval without any data has no call.
        let calls = by_count.max(by_size).max(data.min(1.0));
        traffic.calls = traffic.calls.saturating_add((calls * intervals * envoys as f64).round() as u64);
    }
    traffic
}

/// Data that is sent together.
struct Lane<'a> {
    namespace: &'a str,
    entity: Option<&'a Entity>,
    /// Intervals in a month.
    intervals: f64,
    /// Data in an interval.
    data: f64,
    /// Bytes in an interval.
    bytes: f64,
}

impl Lane<'_> {
    fn shares_calls_with(&self, other: &Self) -> bool {
        self.namespace == other.namespace && self.entity == other.entity && self.intervals == other.intervals
    }
}

/// Returns the bytes of a datum with this many samples, as PutMetricData and as an OTLP data point.
fn sizes(metric: &PublishedSet, samples: f64) -> (f64, f64) {
    let values = match metric.values {
        ValueKind::Distribution | ValueKind::Level => (samples.ceil() as u64).clamp(1, USUAL_VALUES),
        ValueKind::Events | ValueKind::Increase | ValueKind::Declared => 1,
    };
    let mut distribution = Distribution::new();
    for value in 0..values {
        distribution.record(12.34 * 1.07f64.powi(i32::try_from(value).unwrap_or(0)));
    }
    let text = |one: &crate::publication::SetDimension| one.value().unwrap_or(UNKNOWN_VALUE).to_owned();
    let pair = |one: &crate::publication::SetDimension| {
        Some((DimensionName::new(&one.name).ok()?, DimensionValue::new(&text(one)).ok()?))
    };
    let dimensions = Dimensions::new(metric.dimensions.iter().filter_map(pair).collect()).unwrap_or_default();
    let labels: usize = metric.dimensions.iter().map(|one| one.name.len().saturating_add(text(one).len())).sum();
    // Protobuf adds about 8 bytes to each label and 4 to the name. A point has two times of 9 bytes, and count, sum,
    // minimum and maximum of 9; an exponential histogram has about 2 bytes for each bucket and 12 for its scale and
    // offsets; a number has 9.
    let point = match metric.values {
        ValueKind::Distribution => (values.saturating_mul(2).saturating_add(12 + 4 * 9)) as f64,
        _ => 9.0,
    };
    let name = metric.name.as_str();
    let otlp = (name.len() + labels + 8 * metric.dimensions.len() + 4 + 2 * 9) as f64 + point;
    let (Ok(name), Ok(namespace)) = (MetricName::new(&name.replace('*', "x")), Namespace::new(&metric.namespace))
    else {
        return (0.0, otlp);
    };
    let unit = metric.unit.unwrap_or(Unit::NONE);
    let of = Metric { name, unit, resolution: metric.resolution };
    let mut batch = Batch::new(LaneKey { namespace, entity: None });
    let before = batch.length();
    batch.push(&MetricDatum {
        name: of.name.as_str(),
        metric: &of,
        dimensions: &dimensions,
        timestamp: Timestamp::from_secs(1_700_000_000),
        kind: DataKind::default(),
        distribution: &distribution,
    });
    (batch.length().saturating_sub(before).saturating_add(1) as f64, otlp)
}
