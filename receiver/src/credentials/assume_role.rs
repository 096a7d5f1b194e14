//! The provider `assume_role`: STS's AssumeRole with the credentials of another provider.

use acpw_config::{ValidationErrors, object};
use acpw_sigv4::{PayloadHash, SignableRequest, Signer, SigningScope};

use super::{
    Call, CredentialSet, Provider, Response,
    raw::{RawProvider, RoleKeys},
    step::{Environment, ProviderContext, ProviderSetup, ProviderStep},
    sts::Sts,
};

object! {
    /// A role to assume with the credentials of another provider.
    pub struct RawAssumeRole {
        /// `assume_role`
        provider: String,
        /// The Envoy cluster of STS. Required.
        cluster: String,
        /// The host of STS. Default: `sts.REGION.amazonaws.com`, or the region's host in other partitions.
        sts_host: String,
        /// The ARN of the role. Required.
        role_arn: String,
        /// The external ID, if the role's trust policy requires one.
        external_id: String,
        /// The session name. Default: `acpw`.
        session_name: String,
        /// The provider whose credentials assume the role. Required.
        source: RawProvider,
    }
}

/// Assumes a role with the credentials of another provider.
#[derive(Clone, Debug)]
pub struct AssumeRole {
    source: Provider,
    sts: Sts,
    role_arn: String,
    external_id: Option<String>,
    session_name: String,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Source,
    Role,
}

impl RawAssumeRole {
    pub(crate) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        faults: &mut ValidationErrors,
    ) -> Option<ProviderSetup> {
        let at = |key: &str| format!("{path}.{key}");
        let role_arn = self.role_arn.required(at("role_arn"), faults);
        let external_id = self.external_id.optional(at("external_id"), faults);
        let session_name = self.session_name.optional(at("session_name"), faults);
        let keys = RoleKeys { cluster: self.cluster, sts_host: self.sts_host, session_name };
        let role = keys.check(role_arn.unwrap_or_default(), path, faults);
        let source_path = at("source");
        let source = self.source.required(&source_path, faults);
        let source = match source?.check(&source_path, environment, faults)? {
            ProviderSetup::Provider(Provider::Envoy) => {
                faults.add(
                    source_path,
                    "must not be the provider envoy, which has no credentials to sign the AssumeRole request with",
                );
                return None;
            }
            ProviderSetup::Provider(source) => source,
            ProviderSetup::Missing(reason) => return Some(ProviderSetup::Missing(reason)),
        };
        let (sts, role_arn, session_name) = role?;
        let assume_role = AssumeRole { source, sts, role_arn, external_id, session_name, stage: Stage::Source };
        Some(ProviderSetup::Provider(Provider::AssumeRole(Box::new(assume_role))))
    }
}

impl AssumeRole {
    pub(crate) fn source(&self) -> &Provider {
        &self.source
    }

    /// Returns the ARN of the role.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn role_arn(&self) -> &str {
        &self.role_arn
    }

    pub(crate) fn step(&mut self, answer: Option<&Response>, context: ProviderContext<'_>) -> ProviderStep {
        match (answer, self.stage) {
            (Some(answer), Stage::Role) => self.sts.read(answer, None),
            (answer, _) => {
                self.stage = Stage::Source;
                match self.source.step(answer, context) {
                    ProviderStep::Ready(set) => self.assume(set, context),
                    other => other,
                }
            }
        }
    }

    fn assume(&mut self, set: CredentialSet, context: ProviderContext<'_>) -> ProviderStep {
        let mut parameters = vec![("RoleArn", self.role_arn.as_str()), ("RoleSessionName", &self.session_name)];
        parameters.extend(self.external_id.as_deref().map(|id| ("ExternalId", id)));
        let call = self.sts.call(context.region, "AssumeRole", &parameters);
        match self.signed(call, set, context) {
            Ok(call) => {
                self.stage = Stage::Role;
                ProviderStep::Call(call)
            }
            Err(reason) => ProviderStep::soon(reason),
        }
    }

    fn signed(
        &self,
        mut call: Call,
        set: CredentialSet,
        ProviderContext { now, region }: ProviderContext<'_>,
    ) -> Result<Call, String> {
        let scope = SigningScope::new(region.as_str(), "sts").map_err(|error| error.to_string())?;
        let headers = call.headers.iter().filter(|(name, _)| !name.starts_with(':'));
        let headers: Vec<(&str, &str)> = headers.map(|(name, value)| (*name, value.as_str())).collect();
        let request = SignableRequest {
            method: "POST",
            host: &self.sts.host(region),
            path: "/",
            query: "",
            headers: &headers,
            body: &call.body,
            payload_hash: PayloadHash::Implied,
        };
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let signed = Signer::new(set.credentials, scope).sign(&request, seconds).map_err(|error| error.to_string())?;
        call.headers.extend(signed.headers().map(|(name, value)| (name, value.to_owned())));
        call.signed_at = Some(now);
        Ok(call)
    }
}
