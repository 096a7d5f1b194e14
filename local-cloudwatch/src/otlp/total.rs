//! The data stored for each OTLP series, as tests read it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::distribution::{Buckets, Distribution};
use super::explicit_buckets::ExplicitBuckets;
use super::exponential_buckets::ExponentialBuckets;
use super::series_id::{OtlpKind, OtlpScope, OtlpSeriesId, OtlpTemporality};
use super::store::OtlpSeries;
use super::stored_point::{PointValue, StoredPoint};

/// The totals of one OTLP series since the start or the last reset. They stay exact when points are discarded.
///
/// Cumulative points count with their change from the previous point, and in full after a restart of their writer. A
/// cumulative sum that is not monotonic has its latest value as `sum`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OtlpSeriesTotal {
    /// Name of the metric.
    pub metric: String,
    /// Unit, such as `s` or `By`; empty if unknown.
    pub unit: String,
    /// Kind of the metric.
    pub kind: OtlpKind,
    /// `None` for gauges and summaries.
    pub temporality: Option<OtlpTemporality>,
    /// True for a sum that only increases.
    pub is_monotonic: bool,
    /// Attributes of the resource.
    pub resource: BTreeMap<String, String>,
    /// The instrumentation scope.
    pub scope: OtlpScope,
    /// Attributes of the data points.
    pub attributes: BTreeMap<String, String>,
    /// Number of values: the points of a gauge or sum, and the counts of a histogram or summary.
    pub count: f64,
    /// Sum of the values.
    pub sum: f64,
    /// Smallest value; `None` if unknown. For a cumulative sum, the smallest of the totals in its points.
    pub min: Option<f64>,
    /// Largest value; `None` if unknown. For a cumulative sum, the largest of the totals in its points.
    pub max: Option<f64>,
    /// Number of stored points.
    pub data: u64,
    /// Number of cumulative points that arrived after a newer one. They do not change the other totals.
    pub late: u64,
    /// All values of an exponential histogram by bucket.
    pub exponential: Option<ExponentialBuckets>,
    /// All values of a histogram by bucket.
    pub explicit: Option<ExplicitBuckets>,
    /// The points that are still kept, by time.
    pub points: Vec<OtlpPointTotal>,
}

/// One stored data point.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OtlpPointTotal {
    /// Start in nanoseconds since the epoch; 0 if unknown.
    pub start_nanos: u64,
    /// Time in nanoseconds since the epoch.
    pub time_nanos: u64,
    /// 1 for a gauge or sum, and the count of a histogram or summary.
    pub count: f64,
    /// The value of a gauge or sum, and the sum of a histogram or summary.
    pub sum: f64,
    /// `min` of a histogram.
    pub min: Option<f64>,
    /// `max` of a histogram.
    pub max: Option<f64>,
    /// Values by quantile of a summary.
    pub quantiles: Vec<(f64, f64)>,
}

impl OtlpSeriesTotal {
    pub(crate) fn new(id: &OtlpSeriesId, series: &OtlpSeries) -> Self {
        let totals = &series.totals;
        let (exponential, explicit) = match totals.distribution.clone().map(|Distribution { buckets, .. }| buckets) {
            Some(Buckets::Exponential(buckets)) => (Some(buckets), None),
            Some(Buckets::Explicit(buckets)) => (None, Some(buckets)),
            None => (None, None),
        };
        Self {
            metric: id.metric.to_string(),
            unit: id.unit.to_string(),
            kind: id.kind,
            temporality: id.temporality,
            is_monotonic: id.is_monotonic,
            resource: (*id.resource).clone(),
            scope: (*id.scope).clone(),
            attributes: id.attributes.clone(),
            count: totals.count,
            sum: totals.sum,
            min: totals.min,
            max: totals.max,
            data: totals.points,
            late: totals.late,
            exponential,
            explicit,
            points: series.points().map(OtlpPointTotal::new).collect(),
        }
    }
}

impl OtlpPointTotal {
    fn new(point: &StoredPoint) -> Self {
        let (count, sum, min, max, quantiles) = match &point.value {
            PointValue::Number(value) => (1.0, *value, None, None, Vec::new()),
            PointValue::Distribution { distribution, min, max } => {
                (distribution.count, distribution.sum, *min, *max, Vec::new())
            }
            PointValue::Summary { count, sum, quantiles } => (*count, *sum, None, None, quantiles.clone()),
        };
        let StoredPoint { start_nanos, time_nanos, .. } = *point;
        Self { start_nanos, time_nanos, count, sum, min, max, quantiles }
    }
}
