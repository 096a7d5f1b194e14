//! Arguments that several commands share, and their output.

use std::{io::Write, process::ExitCode};

use serde_json::{Value, json};

use crate::{
    deployment::{Deployment, FileArguments},
    environment::Environment,
    output,
    publication::Publication,
};

/// The files with configurations, and the form of the output.
#[derive(Debug, clap::Args)]
pub struct Input {
    #[command(flatten)]
    files: FileArguments,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

impl Input {
    /// Reads the modules in the files.
    ///
    /// # Errors
    /// Returns a message for a person if a file cannot be read, has an error, or if no file configures a module.
    pub fn deployment(&self) -> Result<Deployment, String> {
        self.files.read()
    }

    /// Reads what the modules in the files publish.
    ///
    /// # Errors
    /// Returns a message as [`deployment`](Self::deployment) and [`Publication::new`] do.
    pub fn publication(&self) -> Result<Publication, String> {
        Publication::new(&self.deployment()?, &self.files.environment())
    }

    /// Returns the environment of Envoy.
    pub fn environment(&self) -> Environment {
        self.files.environment()
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
    output::write_json(value, out).map(|()| ExitCode::SUCCESS)
}

/// Writes a text.
///
/// # Errors
/// Returns a message if the output cannot be written.
pub fn write_text(text: &str, out: &mut dyn Write) -> Result<ExitCode, String> {
    output::write_text(text, out).map(|()| ExitCode::SUCCESS)
}
