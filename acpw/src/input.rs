//! Arguments that several commands share, and their output.

use std::{io::Write, path::PathBuf, process::ExitCode};

use serde_json::{Value, json};

use crate::deployment::{self, Deployment};

/// The files with configurations.
#[derive(Debug, clap::Args)]
pub struct Input {
    /// Files or folders with Envoy configurations or Kubernetes manifests
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

impl Input {
    /// Reads the files.
    ///
    /// # Errors
    /// Returns a message for a person if a file cannot be read, has an error, or if no file configures a module.
    pub fn read(&self) -> Result<Deployment, String> {
        deployment::read_valid(&self.files)
    }
}

/// Writes a document that is JSON in any case. With `is_json`, the remarks are a part of the output; else they go to
/// standard error.
///
/// # Errors
/// Returns a message if the output cannot be written.
pub fn write_document(
    document: &Value,
    notes: &[String],
    is_json: bool,
    out: &mut dyn Write,
) -> Result<ExitCode, String> {
    if is_json {
        return write_json(&json!({ "document": document, "notes": notes }), out);
    }
    write_notes(notes);
    write_json(document, out)
}

/// Writes remarks to standard error.
pub fn write_notes(notes: &[String]) {
    for note in notes {
        eprintln!("acpw: note: {note}");
    }
}

/// Writes a value as indented JSON.
///
/// # Errors
/// Returns a message if the output cannot be written.
pub fn write_json(value: &impl serde::Serialize, out: &mut dyn Write) -> Result<ExitCode, String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| format!("the output cannot be written: {error}"))?;
    write_text(&format!("{text}\n"), out)
}

/// Writes a text.
///
/// # Errors
/// Returns a message if the output cannot be written.
pub fn write_text(text: &str, out: &mut dyn Write) -> Result<ExitCode, String> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map(|()| ExitCode::SUCCESS).map_err(|error| format!("the output cannot be written: {error}"))
}
