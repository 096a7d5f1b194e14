//! A series, as a key of what the receiver remembers beyond a publication.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher},
};

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

/// A map whose order is the same in every run.
pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

impl Series {
    /// The series of a metric of a group.
    pub fn new(key: &PeriodKey, dimensions: &Dimensions, metric: &Metric) -> Self {
        Self { origin: key.origin.clone(), dimensions: dimensions.clone(), metric: metric.clone() }
    }
}
