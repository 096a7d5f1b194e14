//! The operations of the API. Each reads the fields of its request and returns the fields of its response.

pub(crate) mod get_metric_data;
pub(crate) mod get_metric_statistics;
pub(crate) mod list_metrics;
pub(crate) mod period;
pub(crate) mod put_metric_data;
