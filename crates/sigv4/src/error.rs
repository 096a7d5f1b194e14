//! What can be wrong with what is given to sign, named without ever repeating a secret.

use alloc::string::String;
use core::{error, fmt};

/// A part of the credentials or of the scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningField {
    /// The access key ID.
    AccessKeyId,
    /// The secret access key.
    SecretAccessKey,
    /// The session token of temporary credentials.
    SessionToken,
    /// The region to sign for.
    Region,
    /// The service's signing name.
    Service,
}

/// A field that cannot be signed with. Names the field, never its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningFieldError {
    /// The field has no characters.
    Empty(SigningField),
    /// The field has a space, a control character or a character outside ASCII; or, where it becomes part of the
    /// `Credential` of the `Authorization` header, one of that header's own separators, `/` and `,`.
    Character(SigningField),
}

/// A request that cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignError {
    /// The method is empty or not an HTTP token (RFC 9110, 5.6.2).
    Method,
    /// The host is empty or has a character that is not printable ASCII.
    Host,
    /// A header's name is empty or not an HTTP token (RFC 9110, 5.6.2).
    HeaderName(String),
    /// A header's value has a control character. Only the header's name is kept.
    HeaderValue(String),
    /// A header to be signed is one that signing itself writes.
    ReservedHeader(String),
    /// The time, in seconds since 1970, is not in the years 0 to 9999, all that `x-amz-date` can carry.
    Timestamp(i64),
}

impl SigningFieldError {
    /// Parses one field: not empty, printable ASCII without spaces, and no separator where the field is part of the
    /// `Authorization` header's `Credential`.
    pub(crate) fn check(field: SigningField, value: &str) -> Result<(), Self> {
        let separators: &[u8] = match field {
            SigningField::AccessKeyId | SigningField::Region | SigningField::Service => b"/,",
            SigningField::SecretAccessKey | SigningField::SessionToken => b"",
        };
        if value.is_empty() {
            Err(Self::Empty(field))
        } else if value.bytes().all(|byte| byte.is_ascii_graphic() && !separators.contains(&byte)) {
            Ok(())
        } else {
            Err(Self::Character(field))
        }
    }
}

impl fmt::Display for SigningField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessKeyId => "access key ID",
            Self::SecretAccessKey => "secret access key",
            Self::SessionToken => "session token",
            Self::Region => "region",
            Self::Service => "service",
        })
    }
}

impl fmt::Display for SigningFieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty(field) => write!(f, "the {field} is empty"),
            Self::Character(field) => {
                write!(f, "the {field} has a character it cannot have: look for a space or line break copied with it")
            }
        }
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("the method is not an HTTP token"),
            Self::Host => f.write_str("the host is empty or not printable ASCII"),
            // Not by Debug, which shows nothing in a module whose unused code is removed.
            Self::HeaderName(name) => write!(f, "header \"{}\": the name is not an HTTP token", name.escape_default()),
            Self::HeaderValue(name) => {
                write!(f, "header \"{}\": the value has a control character", name.escape_default())
            }
            Self::ReservedHeader(name) => {
                write!(f, "header \"{}\": signing writes it, leave it out", name.escape_default())
            }
            Self::Timestamp(seconds) => write!(f, "time {seconds} s: not in the years 0 to 9999"),
        }
    }
}

impl error::Error for SigningFieldError {}
impl error::Error for SignError {}

#[cfg(test)]
mod tests {
    use alloc::{borrow::ToOwned as _, string::ToString as _};

    use super::*;

    const FIELDS: [SigningField; 5] = [
        SigningField::AccessKeyId,
        SigningField::SecretAccessKey,
        SigningField::SessionToken,
        SigningField::Region,
        SigningField::Service,
    ];

    #[test]
    fn every_field_refuses_what_could_split_a_header() {
        for field in FIELDS {
            assert_eq!(SigningFieldError::check(field, ""), Err(SigningFieldError::Empty(field)));
            for bad in ["a\r", "a\nb", "a\0", "a\u{7f}", "\ta", "a b", "é", "a\u{2028}"] {
                assert_eq!(SigningFieldError::check(field, bad), Err(SigningFieldError::Character(field)), "{bad:?}");
            }
            assert_eq!(SigningFieldError::check(field, "!AKIA-us_1.x~"), Ok(()));
        }
    }

    #[test]
    fn a_header_is_named() {
        for (error, text) in [
            (SignError::HeaderName("a b\n".to_owned()), r#"header "a b\n": the name is not an HTTP token"#),
            (SignError::HeaderValue("x-a".to_owned()), r#"header "x-a": the value has a control character"#),
            (SignError::ReservedHeader("host".to_owned()), r#"header "host": signing writes it, leave it out"#),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn separators_are_refused_only_in_the_credential() {
        for field in FIELDS {
            let in_credential = !matches!(field, SigningField::SecretAccessKey | SigningField::SessionToken);
            for value in ["a/b", "a,b"] {
                assert_eq!(SigningFieldError::check(field, value).is_err(), in_credential, "{field:?} {value}");
            }
        }
    }
}
