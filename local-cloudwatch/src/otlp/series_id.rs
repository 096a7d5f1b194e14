//! The identity of an OTLP series.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

/// The kind of an OTLP metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OtlpKind {
    /// `Gauge`.
    Gauge,
    /// `Sum`.
    Sum,
    /// `Histogram`, with explicit bounds.
    Histogram,
    /// `ExponentialHistogram`.
    ExponentialHistogram,
    /// `Summary`.
    Summary,
}

/// The temporality of a sum or histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OtlpTemporality {
    /// A point has the change since the previous one.
    Delta,
    /// A point has the total since the start time.
    Cumulative,
}

/// The instrumentation scope of a series.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OtlpScope {
    /// Name; empty if unknown.
    pub name: String,
    /// Version; empty if unknown.
    pub version: String,
    /// Attributes.
    pub attributes: BTreeMap<String, String>,
}

/// Everything that distinguishes a series from others. What the points of a request have in common is shared, because a
/// long text would otherwise be copied for each point.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OtlpSeriesId {
    pub(crate) metric: Arc<str>,
    pub(crate) unit: Arc<str>,
    pub(crate) kind: OtlpKind,
    /// `None` for gauges and summaries.
    pub(crate) temporality: Option<OtlpTemporality>,
    /// True for a sum that only increases.
    pub(crate) is_monotonic: bool,
    pub(crate) resource: Arc<BTreeMap<String, String>>,
    pub(crate) scope: Arc<OtlpScope>,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl OtlpSeriesId {
    /// Returns the number of labels that CloudWatch limits.
    pub(crate) fn label_count(&self) -> usize {
        self.attributes.len() + self.resource.len() + self.scope.attributes.len()
    }
}
