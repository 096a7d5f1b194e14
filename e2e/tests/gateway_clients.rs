//! AWS's own clients store the same data through the gateway as directly.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

use std::{
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use e2e::{GatewaySetup, GatewayStack, by_series, installation};
use local_cloudwatch::SeriesTotal;
use serde_json::json;
use tokio::task::spawn_blocking;

/// Publishes fixtures. Arguments: `ENDPOINT PROTOCOL NAMESPACE SECONDS`.
const PUBLISH: &str = r#"
import datetime, sys
import boto3, botocore.model
from botocore.exceptions import ClientError

endpoint, protocol, namespace, seconds = sys.argv[1:]
botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS = [protocol]
client = boto3.client("cloudwatch", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="local", aws_secret_access_key="local")
assert client.meta.service_model.resolved_protocol == protocol
now = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)
second = datetime.timedelta(seconds=1)
dimensions = [{"Name": "Route", "Value": "/cart <&>\"'"}, {"Name": "A", "Value": "b&c=d"}]
latency = {"MetricName": "Latency", "Dimensions": dimensions, "Unit": "Milliseconds", "Timestamp": now}
many = [float(n) * 1.1 for n in range(150)]
for _ in range(2):
    client.put_metric_data(
        Namespace=namespace,
        # Long enough for botocore to compress it.
        MetricData=[latency | {"Values": many, "Counts": [2.0] * 150} for _ in range(8)]
        + [latency | {"Value": value} for value in (0.1, 0.2, 0.1, -7.25, 1e100)]
        + [latency | {"Value": 5.5, "Timestamp": now - 90 * second, "StorageResolution": 1}],
    )
    client.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {"MetricName": "Set", "Timestamp": now, "StatisticValues": {"SampleCount": 4.5, "Sum": 10.0, "Minimum": 1.0, "Maximum": 4.0}},
            {"MetricName": "Same", "Timestamp": now, "StatisticValues": {"SampleCount": 3.0, "Sum": 6.0, "Minimum": 2.0, "Maximum": 2.0}},
            {"MetricName": "Both", "Timestamp": now, "Values": [1.0, 2.0], "Counts": [3.0, 4.0],
             "StatisticValues": {"SampleCount": 7.0, "Sum": 11.5, "Minimum": 0.5, "Maximum": 2.5}},
            {"MetricName": "Old", "Timestamp": now - datetime.timedelta(days=13), "Value": 1.0, "Unit": "Count"},
        ],
    )
for bad in [{"MetricName": "Bad", "Value": 1.0, "Unit": "None", "Dimensions": [{"Name": ":a", "Value": " "}]},
            {"MetricName": "Bad", "Values": [1.0, 2.0], "Counts": [1.0]}]:
    try:
        client.put_metric_data(Namespace=namespace, MetricData=[bad])
        raise AssertionError("an invalid datum was accepted")
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error
        code = error.response["Error"]["Code"]
        assert code.startswith("InvalidParameterValue"), error
        assert "MetricData.member.1." in error.response["Error"]["Message"], error
try:
    client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "Bad", "StatisticValues": {"SampleCount": 1.0, "Sum": 1.0, "Minimum": 2.0, "Maximum": 1.0}}])
    raise AssertionError("an invalid statistic set was accepted")
except ClientError:
    pass
"#;

async fn run(program: impl AsRef<Path>, arguments: &[&str], environment: &[(&str, &str)]) {
    let mut command = Command::new(program.as_ref());
    command
        .args(arguments)
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied());
    let output = spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Returns the statistics and values of a series by period, which do not depend on the number of data.
fn statistics(total: &SeriesTotal) -> Vec<String> {
    // The last digits of a sum depend on the order of its values.
    let rounded = |number: f64| format!("{number:.9e}");
    let bucket = |bucket: &local_cloudwatch::BucketTotal| {
        let numbers = [bucket.count, bucket.sum, bucket.min, bucket.max].map(rounded);
        format!("{} {} {numbers:?} {:?}", bucket.timestamp, bucket.resolution, bucket.values)
    };
    total.buckets.iter().map(bucket).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_store_the_same_data_through_the_gateway_as_directly() {
    let mut gateway = GatewayStack::start(GatewaySetup {
        gateway: json!({ "access_keys": [{ "access_key_id": "local", "secret_access_key": "local" }] }),
        ..GatewaySetup::default()
    })
    .await;
    let python = installation::python();
    let seconds = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60 * 60 - 120).to_string();
    for protocol in ["json", "query", "smithy-rpc-v2-cbor"] {
        let (direct, through) = (format!("Direct-{protocol}"), format!("Through-{protocol}"));
        run(&python, &["-c", PUBLISH, &gateway.cloudwatch.url(), protocol, &direct, &seconds], &[]).await;
        run(&python, &["-c", PUBLISH, &gateway.url(), protocol, &through, &seconds], &[]).await;
        // A flush would need a signature, so wait until the receiver publishes.
        let expected = by_series(gateway.cloudwatch.totals(&direct));
        assert_eq!(expected.len(), 5, "{expected:#?}");
        e2e::eventually("the posts are published", std::time::Duration::from_secs(30), async || {
            let stored = by_series(gateway.cloudwatch.totals(&through));
            let is_complete = stored.len() == expected.len()
                && expected
                    .iter()
                    .all(|(name, total)| stored.get(name).is_some_and(|stored| stored.count == total.count));
            if is_complete { Ok(()) } else { Err(format!("{stored:#?}")) }
        })
        .await;
        for (name, total) in by_series(gateway.cloudwatch.totals(&through)) {
            assert_eq!(statistics(&total), statistics(&expected[&name]), "{protocol}: {name}");
        }
    }

    let data = format!(r#"[{{"MetricName": "Cli", "Timestamp": {seconds}, "Value": 12.5, "Unit": "Seconds"}}]"#);
    let aws = installation::aws();
    let url = gateway.url();
    run(
        &aws,
        &["cloudwatch", "put-metric-data", "--namespace", "Cli", "--metric-data", &data],
        &[("AWS_ENDPOINT_URL_CLOUDWATCH", &url)],
    )
    .await;
    let shorthand = [
        "cloudwatch",
        "put-metric-data",
        "--namespace",
        "Cli",
        "--metric-name",
        "Short",
        "--value",
        "3",
        "--dimensions",
        "A=b",
    ];
    run(&aws, &shorthand, &[("AWS_ENDPOINT_URL_CLOUDWATCH", &url)]).await;
    e2e::eventually("the CLI's data is published", std::time::Duration::from_secs(30), async || {
        let sums: Vec<_> = by_series(gateway.cloudwatch.totals("Cli")).values().map(|total| total.sum).collect();
        if sums == [12.5, 3.0] { Ok(()) } else { Err(format!("{sums:?}")) }
    })
    .await;
    gateway.envoy.assert_healthy();
}
