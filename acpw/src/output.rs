//! Output that all commands share.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;
use serde_json::Value;

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

/// The longest line of a JSON value that is written on one line, without its indentation.
const LINE: usize = 100;

/// Writes JSON with an object or a list on one line where that is short.
pub fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write_pretty(value, 0, &mut text);
    text
}

fn write_pretty(value: &Value, depth: usize, text: &mut String) {
    let line = spaced(value);
    if line.chars().count() <= LINE {
        text.push_str(&line);
        return;
    }
    let indentation = "  ".repeat(depth.saturating_add(1));
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    let items: Vec<(Option<&String>, &Value)> = match value {
        Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (Some(key), value)).collect(),
        _ => {
            text.push_str(&line);
            return;
        }
    };
    text.push(open);
    for (index, (key, item)) in items.into_iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&indentation);
        if let Some(key) = key {
            text.push_str(&format!("{}: ", Value::from(key.as_str())));
        }
        write_pretty(item, depth.saturating_add(1), text);
    }
    text.push_str(&format!("\n{}{close}", "  ".repeat(depth)));
}

/// Returns a value on one line, with spaces as people write them.
fn spaced(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Array(items) => format!("[{}]", list(items.iter().map(spaced).collect())),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| format!("{}: {}", Value::from(key.as_str()), spaced(value));
            format!("{{ {} }}", list(members.iter().map(member).collect()))
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_values_are_on_one_line_and_all_of_it_is_json() {
        let long = "x".repeat(LINE);
        let value = json!({ "a": [1, "b\"", null, {}], "long": [{ "k": 1 }, long, []] });
        let text = pretty(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(
            text.starts_with("{\n  \"a\": [1, \"b\\\"\", null, {}],\n  \"long\": [\n    { \"k\": 1 },\n"),
            "{text}"
        );
    }
}
