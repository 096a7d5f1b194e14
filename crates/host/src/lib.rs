//! Typed access to Envoy's statistics, shared queues, shared data and clocks.
//!
//! This crate is a thin layer over `proxy_wasm::hostcalls`. It gives the three plugins one way to define a counter or
//! to read the clock. The plugins use the `proxy-wasm` SDK directly for events, contexts and the remaining host calls.

#![cfg(target_arch = "wasm32")]

mod callout;
mod clock;
mod environment;
mod host_calls;
mod queue;
mod release;
mod shared;
mod stat;

pub use callout::{CalloutError, dispatch};
pub use clock::{now, random, wall_clock};
pub use environment::environment;
pub use host_calls::{call_response_body, call_response_header, log, plugin_configuration, property, request_header};
pub use queue::Queue;
pub use release::release;
pub use shared::{set_shared_data, shared_data, update_shared_data};
pub use stat::{Counter, Counters, Gauge, Gauges};
