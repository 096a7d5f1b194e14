//! The floor of a variant: a module that makes the same host calls as the sender in the same events, discards the
//! results, and does nothing else. The cost of the sender above its floor is the work of the SDK and of the sender
//! itself.
//!
//! The module is written as WebAssembly text, so it contains no code of the SDK or of Rust's standard library.

use std::{fmt::Write as _, fs, path::PathBuf};

use crate::{
    envoy::root,
    variant::{Addition, Attachment, Module, READS, Reads, SenderSetup, VARIANTS},
};

/// The address of the first name in the module's memory.
const NAMES: usize = 1024;
/// The address from which the host writes the results of calls.
const RESULTS: usize = 16 * 1024;

/// Writes the modules of all floors.
///
/// # Errors
/// Returns an error if a file cannot be written or the text is not valid WebAssembly.
pub(crate) fn write_all() -> Result<(), String> {
    for variant in VARIANTS.iter().chain(&READS) {
        let (file, text) = match variant.addition {
            Addition::Module(attachment, Module::Raw(setup)) => (file(attachment, setup), text(attachment, setup)),
            Addition::Module(_, Module::Reads(reads)) => (reads_file(reads), reads_text(reads)),
            _ => continue,
        };
        let module = wat::parse_str(text).map_err(|error| format!("{}: {error}", variant.name))?;
        let file = root().join(file);
        fs::write(&file, module).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// Returns the path of a floor's module, relative to the root of the workspace.
pub(crate) fn file(attachment: Attachment, setup: SenderSetup) -> String {
    let path: PathBuf = ["target", "bench", &format!("floor-{attachment:?}-{setup:?}.wasm")].iter().collect();
    path.display().to_string()
}

/// Returns the path of the module that reads values in one way, relative to the root of the workspace.
pub(crate) fn reads_file(reads: Reads) -> String {
    let (kind, count) = match reads {
        Reads::Single(names) => ("single", names.len()),
        Reads::All => ("all", 0),
        Reads::Properties(names) => ("properties-of", names.iter().map(|name| name.len()).sum()),
    };
    let path: PathBuf = ["target", "bench", &format!("reads-{kind}-{count}.wasm")].iter().collect();
    path.display().to_string()
}

fn text(attachment: Attachment, setup: SenderSetup) -> String {
    let mut names = Names::default();
    let headers = names.calls("$header", "i32.const 0", setup.headers(attachment));
    let properties = names.calls("$property", "", setup.properties());
    match attachment {
        Attachment::Filter => module(&names, attachment, &headers, &properties),
        Attachment::Logger => module(&names, attachment, "", &(headers + &properties)),
    }
}

fn reads_text(reads: Reads) -> String {
    let mut names = Names::default();
    let calls = match reads {
        Reads::Single(headers) => names.calls("$header", "i32.const 0", headers),
        Reads::Properties(properties) => names.calls("$property", "", properties),
        Reads::All => "(drop (call $headers (i32.const 0) (i32.const 0) (i32.const 4)))".to_owned(),
    };
    module(&names, Attachment::Filter, "", &calls)
}

/// Returns a module that makes the calls `arrival` for the headers of a request, and `end` when the request has ended.
fn module(names: &Names, attachment: Attachment, arrival: &str, end: &str) -> String {
    let request_headers = match attachment {
        Attachment::Filter => format!(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {arrival} i32.const 0)"#
        ),
        Attachment::Logger => String::new(),
    };
    // The memory in which the host writes results is reused for the next event.
    format!(
        r#"(module
            (import "env" "proxy_get_header_map_value"
                (func $header (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_get_header_map_pairs" (func $headers (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 2)
            (global $free (mut i32) (i32.const {RESULTS}))
            (data (i32.const {NAMES}) "{data}")
            (func (export "_initialize"))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32)
                global.get $free
                (global.set $free (i32.add (global.get $free) (local.get 0))))
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_vm_start") (param i32 i32) (result i32) i32.const 1)
            (func (export "proxy_on_configure") (param i32 i32) (result i32) i32.const 1)
            (func (export "proxy_on_done") (param i32) (result i32) i32.const 1)
            (func (export "proxy_on_delete") (param i32))
            {request_headers}
            (func (export "proxy_on_log") (param i32)
                (global.set $free (i32.const {RESULTS}))
                {end}))"#,
        data = names.data,
    )
}

/// Names in the module's memory.
#[derive(Default)]
struct Names {
    data: String,
    length: usize,
}

impl Names {
    /// Returns calls of a host function, one for each name.
    fn calls(&mut self, function: &str, first: &str, names: &[&str]) -> String {
        let mut calls = String::new();
        for name in names {
            let address = NAMES.saturating_add(self.length);
            let _ = write!(
                calls,
                "(drop (call {function} {first} (i32.const {address}) (i32.const {length}) (i32.const 0) (i32.const 4)))",
                first = if first.is_empty() { String::new() } else { format!("({first})") },
                length = name.len(),
            );
            // The parts of an attribute's path are separated by NUL.
            self.data.push_str(&name.replace('.', "\\00"));
            self.length = self.length.saturating_add(name.len());
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_floor_is_a_valid_module_with_the_calls_of_its_sender() {
        for attachment in [Attachment::Filter, Attachment::Logger] {
            for setup in [SenderSetup::Seed, SenderSetup::Full, SenderSetup::Unmatched] {
                let text = text(attachment, setup);
                assert!(wat::parse_str(&text).is_ok(), "{text}");
                let calls = text.matches("(call ").count();
                assert_eq!(calls, setup.headers(attachment).len() + setup.properties().len());
            }
        }
    }
}
