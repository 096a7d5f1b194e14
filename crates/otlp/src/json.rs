//! Values whose JSON encoding has several forms: protobuf's JSON mapping writes 64-bit integers as texts, and numbers
//! that JSON does not have as `"NaN"`, `"Infinity"` and `"-Infinity"`. Readers accept numbers, too.

use serde::{Deserialize, Deserializer, de::Error};

/// A number, or its text.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
}

impl NumberOrText {
    fn u64<E: Error>(self) -> Result<u64, E> {
        match self {
            Self::Unsigned(number) => Ok(number),
            Self::Text(text) => text.parse().map_err(|_| E::custom("must be a whole number of at least 0")),
            Self::Signed(_) | Self::Float(_) => Err(E::custom("must be a whole number of at least 0")),
        }
    }

    fn i64<E: Error>(self) -> Result<i64, E> {
        let parsed = match self {
            Self::Unsigned(number) => i64::try_from(number).ok(),
            Self::Signed(number) => Some(number),
            Self::Text(text) => text.parse().ok(),
            Self::Float(_) => None,
        };
        parsed.ok_or_else(|| E::custom("must be a whole number of 64 bits"))
    }

    #[expect(clippy::cast_precision_loss, reason = "protobuf's JSON mapping rounds to the nearest double, too")]
    fn f64<E: Error>(self) -> Result<f64, E> {
        match self {
            Self::Unsigned(number) => Ok(number as f64),
            Self::Signed(number) => Ok(number as f64),
            Self::Float(number) => Ok(number),
            Self::Text(text) => match text.as_str() {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                text => text.parse().map_err(|_| E::custom("must be a number")),
            },
        }
    }
}

pub(crate) fn u64_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    NumberOrText::deserialize(deserializer)?.u64()
}

pub(crate) fn i64_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    NumberOrText::deserialize(deserializer)?.i64()
}

pub(crate) fn f64_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    NumberOrText::deserialize(deserializer)?.f64()
}

pub(crate) fn optional_f64_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Option::<NumberOrText>::deserialize(deserializer)?.map(NumberOrText::f64).transpose()
}

pub(crate) fn u64s_or_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    Vec::<NumberOrText>::deserialize(deserializer)?.into_iter().map(NumberOrText::u64).collect()
}

pub(crate) fn f64s_or_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    Vec::<NumberOrText>::deserialize(deserializer)?.into_iter().map(NumberOrText::f64).collect()
}

/// Reads an enumeration, which OTLP encodes as a number. Some clients send the name.
pub(crate) fn i32_or_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Text(text) => match text.as_str() {
            "AGGREGATION_TEMPORALITY_DELTA" => Ok(1),
            "AGGREGATION_TEMPORALITY_CUMULATIVE" => Ok(2),
            "AGGREGATION_TEMPORALITY_UNSPECIFIED" => Ok(0),
            _ => Err(D::Error::custom("must be 1 (delta) or 2 (cumulative)")),
        },
        number => i32::try_from(number.i64::<D::Error>()?).map_err(D::Error::custom),
    }
}

/// Skips bytes, which no dimension can have.
pub(crate) fn skipped_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| Vec::new())
}
