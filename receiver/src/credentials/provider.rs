//! What all providers have in common.

use acpw_metric::Timestamp;

use super::{
    Call, Response, Set, assume_role::AssumeRole, container::Container, imds::Imds, shared_file::SharedFile,
    web_identity::WebIdentity,
};
use crate::endpoint::Region;

/// Where credentials come from. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Provider {
    /// The configuration.
    Static(Set),
    /// Environment variables.
    Environment(Set),
    /// The container agent of ECS, or EKS Pod Identity's.
    Container(Container),
    /// EC2's metadata service.
    Imds(Imds),
    /// A web identity's token, exchanged by STS.
    WebIdentity(WebIdentity),
    /// The shared credentials file.
    SharedFile(SharedFile),
    /// A role that STS gives to the credentials of another provider.
    AssumeRole(Box<AssumeRole>),
    /// None: Envoy signs.
    Envoy,
}

/// What a provider says, given the last answer.
#[derive(Debug)]
pub(crate) enum Step {
    /// It wants this sent, and to be asked again with what comes back.
    Call(Call),
    /// Here they are.
    Ready(Set),
    /// Requests go unsigned.
    Unsigned,
    /// It has none to give, for this reason; the next provider is asked.
    NotLoaded(String),
    /// Nothing answers where it asks, for this reason. It may have none, or not be reached yet: the next provider is asked, and
    /// this one again later.
    Unreachable(String),
    /// It should have some and could not get them.
    Failed(Failure),
}

/// Why there are no credentials, in words that show no secret, and when to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) again: Again,
}

/// When what has failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Soon, and less often the longer it fails.
    Soon,
    /// Late, though a few times soon: it fails until somebody changes something, which may be under way. IAM shows a change
    /// some seconds later.
    Late,
}

/// What a provider may need to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    /// The corrected time.
    pub(crate) now: Timestamp,
    /// The region whose STS is asked.
    pub(crate) region: &'a Region,
}

impl Provider {
    /// Its name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::Environment(_) => "environment",
            Self::Container(_) => "container",
            Self::Imds(_) => "imds",
            Self::WebIdentity(_) => "web_identity",
            Self::SharedFile(_) => "shared_file",
            Self::AssumeRole(_) => "assume_role",
            Self::Envoy => "envoy",
        }
    }

    /// Goes on with the answer to its last call; without one, it starts from the beginning.
    pub(crate) fn step(&mut self, answer: Option<&Response>, circumstances: Circumstances<'_>) -> Step {
        match self {
            Self::Static(set) | Self::Environment(set) => Step::Ready(set.clone()),
            Self::Container(container) => container.step(answer),
            Self::Imds(imds) => imds.step(answer),
            Self::WebIdentity(web_identity) => web_identity.step(answer, circumstances),
            Self::SharedFile(shared_file) => shared_file.step(answer),
            Self::AssumeRole(assume_role) => assume_role.step(answer, circumstances),
            Self::Envoy => Step::Unsigned,
        }
    }

    /// Whether it can give other credentials than it has given.
    pub(crate) fn is_refreshable(&self) -> bool {
        match self {
            Self::Static(_) | Self::Environment(_) | Self::Envoy => false,
            Self::Container(_) | Self::Imds(_) | Self::WebIdentity(_) | Self::SharedFile(_) | Self::AssumeRole(_) => {
                true
            }
        }
    }

    /// The cluster of EC2's metadata service, if it asks that.
    pub(crate) fn imds_cluster(&self) -> Option<&str> {
        match self {
            Self::Imds(imds) => Some(imds.cluster()),
            Self::AssumeRole(assume_role) => assume_role.source().imds_cluster(),
            _ => None,
        }
    }
}

impl Step {
    /// A failure that is tried again soon.
    pub(crate) fn soon(reason: impl Into<String>) -> Self {
        Self::Failed(Failure { reason: reason.into(), again: Again::Soon })
    }
}

/// What a part of the configuration makes.
#[derive(Debug)]
pub enum Found {
    /// A provider.
    Provider(Provider),
    /// None: what it would need is not there. This says what was looked for, and where.
    Nothing(String),
}

/// The environment of the module.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable that is set and not empty.
pub(crate) fn variable(environment: Environment<'_>, name: &str) -> Option<String> {
    environment(name).filter(|value| !value.is_empty())
}
