//! A receiver with both services, in virtual time. OpenTelemetry's own messages decode the requests.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io::Read as _,
    time::Duration,
};

use acpw_metric::{
    Accumulator, DataKind, DimensionName, DimensionValue, Dimensions, Distribution, Metric, MetricName, Now, Origin,
    PeriodKey, StorageResolution, Timestamp, Unit,
};
use flate2::read::GzDecoder;
use log::Level;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{AggregationTemporality, exponential_histogram_data_point::Buckets, metric, number_data_point},
};
use prost::Message as _;
use receiver::{
    Counts, Driver, PublishAnswer, ReceiverConfig,
    answer::Reply,
    call::{Call, Response},
    otlp::{ExportAnswer, ExportId},
};

/// The start of a minute.
pub(crate) const START: u64 = 1_787_402_160;
pub(crate) const SECRET: &str = "TOPSECRETwJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLE";

/// A data point that the endpoint has stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) start: u64,
    pub(crate) time: u64,
    pub(crate) count: f64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) kind: &'static str,
    pub(crate) is_cumulative: bool,
    pub(crate) scale: i32,
    pub(crate) positive: Option<Buckets>,
    pub(crate) zero_count: u64,
}

impl Stored {
    /// Returns the series: everything but times and values.
    pub(crate) fn series(&self) -> String {
        format!("{} {:?} {:?}", self.metric, self.attributes, self.resource)
    }
}

pub(crate) fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| match value.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => format!("int {number}"),
        other => panic!("{other:?}"),
    };
    let all: BTreeMap<_, _> = attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect();
    assert_eq!(all.len(), attributes.len(), "attributes are unique");
    all
}

/// Returns the data points of a request.
pub(crate) fn decode(body: &[u8]) -> (Vec<Stored>, usize) {
    let mut raw = Vec::new();
    GzDecoder::new(body).read_to_end(&mut raw).unwrap();
    let request = ExportMetricsServiceRequest::decode(raw.as_slice()).unwrap();
    let mut stored = Vec::new();
    for resource_metrics in &request.resource_metrics {
        let resource = texts(&resource_metrics.resource.as_ref().unwrap().attributes);
        assert!(resource.contains_key("service.name") && resource.contains_key("service.instance.id"));
        for scope_metrics in &resource_metrics.scope_metrics {
            let scope = scope_metrics.scope.as_ref().unwrap();
            assert_eq!((scope.name.as_str(), scope.version.as_str()), ("acpw", env!("CARGO_PKG_VERSION")));
            for metric in &scope_metrics.metrics {
                decode_metric(metric, &resource, &mut stored);
            }
        }
    }
    (stored, raw.len())
}

pub(crate) fn decode_metric(
    metric: &opentelemetry_proto::tonic::metrics::v1::Metric,
    resource: &BTreeMap<String, String>,
    stored: &mut Vec<Stored>,
) {
    let is_cumulative = |temporality| match AggregationTemporality::try_from(temporality).unwrap() {
        AggregationTemporality::Delta => false,
        AggregationTemporality::Cumulative => true,
        AggregationTemporality::Unspecified => panic!("{metric:?}"),
    };
    let base = |attributes: &[KeyValue], start, time, kind| Stored {
        metric: metric.name.clone(),
        unit: metric.unit.clone(),
        attributes: texts(attributes),
        resource: resource.clone(),
        start,
        time,
        count: 1.0,
        sum: 0.0,
        min: 0.0,
        max: 0.0,
        kind,
        is_cumulative: false,
        scale: 0,
        positive: None,
        zero_count: 0,
    };
    let number = |value: &Option<number_data_point::Value>| match value.as_ref().unwrap() {
        number_data_point::Value::AsInt(value) => *value as f64,
        number_data_point::Value::AsDouble(value) => *value,
    };
    match metric.data.as_ref().unwrap() {
        metric::Data::Sum(sum) => {
            assert!(sum.is_monotonic);
            stored.extend(sum.data_points.iter().map(|point| Stored {
                sum: number(&point.value),
                is_cumulative: is_cumulative(sum.aggregation_temporality),
                ..base(&point.attributes, point.start_time_unix_nano, point.time_unix_nano, "sum")
            }));
        }
        metric::Data::Gauge(gauge) => stored.extend(gauge.data_points.iter().map(|point| Stored {
            sum: number(&point.value),
            ..base(&point.attributes, point.start_time_unix_nano, point.time_unix_nano, "gauge")
        })),
        metric::Data::ExponentialHistogram(histogram) => {
            stored.extend(histogram.data_points.iter().map(|point| {
                let buckets = point.positive.iter().chain(&point.negative).flat_map(|range| &range.bucket_counts);
                assert_eq!(buckets.sum::<u64>() + point.zero_count, point.count);
                Stored {
                    count: point.count as f64,
                    sum: point.sum.unwrap(),
                    min: point.min.unwrap(),
                    max: point.max.unwrap(),
                    is_cumulative: is_cumulative(histogram.aggregation_temporality),
                    scale: point.scale,
                    positive: point.positive.clone(),
                    zero_count: point.zero_count,
                    ..base(&point.attributes, point.start_time_unix_nano, point.time_unix_nano, "exponential histogram")
                }
            }));
        }
        metric::Data::Histogram(histogram) => {
            stored.extend(histogram.data_points.iter().map(|point| {
                assert!(point.bucket_counts.is_empty() && point.explicit_bounds.is_empty());
                Stored {
                    count: point.count as f64,
                    sum: point.sum.unwrap(),
                    min: point.min.unwrap(),
                    max: point.max.unwrap(),
                    is_cumulative: is_cumulative(histogram.aggregation_temporality),
                    ..base(&point.attributes, point.start_time_unix_nano, point.time_unix_nano, "histogram")
                }
            }));
        }
        metric::Data::Summary(summary) => panic!("{summary:?}"),
    }
}

/// Returns the response of the endpoint to a request with these data points, whose size before compression is given.
pub(crate) type Endpoint = fn(&[Stored], usize, &World) -> ExportAnswer;

pub(crate) fn accept(_: &[Stored], _: usize, _: &World) -> ExportAnswer {
    response(200, &[], b"")
}

pub(crate) fn fail(_: &[Stored], _: usize, _: &World) -> ExportAnswer {
    response(503, &[], b"unavailable")
}

pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> ExportAnswer {
    let status = status.to_string();
    let own = [(":status", status.as_str()), ("x-envoy-upstream-service-time", "1")];
    let header = |name: &str| {
        let (_, value) = own.iter().chain(headers).find(|(known, _)| *known == name)?;
        Some(value.as_bytes().to_vec())
    };
    ExportAnswer::new(header, body)
}

/// A receiver with both services.
pub(crate) struct World {
    pub(crate) driver: Driver,
    pub(crate) millis: u64,
    pub(crate) counts: Counts,
    pub(crate) lines: Vec<(Level, String)>,
    pub(crate) endpoint: Endpoint,
    pub(crate) is_cloudwatch_up: bool,
    pub(crate) stored: Vec<Stored>,
    pub(crate) requests: Vec<Call>,
    /// Counts and sums that CloudWatch has stored, by metric.
    pub(crate) cloudwatch: HashMap<String, (f64, f64)>,
    pub(crate) calls: VecDeque<(ExportId, Call)>,
    /// True if responses of the endpoint wait.
    pub(crate) is_slow: bool,
    /// The responses of sources by path. Without one, a source does not respond.
    pub(crate) sources: HashMap<String, String>,
    /// True if sums and histograms are cumulative.
    pub(crate) is_cumulative: bool,
}

impl World {
    pub(crate) fn new(extra: &str) -> Self {
        Self::with_otlp(extra, "")
    }

    /// Creates a world with further keys of the configuration, and of `otlp`.
    pub(crate) fn with_otlp(extra: &str, otlp: &str) -> Self {
        let interval = if extra.contains("interval") { "" } else { r#", "publish_interval_millisecond": 60000"# };
        let publish_to =
            if extra.contains("\"publish_to\"") { "" } else { r#", "publish_to": ["cloudwatch", "otlp"]"# };
        let document = format!(
            r#"{{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "metric_namespace": "N",
                "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "{SECRET}",
                "otlp": {{"cluster_name": "otlp" {otlp}}} {extra} {interval} {publish_to}}}"#
        );
        Self::of(&document)
    }

    pub(crate) fn of(document: &str) -> Self {
        Self::with_environment(document, &[])
    }

    /// Creates a world with a configuration and environment variables.
    pub(crate) fn with_environment(document: &str, environment: &[(&str, &str)]) -> Self {
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let config =
            ReceiverConfig::from_json(document.as_bytes(), variable).unwrap_or_else(|errors| panic!("{errors}"));
        Self {
            driver: Driver::new(config, 7),
            millis: 0,
            counts: Counts::default(),
            lines: Vec::new(),
            endpoint: accept,
            is_cloudwatch_up: true,
            stored: Vec::new(),
            requests: Vec::new(),
            cloudwatch: HashMap::new(),
            calls: VecDeque::new(),
            is_slow: false,
            sources: HashMap::new(),
            is_cumulative: document.contains(r#""temporality": "cumulative""#),
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { wall: Timestamp::from_millis(START * 1_000 + self.millis), steady: Duration::from_millis(self.millis) }
    }

    /// Hands over values of a metric, which are observed now.
    pub(crate) fn observe(&mut self, name: &str, unit: Unit, path: &str, values: &[f64]) {
        self.observe_of(Origin::default(), name, unit, path, values);
    }

    pub(crate) fn observe_of(&mut self, origin: Origin, name: &str, unit: Unit, path: &str, values: &[f64]) {
        let mut distribution = Distribution::new();
        values.iter().for_each(|value| assert!(distribution.record(*value)));
        let metric = metric(name, unit);
        let key = PeriodKey::new(self.now().wall, DataKind::OBSERVED, origin, &metric);
        self.deliver(key, path, &metric, &distribution);
    }

    pub(crate) fn deliver(&mut self, key: PeriodKey, path: &str, metric: &Metric, distribution: &Distribution) {
        let mut data = Accumulator::default();
        data.file(key, &dimensions(&[("path", path)]), metric, distribution);
        self.deliver_all(data);
    }

    pub(crate) fn deliver_all(&mut self, data: Accumulator) {
        for record in data.into_records(1 << 16) {
            self.driver.handle_record(&record, self.now());
        }
        self.settle();
    }

    /// Lets time pass, in ticks of 200 ms.
    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.millis + millis;
        while self.millis < end {
            self.step();
        }
    }

    pub(crate) fn step(&mut self) {
        self.driver.tick(self.now());
        self.settle();
        while let Some(transmit) = self.driver.take_transmit() {
            let answer = if self.is_cloudwatch_up {
                self.store(&transmit.body, &transmit.headers);
                PublishAnswer::Complete(Reply { status: 200, ..Reply::default() })
            } else {
                PublishAnswer::Missing { may_be_stored: false, reason: "connection failure".to_owned() }
            };
            self.driver.handle_answer(transmit.id, &answer, self.now());
        }
        while let Some((id, call)) = self.driver.poll_source_call() {
            let path = call.headers.iter().find(|(name, _)| *name == ":path").unwrap().1.as_str();
            let response = match self.sources.get(path) {
                Some(body) => Response::Complete { status: 200, body: body.clone().into_bytes(), date: None },
                None => Response::Missing("connection failure".to_owned()),
            };
            self.driver.handle_source_answer(id, response, self.now());
        }
        while let Some((id, call)) = self.driver.take_export() {
            if self.is_slow {
                self.calls.push_back((id, call));
            } else {
                self.answer(id, call);
            }
        }
        self.settle();
        self.millis += 200;
    }

    pub(crate) fn answer(&mut self, id: ExportId, call: Call) {
        let (points, length) = decode(&call.body);
        for point in points.iter().filter(|point| point.kind != "gauge") {
            assert_eq!(point.is_cumulative, self.is_cumulative, "{point:?}");
        }
        let answer = (self.endpoint)(&points, length, self);
        if answer.answer.status() == 200 {
            self.stored.extend(points);
        }
        self.requests.push(call);
        self.driver.handle_export_answer(id, &answer, self.now());
    }

    pub(crate) fn store(&mut self, body: &[u8], headers: &[(&str, String)]) {
        let is_compressed = headers.iter().any(|(name, _)| *name == "content-encoding");
        let mut text = String::new();
        if is_compressed {
            GzDecoder::new(body).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(body.to_vec()).unwrap();
        }
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let data = document.get("MetricData").or_else(|| document["EntityMetricData"][0].get("MetricData")).unwrap();
        for datum in data.as_array().unwrap() {
            let (count, sum) = match datum.get("StatisticValues") {
                Some(set) => (set["SampleCount"].as_f64().unwrap(), set["Sum"].as_f64().unwrap()),
                None => {
                    let values = datum["Values"].as_array().cloned().unwrap_or_else(|| vec![datum["Value"].clone()]);
                    let counts = datum.get("Counts").and_then(|counts| counts.as_array().cloned());
                    let counts = counts.unwrap_or_else(|| vec![1.into(); values.len()]);
                    values.iter().zip(&counts).fold((0.0, 0.0), |(count, sum), (value, n)| {
                        let n = n.as_f64().unwrap();
                        (count + n, sum + n * value.as_f64().unwrap())
                    })
                }
            };
            let total = self.cloudwatch.entry(datum["MetricName"].as_str().unwrap().to_owned()).or_default();
            *total = (total.0 + count, total.1 + sum);
        }
    }

    /// Takes in lines and counters, and checks the books of both services.
    pub(crate) fn settle(&mut self) {
        while let Some(line) = self.driver.poll_log_line() {
            assert!(!line.1.contains("TOPSECRET"), "{line:?}");
            self.lines.push(line);
        }
        let more = self.driver.receiver_mut().poll_counters();
        let add = |(total, more): (u64, u64)| total + more;
        self.counts = Counts::from_values(self.counts.values().zip(more.values()).map(add));
        let receiver = self.driver.receiver();
        let counts = self.counts;
        assert_eq!(counts.received, counts.published + receiver.held() + counts.dropped(), "{counts:?}");
        assert_eq!(
            counts.otlp_received,
            counts.otlp_published + receiver.otlp_held() + counts.otlp_dropped(),
            "{counts:?}"
        );
    }

    pub(crate) fn points<'a>(&'a self, metric: &'a str) -> impl Iterator<Item = &'a Stored> {
        self.stored.iter().filter(move |point| point.metric == metric)
    }

    /// Returns the count and sum of a metric that the endpoint has stored.
    pub(crate) fn total(&self, metric: &str) -> (f64, f64) {
        self.points(metric).fold((0.0, 0.0), |(count, sum), point| (count + point.count, sum + point.sum))
    }

    pub(crate) fn has_line(&self, text: &str) -> bool {
        self.lines.iter().any(|(_, line)| line.contains(text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let call = self.requests.last().unwrap();
        let own = call.headers.iter().map(|(known, value)| (*known, value.clone()));
        let custom = call.custom_headers.iter().map(|(known, value)| (known.as_str(), value.clone()));
        own.chain(custom).find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

pub(crate) fn metric(name: &str, unit: Unit) -> Metric {
    Metric { name: MetricName::new(name).unwrap(), unit, resolution: StorageResolution::Standard }
}

pub(crate) fn dimensions(pairs: &[(&str, &str)]) -> Dimensions {
    let pair = |(name, value): &(&str, &str)| (DimensionName::new(name).unwrap(), DimensionValue::new(value).unwrap());
    Dimensions::new(pairs.iter().map(pair).collect()).unwrap()
}

/// Returns a percentile of a stored distribution: the geometric middle of its bucket.
pub(crate) fn percentile(point: &Stored, percentile: f64) -> f64 {
    let rank = (percentile / 100.0 * point.count).ceil().max(1.0) as u64;
    let mut seen = point.zero_count;
    if seen >= rank {
        return 0.0;
    }
    let buckets = point.positive.as_ref().unwrap();
    for (index, count) in (buckets.offset..).zip(&buckets.bucket_counts) {
        seen += count;
        if seen >= rank {
            return f64::exp2((f64::from(index) + 0.5) / f64::exp2(f64::from(point.scale)));
        }
    }
    panic!("{point:?}");
}

/// Asserts that no two data points of a series overlap.
pub(crate) fn assert_no_overlap(stored: &[Stored]) {
    let mut series: HashMap<String, Vec<(u64, u64)>> = HashMap::new();
    for point in stored {
        assert!(point.start < point.time, "{point:?}");
        series.entry(point.series()).or_default().push((point.start, point.time));
    }
    for (series, mut times) in series {
        times.sort_unstable();
        assert!(times.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{series}: {times:?}");
    }
}
