//! The list of OTLP metrics on the web page.

use std::collections::BTreeMap;

use serde::Serialize;

use super::series_id::{OtlpKind, OtlpTemporality};
use super::store::OtlpStore;

/// Maximum number of metrics on the page.
const SHOWN_METRICS: usize = 200;

/// A metric with the number of its series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct OtlpMetricSummary {
    name: String,
    unit: String,
    kind: OtlpKind,
    temporality: Option<OtlpTemporality>,
    is_monotonic: bool,
    series: usize,
}

/// Returns the metrics, sorted by name.
pub(crate) fn summaries(store: &OtlpStore) -> Vec<OtlpMetricSummary> {
    let mut metrics = BTreeMap::new();
    for (id, _) in store.iter() {
        let key = (&id.metric, &id.unit, id.kind, id.temporality, id.is_monotonic);
        *metrics.entry(key).or_insert(0) += 1;
    }
    let summary = |((name, unit, kind, temporality, is_monotonic), series): ((&_, &_, _, _, _), _)| {
        let (name, unit): (&std::sync::Arc<str>, &std::sync::Arc<str>) = (name, unit);
        OtlpMetricSummary { name: name.to_string(), unit: unit.to_string(), kind, temporality, is_monotonic, series }
    };
    metrics.into_iter().take(SHOWN_METRICS).map(summary).collect()
}
