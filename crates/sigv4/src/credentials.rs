//! Who signs.

use core::fmt;

use alloc::borrow::ToOwned;
use alloc::string::String;

use crate::error::{SigningField, SigningFieldError};

/// An access key and, for temporary credentials, its session token.
///
/// Every part is known to be printable ASCII. `Debug` shows the access key ID only.
#[derive(Clone)]
pub struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

impl Credentials {
    /// Takes the three parts as AWS hands them out; `None` means long-term credentials.
    ///
    /// # Errors
    /// The first part, in this order, that is empty or has a character it cannot have.
    pub fn new(
        access_key_id: &str,
        secret_access_key: &str,
        session_token: Option<&str>,
    ) -> Result<Self, SigningFieldError> {
        SigningFieldError::check(SigningField::AccessKeyId, access_key_id)?;
        SigningFieldError::check(SigningField::SecretAccessKey, secret_access_key)?;
        if let Some(token) = session_token {
            SigningFieldError::check(SigningField::SessionToken, token)?;
        }
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret_access_key.to_owned(),
            session_token: session_token.map(ToOwned::to_owned),
        })
    }

    /// The access key ID, which is no secret: it is sent with every request and shown in the AWS console.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(crate) fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    pub(crate) fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &format_args!("<redacted>"))
            .field("session_token", &self.session_token.as_ref().map(|_| format_args!("<redacted>")))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn debug_shows_the_access_key_id_and_no_secret() {
        let credentials = Credentials::new("AKIDEXAMPLE", "s3cr3t", Some("t0k3n")).unwrap();
        for text in [format!("{credentials:?}"), format!("{credentials:#?}")] {
            assert!(text.contains("AKIDEXAMPLE"), "{text}");
            assert!(!text.contains("s3cr3t") && !text.contains("t0k3n"), "{text}");
        }
    }

    #[test]
    fn the_error_names_the_field_and_not_its_value() {
        let faults = [
            (Credentials::new("", "s3cr3t", None), SigningFieldError::Empty(SigningField::AccessKeyId)),
            (Credentials::new("AKID", "", None), SigningFieldError::Empty(SigningField::SecretAccessKey)),
            (Credentials::new("AKID", "s3cr3t", Some("")), SigningFieldError::Empty(SigningField::SessionToken)),
            (Credentials::new("AKID\r\n", "s3cr3t", None), SigningFieldError::Character(SigningField::AccessKeyId)),
            (Credentials::new("AKID", "s3cr3t\n", None), SigningFieldError::Character(SigningField::SecretAccessKey)),
            (
                Credentials::new("AKID", "s3cr3t", Some("t0k3n\0")),
                SigningFieldError::Character(SigningField::SessionToken),
            ),
        ];
        for (result, expected) in faults {
            let error = result.unwrap_err();
            assert_eq!(error, expected);
            let text = format!("{error} {error:?}");
            assert!(!text.contains("s3cr3t") && !text.contains("t0k3n"), "{text}");
        }
    }
}
