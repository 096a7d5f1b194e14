//! A set of credentials.

use acpw_metric::Timestamp;
use acpw_sigv4::Credentials;

use super::expiration::Expiration;

/// Credentials as a provider hands them out. `Debug` shows the access key's ID and no secret.
#[derive(Clone, Debug)]
pub struct CredentialSet {
    /// What is signed with.
    pub credentials: Credentials,
    /// When AWS stops to accept them; never, or at a time that is not known, when there is none.
    pub expires: Option<Timestamp>,
    /// Whether they are used on after that time while there are no others. So it is with those of EC2's metadata service:
    /// in an outage it hands out expired ones, which AWS then goes on to accept.
    pub outlives_expiry: bool,
    /// Whether they came with an expiry that could not be read.
    pub has_invalid_expiry: bool,
}

impl CredentialSet {
    /// Credentials that do not say when they expire.
    pub(crate) fn lasting(credentials: Credentials) -> Self {
        Self { credentials, expires: None, outlives_expiry: false, has_invalid_expiry: false }
    }

    /// Credentials with what they say about their expiry.
    pub(crate) fn expiring(credentials: Credentials, expiration: Expiration) -> Self {
        let has_invalid_expiry = expiration == Expiration::Invalid;
        Self { credentials, expires: expiration.time(), outlives_expiry: false, has_invalid_expiry }
    }
}
