//! Tests that drive a real Envoy with the modules in it, and look at what arrives at the far end: a local CloudWatch.
//!
//! This library is their harness. A [`Pair`] is the usual scene: an [`Envoy`] whose requests the sender counts and whose
//! receiver publishes them to a local CloudWatch of its own. What a test needs beyond that it builds from a
//! [`Bootstrap`]. Nothing is shared between tests, and every port is a free one.
//!
//! `make test` runs them; [`installation`] tells what they need. Whatever is missing makes them fail.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests run in real time, and fail by panicking, in their harness too"
)]

mod admin;
mod attachment;
mod bootstrap;
mod client;
mod envoy;
mod eventually;
mod exposer;
pub mod feature;
mod files;
mod gateway;
pub mod installation;
mod listener;
mod pair;
mod plugin;
pub mod raw;
mod relay;
mod route;
mod series;
mod steady_load;
pub mod suite;
mod table;
mod task_metadata;
mod upstream;

pub use admin::Admin;
pub use attachment::{ReceiverAttachment, SenderAttachment};
pub use bootstrap::Bootstrap;
pub use client::{Answer, Connection, Request, load};
pub use envoy::{Envoy, Refusal};
pub use eventually::eventually;
pub use exposer::Exposer;
pub use feature::EnvoyVersion;
pub use files::{FileReader, Files};
pub use gateway::{Gateway, GatewaySetup, by_series, json_post};
pub use listener::Listener;
pub use pair::{NAMESPACE, Pair, Setup};
pub use plugin::Plugin;
pub use relay::Relay;
pub use route::Route;
pub use series::{Counts, Series, counts, series, stored};
pub use steady_load::{Connections, SteadyLoad};
pub use table::table;
pub use task_metadata::{Manner, TaskMetadata};
pub use upstream::{Seen, Upstream};
