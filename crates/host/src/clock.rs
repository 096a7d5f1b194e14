//! Wall clock, steady clock and random numbers from the host.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::OnceLock,
    time::{Instant, SystemTime},
};

use acpw_metric::{Now, Timestamp};
use proxy_wasm::hostcalls;

/// Reads both clocks. The steady clock is zero when this function is called for the first time in a VM.
pub fn now() -> Now {
    static START: OnceLock<Instant> = OnceLock::new();
    #[allow(clippy::disallowed_methods, reason = "this is the only place where the modules read a clock")]
    let start = *START.get_or_init(Instant::now);
    Now { wall: wall_clock(), steady: start.elapsed() }
}

/// Reads the wall clock only, with one host call instead of two. Returns the epoch if the host has no clock.
pub fn wall_clock() -> Timestamp {
    let time = hostcalls::get_current_time().unwrap_or(SystemTime::UNIX_EPOCH);
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Returns a random number, derived from the host's `random_get`.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
