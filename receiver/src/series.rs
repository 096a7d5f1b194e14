//! A series, as a key of what the receiver remembers beyond a publication.

use acpw_metric::{Dimensions, Metric, Origin, PeriodKey};

/// A series of one origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Series {
    /// Whose it is.
    pub origin: Origin,
    /// Its dimensions.
    pub dimensions: Dimensions,
    /// Its name, unit and resolution.
    pub metric: Metric,
}

impl Series {
    /// Creates the series of a metric and its dimensions.
    pub fn new(key: &PeriodKey, dimensions: Dimensions, metric: &Metric) -> Self {
        Self { origin: key.origin.clone(), dimensions, metric: metric.clone() }
    }
}
