//! The metrics that a deployment publishes, as far as its configurations determine them.

use std::time::Duration;

use acpw_metric::{DimensionName, DimensionValue, Entity, MergeRule, REQUEST_METRICS, StorageResolution, Unit};
use receiver::source::published_metric::{PublishedName, ValueKind};
use sender::{
    builtin_metric::BuiltinMetric,
    dimension::{BUILT_INS, DimensionSource},
    path_template::OTHER,
};

use crate::{
    deployment::{Deployment, Module},
    environment::Environment,
    plugin::Attachment,
};

/// The dimension of the receiver's own metrics, and its value.
const OWN_DIMENSION: (&str, &str) = ("component", "acpw");

/// The receiver's own metrics, which `self_metrics` publishes.
pub const OWN_METRICS: [(&str, Unit, ValueKind); 7] = [
    ("ValuesReceived", Unit::COUNT, ValueKind::Increase),
    ("ValuesPublished", Unit::COUNT, ValueKind::Increase),
    ("ValuesDropped", Unit::COUNT, ValueKind::Increase),
    ("RequestsRetried", Unit::COUNT, ValueKind::Increase),
    ("RequestsThrottled", Unit::COUNT, ValueKind::Increase),
    ("HeldBytes", Unit::BYTES, ValueKind::Level),
    ("SecondsSinceSuccess", Unit::SECONDS, ValueKind::Level),
];

/// All metrics of a deployment.
#[derive(Debug, Default)]
pub struct Publication {
    /// The metrics, each once for each dimension set.
    pub metrics: Vec<PublishedSet>,
    /// The region that all receivers publish to; `None` if the environment or the instance decides it.
    pub region: Option<String>,
    /// Remarks for a person about what cannot be known.
    pub notes: Vec<String>,
}

/// A metric under a dimension set: a family of series.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedSet {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: MetricNames,
    /// The name in the documentation of a metric of requests, which the receiver may publish under another one.
    pub role: Option<&'static str>,
    /// The unit; `None` if the endpoint decides it.
    pub unit: Option<Unit>,
    /// The storage resolution.
    pub resolution: StorageResolution,
    /// The dimensions in ascending order of their names.
    pub dimensions: Vec<SetDimension>,
    /// The kind of the values.
    pub values: ValueKind,
    /// The part of the configuration that publishes it.
    pub source: Source,
    /// The time between two publications.
    pub interval: Duration,
    /// The bound on unpublished data in bytes.
    pub buffer_limit: usize,
    /// True if quiet series are published as zero.
    pub has_zeros: bool,
    /// The entity, whose data is sent in calls of its own.
    pub entity: Option<Entity>,
}

/// The names of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricNames {
    /// One name.
    Exact(String),
    /// All names at a Prometheus endpoint that match, with `*` for any characters.
    Matching(String),
}

/// A dimension of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetDimension {
    /// The name.
    pub name: String,
    /// All values that the dimension can have, except the value of the overflow series. Empty if they are not known.
    pub values: Vec<String>,
    /// True if the configuration sets the value, so that the overflow series has it too.
    pub is_constant: bool,
    /// The name of the sender's built-in dimension that the value is.
    pub built_in: Option<&'static str>,
}

/// The part of the configuration that publishes a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Senders.
    Requests,
    /// The receiver's `ecs_task`.
    EcsTask,
    /// An entry of the receiver's `scrape`, with its cluster.
    Scrape(String),
    /// The receiver's `envoy_stats`.
    EnvoyStats,
    /// The receiver's `self_metrics`.
    Own,
}

impl SetDimension {
    /// Creates a dimension with the same value in all data. The value is not known if it is that of a variable of
    /// Envoy's environment, for which [`Environment`] has the placeholder `${NAME}`.
    fn constant(name: &str, value: &str) -> Self {
        let is_placeholder = value.starts_with("${") && value.ends_with('}');
        let values = if is_placeholder { Vec::new() } else { vec![value.to_owned()] };
        Self { name: name.to_owned(), values, is_constant: true, built_in: None }
    }

    /// Returns the value if there is only one.
    pub fn value(&self) -> Option<&str> {
        match self.values.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }
}

impl MetricNames {
    /// Returns the name, or the pattern of the names.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Matching(text) => text,
        }
    }
}

impl PublishedSet {
    /// Returns true if all dimensions have one known value, so that the set is one series.
    pub fn is_one_series(&self) -> bool {
        matches!(self.name, MetricNames::Exact(_)) && self.dimensions.iter().all(|one| one.value().is_some())
    }

    /// Returns the number of dimensions without a known value.
    pub fn unknown_dimensions(&self) -> usize {
        self.dimensions.iter().filter(|one| one.value().is_none()).count()
    }

    /// Returns true if both have the same namespace and the same dimensions with the same values.
    pub fn shares_set_with(&self, other: &Self) -> bool {
        self.namespace == other.namespace && self.dimensions == other.dimensions
    }

    /// Returns true if the series of both have the same names, units and dimensions, and the same constants.
    fn is_family_of(&self, other: &Self) -> bool {
        let is_same = |(a, b): (&SetDimension, &SetDimension)| {
            a.name == b.name && a.is_constant == b.is_constant && (!a.is_constant || a.values == b.values)
        };
        self.namespace == other.namespace
            && self.name == other.name
            && self.unit == other.unit
            && self.dimensions.len() == other.dimensions.len()
            && self.dimensions.iter().zip(&other.dimensions).all(is_same)
    }

    /// Returns the names of the dimensions, those that are known with their values.
    pub fn describe_dimensions(&self) -> String {
        describe(&self.dimensions)
    }
}

/// Returns the names of dimensions, those that are known with their values.
pub fn describe(dimensions: &[SetDimension]) -> String {
    let one = |one: &SetDimension| match one.value() {
        Some(value) => format!("{}={value}", one.name),
        None => one.name.clone(),
    };
    match dimensions {
        [] => "no dimensions".to_owned(),
        _ => dimensions.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

impl Publication {
    /// Returns what a deployment publishes.
    ///
    /// # Errors
    /// Returns a message for a person if there is nothing to publish, or if a sender has no receiver: its namespace is
    /// then not known.
    pub fn new(deployment: &Deployment, environment: &Environment) -> Result<Self, String> {
        let mut publication = Self::default();
        if deployment.senders.is_empty() && deployment.receivers.is_empty() {
            return Err("the files configure neither a sender nor a receiver, so nothing is published".to_owned());
        }
        for sender in &deployment.senders {
            publication.add_sender(sender, receiver_of(sender, deployment)?);
        }
        for receiver in &deployment.receivers {
            publication.add_receiver(receiver);
        }
        let mut regions = deployment.receivers.iter().map(|receiver| region(receiver, environment));
        let first = regions.next().flatten();
        if regions.any(|other| other != first) {
            publication.notes.push("the receivers publish to different regions; give one by --region".to_owned());
        } else {
            publication.region = first;
        }
        if !deployment.gateways.is_empty() {
            let note = "a gateway publishes what its clients post, which no configuration shows";
            publication.notes.push(note.to_owned());
        }
        Ok(publication)
    }

    /// Sets values of dimensions that are not known. Returns the names that no metric has.
    pub fn set_values(&mut self, values: &[(String, String)]) -> Vec<String> {
        let mut unused = Vec::new();
        for (name, value) in values {
            let dimensions = self.metrics.iter_mut().flat_map(|set| &mut set.dimensions);
            let mut is_used = false;
            for dimension in dimensions.filter(|dimension| dimension.name == *name && dimension.value().is_none()) {
                dimension.values = vec![value.clone()];
                is_used = true;
            }
            if !is_used {
                unused.push(name.clone());
            }
        }
        unused
    }

    fn add_sender(&mut self, sender: &Module<sender::SenderConfig>, receiver: &receiver::ReceiverConfig) {
        let config = &sender.config;
        for (builtin, metric) in &config.metrics.list {
            for set in &config.sets {
                let dimensions: Vec<_> = set.iter().filter_map(|index| config.dimensions.get(*index)).collect();
                let is_gauge = builtin.merge_rule() == MergeRule::GaugeShares;
                let is_known = dimensions.iter().all(|dimension| dimension.source.is_known_at_start());
                // An access logger does not see requests begin.
                if is_gauge && (!is_known || sender.attachment == Attachment::AccessLogger) {
                    continue;
                }
                let mut dimensions: Vec<SetDimension> = dimensions
                    .into_iter()
                    .map(|dimension| match &dimension.source {
                        DimensionSource::Constant(value) => {
                            SetDimension::constant(dimension.name.as_str(), value.as_str())
                        }
                        source => SetDimension {
                            name: dimension.name.to_string(),
                            values: match source {
                                DimensionSource::Host => hosts(sender),
                                DimensionSource::PathTemplate => path_templates(sender),
                                _ => Vec::new(),
                            },
                            is_constant: false,
                            built_in: BUILT_INS
                                .into_iter()
                                .find(|name| DimensionSource::built_in(name).as_ref() == Some(source)),
                        },
                    })
                    .collect();
                dimensions.sort_by(|a, b| a.name.cmp(&b.name));
                let name = match builtin {
                    BuiltinMetric::RequestCount => receiver.request_count_name.as_str(),
                    _ => metric.name.as_str(),
                };
                let set = PublishedSet {
                    namespace: receiver.namespace.to_string(),
                    name: MetricNames::Exact(name.to_owned()),
                    role: role(metric.name.as_str()),
                    unit: Some(metric.unit),
                    resolution: metric.resolution,
                    dimensions,
                    values: match (metric.unit, is_gauge) {
                        (_, true) => ValueKind::Level,
                        (Unit::COUNT, false) => ValueKind::Events,
                        _ => ValueKind::Distribution,
                    },
                    source: Source::Requests,
                    interval: receiver.publish_interval,
                    buffer_limit: receiver.buffer_limit,
                    has_zeros: config.origin.zero_minutes > 0 && metric.unit == Unit::COUNT && !is_gauge,
                    entity: config.origin.entity.clone(),
                };
                self.add(set);
            }
        }
    }

    fn add_receiver(&mut self, receiver: &Module<receiver::ReceiverConfig>) {
        let config = &receiver.config;
        for (source, reader) in &config.sources {
            for one in reader.published() {
                let name = match &one.name {
                    PublishedName::Exact(name) => MetricNames::Exact(name.to_string()),
                    PublishedName::Matching(pattern) => MetricNames::Matching(pattern.as_str().to_owned()),
                };
                let dimension = |(name, value): (DimensionName, Option<DimensionValue>)| match value {
                    Some(value) => SetDimension::constant(name.as_str(), value.as_str()),
                    None => {
                        SetDimension { name: name.to_string(), values: Vec::new(), is_constant: false, built_in: None }
                    }
                };
                let from = match reader {
                    receiver::source::Reader::Ecs(_) => Source::EcsTask,
                    receiver::source::Reader::Scrape(_) => Source::Scrape(source.cluster.clone()),
                    receiver::source::Reader::Envoy(_) => Source::EnvoyStats,
                };
                self.add(PublishedSet {
                    namespace: one.namespace.as_ref().unwrap_or(&config.namespace).to_string(),
                    role: match (&from, &name) {
                        (Source::EnvoyStats, MetricNames::Exact(name)) => role(name),
                        _ => None,
                    },
                    name,
                    unit: one.unit,
                    resolution: one.resolution,
                    dimensions: one.dimensions.into_iter().map(dimension).collect(),
                    values: one.values,
                    source: from,
                    interval: match source.publish {
                        receiver::source::Publish::Now => source.interval,
                        receiver::source::Publish::Interval => config.publish_interval,
                    },
                    buffer_limit: config.buffer_limit,
                    has_zeros: false,
                    entity: None,
                });
            }
        }
        for (name, unit, values) in OWN_METRICS.into_iter().filter(|_| config.self_metrics) {
            let (dimension, value) = OWN_DIMENSION;
            self.add(PublishedSet {
                namespace: config.namespace.to_string(),
                name: MetricNames::Exact(name.to_owned()),
                role: None,
                unit: Some(unit),
                resolution: StorageResolution::Standard,
                dimensions: vec![SetDimension::constant(dimension, value)],
                values,
                source: Source::Own,
                interval: config.publish_interval,
                buffer_limit: config.buffer_limit,
                has_zeros: false,
                entity: None,
            });
        }
    }

    /// Adds a set. Sets that differ only in the known values of dimensions that are not constant become one: several
    /// senders publish to it, each for its hosts.
    fn add(&mut self, set: PublishedSet) {
        let Some(known) = self.metrics.iter_mut().find(|known| known.is_family_of(&set)) else {
            self.metrics.push(set);
            return;
        };
        known.interval = known.interval.max(set.interval);
        for (dimension, added) in known.dimensions.iter_mut().zip(set.dimensions) {
            // A sender without known values may have any.
            if dimension.values.is_empty() || added.values.is_empty() {
                dimension.values.clear();
            }
            let is_new = |value: &String| !dimension.values.contains(value);
            let new: Vec<_> = added.values.into_iter().filter(is_new).collect();
            if !dimension.values.is_empty() {
                dimension.values.extend(new);
            }
        }
    }
}

/// Returns the name of a metric of requests as the documentation has it.
fn role(name: &str) -> Option<&'static str> {
    REQUEST_METRICS.iter().find(|known| **known == name).copied()
}

/// Returns the receiver that a sender hands over to.
fn receiver_of<'d>(
    sender: &Module<sender::SenderConfig>,
    deployment: &'d Deployment,
) -> Result<&'d receiver::ReceiverConfig, String> {
    let vm_id = &sender.config.receiver_vm_id;
    let found = deployment.receivers.iter().find(|receiver| receiver.vm_id == *vm_id);
    found.map(|receiver| &receiver.config).ok_or_else(|| {
        format!(
            "{}:{}: the sender hands over to the receiver with vm_id \"{}\", which no file configures, so its namespace \
             is not known; give the receiver's file too",
            sender.file.display(),
            sender.line,
            vm_id.escape_default()
        )
    })
}

/// Returns the values that the dimension `host` can have, or nothing if `match_hosts` does not limit them.
fn hosts(sender: &Module<sender::SenderConfig>) -> Vec<String> {
    let entries = sender.document.get("match_hosts").and_then(|entries| entries.as_array());
    let mut hosts: Vec<String> = Vec::new();
    for entry in entries.into_iter().flatten() {
        let mut host = Vec::new();
        let Some(entry) = entry.as_str().filter(|entry| !entry.starts_with("*.")) else { return Vec::new() };
        if !sender.config.hosts.matches(entry.as_bytes(), &mut host) {
            return Vec::new();
        }
        let host = String::from_utf8_lossy(&host).into_owned();
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// Returns the values that the dimension `path_template` can have, or nothing if paths are normalised instead.
fn path_templates(sender: &Module<sender::SenderConfig>) -> Vec<String> {
    let templates = sender.document.get("path_templates").and_then(|list| list.as_array());
    let mut values: Vec<_> = templates.into_iter().flatten().filter_map(|one| Some(one.as_str()?.to_owned())).collect();
    if !values.is_empty() {
        values.push(String::from_utf8_lossy(OTHER).into_owned());
    }
    values
}

/// Returns the region of a receiver, unless it is only an example of what the environment may have.
fn region(receiver: &Module<receiver::ReceiverConfig>, environment: &Environment) -> Option<String> {
    const VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    let region = receiver.config.region.region()?.as_str();
    let is_configured = receiver.document.get("cloud_watch_region").is_some_and(|key| key.is_string());
    let is_given = VARIABLES.iter().any(|name| environment.is_given(name));
    let is_example = VARIABLES.iter().any(|name| environment.value(name) == region);
    (is_configured || is_given || !is_example).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::{Value, json};

    use super::*;

    fn module<C>(vm_id: &str, document: &Value, read: impl FnOnce(&[u8]) -> C) -> Module<C> {
        Module {
            file: PathBuf::from("envoy.yaml"),
            line: 7,
            vm_id: vm_id.to_owned(),
            attachment: Attachment::HttpFilter,
            config: read(document.to_string().as_bytes()),
            document: document.clone(),
        }
    }

    fn sender(document: Value) -> Module<sender::SenderConfig> {
        module("sender", &document, |text| {
            sender::SenderConfig::from_json(text, |name| Some(Environment::default().value(name))).unwrap()
        })
    }

    fn publication(senders: Vec<Module<sender::SenderConfig>>) -> Result<Publication, String> {
        let document = json!({
            "cloud_watch_cluster_name": "cloud_watch", "cloud_watch_region": "us-east-1",
            "aws_access_key_id": "AKID", "aws_secret_access_key": "secret", "metric_namespace": "Shop",
        });
        let receiver =
            module("receiver", &document, |text| receiver::ReceiverConfig::from_json(text, |_| None).unwrap());
        let deployment = Deployment { senders, receivers: vec![receiver], gateways: Vec::new() };
        Publication::new(&deployment, &Environment::default())
    }

    #[test]
    fn senders_for_several_hosts_publish_one_set() {
        let of = |hosts: &[&str]| {
            sender(json!({ "receiver_vm_id": "receiver", "match_hosts": hosts, "dimension_sets": [["host"]] }))
        };
        let hosts = |senders| {
            publication(senders).unwrap().metrics.iter().map(|set| set.dimensions[0].values.clone()).collect()
        };
        let one: Vec<Vec<String>> = hosts(vec![of(&["A.example."])]);
        assert_eq!(one, [["a.example"]]);
        let several: Vec<Vec<String>> = hosts(vec![of(&["a.example"]), of(&["b.example:8080", "a.example"])]);
        assert_eq!(several, [["a.example", "b.example:8080"]]);
        let any: Vec<Vec<String>> = hosts(vec![of(&["a.example"]), of(&["*.example"]), of(&["b.example"])]);
        assert_eq!(any, [Vec::<String>::new()]);
    }

    #[test]
    fn values_of_the_environment_are_not_known() {
        let metrics = publication(vec![sender(json!({
            "receiver_vm_id": "receiver", "dimensions": { "Stage": { "environment": "STAGE" }, "Team": "shop" },
            "dimension_sets": [["Stage", "Team"]],
        }))]);
        let dimensions = &metrics.unwrap().metrics[0].dimensions;
        assert_eq!((dimensions[0].value(), dimensions[1].value()), (None, Some("shop")));
    }

    #[test]
    fn gauges_are_published_where_requests_are_seen_to_begin() {
        let document = json!({
            "receiver_vm_id": "receiver", "metrics": ["RequestCount", "RequestsInProgress"],
            "dimension_sets": [["host"], ["status"]],
        });
        let names = |senders| -> Vec<(String, String)> {
            let metrics = publication(senders).unwrap().metrics.into_iter();
            metrics.map(|set| (set.name.as_str().to_owned(), set.describe_dimensions())).collect()
        };
        let pair = |name: &str, dimensions: &str| (name.to_owned(), dimensions.to_owned());
        let filter = sender(document.clone());
        let count = [pair("RequestCount", "host"), pair("RequestCount", "status")];
        assert_eq!(names(vec![filter]), [&count[..], &[pair("RequestsInProgress", "host")]].concat());
        let logger = Module { attachment: Attachment::AccessLogger, ..sender(document) };
        assert_eq!(names(vec![logger]), count);
    }

    #[test]
    fn a_sender_without_its_receiver_is_an_error() {
        let error = publication(vec![sender(json!({ "receiver_vm_id": "other" }))]).unwrap_err();
        assert!(
            error.starts_with("envoy.yaml:7: the sender hands over to the receiver with vm_id \"other\""),
            "{error}"
        );
    }
}
