//! Series at a target, and in CloudWatch.

use acpw_metric::{Dimensions, Distribution, Metric};

use super::{parts::Parts, reset_history::ResetHistory};
use crate::source::{
    change::PreviousReading,
    reading::{SeriesKind, Value},
};

/// A rule's index, and the hash of a reading's name and labels, which takes less memory than they
/// would. Nobody can choose two series of one hash, and of 100,000 series that nobody chose, two
/// have the same hash once in four billion times.
pub(super) type SeriesKey = (usize, u64);

/// A rule's index, and the series under which it publishes.
pub(super) type OutputKey = (usize, Metric, Dimensions);

/// A series at the target, by one rule.
#[derive(Debug)]
pub(super) struct SourceSeries {
    pub(super) kind: SeriesKind,
    /// The hash of its name.
    pub(super) name: u64,
    /// The index of the target under which it is published.
    pub(super) output: usize,
    /// The last round in which it was there.
    pub(super) round: u64,
    /// The last round in which it was there as another kind.
    pub(super) other_kind: u64,
    /// Whether it was not there in the last round.
    pub(super) is_missing: bool,
    /// What this round's answer has said of it so far.
    pub(super) parts: Parts,
    /// Whether that can be true.
    pub(super) is_plausible: bool,
    /// The reading from which the next change is taken.
    pub(super) previous: PreviousReading,
    /// When it began, as the target says.
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

    /// Returns its total in this round, if it has one that can be true.
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
    /// The kind of all series that are published under it.
    pub(super) kind: SeriesKind,
    /// The number of these series.
    pub(super) series: usize,
    /// The sum of this round.
    pub(super) sum: Option<f64>,
    /// Other values of this round.
    pub(super) values: Distribution,
    /// Whether something is missing in this round without which the rest is wrong.
    pub(super) is_broken: bool,
}

impl OutputSeries {
    pub(super) fn new(kind: SeriesKind) -> Self {
        Self { kind, series: 0, sum: None, values: Distribution::new(), is_broken: false }
    }
}
