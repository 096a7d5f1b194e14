//! Reads a JSON document and finds the keys that are there twice.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A document that was parsed.
pub(crate) struct Document {
    /// The document itself.
    pub(crate) value: Value,
    /// The paths of the keys that an object has twice. `value` has their last values.
    pub(crate) repeated: Vec<String>,
}

/// Parses a JSON document. A parser that keeps the last of two values would ignore half of what the author wrote.
///
/// # Errors
/// Bytes that are not JSON.
pub(crate) fn parse(bytes: &[u8]) -> Result<Document, serde_json::Error> {
    let mut repeated = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Reader { path: &mut String::new(), repeated: &mut repeated }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(Document { value, repeated })
}

/// Reads one value; `path` is the value's, and is the same again when the value is read.
struct Reader<'r> {
    path: &'r mut String,
    repeated: &'r mut Vec<String>,
}

impl Reader<'_> {
    /// Returns a reader of a value inside this one.
    fn below(&mut self) -> Reader<'_> {
        Reader { path: self.path, repeated: self.repeated }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
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
            let item = items.next_element_seed(self.below())?;
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
            if members.contains_key(&key) && !self.repeated.contains(self.path) {
                self.repeated.push(self.path.clone());
            }
            members.insert(key, entries.next_value_seed(self.below())?);
            self.path.truncate(length);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_as_serde_reads_it() {
        for text in [
            r#"{"a": [1, -2, 3.5, 6e4, true, null, "t", "\u00e9"], "b": {"c": {}, "d": []}}"#,
            "[]",
            "18446744073709551615",
            r#""text""#,
            "null",
        ] {
            let document = parse(text.as_bytes()).unwrap();
            assert_eq!(document.value, serde_json::from_str::<Value>(text).unwrap());
            assert!(document.repeated.is_empty());
        }
        for text in ["", "{", "{} x", "[1,]", "{\"a\": }", "\"\u{1}\"", "1e999"] {
            let error = serde_json::from_str::<Value>(text).unwrap_err();
            assert_eq!(parse(text.as_bytes()).err().unwrap().to_string(), error.to_string(), "{text}");
        }
        assert!(parse("[".repeat(1 << 20).as_bytes()).is_err());
    }

    #[test]
    fn a_key_that_is_there_twice_is_found_at_any_depth() {
        let text = r#"{"a": 1, "b": {"c": [{}, {"d": 1, "e": 2, "d": 3, "d": 4}]}, "a": 2, "é": 1, "\u00e9": 2}"#;
        let document = parse(text.as_bytes()).unwrap();
        assert_eq!(document.repeated, ["b.c[1].d", "a", "\\u{e9}"]);
        assert_eq!((&document.value["a"], &document.value["b"]["c"][1]["d"]), (&Value::from(2), &Value::from(4)));
    }
}
