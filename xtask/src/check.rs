//! Checks a module: its size, its exports and its imports.

use std::{collections::BTreeSet, fs, path::Path};

use wasmparser::{Parser, Payload, TypeRef};

use crate::module::Module;

/// The WASI functions that a module may import: the environment, the clock, random numbers, and the functions with
/// which a panic ends the VM. Files and sockets are not among them.
const WASI: [&str; 6] = ["clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"];

/// The imports and exports of a binary module.
#[derive(Debug, Default, PartialEq, Eq)]
struct Interface {
    /// The module and the name of each import, and whether it is a function.
    imports: BTreeSet<(String, String, bool)>,
    exports: BTreeSet<String>,
}

/// Checks that a module does not exceed its maximum size, exports exactly the events that it handles, and imports only
/// functions of Proxy-Wasm and the allowed functions of WASI. Returns a summary of the module.
///
/// # Errors
/// Returns all problems of the module, or an error if it cannot be read.
pub(crate) fn check(module: &Module, file: &Path) -> Result<String, String> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}; run `make build-all`", file.display()))?;
    let interface = Interface::parse(&bytes).map_err(|error| format!("{}: {error}", file.display()))?;
    let problems = problems(module, bytes.len() as u64, &interface);
    if !problems.is_empty() {
        return Err(format!("{}: {}", file.display(), problems.join("; ")));
    }
    let (length, exports) = (bytes.len(), interface.exports.len());
    Ok(format!("{}.wasm: {length} bytes of at most {}, {exports} exports", module.name, module.max_bytes))
}

fn problems(module: &Module, bytes: u64, interface: &Interface) -> Vec<String> {
    let mut problems = Vec::new();
    if bytes > module.max_bytes {
        problems.push(format!("must have at most {} bytes, got {bytes}", module.max_bytes));
    }
    let expected: BTreeSet<String> = module.exports().map(str::to_owned).collect();
    problems.extend(expected.difference(&interface.exports).map(|name| format!("missing export {name}")));
    problems.extend(interface.exports.difference(&expected).map(|name| format!("unexpected export {name}")));
    for (from, name, is_function) in &interface.imports {
        let is_allowed = match from.as_str() {
            "env" => name.starts_with("proxy_"),
            "wasi_snapshot_preview1" => WASI.contains(&name.as_str()),
            _ => false,
        };
        if !is_allowed || !is_function {
            problems.push(format!("unexpected import {from}.{name}"));
        }
    }
    problems
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
    fn a_module_within_its_limits_has_no_problems() {
        assert_eq!(problems(&MODULE, 100, &interface()), [""; 0]);
    }

    #[test]
    fn size_exports_and_imports_are_checked() {
        let mut interface = interface();
        interface.exports.remove("proxy_on_tick");
        interface.exports.insert("proxy_on_grpc_close".to_owned());
        for (from, name, is_function) in
            [("wasi_snapshot_preview1", "sock_send", true), ("env", "memory", false), ("other", "f", true)]
        {
            interface.imports.insert((from.to_owned(), name.to_owned(), is_function));
        }
        let expected = [
            "must have at most 100 bytes, got 101",
            "missing export proxy_on_tick",
            "unexpected export proxy_on_grpc_close",
            "unexpected import env.memory",
            "unexpected import other.f",
            "unexpected import wasi_snapshot_preview1.sock_send",
        ];
        assert_eq!(problems(&MODULE, 101, &interface), expected);
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
