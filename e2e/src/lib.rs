//! Tests that run the modules in a real Envoy and check what a local CloudWatch stores.
//!
//! This library is their harness. Most tests use a [`Pair`]: an [`Envoy`] whose sender measures requests and whose
//! receiver publishes to the pair's own local CloudWatch. Other tests build a [`Bootstrap`]. Tests share no state, and
//! every port is chosen by the system.
//!
//! `make test` runs the tests. See [`installation`] for their dependencies. A missing dependency makes a test fail.

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
mod browser;
mod client;
mod envoy;
mod eventually;
pub mod feature;
mod gateway;
pub mod installation;
mod listener;
mod metrics_server;
mod pair;
mod plugin;
pub mod raw;
mod route;
mod series;
mod served_file;
mod steady_load;
pub mod suite;
mod table;
mod task_metadata;
mod tcp_relay;
mod upstream;

pub use admin::Admin;
pub use attachment::{ReceiverAttachment, SenderAttachment};
pub use bootstrap::Bootstrap;
pub use browser::Browser;
pub use client::{ClientRequest, ClientResponse, Connection, load};
pub use envoy::{Envoy, StartupFailure};
pub use eventually::eventually;
pub use feature::EnvoyVersion;
pub use gateway::{GatewaySetup, GatewayStack, by_series, json_post};
pub use listener::Listener;
pub use metrics_server::MetricsServer;
pub use pair::{NAMESPACE, Pair, Setup};
pub use plugin::Plugin;
pub use route::Route;
pub use series::{RequestCounts, RequestSeries, counts, series, stored};
pub use served_file::{FileReader, ServedFile};
pub use steady_load::{ConnectionMode, SteadyLoad};
pub use table::table;
pub use task_metadata::{MetadataBehaviour, TaskMetadata};
pub use tcp_relay::TcpRelay;
pub use upstream::{SeenRequest, Upstream};
