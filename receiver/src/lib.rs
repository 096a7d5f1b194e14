//! `receiver.wasm`: a singleton that drains the senders' queue, merges what they observed by series and period, and
//! publishes it to CloudWatch's PutMetricData.
//!
//! The way of the data: record → pending data of its lane → due → [`Batch`], packed by its real size → [`Payload`], encoded once
//! → [`Transmit`], signed for each attempt → Envoy's callout → [`Answer`] → [`Disposition`]. [`Receiver`] drives all of it
//! without Envoy; `context` is the only file that talks to Envoy.

pub mod admission;
pub mod answer;
pub mod backoff;
pub mod batch;
pub mod buffer;
pub mod call;
pub mod cardinality;
pub mod clock;
pub mod config;
pub mod cost;
pub mod counter_report;
pub mod counts;
pub mod credentials;
pub mod datum;
mod datum_name;
pub mod disposition;
pub mod drain;
#[cfg(not(target_arch = "wasm32"))]
pub mod driver;
pub mod endpoint;
mod envelope;
pub mod environment;
pub mod error_code;
pub mod fault_path;
pub mod flush;
pub mod gauge;
pub mod journal;
pub mod lane;
pub mod lane_key;
pub mod lanes;
pub mod names;
pub mod notice;
pub mod patience;
pub mod payload;
pub mod publisher;
pub mod queue;
pub mod random;
pub mod receiver;
pub mod refused_entities;
pub mod schedule;
pub mod self_metrics;
pub mod series;
pub mod series_budget;
pub mod source;
pub mod status;
pub mod transmit;
pub mod waiting;
pub mod zero;

mod percent;
mod xml;

#[cfg(target_arch = "wasm32")]
mod context;
#[cfg(all(target_arch = "wasm32", feature = "trap"))]
mod trap;

pub use answer::Answer;
pub use batch::Batch;
pub use buffer::Buffer;
pub use config::Config;
pub use counts::Counts;
pub use disposition::Disposition;
#[cfg(not(target_arch = "wasm32"))]
pub use driver::Driver;
pub use payload::Payload;
pub use publisher::Publisher;
pub use receiver::Receiver;
pub use transmit::{Transmit, TransmitId};
