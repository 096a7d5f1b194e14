//! The provider `web_identity`: STS's AssumeRoleWithWebIdentity with a token from a file, as EKS provides it for a
//! service account (IRSA).

use std::fmt;

use acpw_config::{Secret, ValidationErrors, object};

use super::{
    Response,
    file::ServedFile,
    role_keys::{Role, RoleKeys},
    step::{ProviderContext, ProviderSetup, ProviderStep},
};
use crate::environment::{Environment, variable};

object! {
    /// A role for a web identity, such as an EKS service account. Keys that are absent here default to the environment
    /// variables that EKS sets.
    pub struct RawWebIdentity {
        /// `web_identity`
        provider: String,
        /// The Envoy cluster of STS. Required.
        cluster: String,
        /// The host of STS. Default: `sts.REGION.amazonaws.com`, or the region's host in other partitions.
        sts_host: String,
        /// The ARN of the role. Default: `AWS_ROLE_ARN`.
        role_arn: String,
        /// The session name. Default: `AWS_ROLE_SESSION_NAME`, or `acpw`.
        session_name: String,
        /// The path of the file with the identity's token, which is read at each refresh. Default:
        /// `AWS_WEB_IDENTITY_TOKEN_FILE`.
        token_file: String,
        /// The Envoy cluster of the file server. Required.
        file_cluster: String,
    }
}

/// Exchanges a token in a file for credentials of a role. `Debug` shows no token.
#[derive(Clone)]
pub struct WebIdentity {
    role: Role,
    file: ServedFile,
    /// The token sent to STS.
    token: Option<Secret>,
}

impl RawWebIdentity {
    pub(crate) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        errors: &mut ValidationErrors,
    ) -> Option<ProviderSetup<WebIdentity>> {
        let at = |key: &str| format!("{path}.{key}");
        let role_arn = self.role_arn.optional(at("role_arn"), errors).or_else(|| variable(environment, "AWS_ROLE_ARN"));
        let session_name = self.session_name.optional(at("session_name"), errors);
        let session_name = session_name.or_else(|| variable(environment, "AWS_ROLE_SESSION_NAME"));
        let token_file = self.token_file.optional(at("token_file"), errors);
        let token_file = token_file.or_else(|| variable(environment, "AWS_WEB_IDENTITY_TOKEN_FILE"));
        let keys = RoleKeys { cluster: self.cluster, sts_host: self.sts_host, session_name };
        let file_cluster = self.file_cluster.optional(at("file_cluster"), errors);
        let (role_arn, token_file) = match (role_arn, token_file) {
            (Some(role_arn), Some(token_file)) => (role_arn, token_file),
            (role_arn, _) => {
                let (key, variable) = match role_arn {
                    None => ("role_arn", "AWS_ROLE_ARN"),
                    Some(_) => ("token_file", "AWS_WEB_IDENTITY_TOKEN_FILE"),
                };
                return Some(ProviderSetup::Missing(format!(
                    "{key} is not set, and vm_config.environment_variables does not pass {variable} to the VM"
                )));
            }
        };
        let file = ServedFile::from_keys(file_cluster, &token_file, "token_file", path, errors);
        let role = keys.check(role_arn, path, errors)?;
        let web_identity = WebIdentity { role, file: file?, token: None };
        Some(ProviderSetup::Ready(web_identity))
    }
}

impl WebIdentity {
    /// Performs a step. Every refresh starts with the file, because the kubelet replaces the token before it expires.
    pub(crate) fn step(
        &mut self,
        answer: Option<&Response>,
        ProviderContext { region, .. }: ProviderContext<'_>,
    ) -> ProviderStep {
        match (answer, self.token.take()) {
            (None, _) => ProviderStep::Call(self.file.read()),
            (Some(answer), None) => match self.file.token(answer) {
                Ok(token) => {
                    let parameters = [
                        ("RoleArn", self.role.arn.as_str()),
                        ("RoleSessionName", &self.role.session_name),
                        ("WebIdentityToken", token),
                    ];
                    let call = self.role.sts.call(region, "AssumeRoleWithWebIdentity", &parameters);
                    self.token = Some(Secret::new(token));
                    ProviderStep::Call(call)
                }
                Err(reason) => ProviderStep::soon(reason),
            },
            (Some(answer), Some(token)) => self.role.sts.read(answer, Some(&token)),
        }
    }
}

impl fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebIdentity").field("role_arn", &self.role.arn).finish_non_exhaustive()
    }
}
