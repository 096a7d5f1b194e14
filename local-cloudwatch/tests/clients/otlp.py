"""Exports with OpenTelemetry's SDK, signed by botocore, and reads back with PromQL: otlp.py ENDPOINT TEMPORALITY."""

import math
import sys
import time

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, ObservableCounter, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

endpoint, temporality = sys.argv[1:]
is_delta = temporality == "delta"


class SignatureV4(requests.auth.AuthBase):
    """Signs requests as AWS's own SDK for Python does."""

    def __call__(self, request):
        signed = AWSRequest(request.method, request.url, data=request.body, headers={"content-type": request.headers["content-type"]})
        SigV4Auth(Credentials("local", "local"), "monitoring", "us-east-1").add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        return request


session = requests.Session()
session.auth = SignatureV4()
kinds = (Counter, Histogram, ObservableCounter, UpDownCounter)
chosen = AggregationTemporality.DELTA if is_delta else AggregationTemporality.CUMULATIVE
exporter = OTLPMetricExporter(
    endpoint + "/v1/metrics",
    session=session,
    compression=Compression.Gzip if is_delta else Compression.NoCompression,
    preferred_temporality={kind: chosen for kind in kinds} | {UpDownCounter: AggregationTemporality.CUMULATIVE},
)
reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
provider = MeterProvider(
    [reader],
    Resource({"service.name": "shop", "service.version": "1.2"}),
    views=[View(instrument_name="http.server.request.duration", aggregation=ExponentialBucketHistogramAggregation())],
)
meter = provider.get_meter("client", "3.4")
orders = meter.create_counter("orders", unit="{order}")
active = meter.create_up_down_counter("active")
durations = meter.create_histogram("http.server.request.duration", unit="s")
sizes = meter.create_histogram("sizes", unit="By", explicit_bucket_boundaries_advisory=[10.0, 100.0])
meter.create_observable_gauge("temperature", [lambda _: [Observation(21.5, {"room": "a"}), Observation(19, {"room": "b"})]])

for batch in range(3):
    for n in range(1, 101):
        orders.add(2, {"http.route": "/cart"})
        durations.record(n / 100 + batch, {"http.route": "/cart"})
        sizes.record(n)
    orders.add(0.5, {"http.route": "/pay", "paid": True})
    active.add(3 if batch == 0 else -1)
    assert provider.force_flush()
    # Points of a series have different times, in the milliseconds of queries.
    time.sleep(0.01)


def query(text, expected_status=200):
    # As Prometheus' clients do: a form, and no signature.
    response = requests.post(endpoint + "/api/v1/query", data={"query": text, "time": time.time() + 1})
    assert response.status_code == expected_status, (text, response.text)
    return response.json()


def numbers(text):
    data = query(text)["data"]
    assert data["resultType"] == "vector", data
    return {tuple(sorted(element["metric"].items())): float(element["value"][1]) for element in data["result"]}


def assert_equal(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


by_route = 'sum by ("http.route", paid) (%s)'
if is_delta:
    totals = numbers(by_route % "increase(orders[5m])")
else:
    totals = numbers(by_route % "orders")
assert_equal(totals, {(("http.route", "/cart"),): 600.0, (("http.route", "/pay"), ("paid", "true")): 1.5})
assert_equal(numbers('sum({"active", "@resource.service.name"="shop", "@instrumentation.@name"="client"})'), {(): 1.0})
rooms = numbers('max by (room) (temperature{room="a"} or temperature{"@datapoint.room"="b"})')
assert_equal(rooms, {(("room", "a"),): 21.5, (("room", "b"),): 19.0})
assert_equal(numbers('sum by ("@resource.service.version") (temperature)'), {(("@resource.service.version", "1.2"),): 40.5})

histogram = "sum(sum_over_time(%s[5m]))" if is_delta else "sum(%s)"
duration, size = histogram % '{"http.server.request.duration"}', histogram % "sizes"
assert_equal(numbers(f"histogram_count({duration})"), {(): 300.0})
values = sorted(n / 100 + batch for batch in range(3) for n in range(1, 101))
(total,) = numbers(f"histogram_sum({duration})").values()
assert abs(total - sum(values)) < 1e-9, total
for quantile in (0.505, 0.905, 0.985):
    exact = values[math.ceil(quantile * 300) - 1]
    (found,) = numbers(f"histogram_quantile({quantile}, {duration})").values()
    # The SDK's 160 buckets have a scale of at least 3 for values from 0.01 to 3.
    assert exact / 2**0.125 < found < exact * 2**0.125, (quantile, found, exact)
# 10 of 100 values are up to 10, and the others up to 100: evenly, as they were recorded.
(median,) = numbers(f"histogram_quantile(0.5, {size})").values()
assert abs(median - 50) < 1e-9, median

assert_equal(query("topk(3, orders)", 422)["errorType"], "execution")
names = requests.get(endpoint + "/api/v1/label/__name__/values").json()
assert_equal(names["data"], ["active", "http.server.request.duration", "orders", "sizes", "temperature"])
provider.shutdown()
