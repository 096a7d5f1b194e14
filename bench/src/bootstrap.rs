//! The Envoy bootstrap of each variant.

#![allow(clippy::indexing_slicing, reason = "indexing a JSON object inserts missing keys")]

use std::net::{SocketAddr, TcpListener};

use scenes::{FULL, HOST, SEED, UNMATCHED};
use serde_json::{Value, json};

use crate::{
    envoy::root,
    floor,
    variant::{Addition, Attachment, Body, Module, SenderSetup, Variant},
};

/// The access key with which the receiver signs.
const KEY: (&str, &str) = local_cloudwatch::DEFAULT_KEY;

/// Returns the bootstrap of an Envoy that answers every request itself, with the additions of the variant.
pub(crate) fn bootstrap(variant: &Variant, cloudwatch: SocketAddr) -> Value {
    let mut manager = manager(variant.body);
    let mut bootstrap = empty(cloudwatch);
    match variant.addition {
        Addition::Nothing => {}
        Addition::Module(attachment, module) => {
            attach(&mut manager, attachment, worker_plugin(attachment, module));
            if let Module::Sender(_) = module {
                bootstrap["stats_sinks"] = json!([receiver_sink(cloudwatch, &json!({}))]);
            }
            if module == Module::Enqueue {
                let plugin = plugin("enqueue", "target/bench/enqueue.wasm", "enqueue-receiver", "receiver");
                bootstrap["bootstrap_extensions"] = json!([singleton(plugin)]);
            }
        }
        Addition::Lua => add_filter(&mut manager, "envoy.filters.http.lua", lua()),
        Addition::JsonLog => manager["access_log"] = json!([json_log()]),
        Addition::NativeStats => {
            manager["access_log"] = native_stats();
            // The receiver needs the address of the admin interface.
            let admin = free_port();
            bootstrap["admin"]["address"] = socket_address(admin);
            bootstrap["static_resources"]["clusters"] =
                json!([cluster("cloud_watch", cloudwatch), cluster("envoy_admin", admin)]);
            bootstrap["stats_sinks"] = json!([receiver_sink(cloudwatch, &envoy_stats())]);
        }
    }
    bootstrap["static_resources"]["listeners"] = json!([listener(&manager)]);
    bootstrap
}

/// Returns a bootstrap with nothing but a cluster for CloudWatch.
pub(crate) fn empty(cloudwatch: SocketAddr) -> Value {
    json!({
        "admin": { "address": socket_address(([127, 0, 0, 1], 0).into()) },
        "static_resources": { "clusters": [cluster("cloud_watch", cloudwatch)] },
    })
}

/// Returns a listener with this connection manager.
pub(crate) fn listener(manager: &Value) -> Value {
    json!({
        "name": "main",
        "address": socket_address(([127, 0, 0, 1], 0).into()),
        "filter_chains": [{
            "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }],
        }],
    })
}

/// Returns a connection manager that answers every request itself.
pub(crate) fn manager(body: Body) -> Value {
    let mut response = json!({ "status": 200 });
    match body {
        Body::Empty => {}
        Body::Small => response["body"] = json!({ "inline_string": "OK\n" }),
        Body::Megabyte => response["body"] = json!({ "inline_string": "x".repeat(1_000_000) }),
    }
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "main",
        "route_config": {
            "max_direct_response_body_size_bytes": 1_000_000,
            "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{ "name": "main", "match": { "prefix": "/" }, "direct_response": response }],
            }],
        },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        }],
    })
}

/// Attaches a plugin to a connection manager.
pub(crate) fn attach(manager: &mut Value, attachment: Attachment, plugin: Value) {
    match attachment {
        Attachment::Filter => {
            let wasm = json!({
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": plugin,
            });
            add_filter(manager, "envoy.filters.http.wasm", wasm);
        }
        Attachment::Logger => {
            manager["access_log"] = json!([{
                "name": "envoy.access_loggers.wasm",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.wasm.v3.WasmAccessLog",
                    "config": plugin,
                },
            }]);
        }
    }
}

/// Returns the sender plugin with this configuration.
pub(crate) fn sender_plugin(configuration: &str) -> Value {
    plugin("sender", "sender.wasm", "sender", configuration)
}

/// Returns the receiver as a stats sink. `configuration` is added to its usual configuration.
pub(crate) fn receiver_sink(cloudwatch: SocketAddr, configuration: &Value) -> Value {
    let usual = json!({
        "cloud_watch_region": "us-east-1",
        "cloud_watch_cluster_name": "cloud_watch",
        "cloud_watch_host": cloudwatch.to_string(),
        "aws_access_key_id": KEY.0,
        "aws_secret_access_key": KEY.1,
    });
    json!({
        "name": "envoy.stat_sinks.wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.stat_sinks.wasm.v3.Wasm",
            "config": plugin("receiver", "receiver.wasm", "receiver", &with(usual, configuration).to_string()),
        },
    })
}

/// Returns a plugin that runs once, on the main thread.
pub(crate) fn singleton(plugin: Value) -> Value {
    json!({
        "name": "envoy.bootstrap.wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.wasm.v3.WasmService",
            "singleton": true,
            "config": plugin,
        },
    })
}

/// Returns a plugin with this configuration. The path of its module is relative to the root of the project.
pub(crate) fn plugin(name: &str, module: &str, vm_id: &str, configuration: &str) -> Value {
    json!({
        "name": name,
        "root_id": name,
        "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration },
        "vm_config": {
            "vm_id": vm_id,
            "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": root().join(module) } },
        },
    })
}

impl SenderSetup {
    /// Returns the sender's configuration.
    pub(crate) fn sender(self) -> &'static str {
        match self {
            Self::Seed => SEED,
            Self::Unmatched => UNMATCHED,
            Self::Full => FULL,
        }
    }

    /// Returns the request headers that the sender reads.
    pub(crate) fn headers(self, attachment: Attachment) -> &'static [&'static str] {
        match (self, attachment) {
            (Self::Unmatched, Attachment::Filter) => &[":authority"],
            (Self::Unmatched, Attachment::Logger) => &["x-envoy-original-host", ":authority"],
            (Self::Seed, Attachment::Filter) => &[":authority", ":method", ":path"],
            (Self::Seed, Attachment::Logger) => {
                &["x-envoy-original-host", ":authority", ":method", "x-envoy-original-path", ":path"]
            }
            (Self::Full, Attachment::Filter) => &[":authority", ":method"],
            (Self::Full, Attachment::Logger) => &["x-envoy-original-host", ":authority", ":method"],
        }
    }

    /// Returns the properties that the sender reads.
    pub(crate) fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Seed => &["response.code"],
            Self::Unmatched => &[],
            Self::Full => &[
                "response.code",
                "request.duration",
                "response.backend_latency",
                "request.total_size",
                "response.total_size",
                "xds.route_name",
            ],
        }
    }
}

fn worker_plugin(attachment: Attachment, module: Module) -> Value {
    match module {
        Module::Sdk => plugin("sdk", "target/bench/sdk.wasm", "sdk", ""),
        Module::Sender(setup) => sender_plugin(setup.sender()),
        Module::Raw(setup) => plugin("floor", &floor::file(attachment, setup), "floor", ""),
        Module::Enqueue => plugin("enqueue", "target/bench/enqueue.wasm", "enqueue", ""),
    }
}

fn add_filter(manager: &mut Value, name: &str, typed_config: Value) {
    if let Some(filters) = manager.get_mut("http_filters").and_then(Value::as_array_mut) {
        filters.insert(0, json!({ "name": name, "typed_config": typed_config }));
    }
}

/// Returns a Lua filter that reads the same values as the seed configuration and counts requests by them.
fn lua() -> Value {
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

fn json_log() -> Value {
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
fn native_stats() -> Value {
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
fn envoy_stats() -> Value {
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

/// Returns an address with a port that is not in use.
fn free_port() -> SocketAddr {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    TcpListener::bind(any).and_then(|listener| listener.local_addr()).unwrap_or(any)
}

fn cluster(name: &str, address: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": socket_address(address) } }] }],
        },
    })
}

fn socket_address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}

/// Adds the members of one object to another.
fn with(mut object: Value, other: &Value) -> Value {
    if let (Some(object), Some(other)) = (object.as_object_mut(), other.as_object()) {
        object.extend(other.clone());
    }
    object
}
