//! The load generator: wrk.

use std::{net::SocketAddr, path::Path, process::Command};

use scenes::HOST;
use serde::Deserialize;

use crate::cpu::Places;

/// Enough that the worker never waits for a request. With fewer it sleeps and wakes between them, which costs more than what
/// is compared, and less evenly.
const CONNECTIONS: &str = "16";

/// What a round of load came to.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Load {
    /// Requests that were answered.
    pub(crate) requests: u64,
    failed: u64,
}

/// Sends requests over a few connections, each as soon as the last one is answered.
///
/// # Errors
/// When wrk does not run, or a request fails.
pub(crate) fn load(address: SocketAddr, seconds: u64, places: &Places) -> Result<Load, String> {
    load_paths(address, None, seconds, places)
}

/// The same, for so many different paths.
///
/// # Errors
/// As above.
pub(crate) fn load_paths(
    address: SocketAddr,
    paths: Option<usize>,
    seconds: u64,
    places: &Places,
) -> Result<Load, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load.lua");
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", CONNECTIONS, "--duration", &format!("{seconds}s")])
        .args(["--header", &format!("Host: {HOST}")])
        .arg("--script")
        .arg(script)
        .arg(format!("http://{address}/test"))
        .envs(paths.map(|paths| ("BENCH_PATHS", paths.to_string())));
    let output = places.at_load(|| wrk.output()).map_err(|error| format!("wrk does not run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = text.lines().last().and_then(|line| serde_json::from_str::<Load>(line).ok());
    match told {
        Some(load) if load.requests > 0 && load.failed == 0 => Ok(load),
        _ => Err(format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr))),
    }
}
