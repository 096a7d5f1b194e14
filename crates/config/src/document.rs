//! Parses a JSON document and finds duplicate keys.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A parsed JSON document.
pub(crate) struct Document {
    /// The root of the document. If a key is duplicated, this contains its last value.
    pub(crate) value: Value,
    /// The paths of all duplicate keys.
    pub(crate) duplicate_keys: Vec<String>,
}

/// Parses a JSON document.
///
/// `serde_json` silently keeps the last of two values, which would ignore part of what the author wrote.
///
/// # Errors
/// Returns an error if the bytes are not JSON.
pub(crate) fn parse(bytes: &[u8]) -> Result<Document, serde_json::Error> {
    let mut duplicate_keys = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let reader = ValueReader { path: &mut String::new(), duplicate_keys: &mut duplicate_keys };
    let value = reader.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(Document { value, duplicate_keys })
}

/// Deserialises one value. `path` is the path of the value; reading the value leaves it unchanged.
struct ValueReader<'r> {
    path: &'r mut String,
    duplicate_keys: &'r mut Vec<String>,
}

impl ValueReader<'_> {
    /// Returns a reader for a nested value.
    fn nested(&mut self) -> ValueReader<'_> {
        ValueReader { path: self.path, duplicate_keys: self.duplicate_keys }
    }
}

impl<'de> DeserializeSeed<'de> for ValueReader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let length = self.path.len();
        let mut list = Vec::new();
        loop {
            self.path.push_str(&format!("[{}]", list.len()));
            let item = items.next_element_seed(self.nested())?;
            self.path.truncate(length);
            match item {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let length = self.path.len();
        let mut members = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key.escape_default().to_string());
            if members.contains_key(&key) && !self.duplicate_keys.contains(self.path) {
                self.duplicate_keys.push(self.path.clone());
            }
            members.insert(key, entries.next_value_seed(self.nested())?);
            self.path.truncate(length);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_syntax_errors_match_serde_json() {
        for text in [
            r#"{"a": [1, -2, 3.5, 6e4, true, null, "t", "\u00e9"], "b": {"c": {}, "d": []}}"#,
            "[]",
            "18446744073709551615",
            r#""text""#,
            "null",
        ] {
            let document = parse(text.as_bytes()).unwrap();
            assert_eq!(document.value, serde_json::from_str::<Value>(text).unwrap());
            assert!(document.duplicate_keys.is_empty());
        }
        for text in ["", "{", "{} x", "[1,]", "{\"a\": }", "\"\u{1}\"", "1e999"] {
            let error = serde_json::from_str::<Value>(text).unwrap_err();
            assert_eq!(parse(text.as_bytes()).err().unwrap().to_string(), error.to_string(), "{text}");
        }
        assert!(parse("[".repeat(1 << 20).as_bytes()).is_err());
    }

    #[test]
    fn duplicate_keys_are_found_at_any_depth() {
        let text = r#"{"a": 1, "b": {"c": [{}, {"d": 1, "e": 2, "d": 3, "d": 4}]}, "a": 2, "é": 1, "\u00e9": 2}"#;
        let document = parse(text.as_bytes()).unwrap();
        assert_eq!(document.duplicate_keys, ["b.c[1].d", "a", "\\u{e9}"]);
        assert_eq!((&document.value["a"], &document.value["b"]["c"][1]["d"]), (&Value::from(2), &Value::from(4)));
    }
}
