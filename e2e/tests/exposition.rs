//! The receiver's parser of Prometheus' formats agrees with Prometheus' own Python client.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

use e2e::installation;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use receiver::source::{
    reading::{Part, Reading, SeriesKind, Sink, Skipped, Wanted},
    scrape::exposition::Exposition,
};
use serde_json::json;

/// Number of generated texts in each format.
const TEXTS: usize = 300;

/// Parses a list of `[format, text]`, and prints a list of readings for each text.
const PARSE: &str = r#"
import json, math, struct, sys
from prometheus_client.parser import text_string_to_metric_families as text_format
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

def number(value):
    value = float(value) + 0.0
    return "nan" if math.isnan(value) else struct.pack(">d", value).hex()

def readings(families):
    for family in families:
        points = {}
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if not (
                name == "le" and family.type == "histogram" or name == "quantile" and family.type == "summary")}
            name = family.name if family.type in ("histogram", "summary") else sample.name.removesuffix("_created")
            name += "_total" if family.type == "counter" and not name.endswith("_total") else ""
            point = points.setdefault((name, tuple(labels.items())), {"buckets": []})
            part = sample.name.removeprefix(family.name) if family.type in ("counter", "histogram", "summary") else ""
            if part == "_bucket":
                point["buckets"].append([number(sample.labels["le"]), number(sample.value)])
            else:
                point[part] = number(sample.value)
        for (name, labels), point in points.items():
            many = [point["_count"], point["_sum"]] if "_count" in point else []
            one = [] if many else [point["_total" if family.type == "counter" else ""]]
            yield [family.type, name, [list(pair) for pair in labels], point["buckets"], many + one, point.get("_created")]

texts = json.load(sys.stdin)
parsers = {"text": text_format, "openmetrics": openmetrics}
json.dump([list(readings(parsers[form](text))) for form, text in texts], sys.stdout)
"#;

/// A family of metrics with its series.
#[derive(Clone, Debug)]
struct Family {
    kind: SeriesKind,
    help: String,
    series: Vec<FamilySeries>,
}

#[derive(Clone, Debug)]
struct FamilySeries {
    /// Values of the labels `a`, `b` and so on.
    labels: Vec<String>,
    value: f64,
    /// Width and number of values of each bucket.
    buckets: Vec<(f64, u32)>,
    /// Adds a timestamp to samples.
    has_timestamp: bool,
    /// Adds exemplars and a creation time.
    has_exemplar: bool,
}

fn numbers() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (0u32..1_000_000).prop_map(f64::from),
        4 => any::<f64>(),
        1 => select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1, 1e-9, 5e-324, 1.797e308]),
    ]
}

fn families() -> impl Strategy<Value = Vec<Family>> {
    let kinds = select(vec![
        SeriesKind::Counter,
        SeriesKind::Gauge,
        SeriesKind::Untyped,
        SeriesKind::Histogram,
        SeriesKind::Summary,
    ]);
    let text = "[a-z\\\\\"\n ,{}=#\u{e4}\u{1f600}]{0,12}";
    let buckets = vec((0.001f64..1e6, 0u32..1_000), 0..6);
    let series = (vec(text, 0..4), numbers(), buckets, any::<(bool, bool)>()).prop_map(
        |(labels, value, buckets, (has_timestamp, has_exemplar))| FamilySeries {
            labels,
            value,
            buckets,
            has_timestamp,
            has_exemplar,
        },
    );
    let family =
        (kinds, "[a-z\\\\\n ]{0,12}", vec(series, 0..5)).prop_map(|(kind, help, series)| Family { kind, help, series });
    vec(family, 0..6)
}

/// Writes families in an exposition format, as an exporter does.
struct Writer {
    text: String,
    is_openmetrics: bool,
}

impl Writer {
    fn write(families: &[Family], is_openmetrics: bool) -> String {
        let mut writer = Self { text: String::new(), is_openmetrics };
        for (index, family) in families.iter().enumerate() {
            writer.family(&format!("family_{index}"), family);
        }
        if is_openmetrics {
            writer.text.push_str("# EOF\n");
        }
        writer.text
    }

    fn family(&mut self, name: &str, family: &Family) {
        let kind = match family.kind {
            SeriesKind::Counter => "counter",
            SeriesKind::Gauge => "gauge",
            SeriesKind::Untyped if self.is_openmetrics => "unknown",
            SeriesKind::Untyped => "untyped",
            SeriesKind::Histogram => "histogram",
            SeriesKind::Summary => "summary",
        };
        let total = if family.kind == SeriesKind::Counter { "_total" } else { "" };
        let documented = if self.is_openmetrics { name.to_owned() } else { format!("{name}{total}") };
        let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
        writeln!(self.text, "# HELP {documented} {help}").unwrap();
        // The type line is optional for untyped metrics.
        if family.kind != SeriesKind::Untyped || self.is_openmetrics || family.help.len() > 5 {
            writeln!(self.text, "# TYPE {documented} {kind}").unwrap();
        }
        for (index, series) in family.series.iter().enumerate() {
            let mut labels = vec![("n".to_owned(), index.to_string())];
            labels.extend(
                (b'a'..).zip(&series.labels).map(|(name, value)| (char::from(name).to_string(), value.clone())),
            );
            let not_negative = if series.value >= 0.0 && series.value.is_finite() { series.value } else { 1.5 };
            match family.kind {
                SeriesKind::Counter => {
                    self.sample(&format!("{name}_total"), &labels, not_negative, series, true);
                    self.created(name, &labels, series);
                }
                SeriesKind::Gauge | SeriesKind::Untyped => self.sample(name, &labels, series.value, series, false),
                SeriesKind::Histogram => {
                    let (mut bound, mut count) = (0.0, 0.0);
                    for (width, values) in &series.buckets {
                        bound += width;
                        count += f64::from(*values);
                        self.bucket(name, &labels, bound, count, series);
                    }
                    self.bucket(name, &labels, f64::INFINITY, count, series);
                    self.sample(&format!("{name}_count"), &labels, count, series, false);
                    self.sample(&format!("{name}_sum"), &labels, not_negative, series, false);
                    self.created(name, &labels, series);
                }
                SeriesKind::Summary => {
                    for (index, (width, _)) in series.buckets.iter().enumerate() {
                        let quantile = ("quantile".to_owned(), format!("0.{index}"));
                        self.sample(name, &[labels.clone(), vec![quantile]].concat(), *width, series, false);
                    }
                    self.sample(&format!("{name}_count"), &labels, series.buckets.len() as f64, series, false);
                    self.sample(&format!("{name}_sum"), &labels, not_negative, series, false);
                    self.created(name, &labels, series);
                }
            }
        }
    }

    fn bucket(&mut self, name: &str, labels: &[(String, String)], bound: f64, count: f64, series: &FamilySeries) {
        let bound = if bound.is_infinite() { "+Inf".to_owned() } else { format!("{bound:?}") };
        let labels = [labels, &[("le".to_owned(), bound)]].concat();
        self.sample(&format!("{name}_bucket"), &labels, count, series, true);
    }

    fn created(&mut self, name: &str, labels: &[(String, String)], series: &FamilySeries) {
        if self.is_openmetrics && series.has_exemplar {
            self.sample(&format!("{name}_created"), labels, 1_787_402_160.25, series, false);
        }
    }

    fn sample(
        &mut self,
        name: &str,
        labels: &[(String, String)],
        value: f64,
        series: &FamilySeries,
        may_have_exemplar: bool,
    ) {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        // The text format allows blanks and a trailing comma.
        let (open, between, close) = match self.is_openmetrics || series.has_timestamp {
            true => ("{", ",", "} "),
            false => ("{ ", " , ", " ,}\t"),
        };
        write!(self.text, "{name}{open}{}{close}", labels.join(between)).unwrap();
        match value {
            value if value.is_nan() => self.text.push_str("NaN"),
            value if value.is_infinite() => self.text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" }),
            value if value.to_bits() % 3 == 0 => write!(self.text, "{value:e}").unwrap(),
            value if value.to_bits() % 3 == 1 => write!(self.text, "{value:?}").unwrap(),
            value => write!(self.text, "{value}").unwrap(),
        }
        if series.has_timestamp {
            self.text.push_str(if self.is_openmetrics { " 1787402160.5" } else { " 1787402160500" });
        }
        if self.is_openmetrics && may_have_exemplar && series.has_exemplar {
            self.text.push_str(" # {trace_id=\"a # \\\"} 1\"} 0.67 1787402160.123");
        }
        self.text.push('\n');
    }
}

fn number(value: f64) -> String {
    if value.is_nan() { "nan".to_owned() } else { format!("{:016x}", (value + 0.0).to_bits()) }
}

/// Returns true if the readings are equal. Numbers may differ in the last bit, and very large and very small numbers in
/// a few bits.
fn is_same(left: &[serde_json::Value], right: &[serde_json::Value]) -> bool {
    let is_same = |(left, right): (&serde_json::Value, &serde_json::Value)| match (left, right) {
        (serde_json::Value::Array(left), serde_json::Value::Array(right)) => is_same(left, right),
        (serde_json::Value::String(left), serde_json::Value::String(right)) => left == right || is_close(left, right),
        (left, right) => left == right,
    };
    left.len() == right.len() && left.iter().zip(right).all(is_same)
}

fn is_close(left: &str, right: &str) -> bool {
    let bits = |text: &str| u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
    let (Some(left), Some(right)) = (bits(left), bits(right)) else { return false };
    let is_ordinary = (1e-19..1e19).contains(&f64::from_bits(right).abs());
    left.abs_diff(right) <= if is_ordinary { 1 } else { 8 }
}

/// All readings of a series.
struct Point {
    kind: &'static str,
    name: String,
    labels: Vec<[String; 2]>,
    buckets: Vec<[String; 2]>,
    count: Option<f64>,
    /// The value, or the sum of a histogram or summary.
    value: Option<f64>,
    created: Option<f64>,
}

/// Collects the readings of each series, in the order of their first lines.
#[derive(Default)]
struct Points(Vec<Point>);

impl Sink for Points {
    fn wants(&mut self, _: &str) -> Wanted {
        Wanted::ByPattern
    }

    fn accept(&mut self, reading: &Reading<'_>) {
        let kind = match reading.kind {
            SeriesKind::Counter => "counter",
            SeriesKind::Gauge => "gauge",
            SeriesKind::Untyped => "unknown",
            SeriesKind::Histogram => "histogram",
            SeriesKind::Summary => "summary",
        };
        let labels: Vec<_> =
            reading.labels.iter().map(|label| [label.name.to_string(), label.value.to_string()]).collect();
        let matches = |point: &Point| point.kind == kind && point.name == reading.name && point.labels == labels;
        let index = self.0.iter().position(matches).unwrap_or_else(|| {
            let name = reading.name.to_owned();
            self.0.push(Point { kind, name, labels, buckets: Vec::new(), count: None, value: None, created: None });
            self.0.len() - 1
        });
        let point = &mut self.0[index];
        let slot = match reading.part {
            Part::CumulativeBucket(bucket) => {
                return point.buckets.push([bucket.upper, bucket.cumulative].map(number));
            }
            Part::Value(value) | Part::Sum(value) => point.value.replace(value),
            Part::Count(count) => point.count.replace(count),
            Part::Created(created) => point.created.replace(created),
        };
        assert_eq!(slot, None, "duplicate {reading:?}");
    }

    fn skip(&mut self, skipped: &Skipped<'_>) {
        panic!("{skipped:?}");
    }

    fn set_process_start(&mut self, _: f64) {}
}

/// Reads a text with the receiver's parser, in steps of about `budget` bytes.
fn read(text: &str, budget: usize) -> Vec<serde_json::Value> {
    let mut exposition = Exposition::new(text.as_bytes().to_vec()).unwrap();
    let mut points = Points::default();
    while !exposition.read(&mut { budget }, &mut points).unwrap() {}
    let reading = |point: Point| {
        let numbers: Vec<_> = [point.count, point.value].into_iter().flatten().map(number).collect();
        json!([point.kind, point.name, point.labels, point.buckets, numbers, point.created.map(number)])
    };
    points.0.into_iter().map(reading).collect()
}

#[test]
fn the_parser_agrees_with_prometheus_python_client() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut texts = Vec::new();
    for index in 0..2 * TEXTS {
        let families = families().new_tree(&mut runner).unwrap().current();
        let is_openmetrics = index % 2 == 1;
        let text = Writer::write(&families, is_openmetrics);
        texts.push((if is_openmetrics { "openmetrics" } else { "text" }, text));
    }

    let mut python = Command::new(installation::python());
    let mut python =
        python.args(["-c", PARSE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    python.stdin.take().unwrap().write_all(serde_json::to_string(&texts).unwrap().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let expected: Vec<Vec<serde_json::Value>> = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(expected.len(), texts.len());
    let readings: usize = expected.iter().map(Vec::len).sum();
    assert!(readings > 5 * TEXTS, "{readings}");
    for ((_, text), expected) in texts.iter().zip(&expected) {
        for budget in [1, 500, usize::MAX] {
            let readings = read(text, budget);
            assert!(is_same(&readings, expected), "{text}\n{readings:?}\n{expected:?}");
        }
    }
}
