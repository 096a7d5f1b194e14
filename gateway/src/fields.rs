//! Reads the fields of a structure by name and type, and adds a fault with its path for each one that is wrong.

use acpw_config::{comma_separated, similar};
use std::borrow::Cow;

use crate::{
    fault::{Path, ValidationErrorKind, ValidationErrors},
    node::Node,
    timestamp,
};

/// The treatment of unknown fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownFields {
    /// An unknown field is a fault. It is most likely a misspelt name, and ignoring it would lose data.
    Refused,
    /// Unknown fields are ignored, as AWS does. A newer SDK may send fields that this gateway does not know.
    Ignored,
}

/// The fields of a structure.
#[derive(Clone, Copy)]
pub struct Fields<'n, 'p> {
    entries: &'n [(Cow<'n, str>, Node<'n>)],
    path: &'p Path<'p>,
}

impl<'n, 'p> Fields<'n, 'p> {
    /// Returns the fields of `node`, or `None` if it is not a structure.
    ///
    /// Adds a fault for each repeated field, and for each unknown field if they are refused.
    pub fn new(
        node: &'n Node<'n>,
        path: &'p Path<'p>,
        known: &[&str],
        unknown: UnknownFields,
        faults: &mut ValidationErrors,
    ) -> Option<Self> {
        let entries = entries(node, path, faults)?;
        let mut seen = 0u32;
        for (name, _) in entries {
            match known.iter().position(|known| known == name) {
                Some(index) => {
                    let bit = 1u32.checked_shl(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0);
                    if seen & bit != 0 {
                        faults.add_kind(
                            ValidationErrorKind::Type,
                            Path::Field(path, name),
                            "occurs twice; send it once",
                        );
                    }
                    seen |= bit;
                }
                None if unknown == UnknownFields::Refused => {
                    let message = match similar(name, known) {
                        Some(meant) => format!("is not a known field; did you mean {meant}?"),
                        None => {
                            format!(
                                "is not a known field; the known fields are {}",
                                comma_separated(&mut known.iter().copied())
                            )
                        }
                    };
                    let name: String = name.chars().take(100).collect();
                    faults.add_kind(ValidationErrorKind::Type, Path::Field(path, &name), message);
                }
                None => {}
            }
        }
        Some(Self { entries, path })
    }

    /// Returns the path of the structure.
    pub fn path(&self) -> &'p Path<'p> {
        self.path
    }

    /// Returns the value of a field, or `None` if it is absent or null.
    pub fn node(&self, name: &str) -> Option<&'n Node<'n>> {
        let (_, node) = self.entries.iter().find(|(known, _)| known == name)?;
        (*node != Node::Null).then_some(node)
    }

    /// Returns a field that must be text, or `None` if it is absent.
    pub fn text(&self, name: &str, faults: &mut ValidationErrors) -> Option<&'n str> {
        match self.node(name)? {
            Node::Text(text) | Node::Form(text) => Some(text),
            _ => self.wrong_type(name, "a string", faults),
        }
    }

    /// Returns a field that must be a number, or `None` if it is absent. CloudWatch may not accept the number.
    pub fn number(&self, name: &str, faults: &mut ValidationErrors) -> Option<f64> {
        let number = number(self.node(name)?);
        number.or_else(|| self.wrong_type(name, "a number", faults))
    }

    /// Returns a field that must be true or false, or `None` if it is absent.
    pub fn boolean(&self, name: &str, faults: &mut ValidationErrors) -> Option<bool> {
        match self.node(name)? {
            Node::Bool(value) => Some(*value),
            Node::Form(text) if text == "true" || text == "false" => Some(text == "true"),
            _ => self.wrong_type(name, "true or false", faults),
        }
    }

    /// Returns a timestamp in seconds since the epoch, or `None` if it is absent. Text is parsed with
    /// [`timestamp::parse_seconds`].
    pub fn seconds(&self, name: &str, faults: &mut ValidationErrors) -> Option<f64> {
        let seconds = match self.node(name)? {
            Node::Number(seconds) | Node::Time(seconds) => Some(*seconds),
            Node::Text(text) | Node::Form(text) => timestamp::parse_seconds(text),
            _ => None,
        };
        seconds.or_else(|| self.wrong_type(name, &format!("a timestamp: {}", timestamp::FORMATS), faults))
    }

    /// Returns the items of a field that must be a list, or `None` if it is absent.
    pub fn list(&self, name: &str, faults: &mut ValidationErrors) -> Option<&'n [Node<'n>]> {
        match self.node(name)? {
            Node::List(items) => Some(items),
            // A form writes an empty list as an empty value.
            Node::Form(text) if text.is_empty() => Some(&[]),
            _ => self.wrong_type(name, "a list", faults),
        }
    }

    /// Returns a field that must be a list of numbers, or `None` if it is absent. An item that is not a number is a
    /// fault and reads as 0.
    pub fn numbers(&self, name: &str, faults: &mut ValidationErrors) -> Option<Vec<f64>> {
        let items = self.list(name, faults)?;
        let path = Path::Field(self.path, name);
        let read = |(index, item): (usize, &Node<'_>)| {
            number(item).unwrap_or_else(|| {
                faults.add_kind(ValidationErrorKind::Type, Path::Item(&path, index), "must be a number");
                0.0
            })
        };
        Some(items.iter().enumerate().map(read).collect())
    }

    /// Returns the pairs of a field that must be a map of texts. A form writes a map as entries of `key` and `value`.
    pub fn dictionary(&self, name: &str, faults: &mut ValidationErrors) -> Option<Vec<(&'n str, &'n str)>> {
        let path = Path::Field(self.path, name);
        let mut pairs = Vec::new();
        for (key, value) in entries(self.node(name)?, &path, faults)? {
            match value {
                Node::Text(value) | Node::Form(value) => pairs.push((key.as_ref(), value.as_ref())),
                Node::List(items) if key == "entry" => {
                    for (index, item) in items.iter().enumerate() {
                        let path = Path::Item(&path, index);
                        let entry = Fields::new(item, &path, &["key", "value"], UnknownFields::Refused, faults)?;
                        let (key, value) = (entry.text("key", faults), entry.text("value", faults));
                        match key.zip(value) {
                            Some(pair) => pairs.push(pair),
                            None => faults.add_kind(ValidationErrorKind::Type, path, "must have a key and a value"),
                        }
                    }
                }
                _ => faults.add_kind(ValidationErrorKind::Type, Path::Field(&path, key), "must be a string"),
            }
        }
        Some(pairs)
    }

    fn wrong_type<T>(&self, name: &str, expected: &str, faults: &mut ValidationErrors) -> Option<T> {
        faults.add_kind(ValidationErrorKind::Type, Path::Field(self.path, name), format_args!("must be {expected}"));
        None
    }
}

fn entries<'n>(
    node: &'n Node<'n>,
    path: &Path<'_>,
    faults: &mut ValidationErrors,
) -> Option<&'n [(Cow<'n, str>, Node<'n>)]> {
    match node {
        Node::Map(entries) => Some(entries),
        Node::Form(text) if text.is_empty() => Some(&[]),
        _ => {
            faults.add_kind(ValidationErrorKind::Type, path, "must be an object");
            None
        }
    }
}

/// Reads a number. Accepts numbers that are not finite, because AWS rejects them with InvalidParameterValue and not as
/// a malformed request.
fn number(node: &Node<'_>) -> Option<f64> {
    match node {
        Node::Number(number) => Some(*number),
        // The Query protocol's numbers have the format `xsd:double`, such as `.5`, `1.`, `+1` and `INF`. SDKs also use
        // the spellings of their language, such as Python's `inf` and Go's `+Inf`.
        Node::Form(text) => text.trim().parse().ok(),
        // AWS JSON encodes `NaN`, `Infinity` and `-Infinity` as strings.
        Node::Text(text) => text.parse().ok().filter(|number: &f64| !number.is_finite()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'n, T>(
        node: &'n Node<'n>,
        read: impl FnOnce(Fields<'n, '_>, &mut ValidationErrors) -> T,
    ) -> (T, Vec<String>) {
        let mut faults = ValidationErrors::default();
        let fields = Fields::new(node, &Path::Root, &["A", "B"], UnknownFields::Refused, &mut faults).unwrap();
        let value = read(fields, &mut faults);
        (value, faults.listed().iter().map(|fault| format!("{} {}", fault.path, fault.message)).collect())
    }

    fn map<'a>(fields: impl IntoIterator<Item = (&'a str, Node<'a>)>) -> Node<'a> {
        Node::Map(fields.into_iter().map(|(name, node)| (name.into(), node)).collect())
    }

    #[test]
    fn unknown_and_repeated_names_are_faults() {
        let node = map([("A", Node::Null), ("A", Node::Null), ("a", Node::Null)]);
        assert_eq!(
            read(&node, |_, _| ()).1,
            ["A occurs twice; send it once", "a is not a known field; did you mean A?"]
        );
        let mut faults = ValidationErrors::default();
        Fields::new(&node, &Path::Root, &["B"], UnknownFields::Ignored, &mut faults);
        assert!(faults.is_empty());
    }

    #[test]
    fn a_value_of_the_wrong_type_is_a_fault_with_its_path() {
        let node = map([("A", Node::Text("1".into())), ("B", Node::List(vec![Node::Number(1.0), Node::Null]))]);
        assert_eq!(read(&node, |fields, faults| fields.number("A", faults)), (None, vec!["A must be a number".into()]));
        let (numbers, faults) = read(&node, |fields, faults| fields.numbers("B", faults));
        assert_eq!((numbers.unwrap().len(), faults), (2, vec!["B[1] must be a number".into()]));
        assert_eq!(read(&node, |fields, faults| fields.text("A", faults)), (Some("1"), vec![]));
        assert_eq!(read(&node, |fields, faults| fields.boolean("C", faults)), (None, vec![]));
    }

    #[test]
    fn a_number_in_a_form_is_an_xsd_double() {
        for (text, number) in [
            ("1", Some(1.0)),
            (" -2.50 ", Some(-2.5)),
            (".5", Some(0.5)),
            ("1.", Some(1.0)),
            ("+1", Some(1.0)),
            ("-.5E+1", Some(-5.0)),
            ("1e-3", Some(0.001)),
            ("01", Some(1.0)),
            ("INF", Some(f64::INFINITY)),
            ("-INF", Some(f64::NEG_INFINITY)),
            ("1e999", Some(f64::INFINITY)),
            ("", None),
            (".", None),
            ("e5", None),
            ("1,5", None),
            ("0x10", None),
            ("1_000", None),
            // The spellings of the SDKs for Go, Python and JavaScript.
            ("+Inf", Some(f64::INFINITY)),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("infinite", None),
            ("++1", None),
            ("1 2", None),
        ] {
            let node = map([("A", Node::Form(text.into()))]);
            let (read, faults) = read(&node, |fields, faults| fields.number("A", faults));
            assert_eq!((read, faults.is_empty()), (number, number.is_some()), "{text}");
        }
        for text in ["NaN", "nan"] {
            let node = map([("A", Node::Form(text.into()))]);
            assert!(read(&node, |fields, faults| fields.number("A", faults)).0.is_some_and(f64::is_nan));
        }
    }

    #[test]
    fn text_is_accepted_only_for_numbers_that_are_not_finite() {
        for (text, number) in [("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)] {
            let node = map([("A", Node::Text(text.into()))]);
            assert_eq!(read(&node, |fields, faults| fields.number("A", faults)), (Some(number), vec![]), "{text}");
        }
        let nan = map([("A", Node::List(vec![Node::Text("NaN".into())]))]);
        let (numbers, faults) = read(&nan, |fields, faults| fields.numbers("A", faults));
        assert!(numbers.is_some_and(|numbers| numbers[0].is_nan()) && faults.is_empty());
        for text in ["1", "", "1e9", "none"] {
            let node = map([("A", Node::Text(text.into()))]);
            assert_eq!(read(&node, |fields, faults| fields.number("A", faults)).0, None, "{text}");
        }
    }

    #[test]
    fn a_timestamp_is_a_number_or_iso_8601() {
        for (node, seconds) in [
            (Node::Number(1_795_170_600.5), Some(1_795_170_600.5)),
            (Node::Time(5.0), Some(5.0)),
            (Node::Text("2026-11-20T09:30:00.250Z".into()), Some(1_795_167_000.25)),
            (Node::Form("2026-11-20T10:30:00+01:00".into()), Some(1_795_167_000.0)),
            (Node::Form("1795836340".into()), Some(1_795_836_340.0)),
            (Node::Text("yesterday".into()), None),
            (Node::Bool(true), None),
        ] {
            let node = map([("A", node)]);
            let (read, faults) = read(&node, |fields, faults| fields.seconds("A", faults));
            assert_eq!((read, faults.is_empty()), (seconds, seconds.is_some()), "{node:?}");
        }
    }

    #[test]
    fn a_dictionary_is_a_map_or_the_entries_of_a_form() {
        let form = |text: &'static str| Node::Form(text.into());
        let entry = map([("key", form("Type")), ("value", form("Service"))]);
        for node in [map([("Type", Node::Text("Service".into()))]), map([("entry", Node::List(vec![entry]))])] {
            let node = map([("A", node)]);
            let (pairs, faults) = read(&node, |fields, faults| fields.dictionary("A", faults));
            assert_eq!((pairs, faults), (Some(vec![("Type", "Service")]), vec![]));
        }
    }
}
