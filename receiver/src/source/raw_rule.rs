//! The rules of a source in the configuration.

use acpw_config::{Faults, Field, Members, Object, ShortOr};
use acpw_metric::{DimensionName, DimensionValue, MetricName, StorageResolution};

use super::{
    config::Environment,
    name_pattern::NamePattern,
    rule::{Combine, DimensionSource, Rule, ValueType},
    shared_keys::{check_dimension_count, resolution, unit_and_scale},
};

/// The most rules of a source.
pub const MAX_RULES: usize = 1_000;

acpw_config::object! {
    /// Which metrics of a target are published, and as what. A metric is published by every rule that matches its name.
    pub struct RawRule {
        /// The metrics' name at the target, in which each `*` stands for any number of characters: that of a counter with its
        /// `_total`, that of a histogram or summary without `_bucket`, `_count` and `_sum`. Required.
        metric: String,
        /// The name in CloudWatch. Metrics that are given the same one here are published together. Default: the one at the
        /// target.
        name: String,
        /// The unit in CloudWatch. Default: `Seconds` where the target's name ends with `_seconds`, `Bytes` where with
        /// `_bytes`, `_total` aside; else `Count` for counters and `None` for everything else.
        unit: String,
        /// What values are multiplied by, such as 1000 for milliseconds of seconds; needs `unit`. Default: 1.
        scale: f64,
        /// Dimensions by their names: a text that is always the same, or an object that tells where the value comes from.
        /// Series that differ only in other labels are published together. They are added to the target's own. Default: none.
        dimensions: Members<ShortOr<RawRuleDimension>>,
        /// What becomes of gauges that are published together: `sum` adds them up; `samples` makes each a sample, so that
        /// their minimum, average and maximum can be had. Default: `sum`.
        combine: String,
        /// `counter` or `gauge`: what single values are, whatever the target says. Default: what the target says, and
        /// `gauge` where it says nothing.
        metric_type: String,
        /// The length of CloudWatch's periods in seconds: 60 or, for high resolution, 1. Default: 60.
        storage_resolution: u64,
    }
}

acpw_config::object! {
    /// Where the value of a dimension comes from: exactly one of the keys besides `default`.
    pub struct RawRuleDimension {
        /// A text that is always the same.
        value: String,
        /// A variable of `vm_config.environment_variables`, read once.
        environment: String,
        /// A label of the metric.
        label: String,
        /// The value where there is no such label or variable. Default: series without it are not published by this rule.
        default: String,
    }
}

/// The key `rules` of a source; `fixed` dimensions are those of all rules.
pub(super) fn rules(
    raw: Field<Vec<Field<RawRule>>>,
    fixed: &[(DimensionName, DimensionSource)],
    path: &str,
    environment: Environment<'_>,
    faults: &mut Faults,
) -> Vec<Rule> {
    let Some(raw) = raw.required(path, faults) else { return Vec::new() };
    if !(1..=MAX_RULES).contains(&raw.len()) {
        faults.add(path, format_args!("must have 1 to {MAX_RULES} rules"));
    }
    let mut rules = Vec::with_capacity(raw.len());
    for (index, raw) in raw.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let rule = raw.required(&path, faults).and_then(|raw| raw.check(fixed, &path, environment, faults));
        rules.extend(rule);
    }
    rules
}

impl RawRule {
    fn check(
        self,
        fixed: &[(DimensionName, DimensionSource)],
        path: &str,
        environment: Environment<'_>,
        faults: &mut Faults,
    ) -> Option<Rule> {
        self.check_keys(path, faults);
        let key = |key: &str| [path, ".", key].concat();
        let metric = self.metric.required(key("metric"), faults);
        if metric.as_deref() == Some("") {
            faults.add(key("metric"), "must not be empty");
        }
        let name = self.name.optional(key("name"), faults);
        let name = name.and_then(|name| faults.checked(key("name"), MetricName::new(&name)));
        let (unit, scale) = unit_and_scale(self.unit, self.scale, path, faults);
        if scale.is_some() && unit.is_none() {
            faults.add(key("unit"), "is required where there is a scale");
        }
        let resolution =
            resolution(self.storage_resolution, StorageResolution::Standard, &key("storage_resolution"), faults);
        let combine = match self.combine.optional(key("combine"), faults).as_deref() {
            None | Some("sum") => Combine::Sum,
            Some("samples") => Combine::Samples,
            Some(_) => {
                faults.add(key("combine"), "must be \"sum\" or \"samples\"");
                Combine::Sum
            }
        };
        let single = match self.metric_type.optional(key("metric_type"), faults).as_deref() {
            None => None,
            Some("counter") => Some(ValueType::Counter),
            Some("gauge") => Some(ValueType::Gauge),
            Some(_) => {
                faults.add(key("metric_type"), "must be \"counter\" or \"gauge\"");
                None
            }
        };
        let path = key("dimensions");
        let mut dimensions = dimensions(self.dimensions, &path, environment, faults);
        for (name, source) in fixed {
            match dimensions.iter().any(|(known, _)| known == name) {
                true => faults.add(&path, format_args!("\"{name}\" is one of all rules already")),
                false => dimensions.push((name.clone(), source.clone())),
            }
        }
        check_dimension_count(dimensions.len(), &path, faults);
        let metric = NamePattern::new(&metric?);
        let scale = scale.unwrap_or(1.0);
        Some(Rule { metric, name, unit, scale, resolution, dimensions, combine, single })
    }
}

/// Dimensions as they are written.
pub(super) fn dimensions(
    raw: Field<Members<ShortOr<RawRuleDimension>>>,
    path: &str,
    environment: Environment<'_>,
    faults: &mut Faults,
) -> Vec<(DimensionName, DimensionSource)> {
    let mut dimensions = Vec::new();
    for (name, raw) in raw.optional(path, faults).unwrap_or_default().0 {
        let path = format!("{path}.{}", name.escape_default());
        let name = faults.checked(&path, DimensionName::new(&name));
        let source = match raw.required(&path, faults) {
            Some(ShortOr::Short(text)) => {
                faults.checked(&path, DimensionValue::new(&text)).map(DimensionSource::Constant)
            }
            Some(ShortOr::Full(raw)) => raw.check(&path, environment, faults),
            None => None,
        };
        dimensions.extend(name.zip(source));
    }
    dimensions
}

impl RawRuleDimension {
    fn check(self, path: &str, environment: Environment<'_>, faults: &mut Faults) -> Option<DimensionSource> {
        self.check_keys(path, faults);
        let key = |key: &str| [path, ".", key].concat();
        let default = self.default.optional(key("default"), faults);
        let default = default.and_then(|text| faults.checked(key("default"), DimensionValue::new(&text)));
        let value = self.value.optional(key("value"), faults);
        let variable = self.environment.optional(key("environment"), faults);
        let label = self.label.optional(key("label"), faults);
        match (value, variable, label) {
            (Some(value), None, None) => {
                faults.checked(key("value"), DimensionValue::new(&value)).map(DimensionSource::Constant)
            }
            (None, Some(variable), None) => match (environment(&variable), default) {
                (Some(value), _) => {
                    faults.checked(key("environment"), DimensionValue::new(&value)).map(DimensionSource::Constant)
                }
                (None, Some(default)) => Some(DimensionSource::Constant(default)),
                (None, None) => {
                    let name = variable.escape_default();
                    let message =
                        format!("the environment variable \"{name}\" is not set for this VM and has no default");
                    faults.add(key("environment"), message);
                    None
                }
            },
            (None, None, Some(label)) => Some(DimensionSource::Label(label, default)),
            _ => {
                faults.add(path, "needs exactly one of value, environment and label");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use acpw_config::FromJson;
    use acpw_metric::Unit;

    use super::{
        super::reading::{Label, SeriesKind},
        *,
    };

    fn read(document: serde_json::Value) -> (Vec<Rule>, Vec<String>) {
        let mut faults = Faults::default();
        let environment = |name: &str| (name == "SERVICE").then(|| "images".to_owned());
        let fixed =
            [(DimensionName::new("Fixed").unwrap(), DimensionSource::Constant(DimensionValue::new("f").unwrap()))];
        let rules = rules(Field::from_json(document), &fixed, "rules", &environment, &mut faults);
        (rules, faults.lines().collect())
    }

    fn labels<'a>(labels: &[(&'a str, &'a str)]) -> Vec<Label<'a>> {
        labels.iter().map(|(name, value)| Label { name: (*name).into(), value: (*value).into() }).collect()
    }

    #[test]
    fn a_rule_says_what_a_metric_is_published_as() {
        let (rules, faults) = read(serde_json::json!([
            {"metric": "buffer_size_bytes", "name": "BufferSize", "dimensions": {
                "BufferType": {"label": "type"}, "ServiceName": {"environment": "SERVICE"}, "Stage": "prod",
                "Zone": {"label": "zone", "default": "none"}, "Of": {"environment": "ABSENT", "default": "d"}
            }},
            {"metric": "x_seconds_total", "scale": 1000, "unit": "Milliseconds", "storage_resolution": 1,
             "combine": "samples", "metric_type": "counter"}
        ]));
        assert_eq!(faults, Vec::<String>::new());
        let metric = rules[0].published("buffer_size_bytes", SeriesKind::Gauge).unwrap();
        assert_eq!((metric.name.as_str(), metric.unit), ("BufferSize", Unit::BYTES));
        let dimensions = rules[0].dimensions_of(&labels(&[("type", "downlo\u{e4}d"), ("other", "o")])).unwrap();
        let expected = [
            ("BufferType", "downlo%C3%A4d"),
            ("Fixed", "f"),
            ("Of", "d"),
            ("ServiceName", "images"),
            ("Stage", "prod"),
            ("Zone", "none"),
        ];
        assert_eq!(dimensions.iter().collect::<Vec<_>>(), expected);
        assert_eq!(rules[0].dimensions_of(&labels(&[("other", "o")])), None);
        assert_eq!(rules[0].dimensions_of(&labels(&[("type", " ")])), None);
        let metric = rules[1].published("x_seconds_total", SeriesKind::Counter).unwrap();
        assert_eq!((metric.name.as_str(), metric.unit), ("x_seconds_total", Unit::MILLISECONDS));
        assert_eq!(
            (metric.resolution, rules[1].scale, rules[1].combine),
            (StorageResolution::High, 1e3, Combine::Samples)
        );
    }

    #[test]
    fn every_fault_is_told_with_its_path() {
        let (_, faults) = read(serde_json::json!([
            {"name": "", "unit": "Furlongs", "scale": 0, "combine": "max", "metric_type": "info", "storage_resolution": 5,
             "dimensions": {":x": "y", "A": "", "B": {}, "C": {"environment": "NO"}, "D": {"label": 5}, "Fixed": "g"}},
            {"metric": "a", "scale": 2, "nmae": "b"},
            7
        ]));
        let starts = [
            "rules[0].metric: is required",
            "rules[0].name: must have at least one character",
            "rules[0].unit: CloudWatch has no unit \"Furlongs\"",
            "rules[0].scale: must be above 0",
            "rules[0].unit: is required where there is a scale",
            "rules[0].storage_resolution: must be 1 or 60",
            "rules[0].combine: must be",
            "rules[0].metric_type: must be",
            "rules[0].dimensions.:x: must not start with",
            "rules[0].dimensions.A: must have at least one character",
            "rules[0].dimensions.B: needs exactly one of",
            "rules[0].dimensions.C.environment: the environment variable \"NO\" is not set",
            "rules[0].dimensions.D.label: must be a string",
            "rules[0].dimensions.D: needs exactly one of",
            "rules[0].dimensions: \"Fixed\" is one of all rules already",
            "rules[1].nmae: unknown key",
            "rules[1].unit: is required where there is a scale",
            "rules[2]: must be an object",
        ];
        assert_eq!(faults.len(), starts.len(), "{faults:#?}");
        for (fault, start) in faults.iter().zip(starts) {
            assert!(fault.starts_with(start), "{fault} {start}");
        }
        assert_eq!(read(serde_json::json!(null)).1, ["rules: is required"]);
        assert_eq!(read(serde_json::json!([])).1, ["rules: must have 1 to 1000 rules"]);
        for (rules, is_good) in [(MAX_RULES - 1, true), (MAX_RULES, true), (MAX_RULES + 1, false)] {
            let faults = read(vec![serde_json::json!({"metric": "a"}); rules].into()).1;
            assert_eq!(faults.is_empty(), is_good, "{rules}");
        }
        assert!(f64::from_json(serde_json::json!(1)).is_some());
    }
}
