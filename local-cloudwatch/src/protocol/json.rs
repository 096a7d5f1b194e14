//! AWS JSON 1.0 bodies.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::{ApiError, ErrorKind};
use crate::node::Node;

/// Reads a body. No body at all is an empty structure.
pub(super) fn decode(body: &[u8]) -> Result<Node, ApiError> {
    if body.is_empty() {
        return Ok(Node::Map(Vec::new()));
    }
    serde_json::from_slice(body)
        .map_err(|error| ApiError::new(ErrorKind::Serialization, format!("The body is not JSON: {error}.")))
}

/// Writes an answer; moments are seconds since the epoch.
pub(super) fn encode(node: &Node) -> Vec<u8> {
    serde_json::to_vec(node).unwrap_or_default()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Time(seconds) if seconds.fract() == 0.0 => serializer.serialize_i64(*seconds as i64),
            Self::Time(seconds) => serializer.serialize_f64(*seconds),
            Self::Text(text) | Self::Form(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(fields) | Self::Dictionary(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let node = Node::map([
            ("A", Node::List(vec![Node::Number(1.0), Node::Null, Node::Bool(false)])),
            ("B", Node::map([("C", Node::text("<é>"))])),
        ]);
        assert_eq!(decode(&encode(&node)).unwrap(), node);
    }

    #[test]
    fn numbers_are_read_to_the_last_bit() {
        for number in [36.300000000000004, 107.80000000000001, 5e-324, 1.7976931348623157e308] {
            assert_eq!(decode(format!("{number:?}").as_bytes()).unwrap(), Node::Number(number));
        }
    }

    #[test]
    fn a_moment_is_a_number() {
        assert_eq!(encode(&Node::Time(1.5)), b"1.5");
        assert_eq!(encode(&Node::Time(2.0)), b"2");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for body in ["{", "{} {}", "NaN", "{\"Value\":1e999}"] {
            assert_eq!(decode(body.as_bytes()).unwrap_err().kind(), &ErrorKind::Serialization, "{body}");
        }
    }
}
