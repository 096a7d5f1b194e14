//! Takes out of a module what its plugin does not use.

use std::path::Path;

use walrus::{FunctionBuilder, FunctionKind, Module, ModuleConfig, passes};

use crate::ALWAYS;

/// Functions that are not needed, though the linker cannot know. By the ends of their mangled names, before which comes the hash
/// of the crate.
const UNNEEDED: [&str; 2] = [
    // What std does with a panic when nobody says otherwise, and `plugin!` does.
    "_3std9panicking12default_hook",
    // What std says of text that is cut amiss, which nothing of ours can do: 4 KB, since it shows the text and where it would be cut. It
    // traps either way.
    "_4core3str19slice_error_fail_rt",
];

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
    for name in UNNEEDED {
        empty(&mut module, name).map_err(named)?;
    }
    passes::gc::run(&mut module);
    module.emit_wasm_file(output).map_err(|error| format!("{}: {error}", output.display()))
}

/// Puts a trap in the place of a function, so that what only it reached is reached no more.
fn empty(module: &mut Module, name: &str) -> Result<(), String> {
    let found =
        module.funcs.iter().find(|function| function.name.as_deref().is_some_and(|found| found.ends_with(name)));
    let function = found.map(|function| function.id()).ok_or_else(|| format!("there is no function …{name}"))?;
    let (parameters, results) = module.types.params_results(module.funcs.get(function).ty());
    let (parameters, results) = (parameters.to_vec(), results.to_vec());
    let mut builder = FunctionBuilder::new(&mut module.types, &parameters, &results);
    builder.func_body().unreachable();
    let arguments = parameters.iter().map(|kind| module.locals.add(*kind)).collect();
    module.funcs.get_mut(function).kind = FunctionKind::Local(builder.local_func(arguments));
    Ok(())
}
