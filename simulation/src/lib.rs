//! The pure sender, the queue and the pure receiver against a scripted CloudWatch and network, in virtual time.
//!
//! A [`Schedule`] follows from a seed: when there are requests, and what goes wrong when. A [`World`] plays it, checks after
//! every step that nothing is lost and nothing counted twice, and then lets everything heal and checks that all that was not
//! dropped has arrived. The glue of the modules is played here in the order in which `context.rs` does it.

mod cloud;
mod schedule;
mod world;

pub use cloud::Cloud;
pub use schedule::{Fault, Refusal, Schedule};
pub use world::{Mutation, Report, World};
