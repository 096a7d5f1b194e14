"""Publishes and queries with boto3 in one protocol: boto.py ENDPOINT PROTOCOL NAMESPACE."""

import datetime
import sys

import boto3
import botocore.model
from botocore.exceptions import ClientError

endpoint, protocol, namespace = sys.argv[1:]
# botocore uses the first protocol in this list that the service supports.
botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS = [protocol]
client = boto3.client(
    "cloudwatch", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="local", aws_secret_access_key="local"
)
assert client.meta.service_model.resolved_protocol == protocol

now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
minute = datetime.timedelta(minutes=1)
around = {"StartTime": now - 5 * minute, "EndTime": now + 5 * minute}
dimensions = [{"Name": "Route", "Value": "/cart <é>".encode("ascii", "replace").decode()}, {"Name": "A", "Value": "b&c=d"}]
latency = {"Namespace": namespace, "MetricName": "Latency", "Dimensions": dimensions}


def assert_equal(actual, expected):
    assert actual == expected, f"{protocol}: expected {expected!r}, got {actual!r}"


def error_of(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error
    raise AssertionError(f"{protocol}: {arguments} was not rejected")


# 150 values make the request long enough for botocore to compress it.
values, counts = [float(n) for n in range(1, 151)], [2.0] * 150
datum = {"MetricName": "Latency", "Dimensions": dimensions, "Unit": "Milliseconds", "Timestamp": now}
client.put_metric_data(
    Namespace=namespace,
    MetricData=[datum | {"Values": values, "Counts": counts} for _ in range(8)]
    + [{"MetricName": "Latency", "Unit": "Milliseconds", "Value": 7.0, "Timestamp": now}],
)
client.put_metric_data(
    Namespace=namespace,
    MetricData=[
        {
            "MetricName": "Set",
            "Timestamp": now,
            "StatisticValues": {"SampleCount": 4.0, "Sum": 10.0, "Minimum": 1.0, "Maximum": 4.0},
        },
        {"MetricName": "Fast", "Timestamp": now + datetime.timedelta(seconds=3), "Value": 5.0, "StorageResolution": 1},
    ],
)

listed = [metric for page in client.get_paginator("list_metrics").paginate(Namespace=namespace) for metric in page["Metrics"]]
assert_equal([metric["MetricName"] for metric in listed], ["Latency", "Latency", "Set", "Fast"])
assert_equal(sorted(map(str, listed[0]["Dimensions"])), sorted(map(str, dimensions)))
filtered = client.list_metrics(Namespace=namespace, Dimensions=[{"Name": "Route"}])["Metrics"]
assert_equal(len(filtered), 1)

point = {"Timestamp": now, "SampleCount": 2400.0, "Average": 75.5, "Sum": 181200.0, "Minimum": 1.0, "Maximum": 150.0}
statistics = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"]
found = client.get_metric_statistics(**latency, **around, Period=60, Statistics=statistics, ExtendedStatistics=["p50", "p99"])
assert_equal(found["Label"], "Latency")
assert_equal(found["Datapoints"], [point | {"Unit": "Milliseconds", "ExtendedStatistics": {"p50": 75.0, "p99": 149.0}}])
found = client.get_metric_statistics(Namespace=namespace, MetricName="Set", **around, Period=60, ExtendedStatistics=["p50"])
assert_equal(found["Datapoints"], [])

queries = [
    {"Id": "q0", "MetricStat": {"Metric": latency, "Period": 60, "Stat": "p100"}},
    {"Id": "q1", "MetricStat": {"Metric": {"Namespace": namespace, "MetricName": "Fast"}, "Period": 1, "Stat": "Sum"}},
]
results = client.get_metric_data(MetricDataQueries=queries, **around)["MetricDataResults"]
assert_equal([(result["Id"], result["Values"], result["StatusCode"]) for result in results], [("q0", [150.0], "Complete"), ("q1", [5.0], "Complete")])
assert_equal(results[1]["Timestamps"], [now + datetime.timedelta(seconds=3)])

bad = [{"MetricName": "m", "Value": 1.0}, {"MetricName": "m", "Value": float("nan")}, {"MetricName": "m", "Value": 1.0, "Timestamp": now - 15 * 1440 * minute}]
error = error_of(client.put_metric_data, Namespace=namespace, MetricData=bad)
assert_equal(error.response["ResponseMetadata"]["HTTPStatusCode"], 400)
assert_equal(error.response["Error"]["Code"], "InvalidParameterValue")
assert_equal(isinstance(error, client.exceptions.InvalidParameterValueException), True)
assert_equal(
    error.response["Error"]["Message"].split("\n"),
    [
        "The value NaN for parameter MetricData.member.2.Value is invalid.",
        "The parameter MetricData.member.3.Timestamp must specify a time no more than two weeks in the past.",
    ],
)
math = [{"Id": "q", "Expression": "m1 * 2"}]
assert_equal(error_of(client.get_metric_data, MetricDataQueries=math, **around).response["Error"]["Code"], "ValidationError")
