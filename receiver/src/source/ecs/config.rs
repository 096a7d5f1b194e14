//! The key `ecs_task` of the configuration.

use std::time::Duration;

use acpw_config::{Faults, Field, list, object};
use acpw_metric::{DimensionValue, MetricName, Namespace, StorageResolution};

use super::{
    EcsTask,
    dimension::EcsDimension,
    metric::{EcsMetric, METRICS},
};
use crate::{
    config::is_host,
    source::{
        Publish, Reader, SourceConfig,
        config::Environment,
        shared_keys::{namespace, resolution},
    },
};

object! {
    /// The container stats of the Amazon ECS task that Envoy runs in, by its task metadata endpoint, version 4.
    pub struct RawEcsTask {
        /// The name of the Envoy cluster that leads to the endpoint: 169.254.170.2, port 80. Required.
        cluster_name: String,
        /// The endpoint's base. Default: the environment variable `ECS_CONTAINER_METADATA_URI_V4`, which ECS sets.
        metadata_uri: String,
        /// How often it is asked, 1,000 to 60,000. Default: 1000.
        interval_millisecond: u64,
        /// The container, by its name in the task definition, that CPUUsage and sets with `ContainerName` are about. Default:
        /// every container.
        container_name: String,
        /// What is published: names of metrics. Default: `["CPUUsage", "CPUUtilization", "MemoryUtilization"]`.
        metrics: Vec<Field<String>>,
        /// The sets of dimensions under which each metric is published: up to 8 lists of `ClusterName`, `ServiceName`,
        /// `TaskDefinitionFamily` and `ContainerName`. A set with `ContainerName` has each container's values, any other the
        /// task's. Default: `[["ClusterName", "ServiceName"]]`.
        dimension_sets: Vec<Field<Vec<Field<String>>>>,
        /// The value of `ServiceName` where the endpoint tells none. Default: sets with `ServiceName` are left out then.
        service_name: String,
        /// The namespace of these metrics. Default: the receiver's `metric_namespace`.
        metric_namespace: String,
        /// The length in seconds of the periods in which CloudWatch keeps them, 1 or 60. Default: 1.
        storage_resolution: u64,
        /// Whether values are published as soon as they are there, and not once in `publish_interval_millisecond`.
        /// Default: false.
        publish_immediately: bool,
    }
}

/// The most sets: CloudWatch bills each metric in each of them.
const MAX_SETS: usize = 8;

/// As much of an answer as is taken in. A container's stats are some 5 KiB, and ECS allows ten containers.
const ANSWER_LIMIT: usize = 128 * 1024;

/// How long an answer may take: it comes from this host.
const TIMEOUT: Duration = Duration::from_secs(1);

const URI_VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// What is measured, and how it is published.
#[derive(Debug)]
pub struct Settings {
    /// The path of the endpoint's base, without a slash at its end.
    pub base: String,
    /// How often it is asked.
    pub interval: Duration,
    /// The container that container metrics are about; every one otherwise.
    pub container: Option<String>,
    /// Each metric once.
    pub metrics: Vec<(EcsMetric, MetricName)>,
    /// Each set once.
    pub sets: Vec<Vec<EcsDimension>>,
    /// What the service is called where the endpoint does not tell.
    pub service: Option<DimensionValue>,
    /// The namespace, where it is not the receiver's.
    pub namespace: Option<Namespace>,
    /// The length of CloudWatch's periods.
    pub resolution: StorageResolution,
}

impl RawEcsTask {
    pub(in crate::source) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        faults: &mut Faults,
    ) -> Option<(SourceConfig, Reader)> {
        let at = |key: &str| format!("{path}.{key}");
        let cluster = self.cluster_name.required(at("cluster_name"), faults);
        let endpoint = endpoint(self.metadata_uri, &at("metadata_uri"), environment, faults);
        let interval = self.interval_millisecond.within(&at("interval_millisecond"), 1_000..=60_000, 1_000, faults);
        let container = self.container_name.optional(at("container_name"), faults);
        let metrics = metrics(self.metrics, &at("metrics"), faults);
        let sets = sets(self.dimension_sets, &at("dimension_sets"), faults);
        let service = self.service_name.optional(at("service_name"), faults);
        let service = service.and_then(|name| faults.checked(at("service_name"), DimensionValue::new(&name)));
        let namespace = namespace(self.metric_namespace, &at("metric_namespace"), faults);
        let resolution =
            resolution(self.storage_resolution, StorageResolution::High, &at("storage_resolution"), faults);
        let is_immediate = self.publish_immediately.optional(at("publish_immediately"), faults).unwrap_or(false);
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

/// The endpoint's authority and path.
fn endpoint(
    uri: Field<String>,
    path: &str,
    environment: Environment<'_>,
    faults: &mut Faults,
) -> Option<(String, String)> {
    let uri = match uri {
        Field::Absent => environment(URI_VARIABLE).filter(|uri| !uri.is_empty()),
        field => Some(field.optional(path, faults)?),
    };
    let Some(uri) = uri else {
        let message = format!(
            "is required where {URI_VARIABLE} is not among the variables that vm_config.environment_variables hands over"
        );
        faults.add(path, message);
        return None;
    };
    let split = uri.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| rest.split_at(at)));
    match split {
        Some((authority, base)) if is_host(authority) && base.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Some((authority.to_owned(), base.trim_end_matches('/').to_owned()))
        }
        _ => {
            faults.add(path, "must be like http://169.254.170.2/v4/ID, without spaces");
            None
        }
    }
}

/// The metrics; each once.
fn metrics(names: Field<Vec<Field<String>>>, path: &str, faults: &mut Faults) -> Vec<(EcsMetric, MetricName)> {
    let places = match names.optional(path, faults) {
        Some(names) => places(names, "metric", &METRICS.map(|(name, _, _)| name), path, faults),
        None => vec![0, 1, 2],
    };
    if places.is_empty() {
        faults.add(path, "must name at least one metric");
    }
    let mut metrics = Vec::new();
    for place in places {
        let Some((name, _, measure)) = METRICS.get(place) else { continue };
        if let Ok(name) = MetricName::new(name) {
            metrics.push((*measure, name));
        }
    }
    metrics
}

/// The sets; each once, with its dimensions in CloudWatch's order.
fn sets(sets: Field<Vec<Field<Vec<Field<String>>>>>, path: &str, faults: &mut Faults) -> Vec<Vec<EcsDimension>> {
    let Some(raw_sets) = sets.optional(path, faults) else {
        return vec![vec![EcsDimension::ClusterName, EcsDimension::ServiceName]];
    };
    if raw_sets.is_empty() || raw_sets.len() > MAX_SETS {
        faults.add(path, format_args!("must have 1 to {MAX_SETS} sets"));
    }
    let mut sets: Vec<Vec<EcsDimension>> = Vec::new();
    for (index, names) in raw_sets.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let names = names.required(&path, faults).unwrap_or_default();
        let places = places(names, "dimension", &EcsDimension::ALL.map(EcsDimension::name), &path, faults);
        let mut set = Vec::new();
        for (place, dimension) in EcsDimension::ALL.into_iter().enumerate() {
            if places.contains(&place) {
                set.push(dimension);
            }
        }
        match sets.iter().position(|known| *known == set) {
            // A set twice would count each value twice.
            Some(other) => faults.add(path, format_args!("is the same set as dimension_sets[{other}]")),
            None => sets.push(set),
        }
    }
    sets
}

/// The places of names among those that are known; each once.
fn places(names: Vec<Field<String>>, what: &str, known: &[&str], path: &str, faults: &mut Faults) -> Vec<usize> {
    let mut places = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(name) = name.required(&path, faults) else { continue };
        match known.iter().position(|known| *known == name) {
            Some(place) if places.contains(&place) => faults.add(path, format_args!("\"{name}\" is there twice")),
            Some(place) => places.push(place),
            None => {
                let (name, known) = (name.escape_default(), list(&mut known.iter().copied()));
                faults.add(path, format_args!("there is no {what} \"{name}\"; known are {known}"));
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use acpw_config::{FromJson as _, Object as _};
    use serde_json::{Value, json};

    use super::*;

    const URI: &str = "http://169.254.170.2/v4/5a1f-1";

    fn check(document: Value, uri: Option<&str>) -> Result<(SourceConfig, Settings), Vec<String>> {
        let raw = RawEcsTask::from_json(document).unwrap();
        let mut faults = Faults::default();
        raw.check_keys("ecs_task", &mut faults);
        let environment = |name: &str| uri.filter(|_| name == URI_VARIABLE).map(str::to_owned);
        let checked = raw.check("ecs_task", &environment, &mut faults);
        let lines: Vec<_> = faults.lines().collect();
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
    fn everything_can_be_said() {
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
    fn every_fault_is_told_with_its_path() {
        let document = json!({
            "interval_millisecond": 999, "metrics": ["CPU", "CPUUsage", "CPUUsage", 5],
            "dimension_sets": [["Cluster", "ServiceName", "ServiceName"], ["ServiceName"], 7],
            "service_name": "", "metric_namespace": "AWS/ECS", "storage_resolution": 10, "publish_immediately": "yes",
            "interval": 5,
        });
        let faults = check(document, None).unwrap_err();
        let starts = [
            "ecs_task.interval: unknown key; known are cluster_name, ",
            "ecs_task.cluster_name: is required",
            "ecs_task.metadata_uri: is required where ECS_CONTAINER_METADATA_URI_V4 is not among the variables",
            "ecs_task.interval_millisecond: 999 is not within 1000 and 60000",
            "ecs_task.metrics[0]: there is no metric \"CPU\"; known are CPUUsage, ",
            "ecs_task.metrics[2]: \"CPUUsage\" is there twice",
            "ecs_task.metrics[3]: must be a string",
            "ecs_task.dimension_sets[0][0]: there is no dimension \"Cluster\"; known are ClusterName, ",
            "ecs_task.dimension_sets[0][2]: \"ServiceName\" is there twice",
            "ecs_task.dimension_sets[1]: is the same set as dimension_sets[0]",
            "ecs_task.dimension_sets[2]: must be a list",
            "ecs_task.service_name: must have at least one character",
            "ecs_task.metric_namespace: must not start with \"AWS/\"",
            "ecs_task.storage_resolution: must be 1 or 60",
            "ecs_task.publish_immediately: must be true or false",
        ];
        assert_eq!(faults.len(), starts.len(), "{faults:#?}");
        for (fault, start) in faults.iter().zip(starts) {
            assert!(fault.starts_with(start), "{fault}");
        }
        let empty = json!({ "cluster_name": "ecs", "metrics": [], "dimension_sets": [] });
        let told =
            ["ecs_task.metrics: must name at least one metric", "ecs_task.dimension_sets: must have 1 to 8 sets"];
        assert_eq!(check(empty, Some(URI)).unwrap_err(), told);
    }

    #[test]
    fn an_address_is_one_of_plain_http_and_splits_no_header() {
        for uri in
            ["", "https://h/v4", "169.254.170.2/v4", "http://h", "http:///v4", "http://h/a b", "http://h/\r\nx: y"]
        {
            let document = json!({ "cluster_name": "ecs", "metadata_uri": uri });
            let faults = check(document, Some(URI)).unwrap_err();
            assert!(faults[0].starts_with("ecs_task.metadata_uri: must be like http://"), "{faults:?}");
        }
        assert!(check(json!({ "cluster_name": "ecs" }), Some("http://h/\n")).is_err());
        let missing = check(json!({ "cluster_name": "ecs" }), Some("")).unwrap_err();
        assert!(missing[0].contains("is required where"), "{missing:?}");
    }
}
