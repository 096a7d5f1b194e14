//! Checks Rust source.

use super::{
    Finding,
    guide::{MAX_WIDTH, SUMMARY_WORDS},
    words,
};

/// A part of Rust source, with the line on which it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'s> {
    line: usize,
    kind: TokenKind,
    /// The text of a comment without its marker, the content of a string literal, or an identifier.
    text: &'s str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenKind {
    /// A line of a `///` comment.
    OuterDoc,
    /// A line of a `//!` comment.
    InnerDoc,
    /// A line of a `//` comment, or a whole `/* */` comment.
    Comment,
    /// A string literal.
    Text,
    /// An identifier or keyword.
    Identifier,
}

/// Checks the comments, string literals and identifiers of a file.
pub(crate) fn check(source: &str) -> Vec<Finding> {
    let tokens = tokens(source);
    let mut findings = too_wide(source, &tokens);
    for token in &tokens {
        match token.kind {
            TokenKind::Text => findings.extend(words::check((token.line..).zip(token.text.lines()))),
            TokenKind::Identifier => findings.extend(words::check_identifier(token.line, token.text)),
            TokenKind::OuterDoc | TokenKind::InnerDoc | TokenKind::Comment => {}
        }
    }
    let comments: Vec<Token<'_>> =
        tokens.into_iter().filter(|token| !matches!(token.kind, TokenKind::Text | TokenKind::Identifier)).collect();
    let is_continued =
        |one: &Token<'_>, next: &Token<'_>| one.kind == next.kind && one.line.saturating_add(1) == next.line;
    for block in comments.chunk_by(is_continued) {
        findings.extend(block.first().and_then(summary));
        let lines = block.iter().flat_map(|token| (token.line..).zip(token.text.lines()));
        let mut is_fenced = false;
        let prose = lines.filter(|(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            is_fenced ^= is_fence;
            !is_fenced && !is_fence
        });
        findings.extend(words::check(prose));
    }
    findings
}

/// Returns a finding if a documentation comment starts with a word that cannot start a summary.
fn summary(first: &Token<'_>) -> Option<Finding> {
    if first.kind == TokenKind::Comment {
        return None;
    }
    let word = first.text.split_whitespace().next()?;
    SUMMARY_WORDS.contains(&word).then(|| {
        let message = format!("summary starts with \"{word}\"; start with a verb (Returns …) or a noun phrase");
        Finding { line: first.line, message }
    })
}

/// Returns a finding for each line that has a comment and is too wide. A line with a URL may be wider.
fn too_wide(source: &str, tokens: &[Token<'_>]) -> Vec<Finding> {
    let has_comment = |number: usize| {
        tokens.iter().any(|token| {
            let last = token.line.saturating_add(token.text.lines().count().saturating_sub(1));
            !matches!(token.kind, TokenKind::Text | TokenKind::Identifier) && (token.line..=last).contains(&number)
        })
    };
    let wide = (1..).zip(source.lines()).filter(|(_, line)| line.chars().count() > MAX_WIDTH && !line.contains("://"));
    wide.filter(|(number, _)| has_comment(*number))
        .map(|(line, text)| {
            let width = text.chars().count();
            Finding { line, message: format!("comment must fit {MAX_WIDTH} columns, has {width}") }
        })
        .collect()
}

/// Splits source into its comments, string literals and identifiers. Everything else is left out.
fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { rest: source, line: 1 };
    let mut tokens = Vec::new();
    while let Some(first) = lexer.rest.chars().next() {
        let line = lexer.line;
        let token = if lexer.rest.starts_with("//") {
            Some(lexer.line_comment())
        } else if lexer.rest.starts_with("/*") {
            Some((TokenKind::Comment, lexer.block_comment()))
        } else if first == '"' {
            Some((TokenKind::Text, lexer.string()))
        } else if first == '\'' {
            lexer.character_or_lifetime();
            None
        } else if first == '_' || first.is_alphanumeric() {
            let identifier = lexer.identifier();
            let raw = ["r", "br", "cr"].contains(&identifier).then(|| lexer.raw_string()).flatten();
            Some(raw.map_or((TokenKind::Identifier, identifier), |text| (TokenKind::Text, text)))
        } else {
            lexer.take(first.len_utf8());
            None
        };
        tokens.extend(token.map(|(kind, text)| Token { line, kind, text }));
    }
    tokens
}

/// The rest of a source file.
struct Lexer<'s> {
    rest: &'s str,
    line: usize,
}

impl<'s> Lexer<'s> {
    /// Takes the next `length` bytes, or all if there are fewer.
    fn take(&mut self, length: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.line = self.line.saturating_add(taken.matches('\n').count());
        self.rest = rest;
        taken
    }

    fn line_comment(&mut self) -> (TokenKind, &'s str) {
        let comment = self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        if let Some(text) = comment.strip_prefix("//!") {
            return (TokenKind::InnerDoc, text);
        }
        match comment.strip_prefix("///") {
            Some(text) if !text.starts_with('/') => (TokenKind::OuterDoc, text),
            _ => (TokenKind::Comment, comment.trim_start_matches('/')),
        }
    }

    /// Takes a block comment. Block comments nest.
    fn block_comment(&mut self) -> &'s str {
        let (mut depth, mut length) = (0usize, 0usize);
        for (offset, _) in self.rest.char_indices() {
            let here = self.rest.get(offset..).unwrap_or_default();
            if offset < length {
                continue;
            }
            if here.starts_with("/*") {
                (depth, length) = (depth.saturating_add(1), offset.saturating_add(2));
            } else if here.starts_with("*/") {
                (depth, length) = (depth.saturating_sub(1), offset.saturating_add(2));
                if depth == 0 {
                    return self.take(length);
                }
            }
        }
        self.take(self.rest.len())
    }

    fn string(&mut self) -> &'s str {
        self.take(1);
        let mut is_escaped = false;
        let end = self.rest.find(|c| {
            let is_end = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        });
        let text = self.take(end.unwrap_or(self.rest.len()));
        self.take(1);
        text
    }

    /// Takes a raw string, after its prefix. Returns `None` if there is no raw string.
    fn raw_string(&mut self) -> Option<&'s str> {
        let after_hashes = self.rest.trim_start_matches('#');
        if !after_hashes.starts_with('"') {
            return None;
        }
        let hashes = self.rest.len().saturating_sub(after_hashes.len());
        self.take(hashes.saturating_add(1));
        let end = format!("\"{}", "#".repeat(hashes));
        let text = self.take(self.rest.find(&end).unwrap_or(self.rest.len()));
        self.take(end.len());
        Some(text)
    }

    fn character_or_lifetime(&mut self) {
        let mut chars = self.rest.chars().skip(1);
        match (chars.next(), chars.next()) {
            (Some('\\'), Some(escaped)) => {
                self.take("'\\".len().saturating_add(escaped.len_utf8()));
                self.take(self.rest.find('\'').map_or(0, |end| end.saturating_add(1)));
            }
            (Some(character), Some('\'')) => {
                self.take("''".len().saturating_add(character.len_utf8()));
            }
            _ => {
                self.take(1);
            }
        }
    }

    fn identifier(&mut self) -> &'s str {
        let end = self.rest.find(|c: char| c != '_' && !c.is_alphanumeric());
        self.take(end.unwrap_or(self.rest.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(source: &str) -> Vec<String> {
        let mut findings = check(source);
        findings.sort();
        findings.iter().map(Finding::to_string).collect()
    }

    #[test]
    fn comments_strings_and_identifiers_are_separated() {
        let source =
            "//! a\n/// b\nfn c<'d>() { e(\"f \\\" // g\", 'h', '\\'', br#\"i\"j\"#); } // k\n/* l /* m */\nn */ r#o";
        let found: Vec<_> = tokens(source).iter().map(|token| (token.line, token.kind, token.text)).collect();
        let expected = [
            (1, TokenKind::InnerDoc, " a"),
            (2, TokenKind::OuterDoc, " b"),
            (3, TokenKind::Identifier, "fn"),
            (3, TokenKind::Identifier, "c"),
            (3, TokenKind::Identifier, "d"),
            (3, TokenKind::Identifier, "e"),
            (3, TokenKind::Text, "f \\\" // g"),
            (3, TokenKind::Text, "i\"j"),
            (3, TokenKind::Comment, " k"),
            (4, TokenKind::Comment, "/* l /* m */\nn */"),
            (5, TokenKind::Identifier, "r"),
            (5, TokenKind::Identifier, "o"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn unfinished_source_is_read_to_its_end() {
        for source in ["\"", "\"a\\", "r#\"a", "/* a", "'", "'\\", "//", "br#"] {
            tokens(source);
            assert_eq!(messages(source), [""; 0], "{source}");
        }
    }

    #[test]
    fn a_summary_must_not_start_with_a_question_word_or_a_pronoun() {
        let source =
            "//! What it does.\n\n/// Whether it is so.\nfn a() {}\n\n/// Returns it.\n/// It may fail.\nfn b() {}";
        assert_eq!(
            messages(source),
            [
                "1: summary starts with \"What\"; start with a verb (Returns …) or a noun phrase",
                "3: summary starts with \"Whether\"; start with a verb (Returns …) or a noun phrase",
            ]
        );
        assert_eq!(messages("// It is a plain comment.\n/// Items: it.\nstruct A;"), [""; 0]);
    }

    #[test]
    fn a_wide_comment_is_found_but_not_a_wide_string_or_url() {
        let wide = "a".repeat(MAX_WIDTH);
        assert_eq!(messages(&format!("// {wide}")), ["1: comment must fit 120 columns, has 123"]);
        assert_eq!(messages(&format!("let a = 1; // {wide}")), ["1: comment must fit 120 columns, has 134"]);
        assert_eq!(messages(&format!("let a = \"{wide}\";")), [""; 0]);
        assert_eq!(messages(&format!("// https://{wide}")), [""; 0]);
        assert_eq!(messages(&format!("// {}", "é".repeat(MAX_WIDTH - 3))), [""; 0]);
    }

    #[test]
    fn banned_expressions_are_found_in_comments_names_and_messages() {
        let source = "/// Returns so\n/// many values.\nfn errors_are_told() { log(\"all is told\"); }\n/// ```\n/// told\n/// ```";
        let lines: Vec<_> = check(source).into_iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [3, 3, 1]);
    }
}
