//! Checks a module that is to be loaded: its size, the events that it handles, and what it asks of the host.

use std::{collections::BTreeSet, fs, path::Path};

use wasmparser::{Parser, Payload, TypeRef};

use crate::module::Module;

/// Everything of WASI that a module may import: the environment, the clock, random numbers, and the way out of a panic.
/// There are no files and no sockets among them.
const WASI: [&str; 6] = ["clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"];

/// What a binary module imports and exports.
#[derive(Debug, Default, PartialEq, Eq)]
struct Interface {
    /// The module and name of every import, and whether it is a function.
    imports: BTreeSet<(String, String, bool)>,
    exports: BTreeSet<String>,
}

/// Checks that a module has no more bytes than it may, exports exactly the events that it handles, and imports only
/// functions of Proxy-Wasm and the few of WASI that Envoy serves. Returns a line that describes it.
///
/// # Errors
/// All faults of the module, or the reason why it cannot be read.
pub(crate) fn check(module: &Module, file: &Path) -> Result<String, String> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}; run `make build-all`", file.display()))?;
    let interface = Interface::parse(&bytes).map_err(|error| format!("{}: {error}", file.display()))?;
    let faults = faults(module, bytes.len() as u64, &interface);
    if !faults.is_empty() {
        return Err(format!("{}: {}", file.display(), faults.join("; ")));
    }
    let (length, exports) = (bytes.len(), interface.exports.len());
    Ok(format!("{}.wasm: {length} bytes of at most {}, {exports} exports", module.name, module.max_bytes))
}

fn faults(module: &Module, bytes: u64, interface: &Interface) -> Vec<String> {
    let mut faults = Vec::new();
    if bytes > module.max_bytes {
        faults.push(format!("must have at most {} bytes, has {bytes}", module.max_bytes));
    }
    let expected: BTreeSet<String> = module.exports().map(str::to_owned).collect();
    faults.extend(expected.difference(&interface.exports).map(|name| format!("missing export {name}")));
    faults.extend(interface.exports.difference(&expected).map(|name| format!("unexpected export {name}")));
    for (from, name, is_function) in &interface.imports {
        let is_allowed = match from.as_str() {
            "env" => name.starts_with("proxy_"),
            "wasi_snapshot_preview1" => WASI.contains(&name.as_str()),
            _ => false,
        };
        if !is_allowed || !is_function {
            faults.push(format!("unexpected import {from}.{name}"));
        }
    }
    faults
}

impl Interface {
    fn parse(bytes: &[u8]) -> wasmparser::Result<Self> {
        let mut interface = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports {
                        let import = import?;
                        let is_function = matches!(import.ty, TypeRef::Func(_));
                        interface.imports.insert((import.module.to_owned(), import.name.to_owned(), is_function));
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        interface.exports.insert(export?.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(interface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: Module =
        Module { name: "m", task: "", profile: "small", rustflags: "", events: &["proxy_on_tick"], max_bytes: 100 };

    fn interface() -> Interface {
        let imports = [("env", "proxy_log", true), ("wasi_snapshot_preview1", "random_get", true)];
        Interface {
            imports: imports.map(|(from, name, is_function)| (from.to_owned(), name.to_owned(), is_function)).into(),
            exports: MODULE.exports().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn a_module_within_its_bounds_has_no_faults() {
        assert_eq!(faults(&MODULE, 100, &interface()), [""; 0]);
    }

    #[test]
    fn size_exports_and_imports_are_each_checked() {
        let mut interface = interface();
        interface.exports.remove("proxy_on_tick");
        interface.exports.insert("proxy_on_grpc_close".to_owned());
        for (from, name, is_function) in
            [("wasi_snapshot_preview1", "sock_send", true), ("env", "memory", false), ("other", "f", true)]
        {
            interface.imports.insert((from.to_owned(), name.to_owned(), is_function));
        }
        let expected = [
            "must have at most 100 bytes, has 101",
            "missing export proxy_on_tick",
            "unexpected export proxy_on_grpc_close",
            "unexpected import env.memory",
            "unexpected import other.f",
            "unexpected import wasi_snapshot_preview1.sock_send",
        ];
        assert_eq!(faults(&MODULE, 101, &interface), expected);
    }

    #[test]
    fn imports_and_exports_are_read_from_a_binary() {
        // (module (import "a" "f" (func)) (memory (export "memory") 1))
        let bytes = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x07\x01\x01a\x01f\0\0\x05\x03\x01\0\x01\x07\x0a\x01\x06memory\x02\0";
        let interface = Interface::parse(bytes).unwrap();
        assert_eq!(interface.imports, [("a".to_owned(), "f".to_owned(), true)].into());
        assert_eq!(interface.exports, ["memory".to_owned()].into());
        assert!(Interface::parse(b"\0asm\x01\0\0\0\xff").is_err());
    }
}
