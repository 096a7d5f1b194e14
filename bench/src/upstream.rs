//! The upstream of proxied requests: another Envoy, which answers them itself.

use std::net::SocketAddr;

use crate::{
    bootstrap::{empty, listener, manager},
    cpu::CpuLayout,
    envoy::{Envoy, Start},
    variant::Body,
};

/// A running upstream.
#[derive(Debug)]
pub(crate) struct Upstream(Envoy);

impl Upstream {
    /// Starts the upstream on a free port.
    ///
    /// # Errors
    /// Returns Envoy's log if it does not start.
    pub(crate) fn start(cloudwatch: SocketAddr, layout: &CpuLayout) -> Result<Self, String> {
        let mut bootstrap = empty(cloudwatch);
        if let Some(resources) = bootstrap.get_mut("static_resources").and_then(|resources| resources.as_object_mut()) {
            resources.insert("listeners".to_owned(), serde_json::json!([listener(&manager(Body::Empty))]));
        }
        let start = Start { bootstrap: &bootstrap, workers: 1, arguments: &["--log-level", "error"] };
        Envoy::start(&start, layout).map(Self)
    }

    /// Returns its address.
    ///
    /// # Errors
    /// Returns an error if it has no listener.
    pub(crate) fn address(&self) -> Result<SocketAddr, String> {
        self.0.address()
    }
}
