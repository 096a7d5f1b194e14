//! The providers of credentials.

use super::{
    CredentialSet, Response,
    assume_role::AssumeRole,
    container::ContainerProvider,
    imds::Imds,
    shared_file::SharedFile,
    step::{ProviderContext, ProviderStep},
    web_identity::WebIdentity,
};

/// A provider of credentials. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Provider {
    /// Keys from the configuration.
    Static(CredentialSet),
    /// Keys from environment variables.
    Environment(CredentialSet),
    /// The credentials endpoint of ECS or EKS Pod Identity.
    Container(ContainerProvider),
    /// EC2's metadata service.
    Imds(Imds),
    /// STS's AssumeRoleWithWebIdentity with a token from a file.
    WebIdentity(WebIdentity),
    /// The shared credentials file.
    SharedFile(SharedFile),
    /// STS's AssumeRole with the credentials of another provider.
    AssumeRole {
        /// The role.
        role: AssumeRole,
        /// The provider whose credentials assume it.
        source: Box<Provider>,
    },
    /// No credentials: Envoy signs requests.
    Envoy,
}

impl Provider {
    /// Returns the provider's name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::Environment(_) => "environment",
            Self::Container(_) => "container",
            Self::Imds(_) => "imds",
            Self::WebIdentity(_) => "web_identity",
            Self::SharedFile(_) => "shared_file",
            Self::AssumeRole { .. } => "assume_role",
            Self::Envoy => "envoy",
        }
    }

    /// Returns the ARN of the role that the provider assumes and the provider whose credentials assume it, if it is
    /// `assume_role`.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn assumed_role(&self) -> Option<(&str, &Provider)> {
        match self {
            Self::AssumeRole { role, source } => Some((role.arn(), source.as_ref())),
            _ => None,
        }
    }

    /// Continues with the response to the last call, or restarts if there was no call.
    pub(crate) fn step(&mut self, answer: Option<&Response>, context: ProviderContext<'_>) -> ProviderStep {
        match self {
            Self::Static(set) | Self::Environment(set) => ProviderStep::Ready(set.clone()),
            Self::Container(container) => container.step(answer),
            Self::Imds(imds) => imds.step(answer),
            Self::WebIdentity(web_identity) => web_identity.step(answer, context),
            Self::SharedFile(shared_file) => shared_file.step(answer),
            Self::AssumeRole { role, source } => match answer {
                Some(answer) if role.has_called() => role.read(answer),
                answer => {
                    role.restart();
                    match source.step(answer, context) {
                        ProviderStep::Ready(set) => role.assume(set, context),
                        other => other,
                    }
                }
            },
            Self::Envoy => ProviderStep::Unsigned,
        }
    }

    /// Returns true if the provider can return other credentials than before.
    pub(crate) fn is_refreshable(&self) -> bool {
        match self {
            Self::Static(_) | Self::Environment(_) | Self::Envoy => false,
            Self::Container(_)
            | Self::Imds(_)
            | Self::WebIdentity(_)
            | Self::SharedFile(_)
            | Self::AssumeRole { .. } => true,
        }
    }

    /// Returns the cluster of the EC2 metadata service if the provider uses it.
    pub(crate) fn imds_cluster(&self) -> Option<&str> {
        match self {
            Self::Imds(imds) => Some(imds.cluster()),
            Self::AssumeRole { source, .. } => source.imds_cluster(),
            _ => None,
        }
    }
}
