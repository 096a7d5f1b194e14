//! Validates the key `envoy_stats` of the configuration.

use std::{rc::Rc, time::Duration};

use acpw_config::{Field, Members, Object, ShortOr, ValidationErrors, comma_separated};
use acpw_metric::{DimensionName, Metric, MetricName, StorageResolution, Unit};

use super::{
    EnvoyStats,
    presets::{GROUPS, PresetGroup, PresetMetric},
    rule::{Conditions, StatType, StatsRule, StatsRuleMetric},
    stat_pattern::{Condition, StatPattern},
};
use crate::environment::Environment;
use crate::source::{
    Publish, Reader, SourceConfig,
    raw_rule::{RawRuleDimension, dimensions},
    rule::DimensionSource,
    shared_keys::{check_dimension_count, namespace, resolution, unit_and_scale},
};

/// The time limit for a response. The admin interface runs on the main thread, which may be busy.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum number of rules. Their patterns are part of a request's path.
const MAX_RULES: usize = 64;

acpw_config::object! {
    /// Envoy's own stats, from its admin interface.
    pub struct RawEnvoyStats {
        /// The name of the Envoy cluster of the admin interface. Required.
        cluster_name: String,
        /// The namespace of these metrics. Default: the receiver's `metric_namespace`.
        metric_namespace: String,
        /// The time between two polls, 1,000 to 3,600,000. Default: 10000.
        interval_millisecond: u64,
        /// Groups of preset rules: `upstream`, `downstream`, `virtual_host` and `server`. Default: none.
        groups: Vec<Field<String>>,
        /// Rules for other stats. Groups or rules are required. Default: none.
        rules: Vec<Field<RawStatsRule>>,
        /// Dimensions by name, in addition to the placeholders of patterns: a constant text, or an object with the
        /// source of the value, in which a `label` is a placeholder. Groups have the constant texts and environment
        /// variables too.
        dimensions: Members<ShortOr<RawRuleDimension>>,
        /// The maximum size of a response, 1,024 to 16,777,216. A longer one is refused. Default: 4194304.
        answer_limit_bytes: u64,
        /// The maximum number of counters, of gauges and of histograms, 1 to 20,000. Default: 2000.
        max_stats: u64,
    }
}

acpw_config::object! {
    /// Publishes stats of one type and pattern. Exactly one of `counter`, `gauge` and `histogram` is required.
    pub struct RawStatsRule {
        /// The names of counters with placeholders, such as `cluster.{cluster}.upstream_rq_total`. `{name}` matches
        /// text without dots, and `{name*}` any text. The first placeholder after `cluster.` or `http.` matches the
        /// whole name of a cluster or connection manager.
        counter: String,
        /// The names of gauges, with placeholders.
        gauge: String,
        /// The names of histograms, with placeholders.
        histogram: String,
        /// The metrics to publish, as names or objects. Required.
        metrics: Vec<Field<ShortOr<RawStatsMetric>>>,
        /// Lists of placeholders and of names in `dimensions`. Stats that differ only in other placeholders are
        /// published together. A set with an empty value is not published. Default: one set of all placeholders and
        /// constants.
        dimension_sets: Vec<Field<Vec<Field<String>>>>,
    }
}

acpw_config::object! {
    /// A metric to publish.
    pub struct RawStatsMetric {
        /// The name in CloudWatch. Required.
        name: String,
        /// The unit in CloudWatch. With the unit Count, a counter publishes each event as a value of 1; with another
        /// unit, it publishes its increase as one value. Default: Count, or Milliseconds for histograms.
        unit: String,
        /// A factor for values, such as 0.001 to convert microseconds to milliseconds. Default: 1.
        scale: f64,
        /// Conditions by placeholder; stats that do not meet them are ignored. In a condition, each `*` matches any
        /// number of characters, and a leading `!` negates it. Default: none.
        only: Members<String>,
        /// Conditions by placeholder, for counters: an event has the value 1 if they are met and 0 otherwise, so that
        /// Average is a ratio. Default: all events have the value 1.
        ones: Members<String>,
        /// The storage resolution in seconds: 60 or, for high resolution, 1. Default: 60.
        storage_resolution: u64,
    }
}

impl RawEnvoyStats {
    pub(in crate::source) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        errors: &mut ValidationErrors,
    ) -> Option<(SourceConfig, Reader)> {
        let key = |key: &str| [path, ".", key].concat();
        let cluster = self.cluster_name.required(key("cluster_name"), errors);
        let interval =
            self.interval_millisecond.within(&key("interval_millisecond"), 1_000..=3_600_000, 10_000, errors);
        let namespace = namespace(self.metric_namespace, &key("metric_namespace"), errors);
        let limit = self.max_stats.within(&key("max_stats"), 1..=20_000, 2_000, errors);
        let answer_limit =
            self.answer_limit_bytes.within(&key("answer_limit_bytes"), 1 << 10..=1 << 24, 4 << 20, errors);
        let defined = dimensions(self.dimensions, &key("dimensions"), environment, errors);
        let mut rules = Vec::new();
        for (index, group) in self.groups.optional(key("groups"), errors).into_iter().flatten().enumerate() {
            let path = key(&format!("groups[{index}]"));
            let Some(name) = group.required(&path, errors) else { continue };
            match GROUPS.iter().find(|group| group.name == name) {
                Some(group) => {
                    for metric in group.metrics {
                        rules.extend(preset_rule(group, metric, &defined, &path, errors));
                    }
                }
                None => {
                    let known = comma_separated(&mut GROUPS.iter().map(|group| group.name));
                    let name = name.escape_default();
                    errors.add(path, format_args!("unknown group \"{name}\"; use one of {known}"));
                }
            }
        }
        let raw_rules = self.rules.optional(key("rules"), errors).unwrap_or_default();
        if raw_rules.len() > MAX_RULES {
            errors.add(key("rules"), format_args!("must have at most {MAX_RULES} rules"));
        } else if raw_rules.is_empty() && rules.is_empty() && errors.is_empty() {
            errors.add(path, "must have groups or rules");
        }
        for (index, rule) in raw_rules.into_iter().enumerate() {
            let path = key(&format!("rules[{index}]"));
            rules.extend(rule.required(&path, errors).and_then(|rule| rule.check(&defined, &path, errors)));
        }
        // Not after other errors: if a set misspells a dimension, the intended one only seems unused.
        if errors.is_empty() {
            check_use(&defined, &rules, &key("dimensions"), errors);
        }
        let cluster = cluster?;
        let config = SourceConfig {
            name: path.to_owned(),
            authority: cluster.clone(),
            cluster,
            interval: Duration::from_millis(interval),
            timeout: TIMEOUT,
            answer_limit: usize::try_from(answer_limit).unwrap_or(usize::MAX),
            publish: Publish::Interval,
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Some((config, Reader::Envoy(Box::new(EnvoyStats::new(rules, limit, namespace)))))
    }
}

/// Adds an error for each defined dimension that no dimension set contains.
fn check_use(
    defined: &[(DimensionName, DimensionSource)],
    rules: &[StatsRule],
    path: &str,
    errors: &mut ValidationErrors,
) {
    let used = || rules.iter().flat_map(|rule| &rule.sets).flatten();
    for (name, _) in defined.iter().filter(|(name, _)| !used().any(|(known, _)| known == name)) {
        let path = format_args!("{path}.{}", name.as_str());
        errors.add(path, "has no effect because no dimension set contains it; add it to one, or remove it");
    }
}

/// Returns the rule for a metric of a group.
fn preset_rule(
    group: &PresetGroup,
    metric: &PresetMetric,
    defined: &[(DimensionName, DimensionSource)],
    path: &str,
    errors: &mut ValidationErrors,
) -> Option<StatsRule> {
    let (pattern, name) = group.names(metric);
    let (kind, _, _, unit) = *metric;
    let pattern = StatPattern::new(&pattern).ok()?;
    let metric = Metric { name: MetricName::new(&name).ok()?, unit, resolution: StorageResolution::Standard };
    let sets = vec![default_set(&pattern, defined, path, errors)];
    let metrics = vec![StatsRuleMetric { metric, scale: 1.0, only: Conditions::default(), ones: None }];
    Some(StatsRule { kind, pattern, metrics, sets })
}

impl RawStatsRule {
    fn check(
        self,
        defined: &[(DimensionName, DimensionSource)],
        path: &str,
        errors: &mut ValidationErrors,
    ) -> Option<StatsRule> {
        self.check_keys(path, errors);
        let key = |key: &str| [path, ".", key].concat();
        let keys = [
            (StatType::Counter, "counter", self.counter),
            (StatType::Gauge, "gauge", self.gauge),
            (StatType::Histogram, "histogram", self.histogram),
        ];
        let mut given = keys.into_iter().filter(|(_, _, field)| !matches!(field, Field::Absent));
        let (Some((kind, name, field)), None) = (given.next(), given.next()) else {
            errors.add(path, "must have exactly one of counter, gauge and histogram");
            return None;
        };
        let pattern = field.required(key(name), errors)?;
        let pattern = errors.checked(key(name), StatPattern::new(&pattern))?;
        let raw_metrics = self.metrics.required(key("metrics"), errors).unwrap_or_default();
        if raw_metrics.is_empty() && errors.is_empty() {
            errors.add(key("metrics"), "must have at least one metric");
        }
        let mut metrics = Vec::with_capacity(raw_metrics.len());
        for (index, metric) in raw_metrics.into_iter().enumerate() {
            let path = key(&format!("metrics[{index}]"));
            let raw = match metric.required(&path, errors) {
                Some(ShortOr::Short(name)) => RawStatsMetric { name: Field::Valid(name), ..RawStatsMetric::default() },
                Some(ShortOr::Full(raw)) => raw,
                None => continue,
            };
            metrics.extend(raw.check(kind, &pattern, &path, errors));
        }
        let path = key("dimension_sets");
        let mut sets = Vec::new();
        match self.dimension_sets.optional(&path, errors) {
            Some(raw) => {
                for (index, set) in raw.into_iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    let names = set.required(&path, errors).unwrap_or_default();
                    sets.push(checked_set(names, &pattern, defined, &path, errors));
                }
            }
            None => sets.push(default_set(&pattern, defined, &path, errors)),
        }
        Some(StatsRule { kind, pattern, metrics, sets })
    }
}

impl RawStatsMetric {
    fn check(
        self,
        kind: StatType,
        pattern: &StatPattern,
        path: &str,
        errors: &mut ValidationErrors,
    ) -> Option<StatsRuleMetric> {
        self.check_keys(path, errors);
        let key = |key: &str| [path, ".", key].concat();
        let name = self.name.required(key("name"), errors);
        let name = name.and_then(|name| errors.checked(key("name"), MetricName::new(&name)));
        let (unit, scale) = unit_and_scale(self.unit, self.scale, path, errors);
        let unit = unit.unwrap_or(if kind == StatType::Histogram { Unit::MILLISECONDS } else { Unit::COUNT });
        let resolution =
            resolution(self.storage_resolution, StorageResolution::Standard, &key("storage_resolution"), errors);
        let only = conditions(self.only, pattern, &key("only"), errors).unwrap_or_default();
        let ones = conditions(self.ones, pattern, &key("ones"), errors);
        if ones.is_some() && kind != StatType::Counter {
            errors.add(key("ones"), "is only valid for counters");
        }
        Some(StatsRuleMetric {
            metric: Metric { name: name?, unit, resolution },
            scale: scale.unwrap_or(1.0),
            only,
            ones,
        })
    }
}

fn conditions(
    raw: Field<Members<String>>,
    pattern: &StatPattern,
    path: &str,
    errors: &mut ValidationErrors,
) -> Option<Conditions> {
    let mut conditions = Vec::new();
    for (name, text) in raw.optional(path, errors)?.0 {
        let path = format!("{path}.{}", name.escape_default());
        let text = text.required(&path, errors);
        match pattern.placeholder(&name) {
            Some(index) => conditions.extend(text.map(|text| (index, Condition::new(&text)))),
            None => errors.add(path, "the pattern has no placeholder of this name"),
        }
    }
    Some(Conditions(Rc::from(conditions)))
}

/// Returns the default dimension set: all placeholders and all constants.
fn default_set(
    pattern: &StatPattern,
    defined: &[(DimensionName, DimensionSource)],
    path: &str,
    errors: &mut ValidationErrors,
) -> Vec<(DimensionName, DimensionSource)> {
    let mut names = Vec::new();
    for placeholder in pattern.placeholders() {
        names.push(Field::Valid(placeholder.to_owned()));
    }
    for (name, source) in defined {
        if matches!(source, DimensionSource::Constant(_)) {
            names.push(Field::Valid(name.as_str().to_owned()));
        }
    }
    checked_set(names, pattern, defined, path, errors)
}

/// Validates the names of a dimension set and returns the source of each dimension.
fn checked_set(
    names: Vec<Field<String>>,
    pattern: &StatPattern,
    defined: &[(DimensionName, DimensionSource)],
    path: &str,
    errors: &mut ValidationErrors,
) -> Vec<(DimensionName, DimensionSource)> {
    check_dimension_count(names.len(), path, errors);
    let mut set: Vec<(DimensionName, DimensionSource)> = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(name) = name.required(&path, errors) else { continue };
        let source = match defined.iter().find(|(known, _)| known.as_str() == name) {
            Some((_, source)) => source.clone(),
            None => DimensionSource::Label(name.clone(), None),
        };
        if let DimensionSource::Label(placeholder, _) = &source
            && pattern.placeholder(placeholder).is_none()
        {
            let placeholder = placeholder.escape_default();
            let message =
                format_args!("neither a placeholder of the pattern nor a key of dimensions is named \"{placeholder}\"");
            errors.add(path, message);
            continue;
        }
        let Some(name) = errors.checked(&path, DimensionName::new(&name)) else { continue };
        if set.iter().any(|(known, _)| *known == name) {
            errors.add(path, format_args!("\"{name}\" is listed twice; remove one entry"));
        } else {
            set.push((name, source));
        }
    }
    set
}
