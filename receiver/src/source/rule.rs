//! Rules that select the metrics of a target to publish.

use acpw_metric::{DimensionName, DimensionValue, Dimensions, Metric, MetricName, StorageResolution, Unit};

use super::{
    name_pattern::NamePattern,
    reading::{Label, SeriesKind},
};

/// Selects metrics of a target and defines how they are published.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The names of the metrics.
    pub metric: NamePattern,
    /// The name in CloudWatch. `None` keeps the metric's name.
    pub name: Option<MetricName>,
    /// The unit in CloudWatch. `None` derives it from the metric's name.
    pub unit: Option<Unit>,
    /// The factor for values, greater than zero.
    pub scale: f64,
    /// The storage resolution in CloudWatch.
    pub resolution: StorageResolution,
    /// The dimensions.
    pub dimensions: Vec<(DimensionName, DimensionSource)>,
    /// The way to combine gauges that have the same series in CloudWatch.
    pub combine: Combine,
    /// The type of single values, overriding the type that the target declares.
    pub single: Option<ValueType>,
}

/// The source of a dimension's value.
#[derive(Clone, Debug, PartialEq)]
pub enum DimensionSource {
    /// A constant.
    Constant(DimensionValue),
    /// A label, with a default for series without it. Without a default, the rule does not apply to such series.
    Label(String, Option<DimensionValue>),
}

/// The way to combine gauges that have the same series in CloudWatch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combine {
    /// Their sum is one sample.
    #[default]
    Sum,
    /// Each value is a sample.
    Samples,
}

/// The type of a single value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A total since the series started.
    Counter,
    /// A current value.
    Gauge,
}

impl Rule {
    /// Creates a rule that publishes metrics of these names unchanged.
    pub fn new(metric: &str) -> Self {
        Self {
            metric: NamePattern::new(metric),
            name: None,
            unit: None,
            scale: 1.0,
            resolution: StorageResolution::default(),
            dimensions: Vec::new(),
            combine: Combine::default(),
            single: None,
        }
    }

    /// Returns the kind of a series under this rule, given its declared kind.
    pub fn kind_of(&self, kind: SeriesKind) -> SeriesKind {
        match (self.single, kind) {
            (_, SeriesKind::Histogram | SeriesKind::Summary) => kind,
            (Some(ValueType::Counter), _) | (None, SeriesKind::Counter) => SeriesKind::Counter,
            (Some(ValueType::Gauge), _) | (None, SeriesKind::Gauge | SeriesKind::Untyped) => SeriesKind::Gauge,
        }
    }

    /// Returns the metric in CloudWatch for series of this name and kind, or `None` if CloudWatch does not accept the
    /// name.
    pub fn published(&self, name: &str, kind: SeriesKind) -> Option<Metric> {
        let base = name.strip_suffix("_total").unwrap_or(name);
        let unit = self.unit.unwrap_or(match kind {
            _ if base.ends_with("_seconds") => Unit::SECONDS,
            _ if base.ends_with("_bytes") => Unit::BYTES,
            SeriesKind::Counter => Unit::COUNT,
            SeriesKind::Gauge | SeriesKind::Untyped | SeriesKind::Histogram | SeriesKind::Summary => Unit::NONE,
        });
        let name = self.name.clone().or_else(|| MetricName::new(name).ok())?;
        Some(Metric { name, unit, resolution: self.resolution })
    }

    /// Returns the dimensions of a series with these labels, or `None` if one is missing. Characters that CloudWatch
    /// does not accept are percent-encoded.
    pub fn dimensions_of(&self, labels: &[Label<'_>]) -> Option<Dimensions> {
        let mut dimensions = Vec::with_capacity(self.dimensions.len());
        for (name, source) in &self.dimensions {
            let value = match source {
                DimensionSource::Constant(value) => value.clone(),
                DimensionSource::Label(label, default) => {
                    let mut text = Vec::new();
                    let label = labels.iter().find(|known| known.name == *label);
                    match label {
                        Some(label) if DimensionValue::append_sanitized(&mut text, label.value.as_bytes()) => {
                            DimensionValue::new(std::str::from_utf8(&text).ok()?).ok()?
                        }
                        _ => default.clone()?,
                    }
                }
            };
            dimensions.push((name.clone(), value));
        }
        Dimensions::new(dimensions).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_derived_from_names() {
        let unit = |name, kind| Rule::new("*").published(name, kind).unwrap().unit;
        assert_eq!(unit("a_seconds_total", SeriesKind::Counter), Unit::SECONDS);
        assert_eq!(unit("a_bytes", SeriesKind::Gauge), Unit::BYTES);
        assert_eq!(unit("a_total", SeriesKind::Counter), Unit::COUNT);
        assert_eq!(unit("a_total", SeriesKind::Gauge), Unit::NONE);
        assert_eq!(Rule::new("*").published(&"x".repeat(256), SeriesKind::Gauge), None);
    }

    #[test]
    fn the_rules_type_precedes_the_targets_and_untyped_series_are_gauges() {
        let mut rule = Rule::new("*");
        assert_eq!(rule.kind_of(SeriesKind::Untyped), SeriesKind::Gauge);
        assert_eq!(rule.kind_of(SeriesKind::Counter), SeriesKind::Counter);
        for (single, kind) in [(ValueType::Counter, SeriesKind::Counter), (ValueType::Gauge, SeriesKind::Gauge)] {
            rule.single = Some(single);
            for of in [SeriesKind::Untyped, SeriesKind::Counter, SeriesKind::Gauge] {
                assert_eq!(rule.kind_of(of), kind);
            }
            assert_eq!(rule.kind_of(SeriesKind::Summary), SeriesKind::Summary);
        }
    }
}
