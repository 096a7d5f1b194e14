//! Envoy's administration interface.

use std::{collections::BTreeMap, net::SocketAddr};

use hyper::Method;
use serde_json::Value;

use crate::{Connection, Request};

/// What every name of the modules' statistics begins with in Envoy.
const PREFIX: &str = "wasmcustom.acpw.";

/// A client of it.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    address: SocketAddr,
}

impl Admin {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells Envoy something, such as `/healthcheck/fail`.
    ///
    /// # Panics
    /// When it does not take it.
    pub async fn post(&self, path: &str) {
        let answer = Connection::new(self.address).send(&Request::new(Method::POST, "admin", path)).await;
        assert_eq!(answer.expect("an answer of the administration interface").status, 200, "{path}");
    }

    /// Status and text of a page.
    ///
    /// # Errors
    /// When Envoy does not answer.
    pub async fn page(&self, path: &str) -> Result<(u16, String), Box<dyn std::error::Error + Send + Sync>> {
        let answer = Connection::new(self.address).send(&Request::get("admin", path)).await?;
        Ok((answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
    }

    /// Counters and gauges whose name holds `filter`, by name.
    ///
    /// # Panics
    /// When Envoy does not answer as it should.
    pub async fn stats(&self, filter: &str) -> BTreeMap<String, u64> {
        let page = self.json(&format!("/stats?format=json&type=All&filter={filter}")).await;
        let stats = page["stats"].as_array().expect("an array of statistics").iter();
        stats.filter_map(|stat| Some((stat["name"].as_str()?.to_owned(), stat["value"].as_u64()?))).collect()
    }

    /// The modules' own, named as they name them after `acpw.`: `sender.observed`.
    ///
    /// # Panics
    /// When Envoy does not answer as it should.
    pub async fn acpw(&self) -> BTreeMap<String, u64> {
        let stats = self.stats(PREFIX).await;
        stats.into_iter().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value))).collect()
    }

    /// Where the listeners listen, by name.
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
        let (status, text) = self.page(path).await.expect("an answer of the administration interface");
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }
}
