//! `acpw explain`.

use std::{io::Write, process::ExitCode};

/// Show the series that a request is counted in, and the request to CloudWatch that follows
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the command; writes its result to `out`.
///
/// # Errors
/// Returns a message for a person if the command cannot be carried out.
pub fn run(_arguments: &Arguments, _out: &mut dyn Write) -> Result<ExitCode, String> {
    Err("not written yet".to_owned())
}
