//! Time and chance.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::OnceLock,
    time::{Duration, Instant},
};

use acpw_metric::{Now, Timestamp};

use crate::{HostError, abi};

/// Both clocks of the host. A wall clock that cannot be read is the epoch.
pub fn now() -> Now {
    static START: OnceLock<Instant> = OnceLock::new();
    #[allow(clippy::disallowed_methods, reason = "this is where clocks are read")]
    let start = *START.get_or_init(Instant::now);
    Now { wall: wall_clock(), steady: start.elapsed() }
}

/// The host's wall clock alone, which is one host call and not two. One that cannot be read is the epoch.
pub fn wall_clock() -> Timestamp {
    Timestamp::from_millis(abi::current_time_nanoseconds().unwrap_or(0) / 1_000_000)
}

/// A number that differs between processes and calls, from the host's `random_get`.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Has `on_tick` called every `period`, at millisecond precision.
///
/// # Errors
/// What the host says.
pub fn set_tick_period(period: Duration) -> Result<(), HostError> {
    abi::set_tick_period(u32::try_from(period.as_millis()).unwrap_or(u32::MAX))
}
