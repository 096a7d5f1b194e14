//! Documents show what the program prints, and docs/acpw.md has every rule.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod support;

use acpw::check::finding::RULES;

use crate::support::{root, run, within_repository};

const DOCUMENT: &str = "docs/acpw.md";

/// The documents with output of the program, each with the least number of commands in it.
const WITH_OUTPUT: [(&str, usize); 2] = [(DOCUMENT, 5), ("docs/otlp.md", 1)];

/// Splits a command line into arguments; single quotes keep spaces together.
fn arguments(line: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => arguments.push(String::new()),
            _ => arguments.last_mut().unwrap().push(character),
        }
    }
    arguments
}

/// Returns the document with the real output after each `$ acpw …`, and the number of commands.
fn with_real_output(document: &str) -> (String, usize) {
    let (mut text, mut commands, mut is_shown) = (String::new(), 0, true);
    for line in document.lines() {
        if line.starts_with("```") || line.starts_with("$ ") {
            is_shown = true;
        }
        if is_shown {
            text.push_str(line);
            text.push('\n');
        }
        if let Some(command) = line.strip_prefix("$ acpw ") {
            let arguments = arguments(command);
            let output = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            text.push_str(&output.out);
            text.push_str(&output.err);
            commands += 1;
            is_shown = false;
        }
    }
    (text, commands)
}

#[test]
fn the_documents_show_real_output() {
    for (name, least) in WITH_OUTPUT {
        let document = within_repository(name);
        let (real, commands) = with_real_output(&document);
        if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            std::fs::write(root().join(name), &real).unwrap();
            continue;
        }
        assert!(commands >= least, "{name} has {commands} commands");
        let first = document.lines().zip(real.lines()).find(|(documented, real)| documented != real);
        assert_eq!(
            document, real,
            "{name}: the first difference is {first:?}; write the output again with UPDATE_DOCUMENTS=1"
        );
    }
}

#[test]
fn the_document_has_every_rule() {
    let document = within_repository(DOCUMENT);
    let documented: Vec<(&str, &str)> = document
        .lines()
        .skip_while(|line| *line != "### Rules")
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(id, rest)| (id, rest.split(" |").next().unwrap()))
        .collect();
    let rules: Vec<(&str, &str)> = RULES.iter().map(|rule| (rule.id, rule.severity.name())).collect();
    assert_eq!(documented, rules, "the table of rules in {DOCUMENT} is not that of the program");
}
