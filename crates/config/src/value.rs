//! Types that a key's value can have.

use serde_json::Value;

use crate::Field;

/// A type with a form in JSON.
pub trait FromJson: Sized {
    /// What its values are, for "must be …".
    const EXPECTED: &'static str;

    /// The value, if it is one of this type.
    fn from_json(value: Value) -> Option<Self>;
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

    fn from_json(value: Value) -> Option<Self> {
        value.as_u64()
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
