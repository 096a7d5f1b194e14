//! The provider `assume_role`: STS's AssumeRole with the credentials of another provider.

use acpw_sigv4::{PayloadHash, SignableRequest, Signer, SigningScope};

use super::{
    Call, CredentialSet, Response,
    role_keys::Role,
    step::{ProviderContext, ProviderStep},
};

/// Assumes a role with credentials that another provider has returned.
#[derive(Clone, Debug)]
pub struct AssumeRole {
    role: Role,
    external_id: Option<String>,
    /// True if the last call was one to STS.
    has_called: bool,
}

impl AssumeRole {
    pub(crate) fn new(role: Role, external_id: Option<String>) -> Self {
        Self { role, external_id, has_called: false }
    }

    /// Returns the ARN of the role.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn arn(&self) -> &str {
        &self.role.arn
    }

    /// Returns true if the last call was one to STS, whose response [`read`](Self::read) reads.
    pub(crate) fn has_called(&self) -> bool {
        self.has_called
    }

    /// Starts again: the other provider returns its credentials first.
    pub(crate) fn restart(&mut self) {
        self.has_called = false;
    }

    /// Reads the response of STS.
    pub(crate) fn read(&self, answer: &Response) -> ProviderStep {
        self.role.sts.read(answer, None)
    }

    /// Returns the call to STS, signed with the credentials of the other provider.
    pub(crate) fn assume(&mut self, set: CredentialSet, context: ProviderContext<'_>) -> ProviderStep {
        let mut parameters = vec![("RoleArn", self.role.arn.as_str()), ("RoleSessionName", &self.role.session_name)];
        parameters.extend(self.external_id.as_deref().map(|id| ("ExternalId", id)));
        let call = self.role.sts.call(context.region, "AssumeRole", &parameters);
        match self.signed(call, set, context) {
            Ok(call) => {
                self.has_called = true;
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
            host: &self.role.sts.host(region),
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
