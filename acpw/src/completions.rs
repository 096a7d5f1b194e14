//! `acpw completions`.

use std::{io::Write, process::ExitCode};

use clap::Command;
use clap_complete::Shell;

use crate::output;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command; writes the completions of `program` to `out`.
///
/// # Errors
/// Returns a message for a person if the output cannot be written.
pub fn run(arguments: &Arguments, program: &mut Command, out: &mut dyn Write) -> Result<ExitCode, String> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, program, "acpw", &mut text);
    output::write_text(&String::from_utf8_lossy(&text), out)?;
    Ok(ExitCode::SUCCESS)
}
