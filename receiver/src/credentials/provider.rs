//! What all providers have in common.

use super::{
    CredentialSet, Response,
    assume_role::AssumeRole,
    container::ContainerProvider,
    imds::Imds,
    shared_file::SharedFile,
    step::{ProviderContext, ProviderStep},
    web_identity::WebIdentity,
};

/// Where credentials come from. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Provider {
    /// The configuration.
    Static(CredentialSet),
    /// Environment variables.
    Environment(CredentialSet),
    /// The container agent of ECS, or EKS Pod Identity's.
    Container(ContainerProvider),
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
    pub(crate) fn step(&mut self, answer: Option<&Response>, context: ProviderContext<'_>) -> ProviderStep {
        match self {
            Self::Static(set) | Self::Environment(set) => ProviderStep::Ready(set.clone()),
            Self::Container(container) => container.step(answer),
            Self::Imds(imds) => imds.step(answer),
            Self::WebIdentity(web_identity) => web_identity.step(answer, context),
            Self::SharedFile(shared_file) => shared_file.step(answer),
            Self::AssumeRole(assume_role) => assume_role.step(answer, context),
            Self::Envoy => ProviderStep::Unsigned,
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
