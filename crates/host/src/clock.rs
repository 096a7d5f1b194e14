//! The wall clock, the steady clock and random numbers of the host.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::OnceLock,
    time::{Instant, SystemTime},
};

use acpw_metric::{Now, Timestamp};
use proxy_wasm::hostcalls;

/// Reads both clocks. The steady clock starts at zero with the VM.
pub fn now() -> Now {
    static START: OnceLock<Instant> = OnceLock::new();
    #[allow(clippy::disallowed_methods, reason = "the modules read clocks here only")]
    let start = *START.get_or_init(Instant::now);
    Now { wall: wall_clock(), steady: start.elapsed() }
}

/// Reads the wall clock alone, at the cost of one host call instead of two. Returns the epoch if the host has no clock.
pub fn wall_clock() -> Timestamp {
    let time = hostcalls::get_current_time().unwrap_or(SystemTime::UNIX_EPOCH);
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Returns a number that differs between processes and calls. Its source is the host's `random_get`.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
