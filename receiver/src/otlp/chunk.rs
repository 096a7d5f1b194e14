//! A part of a request that is encoded at once.

use acpw_metric::Entity;
use acpw_otlp::{
    ExportMetricsServiceRequest, InstrumentationScope, Metric, Resource, ResourceMetrics, ScopeMetrics, metric::Data,
};
use prost::Message;

/// An upper bound of the bytes that nesting adds to a message: a tag and a length at each of five levels.
const NESTING: usize = 5 * 6;

/// The metrics of some data points, by resource and name.
///
/// The encodings of several chunks, one after another, are the encoding of one request: protobuf concatenates repeated
/// fields. So a large request is encoded in steps.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    resources: Vec<(Option<Entity>, ResourceMetrics)>,
    /// An upper bound of the encoded size.
    bound: usize,
}

impl Chunk {
    /// Returns whether it has metrics of the resource of an entity.
    pub(super) fn has(&self, entity: Option<&Entity>) -> bool {
        self.resources.iter().any(|(known, _)| known.as_ref() == entity)
    }

    /// Returns an upper bound of the bytes that metrics would add, with `resource` as their resource if that is new.
    pub(super) fn bound_of(&self, resource: Option<&Resource>, metrics: &[Metric]) -> usize {
        let metrics = metrics.iter().map(|metric| metric.encoded_len().saturating_add(NESTING));
        let head =
            |resource: &Resource| resource.encoded_len().saturating_add(scope().encoded_len()).saturating_add(NESTING);
        metrics.fold(resource.map_or(0, head), usize::saturating_add)
    }

    /// Adds metrics, whose bound is `bound`.
    pub(super) fn add(
        &mut self,
        entity: Option<&Entity>,
        resource: Option<Resource>,
        metrics: Vec<Metric>,
        bound: usize,
    ) {
        self.bound = self.bound.saturating_add(bound);
        let known = self.resources.iter().position(|(known, _)| known.as_ref() == entity);
        let index = known.unwrap_or_else(|| {
            let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics: Vec::new() }];
            let all = ResourceMetrics { resource, scope_metrics };
            self.resources.push((entity.cloned(), all));
            self.resources.len().saturating_sub(1)
        });
        let Some((_, all)) = self.resources.get_mut(index) else { return };
        let Some(scope) = all.scope_metrics.first_mut() else { return };
        for metric in metrics {
            let same = |known: &&mut Metric| known.name == metric.name && known.unit == metric.unit;
            let rest = match scope.metrics.iter_mut().find(same) {
                Some(known) => join(known, metric),
                None => Some(metric),
            };
            scope.metrics.extend(rest);
        }
    }

    /// Returns an upper bound of the encoded size in bytes.
    pub(super) fn bound(&self) -> usize {
        self.bound
    }

    /// Returns the encoding, and removes everything.
    pub(super) fn take_encoded(&mut self) -> Vec<u8> {
        self.bound = 0;
        let resource_metrics = self.resources.drain(..).map(|(_, metrics)| metrics).collect();
        ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
    }
}

/// Adds the data points of a metric to those of another one with the same name. Returns it if they have different
/// forms.
fn join(known: &mut Metric, more: Metric) -> Option<Metric> {
    match (&mut known.data, more.data) {
        (Some(Data::Sum(known)), Some(Data::Sum(more))) => known.data_points.extend(more.data_points),
        (Some(Data::Gauge(known)), Some(Data::Gauge(more))) => known.data_points.extend(more.data_points),
        (Some(Data::ExponentialHistogram(known)), Some(Data::ExponentialHistogram(more))) => {
            known.data_points.extend(more.data_points);
        }
        (Some(Data::Histogram(known)), Some(Data::Histogram(more))) => known.data_points.extend(more.data_points),
        (_, data) => return Some(Metric { data, ..more }),
    }
    None
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "acpw".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        attributes: Vec::new(),
    }
}
