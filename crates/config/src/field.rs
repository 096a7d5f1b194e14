//! One key of a configuration, as it was found.

use std::{fmt::Display, ops::RangeInclusive};

use serde_json::{Map, Value};

use crate::{FromJson, ValidationErrorKind, ValidationErrors, value::OrNull};

/// The value of a key: absent (or `null`), of the right type, or not.
#[derive(Clone, Default)]
pub enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// It has a value of its type.
    Valid(T),
    /// It has something else; this says what is wrong, and does not repeat what was found.
    Invalid(String),
}

impl<T: FromJson> Field<T> {
    /// The field of a value that is there.
    pub fn from_json(value: Value) -> Self {
        if value.is_null() && !T::TAKES_NULL {
            return Self::Absent;
        }
        match T::from_json(value) {
            Some(value) => Self::Valid(value),
            None => Self::Invalid(must_be(T::EXPECTED)),
        }
    }

    /// The field of the member `key`, which leaves `null` in its place.
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
    /// The value, noting a fault when it is absent or of the wrong type.
    pub fn required(self, path: impl Display, faults: &mut ValidationErrors) -> Option<T> {
        match self {
            Self::Absent => faults.add_kind(ValidationErrorKind::Missing, path, "is required"),
            Self::Valid(value) => return Some(value),
            Self::Invalid(message) => faults.add_kind(ValidationErrorKind::Type, path, message),
        }
        None
    }

    /// The value if there is one, noting a fault when it is of the wrong type.
    pub fn optional(self, path: impl Display, faults: &mut ValidationErrors) -> Option<T> {
        match self {
            Self::Absent => None,
            Self::Valid(value) => Some(value),
            Self::Invalid(message) => {
                faults.add_kind(ValidationErrorKind::Type, path, message);
                None
            }
        }
    }
}

impl Field<u64> {
    /// The number, or `default` when there is none, noting a fault when it is not within `range`.
    pub fn within(self, path: &str, range: RangeInclusive<u64>, default: u64, faults: &mut ValidationErrors) -> u64 {
        let value = self.optional(path, faults).unwrap_or(default);
        if !range.contains(&value) {
            faults.add(path, format_args!("{value} is not within {} and {}", range.start(), range.end()));
        }
        value
    }
}

impl Field<OrNull<u64>> {
    /// Returns the number, `None` if it is `null`, and `default` if the key is absent. Adds a fault if it is not within
    /// `range`.
    pub fn within_or_null(
        self,
        path: &str,
        range: RangeInclusive<u64>,
        default: u64,
        faults: &mut ValidationErrors,
    ) -> Option<u64> {
        let OrNull(value) = self.optional(path, faults).unwrap_or(OrNull(Some(default)));
        if let Some(value) = value.filter(|value| !range.contains(value)) {
            let (least, most) = (range.start(), range.end());
            faults.add(path, format_args!("must be between {least} and {most}, or null, got {value}"));
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
