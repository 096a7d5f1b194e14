//! The Envoy bootstrap of each variant.

#![allow(clippy::indexing_slicing, reason = "indexing a JSON object inserts missing keys")]

use std::net::{SocketAddr, TcpListener};

use scenes::{FULL, SEED, UNMATCHED};
use serde_json::{Value, json};

use crate::{
    collector::Collector,
    envoy::root,
    floor, rival,
    variant::{Addition, Attachment, Body, Module, SenderSetup, Sink, Variant},
};

/// The access key with which the receiver signs.
const KEY: (&str, &str) = local_cloudwatch::DEFAULT_KEY;

/// The servers that an Envoy can reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Servers<'a> {
    pub(crate) cloudwatch: SocketAddr,
    /// The server that answers requests for `/proxied`, if it is not Envoy itself.
    pub(crate) upstream: Option<SocketAddr>,
    /// The destination of variants that export to OpenTelemetry or statsd.
    pub(crate) collector: Option<&'a Collector>,
}

impl Servers<'_> {
    /// Returns CloudWatch as the only server.
    pub(crate) fn cloudwatch(cloudwatch: SocketAddr) -> Self {
        Self { cloudwatch, upstream: None, collector: None }
    }
}

/// Returns the bootstrap of an Envoy with the additions of the variant. Envoy answers every request itself, except for
/// `/proxied` if there is an upstream.
pub(crate) fn bootstrap(variant: &Variant, servers: &Servers<'_>) -> Value {
    let cloudwatch = servers.cloudwatch;
    let mut manager = manager(variant.body);
    let mut bootstrap = empty(cloudwatch);
    if let Some(upstream) = servers.upstream {
        add_cluster(&mut bootstrap, cluster("upstream", upstream));
        proxy(&mut manager);
    }
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
        Addition::Lua => add_filter(&mut manager, "envoy.filters.http.lua", rival::lua()),
        Addition::JsonLog => manager["access_log"] = json!([rival::json_log()]),
        Addition::OpenTelemetryLog => manager["access_log"] = json!([rival::opentelemetry_log()]),
        Addition::NativeStats(sink) => {
            manager["access_log"] = rival::native_stats();
            if sink != Sink::Receiver {
                // As often as the receiver reads them.
                bootstrap["stats_flush_interval"] = "10s".into();
            }
            let sink = match (sink, servers.collector) {
                (Sink::Receiver, _) => {
                    // The receiver needs the address of the admin interface.
                    let admin = free_port();
                    bootstrap["admin"]["address"] = socket_address(admin);
                    add_cluster(&mut bootstrap, cluster("envoy_admin", admin));
                    Some(receiver_sink(cloudwatch, &rival::envoy_stats()))
                }
                (Sink::OpenTelemetry, _) => Some(rival::opentelemetry_sink()),
                (Sink::Statsd, Some(collector)) => Some(rival::statsd_sink(&socket_address(collector.statsd()))),
                (Sink::Statsd, None) => None,
            };
            bootstrap["stats_sinks"] = sink.into_iter().collect();
        }
    }
    if let Some(collector) = servers.collector {
        add_cluster(&mut bootstrap, rival::grpc(cluster("collector", collector.opentelemetry())));
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
        Module::Reads(reads) => plugin("floor", &floor::reads_file(reads), "floor", ""),
        Module::Enqueue => plugin("enqueue", "target/bench/enqueue.wasm", "enqueue", ""),
    }
}

fn add_filter(manager: &mut Value, name: &str, typed_config: Value) {
    if let Some(filters) = manager.get_mut("http_filters").and_then(Value::as_array_mut) {
        filters.insert(0, json!({ "name": name, "typed_config": typed_config }));
    }
}

/// Sends requests for `/proxied` to the cluster `upstream`.
fn proxy(manager: &mut Value) {
    let routes = &mut manager["route_config"]["virtual_hosts"][0]["routes"];
    if let Some(routes) = routes.as_array_mut() {
        let route = json!({ "name": "main", "match": { "path": "/proxied" }, "route": { "cluster": "upstream" } });
        routes.insert(0, route);
    }
}

fn add_cluster(bootstrap: &mut Value, cluster: Value) {
    if let Some(clusters) = bootstrap["static_resources"]["clusters"].as_array_mut() {
        clusters.push(cluster);
    }
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
