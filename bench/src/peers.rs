//! The servers with which the compared Envoys talk.

use crate::{bootstrap::Servers, cloudwatch::CloudWatch, collector::Collector, cpu::CpuLayout, upstream::Upstream};

/// The running servers: CloudWatch, the collector, and the upstream of proxied requests.
#[derive(Debug)]
pub(crate) struct Peers {
    cloudwatch: CloudWatch,
    collector: Collector,
    upstream: Upstream,
}

impl Peers {
    /// Starts all servers on free ports.
    ///
    /// # Errors
    /// Returns an error if a server does not start.
    pub(crate) fn start(layout: &CpuLayout) -> Result<Self, String> {
        let cloudwatch = CloudWatch::start()?;
        let upstream = Upstream::start(cloudwatch.address(), layout)?;
        Ok(Self { cloudwatch, collector: Collector::start()?, upstream })
    }

    /// Returns the addresses of the servers.
    ///
    /// # Errors
    /// Returns an error if the upstream has no listener.
    pub(crate) fn servers(&self) -> Result<Servers<'_>, String> {
        Ok(Servers {
            cloudwatch: self.cloudwatch.address(),
            upstream: Some(self.upstream.address()?),
            collector: Some(&self.collector),
        })
    }
}
