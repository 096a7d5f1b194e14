//! `acpw schema`.

use std::{io::Write, process::ExitCode};

use crate::output;

/// Print the JSON Schema of a module's configuration, for editors
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The module
    #[arg(value_enum)]
    module: Module,
    /// Print JSON, which is the only format of schemas
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Module {
    Sender,
    Receiver,
    Gateway,
}

/// Runs the command; writes its result to `out`.
///
/// # Errors
/// Returns a message for a person if the output cannot be written.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, String> {
    // The schemas are JSON with and without `--json`.
    let Arguments { module, json: _ } = arguments;
    let schema = match module {
        Module::Sender => include_str!("../../docs/sender.schema.json"),
        Module::Receiver => include_str!("../../docs/receiver.schema.json"),
        Module::Gateway => include_str!("../../docs/gateway.schema.json"),
    };
    output::write_text(schema, out)?;
    Ok(ExitCode::SUCCESS)
}
