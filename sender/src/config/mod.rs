//! The sender's configuration.

mod dimensions;
mod metrics;
mod raw;

use std::time::Duration;

use acpw_config::{Field, Object, ValidationErrors, read};
use acpw_metric::{Entity, EntityText, MergeRule, Origin};

pub use self::{
    metrics::Metrics,
    raw::{RawConfig, RawDimension, RawEntity, RawMetric, RawPublishZeros},
};
use crate::{
    HostMatcher,
    dimension::{Dimension, Source},
    path_template::PathTemplates,
};

/// The environment of a service that names none, as CloudWatch's own agent has it.
const DEFAULT_ENVIRONMENT: &str = "generic:default";

/// A configuration that is sound.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whose queue the records go to.
    pub receiver_vm_id: String,
    /// Whose requests are observed.
    pub hosts: HostMatcher,
    /// Time between flushes.
    pub flush_interval: Duration,
    /// Series kept apart.
    pub max_series: usize,
    /// What is measured.
    pub metrics: Metrics,
    /// The dimensions in use.
    pub dimensions: Vec<Dimension>,
    /// Sets of them, by their places.
    pub sets: Vec<Vec<usize>>,
    /// What `path_template` is taken from; without any, identifiers are guessed.
    pub path_templates: PathTemplates,
    /// What all data have in common.
    pub origin: Origin,
    /// What is harmless and probably not meant, one line each with the path of its key.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads a plugin configuration; `environment` gives the value of a variable.
    ///
    /// # Errors
    /// Everything that is wrong with it, each fault with the path of its key.
    pub fn from_json(document: &[u8], environment: impl Fn(&str) -> Option<String>) -> Result<Self, ValidationErrors> {
        let (raw, mut faults) = read::<RawConfig>(document)?;
        let faults_ref = &mut faults;
        let receiver_vm_id = raw.receiver_vm_id.required("receiver_vm_id", faults_ref).unwrap_or_default();
        let (hosts, warnings) = hosts(raw.match_hosts, faults_ref);
        let max_series = raw.max_series.within("max_series", 1..=100_000, 1_000, faults_ref);
        let metrics = Metrics::new(raw.metrics, raw.time_unit, raw.concurrency, faults_ref);
        let most = if metrics.needs_seconds() { 1_000 } else { 60_000 };
        let flush_interval =
            raw.flush_interval_millisecond.within("flush_interval_millisecond", 100..=most, 1_000, faults_ref);
        let before = faults_ref.count();
        let defined = dimensions::definitions(raw.dimensions, &environment, faults_ref);
        let (dimensions, sets) = dimensions::sets(raw.dimension_sets, &defined, faults_ref);
        // Where a name is misspelt, its definition is not used for that reason.
        if faults_ref.count() == before {
            dimensions::check_use(&defined, &dimensions, faults_ref);
        }
        let mut path_templates = PathTemplates::default();
        add_all("path_templates", raw.path_templates, faults_ref, |template| path_templates.add(template));
        let normalizes = raw.normalize_path.optional("normalize_path", faults_ref).unwrap_or(false);
        let uses_templates = dimensions.iter().any(|dimension| dimension.source == Source::PathTemplate);
        if normalizes && !path_templates.is_empty() {
            faults_ref.add("normalize_path", "is for configurations without path_templates");
        } else if uses_templates && !normalizes && path_templates.is_empty() {
            let message = "the dimension path_template needs path_templates, or normalize_path: true";
            faults_ref.add("dimension_sets", message);
        } else if !uses_templates && faults_ref.is_empty() {
            let why = "as no dimension set has path_template";
            if normalizes {
                no_effect("normalize_path", why, "that dimension to one", faults_ref);
            }
            if !path_templates.is_empty() {
                no_effect("path_templates", why, "that dimension to one", faults_ref);
            }
        }
        check_gauges(&metrics, &dimensions, &sets, faults_ref);
        let entity = raw.entity.optional("entity", faults_ref).and_then(|raw| entity(raw, faults_ref));
        let zeros = raw.publish_zeros.optional("publish_zeros", faults_ref);
        if zeros.is_some() && !metrics.has_zeros() && faults_ref.is_empty() {
            let why = "without a metric of unit Count that is counted by requests";
            no_effect("publish_zeros", why, "one such as RequestCount to metrics", faults_ref);
        }
        let zero_minutes = zeros.map_or(0, |raw| zero_minutes(raw, faults_ref));
        faults.into_result(Self {
            receiver_vm_id,
            hosts,
            flush_interval: Duration::from_millis(flush_interval),
            max_series: usize::try_from(max_series).unwrap_or(usize::MAX),
            metrics,
            dimensions,
            sets,
            path_templates,
            origin: Origin { namespace: None, entity, zero_minutes },
            warnings,
        })
    }
}

/// Adds a fault of a key that is configured and changes nothing; `missing` is what to add for it to have an effect.
fn no_effect(key: &str, why: &str, missing: &str, faults: &mut ValidationErrors) {
    faults.add(key, format_args!("has no effect {why}; add {missing}, or remove the key"));
}

/// Returns the matcher of these entries, and a warning for each entry that changes nothing.
fn hosts(list: Field<Vec<Field<String>>>, faults: &mut ValidationErrors) -> (HostMatcher, Vec<String>) {
    let mut hosts = HostMatcher::default();
    let mut entries: Vec<(String, bool)> = Vec::new();
    add_all("match_hosts", list, faults, |entry| {
        let before = hosts.len();
        let added = hosts.add(entry);
        entries.push((entry.to_owned(), hosts.len() > before));
        added
    });
    let mut warnings = Vec::new();
    if faults.is_empty() {
        for (index, (entry, is_new)) in entries.iter().enumerate() {
            let why = match hosts.covering(entry) {
                _ if !is_new => "is listed twice".to_owned(),
                Some(other) => format!("has no effect, as {other} matches its hosts too"),
                None => continue,
            };
            warnings.push(format!("match_hosts[{index}]: \"{entry}\" {why}"));
        }
    }
    (hosts, warnings)
}

/// Adds each text of a list, noting those that are refused.
fn add_all<E: std::fmt::Display>(
    key: &str,
    list: Field<Vec<Field<String>>>,
    faults: &mut ValidationErrors,
    mut add: impl FnMut(&str) -> Result<(), E>,
) {
    for (index, entry) in list.optional(key, faults).unwrap_or_default().into_iter().enumerate() {
        let path = format!("{key}[{index}]");
        if let Some(entry) = entry.required(&path, faults)
            && let Err(error) = add(&entry)
        {
            faults.add(path, error);
        }
    }
}

/// Requests in progress cannot be told apart by what is known only at their end.
fn check_gauges(metrics: &Metrics, dimensions: &[Dimension], sets: &[Vec<usize>], faults: &mut ValidationErrors) {
    let is_known = |place: &usize| dimensions.get(*place).is_some_and(|dimension| dimension.source.is_known_at_start());
    if sets.is_empty() || sets.iter().any(|set| set.iter().all(is_known)) {
        return;
    }
    for (_, metric) in metrics.list.iter().filter(|(measure, _)| measure.merge_rule() == MergeRule::GaugeShares) {
        let message = "needs a set of dimensions that are known when a request begins: constants, host, method, path, \
            path_template and request headers";
        faults.add("dimension_sets", format_args!("{} {message}", metric.name));
    }
}

fn entity(raw: RawEntity, faults: &mut ValidationErrors) -> Option<Entity> {
    raw.check_keys("entity", faults);
    let service = raw.service_name.required("entity.service_name", faults);
    let environment = raw.environment.optional("entity.environment", faults);
    let mut text = |path: &str, text: &str| EntityText::new(text).map_err(|error| faults.add(path, error)).ok();
    let service = service.and_then(|service| text("entity.service_name", &service));
    let environment = text("entity.environment", environment.as_deref().unwrap_or(DEFAULT_ENVIRONMENT));
    Some(Entity { service: service?, environment: environment? })
}

fn zero_minutes(raw: RawPublishZeros, faults: &mut ValidationErrors) -> u16 {
    raw.check_keys("publish_zeros", faults);
    if matches!(raw.minutes, Field::Absent) {
        faults.add("publish_zeros.minutes", "is required");
    }
    u16::try_from(raw.minutes.within("publish_zeros.minutes", 1..=1_440, 1, faults)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(document: &str) -> Result<Config, ValidationErrors> {
        Config::from_json(document.as_bytes(), |name| (name == "STAGE").then(|| "prod".to_owned()))
    }

    fn faults(document: &str) -> Vec<String> {
        config(document).unwrap_err().lines().collect()
    }

    /// The faults start so, and there are no others.
    fn assert_faults(document: &str, starts: &[&str]) {
        let faults = faults(document);
        assert_eq!(faults.len(), starts.len(), "{faults:#?}");
        for (fault, start) in faults.iter().zip(starts) {
            assert!(fault.starts_with(start), "{fault}\n{start}");
        }
    }

    #[test]
    fn the_first_acpw_configuration_is_taken_as_it_was() {
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
    fn every_fault_is_told_with_its_path() {
        let document = r#"{
            "match_hosts": ["example.com", 5, "exa mple.com"],
            "flush_interval_millisecond": 99, "max_series": 0, "match_host": []
        }"#;
        let starts = [
            "match_host: unknown key; known are receiver_vm_id, match_hosts, ",
            "receiver_vm_id: is required",
            "match_hosts[1]: must be a string",
            "match_hosts[2]: \"exa mple.com\" is not a host name",
            "max_series: 0 is not within 1 and 100000",
            "flush_interval_millisecond: 99 is not within 100 and 60000",
        ];
        assert_faults(document, &starts);
    }

    #[test]
    fn metrics_are_known_and_named_once() {
        let document = r#"{
            "receiver_vm_id": "r",
            "metrics": ["RequestCount", "Latencies", {"name": "RequestCount", "storage_resolution": 30},
                {"name": "5XXError", "unit": "Count"}, {}, 7, "ConcurrencyUtilization"],
            "time_unit": "Minutes", "concurrency": 0
        }"#;
        let starts = [
            "time_unit: must be \"Milliseconds\" or \"Seconds\"",
            "metrics[1]: there is no metric \"Latencies\"; known are RequestCount, Latency, ",
            "metrics[2].storage_resolution: must be 1 or 60",
            "metrics[2]: \"RequestCount\" is there twice",
            "metrics[3].unit: unknown key; known are name, storage_resolution",
            "metrics[4].name: is required",
            "metrics[5]: must be a string or an object",
            "concurrency: 0 is not within 1 and 1000000",
            "dimension_sets: ConcurrencyUtilization needs a set of dimensions that are known when a request begins",
        ];
        assert_faults(document, &starts);
        assert_faults(r#"{"receiver_vm_id": "r", "metrics": []}"#, &["metrics: must name at least one"]);
        let document = r#"{"receiver_vm_id": "r", "metrics": ["ConcurrencyUtilization"], "dimension_sets": [[]]}"#;
        assert_faults(document, &["concurrency: is required by ConcurrencyUtilization"]);
    }

    #[test]
    fn dimensions_are_defined_by_one_source() {
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
            "dimensions.Bad2.environment: the environment variable \"ZONE\" is not set for this VM and has no default",
            "dimensions.Bad3.request_header: \"a b\" is not the name of a header",
            "dimensions.Bad4.property: must be the parts of a property's path",
            "dimensions.Bad5.built_in: there is no dimension \"hosts\"; known are host, method, ",
            "dimensions.Bad6: needs exactly one of value, ",
            "dimensions.Bad7: needs exactly one of value, ",
            "dimensions.Bad8: must be a string or an object",
            "dimensions.Bad9.header: unknown key; known are value, ",
            "dimensions.BadA.default: has a character that is not printable ASCII",
            "dimensions.host: is built in",
        ];
        assert_faults(document, &starts);
    }

    #[test]
    fn sources_are_what_they_say() {
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
        let constant = |text| Source::Constant(acpw_metric::DimensionValue::new(text).unwrap());
        let property = |path: &str| Source::Property(path.into());
        let sources: Vec<_> = config.dimensions.iter().map(|dimension| dimension.source.clone()).collect();
        let expected = [
            constant("prod"),
            constant("-"),
            Source::RequestHeader("x-tenant".into()),
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
    fn a_key_without_effect_is_refused_with_what_is_missing() {
        let template = "as no dimension set has path_template; add that dimension to one, or remove the key";
        for (rest, fault) in [
            (r#""normalize_path": true"#, format!("normalize_path: has no effect {template}")),
            (r#""path_templates": ["/a/{b}"]"#, format!("path_templates: has no effect {template}")),
            (
                r#""concurrency": 5"#,
                "concurrency: has no effect without the metric ConcurrencyUtilization; add it to metrics, or remove \
                 the key"
                    .to_owned(),
            ),
            (
                r#""time_unit": "Seconds", "metrics": ["RequestCount", "5XXError"]"#,
                "time_unit: has no effect without the metrics Latency and TargetResponseTime; add one of them to \
                 metrics, or remove the key"
                    .to_owned(),
            ),
            (
                r#""publish_zeros": {"minutes": 5}, "metrics": ["Latency", "RequestsInProgress"],
                    "dimension_sets": [["host"]]"#,
                "publish_zeros: has no effect without a metric of unit Count that is counted by requests; add one \
                 such as RequestCount to metrics, or remove the key"
                    .to_owned(),
            ),
            (
                r#""dimensions": {"Service": "a", "Zone": "b"}, "dimension_sets": [["host", "Service"]]"#,
                "dimensions.Zone: has no effect, as no dimension set has it; add it to one, or remove it".to_owned(),
            ),
        ] {
            assert_eq!(faults(&format!(r#"{{"receiver_vm_id": "r", {rest}}}"#)), [fault]);
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
        // A misspelt name in a set is the fault, and not also that its definition is unused.
        let document = r#"{"receiver_vm_id": "r", "dimensions": {"Zone": "b"}, "dimension_sets": [["zone"]]}"#;
        assert_faults(document, &["dimension_sets[0][0]: there is no dimension \"zone\"; known are "]);
    }

    #[test]
    fn a_constant_is_not_the_overflows() {
        let document = r#"{"receiver_vm_id": "r", "dimensions": {
            "A": "__other__", "B": {"value": "__other__"}, "C": {"built_in": "route", "default": "__other__"}}}"#;
        let fault = "must not be __other__, which stands for series beyond max_series";
        let starts = ["A", "B.value", "C.default"].map(|path| format!("dimensions.{path}: {fault}"));
        assert_eq!(faults(document), starts);
    }

    #[test]
    fn a_host_that_changes_nothing_is_taken_with_a_warning() {
        let document = r#"{"receiver_vm_id": "r",
            "match_hosts": ["a.com", "*.b.com", "A.com.", "x.b.com", "*.c.b.com", "a.com:80", "d.com:80"]}"#;
        assert_eq!(
            config(document).unwrap().warnings,
            [
                "match_hosts[2]: \"A.com.\" is listed twice",
                "match_hosts[3]: \"x.b.com\" has no effect, as *.b.com matches its hosts too",
                "match_hosts[4]: \"*.c.b.com\" has no effect, as *.b.com matches its hosts too",
                "match_hosts[5]: \"a.com:80\" has no effect, as a.com matches its hosts too",
            ]
        );
    }

    #[test]
    fn sets_name_known_dimensions_once() {
        let many: Vec<_> = (0..31).map(|n| format!("\"n{n}\"")).collect();
        // Definitions are to be used.
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
        assert_faults(
            &document(&format!("[[{}]]", many.join(", "))),
            &["dimension_sets[0]: has 31 dimensions; CloudWatch takes at most 30"],
        );
        let starts = [
            "dimension_sets[0][1]: there is no dimension \"Host\"; known are host, method, ",
            "dimension_sets[0][2]: \"host\" is there twice",
            "dimension_sets[1]: must be a list",
            "dimension_sets[3]: is the same set as dimension_sets[1]",
        ];
        assert_faults(&document(r#"[["host", "Host", "host"], 5, ["status", "n1"], ["n1", "status"]]"#), &starts);
        assert_faults(&document("[]"), &["dimension_sets: must have 1 to 32 sets"]);
        for (count, fits) in [(31, true), (32, true), (33, false)] {
            let names = [&["\"host\"".to_owned(), "\"path\"".to_owned()][..], &many].concat();
            let sets: Vec<_> = names[..count].iter().map(|name| format!("[{name}]")).collect();
            let document = document(&format!("[{}]", sets.join(", ")));
            assert_eq!(config(&document).is_ok(), fits, "{count}");
        }
    }

    #[test]
    fn templates_do_not_clash_and_are_there_when_needed() {
        let document =
            |rest: &str| format!(r#"{{"receiver_vm_id": "r", "dimension_sets": [["path_template"]]{rest}}}"#);
        let clash = r#", "path_templates": ["/a/{b}", "a", "/a/{c}"], "normalize_path": true"#;
        let starts = [
            "path_templates[1]: \"a\" is not a path template",
            "path_templates[2]: \"/a/{c}\" matches the same paths as \"/a/{b}\"",
            "normalize_path: is for configurations without path_templates",
        ];
        assert_faults(&document(clash), &starts);
        assert_faults(&document(""), &["dimension_sets: the dimension path_template needs path_templates"]);
        assert!(config(&document(r#", "normalize_path": true"#)).is_ok());
    }

    #[test]
    fn entity_and_zeros_are_checked() {
        let document = r#"{"receiver_vm_id": "r", "entity": {"environment": ""}, "publish_zeros": {"minute": 1}}"#;
        let starts = [
            "entity.service_name: is required",
            "entity.environment: must have at least one character",
            "publish_zeros.minute: unknown key",
            "publish_zeros.minutes: is required",
        ];
        assert_faults(document, &starts);
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
