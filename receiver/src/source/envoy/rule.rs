//! Rules that select the stats to publish.

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

/// The type of a stat. Each type is requested separately, because the JSON does not distinguish them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatType {
    /// A total that only increases.
    Counter,
    /// A current value.
    Gauge,
    /// Values in buckets.
    Histogram,
}

impl StatType {
    /// Returns the value of the query parameter `type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "Counters",
            Self::Gauge => "Gauges",
            Self::Histogram => "Histograms",
        }
    }

    /// The type that is requested first. Gauges show the names of clusters, which the other types need.
    pub const FIRST: Self = Self::Gauge;

    /// Returns the type that is requested after this one.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Gauge => Some(Self::Counter),
            Self::Counter => Some(Self::Histogram),
            Self::Histogram => None,
        }
    }
}

/// Publishes stats of one type and pattern.
#[derive(Clone, Debug)]
pub struct StatsRule {
    /// The type of the stats.
    pub kind: StatType,
    /// The names of the stats.
    pub pattern: StatPattern,
    /// The metrics to publish.
    pub metrics: Vec<StatsRuleMetric>,
    /// The dimension sets to publish each metric with.
    pub sets: Vec<Vec<(DimensionName, DimensionSource)>>,
}

/// A metric of a rule.
#[derive(Clone, Debug)]
pub struct StatsRuleMetric {
    /// The metric in CloudWatch.
    pub metric: Metric,
    /// The factor for values.
    pub scale: f64,
    /// Conditions for stats; others are ignored.
    pub only: Conditions,
    /// If present, an event of a counter has the value 1 if these conditions are met, and 0 otherwise.
    pub ones: Option<Conditions>,
}

/// Conditions on the values of placeholders, by index. All must be met.
#[derive(Clone, Debug, Default)]
pub struct Conditions(pub Rc<[(usize, Condition)]>);

impl Conditions {
    fn are_met(&self, values: &[&str]) -> bool {
        self.0.iter().all(|(index, condition)| values.get(*index).is_some_and(|value| condition.is_met(value)))
    }
}

impl StatsRule {
    /// Adds the change of a stat, given the values of the pattern's placeholders. `change` is the increase of a
    /// counter's or histogram's buckets, or the value of a gauge. Returns the number of series that it was added to.
    pub fn apply(
        &self,
        values: &[&str],
        change: &[StatBucket],
        time: Timestamp,
        namespace: Option<&Namespace>,
        data: &mut Accumulator,
    ) -> usize {
        let mut series = 0usize;
        for StatsRuleMetric { metric, scale, only, ones } in &self.metrics {
            if !only.are_met(values) {
                continue;
            }
            let mut distribution = Distribution::exact(MAX_VALUES_PER_DATUM as u32);
            for bucket in change {
                let (value, count) = match (self.kind, ones) {
                    (StatType::Counter, Some(ones)) => (f64::from(u8::from(ones.are_met(values))), bucket.count),
                    // Events are values of 1, as in the senders' metrics, so Sum and SampleCount are their number.
                    (StatType::Counter, None) if metric.unit == Unit::COUNT => (1.0, bucket.count),
                    (StatType::Counter, None) => (bucket.count as f64, 1),
                    (StatType::Gauge | StatType::Histogram, _) => (bucket.middle(), bucket.count),
                };
                distribution.record_n(value * scale, count);
            }
            for set in &self.sets {
                if let Some(dimensions) = self.dimensions(set, values).filter(|_| !distribution.is_empty()) {
                    data.add(time, namespace.cloned(), &dimensions, metric, &distribution);
                    series = series.saturating_add(1);
                }
            }
        }
        series
    }

    /// Returns the dimensions of a set, or `None` if a value is missing.
    fn dimensions(&self, set: &[(DimensionName, DimensionSource)], values: &[&str]) -> Option<Dimensions> {
        let mut dimensions = Vec::with_capacity(set.len());
        for (name, source) in set {
            let value = match source {
                DimensionSource::Constant(value) => value.clone(),
                DimensionSource::Label(placeholder, default) => {
                    let mut text = Vec::new();
                    let value = self.pattern.placeholder(placeholder).and_then(|index| values.get(index))?;
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
