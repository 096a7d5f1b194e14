//! The operations of the API: each reads its request from fields and answers fields.

pub(crate) mod get_metric_data;
pub(crate) mod get_metric_statistics;
pub(crate) mod list_metrics;
pub(crate) mod period;
pub(crate) mod put_metric_data;
