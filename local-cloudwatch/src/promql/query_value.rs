//! The values of expressions.

use super::labels::LabelSet;
use super::query_error::QueryError;
use super::sample::Sample;

/// A sample with its labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct VectorElement {
    pub(super) labels: LabelSet,
    pub(super) sample: Sample,
}

/// The value of an expression at one time.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum QueryValue {
    Scalar(f64),
    Vector(Vec<VectorElement>),
}

/// A series over time; times are in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RangeSeries {
    pub(super) labels: LabelSet,
    pub(super) samples: Vec<(i64, Sample)>,
}

/// Returns an error if two elements have the same labels.
pub(super) fn check_unique(elements: &[VectorElement]) -> Result<(), QueryError> {
    let mut labels: Vec<_> = elements.iter().map(|element| &element.labels).collect();
    labels.sort_unstable();
    match labels.array_windows().find(|[one, other]| one == other) {
        None => Ok(()),
        Some([twice, _]) => {
            Err(QueryError::execution(format!("vector cannot contain metrics with the same labelset: {twice:?}")))
        }
    }
}
