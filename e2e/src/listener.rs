//! An HTTP listener.

use serde_json::{Value, json};

use crate::{Plugin, Route, SenderAttachment};

/// A builder of a listener on a free port of 127.0.0.1. Envoy responds with 404 to a path without a route, and with 503
/// if the route's cluster does not exist.
#[derive(Clone, Debug)]
pub struct Listener {
    name: String,
    routes: Vec<Route>,
    sender: Option<(SenderAttachment, Plugin)>,
    filters: Vec<Value>,
    /// The source code of a Lua filter that comes before all other filters.
    lua: Option<&'static str>,
    fields: Vec<(String, Value)>,
}

impl Listener {
    /// Creates a listener without routes.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            routes: Vec::new(),
            sender: None,
            filters: Vec::new(),
            lua: None,
            fields: Vec::new(),
        }
    }

    /// Appends a route.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Attaches the sender.
    #[must_use]
    pub fn sender(mut self, attachment: SenderAttachment, plugin: Plugin) -> Self {
        self.sender = Some((attachment, plugin));
        self
    }

    /// Adds the sender as a further HTTP filter with this name. The filter is disabled except for routes that enable
    /// it.
    #[must_use]
    pub fn disabled_filter(mut self, name: &str, plugin: &Plugin) -> Self {
        self.filters.push(json!({
            "name": name,
            "disabled": true,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": plugin.to_json("FAIL_OPEN"),
            },
        }));
        self
    }

    /// Adds a Lua filter before all other filters.
    #[must_use]
    pub fn lua(mut self, source: &'static str) -> Self {
        self.lua = Some(source);
        self
    }

    /// Adds the gateway, which responds to all requests.
    #[must_use]
    pub fn gateway(self, plugin: &Plugin) -> Self {
        let mut config = plugin.to_json("FAIL_RELOAD");
        config["allow_on_headers_stop_iteration"] = true.into();
        let filters = json!([
            {
                "name": "envoy.filters.http.wasm",
                "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": config },
            },
            {
                "name": "envoy.filters.http.router",
                "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
            },
        ]);
        self.with("http_filters", filters)
    }

    /// Sets a field of the `HttpConnectionManager`, such as `max_request_headers_kb`.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.fields.push((field.to_owned(), value));
        self
    }

    pub(crate) fn variables(&self) -> &[(String, String)] {
        self.sender.as_ref().map_or(&[], |(_, plugin)| plugin.variables())
    }

    pub(crate) fn to_json(&self) -> Value {
        let routes: Vec<_> = self.routes.iter().map(Route::to_json).collect();
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": self.name,
            "route_config": {
                "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }],
                "validate_clusters": false,
            },
        });
        let router = json!({
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        });
        manager["http_filters"] = self.filters.iter().cloned().chain([router]).collect();
        if let Some((attachment, plugin)) = &self.sender {
            attachment.attach(plugin, &mut manager);
        }
        if let (Some(source), Some(filters)) = (self.lua, manager["http_filters"].as_array_mut()) {
            let config = json!({
                "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                "default_source_code": { "inline_string": source },
            });
            filters.insert(0, json!({ "name": "envoy.filters.http.lua", "typed_config": config }));
        }
        for (field, value) in &self.fields {
            manager[field] = value.clone();
        }
        json!({
            "name": self.name,
            "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
            // Distribute connections evenly, so that every worker gets one even if there are few.
            "connection_balance_config": { "exact_balance": {} },
            "filter_chains": [{
                "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }],
            }],
        })
    }
}
