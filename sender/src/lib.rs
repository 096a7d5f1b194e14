//! `sender.wasm`: an HTTP filter, or access logger, that observes the requests of configured hosts at the end of their
//! streams, aggregates them per worker, and hands one record per interval to the receiver over a shared queue.
//!
//! The walk of one request: header bytes → [`RequestHeaders`] → [`HostMatcher`] (a miss ends it) → [`Observation`] → at the end of
//! the stream, with the properties that the configured metrics and dimensions need → [`Outcome`] → values →
//! an [`Aggregator`] for each dimension set. On every tick the aggregators are emptied into what the sender holds, and
//! that goes onto the queue as records. `context` is the only file that talks to Envoy.

pub mod aggregator;
pub mod buffer;
pub mod config;
pub mod dimension;
pub mod host_matcher;
pub mod measure;
pub mod observation;
pub mod outcome;
pub mod path_template;
pub mod progress;
pub mod receiver_watch;
pub mod request;
pub mod sender;

#[cfg(target_arch = "wasm32")]
mod context;

pub use aggregator::Aggregator;
pub use buffer::{Buffer, Counts};
pub use config::Config;
pub use host_matcher::HostMatcher;
pub use observation::Observation;
pub use outcome::Outcome;
pub use request::{HeaderPhase, RequestHeaders};
pub use sender::Sender;
