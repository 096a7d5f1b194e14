//! Waits for a condition.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

/// Pause between two probes.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// Calls `probe` until it returns a value. `what` describes the condition.
///
/// # Panics
/// Panics with the probe's last error if it returns no value within `limit`.
pub async fn eventually<T, E: Display>(what: &str, limit: Duration, mut probe: impl AsyncFnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(error) => {
                assert!(start.elapsed() < limit, "timed out after {limit:?} waiting until {what}; last state: {error}")
            }
        }
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}
