//! Prometheus' HTTP API over the stored OTLP series, with the part of PromQL that documents and dashboards use.
//!
//! A query is parsed by `promql-parser`, compiled into a [`plan`], which rejects everything that is not supported, and
//! then evaluated for each timestamp.

mod aggregation;
mod binary;
mod extrapolation;
pub(crate) mod http;
mod instant;
mod labels;
mod parameters;
mod plan;
mod quantile;
mod query_error;
mod query_value;
mod range_function;
mod response;
mod sample;
mod selection;
mod set_operator;
#[cfg(test)]
mod tests;
