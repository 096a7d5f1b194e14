//! Checks a module that is to be loaded: its size, the events it handles, and what it asks of the host.

use std::{collections::BTreeSet, path::Path};

use walrus::{ImportKind, Module};

use crate::ALWAYS;

/// Everything of WASI that a module may ask for: the environment, the clock, chance, and the way out of a panic. There
/// are no files and no sockets among them.
const WASI: [&str; 6] = ["clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"];

/// Checks that the module has at most `max_bytes` bytes, exports just what is needed, and imports only functions of
/// Proxy-Wasm and the few of WASI that Envoy serves.
pub(crate) fn check(file: &Path, max_bytes: u64, events: &[&str]) -> Result<(), String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let bytes = std::fs::metadata(file).map_err(|error| named(&error))?.len();
    let module = Module::from_file(file).map_err(|error| named(&error))?;
    let mut faults = Vec::new();
    if bytes > max_bytes {
        faults.push(format!("it has {bytes} bytes, more than {max_bytes}"));
    }
    let exports: BTreeSet<&str> = module.exports.iter().map(|export| export.name.as_str()).collect();
    let expected: BTreeSet<&str> = ALWAYS.iter().chain(events).copied().collect();
    faults.extend(exports.symmetric_difference(&expected).map(|name| format!("export {name} is missing or too much")));
    for import in module.imports.iter() {
        let is_allowed = match import.module.as_str() {
            "env" => import.name.starts_with("proxy_"),
            "wasi_snapshot_preview1" => WASI.contains(&import.name.as_str()),
            _ => false,
        };
        if !is_allowed || !matches!(import.kind, ImportKind::Function(_)) {
            faults.push(format!("it imports {}.{}", import.module, import.name));
        }
    }
    if faults.is_empty() {
        println!("{}: {bytes} bytes of at most {max_bytes}, {} exports", file.display(), exports.len());
        Ok(())
    } else {
        Err(named(&faults.join("; ")))
    }
}
