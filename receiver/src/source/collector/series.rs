//! Series of the target and series in CloudWatch.

use acpw_metric::{Dimensions, Distribution, Metric};

use super::{parts::Parts, reset_history::ResetHistory};
use crate::source::{
    change::PreviousReading,
    reading::{SeriesKind, Value},
};

/// A rule's index, and a hash of a reading's name and labels, which takes less memory than they do. The hash is seeded
/// randomly, so nobody can provoke a collision. Among 100,000 series, the probability of one is 1 in 4 billion.
pub(super) type SeriesKey = (usize, u64);

/// A rule's index, and the metric and dimensions that it publishes.
pub(super) type OutputKey = (usize, Metric, Dimensions);

/// A series of the target, as one rule selects it.
#[derive(Debug)]
pub(super) struct SourceSeries {
    pub(super) kind: SeriesKind,
    /// The hash of the name.
    pub(super) name: u64,
    /// The index of the output series that it is published as.
    pub(super) output: usize,
    /// The last round in which it was present.
    pub(super) round: u64,
    /// The last round in which it was present with another kind.
    pub(super) other_kind: u64,
    /// True if it was missing in the previous round.
    pub(super) is_missing: bool,
    /// The parts read in this round so far.
    pub(super) parts: Parts,
    /// True if the parts are plausible.
    pub(super) is_plausible: bool,
    /// The reading that the next change is relative to.
    pub(super) previous: PreviousReading,
    /// The time at which it started, as reported by the target, in seconds since the epoch.
    pub(super) created: Option<f64>,
    pub(super) resets: ResetHistory,
}

impl SourceSeries {
    pub(super) fn new(kind: SeriesKind, name: u64, output: usize, is_target_known: bool) -> Self {
        Self {
            kind,
            name,
            output,
            round: 0,
            other_kind: 0,
            is_missing: false,
            parts: Parts::default(),
            is_plausible: false,
            previous: PreviousReading::default(),
            created: None,
            resets: ResetHistory::new(is_target_known),
        }
    }

    /// Returns the total in this round, if it is plausible. Gauges have none.
    pub(super) fn total(&self) -> Option<f64> {
        match self.parts.value(self.kind).filter(|_| self.is_plausible)? {
            Value::Counter(total) => Some(total),
            Value::Histogram { count, .. } | Value::Summary { count, .. } => Some(count),
            Value::Gauge(_) => None,
        }
    }
}

/// A series in CloudWatch.
#[derive(Debug)]
pub(super) struct OutputSeries {
    /// The kind of all its source series.
    pub(super) kind: SeriesKind,
    /// The number of its source series.
    pub(super) series: usize,
    /// The sum of counters or gauges in this round.
    pub(super) sum: Option<f64>,
    /// Other values in this round.
    pub(super) values: Distribution,
    /// True if a value is missing in this round without which the others are wrong.
    pub(super) is_broken: bool,
}

impl OutputSeries {
    pub(super) fn new(kind: SeriesKind) -> Self {
        Self { kind, series: 0, sum: None, values: Distribution::new(), is_broken: false }
    }
}
