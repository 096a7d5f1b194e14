//! Validates the key `ecs_task` of the configuration.

use std::time::Duration;

use acpw_config::{Field, ValidationErrors, comma_separated, object};
use acpw_metric::{DimensionValue, MetricName, Namespace, StorageResolution};

use super::{
    EcsTask,
    dimension::EcsDimension,
    metric::{EcsMetric, METRICS},
};
use crate::{
    endpoint::is_host,
    environment::Environment,
    source::{
        Publish, Reader, SourceConfig,
        shared_keys::{namespace, resolution},
    },
};

object! {
    /// Container stats of the Amazon ECS task that Envoy runs in, from the task metadata endpoint version 4.
    pub struct RawEcsTask {
        /// The name of the Envoy cluster of the endpoint, 169.254.170.2 port 80. Required.
        cluster_name: String,
        /// The base URI of the endpoint. Default: the environment variable `ECS_CONTAINER_METADATA_URI_V4`, which ECS
        /// sets.
        metadata_uri: String,
        /// The time between two polls, 1,000 to 60,000. Default: 1000.
        interval_millisecond: u64,
        /// The container whose values CPUUsage and sets with `ContainerName` have, by its name in the task definition.
        /// Default: all containers.
        container_name: String,
        /// The names of the metrics to publish. Default: `["CPUUsage", "CPUUtilization", "MemoryUtilization"]`.
        metrics: Vec<Field<String>>,
        /// The dimension sets to publish each metric with: up to 8 lists of `ClusterName`, `ServiceName`,
        /// `TaskDefinitionFamily` and `ContainerName`. A set with `ContainerName` has the values of each container, any
        /// other set those of the task. Default: `[["ClusterName", "ServiceName"]]`.
        dimension_sets: Vec<Field<Vec<Field<String>>>>,
        /// The value of `ServiceName` if the endpoint does not report one. Default: sets with `ServiceName` are then
        /// not published.
        service_name: String,
        /// The namespace of these metrics. Default: the receiver's `metric_namespace`.
        metric_namespace: String,
        /// The storage resolution in seconds, 1 or 60. Default: 1.
        storage_resolution: u64,
        /// If true, publishes values immediately instead of once per `publish_interval_millisecond`. Default: false.
        publish_immediately: bool,
    }
}

/// The maximum number of sets. CloudWatch bills each metric in each set.
const MAX_SETS: usize = 8;

/// The maximum size of a response in bytes. The stats of a container take about 5 KiB, and ECS allows ten containers.
const ANSWER_LIMIT: usize = 128 * 1024;

/// The time limit for a response, which comes from this host.
const TIMEOUT: Duration = Duration::from_secs(1);

const URI_VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// The configuration of `ecs_task`: what to measure and how to publish it.
#[derive(Debug)]
pub struct Settings {
    /// The path of the base URI, without a trailing slash.
    pub base: String,
    /// The time between two polls.
    pub interval: Duration,
    /// The container whose values container metrics have. `None` selects all.
    pub container: Option<String>,
    /// The metrics, without duplicates.
    pub metrics: Vec<(EcsMetric, MetricName)>,
    /// The dimension sets, without duplicates.
    pub sets: Vec<Vec<EcsDimension>>,
    /// The service name to use if the endpoint does not report one.
    pub service: Option<DimensionValue>,
    /// The namespace. `None` selects the receiver's.
    pub namespace: Option<Namespace>,
    /// The storage resolution in CloudWatch.
    pub resolution: StorageResolution,
}

impl RawEcsTask {
    pub(in crate::source) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        errors: &mut ValidationErrors,
    ) -> Option<(SourceConfig, Reader)> {
        let at = |key: &str| format!("{path}.{key}");
        let cluster = self.cluster_name.required(at("cluster_name"), errors);
        let endpoint = endpoint(self.metadata_uri, &at("metadata_uri"), environment, errors);
        let interval = self.interval_millisecond.within(&at("interval_millisecond"), 1_000..=60_000, 1_000, errors);
        let container = self.container_name.optional(at("container_name"), errors);
        let metrics = metrics(self.metrics, &at("metrics"), errors);
        let sets = sets(self.dimension_sets, &at("dimension_sets"), errors);
        let service = self.service_name.optional(at("service_name"), errors);
        let service = service.and_then(|name| errors.checked(at("service_name"), DimensionValue::new(&name)));
        let has_set = |dimension| sets.iter().any(|set| set.contains(&dimension));
        if service.is_some() && !has_set(EcsDimension::ServiceName) {
            let message =
                "has no effect because no dimension set contains ServiceName; add it to one or remove the key";
            errors.add(at("service_name"), message);
        }
        let is_container_used =
            has_set(EcsDimension::ContainerName) || metrics.iter().any(|(metric, _)| *metric == EcsMetric::CpuUsage);
        if container.is_some() && !is_container_used {
            let message = "has no effect without the metric CPUUsage or a dimension set with ContainerName; add one of \
                           them or remove the key";
            errors.add(at("container_name"), message);
        }
        let namespace = namespace(self.metric_namespace, &at("metric_namespace"), errors);
        let resolution =
            resolution(self.storage_resolution, StorageResolution::High, &at("storage_resolution"), errors);
        let is_immediate = self.publish_immediately.optional(at("publish_immediately"), errors).unwrap_or(false);
        let (cluster, (authority, base)) = (cluster?, endpoint?);
        let config = SourceConfig {
            name: path.to_owned(),
            cluster,
            authority,
            interval: Duration::from_millis(interval),
            timeout: TIMEOUT,
            answer_limit: ANSWER_LIMIT,
            publish: if is_immediate { Publish::Now } else { Publish::Interval },
        };
        let interval = config.interval;
        let settings = Settings { base, interval, container, metrics, sets, service, namespace, resolution };
        Some((config, Reader::Ecs(Box::new(EcsTask::new(settings)))))
    }
}

/// Returns the authority and the path of the endpoint.
fn endpoint(
    uri: Field<String>,
    path: &str,
    environment: Environment<'_>,
    errors: &mut ValidationErrors,
) -> Option<(String, String)> {
    let uri = match uri {
        Field::Absent => environment(URI_VARIABLE).filter(|uri| !uri.is_empty()),
        field => Some(field.optional(path, errors)?),
    };
    let Some(uri) = uri else {
        let message = format!("is required unless vm_config.environment_variables passes {URI_VARIABLE} to the VM");
        errors.add(path, message);
        return None;
    };
    let split = uri.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| rest.split_at(at)));
    match split {
        Some((authority, base)) if is_host(authority) && base.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Some((authority.to_owned(), base.trim_end_matches('/').to_owned()))
        }
        _ => {
            errors.add(path, "must be a URI such as http://169.254.170.2/v4/ID, without spaces");
            None
        }
    }
}

/// Validates the names of metrics. Each may be listed once.
fn metrics(
    names: Field<Vec<Field<String>>>,
    path: &str,
    errors: &mut ValidationErrors,
) -> Vec<(EcsMetric, MetricName)> {
    let indexes = match names.optional(path, errors) {
        Some(names) => known_indexes(names, "metric", &METRICS.map(|(name, _, _)| name), path, errors),
        None => vec![0, 1, 2],
    };
    if indexes.is_empty() {
        errors.add(path, "must have at least one metric");
    }
    let mut metrics = Vec::new();
    for index in indexes {
        let Some((name, _, metric)) = METRICS.get(index) else { continue };
        if let Ok(name) = MetricName::new(name) {
            metrics.push((*metric, name));
        }
    }
    metrics
}

/// Validates the dimension sets. Each may be listed once. The dimensions of a set are in CloudWatch's order.
fn sets(
    sets: Field<Vec<Field<Vec<Field<String>>>>>,
    path: &str,
    errors: &mut ValidationErrors,
) -> Vec<Vec<EcsDimension>> {
    let Some(raw_sets) = sets.optional(path, errors) else {
        return vec![vec![EcsDimension::ClusterName, EcsDimension::ServiceName]];
    };
    if raw_sets.is_empty() || raw_sets.len() > MAX_SETS {
        errors.add(path, format_args!("must have 1 to {MAX_SETS} sets"));
    }
    let mut sets: Vec<Vec<EcsDimension>> = Vec::new();
    for (index, names) in raw_sets.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let names = names.required(&path, errors).unwrap_or_default();
        let indexes = known_indexes(names, "dimension", &EcsDimension::ALL.map(EcsDimension::name), &path, errors);
        let mut set = Vec::new();
        for (index, dimension) in EcsDimension::ALL.into_iter().enumerate() {
            if indexes.contains(&index) {
                set.push(dimension);
            }
        }
        match sets.iter().position(|known| *known == set) {
            // A repeated set would count each value twice.
            Some(other) => {
                errors.add(path, format_args!("is the same set as dimension_sets[{other}]; remove one of them"));
            }
            None => sets.push(set),
        }
    }
    sets
}

/// Returns the indexes of names in `known`. Adds an error for each unknown or repeated name.
fn known_indexes(
    names: Vec<Field<String>>,
    what: &str,
    known: &[&str],
    path: &str,
    errors: &mut ValidationErrors,
) -> Vec<usize> {
    let mut indexes = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(name) = name.required(&path, errors) else { continue };
        match known.iter().position(|known| *known == name) {
            Some(known) if indexes.contains(&known) => {
                errors.add(path, format_args!("\"{name}\" is listed twice; remove one entry"));
            }
            Some(known) => indexes.push(known),
            None => {
                let (name, known) = (name.escape_default(), comma_separated(&mut known.iter().copied()));
                errors.add(path, format_args!("unknown {what} \"{name}\"; use one of {known}"));
            }
        }
    }
    indexes
}

#[cfg(test)]
mod tests {
    use acpw_config::{FromJson as _, Object as _};
    use serde_json::{Value, json};

    use super::*;

    const URI: &str = "http://169.254.170.2/v4/5a1f-1";

    fn check(document: Value, uri: Option<&str>) -> Result<(SourceConfig, Settings), Vec<String>> {
        let raw = RawEcsTask::from_json(document).unwrap();
        let mut errors = ValidationErrors::default();
        raw.check_keys("ecs_task", &mut errors);
        let environment = |name: &str| uri.filter(|_| name == URI_VARIABLE).map(str::to_owned);
        let checked = raw.check("ecs_task", &environment, &mut errors);
        let lines: Vec<_> = errors.lines().collect();
        match checked {
            Some((config, Reader::Ecs(reader))) if lines.is_empty() => Ok((config, reader.settings)),
            _ => Err(lines),
        }
    }

    #[test]
    fn defaults_are_those_documented() {
        let (config, settings) = check(json!({ "cluster_name": "ecs" }), Some(URI)).unwrap();
        assert_eq!((config.cluster.as_str(), config.authority.as_str()), ("ecs", "169.254.170.2"));
        assert_eq!((config.interval, config.publish), (Duration::from_secs(1), Publish::Interval));
        assert_eq!((settings.base.as_str(), settings.container, settings.service), ("/v4/5a1f-1", None, None));
        let names: Vec<_> = settings.metrics.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["CPUUsage", "CPUUtilization", "MemoryUtilization"]);
        assert_eq!(settings.sets, [[EcsDimension::ClusterName, EcsDimension::ServiceName]]);
        assert_eq!((settings.namespace, settings.resolution), (None, StorageResolution::High));
    }

    #[test]
    fn all_keys_are_read() {
        let document = json!({
            "cluster_name": "ecs", "metadata_uri": "http://127.0.0.1:51679/v4/x/", "interval_millisecond": 60_000,
            "container_name": "web", "metrics": ["MemoryUtilized", "CPUUsage"],
            "dimension_sets": [[], ["ServiceName", "ClusterName"], ["ContainerName"]], "service_name": "shop",
            "metric_namespace": "Shop", "storage_resolution": 60, "publish_immediately": true,
        });
        let (config, settings) = check(document, Some(URI)).unwrap();
        assert_eq!((config.authority.as_str(), settings.base.as_str()), ("127.0.0.1:51679", "/v4/x"));
        assert_eq!((config.interval, config.publish), (Duration::from_secs(60), Publish::Now));
        assert_eq!(settings.container.as_deref(), Some("web"));
        assert_eq!(
            settings.metrics.iter().map(|(measure, _)| *measure).collect::<Vec<_>>(),
            [EcsMetric::MemoryUtilized, EcsMetric::CpuUsage]
        );
        assert_eq!(settings.sets.len(), 3);
        assert_eq!(settings.service.unwrap().as_str(), "shop");
        assert_eq!((settings.namespace.unwrap().as_str(), settings.resolution), ("Shop", StorageResolution::Standard));
    }

    #[test]
    fn all_errors_are_reported_with_their_paths() {
        let document = json!({
            "interval_millisecond": 999, "metrics": ["CPU", "CPUUsage", "CPUUsage", 5],
            "dimension_sets": [["Cluster", "ServiceName", "ServiceName"], ["ServiceName"], 7],
            "service_name": "", "metric_namespace": "AWS/ECS", "storage_resolution": 10, "publish_immediately": "yes",
            "interval": 5,
        });
        let errors = check(document, None).unwrap_err();
        let starts = [
            "ecs_task.interval: unknown key; known keys are cluster_name, ",
            "ecs_task.cluster_name: is required",
            "ecs_task.metadata_uri: is required unless vm_config.environment_variables passes ECS_CONTAINER_METADATA_URI_V4",
            "ecs_task.interval_millisecond: must be between 1000 and 60000, got 999",
            "ecs_task.metrics[0]: unknown metric \"CPU\"; use one of CPUUsage, ",
            "ecs_task.metrics[2]: \"CPUUsage\" is listed twice",
            "ecs_task.metrics[3]: must be a string",
            "ecs_task.dimension_sets[0][0]: unknown dimension \"Cluster\"; use one of ClusterName, ",
            "ecs_task.dimension_sets[0][2]: \"ServiceName\" is listed twice",
            "ecs_task.dimension_sets[1]: is the same set as dimension_sets[0]",
            "ecs_task.dimension_sets[2]: must be a list",
            "ecs_task.service_name: must have at least one character",
            "ecs_task.metric_namespace: must not start with \"AWS/\"",
            "ecs_task.storage_resolution: must be 1 or 60",
            "ecs_task.publish_immediately: must be true or false",
        ];
        assert_eq!(errors.len(), starts.len(), "{errors:#?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(start), "{error}");
        }
        let empty = json!({ "cluster_name": "ecs", "metrics": [], "dimension_sets": [] });
        let expected =
            ["ecs_task.metrics: must have at least one metric", "ecs_task.dimension_sets: must have 1 to 8 sets"];
        assert_eq!(check(empty, Some(URI)).unwrap_err(), expected);
    }

    #[test]
    fn only_plain_http_uris_without_control_characters_are_accepted() {
        for uri in
            ["", "https://h/v4", "169.254.170.2/v4", "http://h", "http:///v4", "http://h/a b", "http://h/\r\nx: y"]
        {
            let document = json!({ "cluster_name": "ecs", "metadata_uri": uri });
            let errors = check(document, Some(URI)).unwrap_err();
            assert!(errors[0].starts_with("ecs_task.metadata_uri: must be a URI such as http://"), "{errors:?}");
        }
        assert!(check(json!({ "cluster_name": "ecs" }), Some("http://h/\n")).is_err());
        let missing = check(json!({ "cluster_name": "ecs" }), Some("")).unwrap_err();
        assert!(missing[0].contains("is required unless"), "{missing:?}");
    }
}
