//! The names under which data is published.

use acpw_metric::{Metric, MetricName, Namespace, Origin};

/// The senders' name of the request count, which the receiver's configuration can replace.
const REQUEST_COUNT: &str = "RequestCount";

/// The configured namespace and metric name for data of senders.
#[derive(Clone, Debug)]
pub struct Names {
    /// The namespace of data without a namespace.
    pub namespace: Namespace,
    /// The name of RequestCount in that namespace.
    pub request_count: MetricName,
}

impl Names {
    /// Returns the namespace and name under which a metric is published.
    pub fn resolve<'a>(&'a self, origin: &'a Origin, metric: &'a Metric) -> (&'a Namespace, &'a MetricName) {
        let is_renamed = origin.namespace.is_none() && metric.name.as_str() == REQUEST_COUNT;
        (self.namespace(origin), if is_renamed { &self.request_count } else { &metric.name })
    }

    /// Returns the namespace under which data of an origin is published.
    pub fn namespace<'a>(&'a self, origin: &'a Origin) -> &'a Namespace {
        origin.namespace.as_ref().unwrap_or(&self.namespace)
    }
}
