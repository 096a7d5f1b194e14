//! OpenTelemetry's SDK for Python publishes through the gateway, and CloudWatch stores exact totals.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

use std::{collections::BTreeMap, process::Command, time::Duration};

use e2e::{GatewaySetup, GatewayStack, eventually, installation};
use local_cloudwatch::SeriesTotal;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

const LIMIT: Duration = Duration::from_secs(40);

/// The relative error of a sum that CloudWatch adds up from the values of a distribution.
const ROUNDING: f64 = 1e-12;

/// Records values, exports them in rounds and prints the expected statistics by metric and route. The environment
/// configures the exporter. Argument: `ROUNDS`.
const PUBLISH: &str = r#"
import json, random, sys
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

results = []

class Exporter(OTLPMetricExporter):
    """Exports over two connections in turn, which belong to two workers."""
    def __init__(self):
        super().__init__()
        self.other = OTLPMetricExporter()

    def export(self, *arguments, **named):
        exporter = self.other if len(results) % 2 else super()
        results.append(exporter.export(*arguments, **named))
        return results[-1]

reader = PeriodicExportingMetricReader(Exporter(), export_interval_millis=3_600_000)
view = View(instrument_name="size", aggregation=ExponentialBucketHistogramAggregation())
provider = MeterProvider(metric_readers=[reader], views=[view])
meter = provider.get_meter("test", "1.0")

# From the first export on, the gateway knows the resource.
meter.create_counter("first").add(1)
provider.force_flush()

requests = meter.create_counter("requests", unit="{request}")
seconds = meter.create_counter("seconds", unit="s")
active = meter.create_up_down_counter("active", unit="1")
latency = meter.create_histogram("latency", unit="ms")
size = meter.create_histogram("size", unit="By")
heat = meter.create_gauge("heat", unit="Cel")
ticks, seen = [0], [0]
def read_ticks(_):
    seen[0] += 1
    yield Observation(ticks[0])
meter.create_observable_counter("ticks", callbacks=[read_ticks], unit="1")

expected, now_active = {}, 0
def expect(name, route, value, is_sample=True):
    count, total, least, most = expected.get((name, route), (0, 0, float("inf"), float("-inf")))
    expected[name, route] = (count + is_sample, total + value, min(least, value), max(most, value))

generator = random.Random(7)
for round in range(int(sys.argv[1])):
    for _ in range(50):
        route = generator.choice(["/", "/cart"])
        attributes = {"route": route}
        value = generator.randrange(1, 80_000) / 8
        requests.add(1, attributes)
        seconds.add(value, attributes)
        latency.record(value, attributes)
        size.record(value, attributes)
        expect("requests", route, 1, False)
        expect("seconds", route, value, False)
        expect("latency", route, value)
        expect("size", route, value)
    change = generator.randrange(-5, 9)
    now_active += change
    active.add(change)
    expect("active", "", now_active)
    heat.set(20 + round / 4)
    expect("heat", "", 20 + round / 4)
    ticks[0] += round
    assert provider.force_flush()
# Nothing has changed since, but gauges and sums are exported again.
provider.shutdown()
expect("active", "", now_active)
if "heat" in sys.argv[2:]:
    expect("heat", "", 20 + round / 4)
expect("ticks", "", ticks[0], False)
assert all(result is MetricExportResult.SUCCESS for result in results), results
print(json.dumps([[name, route, *statistics] for (name, route), statistics in expected.items()]))
"#;

/// Fails to export for lack of a token, and prints the status code.
const UNAUTHORIZED: &str = r#"
import logging
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import MetricExportResult, InMemoryMetricReader
from opentelemetry.sdk.metrics import MeterProvider
reader = InMemoryMetricReader()
MeterProvider(metric_readers=[reader]).get_meter("test").create_counter("refused").add(1)
assert OTLPMetricExporter().export(reader.get_metrics_data()) is MetricExportResult.FAILURE
"#;

async fn python(script: &'static str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(installation::python());
    command.args(["-c", script]).args(arguments).env_clear().envs(environment.iter().copied());
    let output = spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the stored series of a service by metric and route.
fn stored(gateway: &GatewayStack, service: &str) -> BTreeMap<(String, String), SeriesTotal> {
    let of_service = |total: &SeriesTotal| total.dimensions.get("service.name").is_some_and(|name| name == service);
    let series = gateway.cloudwatch.totals("Otlp").into_iter().filter(of_service).map(|total| {
        let route = total.dimensions.get("route").cloned().unwrap_or_default();
        ((total.metric_name.clone(), route), total)
    });
    series.collect()
}

async fn counter(gateway: &GatewayStack, name: &str) -> u64 {
    gateway.envoy.admin().module_stats().await[&format!("gateway.{name}")]
}

/// Returns the number of connections that each of two workers has accepted.
async fn connections(gateway: &GatewayStack) -> [u64; 2] {
    let stats = gateway.envoy.admin().stats("downstream_cx_total").await;
    ["worker_0", "worker_1"].map(|worker| {
        let name = format!(".{worker}.downstream_cx_total");
        stats.iter().filter(|(stat, _)| stat.contains(&name)).map(|(_, count)| count).sum()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_python_publishes_exact_totals_through_two_workers() {
    let mut gateway = GatewayStack::start(GatewaySetup {
        gateway: json!({ "bearer_token": "t0k3n", "otlp": { "namespace": "Otlp" } }),
        workers: 2,
        ..GatewaySetup::default()
    })
    .await;
    let endpoint = format!("{}/v1/metrics", gateway.url());
    for (temporality, compression) in [("delta", "gzip"), ("cumulative", "none")] {
        let environment = [
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", temporality),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0k3n"),
            ("OTEL_SERVICE_NAME", temporality),
        ];
        let before = connections(&gateway).await;
        let printed = python(PUBLISH, &["20"], &environment).await;
        let expected: Vec<(String, String, f64, f64, f64, f64)> = serde_json::from_str(&printed).unwrap();
        assert_eq!(expected.len(), 11, "{expected:?}");
        let after = connections(&gateway).await;
        assert!(after.iter().zip(before).all(|(after, before)| *after > before), "both workers: {after:?} {before:?}");
        eventually("the exports are published", LIMIT, async || {
            let stored = stored(&gateway, temporality);
            for (name, route, count, sum, min, max) in &expected {
                let total = stored.get(&(name.clone(), route.clone())).ok_or_else(|| format!("{name} {route}"))?;
                let is_sum = matches!(name.as_str(), "requests" | "seconds" | "ticks");
                // A gauge is exported again when the SDK shuts down, or not, depending on its version.
                let is_level = matches!(name.as_str(), "active" | "heat");
                let is_exact = if is_level {
                    (total.min, total.max) == (*min, *max) && total.count >= *count - 1.0
                } else {
                    (total.sum - sum).abs() <= sum * ROUNDING && (is_sum || total.count == *count)
                };
                let has_extremes =
                    is_sum || is_level || temporality == "cumulative" || (total.min, total.max) == (*min, *max);
                if !is_exact || !has_extremes {
                    return Err(format!("{name} {route}: {count} {sum} {min} {max}, stored {total:?}"));
                }
            }
            Ok(())
        })
        .await;
        let units: BTreeMap<_, _> =
            stored(&gateway, temporality).into_values().map(|total| (total.metric_name, total.unit)).collect();
        for (name, unit) in [
            ("requests", "Count"),
            ("seconds", "Seconds"),
            ("latency", "Milliseconds"),
            ("size", "Bytes"),
            ("heat", "None"),
        ] {
            assert_eq!(units[name], unit, "{name}");
        }
    }
    // Only the first export of the cumulative process had no increase.
    assert_eq!(counter(&gateway, "otlp.gaps").await, 1);
    assert_eq!(counter(&gateway, "otlp.rejected_data_points").await, 0);
    let endpoint = [("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", endpoint.as_str())];
    python(UNAUTHORIZED, &[], &endpoint).await;
    assert!(counter(&gateway, "refused.unauthorized").await > 0);
    gateway.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn percentiles_of_an_export_are_within_the_error_of_its_buckets() {
    let mut gateway = GatewayStack::start(GatewaySetup {
        gateway: json!({ "otlp": { "namespace": "Otlp" } }),
        ..GatewaySetup::default()
    })
    .await;
    let point = |counts: &[u64]| {
        let count: u64 = counts.iter().sum();
        let point = json!({
            "count": count.to_string(), "scale": 3, "positive": { "offset": 0, "bucketCounts": counts },
        });
        json!({ "name": "p", "exponentialHistogram": { "aggregationTemporality": 1, "dataPoints": [point] } })
    };
    // At scale 3, bucket 8 is (2, 2.18], bucket 16 is (4, 4.36].
    let mut counts = [0; 17];
    (counts[8], counts[16]) = (99, 1);
    let body = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [point(&counts)] }] }] });
    let (status, answer) = gateway.post("/v1/metrics", &body).await;
    assert_eq!((status, answer), (200, json!({})));
    let stored = gateway.flush("Otlp").await;
    let total = stored.values().next().unwrap();
    let values: Vec<_> = total.buckets.iter().flat_map(|bucket| bucket.values.clone()).collect();
    let [(low, 99.0), (high, 1.0)] = values[..] else { panic!("{values:?}") };
    assert!((2.0..=2.19).contains(&low) && (4.0..=4.37).contains(&high), "{values:?}");
    let (status, answer) = gateway.post("/v1/metrics", "{").await;
    assert_eq!((status, &answer["code"]), (400, &Value::from(3)));
    gateway.envoy.assert_healthy();
}
