//! Validates the keys `metrics`, `time_unit` and `concurrency`.

use acpw_config::{Field, Object, ShortOr, ValidationErrors, comma_separated};
use acpw_metric::{MergeRule, Metric, MetricName, StorageResolution, Unit};

use super::{add_no_effect, raw::RawMetric};
use crate::builtin_metric::{BUILTIN_METRICS, BuiltinMetric};

/// The metrics of a configuration.
#[derive(Clone, Debug)]
pub struct MetricSelection {
    /// The selected metrics, without duplicates.
    pub list: Vec<(BuiltinMetric, Metric)>,
    /// The unit of times in nanoseconds.
    pub time_unit: f64,
    /// The number of concurrent requests at which ConcurrencyUtilization is 100 %.
    pub concurrency: f64,
}

impl MetricSelection {
    pub(super) fn new(
        metrics: Field<Vec<Field<ShortOr<RawMetric>>>>,
        time_unit: Field<String>,
        concurrency: Field<u64>,
        errors: &mut ValidationErrors,
    ) -> Self {
        let has_time_unit = !matches!(time_unit, Field::Absent);
        let (unit, nanoseconds) = match time_unit.optional("time_unit", errors).as_deref() {
            None | Some("Milliseconds") => (Unit::MILLISECONDS, 1e6),
            Some("Seconds") => (Unit::SECONDS, 1e9),
            Some(other) => {
                let other = other.escape_default();
                errors.add("time_unit", format_args!("must be \"Milliseconds\" or \"Seconds\", got \"{other}\""));
                (Unit::MILLISECONDS, 1e6)
            }
        };
        let before = errors.count();
        let default = || vec![Field::Valid(ShortOr::Short("RequestCount".to_owned()))];
        let entries = metrics.optional("metrics", errors).unwrap_or_else(default);
        if entries.is_empty() {
            errors.add("metrics", "must list at least one metric");
        }
        let mut list: Vec<(BuiltinMetric, Metric)> = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let path = format!("metrics[{index}]");
            let Some((builtin, metric)) = metric(entry, &path, unit, errors) else { continue };
            if list.iter().any(|(known, _)| *known == builtin) {
                errors.add(path, format_args!("\"{}\" is listed twice; remove one of the two", metric.name));
            } else {
                list.push((builtin, metric));
            }
        }
        // If a name is misspelt, the other keys may belong to the intended metric.
        let is_valid = errors.count() == before;
        let is_time = |(builtin, _): &(BuiltinMetric, Metric)| builtin.is_time();
        if has_time_unit && is_valid && !list.iter().any(is_time) {
            let reason = "without the metric Latency or TargetResponseTime";
            add_no_effect("time_unit", reason, "add one of them to metrics", errors);
        }
        let needs_concurrency = list.iter().any(|(builtin, _)| *builtin == BuiltinMetric::ConcurrencyUtilization);
        if needs_concurrency && matches!(concurrency, Field::Absent) {
            errors.add("concurrency", "is required by the metric ConcurrencyUtilization");
        } else if !needs_concurrency && is_valid && !matches!(concurrency, Field::Absent) {
            let reason = "without the metric ConcurrencyUtilization";
            add_no_effect("concurrency", reason, "add it to metrics", errors);
        }
        let concurrency = concurrency.within("concurrency", 1..=1_000_000, 1, errors) as f64;
        Self { list, time_unit: nanoseconds, concurrency }
    }

    /// Returns whether the receiver can publish zeros for one of the metrics.
    pub(super) fn supports_zeros(&self) -> bool {
        self.list
            .iter()
            .any(|(builtin, metric)| builtin.merge_rule() == MergeRule::Distribution && metric.unit == Unit::COUNT)
    }

    /// Returns whether one of the metrics has data for every second.
    pub(super) fn needs_seconds(&self) -> bool {
        let has_seconds = |(builtin, metric): &(BuiltinMetric, Metric)| {
            builtin.merge_rule() == MergeRule::GaugeShares || metric.resolution == StorageResolution::High
        };
        self.list.iter().any(has_seconds)
    }
}

fn metric(
    entry: Field<ShortOr<RawMetric>>,
    path: &str,
    time_unit: Unit,
    errors: &mut ValidationErrors,
) -> Option<(BuiltinMetric, Metric)> {
    let (name, path, resolution) = match entry.required(path, errors)? {
        ShortOr::Short(name) => (name, path.to_owned(), StorageResolution::Standard),
        ShortOr::Full(raw) => {
            raw.check_keys(path, errors);
            let resolution_path = format!("{path}.storage_resolution");
            let resolution = match raw.storage_resolution.optional(&resolution_path, errors) {
                None | Some(60) => StorageResolution::Standard,
                Some(1) => StorageResolution::High,
                Some(other) => {
                    errors.add(resolution_path, format_args!("must be 1 or 60, got {other}"));
                    StorageResolution::Standard
                }
            };
            let path = format!("{path}.name");
            (raw.name.required(&path, errors)?, path, resolution)
        }
    };
    let builtin = BuiltinMetric::from_name(&name);
    if builtin.is_none() {
        let known = comma_separated(&mut BUILTIN_METRICS.iter().map(|(name, _)| *name));
        let message = format_args!("unknown metric \"{}\"; known metrics are {known}", name.escape_default());
        errors.add(path, message);
    }
    let builtin = builtin?;
    let name = MetricName::new(&name).ok()?;
    Some((builtin, Metric { name, unit: builtin.unit(time_unit), resolution }))
}
