//! Stores the latest results in files.

use std::{fs, process::Command};

use serde::Serialize;

use crate::envoy;

/// Writes results to `bench/results/SUBJECT.json`.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub(crate) fn write(subject: &str, results: &impl Serialize) -> Result<(), String> {
    let file = envoy::root().join(format!("bench/results/{subject}.json"));
    let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = serde_json::to_string_pretty(results).map_err(|error| describe(&error))?;
    fs::create_dir_all(envoy::root().join("bench/results")).map_err(|error| describe(&error))?;
    fs::write(&file, text + "\n").map_err(|error| describe(&error))
}

/// Describes the machine: CPU, kernel and version of Envoy.
pub(crate) fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, model)| model));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = Command::new(envoy::program()).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let version = version.split('/').nth(1).unwrap_or("of an unknown version");
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cpus} CPUs ({}), Linux {}, Envoy {version}", model.unwrap_or("an unknown model"), kernel.trim())
}
