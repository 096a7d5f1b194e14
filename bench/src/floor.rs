//! The floor of an attachment: a module that makes the sender's host calls in the same events, throws the answers away,
//! and does nothing else. What the sender costs beyond it is the SDK's work and its own.
//!
//! The module is WebAssembly text, so that nothing of Rust and nothing of the SDK is in it.

use std::{fmt::Write as _, fs, path::PathBuf};

use crate::{
    envoy::root,
    variant::{Addition, Module, Observed, Place, VARIANTS},
};

/// The address of the first name; the host writes its answers above [`ANSWERS`].
const NAMES: usize = 1024;
const ANSWERS: usize = 16 * 1024;

/// Writes the floor of every variant that has one.
///
/// # Errors
/// A file cannot be written, or the text is not WebAssembly.
pub(crate) fn write_all() -> Result<(), String> {
    for variant in VARIANTS {
        if let Addition::Module(place, Module::Raw(observed)) = variant.addition {
            let file = root().join(file(place, observed));
            let module = wat::parse_str(text(place, observed)).map_err(|error| format!("{}: {error}", variant.name))?;
            fs::write(&file, module).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    Ok(())
}

/// Returns the file of a floor, relative to the root of the workspace.
pub(crate) fn file(place: Place, observed: Observed) -> String {
    let path: PathBuf = ["target", "bench", &format!("floor-{place:?}-{observed:?}.wasm")].iter().collect();
    path.display().to_string()
}

fn text(place: Place, observed: Observed) -> String {
    let mut names = Names::default();
    let headers = names.calls("$header", "i32.const 0", observed.headers(place));
    let properties = names.calls("$property", "", observed.properties());
    let (arrival, end) = match place {
        Place::Filter => (headers, properties),
        Place::Logger => (String::new(), headers + &properties),
    };
    let request_headers = match place {
        Place::Filter => format!(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {arrival} i32.const 0)"#
        ),
        Place::Logger => String::new(),
    };
    // Memory that the host is given for an answer is free again when the next event begins.
    format!(
        r#"(module
            (import "env" "proxy_get_header_map_value"
                (func $header (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 2)
            (global $free (mut i32) (i32.const {ANSWERS}))
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
                (global.set $free (i32.const {ANSWERS}))
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
    /// Returns the calls of a host function with each name.
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
            // Parts of an attribute's path are separated by NUL.
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
    fn every_floor_is_a_module_and_makes_the_calls_of_its_sender() {
        for place in [Place::Filter, Place::Logger] {
            for observed in [Observed::Seed, Observed::Full, Observed::Unmatched] {
                let text = text(place, observed);
                assert!(wat::parse_str(&text).is_ok(), "{text}");
                let calls = text.matches("(call ").count();
                assert_eq!(calls, observed.headers(place).len() + observed.properties().len());
            }
        }
    }
}
