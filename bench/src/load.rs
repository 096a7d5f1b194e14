//! Generates load with wrk.

use std::{net::SocketAddr, path::Path, process::Command};

use scenes::HOST;
use serde::Deserialize;

use crate::cpu::CpuLayout;

/// The number of connections: enough to keep the worker busy. With fewer connections the worker sleeps between
/// requests, and the wake-ups cost more, and vary more, than the modules.
const CONNECTIONS: &str = "16";

/// The result of a round of load.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Load {
    /// The number of answered requests.
    pub(crate) requests: u64,
    failed: u64,
}

/// Sends requests over several connections. Each connection sends the next request when the last one is answered.
///
/// # Errors
/// Returns an error if wrk does not run or a request fails.
pub(crate) fn load(address: SocketAddr, seconds: u64, layout: &CpuLayout) -> Result<Load, String> {
    load_paths(address, None, seconds, layout)
}

/// Sends requests like [`load`], to `paths` different paths in turn.
///
/// # Errors
/// Returns an error if wrk does not run or a request fails.
pub(crate) fn load_paths(
    address: SocketAddr,
    paths: Option<usize>,
    seconds: u64,
    layout: &CpuLayout,
) -> Result<Load, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load.lua");
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", CONNECTIONS, "--duration", &format!("{seconds}s")])
        .args(["--header", &format!("Host: {HOST}")])
        .arg("--script")
        .arg(script)
        .arg(format!("http://{address}/test"))
        .envs(paths.map(|paths| ("BENCH_PATHS", paths.to_string())));
    let output = layout.on_load_cpu(|| wrk.output()).map_err(|error| format!("cannot run wrk: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let load = text.lines().last().and_then(|line| serde_json::from_str::<Load>(line).ok());
    match load {
        Some(load) if load.requests > 0 && load.failed == 0 => Ok(load),
        _ => Err(format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr))),
    }
}
