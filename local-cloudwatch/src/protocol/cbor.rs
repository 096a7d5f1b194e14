//! Smithy RPC v2 CBOR bodies.

use ciborium::Value;

use crate::error::{ApiError, ErrorKind};
use crate::node::Node;

/// CBOR's tag of a moment in seconds since the epoch.
const EPOCH_TAG: u64 = 1;

/// Reads a body. No body at all is an empty structure.
pub(super) fn decode(body: &[u8]) -> Result<Node, ApiError> {
    if body.is_empty() {
        return Ok(Node::Map(Vec::new()));
    }
    let mut rest = body;
    let value = ciborium::from_reader(&mut rest).map_err(|error| malformed(&error.to_string()))?;
    if rest.is_empty() { node(value) } else { Err(malformed("bytes follow the value")) }
}

/// Writes an answer.
pub(super) fn encode(node: &Node) -> Vec<u8> {
    let mut body = Vec::new();
    match ciborium::into_writer(&value(node), &mut body) {
        Ok(()) => body,
        Err(_) => Vec::new(),
    }
}

fn node(value: Value) -> Result<Node, ApiError> {
    Ok(match value {
        Value::Null => Node::Null,
        Value::Bool(value) => Node::Bool(value),
        Value::Integer(value) => Node::Number(i128::from(value) as f64),
        Value::Float(value) => Node::Number(value),
        Value::Text(text) => Node::Text(text),
        Value::Tag(EPOCH_TAG, inner) => match *inner {
            Value::Integer(seconds) => Node::Time(i128::from(seconds) as f64),
            Value::Float(seconds) => Node::Time(seconds),
            _ => return Err(malformed("tag 1 must hold a number")),
        },
        Value::Array(items) => Node::List(items.into_iter().map(node).collect::<Result<_, _>>()?),
        Value::Map(entries) => Node::Map(entries.into_iter().map(entry).collect::<Result<_, _>>()?),
        _ => return Err(malformed("a type that no field has")),
    })
}

fn entry((key, value): (Value, Value)) -> Result<(String, Node), ApiError> {
    let Value::Text(key) = key else { return Err(malformed("a key must be text")) };
    Ok((key, node(value)?))
}

fn value(node: &Node) -> Value {
    match node {
        Node::Null => Value::Null,
        Node::Bool(value) => Value::Bool(*value),
        Node::Number(value) => Value::Float(*value),
        Node::Text(text) | Node::Form(text) => Value::Text(text.clone()),
        Node::Time(seconds) => Value::Tag(EPOCH_TAG, Box::new(Value::Float(*seconds))),
        Node::List(items) => Value::Array(items.iter().map(value).collect()),
        Node::Map(fields) | Node::Dictionary(fields) => {
            Value::Map(fields.iter().map(|(name, node)| (Value::Text(name.clone()), value(node))).collect())
        }
    }
}

fn malformed(what: &str) -> ApiError {
    ApiError::new(ErrorKind::Serialization, format!("The body is not CBOR: {what}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let node = Node::map([
            ("A", Node::List(vec![Node::Number(0.5), Node::Null, Node::Bool(true)])),
            ("B", Node::map([("C", Node::text("text")), ("T", Node::Time(1.25))])),
        ]);
        assert_eq!(decode(&encode(&node)).unwrap(), node);
    }

    #[test]
    fn integers_and_tagged_integers_are_numbers_and_moments() {
        // {"N": -3, "T": 1(1000)}
        let body = [0xa2, 0x61, b'N', 0x22, 0x61, b'T', 0xc1, 0x19, 0x03, 0xe8];
        assert_eq!(decode(&body).unwrap(), Node::map([("N", Node::Number(-3.0)), ("T", Node::Time(1000.0))]));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for body in [&[0xa1][..], &[0xa0, 0xa0], &[0xa1, 0x01, 0x01], &[0x41, 0x00], &[0xc1, 0x61, b'x']] {
            assert_eq!(decode(body).unwrap_err().kind(), &ErrorKind::Serialization, "{body:?}");
        }
    }
}
