//! The data stored for each series, as tests read it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::store::{SeriesId, StoredSeries};

/// The totals of one series since the start or the last reset. They stay exact when buckets are discarded.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SeriesTotal {
    /// `Namespace`.
    pub namespace: String,
    /// `MetricName`.
    pub metric_name: String,
    /// Dimension values by name.
    pub dimensions: BTreeMap<String, String>,
    /// `Unit`; the text `None` if the data has no unit.
    pub unit: String,
    /// `SampleCount`.
    pub count: f64,
    /// `Sum`.
    pub sum: f64,
    /// `Minimum`.
    pub min: f64,
    /// `Maximum`.
    pub max: f64,
    /// Number of stored data.
    pub data: u64,
    /// The buckets that are still kept, sorted by start and resolution.
    pub buckets: Vec<BucketTotal>,
}

/// The samples of one series in one second or one minute.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BucketTotal {
    /// Start of the bucket, in seconds since the epoch.
    pub timestamp: i64,
    /// Length of the bucket in seconds: 1 or 60.
    pub resolution: i64,
    /// `SampleCount`.
    pub count: f64,
    /// `Sum`.
    pub sum: f64,
    /// `Minimum`.
    pub min: f64,
    /// `Maximum`.
    pub max: f64,
    /// Distinct values and their counts, ascending; empty if percentiles are not available.
    pub values: Vec<(f64, f64)>,
}

impl SeriesTotal {
    pub(crate) fn new(id: &SeriesId, series: &StoredSeries) -> Self {
        let mut buckets: Vec<_> = series
            .buckets()
            .map(|(timestamp, resolution, bucket)| {
                let statistics = bucket.statistics;
                BucketTotal {
                    timestamp,
                    resolution: resolution.seconds(),
                    count: statistics.count,
                    sum: statistics.sum,
                    min: statistics.min,
                    max: statistics.max,
                    values: bucket.values(),
                }
            })
            .collect();
        buckets.sort_by_key(|bucket| (bucket.timestamp, bucket.resolution));
        Self {
            namespace: id.metric.namespace.clone(),
            metric_name: id.metric.name.clone(),
            dimensions: id.metric.dimensions.clone(),
            unit: id.unit.as_str().to_owned(),
            count: series.statistics.count,
            sum: series.statistics.sum,
            min: series.statistics.min,
            max: series.statistics.max,
            data: series.data,
            buckets,
        }
    }
}
