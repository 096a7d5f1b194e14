//! The Proxy-Wasm host as this project uses it: functions that take and give bytes, that fail with a value and never
//! panic, and `plugin!`, which hands Envoy's events to a [`Plugin`]. No logic lives here.
//!
//! The SDK's own functions panic on a status they do not expect and on text that is not UTF-8, and a panic is the end of
//! the VM; so the calls are declared here again, and a test compares their numbers with the SDK's. No module links the
//! SDK: it exports its own functions for all events, used or not.

#[cfg(target_arch = "wasm32")]
mod abi;
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "only Wasm has a host"))]
pub mod arena;
#[cfg(target_arch = "wasm32")]
mod call;
#[cfg(target_arch = "wasm32")]
mod clock;
mod contexts;
#[cfg(target_arch = "wasm32")]
pub mod dispatcher;
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "only Wasm has a host"))]
mod environment;
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "only Wasm has a host"))]
mod number;
pub mod pairs;
#[cfg(target_arch = "wasm32")]
mod queue;
#[cfg(target_arch = "wasm32")]
mod read;
#[cfg(target_arch = "wasm32")]
mod response;
#[cfg(target_arch = "wasm32")]
mod shared;
#[cfg(target_arch = "wasm32")]
mod stat;

pub use arena::{Event, event};
pub use contexts::{Action, Callout, Contexts, Part, Plugin};
pub use number::LogLevel;
#[cfg(target_arch = "wasm32")]
pub use {
    abi::HostError,
    call::{call_response_body, call_response_headers, dispatch_http_call},
    clock::{now, random, set_tick_period, wall_clock},
    environment::environment,
    queue::Queue,
    read::{log, plugin_configuration, property, request_headers},
    response::{request_body, send_response, set_effective_context},
    shared::{raise_shared_number, set_shared_data, shared_data, shared_number},
    stat::{Counter, Gauge},
};
