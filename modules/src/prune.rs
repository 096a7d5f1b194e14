//! Takes out of a module what its plugin does not use.

use std::path::Path;

use walrus::{Function, FunctionBuilder, FunctionKind, InstrSeqBuilder, Module, ModuleConfig, passes};

use crate::ALWAYS;

/// Functions that are not needed, though the linker cannot know, by what stands in their mangled names, in this order. They trap
/// instead. Where a new toolchain has other names, the module becomes larger than it may be.
const UNNEEDED: [&[&str]; 7] = [
    // What std does with a panic when nobody says otherwise, and `plugin!` does.
    &["_3std9panicking12default_hook"],
    // What std writes when there is no memory, before it traps.
    &["_3std5alloc24default_alloc_error_hook"],
    // What std says of text that is cut amiss, which nothing of ours can do: 4 KB, since it shows the text and where it would be cut. It
    // traps either way.
    &["_4core3str19slice_error_fail_rt"],
    // How std writes to streams and tells who called; `plugin!` writes to Envoy's log.
    &["_3std2io", "default_write_fmt", "7Adapter"],
    &["_3std3sys5stdio", "6Stderr"],
    &["_3std3sys9backtrace", "13BacktraceLock"],
    &["_4core3fmt8builders", "10PadAdapter"],
];

/// Formatting that is not needed, in the same way: std's own `Debug`, with its quotes, escapes and tables, which only a panic of
/// std's own would show. It shows nothing instead.
const UNSHOWN: [&[&str]; 1] = [&["5Debug3fmt"]];

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
    replace(&mut module, &UNNEEDED, |body| {
        body.unreachable();
    });
    replace(&mut module, &UNSHOWN, |body| {
        const DONE: i32 = 0;
        body.i32_const(DONE);
    });
    passes::gc::run(&mut module);
    module.emit_wasm_file(output).map_err(|error| format!("{}: {error}", output.display()))
}

/// Gives the functions with these parts in their names another body, so that what only they reached is reached no more.
fn replace(module: &mut Module, names: &[&[&str]], write: fn(&mut InstrSeqBuilder)) {
    let is_meant = |name: &str| names.iter().any(|parts| has_parts(name, parts));
    let meant = module.funcs.iter().filter(|function| function.name.as_deref().is_some_and(is_meant));
    for id in meant.map(Function::id).collect::<Vec<_>>() {
        let (parameters, results) = module.types.params_results(module.funcs.get(id).ty());
        let (parameters, results) = (parameters.to_vec(), results.to_vec());
        let mut builder = FunctionBuilder::new(&mut module.types, &parameters, &results);
        write(&mut builder.func_body());
        let arguments = parameters.iter().map(|kind| module.locals.add(*kind)).collect();
        module.funcs.get_mut(id).kind = FunctionKind::Local(builder.local_func(arguments));
    }
}

/// Whether the name has all parts, one after the other.
fn has_parts(name: &str, parts: &[&str]) -> bool {
    let mut rest = Some(name);
    for part in parts {
        rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, rest)| rest);
    }
    rest.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_in_their_order() {
        for (parts, is_found) in
            [(&["ab"][..], true), (&["ab", "d"], true), (&["d", "ab"], false), (&["b", "bc"], false), (&[], true)]
        {
            assert_eq!(has_parts("abcd", parts), is_found, "{parts:?}");
        }
    }
}
