//! `gateway.wasm`: an HTTP filter that accepts PutMetricData requests and OTLP metrics, and passes their data to the
//! receiver.
//!
//! Clients use one of CloudWatch's protocols or plain JSON. The data travels on the same queue as the senders' records.
//!
//! A post takes this path: request headers → [`Gateway::begin`] → body → [`Gateway::finish`] (authorization, bounded
//! decompression, parsing, validation) → [`put_metric_data::encode_records`] → records → queue → 202. Either all data
//! of a post is on the queue before the client gets a success, or none of it is. An export of OTLP metrics goes the
//! same way through [`otlp`]; its answer names the data points that were left out. Only `context` talks to Envoy.

pub mod answer;
pub mod authorization;
pub mod body;
pub mod config;
pub mod datum;
pub mod entity;
pub mod fault;
pub mod fields;
pub mod gateway;
pub mod measurement;
pub mod node;
mod operation;
pub mod otlp;
pub mod page;
pub mod protocol;
pub mod put_metric_data;
pub mod receiver_state;
pub mod refusal;
pub mod request;
pub mod rules;
pub mod status;
pub mod text;
pub mod timestamp;

#[cfg(target_arch = "wasm32")]
mod context;

pub use config::Config;
pub use gateway::Gateway;
