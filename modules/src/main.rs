//! Makes what cargo builds into what Envoy loads, and checks it.

mod check;
mod prune;

use std::{path::Path, process::ExitCode};

/// What Envoy needs of every module.
const ALWAYS: [&str; 8] = [
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_done",
    "proxy_on_memory_allocate",
    "proxy_on_vm_start",
];

const USAGE: &str = "usage: modules prune IN OUT EVENT…\n       modules check FILE MAX_BYTES EVENT…";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["prune", input, output, events @ ..] => prune::prune(Path::new(input), Path::new(output), events),
        ["check", file, max_bytes, events @ ..] => match max_bytes.parse() {
            Ok(max_bytes) => check::check(Path::new(file), max_bytes, events),
            Err(_) => Err(format!("{max_bytes} is not a number of bytes")),
        },
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
