//! The steps of a provider.

use acpw_metric::Timestamp;

use super::{Call, CredentialSet, Provider};
use crate::endpoint::Region;

/// What a provider says, given the last answer.
#[derive(Debug)]
pub(crate) enum ProviderStep {
    /// It wants this sent, and to be asked again with what comes back.
    Call(Call),
    /// Here they are.
    Ready(CredentialSet),
    /// Requests go unsigned.
    Unsigned,
    /// It has none to give, for this reason; the next provider is asked.
    NotLoaded(String),
    /// Nothing answers where it asks, for this reason. It may have none, or not be reached yet: the next provider is asked, and
    /// this one again later.
    Unreachable(String),
    /// It should have some and could not get them.
    Failed(ProviderFailure),
}

/// Why there are no credentials, in words that show no secret, and when to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProviderFailure {
    pub(crate) reason: String,
    pub(crate) retry: RetryPolicy,
}

/// When what has failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryPolicy {
    /// Soon, and less often the longer it fails.
    Soon,
    /// Late, though a few times soon: it fails until somebody changes something, which may be under way. IAM shows a change
    /// some seconds later.
    Later,
}

/// What a provider may need to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProviderContext<'a> {
    /// The corrected time.
    pub(crate) now: Timestamp,
    /// The region whose STS is asked.
    pub(crate) region: &'a Region,
}

impl ProviderStep {
    /// A failure that is tried again soon.
    pub(crate) fn soon(reason: impl Into<String>) -> Self {
        Self::Failed(ProviderFailure { reason: reason.into(), retry: RetryPolicy::Soon })
    }
}

/// What a part of the configuration makes.
#[derive(Debug)]
pub enum ProviderSetup {
    /// A provider.
    Provider(Provider),
    /// None: what it would need is not there. This says what was looked for, and where.
    Missing(String),
}

/// The environment of the module.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable that is set and not empty.
pub(crate) fn variable(environment: Environment<'_>, name: &str) -> Option<String> {
    environment(name).filter(|value| !value.is_empty())
}
