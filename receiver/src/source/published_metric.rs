//! Describes the metrics that a source publishes, for programs that read a configuration without running it.

use acpw_metric::{DimensionName, DimensionValue, MetricName, Namespace, StorageResolution, Unit};

use super::{
    name_pattern::NamePattern,
    reading::SeriesKind,
    rule::{DimensionSource, Rule, ValueType},
};

/// A metric that a source publishes under one dimension set.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedMetric {
    /// The namespace, or `None` for the receiver's.
    pub namespace: Option<Namespace>,
    /// The name, or the names that an endpoint may report.
    pub name: PublishedName,
    /// The unit, or `None` if it depends on the type that an endpoint declares.
    pub unit: Option<Unit>,
    /// The storage resolution.
    pub resolution: StorageResolution,
    /// The dimensions in ascending order of their names, each with its value if that is a constant.
    pub dimensions: Vec<(DimensionName, Option<DimensionValue>)>,
    /// The kind of its values.
    pub values: ValueKind,
}

/// The kind of a metric's values, which decides the statistics that make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A current value now and then.
    Level,
    /// An increase since the last value. The sum is the total.
    Increase,
    /// A value for each event. The sum is a number of events, and the average may be a rate.
    Events,
    /// Many different values, with percentiles.
    Distribution,
    /// As the endpoint declares it.
    Declared,
}

/// The name of a metric as far as the configuration determines it.
#[derive(Clone, Debug, PartialEq)]
pub enum PublishedName {
    /// This name.
    Exact(MetricName),
    /// Every name at the endpoint that matches, unchanged.
    Matching(NamePattern),
}

/// Returns dimensions with the values of those that are constant.
pub(super) fn constants(
    dimensions: &[(DimensionName, DimensionSource)],
) -> Vec<(DimensionName, Option<DimensionValue>)> {
    let value = |source: &DimensionSource| match source {
        DimensionSource::Constant(value) => Some(value.clone()),
        DimensionSource::Label(..) => None,
    };
    dimensions.iter().map(|(name, source)| (name.clone(), value(source))).collect()
}

impl Rule {
    /// Returns the metrics that the rule publishes.
    pub(super) fn published_metric(&self, namespace: Option<&Namespace>) -> PublishedMetric {
        let exact = self.metric.is_name().then(|| MetricName::new(self.metric.as_str()).ok()).flatten();
        let name = match self.name.clone().or(exact) {
            Some(name) => PublishedName::Exact(name),
            None => PublishedName::Matching(self.metric.clone()),
        };
        let kinds: &[SeriesKind] = match self.single {
            Some(ValueType::Counter) => &[SeriesKind::Counter, SeriesKind::Histogram],
            Some(ValueType::Gauge) => &[SeriesKind::Gauge, SeriesKind::Histogram],
            None => &[SeriesKind::Counter, SeriesKind::Gauge],
        };
        // A name that several series share has a unit only if all of them have the same.
        let source_name = if self.metric.is_name() { self.metric.as_str() } else { "" };
        let mut units = kinds.iter().filter_map(|kind| Some(self.published(source_name, *kind)?.unit));
        let first = self.unit.or_else(|| units.next().filter(|_| self.metric.is_name()));
        let unit = first.filter(|first| self.unit.is_some() || units.all(|unit| unit == *first));
        let is_total = self.metric.as_str().ends_with("_total");
        let values = match self.single {
            Some(ValueType::Gauge) => ValueKind::Level,
            Some(ValueType::Counter) => ValueKind::Increase,
            None if is_total => ValueKind::Increase,
            None => ValueKind::Declared,
        };
        PublishedMetric {
            namespace: namespace.cloned(),
            name,
            unit,
            resolution: self.resolution,
            dimensions: constants(&self.dimensions),
            values,
        }
    }
}
