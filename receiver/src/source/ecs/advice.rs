//! Remarks about a configuration that does not match the task.

use std::time::Duration;

use super::{
    config::Settings,
    dimension::EcsDimension,
    metric::EcsMetric,
    task::{Container, Task},
};
use crate::source::remark::Remarks;

/// The kind of remark about `container_name`.
pub(super) const CONTAINER_NAME: &str = "container_name";

/// The time that a container may be missing before it is remarked on. A container that waits for Envoy to be healthy is
/// listed later.
const GRACE_PERIOD: Duration = Duration::from_secs(30);

impl Settings {
    /// Returns true if the task has no container with the configured name.
    pub(super) fn lacks_container(&self, task: &Task) -> bool {
        let has_name =
            |container: &Container, name: &str| container.name.as_ref().is_some_and(|own| own.as_str() == name);
        let named = self.container.as_deref();
        named.is_some_and(|name| !task.containers.iter().any(|container| has_name(container, name)))
    }

    /// Adds remarks about metrics that can have no values in this task. `missing` is the time since which the task has
    /// had no container with the configured name.
    pub(super) fn advise(&self, task: &Task, missing: Option<Duration>, remarks: &mut Remarks) {
        if let Some(name) = self.container.as_deref().filter(|_| missing.is_some_and(|time| time >= GRACE_PERIOD)) {
            remarks.once(CONTAINER_NAME, || {
                let names = task.containers.iter().filter_map(|container| container.name.as_ref());
                let names: Vec<_> = names.map(|name| format!("{:?}", name.as_str())).collect();
                format!(
                    "container_name: the task has no container {name:?}; its containers are {}. CPUUsage and dimension sets \
                     with ContainerName have no values until a container has that name",
                    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
                )
            });
        }
        let known = |dimension: EcsDimension| match dimension {
            EcsDimension::ClusterName => task.cluster.as_ref(),
            EcsDimension::ServiceName => task.service.as_ref().or(self.service.as_ref()),
            EcsDimension::TaskDefinitionFamily => task.family.as_ref(),
            EcsDimension::ContainerName => None,
        };
        for dimension in EcsDimension::ALL {
            let is_used = self.sets.iter().any(|set| set.contains(&dimension));
            if dimension == EcsDimension::ContainerName || !is_used || known(dimension).is_some() {
                continue;
            }
            remarks.once(dimension.name(), || {
                let pair = |dimension: EcsDimension| Some(format!("{}={}", dimension.name(), known(dimension)?.as_str()));
                let others: Vec<_> = EcsDimension::ALL.into_iter().filter_map(pair).collect();
                format!(
                    "dimension_sets: the task metadata has no {}, so sets with it have no values. {} the dimensions that the \
                     task has: {}",
                    dimension.name(),
                    if dimension == EcsDimension::ServiceName { "Set service_name, or use" } else { "Use" },
                    others.join(", ")
                )
            });
        }
        let is_of_task = self.sets.iter().any(|set| !set.contains(&EcsDimension::ContainerName));
        for (measure, name) in &self.metrics {
            let (limit, key, instead) = match measure {
                EcsMetric::CpuUtilization if task.limits.vcpu.is_none() => ("CPU", "cpu", ", or publish CpuUtilized"),
                EcsMetric::MemoryUtilization if task.limits.memory_mib.is_none() => {
                    ("memory", "memory", ", or publish MemoryUtilized")
                }
                EcsMetric::CpuReserved if task.limits.vcpu.is_none() && is_of_task => ("CPU", "cpu", ""),
                EcsMetric::MemoryReserved if task.limits.memory_mib.is_none() && is_of_task => ("memory", "memory", ""),
                _ => continue,
            };
            let kind = if limit == "CPU" { "CPU limit" } else { "memory limit" };
            remarks.once(kind, || {
                format!(
                    "metrics: the task has no {limit} limit, so {} has no values. Set {key} in the task definition{instead}",
                    name.as_str()
                )
            });
        }
    }
}
