//! Short-lived credentials: whoever asks at an endpoint for them gets a new set, which then may sign until it expires.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use uuid::Uuid;

use crate::key::Key;

/// What every secret and token begins with that is handed out, so that a search of a log finds any of them.
pub const SECRET_MARK: &str = "LOCALSECRET";

/// How long a set lives unless a test orders otherwise: AWS's hour.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// Sets that have been expired for so long are forgotten: signing with them is then UnrecognizedClient.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// Calls that are remembered; older ones are forgotten.
const MAX_CALLS: usize = 10_000;

/// Where credentials are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// ECS's agent: a relative URI, without a token.
    Ecs,
    /// EKS's Pod Identity agent: a full URI, with a token.
    PodIdentity,
    /// EC2's instance metadata service.
    Imds,
    /// STS's AssumeRole.
    AssumeRole,
    /// STS's AssumeRoleWithWebIdentity.
    AssumeRoleWithWebIdentity,
}

/// A call that was to end with credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CredentialCall {
    /// Where it was made.
    pub endpoint: Endpoint,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The access key that was handed out; empty when there was none.
    pub access_key_id: String,
}

/// What hands them out.
#[derive(Debug)]
pub(crate) struct Issuer {
    pub(crate) lifetime: Duration,
    /// The tokens of pods and of web identities.
    pub(crate) identity_tokens: Vec<String>,
    /// Orders: so many calls get this status.
    failures: VecDeque<(usize, u16)>,
    /// The metadata service's sessions, by token.
    sessions: BTreeMap<String, SystemTime>,
    calls: VecDeque<CredentialCall>,
}

/// A set that was handed out.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) key: Key,
    pub(crate) expires: SystemTime,
}

impl Default for Issuer {
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

impl Issuer {
    /// Orders that the next `calls` calls get `status`.
    pub(crate) fn fail_next(&mut self, calls: usize, status: u16) {
        if calls > 0 {
            self.failures.push_back((calls, status));
        }
    }

    /// The status that was ordered for the call that has just arrived.
    pub(crate) fn ordered(&mut self) -> Option<u16> {
        let (left, status) = self.failures.front_mut()?;
        let status = *status;
        *left -= 1;
        if *left == 0 {
            self.failures.pop_front();
        }
        Some(status)
    }

    /// Makes a set and lets it sign.
    pub(crate) fn issue(&mut self, keys: &mut Vec<Key>, now: SystemTime) -> Issued {
        keys.retain(|key| !key.is_expired(now.checked_sub(FORGOTTEN_AFTER).unwrap_or(UNIX_EPOCH)));
        let id = Uuid::new_v4().simple().to_string().to_ascii_uppercase();
        let expires = now + self.lifetime;
        let key = Key::new(format!("ASIA{id}"), secret()).with_session_token(secret()).with_expiry(expires);
        keys.push(key.clone());
        Issued { key, expires }
    }

    /// Remembers how a call ended.
    pub(crate) fn remember(&mut self, endpoint: Endpoint, status: u16, access_key_id: &str) {
        if self.calls.len() == MAX_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(CredentialCall { endpoint, status, access_key_id: access_key_id.to_owned() });
    }

    pub(crate) fn calls(&self) -> impl Iterator<Item = &CredentialCall> {
        self.calls.iter()
    }

    pub(crate) fn knows_identity(&self, token: &str) -> bool {
        self.identity_tokens.iter().any(|known| known == token)
    }

    /// Opens a session of the metadata service.
    pub(crate) fn open_session(&mut self, now: SystemTime, length: Duration) -> String {
        self.sessions.retain(|_, end| *end > now);
        let token = secret();
        self.sessions.insert(token.clone(), now + length);
        token
    }

    pub(crate) fn is_session(&self, token: &str, now: SystemTime) -> bool {
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
    fn a_set_signs_until_it_expires_and_is_then_forgotten() {
        let mut issuer = Issuer { lifetime: Duration::from_secs(5), ..Issuer::default() };
        let mut keys = vec![Key::new("local", "local")];
        let start = UNIX_EPOCH + Duration::from_secs(1_795_170_600);
        let Issued { key, expires } = issuer.issue(&mut keys, start);
        assert_eq!(expires, start + Duration::from_secs(5));
        assert!(keys.contains(&key) && !key.is_expired(start) && key.is_expired(expires));
        issuer.issue(&mut keys, expires + FORGOTTEN_AFTER - Duration::from_secs(1));
        assert_eq!(keys.len(), 3);
        issuer.issue(&mut keys, expires + FORGOTTEN_AFTER);
        assert_eq!(keys.len(), 3);
        assert!(!keys.contains(&key));
    }

    #[test]
    fn failures_come_in_order_and_sessions_end() {
        let mut issuer = Issuer::default();
        issuer.fail_next(2, 503);
        issuer.fail_next(0, 500);
        issuer.fail_next(1, 429);
        let ordered: Vec<_> = (0..4).map(|_| issuer.ordered()).collect();
        assert_eq!(ordered, [Some(503), Some(503), Some(429), None]);
        let start = UNIX_EPOCH + Duration::from_secs(1);
        let token = issuer.open_session(start, Duration::from_secs(2));
        assert!(issuer.is_session(&token, start) && !issuer.is_session(&token, start + Duration::from_secs(2)));
        assert!(!issuer.is_session("other", start));
    }
}
