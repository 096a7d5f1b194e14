//! Envoy's configuration.

use std::{net::SocketAddr, path::Path};

use serde_json::{Value, json};

use crate::{Listener, Plugin, ReceiverAttachment};

/// A builder of Envoy's bootstrap configuration.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    listeners: Vec<Listener>,
    clusters: Vec<(String, SocketAddr)>,
    resources: Vec<(&'static str, Value)>,
    receiver: Option<(ReceiverAttachment, Plugin)>,
    workers: usize,
    is_dynamic: bool,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            clusters: Vec::new(),
            resources: Vec::new(),
            receiver: None,
            workers: 2,
            is_dynamic: false,
        }
    }
}

impl Bootstrap {
    /// Adds a listener.
    #[must_use]
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Adds a cluster with one endpoint.
    #[must_use]
    pub fn cluster(mut self, name: &str, address: SocketAddr) -> Self {
        self.clusters.push((name.to_owned(), address));
        self
    }

    /// Adds a resource in Envoy's own format to `clusters` or `listeners` of the static resources.
    #[must_use]
    pub fn resource(mut self, kind: &'static str, resource: Value) -> Self {
        self.resources.push((kind, resource));
        self
    }

    /// Adds the receiver.
    #[must_use]
    pub fn receiver(mut self, attachment: ReceiverAttachment, plugin: Plugin) -> Self {
        self.receiver = Some((attachment, plugin));
        self
    }

    /// Sets the number of worker threads; 2 by default.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Makes the listeners dynamic, so that [`Envoy::update`](crate::Envoy::update) can change them.
    #[must_use]
    pub fn dynamic(mut self) -> Self {
        self.is_dynamic = true;
        self
    }

    pub(crate) fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    pub(crate) fn worker_count(&self) -> usize {
        self.workers
    }

    /// Returns the environment variables that the modules read.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &(String, String)> {
        let receiver = self.receiver.iter().flat_map(|(_, plugin)| plugin.variables());
        self.listeners.iter().flat_map(Listener::variables).chain(receiver)
    }

    /// Returns Envoy's `Bootstrap`. Dynamic listeners are read from the file `listeners`.
    pub(crate) fn to_json(&self, listeners: &Path) -> Value {
        let clusters = self.clusters.iter().map(|(name, address)| {
            json!({
                "name": name,
                "type": "STATIC",
                "connect_timeout": "2s",
                "load_assignment": {
                    "cluster_name": name,
                    "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": socket_address(*address) } }] }],
                },
            })
        });
        let mut bootstrap = json!({
            "admin": { "address": socket_address(([127, 0, 0, 1], 0).into()) },
            "static_resources": { "clusters": clusters.collect::<Vec<_>>() },
        });
        if self.is_dynamic {
            bootstrap["node"] = json!({ "id": "node", "cluster": "cluster" });
            bootstrap["dynamic_resources"] = json!({ "lds_config": { "path_config_source": { "path": listeners } } });
        } else {
            bootstrap["static_resources"]["listeners"] = self.listeners.iter().map(Listener::to_json).collect();
        }
        for (kind, resource) in &self.resources {
            let resources = bootstrap["static_resources"][kind].as_array_mut().expect("a kind of static resources");
            resources.push(resource.clone());
        }
        if let Some((attachment, plugin)) = &self.receiver {
            attachment.attach(plugin, &mut bootstrap);
        }
        bootstrap
    }
}

fn socket_address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}
