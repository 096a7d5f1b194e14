//! AWS's own clients can query the published metrics.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test runs in real time, and fails by panicking, in its helpers too"
)]

use std::{
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use e2e::{ClientRequest, NAMESPACE, Pair, Setup, installation, load};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

/// Returns the sum of each series over the last hour with GetMetricData of boto3.
const READ_WITH_BOTO3: &str = r#"
import boto3, datetime, json, sys
endpoint, namespace = sys.argv[1:]
client = boto3.client("cloudwatch", endpoint_url=endpoint)
metrics = client.list_metrics(Namespace=namespace)["Metrics"]
queries = [
    {"Id": f"m{n}", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum", "Unit": "Count"}}
    for n, metric in enumerate(metrics)
]
now = datetime.datetime.now(datetime.timezone.utc)
hour = datetime.timedelta(hours=1)
results = client.get_metric_data(MetricDataQueries=queries, StartTime=now - hour, EndTime=now + hour)["MetricDataResults"]
sums = {result["Id"]: sum(result["Values"]) for result in results}
paths = [{pair["Name"]: pair["Value"] for pair in metric["Dimensions"]}["path"] for metric in metrics]
print(json.dumps({path: sums[f"m{n}"] for n, path in enumerate(paths)}))
"#;

/// Runs a client without the user's AWS configuration, and parses its output.
async fn run(program: impl AsRef<Path>, arguments: &[&str]) -> Value {
    let mut command = Command::new(program.as_ref());
    command
        .args(arguments)
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let output = spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_and_boto3_read_the_published_metrics() {
    let mut pair = Pair::start(Setup::default()).await;
    let requests = (0..60).map(|n| ClientRequest::get("example.com", if n % 3 == 0 { "/a" } else { "/b" })).collect();
    load(pair.address(), 2, requests).await;
    pair.wait_until_stored(60).await;

    let aws = installation::aws();
    let endpoint = ["--endpoint-url", &pair.cloudwatch.url(), "--output", "json"];
    let listing = [&["cloudwatch", "list-metrics", "--namespace", NAMESPACE], endpoint.as_slice()].concat();
    let listed = run(&aws, &listing).await;
    let metric = |path: &str| {
        let pairs = [("host", "example.com"), ("method", "GET"), ("path", path), ("status", "200")];
        let dimensions = pairs.map(|(name, value)| json!({ "Name": name, "Value": value }));
        json!({ "Namespace": NAMESPACE, "MetricName": "RequestCount", "Dimensions": dimensions })
    };
    assert_eq!(sorted(&listed["Metrics"]), [metric("/a"), metric("/b")]);

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let reading = format!(
        "cloudwatch get-metric-statistics --namespace {NAMESPACE} --metric-name RequestCount --unit Count --period 60 \
         --statistics Sum SampleCount --start-time {} --end-time {} \
         --dimensions Name=host,Value=example.com Name=method,Value=GET Name=path,Value=/b Name=status,Value=200",
        now - 1_800,
        now + 1_800
    );
    let reading: Vec<_> = reading.split_whitespace().chain(endpoint).collect();
    let read = run(&aws, &reading).await;
    let points = read["Datapoints"].as_array().unwrap();
    let total = |statistic: &str| points.iter().filter_map(|point| point[statistic].as_f64()).sum::<f64>();
    assert_eq!((total("Sum"), total("SampleCount")), (40.0, 40.0), "{read}");
    assert!(points.iter().all(|point| point["Unit"] == "Count"), "{read}");

    let arguments = ["-c", READ_WITH_BOTO3, &pair.cloudwatch.url(), NAMESPACE];
    assert_eq!(run(installation::python(), &arguments).await, json!({ "/a": 20.0, "/b": 40.0 }));
}

/// Returns metrics and their dimensions in a canonical order.
fn sorted(metrics: &Value) -> Vec<Value> {
    let mut metrics = metrics.as_array().unwrap().clone();
    for metric in &mut metrics {
        metric["Dimensions"].as_array_mut().unwrap().sort_by_key(Value::to_string);
    }
    metrics.sort_by_key(Value::to_string);
    metrics
}
