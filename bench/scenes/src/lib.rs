//! What the modules do most, without an Envoy: matching a host, recording a request, merging a record, encoding a payload,
//! signing it. The same scenes are timed, have their instructions and allocations counted, and are fed to a real Envoy.
//!
//! Nothing in them is left to chance: two runs do the same.

#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a scene that cannot be set is a failed benchmark")]

mod payload;
mod publication;
pub mod shapes;
mod worker;

pub use payload::{Encoding, Signing};
pub use publication::{Publication, Sent};
pub use worker::{FULL, HOST, Matching, SEED, Shape, UNMATCHED, Worker, records};

use std::time::Duration;

use acpw_metric::{Now, Timestamp};

/// When scenes begin that are not fed to an Envoy: the start of a minute.
pub const START: u64 = 1_787_400_000;

/// So many milliseconds after the beginning.
pub fn at(millis: u64) -> Now {
    let wall = Timestamp::from_millis(START.saturating_mul(1_000).saturating_add(millis));
    Now { wall, steady: Duration::from_millis(millis) }
}
