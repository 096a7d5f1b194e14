//! Reads `/task`: the cluster, service, limits and containers of the task.

use acpw_metric::DimensionValue;
use serde_json::Value;

use super::resource::resource_attributes;

/// Bytes per mebibyte, the unit of memory in ECS.
pub(super) const MIB: f64 = 1_048_576.0;

/// The maximum number of containers. ECS allows ten in a task definition and adds some of its own.
pub(super) const MAX_CONTAINERS: usize = 32;

/// The resource limits of a task or a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Limits {
    /// The CPU limit in processors, possibly a fraction.
    pub vcpu: Option<f64>,
    /// The memory limit in MiB.
    pub memory_mib: Option<f64>,
}

/// A container of the task definition. ECS's own containers, such as `CNI_PAUSE`, are excluded.
#[derive(Clone, Debug)]
pub(super) struct Container {
    /// The name in the task definition, if CloudWatch accepts it.
    pub name: Option<DimensionValue>,
    /// The Docker ID.
    pub id: String,
    /// The limits of the container.
    pub limits: Limits,
    /// The state of the container when the document was written.
    pub state: ContainerState,
}

/// The state of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContainerState {
    /// The container has not started.
    NotStarted,
    /// The container is running.
    Running,
    /// The container has stopped. It may have been restarted since.
    Stopped,
}

/// A task.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// The cluster's name.
    pub cluster: Option<DimensionValue>,
    /// The service's name, if the endpoint reports it.
    pub service: Option<DimensionValue>,
    /// The family of the task definition.
    pub family: Option<DimensionValue>,
    /// The resource attributes by OpenTelemetry's semantic conventions.
    pub resource: Vec<(&'static str, String)>,
    /// The limits of all containers together.
    pub limits: Limits,
    /// The containers of the task definition.
    pub containers: Vec<Container>,
    /// The Docker IDs of other containers: ECS's own and those over the limit.
    pub others: Vec<String>,
    /// True if the containers share one network, so that the counters of each are those of the task.
    pub shares_network: bool,
    /// The number of containers over the limit.
    pub over_limit: u64,
}

impl Task {
    /// Reads the document. Returns `None` if it is not the metadata of a task.
    pub(super) fn read(document: &Value) -> Option<Self> {
        let containers = document.get("Containers")?.as_array()?;
        let value = |key: &str| DimensionValue::new(document.get(key)?.as_str()?).ok();
        let mut task = Self {
            cluster: document.get("Cluster").and_then(Value::as_str).and_then(cluster_name),
            service: value("ServiceName"),
            family: value("Family"),
            resource: resource_attributes(document),
            limits: Limits::read(document, 1.0),
            containers: Vec::new(),
            others: Vec::new(),
            shares_network: false,
            over_limit: 0,
        };
        for container in containers {
            let text = |key: &str| container.get(key).and_then(Value::as_str);
            let Some(id) = text("DockerId").filter(|id| !id.is_empty()) else { continue };
            // Agents that do not report types have no other containers.
            let is_normal = text("Type").is_none_or(|kind| kind == "NORMAL");
            let is_over_limit = is_normal && task.containers.len() >= MAX_CONTAINERS;
            if !is_normal || is_over_limit {
                task.others.push(id.to_owned());
                task.over_limit = task.over_limit.saturating_add(is_over_limit.into());
                continue;
            }
            let networks = container.get("Networks").and_then(Value::as_array).into_iter().flatten();
            let mode = |network: &Value| network.get("NetworkMode").and_then(Value::as_str) == Some("awsvpc");
            task.shares_network |= networks.into_iter().any(mode);
            task.containers.push(Container {
                name: text("Name").and_then(|name| DimensionValue::new(name).ok()),
                id: id.to_owned(),
                limits: Limits::read(container, 1.0 / 1_024.0),
                state: match text("KnownStatus") {
                    Some("RUNNING") => ContainerState::Running,
                    Some("STOPPED") => ContainerState::Stopped,
                    _ => ContainerState::NotStarted,
                },
            });
        }
        Some(task)
    }
}

impl Limits {
    /// Reads limits. `vcpu` is the size of the CPU limit's unit in processors, which differs between tasks and
    /// containers. Zero is no limit.
    fn read(document: &Value, vcpu: f64) -> Self {
        let limit = |key: &str| {
            let limit = document.get("Limits")?.get(key)?.as_f64()?;
            (limit.is_finite() && limit > 0.0).then_some(limit)
        };
        Self { vcpu: limit("CPU").map(|cpu| cpu * vcpu), memory_mib: limit("Memory") }
    }
}

/// Returns the name of a cluster. Fargate reports its ARN instead.
fn cluster_name(cluster: &str) -> Option<DimensionValue> {
    let name = if cluster.starts_with("arn:") { cluster.rsplit('/').next()? } else { cluster };
    DimensionValue::new(name).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_name_of_a_cluster_is_taken_from_its_arn() {
        let name = |text| cluster_name(text).map(|name| name.as_str().to_owned());
        assert_eq!(name("shop").as_deref(), Some("shop"));
        assert_eq!(name("arn:aws-cn:ecs:cn-north-1:123456789012:cluster/shop").as_deref(), Some("shop"));
        assert_eq!(name("arn:aws:ecs:eu-west-1:123456789012:cluster/"), None);
        assert_eq!(name(""), None);
    }

    #[test]
    fn other_documents_are_refused_and_missing_values_are_unknown() {
        for document in [json!(null), json!({}), json!([]), json!({ "Containers": {} }), json!("x")] {
            assert!(Task::read(&document).is_none(), "{document}");
        }
        let task = Task::read(&json!({ "Containers": [null, {}, { "DockerId": "" }, { "DockerId": "a" }] })).unwrap();
        assert_eq!((task.cluster, task.service, task.family, task.limits), (None, None, None, Limits::default()));
        assert_eq!(task.containers.len(), 1);
        let [container] = task.containers.as_slice() else { panic!("one container") };
        assert!(container.state == ContainerState::NotStarted && container.name.is_none());
    }

    #[test]
    fn invalid_limits_are_ignored() {
        let limits = |limits: Value| Limits::read(&json!({ "Limits": limits }), 0.5);
        assert_eq!(limits(json!({ "CPU": 4, "Memory": 512 })), Limits { vcpu: Some(2.0), memory_mib: Some(512.0) });
        for none in [json!({ "CPU": 0, "Memory": -1 }), json!({ "CPU": "1" }), json!(null), json!([])] {
            assert_eq!(limits(none), Limits::default());
        }
    }

    #[test]
    fn the_number_of_containers_is_bounded() {
        for (count, over_limit) in [(MAX_CONTAINERS - 1, 0), (MAX_CONTAINERS, 0), (MAX_CONTAINERS + 1, 1)] {
            let containers: Vec<_> = (0..count).map(|n| json!({ "DockerId": n.to_string() })).collect();
            let task = Task::read(&json!({ "Containers": containers })).unwrap();
            assert_eq!((task.containers.len(), task.over_limit), (count.min(MAX_CONTAINERS), over_limit));
        }
    }
}
