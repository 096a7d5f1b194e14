//! A data point, as the store keeps it.

use super::distribution::Distribution;

/// A data point. Times are in nanoseconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredPoint {
    /// 0 if unknown.
    pub(crate) start_nanos: u64,
    pub(crate) time_nanos: u64,
    pub(crate) value: PointValue,
}

/// The value of a data point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PointValue {
    Number(f64),
    Distribution {
        distribution: Distribution,
        min: Option<f64>,
        max: Option<f64>,
    },
    Summary {
        count: f64,
        sum: f64,
        /// Values by quantile, ascending.
        quantiles: Vec<(f64, f64)>,
    },
}

impl StoredPoint {
    /// Returns the time in milliseconds, which is the resolution of queries.
    pub(crate) fn time_millis(&self) -> i64 {
        i64::try_from(self.time_nanos / 1_000_000).unwrap_or(i64::MAX)
    }

    /// Returns true if this cumulative point includes `previous`. It does not after a restart, which is known from
    /// another start time or a smaller total.
    pub(crate) fn continues(&self, previous: &Self) -> bool {
        let is_known = self.start_nanos != 0 && previous.start_nanos != 0;
        if is_known && self.start_nanos != previous.start_nanos {
            return false;
        }
        match (&self.value, &previous.value) {
            (PointValue::Number(now), PointValue::Number(before)) => now >= before,
            (
                PointValue::Distribution { distribution: now, .. },
                PointValue::Distribution { distribution: before, .. },
            ) => now.count >= before.count,
            (PointValue::Summary { count: now, .. }, PointValue::Summary { count: before, .. }) => now >= before,
            _ => false,
        }
    }

    /// Returns the number of entries that the point uses of the store's limit.
    pub(crate) fn entries(&self) -> usize {
        1 + match &self.value {
            PointValue::Number(_) => 0,
            PointValue::Distribution { distribution, .. } => distribution.bucket_count(),
            PointValue::Summary { quantiles, .. } => quantiles.len(),
        }
    }
}
