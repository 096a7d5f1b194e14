//! The value of one key in a configuration.

use std::{fmt::Display, ops::RangeInclusive};

use serde_json::{Map, Value};

use crate::{FromJson, ValidationErrorKind, ValidationErrors, value::OrNull};

/// The value of a key: absent, of the right type, or of a wrong type. `null` means absent unless the type has it as a
/// value.
#[derive(Clone, Default)]
pub enum Field<T> {
    /// The key is absent.
    #[default]
    Absent,
    /// The value has the right type.
    Valid(T),
    /// The value has a wrong type. The message describes the right one and does not contain the value.
    Invalid(String),
}

impl<T: FromJson> Field<T> {
    /// Converts a JSON value.
    pub fn from_json(value: Value) -> Self {
        if value.is_null() && !T::TAKES_NULL {
            return Self::Absent;
        }
        match T::from_json(value) {
            Some(value) => Self::Valid(value),
            None => Self::Invalid(must_be(T::EXPECTED)),
        }
    }

    /// Takes the value of `key` out of `members` and leaves `null` there.
    #[inline(never)]
    pub fn take(members: &mut Map<String, Value>, key: &str) -> Self {
        match members.get_mut(key).map(Value::take) {
            Some(value) => Self::from_json(value),
            None => Self::Absent,
        }
    }
}

fn must_be(expected: &str) -> String {
    ["must be ", expected].concat()
}

impl<T> Field<T> {
    /// Returns the value. Adds an error if it is absent or has a wrong type.
    pub fn required(self, path: impl Display, errors: &mut ValidationErrors) -> Option<T> {
        match self {
            Self::Absent => errors.add_kind(ValidationErrorKind::Missing, path, "is required"),
            Self::Valid(value) => return Some(value),
            Self::Invalid(message) => errors.add_kind(ValidationErrorKind::Type, path, message),
        }
        None
    }

    /// Returns the value, or `None` if it is absent. Adds an error if it has a wrong type.
    pub fn optional(self, path: impl Display, errors: &mut ValidationErrors) -> Option<T> {
        match self {
            Self::Absent => None,
            Self::Valid(value) => Some(value),
            Self::Invalid(message) => {
                errors.add_kind(ValidationErrorKind::Type, path, message);
                None
            }
        }
    }
}

impl Field<u64> {
    /// Returns the number, or `default` if it is absent. Adds an error if it is outside of `range`.
    pub fn within(self, path: &str, range: RangeInclusive<u64>, default: u64, errors: &mut ValidationErrors) -> u64 {
        let value = self.optional(path, errors).unwrap_or(default);
        if !range.contains(&value) {
            errors.add(path, format_args!("must be between {} and {}, got {value}", range.start(), range.end()));
        }
        value
    }
}

impl Field<OrNull<u64>> {
    /// Returns the number, `None` if it is `null`, or `default` if the key is absent. Adds an error if the number is
    /// outside of `range`.
    pub fn within_or_null(
        self,
        path: &str,
        range: RangeInclusive<u64>,
        default: u64,
        errors: &mut ValidationErrors,
    ) -> Option<u64> {
        let OrNull(value) = self.optional(path, errors).unwrap_or(OrNull(Some(default)));
        if let Some(value) = value.filter(|value| !range.contains(value)) {
            let (min, max) = (range.start(), range.end());
            errors.add(path, format_args!("must be null or between {min} and {max}, got {value}"));
        }
        value
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// The elements of a list are fields, so that each element can have its own error.
impl<T: FromJson> FromJson for Vec<Field<T>> {
    const EXPECTED: &'static str = "a list";

    fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::Array(values) => Some(values.into_iter().map(Field::from_json).collect()),
            _ => None,
        }
    }
}
