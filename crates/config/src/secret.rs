//! Text that must never be printed.

use std::fmt;

use serde_json::Value;

use crate::FromJson;

/// A secret from a configuration. Neither `Debug` nor a validation error shows its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text. Use it for signing and authentication only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl FromJson for Secret {
    const EXPECTED: &'static str = String::EXPECTED;

    fn from_json(value: Value) -> Option<Self> {
        String::from_json(value).map(Self)
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl schemars::JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_secret() {
        assert_eq!(format!("{:?}", Secret::new("wJalr")), "Secret(…)");
    }
}
