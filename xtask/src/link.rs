//! A linker for rustc that exports only the events that a module handles.
//!
//! The SDK marks every event of Proxy-Wasm `#[no_mangle]`, and rustc asks the linker to export all of them. There is no
//! linker argument that takes an export back, so this program stands in for the linker, leaves out the arguments
//! `--export NAME` of other events, and runs the real one. The linker's own garbage collection then drops the code that
//! only those events reach; nothing is done to a module after it is linked.

use std::{
    ffi::{OsStr, OsString},
    process::{Command, ExitCode},
};

/// The environment variable that has the exports to keep, separated by commas.
pub(crate) const EXPORTS: &str = "XTASK_LINK_EXPORTS";

/// The environment variable that names the real linker.
pub(crate) const LINKER: &str = "XTASK_LINK_WITH";

/// What `build` asks of this program when rustc runs it as a linker.
#[derive(Debug)]
pub(crate) struct Link {
    exports: String,
    linker: OsString,
}

impl Link {
    /// Reads the request from the environment. Returns `None` if this program does not run as a linker.
    pub(crate) fn from_environment() -> Option<Self> {
        Some(Self { exports: std::env::var(EXPORTS).ok()?, linker: std::env::var_os(LINKER)? })
    }

    /// Runs the real linker and returns its exit code.
    pub(crate) fn run(&self, arguments: impl Iterator<Item = OsString>) -> ExitCode {
        let arguments = keep_exports(arguments, |name| self.exports.split(',').any(|kept| name == kept));
        match Command::new(&self.linker).args(arguments).status() {
            Ok(status) if status.success() => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("{}: {error}", self.linker.display());
                ExitCode::FAILURE
            }
        }
    }
}

/// Returns the arguments without `--export NAME` for names that are not kept.
fn keep_exports(arguments: impl Iterator<Item = OsString>, is_kept: impl Fn(&OsStr) -> bool) -> Vec<OsString> {
    let mut kept = Vec::new();
    for argument in arguments {
        kept.push(argument);
        if let [.., flag, name] = kept.as_slice()
            && flag == "--export"
            && !is_kept(name)
        {
            kept.truncate(kept.len().saturating_sub(2));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exports_to_keep_reach_the_linker() {
        let arguments = "-flavor wasm --export a --export b -o --export c x.wasm".split(' ').map(OsString::from);
        let kept = keep_exports(arguments, |name| name == "b");
        assert_eq!(kept.join(OsStr::new(" ")), "-flavor wasm --export b -o x.wasm");
    }
}
