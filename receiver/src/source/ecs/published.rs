//! Describes the metrics of a task, for programs that only read configurations.

use acpw_metric::{DimensionName, DimensionValue};

use super::{EcsDimension, EcsMetric, EcsTask, Settings};
use crate::source::published_metric::{PublishedMetric, PublishedName, ValueKind};

impl EcsTask {
    /// Returns the metrics that the task publishes, one for each dimension set.
    pub(in crate::source) fn published(&self) -> Vec<PublishedMetric> {
        let Settings { metrics, sets, container, namespace, resolution, .. } = &self.settings;
        let value = |dimension: &EcsDimension| match dimension {
            EcsDimension::ContainerName => container.as_deref().and_then(|name| DimensionValue::new(name).ok()),
            // `service_name` applies only if the endpoint reports no service.
            EcsDimension::ClusterName | EcsDimension::ServiceName | EcsDimension::TaskDefinitionFamily => None,
        };
        let mut published = Vec::new();
        for set in sets {
            let dimensions = set.iter().filter_map(|one| Some((DimensionName::new(one.name()).ok()?, value(one))));
            let dimensions: Vec<_> = dimensions.collect();
            for (metric, name) in metrics {
                published.push(PublishedMetric {
                    namespace: namespace.clone(),
                    name: PublishedName::Exact(name.clone()),
                    unit: Some(metric.unit()),
                    resolution: *resolution,
                    dimensions: dimensions.clone(),
                    values: match metric {
                        EcsMetric::StorageReadBytes | EcsMetric::StorageWriteBytes => ValueKind::Increase,
                        _ => ValueKind::Level,
                    },
                });
            }
        }
        published
    }
}
