//! Errors of credentials, scopes and requests. No error contains a secret.

use alloc::string::String;
use core::{error, fmt};

/// A field of the credentials or of the scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningField {
    /// The access key ID.
    AccessKeyId,
    /// The secret access key.
    SecretAccessKey,
    /// The session token of temporary credentials.
    SessionToken,
    /// The region code.
    Region,
    /// The signing name of the service.
    Service,
}

/// An invalid field. The error names the field and does not contain its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningFieldError {
    /// The field is empty.
    Empty(SigningField),
    /// The field contains a space, a control character or a character outside of ASCII. Fields that become part of the
    /// `Credential` in the `Authorization` header must not contain its separators `/` and `,` either.
    Character(SigningField),
}

/// A request that cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignError {
    /// The method is empty or not an HTTP token (RFC 9110, section 5.6.2).
    Method,
    /// The host is empty or has a character that is not printable ASCII.
    Host,
    /// A header's name is empty or not an HTTP token (RFC 9110, section 5.6.2).
    HeaderName(String),
    /// The value of the header with this name contains a control character.
    HeaderValue(String),
    /// The caller passed a header that the signer adds itself.
    ReservedHeader(String),
    /// The time, in seconds since 1970, is outside of the years 0 to 9999, the range of `x-amz-date`.
    Timestamp(i64),
}

impl SigningFieldError {
    /// Checks that a field is not empty, that it is printable ASCII without spaces, and that it contains no separator
    /// if it becomes part of the `Credential` in the `Authorization` header.
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
                write!(f, "the {field} contains an invalid character; check for a copied space or line break")
            }
        }
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("the method is not an HTTP token"),
            Self::Host => f.write_str("the host is empty or not printable ASCII"),
            Self::HeaderName(name) => write!(f, "header \"{}\": the name is not an HTTP token", name.escape_default()),
            Self::HeaderValue(name) => {
                write!(f, "header \"{}\": the value contains a control character", name.escape_default())
            }
            Self::ReservedHeader(name) => {
                write!(f, "header \"{}\": the signer adds this header; remove it", name.escape_default())
            }
            Self::Timestamp(seconds) => {
                write!(f, "the signing time must be in the years 0 to 9999, got {seconds} s since 1970")
            }
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
    fn characters_that_could_split_a_header_are_refused_in_every_field() {
        for field in FIELDS {
            assert_eq!(SigningFieldError::check(field, ""), Err(SigningFieldError::Empty(field)));
            for bad in ["a\r", "a\nb", "a\0", "a\u{7f}", "\ta", "a b", "é", "a\u{2028}"] {
                assert_eq!(SigningFieldError::check(field, bad), Err(SigningFieldError::Character(field)), "{bad:?}");
            }
            assert_eq!(SigningFieldError::check(field, "!AKIA-us_1.x~"), Ok(()));
        }
    }

    #[test]
    fn an_error_about_a_header_contains_its_name() {
        for (error, text) in [
            (SignError::HeaderName("a b\n".to_owned()), r#"header "a b\n": the name is not an HTTP token"#),
            (SignError::HeaderValue("x-a".to_owned()), r#"header "x-a": the value contains a control character"#),
            (SignError::ReservedHeader("host".to_owned()), r#"header "host": the signer adds this header; remove it"#),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn separators_are_refused_only_in_fields_of_the_credential() {
        for field in FIELDS {
            let in_credential = !matches!(field, SigningField::SecretAccessKey | SigningField::SessionToken);
            for value in ["a/b", "a,b"] {
                assert_eq!(SigningFieldError::check(field, value).is_err(), in_credential, "{field:?} {value}");
            }
        }
    }
}
