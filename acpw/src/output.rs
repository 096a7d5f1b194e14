//! Output that all commands share.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

/// Returns true if standard output is a terminal that shows colours, and the user has not set `NO_COLOR`.
pub fn has_colour() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !is_set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Writes a value as indented JSON.
///
/// # Errors
/// Returns a message if the output cannot be written.
pub fn write_json(value: &impl Serialize, out: &mut dyn Write) -> Result<(), String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| describe(&error))?;
    write_text(&format!("{text}\n"), out)
}

/// Writes a text.
///
/// # Errors
/// Returns a message if the output cannot be written. A reader that has gone, such as `head`, is not an error.
pub fn write_text(text: &str, out: &mut dyn Write) -> Result<(), String> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(describe(&error)),
        _ => Ok(()),
    }
}

fn describe(error: &dyn std::fmt::Display) -> String {
    format!("the output cannot be written: {error}")
}
