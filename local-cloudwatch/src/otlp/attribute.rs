//! Attributes as labels: names and texts.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::json;

/// Converts attributes to labels. The error names an invalid attribute.
pub(super) fn labels(attributes: &[KeyValue]) -> Result<BTreeMap<String, String>, String> {
    let mut labels = BTreeMap::new();
    for KeyValue { key, value, .. } in attributes {
        if key.is_empty() {
            return Err("an attribute has an empty key".to_owned());
        }
        let text = value.as_ref().map(text).unwrap_or_default();
        if labels.insert(key.clone(), text).is_some() {
            return Err(format!("the attribute {key} is given twice"));
        }
    }
    Ok(labels)
}

/// Returns a value as the text of a label. Arrays, maps and bytes become JSON.
fn text(value: &AnyValue) -> String {
    match &value.value {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(_) => match json(value) {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        },
    }
}

/// The depth of `value` is bounded, because both decoders refuse messages of more than about a hundred levels.
fn json(value: &AnyValue) -> serde_json::Value {
    match &value.value {
        None => serde_json::Value::Null,
        Some(Value::StringValue(text)) => json!(text),
        Some(Value::BoolValue(value)) => json!(value),
        Some(Value::IntValue(value)) => json!(value),
        // JSON has no infinity and no NaN.
        Some(Value::DoubleValue(value)) if !value.is_finite() => json!(value.to_string()),
        Some(Value::DoubleValue(value)) => json!(value),
        Some(Value::ArrayValue(array)) => array.values.iter().map(json).collect(),
        Some(Value::KvlistValue(list)) => {
            let entry = |pair: &KeyValue| (pair.key.clone(), pair.value.as_ref().map_or(serde_json::Value::Null, json));
            list.values.iter().map(entry).collect()
        }
        Some(Value::BytesValue(bytes)) => json!(bytes),
        // An index into a dictionary that only profiles have.
        Some(Value::StringValueStrindex(index)) => json!(index),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::ArrayValue;

    use super::*;

    fn attribute(key: &str, value: Value) -> KeyValue {
        KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    }

    #[test]
    fn values_become_texts() {
        let one = AnyValue { value: Some(Value::IntValue(1)) };
        let found = labels(&[
            attribute("a", Value::StringValue("x".into())),
            attribute("b", Value::BoolValue(true)),
            attribute("c", Value::IntValue(-3)),
            attribute("d", Value::DoubleValue(0.5)),
            attribute("e", Value::ArrayValue(ArrayValue { values: vec![one, AnyValue::default()] })),
            attribute("f", Value::DoubleValue(f64::INFINITY)),
        ]);
        let expected = [("a", "x"), ("b", "true"), ("c", "-3"), ("d", "0.5"), ("e", "[1,null]"), ("f", "inf")];
        assert_eq!(found, Ok(expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()));
    }

    #[test]
    fn empty_and_repeated_keys_are_errors() {
        assert!(labels(&[attribute("", Value::IntValue(1))]).is_err());
        let twice = labels(&[attribute("a", Value::IntValue(1)), attribute("a", Value::IntValue(1))]);
        assert_eq!(twice, Err("the attribute a is given twice".into()));
    }
}
