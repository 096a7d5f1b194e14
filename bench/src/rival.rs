//! Envoy's own ways to measure requests, with which the modules are compared.

use scenes::HOST;
use serde_json::{Value, json};

/// Returns a Lua filter that reads the same values as the seed configuration and counts requests by them.
pub(crate) fn lua() -> Value {
    const SCRIPT: &str = r#"
        local counts = {}
        function envoy_on_request(handle)
          local headers = handle:headers()
          handle:streamInfo():dynamicMetadata():set("acpw", "key",
            headers:get(":authority") .. " " .. headers:get(":method") .. " " .. headers:get(":path"))
        end
        function envoy_on_response(handle)
          local key = handle:streamInfo():dynamicMetadata():get("acpw")["key"] .. " " .. handle:headers():get(":status")
          counts[key] = (counts[key] or 0) + 1
        end
    "#;
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": { "inline_string": SCRIPT },
    })
}

/// Returns an access logger that writes the values of the seed configuration to a file as JSON.
pub(crate) fn json_log() -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "FOLDER/access.log",
            "log_format": {
                "json_format": {
                    "host": "%REQ(:AUTHORITY)%",
                    "method": "%REQ(:METHOD)%",
                    "path": "%REQ(:PATH)%",
                    "status": "%RESPONSE_CODE%",
                },
            },
        },
    })
}

/// Returns the full set as native Envoy stats, as in envoy/native.yaml. Both error counts are derived from the status.
pub(crate) fn native_stats() -> Value {
    let host = json!({ "header_filter": {
        "header": { "name": ":authority", "string_match": { "exact": HOST } },
    } });
    let is_answered = json!({ "extension_filter": { "name": "answered", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        "expression": "has(response.backend_latency)",
    } } });
    let tags = json!([
        { "name": "host", "value_format": HOST },
        { "name": "method", "value_format": "%REQ(:METHOD)%" },
        { "name": "status", "value_format": "%RESPONSE_CODE%" },
        { "name": "route", "value_format": "%ROUTE_NAME%" },
    ]);
    let logger = |filter: &Value, stats: Value| {
        let mut config = json!({
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config",
            "stats_scope": { "prefix": "acpw" },
        });
        if let (Some(config), Value::Object(stats)) = (config.as_object_mut(), stats) {
            config.extend(stats);
        }
        json!({ "name": "envoy.access_loggers.stats", "filter": filter, "typed_config": config })
    };
    let histogram = |name: &str, unit: &str, value: &str| json!({ "stat": { "name": name, "tags": tags }, "unit": unit, "value_format": value });
    let all_stats = json!({
        "counters": [{ "stat": { "name": "requests", "tags": tags }, "value_fixed": 1 }],
        "histograms": [
            histogram("latency", "Microseconds", "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%"),
            histogram("request_bytes", "Bytes", "%BYTES_RECEIVED%"),
            histogram("response_bytes", "Bytes", "%BYTES_SENT%"),
        ],
    });
    let answered_stats = json!({
        "histograms": [histogram("target_time", "Microseconds", "%COMMON_DURATION(US_TX_END:US_RX_BEG:us)%")],
    });
    let host_and_answered = json!({ "and_filter": { "filters": [&host, &is_answered] } });
    json!([logger(&host, all_stats), logger(&host_and_answered, answered_stats)])
}

/// Returns the part of the receiver's configuration that reads the native stats every ten seconds.
pub(crate) fn envoy_stats() -> Value {
    let sets = json!([["host", "method", "status", "route"]]);
    let rule = |kind: &str, name: &str, metrics: Value| {
        let pattern = format!("acpw.{name}.host.{{host*}}.method.{{method}}.status.{{status}}.route.{{route}}");
        json!({ kind: pattern, "metrics": metrics, "dimension_sets": sets })
    };
    json!({ "envoy_stats": {
        "cluster_name": "envoy_admin",
        "interval_millisecond": 10_000,
        "rules": [
            rule("counter", "requests", json!([
                "RequestCount",
                { "name": "4XXError", "ones": { "status": "4*" } },
                { "name": "5XXError", "ones": { "status": "5*" } },
            ])),
            rule("histogram", "latency", json!([{ "name": "Latency", "scale": 0.001 }])),
            rule("histogram", "target_time", json!([{ "name": "TargetResponseTime", "scale": 0.001 }])),
            rule("histogram", "request_bytes", json!(["RequestBytes"])),
            rule("histogram", "response_bytes", json!(["ResponseBytes"])),
        ],
    } })
}

/// Returns an access logger that sends the values of the seed configuration to the cluster `collector` as OpenTelemetry
/// log records.
pub(crate) fn opentelemetry_log() -> Value {
    let attribute = |name: &str, value: &str| json!({ "key": name, "value": { "string_value": value } });
    json!({
        "name": "envoy.access_loggers.open_telemetry",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
            "common_config": {
                "log_name": "requests",
                "transport_api_version": "V3",
                "grpc_service": { "envoy_grpc": { "cluster_name": "collector" } },
            },
            "attributes": { "values": [
                attribute("host", "%REQ(:AUTHORITY)%"),
                attribute("method", "%REQ(:METHOD)%"),
                attribute("path", "%REQ(:PATH)%"),
                attribute("status", "%RESPONSE_CODE%"),
            ] },
        },
    })
}

/// Returns the sink that sends all of Envoy's stats to the cluster `collector` by OTLP.
pub(crate) fn opentelemetry_sink() -> Value {
    json!({
        "name": "envoy.stat_sinks.open_telemetry",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig",
            "grpc_service": { "envoy_grpc": { "cluster_name": "collector" } },
        },
    })
}

/// Returns the sink that sends all of Envoy's stats to a UDP address.
pub(crate) fn statsd_sink(address: &Value) -> Value {
    let mut address = address.clone();
    if let Some(address) = address.pointer_mut("/socket_address").and_then(Value::as_object_mut) {
        address.insert("protocol".to_owned(), "UDP".into());
    }
    json!({
        "name": "envoy.stat_sinks.statsd",
        "typed_config": { "@type": "type.googleapis.com/envoy.config.metrics.v3.StatsdSink", "address": address },
    })
}

/// Makes Envoy speak HTTP/2 with a cluster, which gRPC requires.
pub(crate) fn grpc(mut cluster: Value) -> Value {
    let options = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http2_protocol_options": {} },
    } });
    if let Some(cluster) = cluster.as_object_mut() {
        cluster.insert("typed_extension_protocol_options".to_owned(), options);
    }
    cluster
}
