//! `acpw cost`.

use std::{io::Write, process::ExitCode};

/// Predict series, requests to CloudWatch, and dollars a month
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the command; writes its result to `out`.
///
/// # Errors
/// Returns a message for a person if the command cannot be carried out.
pub fn run(_arguments: &Arguments, _out: &mut dyn Write) -> Result<ExitCode, String> {
    Err("not written yet".to_owned())
}
