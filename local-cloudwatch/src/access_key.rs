//! Access keys that can sign calls.

use std::fmt;
use std::time::SystemTime;

/// An access key that the server accepts. `Debug` shows its ID but not its secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expires: Option<SystemTime>,
}

impl AccessKey {
    /// Creates a long-lived access key.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token: None,
            expires: None,
        }
    }

    /// Makes the key temporary: calls must send `token` in `x-amz-security-token`.
    #[must_use]
    pub fn with_session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(token.into());
        self
    }

    /// Sets the expiry: from `expires` on, by the server's clock, calls return ExpiredToken.
    #[must_use]
    pub fn with_expiry(mut self, expires: SystemTime) -> Self {
        self.expires = Some(expires);
        self
    }

    /// Returns the access key ID.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(crate) fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    pub(crate) fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    pub(crate) fn is_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("access_key_id", &self.access_key_id)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let key = AccessKey::new("AKIDLOCAL", "very-secret").with_session_token("very-token");
        let text = format!("{key:?}");
        assert!(text.contains("AKIDLOCAL"));
        assert!(!text.contains("very"), "{text}");
    }

    #[test]
    fn a_key_expires_at_its_expiry() {
        let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let key = AccessKey::new("a", "b").with_expiry(expiry);
        assert!(!key.is_expired(expiry - Duration::from_millis(1)));
        assert!(key.is_expired(expiry));
        assert!(!AccessKey::new("a", "b").is_expired(expiry));
    }
}
