//! Describes the metrics of the rules, for programs that only read configurations.

use super::{EnvoyStats, rule::StatType};
use crate::source::published_metric::{PublishedMetric, PublishedName, ValueKind, constants};

impl EnvoyStats {
    /// Returns the metrics that the rules publish, one for each dimension set.
    pub(in crate::source) fn published(&self) -> Vec<PublishedMetric> {
        let mut published = Vec::new();
        for rule in &self.rules {
            for (one, set) in rule.metrics.iter().flat_map(|one| rule.sets.iter().map(move |set| (one, set))) {
                let values = match rule.kind {
                    StatType::Counter if one.metric.unit == acpw_metric::Unit::COUNT => ValueKind::Events,
                    StatType::Counter => ValueKind::Increase,
                    StatType::Gauge => ValueKind::Level,
                    StatType::Histogram => ValueKind::Distribution,
                };
                published.push(PublishedMetric {
                    namespace: self.namespace.clone(),
                    name: PublishedName::Exact(one.metric.name.clone()),
                    unit: Some(one.metric.unit),
                    resolution: one.metric.resolution,
                    dimensions: constants(set),
                    values,
                });
            }
        }
        published
    }
}
