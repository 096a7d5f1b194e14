//! Aggregations over the elements of a vector.

use std::collections::BTreeMap;

use super::labels::LabelSelection;
use super::query_error::QueryError;
use super::query_value::VectorElement;
use super::sample::Sample;

/// An aggregation operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregation {
    Sum,
    Avg,
    Min,
    Max,
    Count,
}

impl Aggregation {
    /// Returns the operator with this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            _ => return None,
        })
    }

    /// Aggregates the elements of each group. As in Prometheus, `min` and `max` ignore histograms.
    pub(super) fn compute(
        self,
        grouping: &LabelSelection,
        elements: Vec<VectorElement>,
    ) -> Result<Vec<VectorElement>, QueryError> {
        let mut groups: BTreeMap<_, Vec<Sample>> = BTreeMap::new();
        for VectorElement { labels, sample } in elements {
            groups.entry(grouping.of(&labels)).or_default().push(sample);
        }
        let mut aggregated = Vec::new();
        for (labels, samples) in groups {
            aggregated.extend(self.of_group(samples)?.map(|sample| VectorElement { labels, sample }));
        }
        Ok(aggregated)
    }

    fn of_group(self, samples: Vec<Sample>) -> Result<Option<Sample>, QueryError> {
        let count = samples.len() as f64;
        let extreme =
            |of: fn(f64, f64) -> f64| samples.iter().filter_map(Sample::number).reduce(of).map(Sample::Number);
        match self {
            Self::Count => Ok(Some(Sample::Number(count))),
            Self::Min => Ok(extreme(f64::min)),
            Self::Max => Ok(extreme(f64::max)),
            Self::Sum | Self::Avg => {
                let mut samples = samples.into_iter();
                let Some(mut total) = samples.next() else { return Ok(None) };
                for sample in samples {
                    total.add(&sample, 1.0)?;
                }
                if self == Self::Avg {
                    total.divide(count);
                }
                Ok(Some(total))
            }
        }
    }
}
