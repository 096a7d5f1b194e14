//! Decodes JSON bodies.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::node::Node;

/// Decodes a body, borrowing texts that have no escapes.
///
/// # Errors
/// Invalid JSON, with its line and column, and nesting beyond 128 levels. The message continues the words "The
/// request".
pub fn decode(body: &[u8]) -> Result<Node<'_>, String> {
    serde_json::from_slice(body).map_err(|error| format!("is not valid JSON: {error}"))
}

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Node::Number(value))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = Vec::new();
        while let Some((Name(name), value)) = entries.next_entry()? {
            map.push((name, value));
        }
        Ok(Node::Map(map))
    }
}

/// A name, borrowed if it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Node::deserialize(deserializer)? {
            Node::Text(name) => Ok(Self(name)),
            _ => Err(D::Error::custom("a name must be a string")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_decoded_exactly(value: f64) {
            prop_assume!(value.is_finite());
            let text = format!("{value:?}");
            prop_assert_eq!(decode(text.as_bytes()), Ok(Node::Number(value)));
        }

        #[test]
        fn bytes_are_decoded_if_they_are_json(body: Vec<u8>) {
            let is_json = serde_json::from_slice::<serde_json::Value>(&body).is_ok();
            prop_assert_eq!(decode(&body).is_ok(), is_json);
        }
    }

    #[test]
    fn every_type_is_decoded_and_repeated_names_are_kept() {
        let body = br#"{"A": [1, -2.5e3, "t", "\u00e9", true, null], "A": {}}"#;
        let text = |text: &'static str| Node::Text(text.into());
        let list = vec![Node::Number(1.0), Node::Number(-2_500.0), text("t"), text("é"), Node::Bool(true), Node::Null];
        let expected = vec![("A".into(), Node::List(list)), ("A".into(), Node::Map(vec![]))];
        assert_eq!(decode(body), Ok(Node::Map(expected)));
    }

    #[test]
    fn invalid_json_is_reported_with_its_position() {
        for (body, reason) in [
            (b"{\"Value\": NaN}".to_vec(), "line 1 column 11"),
            (b"{\"a\": 1} x".to_vec(), "trailing characters"),
            (b"\"\xff\"".to_vec(), "line 1"),
            (b"1e999".to_vec(), "number out of range"),
            (b"".to_vec(), "EOF"),
            ("[".repeat(1 << 20).into_bytes(), "recursion limit"),
            ("{\"a\":".repeat(200_000).into_bytes(), "recursion limit"),
        ] {
            let error = decode(&body).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
