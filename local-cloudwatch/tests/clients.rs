//! boto3, the AWS CLI and OpenTelemetry's SDK publish to the server and query it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use local_cloudwatch::{CallProtocol, Failure, LocalCloudWatch, OtlpKind, ServerOptions, WriteOperation};
use serde_json::json;
use tokio::task::spawn_blocking;

const AWS_MODULES: &str = "awscli, boto3";
const OTLP_MODULES: &str = "botocore, opentelemetry.exporter.otlp.proto.http, opentelemetry.sdk.metrics";

/// Returns a Python that has `modules`: `PYTHON`, or the workspace's virtual environment.
fn python(modules: &str) -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    let python = std::env::var_os("PYTHON").map_or(default, PathBuf::from);
    let found = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    let is_usable = found.as_ref().is_ok_and(|output| output.status.success());
    assert!(
        is_usable,
        "these tests need a Python with the packages of requirements.txt, but {} failed to import them: {found:?}; set \
         PYTHON, or create .venv with `make .venv/done`",
        python.display()
    );
    python
}

/// Runs Python without the user's AWS configuration.
async fn run(modules: &str, arguments: Vec<String>) -> Output {
    let python = python(modules);
    let run = move || {
        Command::new(python)
            .args(arguments)
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_MAX_ATTEMPTS", "1")
            .output()
            .unwrap()
    };
    spawn_blocking(run).await.unwrap()
}

fn stdout_of(output: &Output) -> &str {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{stderr}", output.status);
    std::str::from_utf8(&output.stdout).unwrap()
}

async fn boto_round_trip(protocol: CallProtocol, name: &str) {
    let cloudwatch = LocalCloudWatch::start(ServerOptions::default()).await.unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/boto.py");
    let arguments = [script, &cloudwatch.url(), name, "Boto"].map(str::to_owned).to_vec();
    stdout_of(&run(AWS_MODULES, arguments).await);

    let calls = cloudwatch.calls();
    assert!(calls.iter().all(|call| call.protocol == protocol), "{calls:?}");
    let compressed = calls.first().unwrap();
    assert!(compressed.is_stored && compressed.body_bytes < compressed.raw_bytes, "{compressed:?}");
    assert_eq!(compressed.data, 9);
    let totals = cloudwatch.totals("Boto");
    let sums: Vec<_> = totals.iter().map(|total| (total.metric_name.as_str(), total.count, total.sum)).collect();
    assert_eq!(sums, [("Fast", 1.0, 5.0), ("Latency", 1.0, 7.0), ("Latency", 2_400.0, 181_200.0), ("Set", 4.0, 10.0)]);
    cloudwatch.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_works_with_json() {
    boto_round_trip(CallProtocol::Json, "json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_works_with_cbor() {
    boto_round_trip(CallProtocol::Cbor, "smithy-rpc-v2-cbor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_works_with_query() {
    boto_round_trip(CallProtocol::Query, "query").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_publishes_and_lists() {
    let cloudwatch = LocalCloudWatch::start(ServerOptions::default()).await.unwrap();
    let url = cloudwatch.url();
    let aws = |line: &str| {
        let mut arguments: Vec<String> = ["-m", "awscli", "cloudwatch"].map(str::to_owned).to_vec();
        arguments.extend(line.split(' ').map(str::to_owned));
        arguments.extend(["--endpoint-url".to_owned(), url.clone(), "--output".to_owned(), "json".to_owned()]);
        run(AWS_MODULES, arguments)
    };
    let put = "put-metric-data --namespace Cli --metric-name Latency --unit Milliseconds --dimensions Service=checkout \
               --value 12.5";
    stdout_of(&aws(put).await);
    let listed = async |namespace: &str| -> serde_json::Value {
        let output = aws(&format!("list-metrics --namespace {namespace}")).await;
        serde_json::from_str(stdout_of(&output)).unwrap()
    };
    let dimensions = json!([{ "Name": "Service", "Value": "checkout" }]);
    let metric = json!({ "Namespace": "Cli", "MetricName": "Latency", "Dimensions": dimensions });
    assert_eq!(listed("Cli").await, json!({ "Metrics": [metric] }));
    assert_eq!(listed("Other").await, json!({ "Metrics": [] }));

    let rejected = aws(&format!("{put} --timestamp 2020-01-01T00:00:00Z")).await;
    let message = String::from_utf8_lossy(&rejected.stderr).into_owned();
    assert!(!rejected.status.success());
    assert!(message.contains("(InvalidParameterValue)"), "{message}");
    assert!(message.contains("The parameter MetricData.member.1.Timestamp must specify a time"), "{message}");

    let totals = cloudwatch.totals("Cli");
    assert_eq!(totals.len(), 1);
    assert_eq!((totals[0].count, totals[0].sum, totals[0].unit.as_str()), (1.0, 12.5, "Milliseconds"));
    cloudwatch.shutdown().await;
}

/// Exports with OpenTelemetry's SDK, reads back with PromQL, and compares the totals.
async fn otlp_round_trip(temporality: &str) {
    let cloudwatch = LocalCloudWatch::start(ServerOptions::default()).await.unwrap();
    // The SDK sends the same request again after the given time.
    let busy = Failure::new(503, "ServiceUnavailable").with_header("retry-after", "1");
    cloudwatch.fail_next(1, busy.for_operation(WriteOperation::ExportMetrics));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/otlp.py");
    stdout_of(&run(OTLP_MODULES, [script, &cloudwatch.url(), temporality].map(str::to_owned).to_vec()).await);
    let calls = cloudwatch.calls();
    let statuses: Vec<_> = calls.iter().map(|call| call.status).collect();
    assert_eq!(statuses[..4], [503, 200, 200, 200].map(Some), "{calls:?}");
    assert!(calls.iter().all(|call| call.protocol == CallProtocol::OtlpProtobuf && call.rejected_data == 0));
    assert_eq!(calls[1].body_bytes < calls[1].raw_bytes, temporality == "delta");
    let totals = cloudwatch.otlp_totals();
    let found: Vec<_> = totals.iter().map(|total| (total.metric.as_str(), total.kind, total.sum)).collect();
    let durations = (1..=100).map(f64::from).sum::<f64>() / 100.0 * 3.0 + 300.0;
    let gauge = |index: usize| totals[index].points.last().unwrap().sum;
    assert_eq!(
        found.iter().map(|(metric, kind, _)| (*metric, *kind)).collect::<Vec<_>>(),
        [
            ("active", OtlpKind::Sum),
            ("http.server.request.duration", OtlpKind::ExponentialHistogram),
            ("orders", OtlpKind::Sum),
            ("orders", OtlpKind::Sum),
            ("sizes", OtlpKind::Histogram),
            ("temperature", OtlpKind::Gauge),
            ("temperature", OtlpKind::Gauge),
        ]
    );
    assert_eq!((found[0].2, found[2].2 + found[3].2, found[4].2), (1.0, 601.5, 15_150.0));
    assert!((found[1].2 - durations).abs() < 1e-9 && totals[1].count == 300.0, "{:?}", found[1]);
    assert_eq!((totals[1].min, totals[1].max, gauge(5), gauge(6)), (Some(0.01), Some(3.0), 21.5, 19.0));
    assert_eq!(totals[4].explicit.as_ref().unwrap().counts, [30.0, 270.0, 0.0]);
    cloudwatch.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_opentelemetry_sdk_exports_deltas() {
    otlp_round_trip("delta").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_opentelemetry_sdk_exports_cumulative_totals() {
    otlp_round_trip("cumulative").await;
}
