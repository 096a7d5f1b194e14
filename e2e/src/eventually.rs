//! Waiting for a condition.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `probe` gives a value; `what` is hoped for, and an error of the probe says what is instead.
///
/// # Panics
/// When the probe gives none within `limit`, with its last error.
pub async fn eventually<T, E: Display>(what: &str, limit: Duration, mut probe: impl AsyncFnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(error) => assert!(start.elapsed() < limit, "{what}: not so within {limit:?}; at last: {error}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
