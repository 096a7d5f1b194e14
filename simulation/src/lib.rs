//! The pure sender, gateway and receiver, and the queue between them, against a scripted CloudWatch and network, in virtual
//! time.
//!
//! A [`Schedule`] follows from a seed: when there are requests and posts, and what goes wrong when. A [`World`] plays it, checks
//! after every step that nothing is lost and nothing counted twice, and then lets everything heal and checks that all data
//! that were not dropped have arrived. The world drives the modules in the order in which their `context.rs` does.

mod cloud;
mod fleet;
mod mutation;
mod neighbours;
mod posts;
mod schedule;
mod world;

pub use cloud::Cloud;
pub use fleet::{Fleet, FleetReport, Phase, Second};
pub use mutation::Mutation;
pub use schedule::{Fault, Refusal, Schedule};
pub use world::{Report, World};
