//! Types that all providers share: their steps, failures, context and setup.

use acpw_metric::Timestamp;

use super::{Call, CredentialSet};
use crate::endpoint::Region;

/// The result of a provider's step.
#[derive(Debug)]
pub(crate) enum ProviderStep {
    /// Send this request and pass the response to the next step.
    Call(Call),
    /// The credentials.
    Ready(CredentialSet),
    /// Send requests unsigned.
    Unsigned,
    /// The provider has no credentials, for this reason. The chain tries the next provider.
    NotLoaded(String),
    /// The provider cannot be reached, for this reason. The chain tries the next provider now and this one again later.
    Unreachable(String),
    /// The provider should have credentials but failed to get them.
    Failed(ProviderFailure),
}

/// The reason why a provider failed, without secrets, and when to retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProviderFailure {
    pub(crate) reason: String,
    pub(crate) retry: RetryPolicy,
}

/// When to retry after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryPolicy {
    /// Soon, with growing delays: the failure may be temporary.
    Soon,
    /// Later: the failure remains until somebody changes something. The first retries are soon nevertheless, because a
    /// change may be in progress and takes some seconds to propagate in IAM.
    Later,
}

/// The context of a provider's step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProviderContext<'a> {
    /// The corrected time.
    pub(crate) now: Timestamp,
    /// The region whose STS is called.
    pub(crate) region: &'a Region,
}

impl ProviderStep {
    /// Returns a failure with [`RetryPolicy::Soon`].
    pub(crate) fn soon(reason: impl Into<String>) -> Self {
        Self::Failed(ProviderFailure { reason: reason.into(), retry: RetryPolicy::Soon })
    }
}

/// The result of validating a provider's configuration.
#[derive(Debug)]
pub enum ProviderSetup<P> {
    /// A provider.
    Ready(P),
    /// The provider cannot be used here, for this reason.
    Missing(String),
}

impl<P> ProviderSetup<P> {
    /// Converts the provider.
    pub(crate) fn map<Q>(self, convert: impl FnOnce(P) -> Q) -> ProviderSetup<Q> {
        match self {
            Self::Ready(provider) => ProviderSetup::Ready(convert(provider)),
            Self::Missing(reason) => ProviderSetup::Missing(reason),
        }
    }
}
