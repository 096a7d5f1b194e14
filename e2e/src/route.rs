//! Where requests of a path go.

use serde_json::{Value, json};

/// A route for all paths that start with a prefix.
#[derive(Clone, Debug)]
pub struct Route(Value);

impl Route {
    /// Envoy answers itself, with this status.
    pub fn direct(prefix: &str, status: u16) -> Self {
        Self(json!({ "match": { "prefix": prefix }, "direct_response": { "status": status } }))
    }

    /// The cluster answers.
    pub fn cluster(prefix: &str, cluster: &str) -> Self {
        Self(json!({ "match": { "prefix": prefix }, "route": { "cluster": cluster } }))
    }

    /// Sets one more field of the `RouteAction`, such as `timeout` or `prefix_rewrite`.
    ///
    /// # Panics
    /// When it is no route to a cluster.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        let action = self.0.get_mut("route").expect("a direct response has no RouteAction");
        action[field] = value.into();
        self
    }

    pub(crate) fn to_json(&self) -> Value {
        self.0.clone()
    }
}
