//! Turns attributes into dimensions.

use acpw_metric::{DimensionName, DimensionValue, Dimensions, quota::MAX_DIMENSIONS};
use acpw_otlp::{AnyValue, KeyValue, any_value::Value};

use super::rejections::{Reason, shown};

/// A dimension.
pub(super) type Pair = (DimensionName, DimensionValue);

/// Returns the dimensions of the resource attributes with these names.
///
/// # Errors
/// One of them cannot be a dimension.
pub(super) fn of_resource(attributes: &[KeyValue], names: &[String]) -> Result<Vec<Pair>, Reason> {
    let mut pairs = Vec::new();
    for attribute in attributes.iter().filter(|attribute| names.contains(&attribute.key)) {
        pairs.extend(pair(attribute)?);
    }
    Ok(pairs)
}

/// Returns the dimensions of a data point: its attributes, and the `defaults` whose name no attribute has.
///
/// # Errors
/// An attribute cannot be a dimension, or there are more than CloudWatch accepts.
pub(super) fn of_point<'d>(
    attributes: &[KeyValue],
    defaults: impl Iterator<Item = &'d Pair>,
) -> Result<Dimensions, Reason> {
    let mut pairs: Vec<Pair> = Vec::new();
    for attribute in attributes {
        pairs.extend(pair(attribute)?);
    }
    for (name, value) in defaults {
        if !pairs.iter().any(|(known, _)| known == name) {
            pairs.push((name.clone(), value.clone()));
        }
    }
    if pairs.len() > MAX_DIMENSIONS {
        let count = pairs.len();
        return Err(format!("has {count} dimensions; CloudWatch accepts at most {MAX_DIMENSIONS}").into());
    }
    Dimensions::new(pairs).map_err(|error| error.to_string().into())
}

/// Returns the dimension of an attribute, or `None` if its value is empty.
///
/// The value is treated like a dimension value of the senders: what is not printable ASCII is percent-encoded.
fn pair(attribute: &KeyValue) -> Result<Option<Pair>, Reason> {
    let key = &attribute.key;
    let name = DimensionName::new(key).map_err(|error| format!("the name of attribute \"{}\" {error}", shown(key)))?;
    let value = match &attribute.value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => value(text),
        Some(AnyValue { value: Some(Value::BoolValue(is_true)) }) => value(if *is_true { "true" } else { "false" }),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => value(&number.to_string()),
        Some(AnyValue { value: Some(Value::DoubleValue(number)) }) => value(&number.to_string()),
        Some(AnyValue { value: Some(Value::ArrayValue(_) | Value::KvlistValue(_) | Value::BytesValue(_)) }) => {
            let message =
                format!("attribute \"{}\" must be a text, a number or a boolean to become a dimension", shown(key));
            return Err(message.into());
        }
        Some(AnyValue { value: None }) | None => None,
    };
    Ok(value.map(|value| (name, value)))
}

fn value(text: &str) -> Option<DimensionValue> {
    let mut bytes = Vec::new();
    let is_value = DimensionValue::append_sanitized(&mut bytes, text.as_bytes());
    let text = std::str::from_utf8(&bytes).ok().filter(|_| is_value)?;
    DimensionValue::new(text).ok()
}

#[cfg(test)]
mod tests {
    use acpw_otlp::{ArrayValue, KeyValueList};

    use super::*;

    fn attribute(key: &str, value: Value) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
    }

    fn text(key: &str, value: &str) -> KeyValue {
        attribute(key, Value::StringValue(value.to_owned()))
    }

    fn shown_pairs(dimensions: &Dimensions) -> Vec<String> {
        dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn every_simple_value_becomes_text_and_an_empty_one_no_dimension() {
        let attributes = [
            text("text", "caf\u{e9} "),
            text("empty", ""),
            text("blank", "  "),
            attribute("is_true", Value::BoolValue(true)),
            attribute("number", Value::IntValue(-7)),
            attribute("double", Value::DoubleValue(0.25)),
            KeyValue { key: "none".to_owned(), value: None },
            KeyValue { key: "nothing".to_owned(), value: Some(AnyValue { value: None }) },
        ];
        let dimensions = of_point(&attributes, [].iter()).unwrap();
        assert_eq!(shown_pairs(&dimensions), ["double=0.25", "is_true=true", "number=-7", "text=caf%C3%A9 "]);
    }

    #[test]
    fn attributes_of_the_point_come_before_those_of_the_resource() {
        let names = ["service.name".to_owned(), "host".to_owned()];
        let resource = [text("service.name", "shop"), text("host", "a"), text("process.pid", "7")];
        let defaults = of_resource(&resource, &names).unwrap();
        let dimensions = of_point(&[text("host", "b")], defaults.iter()).unwrap();
        assert_eq!(shown_pairs(&dimensions), ["host=b", "service.name=shop"]);
    }

    #[test]
    fn attributes_that_cannot_be_dimensions_are_rejected() {
        let array = Value::ArrayValue(ArrayValue::default());
        let list = Value::KvlistValue(KeyValueList::default());
        for value in [array, list, Value::BytesValue(vec![1])] {
            let reason = of_point(&[attribute("a", value)], [].iter()).unwrap_err();
            assert_eq!(reason, "attribute \"a\" must be a text, a number or a boolean to become a dimension");
        }
        let reason = of_point(&[text("\u{e9}", "v")], [].iter()).unwrap_err();
        assert_eq!(reason, "the name of attribute \"\\u{e9}\" must contain only printable ASCII characters");
        let twice = of_point(&[text("a", "1"), text("a", "2")], [].iter()).unwrap_err();
        assert_eq!(twice, "has two dimensions with the name \"a\"");
        for (count, fits) in [(29, true), (30, true), (31, false)] {
            let attributes: Vec<_> = (0..count).map(|n| text(&format!("a{n}"), "v")).collect();
            assert_eq!(of_point(&attributes, [].iter()).is_ok(), fits, "{count}");
        }
    }
}
