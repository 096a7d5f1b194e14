//! The sender's configuration.

mod dimensions;
mod metric_selection;
mod raw;

use std::time::Duration;

use acpw_config::{Field, Object, ValidationErrors, read};
use acpw_metric::{Entity, EntityText, MergeRule, Origin, PublishTo};

pub use self::{
    metric_selection::MetricSelection,
    raw::{RawDimensionDefinition, RawEntity, RawMetric, RawPublishZeros, RawSenderConfig},
};
use crate::{
    HostMatcher,
    dimension::{DimensionDefinition, DimensionSource},
    path_template::PathTemplates,
};

/// The environment of an entity that does not configure one. The CloudWatch agent uses the same default.
const DEFAULT_ENVIRONMENT: &str = "generic:default";

/// A validated configuration.
#[derive(Clone, Debug)]
pub struct SenderConfig {
    /// The `vm_id` of the receiver, which owns the queue.
    pub receiver_vm_id: String,
    /// The hosts whose requests are counted.
    pub hosts: HostMatcher,
    /// The time between flushes.
    pub flush_interval: Duration,
    /// The maximum number of series.
    pub max_series: usize,
    /// The metrics.
    pub metrics: MetricSelection,
    /// The dimensions that the sets use.
    pub dimensions: Vec<DimensionDefinition>,
    /// The dimension sets, as indexes into `dimensions`.
    pub sets: Vec<Vec<usize>>,
    /// The templates for the dimension `path_template`. Without templates, its value is the normalised path.
    pub path_templates: PathTemplates,
    /// The attributes common to all data.
    pub origin: Origin,
    /// Warnings about entries without effect. Each starts with the path of the entry.
    pub warnings: Vec<String>,
}

impl SenderConfig {
    /// Reads a plugin configuration. `environment` reads an environment variable.
    ///
    /// # Errors
    /// Returns all errors in the configuration, each with the path of its key.
    pub fn from_json(document: &[u8], environment: impl Fn(&str) -> Option<String>) -> Result<Self, ValidationErrors> {
        let (raw, mut all_errors) = read::<RawSenderConfig>(document)?;
        let errors = &mut all_errors;
        let receiver_vm_id = raw.receiver_vm_id.required("receiver_vm_id", errors).unwrap_or_default();
        let (hosts, warnings) = hosts(raw.match_hosts, errors);
        let max_series = raw.max_series.within("max_series", 1..=100_000, 1_000, errors);
        let metrics = MetricSelection::new(raw.metrics, raw.time_unit, raw.concurrency, errors);
        let max_interval = if metrics.needs_seconds() { 1_000 } else { 60_000 };
        let flush_interval =
            raw.flush_interval_millisecond.within("flush_interval_millisecond", 100..=max_interval, 1_000, errors);
        let before = errors.count();
        let defined = dimensions::definitions(raw.dimensions, &environment, errors);
        let (dimensions, sets) = dimensions::sets(raw.dimension_sets, &defined, errors);
        // If a name in a set is misspelt, its definition is unused for that reason only.
        if errors.count() == before {
            dimensions::check_use(&defined, &dimensions, errors);
        }
        let mut path_templates = PathTemplates::default();
        add_all("path_templates", raw.path_templates, errors, |template| path_templates.add(template));
        let normalizes = raw.normalize_path.optional("normalize_path", errors).unwrap_or(false);
        let uses_templates = dimensions.iter().any(|dimension| dimension.source == DimensionSource::PathTemplate);
        if normalizes && !path_templates.is_empty() {
            errors.add("normalize_path", "cannot be combined with path_templates; remove one of the two");
        } else if uses_templates && !normalizes && path_templates.is_empty() {
            let message = "the dimension path_template requires path_templates or \"normalize_path\": true";
            errors.add("dimension_sets", message);
        } else if !uses_templates && errors.is_empty() {
            let (reason, remedy) = ("because no dimension set contains path_template", "add that dimension to a set");
            if normalizes {
                add_no_effect("normalize_path", reason, remedy, errors);
            }
            if !path_templates.is_empty() {
                add_no_effect("path_templates", reason, remedy, errors);
            }
        }
        check_gauges(&metrics, &dimensions, &sets, errors);
        let entity = raw.entity.optional("entity", errors).and_then(|raw| entity(raw, errors));
        let zeros = raw.publish_zeros.optional("publish_zeros", errors);
        if zeros.is_some() && !metrics.supports_zeros() && errors.is_empty() {
            let reason = "without a metric of unit Count that has one value per request";
            add_no_effect("publish_zeros", reason, "add one to metrics, such as RequestCount", errors);
        }
        let zero_minutes = zeros.map_or(0, |raw| zero_minutes(raw, errors));
        let publish_to = raw.publish_to.choices(&PublishTo::NAMES, "publish_to", errors);
        let publish_to = publish_to.and_then(|chosen| PublishTo::from_indices(&chosen));
        all_errors.into_result(Self {
            receiver_vm_id,
            hosts,
            flush_interval: Duration::from_millis(flush_interval),
            max_series: usize::try_from(max_series).unwrap_or(usize::MAX),
            metrics,
            dimensions,
            sets,
            path_templates,
            origin: Origin { namespace: None, entity, zero_minutes, publish_to },
            warnings,
        })
    }
}

/// Adds an error for a key without effect. `remedy` is the change that would give it an effect.
fn add_no_effect(key: &str, reason: &str, remedy: &str, errors: &mut ValidationErrors) {
    errors.add(key, format_args!("has no effect {reason}; {remedy}, or remove this key"));
}

/// Validates `match_hosts`. Returns a matcher, and a warning for each redundant entry.
fn hosts(list: Field<Vec<Field<String>>>, errors: &mut ValidationErrors) -> (HostMatcher, Vec<String>) {
    let mut hosts = HostMatcher::default();
    let mut entries: Vec<(String, bool)> = Vec::new();
    add_all("match_hosts", list, errors, |entry| {
        let before = hosts.len();
        let added = hosts.add(entry);
        entries.push((entry.to_owned(), hosts.len() > before));
        added
    });
    let mut warnings = Vec::new();
    if errors.is_empty() {
        for (index, (entry, is_new)) in entries.iter().enumerate() {
            let problem = match hosts.covering(entry) {
                _ if !is_new => "is listed twice".to_owned(),
                Some(other) => format!("has no effect because {other} matches the same hosts"),
                None => continue,
            };
            warnings.push(format!("match_hosts[{index}]: \"{entry}\" {problem}; remove it"));
        }
    }
    (hosts, warnings)
}

/// Calls `add` for each text of a list. Adds an error for each text that it refuses.
fn add_all<E: std::fmt::Display>(
    key: &str,
    list: Field<Vec<Field<String>>>,
    errors: &mut ValidationErrors,
    mut add: impl FnMut(&str) -> Result<(), E>,
) {
    for (index, entry) in list.optional(key, errors).unwrap_or_default().into_iter().enumerate() {
        let path = format!("{key}[{index}]");
        if let Some(entry) = entry.required(&path, errors)
            && let Err(error) = add(&entry)
        {
            errors.add(path, error);
        }
    }
}

/// Checks that metrics of requests in flight have a set whose dimensions are all known when a request starts.
fn check_gauges(
    metrics: &MetricSelection,
    dimensions: &[DimensionDefinition],
    sets: &[Vec<usize>],
    errors: &mut ValidationErrors,
) {
    let is_known = |index: &usize| dimensions.get(*index).is_some_and(|dimension| dimension.source.is_known_at_start());
    if sets.is_empty() || sets.iter().any(|set| set.iter().all(is_known)) {
        return;
    }
    for (_, metric) in metrics.list.iter().filter(|(builtin, _)| builtin.merge_rule() == MergeRule::GaugeShares) {
        let message = "requires a set with only dimensions that are known when a request starts: constants, host, method, \
            path, path_template and request headers";
        errors.add("dimension_sets", format_args!("{} {message}", metric.name));
    }
}

fn entity(raw: RawEntity, errors: &mut ValidationErrors) -> Option<Entity> {
    raw.check_keys("entity", errors);
    let service = raw.service_name.required("entity.service_name", errors);
    let environment = raw.environment.optional("entity.environment", errors);
    let mut text = |path: &str, text: &str| EntityText::new(text).map_err(|error| errors.add(path, error)).ok();
    let service = service.and_then(|service| text("entity.service_name", &service));
    let environment = text("entity.environment", environment.as_deref().unwrap_or(DEFAULT_ENVIRONMENT));
    Some(Entity { service: service?, environment: environment? })
}

fn zero_minutes(raw: RawPublishZeros, errors: &mut ValidationErrors) -> u16 {
    raw.check_keys("publish_zeros", errors);
    if matches!(raw.minutes, Field::Absent) {
        errors.add("publish_zeros.minutes", "is required");
    }
    u16::try_from(raw.minutes.within("publish_zeros.minutes", 1..=1_440, 1, errors)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(document: &str) -> Result<SenderConfig, ValidationErrors> {
        SenderConfig::from_json(document.as_bytes(), |name| (name == "STAGE").then(|| "prod".to_owned()))
    }

    fn errors(document: &str) -> Vec<String> {
        config(document).unwrap_err().lines().collect()
    }

    /// Checks that there are exactly as many errors as starts, and that each error has the corresponding start.
    fn assert_errors(document: &str, starts: &[&str]) {
        let errors = errors(document);
        assert_eq!(errors.len(), starts.len(), "{errors:#?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(start), "{error}\n{start}");
        }
    }

    #[test]
    fn defaults_apply_to_a_minimal_configuration() {
        let config = config(r#"{ "receiver_vm_id": "receiver", "match_hosts": ["example.com"] }"#).unwrap();
        assert_eq!(config.receiver_vm_id, "receiver");
        assert_eq!(config.flush_interval, Duration::from_secs(1));
        assert_eq!(config.max_series, 1_000);
        assert_eq!(config.metrics.list.len(), 1);
        assert_eq!(config.metrics.list[0].1.name.as_str(), "RequestCount");
        let names: Vec<_> = config.dimensions.iter().map(|dimension| dimension.name.as_str()).collect();
        assert_eq!((names, config.sets), (vec!["host", "method", "path", "status"], vec![vec![0, 1, 2, 3]]));
        assert_eq!(config.origin, Origin::default());
    }

    #[test]
    fn every_error_is_reported_with_its_path() {
        let document = r#"{
            "match_hosts": ["example.com", 5, "exa mple.com"],
            "flush_interval_millisecond": 99, "max_series": 0, "match_host": []
        }"#;
        let starts = [
            "match_host: unknown key; known keys are receiver_vm_id, match_hosts, ",
            "receiver_vm_id: is required",
            "match_hosts[1]: must be a string",
            "match_hosts[2]: \"exa mple.com\" is not a host name",
            "max_series: must be between 1 and 100000, got 0",
            "flush_interval_millisecond: must be between 100 and 60000, got 99",
        ];
        assert_errors(document, &starts);
    }

    #[test]
    fn invalid_metrics_are_refused() {
        let document = r#"{
            "receiver_vm_id": "r",
            "metrics": ["RequestCount", "Latencies", {"name": "RequestCount", "storage_resolution": 30},
                {"name": "5XXError", "unit": "Count"}, {}, 7, "ConcurrencyUtilization"],
            "time_unit": "Minutes", "concurrency": 0
        }"#;
        let starts = [
            "time_unit: must be \"Milliseconds\" or \"Seconds\", got \"Minutes\"",
            "metrics[1]: unknown metric \"Latencies\"; known metrics are RequestCount, Latency, ",
            "metrics[2].storage_resolution: must be 1 or 60, got 30",
            "metrics[2]: \"RequestCount\" is listed twice",
            "metrics[3].unit: unknown key; known keys are name, storage_resolution",
            "metrics[4].name: is required",
            "metrics[5]: must be a string or an object",
            "concurrency: must be between 1 and 1000000, got 0",
            "dimension_sets: ConcurrencyUtilization requires a set with only dimensions that are known when a request",
        ];
        assert_errors(document, &starts);
        assert_errors(r#"{"receiver_vm_id": "r", "metrics": []}"#, &["metrics: must list at least one metric"]);
        let document = r#"{"receiver_vm_id": "r", "metrics": ["ConcurrencyUtilization"], "dimension_sets": [[]]}"#;
        assert_errors(document, &["concurrency: is required by the metric ConcurrencyUtilization"]);
    }

    #[test]
    fn invalid_definitions_of_dimensions_are_refused() {
        let document = r#"{
            "receiver_vm_id": "r",
            "dimensions": {
                "Constant": "checkout", "Stage": {"environment": "STAGE"}, "Zone": {"environment": "ZONE", "default": "-"},
                "Bad1": "", "Bad2": {"environment": "ZONE"}, "Bad3": {"request_header": "a b"},
                "Bad4": {"property": "xds..route_name"}, "Bad5": {"built_in": "hosts"}, "Bad6": {},
                "Bad7": {"value": "a", "property": "b"}, "Bad8": 5, "Bad9": {"header": "x", "value": "v"},
                "host": "x", ":name": "x", "BadA": {"response_header": "x", "default": "\u00e9"}
            },
            "dimension_sets": [["Constant", "Stage", "Zone", "Bad1"]]
        }"#;
        let starts = [
            "dimensions.:name: must not start with \":\"",
            "dimensions.Bad1: must have at least one character",
            "dimensions.Bad2.environment: the environment variable \"ZONE\" is not set for this VM; add it to ",
            "dimensions.Bad3.request_header: \"a b\" is not a header name",
            "dimensions.Bad4.property: must be the path of an attribute",
            "dimensions.Bad5.built_in: unknown dimension \"hosts\"; known dimensions are host, method, ",
            "dimensions.Bad6: must have exactly one of value, ",
            "dimensions.Bad7: must have exactly one of value, ",
            "dimensions.Bad8: must be a string or an object",
            "dimensions.Bad9.header: unknown key; known keys are value, ",
            "dimensions.BadA.default: must contain only printable ASCII characters",
            "dimensions.host: is a built-in dimension",
        ];
        assert_errors(document, &starts);
    }

    #[test]
    fn each_key_of_a_definition_has_its_source() {
        let document = r#"{
            "receiver_vm_id": "r",
            "dimensions": {
                "Stage": {"environment": "STAGE", "default": "dev"}, "Zone": {"environment": "ZONE", "default": "-"},
                "Tenant": {"request_header": "X-Tenant", "default": "none"}, "Cache": {"response_header": "X-Cache"},
                "Route": {"built_in": "route", "default": "none"}, "Peer": {"property": "upstream.address"}
            },
            "dimension_sets": [["Stage", "Zone", "Tenant", "Cache", "Route", "Peer", "cluster"], ["Tenant"], []]
        }"#;
        let config = config(document).unwrap();
        let constant = |text| DimensionSource::Constant(acpw_metric::DimensionValue::new(text).unwrap());
        let property = |path: &str| DimensionSource::Attribute(path.into());
        let sources: Vec<_> = config.dimensions.iter().map(|dimension| dimension.source.clone()).collect();
        let expected = [
            constant("prod"),
            constant("-"),
            DimensionSource::RequestHeader("x-tenant".into()),
            property("response\0headers\0x-cache"),
            property("xds\0route_name"),
            property("upstream\0address"),
            property("xds\0cluster_name"),
        ];
        assert_eq!(sources, expected);
        assert_eq!(config.sets, [vec![0, 1, 2, 3, 4, 5, 6], vec![2], vec![]]);
        assert_eq!(config.dimensions[4].default.as_ref().unwrap().as_str(), "none");
    }

    #[test]
    fn a_key_without_effect_is_refused_with_advice() {
        let template =
            "because no dimension set contains path_template; add that dimension to a set, or remove this key";
        for (rest, error) in [
            (r#""normalize_path": true"#, format!("normalize_path: has no effect {template}")),
            (r#""path_templates": ["/a/{b}"]"#, format!("path_templates: has no effect {template}")),
            (
                r#""concurrency": 5"#,
                "concurrency: has no effect without the metric ConcurrencyUtilization; add it to metrics, or remove \
                 this key"
                    .to_owned(),
            ),
            (
                r#""time_unit": "Seconds", "metrics": ["RequestCount", "5XXError"]"#,
                "time_unit: has no effect without the metric Latency or TargetResponseTime; add one of them to \
                 metrics, or remove this key"
                    .to_owned(),
            ),
            (
                r#""publish_zeros": {"minutes": 5}, "metrics": ["Latency", "RequestsInProgress"],
                    "dimension_sets": [["host"]]"#,
                "publish_zeros: has no effect without a metric of unit Count that has one value per request; add one \
                 to metrics, such as RequestCount, or remove this key"
                    .to_owned(),
            ),
            (
                r#""dimensions": {"Service": "a", "Zone": "b"}, "dimension_sets": [["host", "Service"]]"#,
                "dimensions.Zone: has no effect because no dimension set contains it; add it to a set, or remove it"
                    .to_owned(),
            ),
        ] {
            assert_eq!(errors(&format!(r#"{{"receiver_vm_id": "r", {rest}}}"#)), [error]);
        }
        for rest in [
            r#""normalize_path": false, "path_templates": [], "dimensions": {}"#,
            r#""concurrency": null, "time_unit": null"#,
            r#""time_unit": "Milliseconds", "metrics": ["TargetResponseTime"]"#,
            r#""dimensions": {"P": {"built_in": "path_template"}}, "normalize_path": true, "dimension_sets": [["P"]]"#,
        ] {
            let config = config(&format!(r#"{{"receiver_vm_id": "r", {rest}}}"#));
            assert_eq!(config.map(|config| config.warnings), Ok(Vec::new()), "{rest}");
        }
    }

    #[test]
    fn a_misspelt_name_in_a_set_is_reported_only_there() {
        let document = r#"{"receiver_vm_id": "r", "dimensions": {"Zone": "b"}, "dimension_sets": [["zone"]]}"#;
        assert_errors(document, &["dimension_sets[0][0]: unknown dimension \"zone\"; known dimensions are "]);
    }

    #[test]
    fn a_constant_must_not_equal_the_value_of_the_overflow_series() {
        let document = r#"{"receiver_vm_id": "r", "dimensions": {
            "A": "__other__", "B": {"value": "__other__"}, "C": {"built_in": "route", "default": "__other__"}}}"#;
        let error = "must not be __other__, which is reserved for requests beyond max_series";
        let starts = ["A", "B.value", "C.default"].map(|path| format!("dimensions.{path}: {error}"));
        assert_eq!(errors(document), starts);
    }

    #[test]
    fn a_redundant_host_gives_a_warning() {
        let document = r#"{"receiver_vm_id": "r",
            "match_hosts": ["a.com", "*.b.com", "A.com.", "x.b.com", "*.c.b.com", "a.com:80", "d.com:80"]}"#;
        assert_eq!(
            config(document).unwrap().warnings,
            [
                "match_hosts[2]: \"A.com.\" is listed twice; remove it",
                "match_hosts[3]: \"x.b.com\" has no effect because *.b.com matches the same hosts; remove it",
                "match_hosts[4]: \"*.c.b.com\" has no effect because *.b.com matches the same hosts; remove it",
                "match_hosts[5]: \"a.com:80\" has no effect because a.com matches the same hosts; remove it",
            ]
        );
    }

    #[test]
    fn invalid_sets_are_refused() {
        let many: Vec<_> = (0..31).map(|n| format!("\"n{n}\"")).collect();
        // An unused definition would be an error.
        let defined = |sets: &str| {
            let used: Vec<_> = many.iter().filter(|name| sets.contains(name.as_str())).collect();
            used.iter().map(|name| format!("{name}: \"v\"")).collect::<Vec<_>>()
        };
        let document = |sets: &str| {
            let defined = defined(sets).join(", ");
            format!(r#"{{"receiver_vm_id": "r", "dimensions": {{{defined}}}, "dimension_sets": {sets}}}"#)
        };
        for (count, fits) in [(29, true), (30, true), (31, false)] {
            let document = document(&format!("[[{}]]", many[..count].join(", ")));
            assert_eq!(config(&document).is_ok(), fits, "{count}");
        }
        assert_errors(
            &document(&format!("[[{}]]", many.join(", "))),
            &["dimension_sets[0]: must have at most 30 dimensions, got 31"],
        );
        let starts = [
            "dimension_sets[0][1]: unknown dimension \"Host\"; known dimensions are host, method, ",
            "dimension_sets[0][2]: \"host\" is listed twice",
            "dimension_sets[1]: must be a list",
            "dimension_sets[3]: has the same dimensions as dimension_sets[2]",
        ];
        assert_errors(&document(r#"[["host", "Host", "host"], 5, ["status", "n1"], ["n1", "status"]]"#), &starts);
        assert_errors(&document("[]"), &["dimension_sets: must have between 1 and 32 sets, got 0"]);
        for (count, fits) in [(31, true), (32, true), (33, false)] {
            let names = [&["\"host\"".to_owned(), "\"path\"".to_owned()][..], &many].concat();
            let sets: Vec<_> = names[..count].iter().map(|name| format!("[{name}]")).collect();
            let document = document(&format!("[{}]", sets.join(", ")));
            assert_eq!(config(&document).is_ok(), fits, "{count}");
        }
    }

    #[test]
    fn invalid_or_missing_templates_are_refused() {
        let document =
            |rest: &str| format!(r#"{{"receiver_vm_id": "r", "dimension_sets": [["path_template"]]{rest}}}"#);
        let invalid = r#", "path_templates": ["/a/{b}", "a", "/a/{c}"], "normalize_path": true"#;
        let starts = [
            "path_templates[1]: \"a\" is not a path template",
            "path_templates[2]: \"/a/{c}\" matches the same paths as \"/a/{b}\"",
            "normalize_path: cannot be combined with path_templates",
        ];
        assert_errors(&document(invalid), &starts);
        assert_errors(&document(""), &["dimension_sets: the dimension path_template requires path_templates"]);
        assert!(config(&document(r#", "normalize_path": true"#)).is_ok());
    }

    #[test]
    fn the_services_to_publish_to_are_part_of_each_record() {
        let publish_to = |key: &str| config(&format!(r#"{{"receiver_vm_id": "r"{key}}}"#)).unwrap().origin.publish_to;
        assert_eq!(publish_to(""), None);
        assert_eq!(publish_to(r#", "publish_to": ["otlp"]"#), Some(PublishTo::OTLP));
        assert_eq!(publish_to(r#", "publish_to": ["otlp", "cloudwatch"]"#), Some(PublishTo::BOTH));
        let document = r#"{"receiver_vm_id": "r", "publish_to": ["otlp", "s3"]}"#;
        assert_errors(document, &["publish_to[1]: must be one of cloudwatch, otlp"]);
    }

    #[test]
    fn entity_and_zeros_are_validated() {
        let document = r#"{"receiver_vm_id": "r", "entity": {"environment": ""}, "publish_zeros": {"minute": 1}}"#;
        let starts = [
            "entity.service_name: is required",
            "entity.environment: must have at least one character",
            "publish_zeros.minute: unknown key",
            "publish_zeros.minutes: is required",
        ];
        assert_errors(document, &starts);
        let document = r#"{"receiver_vm_id": "r", "entity": {"service_name": "s"}, "publish_zeros": {"minutes": 5}}"#;
        let origin = config(document).unwrap().origin;
        let entity = origin.entity.unwrap();
        assert_eq!((entity.service.as_str(), entity.environment.as_str()), ("s", "generic:default"));
        assert_eq!(origin.zero_minutes, 5);
    }

    #[test]
    fn bounds_are_inclusive() {
        let bounds =
            [("flush_interval_millisecond", 100, 60_000), ("max_series", 1, 100_000), ("concurrency", 1, 1_000_000)];
        for (key, low, high) in bounds {
            for (value, fits) in [(low - 1, false), (low, true), (high, true), (high + 1, false)] {
                let metric = if key == "concurrency" { "ConcurrencyUtilization" } else { "RequestCount" };
                let document = format!(
                    r#"{{"receiver_vm_id": "r", "{key}": {value}, "metrics": ["{metric}"], "dimension_sets": [["host"]]}}"#
                );
                assert_eq!(config(&document).is_ok(), fits, "{document}");
            }
        }
        for (minutes, fits) in [(0, false), (1, true), (1_440, true), (1_441, false)] {
            let document = format!(r#"{{"receiver_vm_id": "r", "publish_zeros": {{"minutes": {minutes}}}}}"#);
            assert_eq!(config(&document).is_ok(), fits, "{document}");
        }
        for metric in [r#"{"name": "Latency", "storage_resolution": 1}"#, r#""RequestsInProgress""#] {
            for (interval, fits) in [(999, true), (1_000, true), (1_001, false)] {
                let document = format!(
                    r#"{{"receiver_vm_id": "r", "metrics": [{metric}], "dimension_sets": [["host"]],
                        "flush_interval_millisecond": {interval}}}"#
                );
                assert_eq!(config(&document).is_ok(), fits, "{document}");
            }
        }
    }
}
