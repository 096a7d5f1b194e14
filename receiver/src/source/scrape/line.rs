//! A line of Prometheus' text format 0.0.4 or of OpenMetrics 1.0. What one of them allows is taken in both.

use std::borrow::Cow;

use super::number::number;
use crate::source::reading::Label;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line<'a> {
    /// Of which type the metrics of this name are.
    Type(&'a str, FamilyType),
    /// A number.
    Sample(Sample<'a>),
    /// Nothing follows, in OpenMetrics.
    End,
    /// Nothing that matters here: help, a unit, a comment, an empty line.
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
    /// What is not told, or is another type: its samples are numbers.
    #[default]
    Untyped,
}

/// A line with a number, of which only the name was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Its name.
    pub name: &'a str,
    rest: &'a str,
}

impl<'a> Line<'a> {
    /// What a line without its line feed says; nothing when it is none.
    pub fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim_matches(BLANK);
        if let Some(comment) = line.strip_prefix('#') {
            let mut words = comment.split(BLANK).filter(|word| !word.is_empty());
            return Some(match (words.next(), words.next(), words.next()) {
                (Some("TYPE"), Some(name), Some(family_type)) => Self::Type(name, FamilyType::of(family_type)),
                (Some("EOF"), None, None) => Self::End,
                _ => Self::Nothing,
            });
        }
        if line.is_empty() {
            return Some(Self::Nothing);
        }
        let (name, rest) = name(line, b':')?;
        Some(Self::Sample(Sample { name, rest }))
    }
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

impl<'a> Sample<'a> {
    /// Its number, and its labels into `labels`. Nothing when the line is not as it should be. A timestamp and an exemplar are
    /// passed over.
    pub fn read(&self, labels: &mut Vec<Label<'a>>) -> Option<f64> {
        labels.clear();
        let rest = self.rest.trim_start_matches(BLANK);
        let rest = match rest.strip_prefix('{') {
            Some(rest) => read_labels(rest, labels)?,
            // Something must be between the name and the number.
            None if rest.len() == self.rest.len() => return None,
            None => rest,
        };
        let rest = rest.trim_start_matches(BLANK);
        let (value, rest) = rest.split_once(BLANK).unwrap_or((rest, ""));
        let timestamp = rest.split_once('#').map_or(rest, |(timestamp, _)| timestamp).trim_matches(BLANK);
        if !timestamp.is_empty() && number(timestamp).is_none() {
            return None;
        }
        number(value)
    }
}

const BLANK: [char; 3] = [' ', '\t', '\r'];

/// A name at the start of `text`, and what follows.
fn name(text: &str, further: u8) -> Option<(&str, &str)> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == further;
    let length = text.bytes().take_while(is_name).count();
    let (name, rest) = text.split_at_checked(length)?;
    let is_name = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    is_name.then_some((name, rest))
}

/// Reads labels up to the closing brace; gives what follows.
fn read_labels<'a>(mut text: &'a str, labels: &mut Vec<Label<'a>>) -> Option<&'a str> {
    loop {
        text = text.trim_start_matches(BLANK);
        if let Some(rest) = text.strip_prefix('}') {
            return Some(rest);
        }
        let (name, rest) = name(text, b'_')?;
        let rest = rest.trim_start_matches(BLANK).strip_prefix('=')?;
        let rest = rest.trim_start_matches(BLANK).strip_prefix('"')?;
        let mut is_escaped = false;
        let mut has_escapes = false;
        let length = rest.bytes().position(|byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            has_escapes |= is_escaped;
            is_end
        })?;
        let (value, rest) = rest.split_at_checked(length)?;
        let value = if has_escapes { Cow::Owned(unescaped(value)) } else { Cow::Borrowed(value) };
        labels.push(Label { name, value });
        let rest = rest.strip_prefix('"')?.trim_start_matches(BLANK);
        text = match rest.strip_prefix(',') {
            Some(rest) => rest,
            None if rest.starts_with('}') => rest,
            None => return None,
        };
    }
}

/// A label's value as it is meant. A backslash before anything else stands for itself.
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

    /// Name, labels and number.
    type Read = (String, Vec<(String, String)>, f64);

    fn read(line: &str) -> Option<Read> {
        let Line::Sample(sample) = Line::parse(line)? else { return None };
        let mut labels = Vec::new();
        let number = sample.read(&mut labels)?;
        let labels = labels.iter().map(|label| (label.name.to_owned(), label.value.to_string())).collect();
        Some((sample.name.to_owned(), labels, number))
    }

    fn sample(name: &str, labels: &[(&str, &str)], number: f64) -> Option<Read> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Some((name.to_owned(), labels, number))
    }

    #[test]
    fn samples_are_read() {
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
    fn what_is_no_sample_is_refused() {
        for line in [
            "<!DOCTYPE html>",
            "1a 5",
            "a",
            "a ",
            "a{",
            "a{} ",
            "a{}",
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
            "a x",
            "a 1 x",
            "a 1 2 3",
            "a-b 1",
            "{\"a.b\"} 1",
            "a\u{e4} 1",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn comments_are_read() {
        assert_eq!(Line::parse("# TYPE a histogram"), Some(Line::Type("a", FamilyType::Histogram)));
        assert_eq!(Line::parse("#\tTYPE\ta  stateset "), Some(Line::Type("a", FamilyType::Untyped)));
        assert_eq!(Line::parse("# EOF"), Some(Line::End));
        for line in ["", "  ", "#", "# a comment", "# HELP a b\\n c", "# UNIT a_seconds seconds", "# TYPE a", "# EOF ?"]
        {
            assert_eq!(Line::parse(line), Some(Line::Nothing), "{line}");
        }
    }
}
