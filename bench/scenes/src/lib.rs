//! Scenes: the hot paths of the modules without Envoy. They match a host, record a request, merge a record, encode a
//! payload and sign it.
//!
//! The same scenes are used to measure times, to count instructions and allocations, and to feed a real Envoy. They are
//! deterministic.

#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a benchmark may panic if it cannot be set up")]

mod payload;
mod publication;
pub mod shapes;
mod steps;
mod worker;

pub use payload::{PayloadEncoding, PayloadSigning};
pub use publication::{Publication, PublicationTotals};
pub use steps::{Event, Service, Step, step_times, steps};
pub use worker::{FULL, HOST, HostMatching, LoadShape, SEED, UNMATCHED, Worker, records};

use std::time::Duration;

use acpw_metric::{Now, Timestamp};

/// The start time of scenes that are not fed to an Envoy, in seconds since the epoch. It is the start of a minute.
pub const START: u64 = 1_787_400_000;

/// Returns the time `millis` milliseconds after the start.
pub fn at(millis: u64) -> Now {
    let wall = Timestamp::from_millis(START.saturating_mul(1_000).saturating_add(millis));
    Now { wall, steady: Duration::from_millis(millis) }
}
