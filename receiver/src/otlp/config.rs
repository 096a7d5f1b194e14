//! The configuration of the OTLP endpoint.

use acpw_config::{Field, Members, Object, Secret, ShortOr, ValidationErrors, object};

use super::{naming::Naming, resource};
use crate::{
    endpoint::is_host,
    environment::{Environment, variable},
};

/// The path of metrics by the OTLP specification, and of CloudWatch's endpoint.
const DEFAULT_PATH: &str = "/v1/metrics";

/// The environment variable of the bearer token.
const BEARER_VARIABLE: &str = "ACPW_OTLP_BEARER_TOKEN";

/// Headers that the receiver sets itself, or that belong to the connection.
const RESERVED_HEADERS: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];

object! {
    /// An OTLP endpoint.
    pub struct RawOtlpEndpoint {
        /// The name of the Envoy cluster that leads to the endpoint. Required.
        cluster_name: String,
        /// The host of the endpoint. Default: `monitoring.REGION.amazonaws.com`, or as the region's partition has it.
        host: String,
        /// The path of the endpoint. Default: `/v1/metrics`.
        path: String,
        /// The authentication of requests: `sigv4` signs them with the receiver's credentials for CloudWatch, `bearer`
        /// adds `bearer_token`, and `none` adds nothing. Default: `sigv4`.
        signing: String,
        /// The token of `"signing": "bearer"`. Default: the environment variable `ACPW_OTLP_BEARER_TOKEN`.
        bearer_token: Secret,
        /// Headers of each request by name. A value is a text, or an object with the name of an environment variable.
        /// Default: none.
        headers: Members<ShortOr<RawOtlpHeader>>,
        /// The names of metrics and attributes: `opentelemetry` uses those of OpenTelemetry's semantic conventions
        /// where they have one, and `cloudwatch` those of CloudWatch. Default: `opentelemetry`.
        naming: String,
        /// The meaning of sums and histograms: `delta` publishes what was measured in a period, and `cumulative` what
        /// was measured since the start of the series. Default: `delta`.
        temporality: String,
        /// The maximum number of series whose totals are kept for `"temporality": "cumulative"`, 1 to 1,000,000. Data
        /// of further series are dropped and counted. A series without data for an hour makes room. Default: 10000.
        max_series: u64,
        /// The maximum size in bytes of a request before compression, 65,536 to 16,777,216. Default: 1000000.
        max_request_bytes: u64,
        /// The maximum number of data points in a request, 2 to 100,000. Default: 1000.
        max_data_points: u64,
        /// Resource attributes by name. They replace those of the environment. Default: none.
        resource_attributes: Members<String>,
        /// The maximum number of bytes of memory for data that the endpoint has not accepted, 65,536 to 268,435,456.
        /// Beyond, old data are merged into longer periods, and then the oldest are dropped and counted. Default:
        /// 8388608.
        buffer_limit_bytes: u64,
    }
}

object! {
    /// A header from the environment.
    pub struct RawOtlpHeader {
        /// The name of an environment variable in `vm_config.environment_variables`. Required.
        environment: String,
    }
}

/// A valid configuration of an OTLP endpoint.
#[derive(Clone, Debug)]
pub struct OtlpConfig {
    /// The Envoy cluster that leads to the endpoint.
    pub cluster: String,
    /// The host, unless it is that of CloudWatch in the region.
    pub host: Option<String>,
    /// The path.
    pub path: String,
    /// The authentication of requests.
    pub authentication: Authentication,
    /// Additional headers, with lower-case names.
    pub headers: Vec<(String, Secret)>,
    /// The names of metrics and attributes.
    pub naming: Naming,
    /// The maximum number of series whose totals are kept, or `None` if the temporality is delta.
    pub totals_limit: Option<usize>,
    /// The maximum size in bytes of a request before compression.
    pub max_request_bytes: usize,
    /// The maximum number of data points in a request.
    pub max_data_points: usize,
    /// The resource attributes of the configuration and the environment.
    pub resource_attributes: Vec<(String, String)>,
    /// The maximum number of bytes of memory for data that the endpoint has not accepted.
    pub buffer_limit: usize,
}

/// The authentication of requests to the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// With AWS Signature Version 4, as requests to CloudWatch are.
    SigV4,
    /// With a bearer token.
    Bearer(Secret),
    /// Not at all, or by a header of the configuration.
    None,
}

impl RawOtlpEndpoint {
    /// Validates the object at the path `otlp`.
    pub(crate) fn check(self, environment: Environment<'_>, errors: &mut ValidationErrors) -> Option<OtlpConfig> {
        self.check_keys("otlp", errors);
        let cluster = self.cluster_name.required("otlp.cluster_name", errors);
        if cluster.as_deref() == Some("") {
            errors.add("otlp.cluster_name", "must be the name of an Envoy cluster, got an empty text");
        }
        let host = self.host.optional("otlp.host", errors);
        if let Some(host) = host.as_deref().filter(|host| !is_host(host)) {
            let host = host.escape_default();
            errors.add("otlp.host", format_args!("must be a name or address, with or without a port, got \"{host}\""));
        }
        let path = self.path.optional("otlp.path", errors).unwrap_or_else(|| DEFAULT_PATH.to_owned());
        let is_path_byte = |byte: u8| byte.is_ascii_graphic() && !b"?#".contains(&byte);
        if !path.starts_with('/') || !path.bytes().all(is_path_byte) {
            let path = path.escape_default();
            errors.add("otlp.path", format_args!("must start with / and have no query and no spaces, got \"{path}\""));
        }
        let authentication = authentication(self.signing, self.bearer_token, environment, errors);
        let headers = headers(self.headers, authentication.as_ref(), environment, errors);
        let naming = match self.naming.optional("otlp.naming", errors).as_deref() {
            None | Some("opentelemetry") => Naming::OpenTelemetry,
            Some("cloudwatch") => Naming::CloudWatch,
            Some(_) => {
                errors.add("otlp.naming", "must be \"opentelemetry\" or \"cloudwatch\"");
                Naming::OpenTelemetry
            }
        };
        let totals_limit = totals_limit(self.temporality, self.max_series, errors);
        let resource_attributes = resource::configured(self.resource_attributes, environment, errors);
        let size = |field: Field<u64>, key: &str, range, default, errors: &mut ValidationErrors| {
            usize::try_from(field.within(key, range, default, errors)).unwrap_or(usize::MAX)
        };
        let max_request_bytes =
            size(self.max_request_bytes, "otlp.max_request_bytes", 1 << 16..=1 << 24, 1_000_000, errors);
        let max_data_points = size(self.max_data_points, "otlp.max_data_points", 2..=100_000, 1_000, errors);
        let buffer_limit = size(self.buffer_limit_bytes, "otlp.buffer_limit_bytes", 1 << 16..=1 << 28, 8 << 20, errors);
        Some(OtlpConfig {
            cluster: cluster?,
            host,
            path,
            authentication: authentication?,
            headers,
            naming,
            totals_limit,
            max_request_bytes,
            max_data_points,
            resource_attributes,
            buffer_limit,
        })
    }
}

fn totals_limit(temporality: Field<String>, limit: Field<u64>, errors: &mut ValidationErrors) -> Option<usize> {
    let is_cumulative = match temporality.optional("otlp.temporality", errors).as_deref() {
        None | Some("delta") => false,
        Some("cumulative") => true,
        Some(_) => {
            errors.add("otlp.temporality", "must be \"delta\" or \"cumulative\"");
            return None;
        }
    };
    if !is_cumulative && !matches!(limit, Field::Absent) {
        errors.add(
            "otlp.max_series",
            "has no effect without \"temporality\": \"cumulative\"; add it, or remove this key",
        );
        return None;
    }
    let limit = limit.within("otlp.max_series", 1..=1_000_000, 10_000, errors);
    is_cumulative.then(|| usize::try_from(limit).unwrap_or(usize::MAX))
}

fn authentication(
    signing: Field<String>,
    token: Field<Secret>,
    environment: Environment<'_>,
    errors: &mut ValidationErrors,
) -> Option<Authentication> {
    let signing = signing.optional("otlp.signing", errors);
    let token = token.optional("otlp.bearer_token", errors);
    let signing = signing.as_deref().unwrap_or("sigv4");
    if token.is_some() && signing != "bearer" {
        errors.add("otlp.bearer_token", "has no effect without \"signing\": \"bearer\"; add it, or remove this key");
    }
    match signing {
        "sigv4" => Some(Authentication::SigV4),
        "none" => Some(Authentication::None),
        "bearer" => {
            let given = token.filter(|token| !token.expose().is_empty());
            let Some(token) = given.or_else(|| variable(environment, BEARER_VARIABLE).map(Secret::new)) else {
                errors.add(
                    "otlp.bearer_token",
                    format_args!(
                        "is required: set it here, or set {BEARER_VARIABLE} for Envoy and list it in \
                         vm_config.environment_variables.host_env_keys"
                    ),
                );
                return None;
            };
            if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
                errors.add("otlp.bearer_token", "must consist of visible ASCII characters");
            }
            Some(Authentication::Bearer(token))
        }
        _ => {
            errors.add("otlp.signing", "must be \"sigv4\", \"bearer\" or \"none\"");
            None
        }
    }
}

fn headers(
    raw: Field<Members<ShortOr<RawOtlpHeader>>>,
    authentication: Option<&Authentication>,
    environment: Environment<'_>,
    errors: &mut ValidationErrors,
) -> Vec<(String, Secret)> {
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for (name, value) in raw.optional("otlp.headers", errors).unwrap_or_default().0 {
        let path = format!("otlp.headers.{}", name.escape_default());
        let lower = name.to_ascii_lowercase();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            errors.add(&path, "is not the name of an HTTP header");
            continue;
        }
        if RESERVED_HEADERS.contains(&lower.as_str()) {
            errors.add(&path, "is set by the receiver; remove it");
            continue;
        }
        if lower == "authorization" && authentication.is_some_and(|used| *used != Authentication::None) {
            errors.add(&path, "cannot be combined with otlp.signing; set that to \"none\", or remove this header");
            continue;
        }
        if headers.iter().any(|(known, _)| *known == lower) {
            errors.add(&path, "is listed twice; remove one of the two");
            continue;
        }
        let text = match value.required(&path, errors) {
            None => continue,
            Some(ShortOr::Short(text)) => text,
            Some(ShortOr::Full(raw)) => {
                raw.check_keys(&path, errors);
                let Some(name) = raw.environment.required(format_args!("{path}.environment"), errors) else { continue };
                let Some(text) = variable(environment, &name) else {
                    let name = name.escape_default();
                    errors.add(
                        format_args!("{path}.environment"),
                        format_args!(
                            "the environment variable {name} is not set; set it in vm_config.environment_variables"
                        ),
                    );
                    continue;
                };
                text
            }
        };
        let is_value = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        if text.trim_ascii() != text || !text.bytes().all(is_value) {
            errors.add(path, "must have a value of printable ASCII characters, without spaces at its ends");
            continue;
        }
        headers.push((lower, Secret::new(text)));
    }
    headers
}

#[cfg(test)]
mod tests {
    use acpw_config::read;

    use super::*;

    fn checked(document: &str) -> (Option<OtlpConfig>, Vec<String>) {
        let environment = |name: &str| match name {
            "TOKEN" => Some("TOPSECRET-header".to_owned()),
            "ACPW_OTLP_BEARER_TOKEN" if document.contains("from_environment") => Some("TOPSECRET-token".to_owned()),
            _ => None,
        };
        let (raw, mut errors) = read::<RawOtlpEndpoint>(document.replace("from_environment", "").as_bytes()).unwrap();
        let config = raw.check(&environment, &mut errors);
        (config, errors.lines().collect())
    }

    #[test]
    fn defaults_are_those_of_cloudwatch() {
        let (config, errors) = checked(r#"{"cluster_name": "otlp"}"#);
        let config = config.unwrap();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!((config.path.as_str(), config.host, config.naming), ("/v1/metrics", None, Naming::OpenTelemetry));
        assert_eq!(config.authentication, Authentication::SigV4);
        assert_eq!(
            (config.max_request_bytes, config.max_data_points, config.buffer_limit, config.totals_limit),
            (1_000_000, 1_000, 8 << 20, None)
        );
    }

    #[test]
    fn the_number_of_totals_is_limited() {
        let limit = |keys: &str| {
            let (config, errors) = checked(&format!(r#"{{"cluster_name": "otlp", {keys}}}"#));
            (config.unwrap().totals_limit, errors.concat())
        };
        assert_eq!(limit(r#""temporality": "cumulative""#), (Some(10_000), String::new()));
        assert_eq!(limit(r#""temporality": "cumulative", "max_series": 7"#), (Some(7), String::new()));
        assert_eq!(limit(r#""temporality": "delta""#), (None, String::new()));
        for (keys, error) in [
            (r#""temporality": "both""#, "otlp.temporality: must be \"delta\" or \"cumulative\""),
            (
                r#""max_series": 7"#,
                "otlp.max_series: has no effect without \"temporality\": \"cumulative\"; add it, or remove this key",
            ),
            (
                r#""temporality": "cumulative", "max_series": 0"#,
                "otlp.max_series: must be between 1 and 1000000, got 0",
            ),
        ] {
            assert_eq!(limit(keys).1, error);
        }
    }

    #[test]
    fn tokens_and_headers_are_taken_from_the_environment_and_never_shown() {
        let (config, errors) = checked(
            r#"{"cluster_name": "c", "signing": "bearer", "path": "/otlpfrom_environment",
                "headers": {"X-Scope-OrgID": "tenant", "x-key": {"environment": "TOKEN"}}}"#,
        );
        assert!(errors.is_empty(), "{errors:?}");
        let config = config.unwrap();
        assert_eq!(config.authentication, Authentication::Bearer(Secret::new("TOPSECRET-token")));
        let headers: Vec<_> = config.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(headers, [("x-scope-orgid", "tenant"), ("x-key", "TOPSECRET-header")]);
        assert!(!format!("{config:?}").contains("TOPSECRET"));
    }

    #[test]
    fn every_error_has_its_path_and_says_what_to_do() {
        let document = r#"{"host": "a b", "path": "metrics?x", "signing": "bearer", "naming": "prometheus",
            "max_request_bytes": 1, "max_data_points": 0, "buffer_limit_bytes": 5, "cluster": "c",
            "resource_attributes": {"": "x", "service.name": ""},
            "headers": {"content-type": "x", "a b": "x", "x": {"environment": "GONE"}, "y": " z", "Authorization": "z"}}"#;
        let expected = [
            "otlp.cluster: unknown key; known keys are cluster_name, host, path, signing, bearer_token, headers, naming, \
             temporality, max_series, max_request_bytes, max_data_points, resource_attributes, buffer_limit_bytes",
            "otlp.cluster_name: is required",
            "otlp.host: must be a name or address, with or without a port, got \"a b\"",
            "otlp.path: must start with / and have no query and no spaces, got \"metrics?x\"",
            "otlp.bearer_token: is required: set it here, or set ACPW_OTLP_BEARER_TOKEN for Envoy and list it in \
             vm_config.environment_variables.host_env_keys",
            "otlp.headers.a b: is not the name of an HTTP header",
            "otlp.headers.content-type: is set by the receiver; remove it",
            "otlp.headers.x.environment: the environment variable GONE is not set; set it in \
             vm_config.environment_variables",
            "otlp.headers.y: must have a value of printable ASCII characters, without spaces at its ends",
            "otlp.naming: must be \"opentelemetry\" or \"cloudwatch\"",
            "otlp.resource_attributes: must have names and values of at least one character",
            "otlp.resource_attributes.service.name: must have names and values of at least one character",
            "otlp.max_request_bytes: must be between 65536 and 16777216, got 1",
            "otlp.max_data_points: must be between 2 and 100000, got 0",
            "otlp.buffer_limit_bytes: must be between 65536 and 268435456, got 5",
        ];
        let mut errors = checked(document).1;
        // `read` has already reported unknown keys of the root.
        errors.retain(|line| !line.starts_with("cluster:"));
        assert_eq!(errors, expected);
    }

    #[test]
    fn keys_without_effect_are_refused() {
        let errors = |extra: &str| checked(&format!(r#"{{"cluster_name": "c", {extra}}}"#)).1;
        assert_eq!(
            errors(r#""bearer_token": "t""#),
            ["otlp.bearer_token: has no effect without \"signing\": \"bearer\"; add it, or remove this key"]
        );
        assert_eq!(
            errors(r#""headers": {"authorization": "t"}"#),
            ["otlp.headers.authorization: cannot be combined with otlp.signing; set that to \"none\", or remove this \
              header"]
        );
        assert_eq!(errors(r#""signing": "none", "headers": {"authorization": "t"}"#), [""; 0]);
        assert_eq!(errors(r#""signing": "basic""#), ["otlp.signing: must be \"sigv4\", \"bearer\" or \"none\""]);
    }
}
