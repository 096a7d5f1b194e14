//! Names under which data are published.

use acpw_metric::{Metric, MetricName, Namespace, Origin};

/// The name by which senders count requests; the receiver's configuration may replace it.
const REQUEST_COUNT: &str = "RequestCount";

/// Namespace and metric name that the configuration gives to data of senders.
#[derive(Clone, Debug)]
pub struct Names {
    /// Namespace of data that have none.
    pub namespace: Namespace,
    /// Name of RequestCount in that namespace.
    pub request_count: MetricName,
}

impl Names {
    /// Returns the namespace and name under which a metric is published.
    pub fn of<'a>(&'a self, origin: &'a Origin, metric: &'a Metric) -> (&'a Namespace, &'a MetricName) {
        let is_renamed = origin.namespace.is_none() && metric.name.as_str() == REQUEST_COUNT;
        (self.namespace(origin), if is_renamed { &self.request_count } else { &metric.name })
    }

    /// Returns the namespace under which data of an origin are published.
    pub fn namespace<'a>(&'a self, origin: &'a Origin) -> &'a Namespace {
        origin.namespace.as_ref().unwrap_or(&self.namespace)
    }
}
