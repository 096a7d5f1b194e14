//! Finds banned expressions in text.

use super::{
    Finding,
    guide::{BANNED, Banned},
};

/// The number of words after an expression among which [`Banned::unless_followed_by`] is looked for.
const FOLLOWING: usize = 12;

/// A word and its line.
type Word<'t> = (usize, &'t str);

/// Returns a finding for each banned expression in a text, given as numbered lines. An expression may span lines.
/// Inline code, in backticks, is ignored.
pub(crate) fn check<'t>(lines: impl Iterator<Item = (usize, &'t str)>) -> Vec<Finding> {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut is_code = false;
    for (number, line) in lines {
        for (index, part) in line.split('`').enumerate() {
            if index > 0 {
                is_code = !is_code;
            }
            if !is_code {
                words.extend(part.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(|w| (number, w)));
            }
        }
    }
    find(&words, BANNED.iter())
}

/// Returns a finding for each banned word of an identifier in snake case. Expressions of several words are allowed,
/// because some of them occur in names of the standard library, such as `is_none`.
pub(crate) fn check_identifier(line: usize, identifier: &str) -> Vec<Finding> {
    let words: Vec<Word<'_>> = identifier.split('_').map(|word| (line, word)).collect();
    find(&words, BANNED.iter().filter(|banned| banned.words.len() == 1))
}

fn find<'b>(words: &[Word<'_>], expressions: impl Iterator<Item = &'b Banned>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for banned in expressions {
        for (index, window) in words.windows(banned.words.len()).enumerate() {
            let following = words.iter().skip(index.saturating_add(banned.words.len()));
            if is_expression(window, banned) && !is_allowed(following, banned) {
                let message = format!("\"{}\"; write {}", banned.words.join(" "), banned.instead);
                findings.extend(window.first().map(|(line, _)| Finding { line: *line, message }));
            }
        }
    }
    findings
}

fn is_expression(window: &[Word<'_>], banned: &Banned) -> bool {
    window.iter().zip(banned.words).all(|((_, word), banned)| word.eq_ignore_ascii_case(banned))
}

fn is_allowed<'w>(following: impl Iterator<Item = &'w Word<'w>>, banned: &Banned) -> bool {
    let Some(exception) = banned.unless_followed_by else { return false };
    following.take(FOLLOWING).any(|(_, word)| word.eq_ignore_ascii_case(exception))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the lines of all findings in a text.
    fn lines(text: &str) -> Vec<usize> {
        check((1..).zip(text.lines())).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn banned_expressions_are_found_in_any_case_and_across_lines() {
        assert_eq!(lines("All errors are\ntold at once."), [2]);
        assert_eq!(lines("Thus it ends."), [1]);
        assert_eq!(lines("A key is there\ntwice, and there is\nnone."), [2, 1]);
        assert_eq!(lines("Waits so\nmany seconds."), [1]);
    }

    #[test]
    fn similar_words_and_natural_uses_are_allowed() {
        assert_eq!(lines("besides, retold, untold"), [0; 0]);
        assert_eq!(lines("It creates so many series that the buffer is full."), [0; 0]);
        assert_eq!(lines("It is none of these: `told` and `so\nmany` are code."), [1]);
    }

    #[test]
    fn words_of_identifiers_are_found() {
        assert_eq!(check_identifier(3, "every_error_is_told").len(), 1);
        assert_eq!(check_identifier(3, "a_threshold_is_retold").len(), 0);
        assert_eq!(check_identifier(3, "is_none").len(), 0);
    }

    #[test]
    fn a_finding_names_a_better_expression() {
        let findings = check([(7, "done anew")].into_iter());
        assert_eq!(findings, [Finding { line: 7, message: "\"anew\"; write again".to_owned() }]);
    }
}
