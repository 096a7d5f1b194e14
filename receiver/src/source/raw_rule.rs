//! Validates the rules of a source.

use acpw_config::{Field, Members, Object, ShortOr, ValidationErrors};
use acpw_metric::{DimensionName, DimensionValue, MetricName, StorageResolution};

use super::{
    name_pattern::NamePattern,
    rule::{Combine, DimensionSource, Rule, ValueType},
    shared_keys::{check_dimension_count, resolution, unit_and_scale},
};
use crate::environment::Environment;

/// The maximum number of rules per source.
pub const MAX_RULES: usize = 1_000;

acpw_config::object! {
    /// Selects metrics of a target and defines how they are published. Every rule that matches a metric publishes it.
    pub struct RawRule {
        /// The name of the metrics at the target, in which each `*` matches any number of characters. Include `_total`
        /// of a counter; leave out `_bucket`, `_count` and `_sum` of a histogram or summary. Required.
        metric: String,
        /// The name in CloudWatch. Metrics with the same name are published together. Default: the name at the target.
        name: String,
        /// The unit in CloudWatch. Default: `Seconds` for names that end with `_seconds` or `_seconds_total`, `Bytes`
        /// for names that end with `_bytes` or `_bytes_total`, otherwise `Count` for counters and `None` for all
        /// others.
        unit: String,
        /// A factor for values, such as 1000 to convert seconds to milliseconds. Requires `unit`. Default: 1.
        scale: f64,
        /// Dimensions by name: a constant text, or an object with the source of the value. They are added to the
        /// target's dimensions. Series that differ only in other labels are published together. Default: none.
        dimensions: Members<ShortOr<RawRuleDimension>>,
        /// The way to combine gauges that are published together. `sum` adds them up. `samples` makes each a sample, so
        /// that CloudWatch shows their minimum, average and maximum. Default: `sum`.
        combine: String,
        /// The type of single values, `counter` or `gauge`. It overrides the target's. Default: the type that the
        /// target declares, or `gauge` if it declares none.
        metric_type: String,
        /// The storage resolution in seconds: 60 or, for high resolution, 1. Default: 60.
        storage_resolution: u64,
    }
}

acpw_config::object! {
    /// The source of a dimension's value: exactly one of `value`, `environment` and `label`.
    pub struct RawRuleDimension {
        /// A constant text.
        value: String,
        /// A variable of `vm_config.environment_variables`, which is read once.
        environment: String,
        /// A label of the metric.
        label: String,
        /// The value if the label or variable does not exist. Default: this rule does not publish series without the
        /// label.
        default: String,
    }
}

/// Validates a key `rules`. The `fixed` dimensions are added to all rules.
pub(super) fn rules(
    raw: Field<Vec<Field<RawRule>>>,
    fixed: &[(DimensionName, DimensionSource)],
    path: &str,
    environment: Environment<'_>,
    errors: &mut ValidationErrors,
) -> Vec<Rule> {
    let Some(raw) = raw.required(path, errors) else { return Vec::new() };
    if !(1..=MAX_RULES).contains(&raw.len()) {
        errors.add(path, format_args!("must have 1 to {MAX_RULES} rules"));
    }
    let mut rules = Vec::with_capacity(raw.len());
    for (index, raw) in raw.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let rule = raw.required(&path, errors).and_then(|raw| raw.check(fixed, &path, environment, errors));
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
        errors: &mut ValidationErrors,
    ) -> Option<Rule> {
        self.check_keys(path, errors);
        let key = |key: &str| [path, ".", key].concat();
        let metric = self.metric.required(key("metric"), errors);
        if metric.as_deref() == Some("") {
            errors.add(key("metric"), "must not be empty");
        }
        let name = self.name.optional(key("name"), errors);
        let name = name.and_then(|name| errors.checked(key("name"), MetricName::new(&name)));
        let (unit, scale) = unit_and_scale(self.unit, self.scale, path, errors);
        if scale.is_some() && unit.is_none() {
            errors.add(key("unit"), "is required with scale");
        }
        let resolution =
            resolution(self.storage_resolution, StorageResolution::Standard, &key("storage_resolution"), errors);
        let combine = match self.combine.optional(key("combine"), errors).as_deref() {
            None | Some("sum") => Combine::Sum,
            Some("samples") => Combine::Samples,
            Some(_) => {
                errors.add(key("combine"), "must be \"sum\" or \"samples\"");
                Combine::Sum
            }
        };
        let single = match self.metric_type.optional(key("metric_type"), errors).as_deref() {
            None => None,
            Some("counter") => Some(ValueType::Counter),
            Some("gauge") => Some(ValueType::Gauge),
            Some(_) => {
                errors.add(key("metric_type"), "must be \"counter\" or \"gauge\"");
                None
            }
        };
        let path = key("dimensions");
        let mut dimensions = dimensions(self.dimensions, &path, environment, errors);
        for (name, source) in fixed {
            match dimensions.iter().any(|(known, _)| known == name) {
                true => errors
                    .add(&path, format_args!("\"{name}\" is already a dimension of all rules; remove one of the two")),
                false => dimensions.push((name.clone(), source.clone())),
            }
        }
        check_dimension_count(dimensions.len(), &path, errors);
        let metric = NamePattern::new(&metric?);
        let scale = scale.unwrap_or(1.0);
        Some(Rule { metric, name, unit, scale, resolution, dimensions, combine, single })
    }
}

/// Validates a key `dimensions`.
pub(super) fn dimensions(
    raw: Field<Members<ShortOr<RawRuleDimension>>>,
    path: &str,
    environment: Environment<'_>,
    errors: &mut ValidationErrors,
) -> Vec<(DimensionName, DimensionSource)> {
    let mut dimensions = Vec::new();
    for (name, raw) in raw.optional(path, errors).unwrap_or_default().0 {
        let path = format!("{path}.{}", name.escape_default());
        let name = errors.checked(&path, DimensionName::new(&name));
        let source = match raw.required(&path, errors) {
            Some(ShortOr::Short(text)) => {
                errors.checked(&path, DimensionValue::new(&text)).map(DimensionSource::Constant)
            }
            Some(ShortOr::Full(raw)) => raw.check(&path, environment, errors),
            None => None,
        };
        dimensions.extend(name.zip(source));
    }
    dimensions
}

impl RawRuleDimension {
    fn check(self, path: &str, environment: Environment<'_>, errors: &mut ValidationErrors) -> Option<DimensionSource> {
        self.check_keys(path, errors);
        let key = |key: &str| [path, ".", key].concat();
        let default = self.default.optional(key("default"), errors);
        let default = default.and_then(|text| errors.checked(key("default"), DimensionValue::new(&text)));
        let value = self.value.optional(key("value"), errors);
        let variable = self.environment.optional(key("environment"), errors);
        let label = self.label.optional(key("label"), errors);
        match (value, variable, label) {
            (Some(value), None, None) => {
                errors.checked(key("value"), DimensionValue::new(&value)).map(DimensionSource::Constant)
            }
            (None, Some(variable), None) => match (environment(&variable), default) {
                (Some(value), _) => {
                    errors.checked(key("environment"), DimensionValue::new(&value)).map(DimensionSource::Constant)
                }
                (None, Some(default)) => Some(DimensionSource::Constant(default)),
                (None, None) => {
                    let name = variable.escape_default();
                    let message = format!(
                        "\"{name}\" is not set in vm_config.environment_variables; set it there, or set default"
                    );
                    errors.add(key("environment"), message);
                    None
                }
            },
            (None, None, Some(label)) => Some(DimensionSource::Label(label, default)),
            _ => {
                errors.add(path, "must have exactly one of value, environment and label");
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
        let mut errors = ValidationErrors::default();
        let environment = |name: &str| (name == "SERVICE").then(|| "images".to_owned());
        let fixed =
            [(DimensionName::new("Fixed").unwrap(), DimensionSource::Constant(DimensionValue::new("f").unwrap()))];
        let rules = rules(Field::from_json(document), &fixed, "rules", &environment, &mut errors);
        (rules, errors.lines().collect())
    }

    fn labels<'a>(labels: &[(&'a str, &'a str)]) -> Vec<Label<'a>> {
        labels.iter().map(|(name, value)| Label { name: (*name).into(), value: (*value).into() }).collect()
    }

    #[test]
    fn rules_are_parsed() {
        let (rules, errors) = read(serde_json::json!([
            {"metric": "buffer_size_bytes", "name": "BufferSize", "dimensions": {
                "BufferType": {"label": "type"}, "ServiceName": {"environment": "SERVICE"}, "Stage": "prod",
                "Zone": {"label": "zone", "default": "none"}, "Of": {"environment": "ABSENT", "default": "d"}
            }},
            {"metric": "x_seconds_total", "scale": 1000, "unit": "Milliseconds", "storage_resolution": 1,
             "combine": "samples", "metric_type": "counter"}
        ]));
        assert_eq!(errors, Vec::<String>::new());
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
    fn all_errors_are_reported_with_their_paths() {
        let (_, errors) = read(serde_json::json!([
            {"name": "", "unit": "Furlongs", "scale": 0, "combine": "max", "metric_type": "info", "storage_resolution": 5,
             "dimensions": {":x": "y", "A": "", "B": {}, "C": {"environment": "NO"}, "D": {"label": 5}, "Fixed": "g"}},
            {"metric": "a", "scale": 2, "nmae": "b"},
            7
        ]));
        let starts = [
            "rules[0].metric: is required",
            "rules[0].name: must have at least one character",
            "rules[0].unit: CloudWatch has no unit \"Furlongs\"",
            "rules[0].scale: must be greater than 0",
            "rules[0].unit: is required with scale",
            "rules[0].storage_resolution: must be 1 or 60",
            "rules[0].combine: must be",
            "rules[0].metric_type: must be",
            "rules[0].dimensions.:x: must not start with",
            "rules[0].dimensions.A: must have at least one character",
            "rules[0].dimensions.B: must have exactly one of",
            "rules[0].dimensions.C.environment: \"NO\" is not set in vm_config.environment_variables",
            "rules[0].dimensions.D.label: must be a string",
            "rules[0].dimensions.D: must have exactly one of",
            "rules[0].dimensions: \"Fixed\" is already a dimension of all rules",
            "rules[1].nmae: unknown key",
            "rules[1].unit: is required with scale",
            "rules[2]: must be an object",
        ];
        assert_eq!(errors.len(), starts.len(), "{errors:#?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(start), "{error} {start}");
        }
        assert_eq!(read(serde_json::json!(null)).1, ["rules: is required"]);
        assert_eq!(read(serde_json::json!([])).1, ["rules: must have 1 to 1000 rules"]);
        for (rules, is_good) in [(MAX_RULES - 1, true), (MAX_RULES, true), (MAX_RULES + 1, false)] {
            let errors = read(vec![serde_json::json!({"metric": "a"}); rules].into()).1;
            assert_eq!(errors.is_empty(), is_good, "{rules}");
        }
        assert!(f64::from_json(serde_json::json!(1)).is_some());
    }
}
