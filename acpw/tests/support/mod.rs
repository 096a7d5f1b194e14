//! Helpers for tests of the program.

#![allow(clippy::unwrap_used, dead_code, reason = "a helper may panic, and not every test uses every helper")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Returns the root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the content of a file of the project.
pub(crate) fn within_repository(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Returns the examples that `make lint` checks, in the order of their names.
pub(crate) fn examples() -> Vec<String> {
    let makefile = within_repository("Makefile");
    let line = makefile.lines().find_map(|line| line.strip_prefix("MANIFESTS := ")).unwrap();
    let mut paths: Vec<String> =
        line.split_whitespace().skip_while(|word| !word.contains(".yaml")).map(str::to_owned).collect();
    paths.retain(|path| !path.contains('*') && !path.starts_with('$'));
    let envoy = std::fs::read_dir(root().join("envoy")).unwrap();
    let names = envoy.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    paths.extend(names.filter(|name| name.ends_with(".yaml")).map(|name| format!("envoy/{name}")));
    paths.sort();
    paths
}

/// The output of the program.
pub(crate) struct Output {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// Runs the program in the root of the project.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_acpw")).args(arguments).current_dir(root()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs the program, and returns its command line, output and exit code in one text.
pub(crate) fn transcript(arguments: &[&str]) -> String {
    let Output { code, out, err } = run(arguments);
    format!("$ acpw {}\n{out}{err}exit code {code}\n", arguments.join(" "))
}
