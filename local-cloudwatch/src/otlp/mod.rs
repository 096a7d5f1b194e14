//! OTLP metrics, which CloudWatch accepts at `/v1/metrics`: decodes, checks and stores them.

pub(crate) mod access;
mod attribute;
pub(crate) mod distribution;
pub(crate) mod encoding;
mod error_status;
pub(crate) mod explicit_buckets;
pub(crate) mod exponential_buckets;
pub(crate) mod export;
pub(crate) mod limits;
mod point_reader;
pub(crate) mod request_reader;
pub(crate) mod series_id;
pub(crate) mod store;
pub(crate) mod stored_point;
pub(crate) mod summary;
pub(crate) mod total;
