//! CloudWatch's rules for names and values.

use std::fmt;

/// The rule of CloudWatch that a text breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextError {
    /// The text is empty or consists of spaces only.
    Blank,
    /// The text is too long.
    TooLong {
        /// The length of the text in characters.
        length: usize,
        /// The maximum length in characters.
        limit: usize,
    },
    /// The text contains a character that is not printable ASCII.
    NotPrintableAscii,
    /// The text starts with a colon.
    LeadingColon,
    /// The text starts with `AWS/`, which is reserved for AWS services.
    Reserved,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("must have at least one character that is not a space"),
            Self::TooLong { length, limit } => write!(f, "must have at most {limit} characters, got {length}"),
            Self::NotPrintableAscii => f.write_str("must contain only printable ASCII characters"),
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

/// Declares a type for texts that are checked when they are created. Clones share one allocation.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::rc::Rc<str>);

        impl $name {
            /// Checks a text against CloudWatch's rules.
            ///
            /// # Errors
            /// Returns the rule that the text breaks.
            pub fn new(text: &str) -> Result<Self, $crate::text::TextError> {
                let check: fn(&str) -> Result<(), $crate::text::TextError> = $check;
                check(text)?;
                Ok(Self(text.into()))
            }

            /// Returns the text.
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
