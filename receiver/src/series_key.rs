//! Identifies a series in state that outlives a publication.

use acpw_metric::{Dimensions, Metric, Origin, PeriodKey};

/// The identity of a series.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeriesKey {
    /// The origin of the data.
    pub origin: Origin,
    /// The dimensions.
    pub dimensions: Dimensions,
    /// The name, unit and resolution.
    pub metric: Metric,
}

impl SeriesKey {
    /// Creates the key of a metric with these dimensions, with the origin of a period.
    pub fn new(key: &PeriodKey, dimensions: Dimensions, metric: &Metric) -> Self {
        Self { origin: key.origin.clone(), dimensions, metric: metric.clone() }
    }
}
