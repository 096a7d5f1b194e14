//! Which metrics of a target are published, and as what.

use acpw_metric::{DimensionName, DimensionValue, Dimensions, Metric, MetricName, StorageResolution, Unit};

use super::{
    name_pattern::NamePattern,
    reading::{Label, SeriesKind},
};

/// Which metrics of a target are published, and as what.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The names of the metrics.
    pub metric: NamePattern,
    /// The name in CloudWatch; the metric's own when there is none.
    pub name: Option<MetricName>,
    /// The unit in CloudWatch; what the metric's name tells when there is none.
    pub unit: Option<Unit>,
    /// What values are multiplied by, above zero.
    pub scale: f64,
    /// The length of CloudWatch's periods.
    pub resolution: StorageResolution,
    /// The dimensions.
    pub dimensions: Vec<(DimensionName, DimensionSource)>,
    /// What becomes of several gauges of the same series in CloudWatch.
    pub combine: Combine,
    /// What single values are, where the target is not to be asked.
    pub single: Option<ValueType>,
}

/// Where the value of a dimension comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum DimensionSource {
    /// It is always the same.
    Constant(DimensionValue),
    /// From a label, or else it is the default; without one, a series without the label is none of the rule's.
    Label(String, Option<DimensionValue>),
}

/// What becomes of several gauges of the same series in CloudWatch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combine {
    /// Their sum is one sample.
    #[default]
    Sum,
    /// Each is a sample.
    Samples,
}

/// What a single value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// How much there was since the series began.
    Counter,
    /// How much there is.
    Gauge,
}

impl Rule {
    /// A rule for metrics of these names that changes nothing about them.
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

    /// Returns the kind that series of a kind have by this rule.
    pub fn kind_of(&self, kind: SeriesKind) -> SeriesKind {
        match (self.single, kind) {
            (_, SeriesKind::Histogram | SeriesKind::Summary) => kind,
            (Some(ValueType::Counter), _) | (None, SeriesKind::Counter) => SeriesKind::Counter,
            (Some(ValueType::Gauge), _) | (None, SeriesKind::Gauge | SeriesKind::Untyped) => SeriesKind::Gauge,
        }
    }

    /// Returns the metric under which series of a name and a kind are published, or `None` if CloudWatch takes no such name.
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

    /// The dimensions of a series with these labels, what CloudWatch cannot store in them percent-encoded; nothing when one
    /// is missing.
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
    fn units_follow_from_names() {
        let unit = |name, kind| Rule::new("*").published(name, kind).unwrap().unit;
        assert_eq!(unit("a_seconds_total", SeriesKind::Counter), Unit::SECONDS);
        assert_eq!(unit("a_bytes", SeriesKind::Gauge), Unit::BYTES);
        assert_eq!(unit("a_total", SeriesKind::Counter), Unit::COUNT);
        assert_eq!(unit("a_total", SeriesKind::Gauge), Unit::NONE);
        assert_eq!(Rule::new("*").published(&"x".repeat(256), SeriesKind::Gauge), None);
    }

    #[test]
    fn types_are_those_of_the_rule_then_of_the_target_then_gauges() {
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
