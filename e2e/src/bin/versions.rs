//! Runs the core tests on several versions of Envoy: `versions [--smoke] ENVOY…`, where each ENVOY is the path of a
//! program.
//!
//! `make test-versions` installs the programs and runs this.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a program that runs tests in real time")]

use std::{
    collections::BTreeSet,
    env,
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

use e2e::{EnvoyVersion, suite};

/// Number of tests of a file that run in parallel. They mostly wait.
const THREADS: &str = "4";

/// Start of the line that reports the result of a test file.
const RESULT_PREFIX: &str = "test result: ok. ";

fn main() -> ExitCode {
    let (options, envoys): (Vec<_>, Vec<_>) = env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let is_smoke = match options.as_slice() {
        [] => false,
        [option] if option == "--smoke" => true,
        _ => return usage(),
    };
    if envoys.is_empty() {
        return usage();
    }
    let mut status = ExitCode::SUCCESS;
    for envoy in envoys {
        if let Err(error) = test(Path::new(&envoy), is_smoke) {
            eprintln!("error: {envoy}: {error}");
            status = ExitCode::FAILURE;
        }
    }
    status
}

fn usage() -> ExitCode {
    eprintln!("usage: versions [--smoke] ENVOY…");
    ExitCode::FAILURE
}

/// Runs the tests whose features this Envoy has.
fn test(envoy: &Path, is_smoke: bool) -> Result<(), String> {
    let envoy = envoy.canonicalize().map_err(|error| error.to_string())?;
    let version = EnvoyVersion::of(&envoy).ok_or("it does not print a version")?;
    let start = Instant::now();
    let files: BTreeSet<_> = suite::groups(version, is_smoke).map(|group| group.file).collect();
    let tests: Vec<_> = suite::groups(version, is_smoke).flat_map(|group| group.tests).collect();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--quiet", "--package", "e2e", "--no-fail-fast"]);
    cargo.args(files.iter().flat_map(|file| ["--test", file]));
    cargo.args(["--", "--exact", "--test-threads", THREADS]).args(&tests).env("ENVOY", &envoy);
    let output = cargo.output().map_err(|error| format!("cannot run cargo: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("tests failed\n{text}{}", String::from_utf8_lossy(&output.stderr)));
    }
    let passed: usize = text.lines().filter_map(passed).sum();
    println!("Envoy {version}: {passed} passed, 0 failed in {} s", start.elapsed().as_secs());
    // Otherwise nobody would notice that a renamed test no longer runs.
    if passed == tests.len() { Ok(()) } else { Err(format!("{passed} tests passed, expected {}", tests.len())) }
}

/// Returns the number of passed tests in a result line.
fn passed(line: &str) -> Option<usize> {
    line.strip_prefix(RESULT_PREFIX)?.split(' ').next()?.parse().ok()
}
