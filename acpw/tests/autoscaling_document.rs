//! docs/autoscaling.md shows what `acpw alarms` prints.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod support;

use crate::support::{root, run, within_repository};

const DOCUMENT: &str = "docs/autoscaling.md";

#[test]
fn the_document_shows_real_output() {
    let document = within_repository(DOCUMENT);
    let (mut real, mut commands, mut is_output) = (String::new(), 0, false);
    for line in document.lines() {
        is_output &= !line.starts_with("```");
        if !is_output {
            real.push_str(line);
            real.push('\n');
        }
        if let Some(command) = line.strip_prefix("$ acpw ") {
            let output = run(&command.split(' ').collect::<Vec<_>>());
            assert_eq!(output.code, 0, "{command}: {}", output.err);
            real.push_str(&output.out);
            commands += 1;
            is_output = true;
        }
    }
    assert_eq!(commands, 2);
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(root().join(DOCUMENT), &real).unwrap();
        return;
    }
    assert_eq!(document, real, "write the output again with UPDATE_DOCUMENTS=1");
}
