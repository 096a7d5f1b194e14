//! A client of Envoy's admin interface.

use std::{collections::BTreeMap, net::SocketAddr};

use hyper::Method;
use serde_json::Value;

use crate::{ClientRequest, Connection};

/// Prefix of the modules' stats in Envoy.
const PREFIX: &str = "wasmcustom.acpw.";

/// A client of the admin interface.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    address: SocketAddr,
}

impl Admin {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Returns the address of the admin interface.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Posts a command, such as `/healthcheck/fail`.
    ///
    /// # Panics
    /// Panics if Envoy does not respond with 200.
    pub async fn post(&self, path: &str) {
        let response = Connection::new(self.address).send(&ClientRequest::new(Method::POST, "admin", path)).await;
        assert_eq!(response.expect("a response of the admin interface").status, 200, "{path}");
    }

    /// Returns status and text of a page.
    ///
    /// # Errors
    /// Fails if Envoy does not respond.
    pub async fn page(&self, path: &str) -> Result<(u16, String), Box<dyn std::error::Error + Send + Sync>> {
        let response = Connection::new(self.address).send(&ClientRequest::get("admin", path)).await?;
        Ok((response.status, String::from_utf8_lossy(&response.body).into_owned()))
    }

    /// Returns the counters and gauges whose name contains `filter`, by name.
    ///
    /// # Panics
    /// Panics if the response is not valid.
    pub async fn stats(&self, filter: &str) -> BTreeMap<String, u64> {
        let page = self.json(&format!("/stats?format=json&type=All&filter={filter}")).await;
        let stats = page["stats"].as_array().expect("an array of statistics").iter();
        stats.filter_map(|stat| Some((stat["name"].as_str()?.to_owned(), stat["value"].as_u64()?))).collect()
    }

    /// Returns the counters and gauges of the modules by name without the prefix, such as `sender.observed`.
    ///
    /// # Panics
    /// Panics if the response is not valid.
    pub async fn module_stats(&self) -> BTreeMap<String, u64> {
        let stats = self.stats(PREFIX).await;
        stats.into_iter().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value))).collect()
    }

    /// Returns the addresses of the listeners by name.
    pub(crate) async fn listeners(&self) -> BTreeMap<String, SocketAddr> {
        let page = self.json("/listeners?format=json").await;
        let listeners = page["listener_statuses"].as_array().expect("an array of listeners").iter();
        let address = |listener: &Value| {
            let socket = &listener["local_address"]["socket_address"];
            format!("{}:{}", socket["address"].as_str()?, socket["port_value"]).parse().ok()
        };
        listeners.filter_map(|listener| Some((listener["name"].as_str()?.to_owned(), address(listener)?))).collect()
    }

    async fn json(&self, path: &str) -> Value {
        let (status, text) = self.page(path).await.expect("a response of the admin interface");
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }
}
