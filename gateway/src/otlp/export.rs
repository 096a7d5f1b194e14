//! An export whose data points are checked, and the data that become of it.

use acpw_metric::{
    Accumulator, DataKind, Dimensions, Distribution, Metric, MetricName, Namespace, Origin, PeriodKey,
    StorageResolution, Timestamp,
};
use acpw_otlp::{
    ExportMetricsServiceRequest, InstrumentationScope, KeyValue, Metric as OtlpMetric, Temporality, metric::Data,
};

use super::{
    attributes::{self, Pair},
    identity::{Identity, StreamParts},
    point::Measured,
    rejections::{Reason, Rejections},
    rules::OtlpRules,
    streams::{Increase, Streams, Total},
    unit::from_ucum,
};
use crate::{
    put_metric_data::AcceptedPost,
    rules::Rules,
    timestamp::{TimestampError, check_timestamp},
};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Bit 0 of a data point's flags: the point has no value, because its stream has ended.
const NO_RECORDED_VALUE: u32 = 1;

/// The rules and the time for reading an export.
#[derive(Clone, Copy, Debug)]
pub struct ExportContext<'c> {
    /// The rules for all data.
    pub rules: &'c Rules,
    /// The rules for OTLP metrics.
    pub otlp: &'c OtlpRules,
    /// The current time, corrected by CloudWatch's clock.
    pub now: Timestamp,
}

/// An export whose data points are checked.
#[derive(Clone, Debug)]
pub struct Export {
    namespace: Option<Namespace>,
    max_streams: usize,
    max_exact_values: u32,
    items: Vec<Item>,
    rejections: Rejections,
}

/// A data point that CloudWatch accepts.
#[derive(Clone, Debug)]
struct Item {
    metric: Metric,
    dimensions: Dimensions,
    time: Option<Timestamp>,
    values: Values,
}

#[derive(Clone, Debug)]
enum Values {
    /// Values of the period since the last export.
    Period(Distribution),
    /// All values since the start of the stream.
    Total(Box<Total>),
}

/// The data of an export, with the streams to store before they are enqueued.
#[derive(Clone, Debug)]
pub struct SettledExport {
    /// The data.
    pub post: AcceptedPost,
    /// The new value of [`STREAMS_KEY`](super::STREAMS_KEY), if the export has cumulative streams.
    pub streams: Option<Vec<u8>>,
    /// The number of rejected data points.
    pub rejected: u64,
    /// The number of cumulative data points whose increase is unknown.
    pub gaps: u64,
    /// The number of streams that were forgotten because there are too many.
    pub forgotten: u64,
    /// An explanation for the client, empty if everything was accepted.
    pub message: String,
}

/// The common parts of all data points of a scope.
struct Scope<'r> {
    resource: Identity,
    id: Identity,
    /// The dimensions besides the attributes of a data point, unless one of them cannot be a dimension.
    defaults: &'r Result<Vec<Pair>, Reason>,
}

/// The common parts of all data points of a metric.
struct MetricHead<'m> {
    source: &'m OtlpMetric,
    metric: Metric,
    /// The kind of the data points, as a part of a stream's identity.
    kind: u8,
    is_cumulative: bool,
}

/// The fields that data points of all kinds have.
struct PointHead<'p> {
    attributes: &'p [KeyValue],
    start: u64,
    time: u64,
    flags: u32,
}

macro_rules! head {
    ($point:expr) => {
        PointHead {
            attributes: &$point.attributes,
            start: $point.start_time_unix_nano,
            time: $point.time_unix_nano,
            flags: $point.flags,
        }
    };
}

impl Export {
    /// Checks all data points of a request.
    pub fn read(request: &ExportMetricsServiceRequest, context: &ExportContext<'_>) -> Self {
        let mut export = Self {
            namespace: context.otlp.namespace.clone(),
            max_streams: context.otlp.max_streams,
            max_exact_values: context.rules.max_exact_values,
            items: Vec::new(),
            rejections: Rejections::default(),
        };
        for resource_metrics in &request.resource_metrics {
            let described = resource_metrics.resource.as_ref().map(|resource| resource.attributes.as_slice());
            let described = described.unwrap_or_default();
            let resource = Identity::of_resource(described);
            let defaults = attributes::of_resource(described, &context.otlp.resource_attributes).map(|mut pairs| {
                pairs.extend(context.rules.default_dimensions.iter().cloned());
                pairs
            });
            for scope_metrics in &resource_metrics.scope_metrics {
                let scope: Option<&InstrumentationScope> = scope_metrics.scope.as_ref();
                let scope = Scope { resource, id: resource.scope(scope), defaults: &defaults };
                scope_metrics.metrics.iter().for_each(|metric| export.read_metric(metric, &scope, context));
            }
        }
        export
    }

    /// Returns whether some data points are of cumulative streams, so that settling needs the streams in shared data.
    pub fn is_cumulative(&self) -> bool {
        self.items.iter().any(|item| matches!(item.values, Values::Total(_)))
    }

    /// Takes the increases of cumulative data points and turns the export into records. `streams` is the value of
    /// [`STREAMS_KEY`](super::STREAMS_KEY); `arrival` is the time of arrival by this host's clock, which is the
    /// timestamp of data points without one.
    ///
    /// Nothing is accepted until the new streams are stored and the records are enqueued, so this can be repeated.
    pub fn settle(&self, streams: Option<&[u8]>, arrival: Timestamp) -> SettledExport {
        let totals: Vec<&Total> = self.items.iter().filter_map(Item::total).collect();
        let (mut increases, forgotten, streams) = if totals.is_empty() {
            (Vec::new().into_iter(), 0, None)
        } else {
            let mut streams = Streams::decode(streams);
            let increases = streams.advance(&totals);
            let (forgotten, bytes) = streams.encode(self.max_streams);
            (increases.into_iter(), forgotten, Some(bytes))
        };
        let (mut held, mut data, mut gaps) = (Accumulator::default(), 0usize, 0u64);
        for item in &self.items {
            let values = match &item.values {
                Values::Period(values) => Some(values.clone()),
                Values::Total(_) => match increases.next() {
                    // The total is in range, so an increase that is not is a contradiction.
                    Some(Increase::Known(increase)) => {
                        increase.distribution(self.max_exact_values).unwrap_or_else(|_| {
                            gaps = gaps.saturating_add(1);
                            None
                        })
                    }
                    Some(Increase::Unknown) => {
                        gaps = gaps.saturating_add(1);
                        None
                    }
                    Some(Increase::Late) | None => None,
                },
            };
            let Some(values) = values else { continue };
            data = data.saturating_add(1);
            let (time, kind) = match item.time {
                Some(time) => (time, DataKind::STATED),
                None => (arrival, DataKind::RECEIVED),
            };
            let origin = Origin { namespace: self.namespace.clone(), ..Origin::default() };
            held.file(PeriodKey::new(time, kind, origin, &item.metric), &item.dimensions, &item.metric, &values);
        }
        let mut message = self.rejections.message();
        if gaps > 0 {
            let separator = if message.is_empty() { "" } else { "\n" };
            message.push_str(&format!(
                "{separator}cumulative data points not published because no earlier reading is known: {gaps}; set \
                 OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta to publish from the first export on"
            ));
        }
        SettledExport {
            post: AcceptedPost::new(held, data),
            streams,
            rejected: self.rejections.total(),
            gaps,
            forgotten,
            message,
        }
    }

    fn read_metric(&mut self, source: &OtlpMetric, scope: &Scope<'_>, context: &ExportContext<'_>) {
        let (count, kind, temporality) = match &source.data {
            None => return,
            Some(Data::Gauge(data)) => (data.data_points.len(), 0, None),
            Some(Data::Sum(data)) => (
                data.data_points.len(),
                1,
                // A sum that also falls is the current state of something, like a gauge.
                data.is_monotonic.then_some(data.aggregation_temporality),
            ),
            Some(Data::Histogram(data)) => (data.data_points.len(), 2, Some(data.aggregation_temporality)),
            Some(Data::ExponentialHistogram(data)) => (data.data_points.len(), 3, Some(data.aggregation_temporality)),
            // The specification defines count and sum of a summary as cumulative.
            Some(Data::Summary(data)) => (data.data_points.len(), 4, Some(Temporality::Cumulative as i32)),
        };
        let head = MetricName::new(&source.name).map_err(|error| Reason::from(format!("the name {error}")));
        let head = head.and_then(|name| {
            let is_cumulative = match temporality.map(Temporality::try_from) {
                None | Some(Ok(Temporality::Delta)) => false,
                Some(Ok(Temporality::Cumulative)) => true,
                Some(Ok(Temporality::Unspecified) | Err(_)) => {
                    return Err("must have an aggregationTemporality of 1 (delta) or 2 (cumulative)".into());
                }
            };
            let unit = from_ucum(&source.unit, matches!(source.data, Some(Data::Sum(_))));
            let metric = Metric { name, unit, resolution: StorageResolution::Standard };
            Ok(MetricHead { source, metric, kind, is_cumulative })
        });
        let head = match head {
            Ok(head) => head,
            Err(reason) => return self.rejections.add(&source.name, reason, count as u64),
        };
        let mut add = |point: PointHead<'_>, measured: Result<Measured, Reason>| match item(
            &head, scope, &point, measured, context,
        ) {
            Ok(item) => self.items.extend(item),
            Err(reason) => self.rejections.add(&source.name, reason, 1),
        };
        match &source.data {
            None => {}
            Some(Data::Gauge(data)) => {
                data.data_points.iter().for_each(|point| add(head!(point), Measured::number(point)));
            }
            Some(Data::Sum(data)) => {
                let read = if data.is_monotonic { Measured::monotonic } else { Measured::number };
                data.data_points.iter().for_each(|point| add(head!(point), read(point)));
            }
            Some(Data::Histogram(data)) => {
                data.data_points.iter().for_each(|point| add(head!(point), Measured::histogram(point)));
            }
            Some(Data::ExponentialHistogram(data)) => {
                data.data_points.iter().for_each(|point| add(head!(point), Measured::exponential(point)));
            }
            Some(Data::Summary(data)) => {
                data.data_points.iter().for_each(|point| add(head!(point), Measured::summary(point)));
            }
        }
    }
}

impl Item {
    fn total(&self) -> Option<&Total> {
        match &self.values {
            Values::Total(total) => Some(total),
            Values::Period(_) => None,
        }
    }
}

/// Checks a data point. Returns `None` if it has no values.
fn item(
    head: &MetricHead<'_>,
    scope: &Scope<'_>,
    point: &PointHead<'_>,
    measured: Result<Measured, Reason>,
    context: &ExportContext<'_>,
) -> Result<Option<Item>, Reason> {
    if point.flags & NO_RECORDED_VALUE != 0 {
        return Ok(None);
    }
    let measured = measured?;
    let time = timestamp(point.time, context.now)?;
    let defaults = scope.defaults.as_ref().map_err(Clone::clone)?;
    let dimensions = attributes::of_point(point.attributes, defaults.iter())?;
    let values = measured.distribution(context.rules.max_exact_values)?;
    let values = if head.is_cumulative {
        let parts = StreamParts {
            metric: &head.source.name,
            unit: &head.source.unit,
            kind: head.kind,
            bounds: &measured.bounds,
            start: point.start,
            attributes: point.attributes,
        };
        let now = context.now.as_millis().saturating_mul(1_000_000);
        Values::Total(Box::new(Total {
            stream: scope.id.stream(&parts),
            resource: scope.resource,
            start: point.start,
            time: if point.time == 0 { now } else { point.time },
            measured,
        }))
    } else {
        let Some(values) = values else { return Ok(None) };
        Values::Period(values)
    };
    Ok(Some(Item { metric: head.metric.clone(), dimensions, time, values }))
}

/// Returns the timestamp in whole seconds, or `None` for the time of arrival.
fn timestamp(nanos: u64, now: Timestamp) -> Result<Option<Timestamp>, Reason> {
    if nanos == 0 {
        return Ok(None);
    }
    let seconds = nanos / NANOS_PER_SECOND;
    match check_timestamp(seconds as f64, now) {
        Ok(()) => Ok(Some(Timestamp::from_secs(seconds))),
        Err(TimestampError::TooOld) => Err("is older than two weeks, minus ten minutes reserved for publishing".into()),
        Err(TimestampError::TooEarly) => Err("is more than two hours in the future; correct the client's clock".into()),
    }
}
