//! `receiver.wasm`: a singleton that drains the senders' queue, merges what they observed by series and period, and
//! publishes it to CloudWatch's PutMetricData.
//!
//! The walk of the data: record bytes → [`Publisher::handle_record`] → accumulator → at publish time [`Batch`], packed by
//! real bytes → [`Payload`], encoded once → [`Publisher::poll_transmit`], signed anew for each attempt → Envoy's callout →
//! [`Answer`] → [`Disposition`] → the next tick. `context` is the only file that talks to Envoy.

pub mod answer;
pub mod backoff;
pub mod batch;
pub mod buffer;
pub mod call;
pub mod cardinality;
pub mod clock;
pub mod config;
pub mod cost;
pub mod counts;
pub mod credentials;
pub mod datum;
mod datum_name;
pub mod disposition;
pub mod drain;
pub mod endpoint;
pub mod error_code;
pub mod fault_path;
pub mod flush;
pub mod gauge;
pub mod lane;
pub mod lane_key;
pub mod lanes;
pub mod notice;
pub mod outbox;
pub mod patience;
pub mod payload;
pub mod publisher;
pub mod queue;
pub mod random;
pub mod refused_entities;
pub mod schedule;
pub mod self_metrics;
pub mod series;
pub mod source;
pub mod status;
pub mod transmit;
pub mod waiting;
pub mod zero;

mod percent;
mod xml;

#[cfg(target_arch = "wasm32")]
mod context;

pub use answer::Answer;
pub use batch::Batch;
pub use buffer::Buffer;
pub use config::Config;
pub use counts::Counts;
pub use disposition::Disposition;
pub use payload::Payload;
pub use publisher::Publisher;
pub use transmit::{Transmit, TransmitId};
