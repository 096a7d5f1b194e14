//! Parses lines of Prometheus' text format 0.0.4 (with the quoted names of Prometheus 3) and of OpenMetrics 1.0. The
//! syntax of either format is accepted in both.

use std::borrow::Cow;

use super::number::number;
use crate::source::reading::Label;

/// The maximum number of labels per line. Each name is compared with all others, because names must not repeat.
const MAX_LABELS: usize = 128;

/// A line without its line feed.
#[derive(Clone, Debug, PartialEq)]
pub enum Line<'a> {
    /// The type of a metric family.
    Type(Cow<'a, str>, FamilyType),
    /// A sample.
    Sample(SampleLine<'a>),
    /// A line without data: help, a unit, a comment, the end mark of OpenMetrics or an empty line.
    Nothing,
}

/// The type of a metric family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FamilyType {
    /// `counter`
    Counter,
    /// `gauge`
    Gauge,
    /// `histogram`
    Histogram,
    /// `summary`
    Summary,
    /// Another type or none. The samples of the family are plain numbers.
    #[default]
    Untyped,
}

/// A sample whose name was parsed and whose labels and value were not.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleLine<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    rest: &'a str,
    /// True if the name is within the braces, where Prometheus 3 writes names with special characters.
    is_within_braces: bool,
}

/// The reason why a sample cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleError {
    /// The labels are invalid, so the series is unknown.
    Labels,
    /// The number or timestamp is invalid. The labels were parsed.
    Number,
}

impl<'a> Line<'a> {
    /// Parses a line up to its name. Returns `None` if it has no valid name.
    pub fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim_matches(BLANK);
        if line.is_empty() {
            return Some(Self::Nothing);
        }
        if let Some(comment) = line.strip_prefix('#') {
            return Some(type_of(comment).unwrap_or(Self::Nothing));
        }
        if let Some(rest) = line.strip_prefix('{') {
            let (name, rest) = quoted(rest.trim_start_matches(BLANK))?;
            let rest = rest.trim_start_matches(BLANK);
            let rest = rest.strip_prefix(',').or_else(|| rest.starts_with('}').then_some(rest))?;
            let is_named = !name.is_empty();
            return is_named.then_some(Self::Sample(SampleLine { name, rest, is_within_braces: true }));
        }
        let (name, rest) = name(line, b':')?;
        Some(Self::Sample(SampleLine { name: Cow::Borrowed(name), rest, is_within_braces: false }))
    }
}

/// Parses a comment that declares a type.
fn type_of(comment: &str) -> Option<Line<'_>> {
    let rest = comment.trim_start_matches(BLANK).strip_prefix("TYPE")?;
    let text = rest.trim_start_matches(BLANK);
    if text.len() == rest.len() {
        return None;
    }
    let (name, rest) = match quoted(text) {
        Some(parts) => parts,
        None if text.starts_with('"') => return None,
        None => {
            let (name, rest) = text.split_once(BLANK)?;
            (Cow::Borrowed(name), rest)
        }
    };
    let family_type = rest.split(BLANK).find(|word| !word.is_empty())?;
    Some(Line::Type(name, FamilyType::of(family_type)))
}

impl FamilyType {
    fn of(name: &str) -> Self {
        match name {
            "counter" => Self::Counter,
            "gauge" => Self::Gauge,
            "histogram" => Self::Histogram,
            "summary" => Self::Summary,
            _ => Self::Untyped,
        }
    }
}

impl<'a> SampleLine<'a> {
    /// Parses the labels into `labels` and returns the number. Ignores a timestamp and an exemplar.
    ///
    /// # Errors
    /// Invalid labels, or an invalid number or timestamp.
    pub fn read(&self, labels: &mut Vec<Label<'a>>) -> Result<f64, SampleError> {
        labels.clear();
        let rest = self.rest.trim_start_matches(BLANK);
        let rest = match rest.strip_prefix('{') {
            _ if self.is_within_braces => read_labels(rest, labels).ok_or(SampleError::Labels)?,
            Some(rest) => read_labels(rest, labels).ok_or(SampleError::Labels)?,
            // There must be a blank between the name and the number.
            None if rest.len() == self.rest.len() => return Err(SampleError::Labels),
            None => rest,
        };
        let rest = rest.trim_start_matches(BLANK);
        let (value, rest) = rest.split_once(BLANK).unwrap_or((rest, ""));
        let timestamp = rest.split_once('#').map_or(rest, |(timestamp, _)| timestamp).trim_matches(BLANK);
        if !timestamp.is_empty() && number(timestamp).is_none() {
            return Err(SampleError::Number);
        }
        number(value).ok_or(SampleError::Number)
    }
}

pub(super) const BLANK: [char; 3] = [' ', '\t', '\r'];

/// Parses a name at the start of `text`. Returns it with the text after it. `further` is a character that names may
/// contain besides letters, digits and `_`.
fn name(text: &str, further: u8) -> Option<(&str, &str)> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == further;
    let length = text.bytes().take_while(is_name).count();
    let (name, rest) = text.split_at_checked(length)?;
    let is_name = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    is_name.then_some((name, rest))
}

/// Parses a quoted text at the start of `text`. Returns it with the text after it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let text = text.strip_prefix('"')?;
    let mut is_escaped = false;
    let mut has_escapes = false;
    let length = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        has_escapes |= is_escaped;
        is_end
    })?;
    let (value, rest) = text.split_at_checked(length)?;
    let value = if has_escapes { Cow::Owned(unescaped(value)) } else { Cow::Borrowed(value) };
    Some((value, rest.strip_prefix('"')?))
}

/// Parses labels up to the closing brace. Returns the text after it.
fn read_labels<'a>(mut text: &'a str, labels: &mut Vec<Label<'a>>) -> Option<&'a str> {
    loop {
        text = text.trim_start_matches(BLANK);
        if let Some(rest) = text.strip_prefix('}') {
            return Some(rest);
        }
        let (name, rest) = match quoted(text) {
            Some(parts) => parts,
            None => name(text, b'_').map(|(name, rest)| (Cow::Borrowed(name), rest))?,
        };
        let rest = rest.trim_start_matches(BLANK).strip_prefix('=')?;
        let (value, rest) = quoted(rest.trim_start_matches(BLANK))?;
        if labels.len() >= MAX_LABELS || labels.iter().any(|known| known.name == name) {
            return None;
        }
        labels.push(Label { name, value });
        let rest = rest.trim_start_matches(BLANK);
        text = match rest.strip_prefix(',') {
            Some(rest) => rest,
            None if rest.starts_with('}') => rest,
            None => return None,
        };
    }
}

/// Resolves the escapes of a quoted text. A backslash before any other character is kept.
fn unescaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            value.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => value.push('\n'),
            Some(plain @ ('\\' | '"')) => value.push(plain),
            Some(other) => value.extend(['\\', other]),
            None => value.push('\\'),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name, labels and number of a sample.
    type Read = (String, Vec<(String, String)>, f64);

    fn read(line: &str) -> Option<Read> {
        let Line::Sample(sample) = Line::parse(line)? else { return None };
        let mut labels = Vec::new();
        let number = sample.read(&mut labels).ok()?;
        let labels = labels.iter().map(|label| (label.name.to_string(), label.value.to_string())).collect();
        Some((sample.name.to_string(), labels, number))
    }

    fn sample(name: &str, labels: &[(&str, &str)], number: f64) -> Option<Read> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Some((name.to_owned(), labels, number))
    }

    #[test]
    fn samples_are_parsed() {
        assert_eq!(read("a 1"), sample("a", &[], 1.0));
        assert_eq!(read("a{} 1e3"), sample("a", &[], 1_000.0));
        assert_eq!(read("  a:b_c\t{ x = \"1\" , y=\"2\", } \t-.5 1395066363000 "), {
            sample("a:b_c", &[("x", "1"), ("y", "2")], -0.5)
        });
        assert_eq!(read(r#"a{x="q\"b\\s\nn\t}, "} +Inf"#), sample("a", &[("x", "q\"b\\s\nn\\t}, ")], f64::INFINITY));
        assert!(read("a NaN").unwrap().2.is_nan());
        let exemplar = r#"a_bucket{le="1.0"} 5 1520879607.789 # {trace="KOO5S4vxi0o # {"} 0.67 1.5"#;
        assert_eq!(read(exemplar), sample("a_bucket", &[("le", "1.0")], 5.0));
        assert_eq!(read("a 5 # {} 0.67"), sample("a", &[], 5.0));
    }

    #[test]
    fn quoted_names_are_parsed() {
        assert_eq!(read(r#"{"a.b"} 1"#), sample("a.b", &[], 1.0));
        let duration = r#"{"http.server.duration",le="1","url.path"="/"} 4"#;
        assert_eq!(read(duration), sample("http.server.duration", &[("le", "1"), ("url.path", "/")], 4.0));
        assert_eq!(read("{ \"\u{e4}\\\"\" , } 2"), sample("\u{e4}\"", &[], 2.0));
        assert_eq!(read(r#"a{"b c"="d"} 2"#), sample("a", &[("b c", "d")], 2.0));
    }

    #[test]
    fn lines_without_a_name_or_with_invalid_labels_are_refused() {
        for line in [
            "<!DOCTYPE html>",
            "1a 5",
            "a",
            "a{",
            "a{x} 1",
            "a{x=} 1",
            "a{x=1} 1",
            "a{x=\"1} 1",
            "a{x=\"1\\\"} 1",
            "a{x=\"1\"y=\"2\"} 1",
            "a{,} 1",
            "a{x=\"1\",,} 1",
            "a{1x=\"1\"} 1",
            "a{x:y=\"1\"} 1",
            "a{x=\"1\",x=\"2\"} 1",
            "a-b 1",
            "a\u{e4} 1",
            "\u{e4} 1",
            "{} 1",
            "{x=\"1\"} 1",
            "{\"\"} 1",
            "{\"a\"=\"b\"} 1",
            "{\"a} 1",
            "{\"a\" 1",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
        let labels = |count: usize| (0..count).map(|n| format!("x{n}=\"\",")).collect::<String>();
        assert!(read(&format!("a{{{}}} 1", labels(MAX_LABELS))).is_some());
        assert_eq!(read(&format!("a{{{}}} 1", labels(MAX_LABELS + 1))), None);
    }

    #[test]
    fn labels_are_parsed_even_if_the_number_is_invalid() {
        for line in ["a{x=\"1\"}", "a{x=\"1\"} x", "a{x=\"1\"} 1 x", "a{x=\"1\"} 1 2 3", "a{x=\"1\"} # 5"] {
            let Some(Line::Sample(sample)) = Line::parse(line) else { panic!("{line}") };
            let mut labels = Vec::new();
            assert_eq!(sample.read(&mut labels), Err(SampleError::Number), "{line}");
            assert_eq!(labels.len(), 1);
        }
    }

    #[test]
    fn only_type_comments_have_a_meaning() {
        let is_type = |line, name, family_type| {
            assert_eq!(Line::parse(line), Some(Line::Type(Cow::Borrowed(name), family_type)), "{line}");
        };
        is_type("# TYPE a histogram", "a", FamilyType::Histogram);
        is_type("#\tTYPE\ta  stateset ", "a", FamilyType::Untyped);
        is_type("# TYPE \"a b.c\" counter", "a b.c", FamilyType::Counter);
        for line in [
            "",
            "  ",
            "#",
            "# a comment",
            "# HELP a b\\n c",
            "# UNIT a_seconds seconds",
            "# TYPE a",
            "# TYPES a counter",
            "# TYPE \"a counter",
            "# EOF",
            "# EOF ?",
        ] {
            assert_eq!(Line::parse(line), Some(Line::Nothing), "{line}");
        }
    }
}
