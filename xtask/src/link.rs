//! A linker wrapper for rustc that exports only the events that a module handles.
//!
//! The SDK marks every event of Proxy-Wasm as `#[no_mangle]`, and rustc makes the linker export all of them. No linker
//! argument can revoke an export. So this program takes the place of the linker, removes the arguments `--export NAME`
//! of the other events, and runs the real linker. The linker's garbage collection then removes the code that only those
//! events use. The linked module is not modified.

use std::{
    ffi::{OsStr, OsString},
    process::{Command, ExitCode},
};

/// The environment variable that contains the exports to keep, separated by commas.
pub(crate) const EXPORTS: &str = "XTASK_LINK_EXPORTS";

/// The environment variable that names the real linker.
pub(crate) const LINKER: &str = "XTASK_LINK_WITH";

/// The request of `build` to this program when rustc runs it as a linker.
#[derive(Debug)]
pub(crate) struct Link {
    exports: String,
    linker: OsString,
}

impl Link {
    /// Reads the request from the environment. Returns `None` if this program is not running as a linker.
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

/// Removes the arguments `--export NAME` for names that are not kept.
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
    fn exports_that_are_not_kept_are_removed() {
        let arguments = "-flavor wasm --export a --export b -o --export c x.wasm".split(' ').map(OsString::from);
        let kept = keep_exports(arguments, |name| name == "b");
        assert_eq!(kept.join(OsStr::new(" ")), "-flavor wasm --export b -o x.wasm");
    }
}
