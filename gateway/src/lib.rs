//! `gateway.wasm`: an HTTP filter that answers by itself.

pub mod answer;
pub mod authorization;
pub mod body;
pub mod config;
pub mod datum;
pub mod entity;
pub mod fault;
pub mod fields;
pub mod measurement;
pub mod node;
pub mod protocol;
pub mod put_metric_data;
pub mod refusal;
pub mod request;
pub mod rules;
