//! Prometheus' HTTP API, read as its clients do: plain HTTP, GET or a POST form, and numbers as texts.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use local_cloudwatch::{LocalCloudWatch, OtlpAccess, ServerOptions};
use prost::Message;
use serde_json::{Value, json};
use support::export::{
    CUMULATIVE, DELTA, exponential_histogram, exponential_point, gauge, now_nanos, point, request, sum,
};
use support::{HttpResponse, SigningClient, exchange};

const SECOND: u64 = 1_000_000_000;

/// A client of the query API.
struct Reader {
    cloudwatch: LocalCloudWatch,
    /// The time of the latest data points, in seconds since the epoch.
    time: u64,
    latencies: Vec<f64>,
}

fn encode(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

impl Reader {
    /// Starts a server and exports two minutes of metrics.
    async fn new() -> Self {
        let options = ServerOptions { otlp_access: OtlpAccess::Open, ..ServerOptions::default() };
        let cloudwatch = LocalCloudWatch::start(options).await.unwrap();
        let time = now_nanos() / SECOND;
        let latencies: Vec<f64> = (1..=1_000_u32).map(|n| 0.001 * f64::from(n * n % 997 + 1)).collect();
        for ago in [120, 60, 0] {
            let (start, end) = ((time - ago - 60) * SECOND, (time - ago) * SECOND);
            let of_minute = if ago == 0 { &latencies[500..] } else { &latencies[..500] };
            let metrics = vec![
                sum(
                    "http.requests",
                    DELTA,
                    vec![
                        point(&[("http.route", "/cart"), ("http.response.status_code", "200")], start, end, 54.0),
                        point(&[("http.route", "/cart"), ("http.response.status_code", "503")], start, end, 6.0),
                        point(&[("http.route", "/pay"), ("http.response.status_code", "200")], start, end, 30.0),
                    ],
                ),
                sum("http.total", CUMULATIVE, vec![point(&[], (time - 600) * SECOND, end, 1_000.0 - ago as f64)]),
                gauge("http.server.active_requests", vec![point(&[], 0, end, ago as f64 / 60.0 + 1.0)]),
                exponential_histogram(
                    "http.server.request.duration",
                    DELTA,
                    vec![exponential_point(&[("http.route", "/cart")], start, end, 5, of_minute)],
                ),
            ];
            let body = request(metrics).encode_to_vec();
            let host = cloudwatch.address().to_string();
            let headers = [("host", host.as_str()), ("content-type", "application/x-protobuf")];
            let response = exchange(cloudwatch.address(), "POST", "/v1/metrics", &headers, &body).await.unwrap();
            assert_eq!((response.status, response.body.as_str()), (200, ""));
        }
        Self { cloudwatch, time, latencies }
    }

    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> HttpResponse {
        let host = self.cloudwatch.address().to_string();
        let path = format!("/api/v1/{path}?{}", encode(parameters));
        exchange(self.cloudwatch.address(), "GET", &path, &[("host", &host)], b"").await.unwrap()
    }

    async fn post(&self, path: &str, parameters: &[(&str, &str)]) -> HttpResponse {
        let host = self.cloudwatch.address().to_string();
        let headers = [("host", host.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let path = format!("/api/v1/{path}");
        exchange(self.cloudwatch.address(), "POST", &path, &headers, encode(parameters).as_bytes()).await.unwrap()
    }

    /// Queries with GET and with POST, which must have the same result, and returns the data.
    async fn data(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let (get, post) = (self.get(path, parameters).await, self.post(path, parameters).await);
        assert_eq!((get.status, &get.body), (200, &post.body), "{parameters:?}");
        assert_eq!(get.header("content-type"), Some("application/json"));
        assert!(get.header("x-amzn-requestid").is_some());
        let mut body: Value = serde_json::from_str(&get.body).unwrap();
        assert_eq!(body["status"], "success");
        body["data"].take()
    }

    async fn query(&self, query: &str) -> Value {
        self.data("query", &[("query", query), ("time", &self.time.to_string())]).await
    }

    /// Returns the only number of an instant query.
    async fn number(&self, query: &str) -> f64 {
        let data = self.query(query).await;
        assert_eq!(
            (data["resultType"].as_str(), data["result"].as_array().map(Vec::len)),
            (Some("vector"), Some(1)),
            "{data}"
        );
        data["result"][0]["value"][1].as_str().unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn rates_errors_and_percentiles_are_read_back() {
    let reader = Reader::new().await;
    let data = reader.query(r#"sum by ("http.route") (increase({"http.requests"}[2m]))"#).await;
    let time = reader.time;
    assert_eq!(
        data,
        json!({ "resultType": "vector", "result": [
        { "metric": { "http.route": "/cart" }, "value": [time, "120"] },
        { "metric": { "http.route": "/pay" }, "value": [time, "60"] },
    ] })
    );
    assert_eq!(reader.number(r#"sum(rate({"http.requests"}[1m]))"#).await, 1.5);
    let errors =
        r#"sum(rate({"http.requests", "http.response.status_code"=~"5.."}[1m])) / sum(rate({"http.requests"}[1m]))"#;
    assert!((reader.number(errors).await - 6.0 / 90.0).abs() < 1e-12);
    assert!((reader.number("sum(rate({\"http.total\"}[3m]))").await - 1.0).abs() < 1e-9);
    assert_eq!(reader.number(r#"histogram_count(sum(increase({"http.server.request.duration"}[2m])))"#).await, 1_000.0);
    let mut sorted = reader.latencies.clone();
    sorted.sort_by(f64::total_cmp);
    let width = 2_f64.powf(1.0 / 32.0);
    for (quantile, position) in [(0.4995, 499), (0.9005, 900), (0.9905, 990)] {
        let query = format!(r#"histogram_quantile({quantile}, sum(increase({{"http.server.request.duration"}}[2m])))"#);
        let (found, exact) = (reader.number(&query).await, sorted[position]);
        assert!(found < exact * width && found > exact / width, "{query}: {found}, not {exact}");
    }
}

#[tokio::test]
async fn a_range_query_returns_a_matrix() {
    let reader = Reader::new().await;
    let times = [reader.time - 120, reader.time - 60, reader.time];
    let (start, end) = (times[0].to_string(), times[2].to_string());
    let range = [("start", start.as_str()), ("end", &end), ("step", "1m")];
    let mut parameters = vec![("query", r#"{"http.server.active_requests"}"#)];
    parameters.extend(range);
    let data = reader.data("query_range", &parameters).await;
    let metric = json!({
        "__name__": "http.server.active_requests", "@resource.service.name": "shop", "@instrumentation.@name": "acpw",
        "@instrumentation.@version": "1.2",
    });
    let values = json!([[times[0], "3"], [times[1], "2"], [times[2], "1"]]);
    assert_eq!(data, json!({ "resultType": "matrix", "result": [{ "metric": metric, "values": values }] }));
    parameters[0].1 = r#"sum(increase({"http.server.request.duration"}[1m]))"#;
    let histograms = reader.data("query_range", &parameters).await;
    let histograms = histograms["result"][0]["histograms"].as_array().unwrap();
    assert_eq!(histograms.len(), 3);
    let [bucket, ..] = histograms[2][1]["buckets"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!((&histograms[2][1]["count"], &bucket[0]), (&json!("500"), &json!(0)));
}

#[tokio::test]
async fn labels_values_and_series_are_listed() {
    let reader = Reader::new().await;
    let selector = ("match[]", r#"{"http.requests"}"#);
    assert_eq!(
        reader.data("labels", &[selector]).await,
        json!([
            "@instrumentation.@name",
            "@instrumentation.@version",
            "@resource.service.name",
            "__name__",
            "http.response.status_code",
            "http.route",
        ])
    );
    for name in ["http.route", "U__http_2e_route", "%40datapoint.http.route"] {
        let response = reader.get(&format!("label/{name}/values"), &[]).await;
        assert_eq!(response.body, r#"{"data":["/cart","/pay"],"status":"success"}"#, "{name}");
    }
    let names = reader.get("label/__name__/values", &[("match[]", r#"{"http.route"="/cart"}"#)]).await;
    assert_eq!(names.body, r#"{"data":["http.requests","http.server.request.duration"],"status":"success"}"#);
    let series = reader.data("series", &[selector, ("match[]", r#"{"http.total"}"#)]).await;
    assert_eq!(series.as_array().unwrap().len(), 4);
    let past = (reader.time - 3_600).to_string();
    assert_eq!(reader.data("series", &[selector, ("end", &past)]).await, json!([]));
    let none = reader.get("series", &[]).await;
    assert_eq!((none.status, none.body.contains("no match[] parameter provided")), (400, true));
}

#[tokio::test]
async fn errors_are_those_of_prometheus() {
    let reader = Reader::new().await;
    let (start, end) = (reader.time.to_string(), (reader.time + 11_000).to_string());
    for (path, parameters, status, error_type, message) in [
        ("query", vec![], 400, "bad_data", "\"query\""),
        ("query", vec![("query", "sum(")], 400, "bad_data", "\"query\""),
        ("query", vec![("query", "up"), ("time", "noon")], 400, "bad_data", "\"time\""),
        ("query", vec![("query", "topk(1, up)")], 422, "execution", "the aggregation topk"),
        ("query", vec![("query", "rate(up[5m:1m])")], 422, "execution", "subqueries"),
        ("query_range", vec![("query", "up"), ("start", &start), ("end", &end)], 400, "bad_data", "\"step\""),
        (
            "query_range",
            vec![("query", "up"), ("start", &end), ("end", &start), ("step", "1")],
            400,
            "bad_data",
            "\"end\"",
        ),
        (
            "query_range",
            vec![("query", "up"), ("start", &start), ("end", &end), ("step", "1")],
            400,
            "bad_data",
            "11000 points",
        ),
    ] {
        let response = reader.get(path, &parameters).await;
        let body: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!((response.status, body["status"].as_str()), (status, Some("error")), "{parameters:?}");
        assert_eq!(body["errorType"], error_type, "{body}");
        assert!(body["error"].as_str().unwrap().contains(message), "{body}");
    }
}

#[tokio::test]
async fn the_signature_of_a_query_is_verified_if_it_has_one() {
    let reader = Reader::new().await;
    let client = SigningClient::new(reader.cloudwatch.address());
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let good = client.signed("/api/v1/query", &form, b"query=1").await.unwrap();
    assert!(good.status == 200 && good.body.contains(r#""resultType":"scalar""#), "{}", good.body);
    let stranger = SigningClient { secret_access_key: "wrong", ..client };
    let refused = stranger.signed("/api/v1/query", &form, b"query=1").await.unwrap();
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("InvalidSignatureException"), "{}", refused.body);
}
