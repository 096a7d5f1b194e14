//! The rules CloudWatch sets for every name and value it stores.

use std::fmt;

/// Why a text is not what CloudWatch takes in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextError {
    /// It has no character but spaces.
    Blank,
    /// It has `length` characters where `limit` is allowed.
    TooLong {
        /// Characters it has.
        length: usize,
        /// Characters it may have.
        limit: usize,
    },
    /// It has a character that is not printable ASCII.
    NotPrintableAscii,
    /// It starts with a colon.
    LeadingColon,
    /// It starts with `AWS/`, which is AWS's own.
    Reserved,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("must have at least one character that is not a space"),
            Self::TooLong { length, limit } => write!(f, "has {length} characters; CloudWatch takes at most {limit}"),
            Self::NotPrintableAscii => f.write_str("has a character that is not printable ASCII"),
            Self::LeadingColon => f.write_str("must not start with \":\""),
            Self::Reserved => f.write_str("must not start with \"AWS/\", which CloudWatch reserves"),
        }
    }
}

impl std::error::Error for TextError {}

pub(crate) fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

pub(crate) fn check(text: &str, limit: usize) -> Result<(), TextError> {
    if text.len() > limit {
        return Err(TextError::TooLong { length: text.chars().count(), limit });
    }
    if !text.bytes().all(is_printable) {
        return Err(TextError::NotPrintableAscii);
    }
    if text.bytes().all(|byte| byte == b' ') {
        return Err(TextError::Blank);
    }
    Ok(())
}

pub(crate) fn check_name(text: &str, limit: usize) -> Result<(), TextError> {
    check(text, limit)?;
    if text.starts_with(':') { Err(TextError::LeadingColon) } else { Ok(()) }
}

/// A text that was checked once and is shared from then on.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::rc::Rc<str>);

        impl $name {
            /// The text, when it keeps CloudWatch's rules for it.
            ///
            /// # Errors
            /// The rule that it breaks.
            pub fn new(text: &str) -> Result<Self, $crate::text::TextError> {
                let check: fn(&str) -> Result<(), $crate::text::TextError> = $check;
                check(text)?;
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(crate) use checked_text;
