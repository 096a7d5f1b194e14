//! A value of a series at one time.

use super::query_error::QueryError;
use crate::otlp::distribution::Distribution;
use crate::otlp::stored_point::{PointValue, StoredPoint};

/// A number or a histogram.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sample {
    Number(f64),
    Histogram(Box<Distribution>),
}

/// The part of a data point that a series of a query shows. A summary has several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PointPart {
    Value,
    SummaryCount,
    SummarySum,
    SummaryQuantile(f64),
}

impl PointPart {
    /// Returns this part of a point.
    pub(super) fn sample(self, point: &StoredPoint) -> Option<Sample> {
        match (self, &point.value) {
            (Self::Value, PointValue::Number(value)) => Some(Sample::Number(*value)),
            (Self::Value, PointValue::Distribution { distribution, .. }) => {
                Some(Sample::Histogram(Box::new(distribution.clone())))
            }
            (Self::SummaryCount, PointValue::Summary { count, .. }) => Some(Sample::Number(*count)),
            (Self::SummarySum, PointValue::Summary { sum, .. }) => Some(Sample::Number(*sum)),
            (Self::SummaryQuantile(quantile), PointValue::Summary { quantiles, .. }) => {
                quantiles.iter().find(|(found, _)| *found == quantile).map(|(_, value)| Sample::Number(*value))
            }
            _ => None,
        }
    }
}

impl Sample {
    /// Adds `other` times `factor`, which is -1 to subtract it.
    pub(super) fn add(&mut self, other: &Self, factor: f64) -> Result<(), QueryError> {
        match (self, other) {
            (Self::Number(mine), Self::Number(theirs)) => *mine += theirs * factor,
            (Self::Histogram(mine), Self::Histogram(theirs)) => mine.add(theirs, factor).map_err(|_| {
                QueryError::execution("cannot add histograms with explicit bounds to exponential histograms")
            })?,
            _ => return Err(QueryError::execution("cannot add histograms to numbers")),
        }
        Ok(())
    }

    /// Multiplies the number, or the count, the sum and the buckets of the histogram.
    pub(super) fn multiply(&mut self, factor: f64) {
        match self {
            Self::Number(value) => *value *= factor,
            Self::Histogram(histogram) => histogram.multiply(factor),
        }
    }

    /// Divides the number, or the count, the sum and the buckets of the histogram.
    pub(super) fn divide(&mut self, divisor: f64) {
        match self {
            Self::Number(value) => *value /= divisor,
            Self::Histogram(histogram) => histogram.multiply(divisor.recip()),
        }
    }

    /// Returns the number; `None` if it is a histogram.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Histogram(_) => None,
        }
    }

    /// Returns the number or the count of the histogram, by which counter resets are found.
    pub(super) fn counter(&self) -> f64 {
        match self {
            Self::Number(value) => *value,
            Self::Histogram(histogram) => histogram.count,
        }
    }
}
