//! `acpw schema`.

use std::{io::Write, process::ExitCode};

/// Print the JSON Schema of a module's configuration
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the command; writes its result to `out`.
///
/// # Errors
/// Returns a message for a person if the command cannot be carried out.
pub fn run(_arguments: &Arguments, _out: &mut dyn Write) -> Result<ExitCode, String> {
    Err("not written yet".to_owned())
}
