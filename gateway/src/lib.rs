//! `gateway.wasm`: an HTTP filter that answers by itself. It takes the input of PutMetricData, in CloudWatch's own protocols
//! and as plain JSON, and hands it to the receiver over the same queue as the senders do.
//!
//! The walk of one post: head → [`Gateway::begin`] → body → [`Gateway::finish`]: authorization, decompression within a
//! bound, the protocol's parser, validation of all of it → [`put_metric_data::post`] → records → queue → 202. What is
//! answered with success is in the queue; of anything else, nothing is. `context` is the only file that talks to Envoy.

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
pub mod moment;
pub mod node;
pub mod page;
pub mod protocol;
pub mod put_metric_data;
pub mod receiver_state;
pub mod refusal;
pub mod request;
pub mod rules;
pub mod status;
pub mod text;

#[cfg(target_arch = "wasm32")]
mod context;

pub use config::Config;
pub use gateway::Gateway;
