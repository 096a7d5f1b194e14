//! `sender.wasm`: an HTTP filter or access logger that measures requests to configured hosts, aggregates them per
//! worker thread, and passes the result to the receiver over a shared queue.
//!
//! A request takes this path: its headers are read through [`RequestHeaders`], and [`HostMatcher`] checks the host. If
//! the host matches, the dimensions known so far are stored in a [`PendingRequest`]. When the stream ends,
//! [`StreamInfo`] reads the attributes that the configured metrics and dimensions need, and an [`Aggregator`] per
//! dimension set adds the measured values. On every tick, the aggregators are flushed into a [`RecordBuffer`], whose
//! data are then enqueued as records.
//!
//! `context` is the only file that talks to Envoy.

pub mod aggregator;
pub mod builtin_metric;
pub mod config;
pub mod dimension;
pub mod first_flush;
pub mod host_matcher;
pub mod in_flight_gauge;
pub mod log_line;
pub mod path_template;
pub mod pending_request;
pub mod receiver_watch;
pub mod record_buffer;
pub mod request_headers;
pub mod request_observer;
pub mod sender;
pub mod stream_info;

#[cfg(target_arch = "wasm32")]
mod context;

pub use aggregator::Aggregator;
pub use config::SenderConfig;
pub use host_matcher::HostMatcher;
pub use log_line::{Level, LogLine};
pub use pending_request::PendingRequest;
pub use record_buffer::{RecordBuffer, ValueCounts};
pub use request_headers::{HeaderPhase, RequestHeaders};
pub use request_observer::RequestObserver;
pub use sender::Sender;
pub use stream_info::StreamInfo;
