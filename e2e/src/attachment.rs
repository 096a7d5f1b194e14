//! The ways in which Envoy takes the modules.

use serde_json::{Value, json};

use crate::Plugin;

/// How the sender sees requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderAttachment {
    /// As an HTTP filter, that is bypassed should it fail.
    HttpFilter,
    /// As an access logger.
    AccessLogger,
}

/// How the receiver comes to Envoy's main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverAttachment {
    /// As a sink of Envoy's statistics, that is started anew should it fail.
    StatsSink,
    /// As a singleton of the bootstrap.
    Singleton,
}

impl SenderAttachment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::HttpFilter, Self::AccessLogger];

    /// Adds the sender to a `HttpConnectionManager` that has the router as its only filter.
    pub(crate) fn attach(self, plugin: &Plugin, manager: &mut Value) {
        match self {
            Self::HttpFilter => {
                let filters = manager["http_filters"].as_array_mut().expect("a connection manager has filters");
                filters.insert(
                    0,
                    json!({
                        "name": "envoy.filters.http.wasm",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                            "config": plugin.to_json("FAIL_OPEN"),
                        },
                    }),
                );
            }
            Self::AccessLogger => {
                manager["access_log"] = json!([{
                    "name": "envoy.access_loggers.wasm",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.access_loggers.wasm.v3.WasmAccessLog",
                        "config": plugin.to_json("FAIL_RELOAD"),
                    },
                }]);
            }
        }
    }
}

impl ReceiverAttachment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::StatsSink, Self::Singleton];

    /// Adds the receiver to a bootstrap.
    pub(crate) fn attach(self, plugin: &Plugin, bootstrap: &mut Value) {
        match self {
            Self::StatsSink => {
                bootstrap["stats_sinks"] = json!([{
                    "name": "envoy.stat_sinks.wasm",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.stat_sinks.wasm.v3.Wasm",
                        "config": plugin.to_json("FAIL_RELOAD"),
                    },
                }]);
            }
            Self::Singleton => {
                bootstrap["bootstrap_extensions"] = json!([{
                    "name": "envoy.bootstrap.wasm",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.wasm.v3.WasmService",
                        "singleton": true,
                        "config": plugin.to_json("UNSPECIFIED"),
                    },
                }]);
            }
        }
    }
}
