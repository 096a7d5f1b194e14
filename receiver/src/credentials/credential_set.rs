//! A set of credentials with its expiry.

use acpw_metric::Timestamp;
use acpw_sigv4::Credentials;

use super::expiration::Expiration;

/// A set of credentials from a provider. `Debug` shows the access key ID but no secret.
#[derive(Clone, Debug)]
pub struct CredentialSet {
    /// The credentials.
    pub credentials: Credentials,
    /// The time when AWS stops accepting the credentials. `None` if they do not expire or the time is unknown.
    pub expires: Option<Timestamp>,
    /// True if the credentials may be used after their expiry while there are no others. During an outage, the EC2
    /// metadata service returns expired credentials, which AWS then continues to accept.
    pub outlives_expiry: bool,
    /// True if the expiry was not a valid time.
    pub has_invalid_expiry: bool,
}

impl CredentialSet {
    /// Creates a set without an expiry.
    pub(crate) fn lasting(credentials: Credentials) -> Self {
        Self { credentials, expires: None, outlives_expiry: false, has_invalid_expiry: false }
    }

    /// Creates a set with an expiry.
    pub(crate) fn expiring(credentials: Credentials, expiration: Expiration) -> Self {
        let has_invalid_expiry = expiration == Expiration::Invalid;
        Self { credentials, expires: expiration.time(), outlives_expiry: false, has_invalid_expiry }
    }
}
