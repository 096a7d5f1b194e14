//! The provider `container`: the credentials endpoint of ECS and of EKS Pod Identity.

use std::fmt;

use acpw_config::{Secret, ValidationErrors, object};

use super::{
    Call, Response, document,
    file::{ServedFile, is_safe_path, is_token},
    step::{ProviderSetup, ProviderStep},
};
use crate::environment::{Environment, variable};

object! {
    /// The credentials endpoint of ECS or EKS Pod Identity. Keys that are absent here default to the environment
    /// variables that ECS and EKS set.
    pub struct RawContainer {
        /// `container`
        provider: String,
        /// The Envoy cluster of the endpoint. Required.
        cluster: String,
        /// The path of the endpoint on 169.254.170.2. It takes precedence over `full_uri`. Default:
        /// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`.
        relative_uri: Secret,
        /// The URI of the endpoint: `https`, or `http` on 169.254.170.2, 169.254.170.23, [fd00:ec2::23] or a loopback
        /// address. Default: `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
        full_uri: Secret,
        /// The value of the `authorization` header. Default: `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
        authorization_token: Secret,
        /// A file with the value of the `authorization` header, read before each request. It takes precedence over
        /// `authorization_token`. Default: `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`.
        authorization_token_file: String,
        /// The Envoy cluster of the file server. Required with a file.
        file_cluster: String,
    }
}

/// The host of the ECS agent.
const ECS_AUTHORITY: &str = "169.254.170.2";

/// Hosts that may be used without TLS, besides loopback addresses. A token sent to any other host could be read on the
/// way.
const PLAIN_HOSTS: [&str; 3] = [ECS_AUTHORITY, "169.254.170.23", "[fd00:ec2::23]"];

/// Fetches credentials from a container credentials endpoint. `Debug` shows neither the token nor the path, which is a
/// secret in ECS.
#[derive(Clone)]
pub struct ContainerProvider {
    cluster: String,
    endpoint: Endpoint,
    authorization: Authorization,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Endpoint {
    scheme: &'static str,
    authority: String,
    path: String,
}

#[derive(Clone)]
enum Authorization {
    None,
    Token(Secret),
    File(ServedFile),
}

#[derive(Clone, Copy)]
enum Stage {
    Token,
    Keys,
}

impl RawContainer {
    pub(crate) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        errors: &mut ValidationErrors,
    ) -> Option<ProviderSetup<ContainerProvider>> {
        let at = |key: &str| format!("{path}.{key}");
        let cluster = self.cluster.required(at("cluster"), errors);
        let given = |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned());
        let relative = given(self.relative_uri.optional(at("relative_uri"), errors));
        let full = given(self.full_uri.optional(at("full_uri"), errors));
        // Any configured key takes precedence over all environment variables.
        let (relative, full) = match (relative, full) {
            (None, None) => (
                variable(environment, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
                variable(environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
            ),
            configured => configured,
        };
        let token = given(self.authorization_token.optional(at("authorization_token"), errors));
        let file = self.authorization_token_file.optional(at("authorization_token_file"), errors);
        let (token, file) = match (token, file) {
            (None, None) => (
                variable(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN"),
                variable(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            ),
            configured => configured,
        };
        let file_cluster = self.file_cluster.optional(at("file_cluster"), errors);
        let (endpoint, key) = match (relative, full) {
            (Some(path), _) => (Endpoint::relative(path), "relative_uri"),
            (None, Some(uri)) => (Endpoint::full(&uri), "full_uri"),
            (None, None) => {
                return Some(ProviderSetup::Missing(
                    "vm_config.environment_variables passes neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor \
                     AWS_CONTAINER_CREDENTIALS_FULL_URI to the VM"
                        .to_owned(),
                ));
            }
        };
        let endpoint = endpoint.map_err(|error| errors.add(at(key), error)).ok();
        let authorization = match (file, token) {
            (Some(file), _) => ServedFile::from_keys(file_cluster, &file, "authorization_token_file", path, errors)
                .map(Authorization::File),
            (None, Some(token)) if is_token(token.trim_end()) => {
                Some(Authorization::Token(Secret::new(token.trim_end())))
            }
            (None, Some(_)) => {
                errors.add(at("authorization_token"), "must be one line of printable ASCII");
                None
            }
            (None, None) => Some(Authorization::None),
        };
        let container = ContainerProvider {
            cluster: cluster?,
            endpoint: endpoint?,
            authorization: authorization?,
            stage: Stage::Keys,
        };
        Some(ProviderSetup::Ready(container))
    }
}

impl Endpoint {
    fn relative(path: String) -> Result<Self, &'static str> {
        if !is_valid_path(&path) {
            return Err("must start with \"/\" and must not contain \"..\", \"#\", spaces or line breaks");
        }
        Ok(Self { scheme: "http", authority: ECS_AUTHORITY.to_owned(), path })
    }

    fn full(uri: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = match (uri.strip_prefix("http://"), uri.strip_prefix("https://")) {
            (Some(rest), _) => ("http", rest),
            (None, Some(rest)) => ("https", rest),
            (None, None) => return Err("must start with http:// or https://"),
        };
        let (authority, path) = match rest.find(['/', '?', '#']).and_then(|at| rest.split_at_checked(at)) {
            Some((authority, path)) if path.starts_with('/') => (authority, path),
            Some(_) => return Err("must have a path before the query, and no fragment"),
            None => (rest, "/"),
        };
        let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(is_host_byte) {
            return Err("must have a host, optionally with a port");
        }
        if !is_valid_path(path) {
            return Err("must not contain \"..\", a fragment, spaces or line breaks in its path");
        }
        if scheme == "http" && !is_plain_host(authority) {
            return Err(
                "must use https unless the host is 169.254.170.2, 169.254.170.23, [fd00:ec2::23] or a loopback address",
            );
        }
        Ok(Self { scheme, authority: authority.to_owned(), path: path.to_owned() })
    }
}

/// Returns true if a path, optionally with a query, is safe to request.
fn is_valid_path(path: &str) -> bool {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_query_byte = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    path.starts_with('/') && is_safe_path(path) && query.bytes().all(is_query_byte)
}

fn is_plain_host(authority: &str) -> bool {
    // A bracketed IPv6 address contains colons.
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    let is_loopback = host == "localhost"
        || host == "[::1]"
        || (host.starts_with("127.") && host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
    is_loopback || PLAIN_HOSTS.contains(&host)
}

impl ContainerProvider {
    pub(crate) fn step(&mut self, answer: Option<&Response>) -> ProviderStep {
        match (answer, self.stage, &self.authorization) {
            (None, _, Authorization::None) => self.request(None),
            (None, _, Authorization::Token(token)) => self.request(Some(token.clone())),
            (None, _, Authorization::File(file)) => {
                self.stage = Stage::Token;
                ProviderStep::Call(file.read())
            }
            (Some(answer), Stage::Token, Authorization::File(file)) => match file.token(answer) {
                Ok(token) => self.request(Some(Secret::new(token))),
                Err(reason) => ProviderStep::soon(reason),
            },
            (Some(answer), _, _) => self.handle_response(answer),
        }
    }

    fn request(&mut self, token: Option<Secret>) -> ProviderStep {
        self.stage = Stage::Keys;
        let Endpoint { scheme, authority, path } = &self.endpoint;
        let mut call = Call::local(&self.cluster, "GET", authority, path).with("accept", "application/json");
        for (name, value) in &mut call.headers {
            if *name == ":scheme" {
                (*scheme).clone_into(value);
            }
        }
        ProviderStep::Call(match token {
            Some(token) => call.with("authorization", token.expose()),
            None => call,
        })
    }

    /// Reads the response of the endpoint. Every failure may be temporary: the agent responds with 503 until it has the
    /// role's credentials.
    fn handle_response(&self, answer: &Response) -> ProviderStep {
        let reason = match answer {
            Response::Complete { status: 200, body, .. } => match document::set(body) {
                Ok(set) => return ProviderStep::Ready(set),
                Err(reason) => reason,
            },
            Response::Complete { status, body, .. } => format!("status {status}{}", document::code(body)),
            Response::Missing(reason) => reason.clone(),
        };
        ProviderStep::soon(format!("{} through cluster \"{}\": {reason}", self.endpoint.authority, self.cluster))
    }
}

impl fmt::Debug for ContainerProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerProvider").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_hosts_are_used_without_tls() {
        let allowed = [
            "http://169.254.170.2/v2/credentials/x",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://[fd00:ec2::23]:80/v1/credentials?a=b%20c",
            "http://localhost:8080/x",
            "http://127.0.0.1/x",
            "http://127.255.0.9:81",
            "http://[::1]:81/x",
            "https://example.com/x",
            "https://example.com:8443",
        ];
        for uri in allowed {
            assert!(Endpoint::full(uri).is_ok(), "{uri}");
        }
        let refused = [
            "http://example.com/x",
            "http://169.254.169.254/latest",
            "http://169.254.170.2.example.com/x",
            "http://169.254.170.23@example.com/x",
            "http://127.0.0.1.example.com/x",
            "http://127.example.com/x",
            "http://localhost.example.com/x",
            "http://[fd00:ec2::24]/x",
            "http://[::1].example.com/x",
            "http://128.0.0.1/x",
            "http://0.0.0.0/x",
            "http:///x",
            "https:///x",
            "ftp://127.0.0.1/x",
            "/v2/credentials",
            "",
        ];
        for uri in refused {
            assert!(Endpoint::full(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn paths_with_dots_and_control_characters_are_refused() {
        for path in ["", "v2", "/../x", "/v2/../x", "/v2/%2e%2e/x", "/a b", "/a\r\nb", "/a#b"] {
            assert!(Endpoint::relative(path.to_owned()).is_err(), "{path}");
            assert!(Endpoint::full(&format!("http://127.0.0.1{path}")).is_err() || path.is_empty(), "{path}");
        }
        let endpoint = Endpoint::full("https://h:1/a/b?c=d").unwrap();
        assert_eq!(
            (endpoint.scheme, endpoint.authority.as_str(), endpoint.path.as_str()),
            ("https", "h:1", "/a/b?c=d")
        );
    }
}
