//! What is measured.

use acpw_config::{Field, Object, ShortOr, ValidationErrors, comma_separated};
use acpw_metric::{MergeRule, Metric, MetricName, StorageResolution, Unit};

use super::{no_effect, raw::RawMetric};
use crate::measure::{MEASURES, Measure};

/// The metrics of a configuration.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Each metric once.
    pub list: Vec<(Measure, Metric)>,
    /// Nanoseconds in the unit of times.
    pub time_unit: f64,
    /// What is 100 % of ConcurrencyUtilization.
    pub concurrency: f64,
}

impl Metrics {
    pub(super) fn new(
        metrics: Field<Vec<Field<ShortOr<RawMetric>>>>,
        time_unit: Field<String>,
        concurrency: Field<u64>,
        faults: &mut ValidationErrors,
    ) -> Self {
        let has_time_unit = !matches!(time_unit, Field::Absent);
        let (unit, nanoseconds) = match time_unit.optional("time_unit", faults).as_deref() {
            None | Some("Milliseconds") => (Unit::MILLISECONDS, 1e6),
            Some("Seconds") => (Unit::SECONDS, 1e9),
            Some(_) => {
                faults.add("time_unit", "must be \"Milliseconds\" or \"Seconds\"");
                (Unit::MILLISECONDS, 1e6)
            }
        };
        let before = faults.count();
        let default = || vec![Field::Valid(ShortOr::Short("RequestCount".to_owned()))];
        let entries = metrics.optional("metrics", faults).unwrap_or_else(default);
        if entries.is_empty() {
            faults.add("metrics", "must name at least one metric");
        }
        let mut list: Vec<(Measure, Metric)> = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let path = format!("metrics[{index}]");
            let Some((measure, metric)) = metric(entry, &path, unit, faults) else { continue };
            if list.iter().any(|(known, _)| *known == measure) {
                faults.add(path, format_args!("\"{}\" is there twice", metric.name));
            } else {
                list.push((measure, metric));
            }
        }
        // Where a name is misspelt, a key may belong to the metric that is meant.
        let is_sound = faults.count() == before;
        let measures_time = |(measure, _): &(Measure, Metric)| measure.is_time();
        if has_time_unit && is_sound && !list.iter().any(measures_time) {
            no_effect(
                "time_unit",
                "without the metrics Latency and TargetResponseTime",
                "one of them to metrics",
                faults,
            );
        }
        let needs_concurrency = list.iter().any(|(measure, _)| *measure == Measure::ConcurrencyUtilization);
        if needs_concurrency && matches!(concurrency, Field::Absent) {
            faults.add("concurrency", "is required by ConcurrencyUtilization");
        } else if !needs_concurrency && is_sound && !matches!(concurrency, Field::Absent) {
            no_effect("concurrency", "without the metric ConcurrencyUtilization", "it to metrics", faults);
        }
        let concurrency = concurrency.within("concurrency", 1..=1_000_000, 1, faults) as f64;
        Self { list, time_unit: nanoseconds, concurrency }
    }

    /// Returns whether the receiver can publish zeros for one of the metrics while it is quiet.
    pub(super) fn has_zeros(&self) -> bool {
        self.list
            .iter()
            .any(|(measure, metric)| measure.merge_rule() == MergeRule::Distribution && metric.unit == Unit::COUNT)
    }

    /// Whether there is one that must be told every second.
    pub(super) fn needs_seconds(&self) -> bool {
        let is_by_second = |(measure, metric): &(Measure, Metric)| {
            measure.merge_rule() == MergeRule::GaugeShares || metric.resolution == StorageResolution::High
        };
        self.list.iter().any(is_by_second)
    }
}

fn metric(
    entry: Field<ShortOr<RawMetric>>,
    path: &str,
    time_unit: Unit,
    faults: &mut ValidationErrors,
) -> Option<(Measure, Metric)> {
    let (name, path, resolution) = match entry.required(path, faults)? {
        ShortOr::Short(name) => (name, path.to_owned(), StorageResolution::Standard),
        ShortOr::Full(raw) => {
            raw.check_keys(path, faults);
            let seconds = format!("{path}.storage_resolution");
            let resolution = match raw.storage_resolution.optional(&seconds, faults) {
                None | Some(60) => StorageResolution::Standard,
                Some(1) => StorageResolution::High,
                Some(_) => {
                    faults.add(seconds, "must be 1 or 60");
                    StorageResolution::Standard
                }
            };
            let path = format!("{path}.name");
            (raw.name.required(&path, faults)?, path, resolution)
        }
    };
    let measure = Measure::from_name(&name);
    if measure.is_none() {
        let known = comma_separated(&mut MEASURES.iter().map(|(name, _)| *name));
        faults.add(path, format_args!("there is no metric \"{}\"; known are {known}", name.escape_default()));
    }
    let measure = measure?;
    let name = MetricName::new(&name).ok()?;
    Some((measure, Metric { name, unit: measure.unit(time_unit), resolution }))
}
