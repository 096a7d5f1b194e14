//! Types of values in a configuration.

use serde_json::Value;

/// A type that a JSON value can be converted into.
pub trait FromJson: Sized {
    /// A description of the type that completes the message "must be …".
    const EXPECTED: &'static str;

    /// True if `null` is a value of the type. Otherwise, `null` means that the key is absent.
    const TAKES_NULL: bool = false;

    /// Converts a JSON value. Returns `None` if it has a wrong type.
    fn from_json(value: Value) -> Option<Self>;
}

/// A value or `null`, where `null` differs from an absent key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrNull<T>(pub Option<T>);

impl FromJson for OrNull<u64> {
    const EXPECTED: &'static str = "a whole number, or null";
    const TAKES_NULL: bool = true;

    fn from_json(value: Value) -> Option<Self> {
        if value.is_null() { Some(Self(None)) } else { u64::from_json(value).map(|value| Self(Some(value))) }
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl<T: schemars::JsonSchema> schemars::JsonSchema for OrNull<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Option::<T>::json_schema(generator)
    }
}

impl FromJson for String {
    const EXPECTED: &'static str = "a string";

    fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl FromJson for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_json(value: Value) -> Option<Self> {
        value.as_bool()
    }
}

impl FromJson for u64 {
    const EXPECTED: &'static str = "a whole number";

    /// Accepts floating-point notation: Helm and other templates write 60000 as `60000.0` or `6e4`, and a protobuf
    /// Struct stores every number as a double.
    fn from_json(value: Value) -> Option<Self> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let whole = |number: &f64| number.fract() == 0.0 && (0.0..=EXACT).contains(number);
        value.as_u64().or_else(|| value.as_f64().filter(whole).map(|number| number as Self))
    }
}

impl FromJson for f64 {
    const EXPECTED: &'static str = "a number";

    fn from_json(value: Value) -> Option<Self> {
        value.as_f64()
    }
}
