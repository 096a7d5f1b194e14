//! What `/task` tells: where the task belongs, what it may use, and which containers it has.

use acpw_metric::DimensionValue;
use serde_json::Value;

/// Bytes of a mebibyte, in which ECS counts memory.
pub(super) const MIB: f64 = 1_048_576.0;

/// As many containers as are told apart; ECS allows ten in a task definition, and adds some of its own.
pub(super) const MAX_CONTAINERS: usize = 32;

/// What a task or a container may use.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Limits {
    /// Processors, or a part of one.
    pub vcpu: Option<f64>,
    /// Memory, in MiB.
    pub memory_mib: Option<f64>,
}

/// A container of the task, of the kind that a task definition names. ECS's own ones (`CNI_PAUSE` and the like) are none.
#[derive(Clone, Debug)]
pub(super) struct Container {
    /// The name in the task definition, where CloudWatch can store it.
    pub name: Option<DimensionValue>,
    /// Docker's.
    pub id: String,
    /// What it may use.
    pub limits: Limits,
    /// How far it was when the document was made.
    pub state: ContainerState,
}

/// How far a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContainerState {
    /// It has not started.
    NotStarted,
    /// It runs.
    Running,
    /// It has ended. It may have been started again since.
    Stopped,
}

/// A task.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// The cluster's name.
    pub cluster: Option<DimensionValue>,
    /// The service's name, where the endpoint tells it.
    pub service: Option<DimensionValue>,
    /// The family of the task definition.
    pub family: Option<DimensionValue>,
    /// What all its containers together may use.
    pub limits: Limits,
    /// Its containers, without ECS's own ones.
    pub containers: Vec<Container>,
    /// Containers that are ECS's own or over the limit, by id.
    pub others: Vec<String>,
    /// Whether the containers share one network, so that each one's counters are the task's.
    pub shares_network: bool,
    /// How many containers are left out because there are more than the limit.
    pub over_limit: u64,
}

impl Task {
    /// Reads the document; nothing when it is none of a task.
    pub(super) fn read(document: &Value) -> Option<Self> {
        let containers = document.get("Containers")?.as_array()?;
        let value = |key: &str| DimensionValue::new(document.get(key)?.as_str()?).ok();
        let mut task = Self {
            cluster: document.get("Cluster").and_then(Value::as_str).and_then(cluster_name),
            service: value("ServiceName"),
            family: value("Family"),
            limits: Limits::read(document, 1.0),
            containers: Vec::new(),
            others: Vec::new(),
            shares_network: false,
            over_limit: 0,
        };
        for container in containers {
            let text = |key: &str| container.get(key).and_then(Value::as_str);
            let Some(id) = text("DockerId").filter(|id| !id.is_empty()) else { continue };
            // Agents that do not tell types have none but these.
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
    /// A task's limit is told in processors and a container's in units of them. Zero is no limit.
    fn read(document: &Value, vcpu: f64) -> Self {
        let limit = |key: &str| {
            let limit = document.get("Limits")?.get(key)?.as_f64()?;
            (limit.is_finite() && limit > 0.0).then_some(limit)
        };
        Self { vcpu: limit("CPU").map(|cpu| cpu * vcpu), memory_mib: limit("Memory") }
    }
}

/// The name of a cluster, of which Fargate tells the whole ARN.
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
    fn what_is_no_task_is_none_and_what_is_missing_is_nothing() {
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
    fn limits_that_are_none_are_left_out() {
        let limits = |limits: Value| Limits::read(&json!({ "Limits": limits }), 0.5);
        assert_eq!(limits(json!({ "CPU": 4, "Memory": 512 })), Limits { vcpu: Some(2.0), memory_mib: Some(512.0) });
        for none in [json!({ "CPU": 0, "Memory": -1 }), json!({ "CPU": "1" }), json!(null), json!([])] {
            assert_eq!(limits(none), Limits::default());
        }
    }

    #[test]
    fn containers_are_bounded() {
        for (count, over_limit) in [(MAX_CONTAINERS - 1, 0), (MAX_CONTAINERS, 0), (MAX_CONTAINERS + 1, 1)] {
            let containers: Vec<_> = (0..count).map(|n| json!({ "DockerId": n.to_string() })).collect();
            let task = Task::read(&json!({ "Containers": containers })).unwrap();
            assert_eq!((task.containers.len(), task.over_limit), (count.min(MAX_CONTAINERS), over_limit));
        }
    }
}
