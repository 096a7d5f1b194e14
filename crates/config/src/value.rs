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
