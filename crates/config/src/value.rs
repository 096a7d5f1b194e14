//! Types that a key's value can have.

use serde_json::Value;

use crate::Field;

/// A type with a form in JSON.
pub trait FromJson: Sized {
    /// What its values are, for "must be …".
    const EXPECTED: &'static str;

    /// Whether `null` is a value, and not the same as an absent key.
    const TAKES_NULL: bool = false;

    /// The value, if it is one of this type.
    fn from_json(value: Value) -> Option<Self>;
}

/// A value, or `null` to do without one.
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

    /// Helm and other templates write 60000 as `60000.0` or `6e4`, and a protobuf Struct has no other numbers.
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

/// The elements of a list are fields themselves, so that each can be at fault on its own.
impl<T: FromJson> FromJson for Vec<Field<T>> {
    const EXPECTED: &'static str = "a list";

    fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::Array(values) => Some(values.into_iter().map(Field::from_json).collect()),
            _ => None,
        }
    }
}
