//! Scaling policies for the ECS service whose task Envoy runs in.

use acpw_metric::StorageResolution;
use serde_json::{Map, Value, json};

use crate::{
    alarm::{Alarm, number},
    publication::{PublishedSet, SetDimension},
    template::{Format, Resource, ResourceKind, joined, reference},
};

/// The metric that services scale on.
const METRIC: &str = "CPUUtilization";

/// The dimensions of the set that has the values of a whole service.
const CLUSTER: &str = "ClusterName";
const SERVICE: &str = "ServiceName";

/// The shortest period in seconds of an alarm on a metric of high resolution.
const FAST_PERIOD: u64 = 10;

/// The kind of scaling policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scaling {
    /// Two alarms and two policies, which react within three periods.
    Step,
    /// One policy, for which Application Auto Scaling makes alarms with periods of a minute.
    TargetTracking,
}

/// The capacity of the service, and the CPU at which it changes.
#[derive(Clone, Debug, clap::Args)]
pub struct Capacity {
    /// The smallest number of tasks
    #[arg(long, default_value_t = 2, value_name = "TASKS")]
    min_tasks: u32,
    /// The largest number of tasks
    #[arg(long, default_value_t = 20, value_name = "TASKS")]
    max_tasks: u32,
    /// CPUUtilization from which step scaling adds tasks
    #[arg(long, default_value_t = 60.0, value_name = "PERCENT")]
    cpu_high: f64,
    /// CPUUtilization below which step scaling removes tasks
    #[arg(long, default_value_t = 30.0, value_name = "PERCENT")]
    cpu_low: f64,
    /// CPUUtilization that target tracking keeps
    #[arg(long, default_value_t = 50.0, value_name = "PERCENT")]
    cpu_target: f64,
}

/// Returns the resources that scale a service on the CPUUtilization that `ecs_task` publishes.
///
/// # Errors
/// Returns a message for a person if the configuration does not publish it by cluster and service, or if the format
/// has no parameters and a name is not given.
pub fn resources(
    kind: Scaling,
    metrics: &[&PublishedSet],
    format: Format,
    capacity: &Capacity,
    notes: &mut Vec<String>,
) -> Result<Vec<Resource>, String> {
    if capacity.min_tasks > capacity.max_tasks {
        let Capacity { min_tasks, max_tasks, .. } = capacity;
        return Err(format!("--min-tasks must be at most --max-tasks, got {min_tasks} and {max_tasks}"));
    }
    if capacity.cpu_low >= capacity.cpu_high {
        let Capacity { cpu_low, cpu_high, .. } = capacity;
        return Err(format!("--cpu-low must be less than --cpu-high, got {cpu_low} and {cpu_high}"));
    }
    let is_by_service =
        |set: &&&PublishedSet| set.dimensions.iter().map(|one| one.name.as_str()).eq([CLUSTER, SERVICE]);
    let mut found = metrics.iter().filter(|set| set.name.as_str() == METRIC).filter(is_by_service);
    let set = found.next().ok_or_else(|| {
        format!("--scaling needs {METRIC} of ecs_task with the dimension set [\"{CLUSTER}\", \"{SERVICE}\"]")
    })?;
    let dimensions = set.dimensions.iter().map(|dimension| Ok((dimension.name.clone(), value(dimension, format)?)));
    let dimensions = dimensions.collect::<Result<Vec<_>, String>>()?;
    let of = |name: &str| dimensions.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let (cluster, service) = (of(CLUSTER).unwrap_or_default(), of(SERVICE).unwrap_or_default());
    let named = |end: &str| text(vec![service.clone(), json!(end)]);
    let target = Target { id: text(vec![json!("service/"), cluster, json!("/"), service.clone()]), format };

    let mut resources = vec![target.resource(capacity)];
    match kind {
        Scaling::TargetTracking => {
            let metric_dimensions: Vec<_> =
                dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
            let configuration = json!({
                "TargetValue": number(capacity.cpu_target),
                "ScaleOutCooldown": 30,
                "ScaleInCooldown": 300,
                "CustomizedMetricSpecification": {
                    "Namespace": set.namespace, "MetricName": METRIC, "Statistic": "Average", "Unit": "Percent",
                    "Dimensions": metric_dimensions,
                },
            });
            let key = "TargetTrackingScalingPolicyConfiguration";
            resources.push(target.policy(
                "CpuTarget",
                named("-cpu-target"),
                "TargetTrackingScaling",
                key,
                configuration,
            ));
        }
        Scaling::Step => {
            let high = number(capacity.cpu_high);
            let out = json!({
                "AdjustmentType": "PercentChangeInCapacity",
                "MetricAggregationType": "Average",
                "MinAdjustmentMagnitude": 1,
                "Cooldown": 30,
                "StepAdjustments": [
                    { "MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 20, "ScalingAdjustment": 25 },
                    { "MetricIntervalLowerBound": 20, "ScalingAdjustment": 100 },
                ],
            });
            let back = json!({
                "AdjustmentType": "ChangeInCapacity",
                "MetricAggregationType": "Average",
                "Cooldown": 300,
                "StepAdjustments": [{ "MetricIntervalUpperBound": 0, "ScalingAdjustment": -1 }],
            });
            let key = "StepScalingPolicyConfiguration";
            resources.push(target.policy("CpuOut", named("-cpu-out"), "StepScaling", key, out));
            resources.push(target.policy("CpuIn", named("-cpu-in"), "StepScaling", key, back));
            let is_fast = set.resolution == StorageResolution::High && set.interval.as_secs() <= FAST_PERIOD;
            let slow_period = set.interval.as_secs().div_ceil(60).max(1).saturating_mul(60);
            if !is_fast {
                notes.push(format!(
                    "the alarm that adds tasks has a period of {slow_period} s; one of {FAST_PERIOD} s needs \
                     storage_resolution 1 and a publish_interval_millisecond of at most 10000"
                ));
            }
            let actions = |policy: &str| match format {
                Format::Cloudwatch => Vec::new(),
                Format::Cloudformation | Format::Terraform => vec![reference(policy)],
            };
            if format == Format::Cloudwatch {
                let note =
                    "PutScalingPolicy returns a PolicyARN; put it into AlarmActions of the alarm of the same name";
                notes.push(note.to_owned());
            }
            let alarm = |id: &str, name: &str, policy: &str| Alarm {
                id: id.to_owned(),
                name: named(name),
                description: String::new(),
                namespace: set.namespace.clone(),
                metric: METRIC.to_owned(),
                dimensions: dimensions.clone(),
                statistic: "Average",
                unit: Some("Percent"),
                period: slow_period,
                periods: 10,
                breaching: 10,
                comparison: "LessThanThreshold",
                threshold: capacity.cpu_low,
                // A number that is not plausible is a gap, which must not scale.
                missing: "ignore",
                actions: actions(policy),
            };
            let high = Alarm {
                description: format!("CPUUtilization is {high} % or more: tasks are added."),
                period: if is_fast { FAST_PERIOD } else { slow_period },
                periods: 3,
                breaching: 2,
                comparison: "GreaterThanOrEqualToThreshold",
                threshold: capacity.cpu_high,
                ..alarm("CpuHigh", "-cpu-out", "CpuOut")
            };
            let low = Alarm {
                description: format!("CPUUtilization is below {} %: a task is removed.", capacity.cpu_low),
                ..alarm("CpuLow", "-cpu-in", "CpuIn")
            };
            resources.extend([high.into_resource(), low.into_resource()]);
        }
    }
    Ok(resources)
}

/// Returns the value of a dimension, or a reference to a parameter.
fn value(dimension: &SetDimension, format: Format) -> Result<Value, String> {
    match (dimension.value(), format) {
        (Some(value), _) => Ok(json!(value)),
        (None, Format::Cloudwatch) => Err(format!(
            "the value of {name} is not known; give --dimension {name}=VALUE, or choose another --format, which makes it a \
             parameter",
            name = dimension.name
        )),
        (None, Format::Cloudformation | Format::Terraform) => Ok(reference(&dimension.name)),
    }
}

/// Joins texts and references.
fn text(parts: Vec<Value>) -> Value {
    match parts.iter().map(|part| part.as_str()).collect::<Option<String>>() {
        Some(text) => json!(text),
        None => joined(parts),
    }
}

/// The target of the policies.
struct Target {
    id: Value,
    format: Format,
}

const SERVICE_NAMESPACE: &str = "ecs";
const SCALABLE_DIMENSION: &str = "ecs:service:DesiredCount";

impl Target {
    fn resource(&self, capacity: &Capacity) -> Resource {
        let mut properties = self.identity();
        properties.insert("MinCapacity".to_owned(), json!(capacity.min_tasks));
        properties.insert("MaxCapacity".to_owned(), json!(capacity.max_tasks));
        Resource { id: "Service".to_owned(), kind: ResourceKind::ScalableTarget, properties }
    }

    fn policy(&self, id: &str, name: Value, policy_type: &str, key: &str, configuration: Value) -> Resource {
        let mut properties = match self.format {
            // The reference makes CloudFormation create the target first.
            Format::Cloudformation => Map::from_iter([("ScalingTargetId".to_owned(), reference("Service"))]),
            Format::Cloudwatch => self.identity(),
            Format::Terraform => {
                let mut identity = self.identity();
                identity.insert("ResourceId".to_owned(), reference("Service"));
                identity
            }
        };
        properties.insert("PolicyName".to_owned(), name);
        properties.insert("PolicyType".to_owned(), json!(policy_type));
        properties.insert(key.to_owned(), configuration);
        Resource { id: id.to_owned(), kind: ResourceKind::ScalingPolicy, properties }
    }

    fn identity(&self) -> Map<String, Value> {
        Map::from_iter([
            ("ServiceNamespace".to_owned(), json!(SERVICE_NAMESPACE)),
            ("ResourceId".to_owned(), self.id.clone()),
            ("ScalableDimension".to_owned(), json!(SCALABLE_DIMENSION)),
        ])
    }
}
