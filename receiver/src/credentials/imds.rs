//! The provider `imds`: EC2's instance metadata service version 2.

use std::fmt;

use acpw_config::{Secret, ValidationErrors, object};

use super::{
    Call, Response, document,
    file::is_token,
    step::{ProviderSetup, ProviderStep},
};
use crate::environment::{Environment, variable};

object! {
    /// The role of the EC2 instance, from the instance metadata service (IMDSv2).
    pub struct RawImds {
        /// `imds`
        provider: String,
        /// The Envoy cluster of the metadata service. Required.
        cluster: String,
    }
}

const AUTHORITY: &str = "169.254.169.254";
const ROLE_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// Fetches the credentials of the instance's role from the metadata service. `Debug` shows no token.
#[derive(Clone, Debug)]
pub struct Imds {
    session: ImdsSession,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Token,
    Role,
    Keys { role: String },
}

impl RawImds {
    pub(crate) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        errors: &mut ValidationErrors,
    ) -> Option<ProviderSetup<Imds>> {
        let cluster = self.cluster.required(format_args!("{path}.cluster"), errors)?;
        let is_disabled = variable(environment, "AWS_EC2_METADATA_DISABLED");
        if is_disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Some(ProviderSetup::Missing("AWS_EC2_METADATA_DISABLED is true".to_owned()));
        }
        Some(ProviderSetup::Ready(Imds { session: ImdsSession::new(&cluster), stage: Stage::Token }))
    }
}

impl Imds {
    pub(crate) fn cluster(&self) -> &str {
        &self.session.cluster
    }

    pub(crate) fn step(&mut self, answer: Option<&Response>) -> ProviderStep {
        let Some(answer) = answer else {
            self.stage = Stage::Token;
            return ProviderStep::Call(self.session.request_token());
        };
        match &self.stage {
            Stage::Token => match self.session.handle_token(answer) {
                Ok(()) => {
                    self.stage = Stage::Role;
                    ProviderStep::Call(self.session.request(ROLE_PATH))
                }
                Err(reason) => self.unreachable(answer, reason),
            },
            Stage::Role => match self.session.text(answer) {
                Ok(Some(text)) => self.role(text.lines().next().unwrap_or_default().trim()),
                Ok(None) => ProviderStep::NotLoaded("the instance has no role; attach an instance profile".to_owned()),
                Err(reason) => ProviderStep::soon(reason),
            },
            Stage::Keys { role } => match self.session.text(answer).and_then(|text| {
                let text =
                    text.ok_or_else(|| format!("the metadata service has no credentials for the role {role}"))?;
                document::set(text.as_bytes()).map_err(|error| format!("the role {role}: {error}"))
            }) {
                Ok(mut set) => {
                    set.outlives_expiry = true;
                    ProviderStep::Ready(set)
                }
                Err(reason) => ProviderStep::soon(reason),
            },
        }
    }

    fn role(&mut self, role: &str) -> ProviderStep {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@-_".contains(&byte);
        if role.is_empty() || role == ".." || !role.bytes().all(is_name) {
            return ProviderStep::soon("the metadata service returned an invalid role name");
        }
        let call = self.session.request(&[ROLE_PATH, role].concat());
        self.stage = Stage::Keys { role: role.to_owned() };
        ProviderStep::Call(call)
    }

    /// Returns the step after a failure to get a token. Without a response, this is not EC2, or the network is not up
    /// yet.
    fn unreachable(&self, answer: &Response, reason: String) -> ProviderStep {
        match answer {
            Response::Missing(_) => ProviderStep::Unreachable(reason),
            Response::Complete { .. } => ProviderStep::soon(reason),
        }
    }
}

/// A session with the metadata service, which is identified by a token. Each refresh starts a new session.
#[derive(Clone)]
pub(crate) struct ImdsSession {
    cluster: String,
    token: Option<Secret>,
}

impl ImdsSession {
    pub(crate) fn new(cluster: &str) -> Self {
        Self { cluster: cluster.to_owned(), token: None }
    }

    /// Returns the request for a token.
    pub(crate) fn request_token(&self) -> Call {
        let call = Call::local(&self.cluster, "PUT", AUTHORITY, "/latest/api/token");
        call.with("x-aws-ec2-metadata-token-ttl-seconds", "21600")
    }

    /// Stores the token in a response.
    pub(crate) fn handle_token(&mut self, answer: &Response) -> Result<(), String> {
        let token = self.text(answer)?.map(str::trim_end).filter(|token| is_token(token));
        self.token = token.map(Secret::new);
        if self.token.is_some() { Ok(()) } else { Err(self.error("it returned no valid token")) }
    }

    /// Returns the request for a path, with the token.
    pub(crate) fn request(&self, path: &str) -> Call {
        let call = Call::local(&self.cluster, "GET", AUTHORITY, path);
        match &self.token {
            Some(token) => call.with("x-aws-ec2-metadata-token", token.expose()),
            None => call,
        }
    }

    /// Returns the text of a response, or `None` if the path does not exist.
    pub(crate) fn text<'a>(&self, answer: &'a Response) -> Result<Option<&'a str>, String> {
        match answer {
            Response::Complete { status: 200, body, .. } => {
                std::str::from_utf8(body).map(Some).map_err(|_| self.error("the response is not UTF-8"))
            }
            Response::Complete { status: 404, .. } => Ok(None),
            Response::Complete { status, .. } => Err(self.error(&format!("status {status}"))),
            Response::Missing(reason) => Err(self.error(reason)),
        }
    }

    fn error(&self, reason: &str) -> String {
        format!("the metadata service through cluster \"{}\": {reason}", self.cluster)
    }
}

impl fmt::Debug for ImdsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImdsSession").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(status: u16, body: &[u8]) -> Response {
        Response::Complete { status, body: body.to_vec(), date: None }
    }

    /// Returns the reason why the last response fails, after a token and a role.
    fn failure(last: &Response) -> String {
        let mut imds = Imds { session: ImdsSession::new("imds"), stage: Stage::Token };
        for response in [None, Some(complete(200, b"TOKEN")), Some(complete(200, b"role"))] {
            assert!(matches!(imds.step(response.as_ref()), ProviderStep::Call(_)));
        }
        match imds.step(Some(last)) {
            ProviderStep::Failed(failure) => failure.reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_role_without_credentials_is_named() {
        assert_eq!(failure(&complete(404, b"")), "the metadata service has no credentials for the role role");
        let expected = "the metadata service through cluster \"imds\": the response is not UTF-8";
        assert_eq!(failure(&complete(200, b"\xff")), expected);
    }
}
