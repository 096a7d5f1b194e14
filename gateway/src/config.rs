//! Parses and validates the gateway's configuration.

use acpw_config::{Field, Object as _, Secret, ValidationErrors, object, read};
use acpw_metric::{DimensionName, DimensionValue, Dimensions, Namespace, quota::MAX_DIMENSIONS};

use crate::{
    authorization::{AccessKey, Authorization},
    otlp::rules::OtlpRules,
    rules::Rules,
};

/// The environment variable that sets the bearer token.
const TOKEN_VARIABLE: &str = "ACPW_GATEWAY_BEARER_TOKEN";

object! {
    /// Configuration of gateway.wasm.
    pub struct RawConfig {
        /// The `vm_id` in the receiver's `vm_config`; the gateway's own must be the same. Required.
        receiver_vm_id: String,
        /// Namespaces to accept; data in other namespaces is refused. Default: every namespace.
        namespaces: Vec<Field<String>>,
        /// Dimensions to add to every datum that has no dimension of that name. Default: none.
        default_dimensions: Vec<Field<RawDimension>>,
        /// The number of distinct values per series and second that are published exactly, 1 to 10,000. Beyond it they
        /// become a distribution, whose percentiles are within 1.1 %. Default: 1500.
        max_exact_values: u64,
        /// A token that requests must send as `Authorization: Bearer …`. It can be set in the environment variable
        /// `ACPW_GATEWAY_BEARER_TOKEN` instead. Default: no token is required.
        bearer_token: Secret,
        /// Access keys, one of which must have signed each request. The gateway and its clients share them; they need
        /// not exist in AWS. Default: signatures are not checked.
        access_keys: Vec<Field<RawAccessKey>>,
        /// The treatment of OTLP metrics, which `POST /v1/metrics` accepts.
        otlp: RawOtlp,
        /// Origins whose web pages may use the gateway, such as `https://example.com`. Default: none.
        cors_allow_origins: Vec<Field<String>>,
    }
}

object! {
    /// The treatment of OTLP metrics.
    pub struct RawOtlp {
        /// The namespace of the metrics. Default: the receiver's.
        namespace: String,
        /// Attributes of the resource that become dimensions, like all attributes of a data point. Default:
        /// `["service.name"]`.
        resource_attributes: Vec<Field<String>>,
        /// The number of cumulative streams whose last reading is kept to take differences, 1 to 100,000. The least
        /// recently exported ones are dropped first. Default: 5000.
        max_streams: u64,
    }
}

object! {
    /// A dimension.
    pub struct RawDimension {
        /// The dimension's name. Required.
        name: String,
        /// The dimension's value. Required.
        value: String,
    }
}

object! {
    /// An access key.
    pub struct RawAccessKey {
        /// The access key ID. Required.
        access_key_id: String,
        /// The secret access key. Required.
        secret_access_key: Secret,
    }
}

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The `vm_id` of the receiver, which owns the queue.
    pub receiver_vm_id: String,
    /// The rules for data, besides CloudWatch's own.
    pub rules: Rules,
    /// The rules for OTLP metrics.
    pub otlp: OtlpRules,
    /// The credentials that requests must have.
    pub authorization: Authorization,
    /// The origins whose web pages may use the gateway, in lower case.
    pub origins: Vec<String>,
}

impl Config {
    /// Parses a plugin configuration. `environment` returns the value of an environment variable.
    ///
    /// # Errors
    /// All errors of the document, each with the path of its key. None contains a secret.
    pub fn from_json(document: &[u8], environment: impl Fn(&str) -> Option<String>) -> Result<Self, ValidationErrors> {
        let (raw, mut faults) = read::<RawConfig>(document)?;
        let receiver_vm_id = raw.receiver_vm_id.required("receiver_vm_id", &mut faults).unwrap_or_default();
        let namespaces = namespaces(raw.namespaces, &mut faults);
        let default_dimensions = items(raw.default_dimensions, "default_dimensions", &mut faults, dimension);
        if let Err(error) = Dimensions::new(default_dimensions.clone()) {
            faults.add("default_dimensions", error);
        }
        let otlp = otlp(raw.otlp, &namespaces, &mut faults);
        let max_exact_values = raw.max_exact_values.within("max_exact_values", 1..=10_000, 1_500, &mut faults);
        let token = bearer_token(raw.bearer_token, environment(TOKEN_VARIABLE), &mut faults);
        let access_keys = access_keys(raw.access_keys, &mut faults);
        let origins = items(raw.cors_allow_origins, "cors_allow_origins", &mut faults, origin);
        faults.into_result(Self {
            receiver_vm_id,
            rules: Rules {
                namespaces,
                default_dimensions,
                max_exact_values: u32::try_from(max_exact_values).unwrap_or(u32::MAX),
            },
            otlp,
            authorization: Authorization { bearer_token: token, access_keys },
            origins,
        })
    }
}

/// Parses the items of a list, and returns those that are valid.
fn items<T: acpw_config::FromJson, U>(
    list: Field<Vec<Field<T>>>,
    name: &str,
    faults: &mut ValidationErrors,
    mut parse: impl FnMut(T, &str, &mut ValidationErrors) -> Option<U>,
) -> Vec<U> {
    let mut parsed = Vec::new();
    for (index, item) in list.optional(name, faults).into_iter().flatten().enumerate() {
        let path = format!("{name}[{index}]");
        if let Some(item) = item.required(&path, faults) {
            parsed.extend(parse(item, &path, faults));
        }
    }
    parsed
}

/// Returns the accepted namespaces; an empty list accepts all.
///
/// A configured list must not be empty. A template whose variable is empty writes one, and it would accept the data
/// that its author meant to keep out.
fn namespaces(list: Field<Vec<Field<String>>>, faults: &mut ValidationErrors) -> Vec<Namespace> {
    refuse_empty(&list, "namespaces", "every namespace", faults);
    items(list, "namespaces", faults, |name, path, faults| {
        if name.contains('*') {
            let name = name.escape_default();
            let message = format_args!("\"{name}\" contains *, but patterns are not supported; list each namespace");
            faults.add(path, message);
            return None;
        }
        faults.checked(path, Namespace::new(&name))
    })
}

/// Returns the rules for OTLP metrics. `namespaces` are the accepted ones; an empty list accepts all.
fn otlp(key: Field<RawOtlp>, namespaces: &[Namespace], faults: &mut ValidationErrors) -> OtlpRules {
    const NAMESPACE: &str = "otlp.namespace";
    const ATTRIBUTES: &str = "otlp.resource_attributes";
    let raw = key.optional("otlp", faults).unwrap_or_default();
    raw.check_keys("otlp", faults);
    let namespace = raw.namespace.optional(NAMESPACE, faults);
    let namespace = namespace.and_then(|name| faults.checked(NAMESPACE, Namespace::new(&name)));
    if let Some(namespace) = namespace.as_ref().filter(|name| !namespaces.is_empty() && !namespaces.contains(name)) {
        let message = format_args!("\"{namespace}\" is not one of the accepted namespaces; add it to namespaces");
        faults.add(NAMESPACE, message);
    }
    let is_default = matches!(raw.resource_attributes, Field::Absent);
    let mut names: Vec<String> = Vec::new();
    let listed = items(raw.resource_attributes, ATTRIBUTES, faults, |name, path, faults| {
        faults.checked(path, DimensionName::new(&name))?;
        Some((name, path.to_owned()))
    });
    for (name, path) in listed {
        if names.contains(&name) {
            faults.add(path, format_args!("\"{name}\" is listed twice; remove one entry"));
        }
        names.push(name);
    }
    if names.len() > MAX_DIMENSIONS {
        let count = names.len();
        let message = format_args!("has {count} entries; CloudWatch accepts at most {MAX_DIMENSIONS} dimensions");
        faults.add(ATTRIBUTES, message);
    }
    if is_default {
        names.push("service.name".to_owned());
    }
    let max_streams = raw.max_streams.within("otlp.max_streams", 1..=100_000, 5_000, faults);
    OtlpRules { namespace, resource_attributes: names, max_streams: usize::try_from(max_streams).unwrap_or(usize::MAX) }
}

/// Returns the bearer token, if one is configured. An empty token is an error, because it would open the gateway to
/// everybody.
fn bearer_token(key: Field<Secret>, variable: Option<String>, faults: &mut ValidationErrors) -> Option<Secret> {
    let token = key.optional("bearer_token", faults);
    let is_from_variable = token.is_none();
    let token = token.or_else(|| variable.map(Secret::new))?;
    if token.expose().is_empty() {
        let what = if is_from_variable { TOKEN_VARIABLE } else { "the token" };
        let remedy = if is_from_variable { "unset the variable" } else { "remove the key" };
        let message = format_args!("{what} is empty; set a token, or {remedy} to accept requests without one");
        faults.add("bearer_token", message);
    } else if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        faults.add("bearer_token", "must be printable ASCII without spaces");
    }
    Some(token)
}

/// Returns the access keys.
///
/// A configured list must not be empty, because that would open the gateway to everybody. A key ID must not occur
/// twice, because only the first secret would be tried.
fn access_keys(list: Field<Vec<Field<RawAccessKey>>>, faults: &mut ValidationErrors) -> Vec<AccessKey> {
    refuse_empty(&list, "access_keys", "requests without a signature", faults);
    let mut seen: Vec<String> = Vec::new();
    items(list, "access_keys", faults, |raw, path, faults| {
        let key = access_key(raw, path, faults)?;
        if seen.contains(&key.id) {
            let message = format_args!("\"{}\" is listed twice; remove one entry", key.id.escape_default());
            faults.add(format_args!("{path}.access_key_id"), message);
        }
        seen.push(key.id.clone());
        Some(key)
    })
}

/// Adds a fault if a list is configured and empty. `everything` is what the gateway accepts without the list.
fn refuse_empty<T>(list: &Field<Vec<Field<T>>>, name: &str, everything: &str, faults: &mut ValidationErrors) {
    if matches!(list, Field::Valid(items) if items.is_empty()) {
        faults.add(name, format_args!("must have at least one entry; remove the key to accept {everything}"));
    }
}

fn dimension(raw: RawDimension, path: &str, faults: &mut ValidationErrors) -> Option<(DimensionName, DimensionValue)> {
    raw.check_keys(path, faults);
    let (name_path, value_path) = (format!("{path}.name"), format!("{path}.value"));
    let name = raw.name.required(&name_path, faults);
    let name = name.and_then(|name| faults.checked(&name_path, DimensionName::new(&name)));
    let value = raw.value.required(&value_path, faults);
    let value = value.and_then(|value| faults.checked(&value_path, DimensionValue::new(&value)));
    name.zip(value)
}

fn access_key(raw: RawAccessKey, path: &str, faults: &mut ValidationErrors) -> Option<AccessKey> {
    raw.check_keys(path, faults);
    let id = raw.access_key_id.required(format_args!("{path}.access_key_id"), faults);
    let secret = raw.secret_access_key.required(format_args!("{path}.secret_access_key"), faults);
    let (id, secret) = id.zip(secret)?;
    // Reports a key that cannot sign now, instead of refusing every client later.
    faults.checked(path, acpw_sigv4::Credentials::new(&id, secret.expose(), None))?;
    Some(AccessKey { id, secret })
}

fn origin(origin: String, path: &str, faults: &mut ValidationErrors) -> Option<String> {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
    };
    if origin == "*" || host.is_some_and(is_host) {
        return Some(origin.to_ascii_lowercase());
    }
    faults.add(path, "must be an origin such as https://example.com, or * for every origin");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(document: &str) -> Result<Config, Vec<String>> {
        let environment = |name: &str| (name == TOKEN_VARIABLE).then(|| "from-environment".to_owned());
        let config = Config::from_json(document.as_bytes(), environment);
        config.map_err(|faults| faults.lines().collect())
    }

    #[test]
    fn all_errors_are_reported_with_their_paths_and_without_secrets() {
        let document = r#"{
            "namespaces": ["AWS/EC2", 5], "default_dimensions": [{"name": "a", "value": "1"}, {"name": ":b", "valu": ""}],
            "max_exact_values": 0, "bearer_token": "wJalr XUtn", "access_keys": [{"access_key_id": "AKID"}, {"access_key_id": "A", "secret_access_key": "wJalr\n"}],
            "cors_allow_origins": ["example.com", "https://", "https://example.com"], "port": 3000
        }"#;
        let faults = config(document).unwrap_err();
        let starts = [
            "port: unknown key; known keys are receiver_vm_id, namespaces, ",
            "receiver_vm_id: is required",
            "namespaces[0]: must not start with \"AWS/\"",
            "namespaces[1]: must be a string",
            "default_dimensions[1].valu: unknown key",
            "default_dimensions[1].name: must not start with",
            "default_dimensions[1].value: is required",
            "max_exact_values: must be between 1 and 10000, got 0",
            "bearer_token: must be printable",
            "access_keys[0].secret_access_key: is required",
            "access_keys[1]: ",
            "cors_allow_origins[0]: must be an origin",
            "cors_allow_origins[1]: must be an origin",
        ];
        assert_eq!(faults.len(), starts.len(), "{faults:#?}");
        for (fault, start) in faults.iter().zip(starts) {
            assert!(fault.starts_with(start) && !fault.contains("wJalr"), "{fault}");
        }
    }

    fn faults(rest: &str) -> Vec<String> {
        config(&format!(r#"{{"receiver_vm_id": "receiver"{rest}}}"#)).unwrap_err()
    }

    #[test]
    fn an_empty_value_does_not_open_the_gateway() {
        for (rest, fault) in [
            (
                r#", "bearer_token": """#,
                "bearer_token: the token is empty; set a token, or remove the key to accept requests without one",
            ),
            (
                r#", "access_keys": []"#,
                "access_keys: must have at least one entry; remove the key to accept requests without a signature",
            ),
            (
                r#", "namespaces": []"#,
                "namespaces: must have at least one entry; remove the key to accept every namespace",
            ),
        ] {
            assert_eq!(faults(rest), [fault]);
        }
        let read = |document: &str| Config::from_json(document.as_bytes(), |_| Some(String::new()));
        assert_eq!(
            read(r#"{"receiver_vm_id": "receiver"}"#).unwrap_err().to_string(),
            "bearer_token: ACPW_GATEWAY_BEARER_TOKEN is empty; set a token, or unset the variable to accept requests \
             without one"
        );
        assert!(read(r#"{"receiver_vm_id": "receiver", "bearer_token": "t0k3n"}"#).is_ok());
    }

    #[test]
    fn a_repeated_access_key_is_an_error() {
        let rest = r#", "access_keys": [
            {"access_key_id": "A", "secret_access_key": "first"}, {"access_key_id": "B", "secret_access_key": "first"},
            {"access_key_id": "A", "secret_access_key": "second"}]"#;
        assert_eq!(faults(rest), [r#"access_keys[2].access_key_id: "A" is listed twice; remove one entry"#]);
    }

    #[test]
    fn a_namespace_pattern_is_an_error() {
        assert_eq!(
            faults(r#", "namespaces": ["MyApp", "MyApp/*"]"#),
            [r#"namespaces[1]: "MyApp/*" contains *, but patterns are not supported; list each namespace"#]
        );
    }

    #[test]
    fn absent_keys_have_their_defaults() {
        let config = config(r#"{"receiver_vm_id": "receiver"}"#).unwrap();
        assert_eq!(config.rules.max_exact_values, 1_500);
        assert!(config.rules.namespaces.is_empty() && config.origins.is_empty());
        assert_eq!(config.authorization.bearer_token, Some(Secret::new("from-environment")));
        assert!(!format!("{config:?}").contains("from-environment"));
    }
}
