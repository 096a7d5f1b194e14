//! The provider `imds`: EC2's instance metadata service, version 2.

use std::fmt;

use acpw_config::{Faults, Secret, object};

use super::{
    Call, Provider, Response, document,
    file::is_token,
    step::{Environment, ProviderSetup, ProviderStep, variable},
};

object! {
    /// The role of the EC2 instance, from its metadata service (IMDSv2).
    pub struct RawImds {
        /// `imds`
        provider: String,
        /// The Envoy cluster that leads to the metadata service. Required.
        cluster: String,
    }
}

const AUTHORITY: &str = "169.254.169.254";
const ROLE_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// Asks the metadata service for the instance's role and its credentials. `Debug` shows no token.
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
    pub(crate) fn check(self, path: &str, environment: Environment<'_>, faults: &mut Faults) -> Option<ProviderSetup> {
        let cluster = self.cluster.required(format_args!("{path}.cluster"), faults)?;
        let is_disabled = variable(environment, "AWS_EC2_METADATA_DISABLED");
        if is_disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Some(ProviderSetup::Missing("AWS_EC2_METADATA_DISABLED is true".to_owned()));
        }
        Some(ProviderSetup::Provider(Provider::Imds(Imds { session: ImdsSession::new(&cluster), stage: Stage::Token })))
    }
}

impl Imds {
    pub(crate) fn cluster(&self) -> &str {
        &self.session.cluster
    }

    pub(crate) fn step(&mut self, answer: Option<&Response>) -> ProviderStep {
        let Some(answer) = answer else {
            self.stage = Stage::Token;
            return ProviderStep::Call(self.session.open());
        };
        match &self.stage {
            Stage::Token => match self.session.opened(answer) {
                Ok(()) => {
                    self.stage = Stage::Role;
                    ProviderStep::Call(self.session.read(ROLE_PATH))
                }
                Err(reason) => self.unreachable(answer, reason),
            },
            Stage::Role => match self.session.text(answer) {
                Ok(Some(text)) => self.role(text.lines().next().unwrap_or_default().trim()),
                Ok(None) => ProviderStep::NotLoaded(
                    "the metadata service knows no role: the instance has no profile".to_owned(),
                ),
                Err(reason) => ProviderStep::soon(reason),
            },
            Stage::Keys { role } => match self.session.text(answer).and_then(|text| {
                let text = text.ok_or_else(|| format!("the metadata service has no credentials of the role {role}"))?;
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
            return ProviderStep::soon("the metadata service answered with what is no role's name");
        }
        let call = self.session.read(&[ROLE_PATH, role].concat());
        self.stage = Stage::Keys { role: role.to_owned() };
        ProviderStep::Call(call)
    }

    /// Where nothing answers at its address there is no EC2, or no network yet.
    fn unreachable(&self, answer: &Response, reason: String) -> ProviderStep {
        match answer {
            Response::Missing(_) => ProviderStep::Unreachable(reason),
            Response::Complete { .. } => ProviderStep::soon(reason),
        }
    }
}

/// A session of the metadata service: a token, and what is asked with it. Each refresh opens one.
#[derive(Clone)]
pub(crate) struct ImdsSession {
    cluster: String,
    token: Option<Secret>,
}

impl ImdsSession {
    pub(crate) fn new(cluster: &str) -> Self {
        Self { cluster: cluster.to_owned(), token: None }
    }

    /// The request for a token.
    pub(crate) fn open(&self) -> Call {
        let call = Call::near(&self.cluster, "PUT", AUTHORITY, "/latest/api/token");
        call.with("x-aws-ec2-metadata-token-ttl-seconds", "21600")
    }

    /// Takes in the token.
    pub(crate) fn opened(&mut self, answer: &Response) -> Result<(), String> {
        let token = self.text(answer)?.map(str::trim_end).filter(|token| is_token(token));
        self.token = token.map(Secret::new);
        if self.token.is_some() { Ok(()) } else { Err(self.because("it gave no token")) }
    }

    /// The request for something, with the token.
    pub(crate) fn read(&self, path: &str) -> Call {
        let call = Call::near(&self.cluster, "GET", AUTHORITY, path);
        match &self.token {
            Some(token) => call.with("x-aws-ec2-metadata-token", token.expose()),
            None => call,
        }
    }

    /// What was answered; none when there is no such thing.
    pub(crate) fn text<'a>(&self, answer: &'a Response) -> Result<Option<&'a str>, String> {
        match answer {
            Response::Complete { status: 200, body, .. } => {
                std::str::from_utf8(body).map(Some).map_err(|_| self.because("the answer is not text"))
            }
            Response::Complete { status: 404, .. } => Ok(None),
            Response::Complete { status, .. } => Err(self.because(&format!("it answered {status}"))),
            Response::Missing(reason) => Err(self.because(reason)),
        }
    }

    fn because(&self, reason: &str) -> String {
        format!("the metadata service through cluster \"{}\": {reason}", self.cluster)
    }
}

impl fmt::Debug for ImdsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImdsSession").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}
