//! Compares messages with a text file that is reviewed as text, and finds messages that the file lacks.

use std::{env, fs, path::Path};

/// Compares `text` with the file at `path`, or writes the file if the environment has `UPDATE_MESSAGES`.
#[allow(clippy::disallowed_methods, reason = "a native test may read the environment")]
pub(crate) fn compare(path: &Path, text: &str) {
    if env::var_os("UPDATE_MESSAGES").is_some() {
        fs::write(path, text).unwrap();
    }
    let golden = fs::read_to_string(path).unwrap_or_default();
    let line = golden.lines().zip(text.lines()).position(|(old, new)| old != new);
    let line = line.unwrap_or_else(|| golden.lines().count().min(text.lines().count()));
    let lines = |text: &str| text.lines().skip(line).take(3).collect::<Vec<_>>().join("\n");
    assert!(
        golden == text,
        "{}:{}: the messages have changed; run with UPDATE_MESSAGES=1 and review the file.\nold:\n{}\nnew:\n{}",
        path.display(),
        line + 1,
        lines(&golden),
        lines(text),
    );
}

/// Returns the parts of messages in `source` that `text` does not contain.
///
/// A message is a string literal of at least three words outside of tests. Its placeholders separate its parts.
pub(crate) fn missing(source: &str, text: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: Vec<_> = code.lines().filter(|line| !is_comment(line) && !line.contains("reason = ")).collect();
    let literals = literals(&code.join("\n"));
    let messages = literals.iter().filter(|literal| literal.split(' ').filter(|word| is_word(word)).count() > 2);
    let parts = messages.flat_map(|message| message.split(['{', '}']).step_by(2));
    let parts = parts.map(str::trim).filter(|part| part.len() > 3 && !text.contains(*part));
    parts.map(str::to_owned).collect()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || ".,:;'\"{}_".contains(c))
}

/// Returns the values of the string literals in Rust code.
fn literals(code: &str) -> Vec<String> {
    let code = code.replace("'\"'", "");
    let mut literals = Vec::new();
    let mut rest = code.as_str();
    while let Some((_, after)) = rest.split_once('"') {
        let mut literal = String::new();
        let mut chars = after.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => match chars.next() {
                    Some('n') => literal.push('\n'),
                    // A literal continues after the indentation of the next line.
                    Some('\n') => chars = chars.as_str().trim_start().chars(),
                    Some(escaped) => literal.push(escaped),
                    None => {}
                },
                c => literal.push(c),
            }
        }
        literals.push(literal);
        rest = chars.as_str();
    }
    literals
}

/// Returns Rust or JSON source with the escapes of its strings resolved, to search it for messages.
#[allow(dead_code, reason = "not every test that includes this file needs it")]
pub(crate) fn unescaped(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('\n') => chars = chars.as_str().trim_start().chars(),
                Some(escaped) => text.push(escaped),
                None => {}
            },
            c => text.push(c),
        }
    }
    text
}
