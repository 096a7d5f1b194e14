//! Bodies of Smithy RPC v2 CBOR.

use ciborium::Value;

use crate::error::{ApiError, ErrorKind};
use crate::wire_value::WireValue;

/// CBOR tag of a timestamp in seconds since the epoch.
const EPOCH_TAG: u64 = 1;

/// Decodes a request. An empty body is an empty structure.
pub(super) fn decode(body: &[u8]) -> Result<WireValue, ApiError> {
    if body.is_empty() {
        return Ok(WireValue::Structure(Vec::new()));
    }
    let mut rest = body;
    let value = ciborium::from_reader(&mut rest).map_err(|error| malformed(&error.to_string()))?;
    if rest.is_empty() { node(value) } else { Err(malformed("it has bytes after the value")) }
}

/// Encodes a response.
pub(super) fn encode(node: &WireValue) -> Vec<u8> {
    let mut body = Vec::new();
    match ciborium::into_writer(&value(node), &mut body) {
        Ok(()) => body,
        Err(_) => Vec::new(),
    }
}

fn node(value: Value) -> Result<WireValue, ApiError> {
    Ok(match value {
        Value::Null => WireValue::Null,
        Value::Bool(value) => WireValue::Bool(value),
        Value::Integer(value) => WireValue::Number(i128::from(value) as f64),
        Value::Float(value) => WireValue::Number(value),
        Value::Text(text) => WireValue::Text(text),
        Value::Tag(EPOCH_TAG, inner) => match *inner {
            Value::Integer(seconds) => WireValue::Time(i128::from(seconds) as f64),
            Value::Float(seconds) => WireValue::Time(seconds),
            _ => return Err(malformed("tag 1 does not contain a number")),
        },
        Value::Array(items) => WireValue::List(items.into_iter().map(node).collect::<Result<_, _>>()?),
        Value::Map(entries) => WireValue::Structure(entries.into_iter().map(entry).collect::<Result<_, _>>()?),
        _ => return Err(malformed("it contains an unsupported type")),
    })
}

fn entry((key, value): (Value, Value)) -> Result<(String, WireValue), ApiError> {
    let Value::Text(key) = key else { return Err(malformed("a map key is not a text string")) };
    Ok((key, node(value)?))
}

fn value(node: &WireValue) -> Value {
    match node {
        WireValue::Null => Value::Null,
        WireValue::Bool(value) => Value::Bool(*value),
        WireValue::Number(value) => Value::Float(*value),
        WireValue::Text(text) | WireValue::Form(text) => Value::Text(text.clone()),
        WireValue::Time(seconds) => Value::Tag(EPOCH_TAG, Box::new(Value::Float(*seconds))),
        WireValue::List(items) => Value::Array(items.iter().map(value).collect()),
        WireValue::Structure(fields) | WireValue::Map(fields) => {
            Value::Map(fields.iter().map(|(name, node)| (Value::Text(name.clone()), value(node))).collect())
        }
    }
}

fn malformed(reason: &str) -> ApiError {
    ApiError::new(ErrorKind::Serialization, format!("The request body is not valid CBOR: {reason}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_values_are_decoded_unchanged() {
        let node = WireValue::structure([
            ("A", WireValue::List(vec![WireValue::Number(0.5), WireValue::Null, WireValue::Bool(true)])),
            ("B", WireValue::structure([("C", WireValue::text("text")), ("T", WireValue::Time(1.25))])),
        ]);
        assert_eq!(decode(&encode(&node)).unwrap(), node);
    }

    #[test]
    fn integers_are_numbers_and_tagged_integers_are_timestamps() {
        // {"N": -3, "T": 1(1000)}
        let body = [0xa2, 0x61, b'N', 0x22, 0x61, b'T', 0xc1, 0x19, 0x03, 0xe8];
        assert_eq!(
            decode(&body).unwrap(),
            WireValue::structure([("N", WireValue::Number(-3.0)), ("T", WireValue::Time(1000.0))])
        );
    }

    #[test]
    fn invalid_bodies_are_rejected() {
        for body in [&[0xa1][..], &[0xa0, 0xa0], &[0xa1, 0x01, 0x01], &[0x41, 0x00], &[0xc1, 0x61, b'x']] {
            assert_eq!(decode(body).unwrap_err().kind(), &ErrorKind::Serialization, "{body:?}");
        }
    }
}
