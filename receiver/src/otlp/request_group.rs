//! The data of a request with the same dimensions and period.

use acpw_metric::{Dimensions, Distribution, Group, Metric, PeriodKey};

use super::totals::Total;

/// The data of one set of dimensions in one period.
#[derive(Debug)]
pub(super) struct RequestGroup {
    pub(super) key: PeriodKey,
    pub(super) dimensions: Dimensions,
    pub(super) points: Vec<RequestPoint>,
}

/// The data of one metric.
#[derive(Debug)]
pub(super) struct RequestPoint {
    pub(super) metric: Metric,
    /// The data of the period.
    pub(super) distribution: Distribution,
    /// The total up to and including this period, if the data are encoded and the temporality is cumulative. Should the
    /// data be encoded again, it is the same.
    pub(super) total: Option<Box<Total>>,
}

impl RequestGroup {
    /// Creates a group without totals.
    pub(super) fn new(key: PeriodKey, group: Group) -> Self {
        let point = |(metric, distribution)| RequestPoint { metric, distribution, total: None };
        let points = group.distributions.into_iter().map(point).collect();
        Self { key, dimensions: group.dimensions, points }
    }

    /// Returns the number of values.
    pub(super) fn samples(&self) -> u64 {
        self.key.kind.values(self.points.iter().map(|point| point.distribution.count()).sum())
    }

    /// Returns the period and the data without totals.
    pub(super) fn into_parts(self) -> (PeriodKey, Group) {
        let distributions = self.points.into_iter().map(|point| (point.metric, point.distribution)).collect();
        (self.key, Group { dimensions: self.dimensions, distributions })
    }
}
