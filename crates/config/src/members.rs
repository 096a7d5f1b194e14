//! Objects whose keys the writer chooses, and values with a short form.

use serde_json::Value;

use crate::{Field, FromJson};

/// An object with keys of the writer's choice, ascending.
pub struct Members<T>(pub Vec<(String, Field<T>)>);

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromJson> FromJson for Members<T> {
    const EXPECTED: &'static str = "an object";

    fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::Object(members) => {
                Some(Self(members.into_iter().map(|(key, value)| (key, Field::from_json(value))).collect()))
            }
            _ => None,
        }
    }
}

/// A value that can be written short, as a text, or in full, as an object.
pub enum ShortOr<T> {
    /// The text.
    Short(String),
    /// The object.
    Full(T),
}

impl<T: FromJson> FromJson for ShortOr<T> {
    const EXPECTED: &'static str = "a string or an object";

    fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Short(text)),
            other => T::from_json(other).map(Self::Full),
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Members<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Members".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        std::collections::BTreeMap::<String, T>::json_schema(generator)
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl<T: schemars::JsonSchema> schemars::JsonSchema for ShortOr<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ShortOr".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let full = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, full] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ValidationErrors;

    #[test]
    fn members_keep_their_keys_and_their_faults() {
        let members = Members::<ShortOr<bool>>::from_json(serde_json::json!({"b": "text", "a": true, "c": 5})).unwrap();
        let mut faults = ValidationErrors::default();
        let told: Vec<_> = members
            .0
            .into_iter()
            .map(|(key, value)| match value.optional(&key, &mut faults) {
                Some(ShortOr::Short(text)) => format!("{key} {text}"),
                Some(ShortOr::Full(flag)) => format!("{key} {flag}"),
                None => key,
            })
            .collect();
        assert_eq!(told, ["a true", "b text", "c"]);
        assert_eq!(faults.lines().collect::<Vec<_>>(), ["c: must be a string or an object"]);
        assert!(Members::<bool>::from_json(serde_json::json!([])).is_none());
    }

    #[test]
    fn the_schema_has_both_forms() {
        let schema = serde_json::to_value(schemars::schema_for!(Members<ShortOr<bool>>)).unwrap();
        assert_eq!(schema["additionalProperties"]["anyOf"][0]["type"], "string");
        assert_eq!(schema["additionalProperties"]["anyOf"][1]["type"], "boolean");
    }
}
