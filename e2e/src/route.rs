//! A route of a listener.

use serde_json::{Value, json};

/// A route for all paths with a prefix.
#[derive(Clone, Debug)]
pub struct Route(Value);

impl Route {
    /// Creates a route with a direct response.
    pub fn direct(prefix: &str, status: u16) -> Self {
        Self(json!({ "match": { "prefix": prefix }, "direct_response": { "status": status } }))
    }

    /// Creates a route to a cluster.
    pub fn cluster(prefix: &str, cluster: &str) -> Self {
        Self(json!({ "match": { "prefix": prefix }, "route": { "cluster": cluster } }))
    }

    /// Sets a field of the `RouteAction`, such as `timeout` or `prefix_rewrite`.
    ///
    /// # Panics
    /// Panics if this is not a route to a cluster.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        let action = self.0.get_mut("route").expect("a direct response has no RouteAction");
        action[field] = value.into();
        self
    }

    /// Configures an HTTP filter for this route through `typed_per_filter_config`.
    #[must_use]
    pub fn filter(mut self, name: &str, config: Value) -> Self {
        self.0["typed_per_filter_config"][name] = config;
        self
    }

    pub(crate) fn to_json(&self) -> Value {
        self.0.clone()
    }
}
