//! Which stats are published, and as what.

use std::rc::Rc;

use acpw_metric::{
    Accumulator, DimensionName, DimensionValue, Dimensions, Distribution, Metric, Namespace, Timestamp, Unit,
    quota::MAX_VALUES_PER_DATUM,
};

use super::{
    stat_pattern::{Condition, StatPattern},
    stats_response::StatBucket,
};
use crate::source::rule::DimensionSource;

/// The types of Envoy's stats; each is asked for by itself, since the JSON does not tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatType {
    /// What only grows.
    Counter,
    /// What is now.
    Gauge,
    /// Values in buckets.
    Histogram,
}

impl StatType {
    /// What Envoy calls it in `type=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "Counters",
            Self::Gauge => "Gauges",
            Self::Histogram => "Histograms",
        }
    }

    /// The one that is asked for first: gauges show the names of clusters, which the others need.
    pub const FIRST: Self = Self::Gauge;

    /// Returns the one that is asked for after this one.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Gauge => Some(Self::Counter),
            Self::Counter => Some(Self::Histogram),
            Self::Histogram => None,
        }
    }
}

/// Stats of one pattern, and what is published of them.
#[derive(Clone, Debug)]
pub struct StatsRule {
    /// Their type.
    pub kind: StatType,
    /// Their names.
    pub pattern: StatPattern,
    /// What is published.
    pub metrics: Vec<StatsRuleMetric>,
    /// Under which dimensions, each set by itself.
    pub sets: Vec<Vec<(DimensionName, DimensionSource)>>,
}

/// One metric of a rule.
#[derive(Clone, Debug)]
pub struct StatsRuleMetric {
    /// What it is in CloudWatch.
    pub metric: Metric,
    /// What values are multiplied by.
    pub scale: f64,
    /// Only stats with these values at these places count.
    pub only: Conditions,
    /// Each event of a counter is 1 where these conditions are met, and 0 where they are not.
    pub ones: Option<Conditions>,
}

/// Conditions on the values at places of a pattern; all are to be met.
#[derive(Clone, Debug, Default)]
pub struct Conditions(pub Rc<[(usize, Condition)]>);

impl Conditions {
    fn are_met(&self, values: &[&str]) -> bool {
        self.0.iter().all(|(place, condition)| values.get(*place).is_some_and(|value| condition.is_met(value)))
    }
}

impl StatsRule {
    /// Adds what a stat with these values at the pattern's places has said since it was last asked: by how much the buckets
    /// of a histogram have grown, or the one of a counter; of a gauge, its level. Returns to how many series it was added.
    pub fn apply(
        &self,
        values: &[&str],
        said: &[StatBucket],
        time: Timestamp,
        namespace: Option<&Namespace>,
        data: &mut Accumulator,
    ) -> usize {
        let mut series = 0usize;
        for StatsRuleMetric { metric, scale, only, ones } in &self.metrics {
            if !only.are_met(values) {
                continue;
            }
            let mut told = Distribution::exact(MAX_VALUES_PER_DATUM as u32);
            for bucket in said {
                let (value, times) = match (self.kind, ones) {
                    (StatType::Counter, Some(ones)) => (f64::from(u8::from(ones.are_met(values))), bucket.count),
                    // Events are values of 1, as senders have them, so Sum and SampleCount are their number.
                    (StatType::Counter, None) if metric.unit == Unit::COUNT => (1.0, bucket.count),
                    (StatType::Counter, None) => (bucket.count as f64, 1),
                    (StatType::Gauge | StatType::Histogram, _) => (bucket.middle(), bucket.count),
                };
                told.record_n(value * scale, times);
            }
            for set in &self.sets {
                if let Some(dimensions) = self.dimensions(set, values).filter(|_| !told.is_empty()) {
                    data.add(time, namespace.cloned(), &dimensions, metric, &told);
                    series = series.saturating_add(1);
                }
            }
        }
        series
    }

    /// The dimensions of a set; nothing where a value is missing, as senders have it.
    fn dimensions(&self, set: &[(DimensionName, DimensionSource)], values: &[&str]) -> Option<Dimensions> {
        let mut dimensions = Vec::with_capacity(set.len());
        for (name, source) in set {
            let value = match source {
                DimensionSource::Constant(value) => value.clone(),
                DimensionSource::Label(place, default) => {
                    let mut text = Vec::new();
                    let value = self.pattern.place(place).and_then(|place| values.get(place))?;
                    if DimensionValue::append_sanitized(&mut text, value.as_bytes()) {
                        DimensionValue::new(std::str::from_utf8(&text).ok()?).ok()?
                    } else {
                        default.clone()?
                    }
                }
            };
            dimensions.push((name.clone(), value));
        }
        Dimensions::new(dimensions).ok()
    }
}
