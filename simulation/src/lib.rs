//! Simulates sender, gateway, receiver and the queue between them with a faulty CloudWatch, OTLP endpoint and network,
//! in virtual time.
//!
//! A seed determines a [`Schedule`]: the times of requests, posts and faults. A [`World`] runs it, and checks after
//! every step that no value is lost or counted twice. In the end all faults are removed, and it checks that all data
//! was stored unless it was dropped. The world drives the modules in the same order as their `context.rs`.

mod cloud_watch;
mod endpoint;
mod fleet;
mod local_services;
mod mutation;
mod post_client;
mod schedule;
mod world;

pub use cloud_watch::SimulatedCloudWatch;
pub use endpoint::{ExportResult, SimulatedEndpoint};
pub use fleet::{Fleet, FleetReport, Phase, Second};
pub use mutation::Mutation;
pub use schedule::{Fault, RefusalKind, Schedule};
pub use world::{Report, World};
