//! Typed handles to what Envoy keeps for a module: statistics, queues, shared data and clocks.
//!
//! Everything here is a thin layer over `proxy_wasm::hostcalls`, so that the three plugins share one way to define a
//! counter or to read the clock. Events, contexts and the remaining host calls are those of the `proxy-wasm` SDK itself.

#![cfg(target_arch = "wasm32")]

mod callout;
mod clock;
mod environment;
mod queue;
mod read;
mod release;
mod shared;
mod stat;

pub use callout::{CalloutError, dispatch};
pub use clock::{now, random, wall_clock};
pub use environment::environment;
pub use queue::Queue;
pub use read::{call_response_body, call_response_header, log, plugin_configuration, property, request_header};
pub use release::release;
pub use shared::{set_shared_data, shared_data, update_shared_data};
pub use stat::{Counter, Gauge};
