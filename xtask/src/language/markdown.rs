//! Checks Markdown documents.

use super::{Finding, guide::MAX_WIDTH, words};

/// Checks the width of lines and the expressions of a document.
pub(crate) fn check(document: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fence: Option<&str> = None;
    let mut prose: Vec<(usize, &str)> = Vec::new();
    for (number, line) in (1..).zip(document.lines()) {
        let start = line.trim_start();
        let marker = ["```", "~~~"].into_iter().find(|marker| start.starts_with(marker));
        match (fence, marker) {
            (None, Some(marker)) => fence = Some(marker),
            (Some(open), Some(marker)) if open == marker => fence = None,
            (Some(_), _) => {}
            (None, None) => {
                prose.push((number, line));
                let width = width(line);
                if width > MAX_WIDTH && !is_unbreakable(start) {
                    let message = format!("line must fit {MAX_WIDTH} columns, has {width}");
                    findings.push(Finding { line: number, message });
                }
            }
        }
    }
    // An expression may span lines, but not paragraphs.
    for paragraph in prose.split(|(_, line)| line.trim().is_empty()) {
        findings.extend(words::check(paragraph.iter().copied()));
    }
    findings
}

/// Returns whether a line cannot be wrapped: a row of a table, a heading, or a reference to a URL.
fn is_unbreakable(line: &str) -> bool {
    line.starts_with(['|', '#']) || line.contains("://")
}

/// Returns the width of a line without the targets of its links.
fn width(line: &str) -> usize {
    let mut parts = line.split("](");
    let first = parts.next().unwrap_or_default();
    let others = parts.map(|part| part.split_once(')').map_or(part, |(_, text)| text));
    others.fold(first.chars().count(), |width, part| {
        width.saturating_add("]()".len()).saturating_add(part.chars().count())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(document: &str) -> Vec<String> {
        check(document).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_line_that_is_too_wide_is_found() {
        assert_eq!(messages(&"a ".repeat(60)), [""; 0]);
        assert_eq!(messages(&format!("a\n\n{}b", "a ".repeat(60))), ["3: line must fit 120 columns, has 121"]);
    }

    #[test]
    fn tables_headings_code_and_link_targets_may_be_wider() {
        let wide = "a".repeat(MAX_WIDTH);
        for line in [format!("| {wide} |"), format!("# {wide}"), format!("[b]({wide})"), format!("<https://{wide}>")] {
            assert_eq!(messages(&line), [""; 0], "{line}");
        }
        assert_eq!(messages(&format!("```\n{wide} b\n```\n~~~\n```{wide}\n~~~")), [""; 0]);
        assert_eq!(messages(&format!("[b](c) {wide}")), ["1: line must fit 120 columns, has 126"]);
    }

    #[test]
    fn banned_expressions_are_found_outside_of_code() {
        assert_eq!(
            messages("It is\nthere twice."),
            ["1: \"is there twice\"; write is listed twice, or is a duplicate"]
        );
        assert_eq!(messages("`told`\n```\ntold\n```\nIt is\n\nthere twice."), [""; 0]);
    }
}
