//! The Proxy-Wasm host as this project uses it: functions that take and give bytes, that fail with a value and never
//! panic. No logic lives here, and nothing but this crate names the SDK.
//!
//! The SDK's own functions panic on a status they do not expect and on text that is not UTF-8, and a panic is the end of
//! the VM; so the calls are declared here again. A plugin that sees every request is dispatched to by `filter!`. Plugins
//! that make callouts or answer requests are contexts of the SDK, with the feature `sdk`. A module is one or the other:
//! both export the functions that Envoy calls.

#[cfg(target_arch = "wasm32")]
mod abi;
#[cfg(all(target_arch = "wasm32", feature = "sdk"))]
mod call;
#[cfg(target_arch = "wasm32")]
mod clock;
mod contexts;
#[cfg(target_arch = "wasm32")]
pub mod filter;
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

pub use contexts::{Contexts, Filter};
#[cfg(target_arch = "wasm32")]
pub use {
    abi::HostError,
    clock::{now, random, set_tick_period, wall_clock},
    queue::{Queue, Token},
    read::{LogLevel, environment, log, plugin_configuration, property, request_headers, response_headers},
    response::{request_body, send_response, set_effective_context},
    shared::{raise_shared_number, set_shared_data, shared_data, shared_number},
    stat::{Counter, Gauge},
};
#[cfg(all(target_arch = "wasm32", feature = "sdk"))]
pub use {
    call::{Callout, call_response_body, call_response_headers, dispatch_http_call},
    proxy_wasm,
};
