//! Takes out of a module what its plugin does not use.

use std::path::Path;

use walrus::{ModuleConfig, passes};

use crate::ALWAYS;

/// Writes the module at `input` to `output` with the exports that every module needs and those for `events`, and without
/// what only the others reached. `plugin!` exports a function for every event that any plugin handles, and Envoy enters the
/// VM for each one that it finds: for every chunk of a body, for instance.
pub(crate) fn prune(input: &Path, output: &Path, events: &[&str]) -> Result<(), String> {
    let named = |error| format!("{}: {error}", input.display());
    // Names are for debuggers. The linker leaves them in when it optimises for size.
    let mut reader = ModuleConfig::new();
    let mut module = reader.generate_name_section(false).parse_file(input).map_err(|error| named(error.to_string()))?;
    for name in ALWAYS.iter().chain(events) {
        if !module.exports.iter().any(|export| export.name == *name) {
            return Err(named(format!("there is no export {name}")));
        }
    }
    let is_unused = |name: &str| !ALWAYS.contains(&name) && !events.contains(&name);
    let unused: Vec<_> =
        module.exports.iter().filter(|export| is_unused(&export.name)).map(|export| export.id()).collect();
    for export in unused {
        module.exports.delete(export);
    }
    passes::gc::run(&mut module);
    module.emit_wasm_file(output).map_err(|error| format!("{}: {error}", output.display()))
}
