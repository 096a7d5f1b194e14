//! Issues short-lived credentials. Each successful call returns a new set, which can sign until it expires.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use uuid::Uuid;

use crate::access_key::AccessKey;

/// Prefix of every issued secret and token, so that a search of a log finds any that leaked.
pub const SECRET_MARK: &str = "LOCALSECRET";

/// Default lifetime of a set: one hour, as in AWS.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// A set is removed this long after it expired; signing with it then returns UnrecognizedClient.
const REMOVED_AFTER: Duration = Duration::from_secs(3_600);

/// Number of calls that are kept; older ones are discarded.
const MAX_CALLS: usize = 10_000;

/// An endpoint that issues credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialEndpoint {
    /// The ECS agent, at a relative URI without a token.
    Ecs,
    /// The EKS Pod Identity agent, at a full URI with a token.
    PodIdentity,
    /// The EC2 instance metadata service.
    Imds,
    /// AssumeRole of STS.
    AssumeRole,
    /// AssumeRoleWithWebIdentity of STS.
    AssumeRoleWithWebIdentity,
}

/// A call to a credential endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CredentialCall {
    /// The called endpoint.
    pub endpoint: CredentialEndpoint,
    /// The HTTP status of the response.
    pub status: u16,
    /// The issued access key; empty if the call failed.
    pub access_key_id: String,
}

/// Issues credentials, records calls, and injects failures.
#[derive(Debug)]
pub(crate) struct CredentialIssuer {
    pub(crate) lifetime: Duration,
    /// The accepted tokens of pods and web identities.
    pub(crate) identity_tokens: Vec<String>,
    /// Injected failures: a number of calls and their status.
    failures: VecDeque<(usize, u16)>,
    /// When each session of the metadata service ends, by token.
    sessions: BTreeMap<String, SystemTime>,
    calls: VecDeque<CredentialCall>,
}

/// An issued set of credentials.
#[derive(Debug, Clone)]
pub(crate) struct TemporaryCredentials {
    pub(crate) key: AccessKey,
    pub(crate) expires: SystemTime,
}

impl Default for CredentialIssuer {
    fn default() -> Self {
        Self {
            lifetime: LIFETIME,
            identity_tokens: vec![secret()],
            failures: VecDeque::new(),
            sessions: BTreeMap::new(),
            calls: VecDeque::new(),
        }
    }
}

impl CredentialIssuer {
    /// Makes the next `calls` calls fail with `status`.
    pub(crate) fn fail_next(&mut self, calls: usize, status: u16) {
        if calls > 0 {
            self.failures.push_back((calls, status));
        }
    }

    /// Consumes one injected failure and returns its status, if any is pending.
    pub(crate) fn take_failure(&mut self) -> Option<u16> {
        let (left, status) = self.failures.front_mut()?;
        let status = *status;
        *left -= 1;
        if *left == 0 {
            self.failures.pop_front();
        }
        Some(status)
    }

    /// Creates a set, adds it to `keys`, and removes sets that expired long ago.
    pub(crate) fn issue(&mut self, keys: &mut Vec<AccessKey>, now: SystemTime) -> TemporaryCredentials {
        keys.retain(|key| !key.is_expired(now.checked_sub(REMOVED_AFTER).unwrap_or(UNIX_EPOCH)));
        let id = Uuid::new_v4().simple().to_string().to_ascii_uppercase();
        let expires = now + self.lifetime;
        let key = AccessKey::new(format!("ASIA{id}"), secret()).with_session_token(secret()).with_expiry(expires);
        keys.push(key.clone());
        TemporaryCredentials { key, expires }
    }

    /// Records a call and its result.
    pub(crate) fn record(&mut self, endpoint: CredentialEndpoint, status: u16, access_key_id: &str) {
        if self.calls.len() == MAX_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(CredentialCall { endpoint, status, access_key_id: access_key_id.to_owned() });
    }

    pub(crate) fn calls(&self) -> impl Iterator<Item = &CredentialCall> {
        self.calls.iter()
    }

    pub(crate) fn accepts_identity_token(&self, token: &str) -> bool {
        self.identity_tokens.iter().any(|accepted| accepted == token)
    }

    /// Starts a session of the metadata service and returns its token.
    pub(crate) fn open_session(&mut self, now: SystemTime, length: Duration) -> String {
        self.sessions.retain(|_, end| *end > now);
        let token = secret();
        self.sessions.insert(token.clone(), now + length);
        token
    }

    pub(crate) fn has_session(&self, token: &str, now: SystemTime) -> bool {
        self.sessions.get(token).is_some_and(|end| *end > now)
    }
}

fn secret() -> String {
    format!("{SECRET_MARK}{}", Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_signs_until_it_expires_and_is_removed_later() {
        let mut issuer = CredentialIssuer { lifetime: Duration::from_secs(5), ..CredentialIssuer::default() };
        let mut keys = vec![AccessKey::new("local", "local")];
        let start = UNIX_EPOCH + Duration::from_secs(1_795_170_600);
        let TemporaryCredentials { key, expires } = issuer.issue(&mut keys, start);
        assert_eq!(expires, start + Duration::from_secs(5));
        assert!(keys.contains(&key) && !key.is_expired(start) && key.is_expired(expires));
        issuer.issue(&mut keys, expires + REMOVED_AFTER - Duration::from_secs(1));
        assert_eq!(keys.len(), 3);
        issuer.issue(&mut keys, expires + REMOVED_AFTER);
        assert_eq!(keys.len(), 3);
        assert!(!keys.contains(&key));
    }

    #[test]
    fn failures_apply_in_order_and_sessions_end() {
        let mut issuer = CredentialIssuer::default();
        issuer.fail_next(2, 503);
        issuer.fail_next(0, 500);
        issuer.fail_next(1, 429);
        let failures: Vec<_> = (0..4).map(|_| issuer.take_failure()).collect();
        assert_eq!(failures, [Some(503), Some(503), Some(429), None]);
        let start = UNIX_EPOCH + Duration::from_secs(1);
        let token = issuer.open_session(start, Duration::from_secs(2));
        assert!(issuer.has_session(&token, start) && !issuer.has_session(&token, start + Duration::from_secs(2)));
        assert!(!issuer.has_session("other", start));
    }
}
