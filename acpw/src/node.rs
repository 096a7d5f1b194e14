//! A document of YAML or JSON, each of whose values has a position in its file.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::text::Text;

/// A value of a document.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its bytes in the file.
    pub span: Range<usize>,
    /// Its value.
    pub kind: Kind,
    /// Its tag without the leading `!`, such as `Sub`; empty without one.
    pub tag: String,
}

/// The kinds of values.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A string that is quoted or a block.
    Text(Text),
    /// Plain text, which may stand for null, a Boolean or a number.
    Plain(Text),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and their values, in the order of the document.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// Returns the text of a scalar.
    pub fn text(&self) -> Option<&Text> {
        match &self.kind {
            Kind::Text(text) | Kind::Plain(text) => Some(text),
            Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// Returns the text of a scalar as a string.
    pub fn as_str(&self) -> Option<&str> {
        self.text().map(Text::as_str)
    }

    /// Returns the Boolean that a scalar stands for.
    pub fn as_bool(&self) -> Option<bool> {
        self.as_str().and_then(|text| text.parse().ok())
    }

    /// Returns the items of a list; none for other values.
    pub fn items(&self) -> &[Self] {
        if let Kind::Sequence(items) = &self.kind { items } else { &[] }
    }

    /// Returns the keys and values of a mapping; none for other values.
    pub fn members(&self) -> &[(Self, Self)] {
        if let Kind::Mapping(members) = &self.kind { members } else { &[] }
    }

    /// Returns a key of a mapping with its value.
    pub fn member(&self, key: &str) -> Option<&(Self, Self)> {
        self.members().iter().find(|(name, _)| name.as_str() == Some(key))
    }

    /// Returns the value of a key, which is in snake case. Envoy also reads the same key in lower camel case, as
    /// protobuf's JSON has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let is_key = |name: &str| name == key || (key.contains('_') && is_camel_case_of(name, key));
        self.members().iter().find(|(name, _)| name.as_str().is_some_and(is_key)).map(|(_, value)| value)
    }

    /// Returns the value at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Returns the string at the end of a path of keys.
    pub fn string_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.as_str()
    }

    /// Returns the value as JSON. Plain scalars are null, Booleans and numbers as YAML's core schema has them.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Text(text) => Value::from(text.as_str()),
            Kind::Plain(text) => plain(text.as_str()),
            Kind::Sequence(items) => items.iter().map(Self::to_json).collect(),
            Kind::Mapping(members) => {
                let members = members.iter().map(|(key, value)| (key.as_str().unwrap_or_default(), value.to_json()));
                Value::Object(members.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
            }
        }
    }

    /// Finds what a path of a configuration refers to, such as `credentials[0].cluster`.
    pub fn find(&self, path: &str) -> Found<'_> {
        let mut found = Found { key: None, node: self, is_whole: true };
        let mut rest = path;
        while !rest.is_empty() {
            let step = rest.strip_prefix('.').unwrap_or(rest);
            let next = match step.strip_prefix('[').and_then(|text| text.split_once(']')) {
                Some((index, after)) => {
                    let item = index.parse().ok().and_then(|index: usize| found.node.items().get(index));
                    item.map(|item| (None, item, after))
                }
                None => found.node.longest_member(step),
            };
            let Some((key, node, after)) = next else {
                return Found { is_whole: false, ..found };
            };
            found = Found { key, node, is_whole: true };
            rest = after;
        }
        found
    }

    /// Returns the member whose key is the longest beginning of a path, and the rest of the path. Keys may contain
    /// dots.
    fn longest_member<'n, 'p>(&'n self, path: &'p str) -> Option<(Option<&'n Self>, &'n Self, &'p str)> {
        let members = self.members().iter().filter_map(|(key, value)| {
            let after = path.strip_prefix(&key.as_str()?.escape_default().to_string())?;
            (after.is_empty() || after.starts_with(['.', '['])).then_some((Some(key), value, after))
        });
        members.min_by_key(|(_, _, after)| after.len())
    }
}

/// The result of following a path.
#[derive(Clone, Copy, Debug)]
pub struct Found<'n> {
    /// The key of the last value; none if it is an item of a list or the document itself.
    pub key: Option<&'n Node>,
    /// The last value that exists on the path.
    pub node: &'n Node,
    /// True if the whole path exists.
    pub is_whole: bool,
}

/// Returns true if a name is a key in lower camel case, as protobuf's JSON has it.
pub(crate) fn is_camel_case_of(name: &str, key: &str) -> bool {
    let mut name = name.chars();
    let mut words = key.split('_').enumerate();
    let matches = words.all(|(index, word)| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| if index == 0 { letter } else { letter.to_ascii_uppercase() });
        first.into_iter().chain(letters).all(|letter| name.next() == Some(letter))
    });
    matches && name.next().is_none()
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => {
            let whole = text.parse::<i64>().map(Value::from).ok();
            // YAML's infinities and NaN are no JSON numbers, and Rust's names for them are text in YAML.
            let is_number =
                |text: &&str| text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
            let fraction = || Some(text).filter(is_number)?.parse::<f64>().ok().filter(|number| number.is_finite());
            whole.or_else(|| fraction().map(Value::from)).unwrap_or_else(|| Value::from(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_read_by_the_core_schema() {
        for (text, value) in [
            ("", Value::Null),
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("yes", Value::from("yes")),
            ("1000", Value::from(1000)),
            ("-1", Value::from(-1)),
            ("0.5", Value::from(0.5)),
            ("1e3", Value::from(1000.0)),
            ("infinity", Value::from("infinity")),
            ("example.com", Value::from("example.com")),
            ("1.2.3", Value::from("1.2.3")),
        ] {
            assert_eq!(plain(text), value, "{text}");
        }
    }

    #[test]
    fn lower_camel_case_is_that_of_protobuf() {
        assert!(is_camel_case_of("typedConfig", "typed_config"));
        assert!(is_camel_case_of("allowOnHeadersStopIteration", "allow_on_headers_stop_iteration"));
        for name in ["typedconfig", "TypedConfig", "typedConfigs", "typed"] {
            assert!(!is_camel_case_of(name, "typed_config"), "{name}");
        }
    }
}
