//! The extension points at which Envoy loads the modules.

use serde_json::{Value, json};

use crate::Plugin;

/// The extension point of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderAttachment {
    /// An HTTP filter with `FAIL_OPEN`: requests bypass it after a failure.
    HttpFilter,
    /// An access logger.
    AccessLogger,
}

/// The extension point of the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverAttachment {
    /// A stats sink with `FAIL_RELOAD`: Envoy restarts it after a failure.
    StatsSink,
    /// A singleton bootstrap extension.
    Singleton,
}

impl SenderAttachment {
    /// All extension points.
    pub const ALL: [Self; 2] = [Self::HttpFilter, Self::AccessLogger];

    /// Adds the sender to an `HttpConnectionManager`. A filter goes before all other filters.
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
    /// All extension points.
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
