//! The local CloudWatch to which the receivers publish. It runs in this process, so that its CPU time does not count as
//! Envoy's.

use std::net::SocketAddr;

use local_cloudwatch::{LocalCloudWatch, ServerOptions};
use tokio::runtime::Runtime;

/// The receiver's default namespace.
const NAMESPACE: &str = "AWSCloudWatchProxyWasm";

/// A running local CloudWatch with its threads.
#[derive(Debug)]
pub(crate) struct CloudWatch {
    cloudwatch: LocalCloudWatch,
    _runtime: Runtime,
}

impl CloudWatch {
    /// Starts a local CloudWatch on a free port.
    ///
    /// # Errors
    /// Returns an error if threads or a port are not available.
    pub(crate) fn start() -> Result<Self, String> {
        let describe = |error| format!("cannot start the local CloudWatch: {error}");
        let runtime = Runtime::new().map_err(describe)?;
        let cloudwatch = runtime.block_on(LocalCloudWatch::start(ServerOptions::default())).map_err(describe)?;
        Ok(Self { cloudwatch, _runtime: runtime })
    }

    /// Returns the address on which it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.cloudwatch.address()
    }

    /// Returns the number of stored series.
    pub(crate) fn series(&self) -> usize {
        self.cloudwatch.totals(NAMESPACE).len()
    }

    /// Returns the number of requests in the stored data.
    pub(crate) fn requests(&self) -> u64 {
        let totals = self.cloudwatch.totals(NAMESPACE).into_iter();
        totals.filter(|total| total.metric_name == "RequestCount").map(|total| total.sum as u64).sum()
    }

    /// Returns the server.
    pub(crate) fn server(&self) -> &LocalCloudWatch {
        &self.cloudwatch
    }
}
