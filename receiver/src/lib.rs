//! `receiver.wasm`: a singleton that drains the senders' queue, merges data by series and period, and publishes it with
//! CloudWatch's PutMetricData.
//!
//! Data takes this path: record → pending data of its lane → due data → [`Batch`], packed by its encoded size →
//! [`Payload`], encoded once → [`Transmit`], signed for each attempt → Envoy's callout → [`PublishAnswer`] →
//! [`Disposition`]. [`Receiver`] drives all of it without Envoy; `context` is the only file that talks to Envoy.

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
pub mod flush;
pub mod gauge_settler;
pub mod journal;
pub mod lane;
pub mod lane_key;
pub mod lane_queue;
pub mod lanes;
pub mod named_parts;
pub mod names;
pub mod notice;
pub mod otlp;
pub mod pace;
pub mod payload;
pub mod publish_schedule;
pub mod publisher;
mod quote;
pub mod random;
pub mod receiver;
pub mod refused_entities;
pub mod retry_after;
pub mod self_metrics;
pub mod series_budget;
pub mod series_key;
pub mod source;
pub mod status;
pub mod transmit;
pub mod waiting;
pub mod zero_filler;

mod percent;
mod xml;

#[cfg(target_arch = "wasm32")]
mod context;
#[cfg(all(target_arch = "wasm32", feature = "trap"))]
mod trap;

pub use answer::PublishAnswer;
pub use batch::Batch;
pub use buffer::Buffer;
pub use config::ReceiverConfig;
pub use counts::Counts;
pub use disposition::Disposition;
#[cfg(not(target_arch = "wasm32"))]
pub use driver::Driver;
pub use payload::Payload;
pub use publisher::Publisher;
pub use receiver::Receiver;
pub use transmit::{Transmit, TransmitId};
