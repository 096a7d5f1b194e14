//! The CloudWatch that the receivers publish to: the project's own, in this process, so that its CPU is not Envoy's.

use std::net::SocketAddr;

use local_cloudwatch::{LocalCloudWatch, Options};
use tokio::runtime::Runtime;

/// The receiver's own.
const NAMESPACE: &str = "AWSCloudWatchProxyWasm";

/// A running one, with the threads that it runs on.
#[derive(Debug)]
pub(crate) struct CloudWatch {
    cloudwatch: LocalCloudWatch,
    _runtime: Runtime,
}

impl CloudWatch {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When there are no threads or no port.
    pub(crate) fn start() -> Result<Self, String> {
        let named = |error| format!("the local CloudWatch does not start: {error}");
        let runtime = Runtime::new().map_err(named)?;
        let cloudwatch = runtime.block_on(LocalCloudWatch::start(Options::default())).map_err(named)?;
        Ok(Self { cloudwatch, _runtime: runtime })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.cloudwatch.address()
    }

    /// How many series are stored.
    pub(crate) fn series(&self) -> usize {
        self.cloudwatch.totals(NAMESPACE).len()
    }

    /// How many requests were counted.
    pub(crate) fn requests(&self) -> u64 {
        let totals = self.cloudwatch.totals(NAMESPACE).into_iter();
        totals.filter(|total| total.metric_name == "RequestCount").map(|total| total.sum as u64).sum()
    }

    /// The server itself.
    pub(crate) fn server(&self) -> &LocalCloudWatch {
        &self.cloudwatch
    }
}
