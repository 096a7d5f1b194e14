//! Bodies of AWS JSON 1.0.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::{ApiError, ErrorKind};
use crate::wire_value::WireValue;

/// Decodes a request. An empty body is an empty structure.
pub(super) fn decode(body: &[u8]) -> Result<WireValue, ApiError> {
    if body.is_empty() {
        return Ok(WireValue::Structure(Vec::new()));
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiError::new(ErrorKind::Serialization, format!("The request body is not valid JSON: {error}."))
    })
}

/// Encodes a response. Timestamps are seconds since the epoch.
pub(super) fn encode(node: &WireValue) -> Vec<u8> {
    serde_json::to_vec(node).unwrap_or_default()
}

impl<'de> Deserialize<'de> for WireValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WireValueVisitor)
    }
}

struct WireValueVisitor;

impl<'de> Visitor<'de> for WireValueVisitor {
    type Value = WireValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<WireValue, E> {
        Ok(WireValue::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<WireValue, E> {
        Ok(WireValue::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<WireValue, E> {
        Ok(WireValue::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<WireValue, E> {
        Ok(WireValue::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<WireValue, E> {
        Ok(WireValue::Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<WireValue, E> {
        Ok(WireValue::text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<WireValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(WireValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<WireValue, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(WireValue::Structure(map))
    }
}

impl Serialize for WireValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Time(seconds) if seconds.fract() == 0.0 => serializer.serialize_i64(*seconds as i64),
            Self::Time(seconds) => serializer.serialize_f64(*seconds),
            Self::Text(text) | Self::Form(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Structure(fields) | Self::Map(fields) => {
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
    fn encoded_values_are_decoded_unchanged() {
        let node = WireValue::structure([
            ("A", WireValue::List(vec![WireValue::Number(1.0), WireValue::Null, WireValue::Bool(false)])),
            ("B", WireValue::structure([("C", WireValue::text("<é>"))])),
        ]);
        assert_eq!(decode(&encode(&node)).unwrap(), node);
    }

    #[test]
    fn numbers_are_decoded_exactly() {
        for number in [36.300000000000004, 107.80000000000001, 5e-324, 1.7976931348623157e308] {
            assert_eq!(decode(format!("{number:?}").as_bytes()).unwrap(), WireValue::Number(number));
        }
    }

    #[test]
    fn a_timestamp_is_a_number() {
        assert_eq!(encode(&WireValue::Time(1.5)), b"1.5");
        assert_eq!(encode(&WireValue::Time(2.0)), b"2");
    }

    #[test]
    fn invalid_bodies_are_rejected() {
        for body in ["{", "{} {}", "NaN", "{\"Value\":1e999}"] {
            assert_eq!(decode(body.as_bytes()).unwrap_err().kind(), &ErrorKind::Serialization, "{body}");
        }
    }
}
