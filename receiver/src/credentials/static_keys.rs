//! The provider `static`: keys in the configuration.

use acpw_config::{Secret, ValidationErrors, object};
use acpw_sigv4::{Credentials, SigningFieldError};

use super::{CredentialSet, legacy_keys::part_of};

object! {
    /// Keys in the configuration. They are never refreshed.
    pub struct RawStatic {
        /// `static`
        provider: String,
        /// The access key ID. Required.
        access_key_id: String,
        /// The secret access key. Required.
        secret_access_key: Secret,
        /// The session token of temporary credentials.
        session_token: Secret,
    }
}

impl RawStatic {
    pub(crate) fn check(self, path: &str, errors: &mut ValidationErrors) -> Option<CredentialSet> {
        let id = self.access_key_id.required(format_args!("{path}.access_key_id"), errors);
        let secret = self.secret_access_key.required(format_args!("{path}.secret_access_key"), errors);
        let token = self.session_token.optional(format_args!("{path}.session_token"), errors);
        match Credentials::new(&id?, secret?.expose(), token.as_ref().map(Secret::expose)) {
            Ok(credentials) => Some(CredentialSet::lasting(credentials)),
            Err(error) => {
                let (SigningFieldError::Empty(field) | SigningFieldError::Character(field)) = error;
                errors.add(format_args!("{path}.{}", part_of(field)), error);
                None
            }
        }
    }
}
