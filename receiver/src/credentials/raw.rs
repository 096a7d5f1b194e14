//! Validates the key `credentials` of the configuration: a provider, or a list of providers to try in this order.

use acpw_config::{Field, FromJson, Object, ValidationErrors};
use serde_json::{Map, Value};

use super::{
    Provider,
    assume_role::RawAssumeRole,
    container::RawContainer,
    environment::RawEnvironment,
    file::ServedFile,
    imds::RawImds,
    shared_file::RawSharedFile,
    static_keys::RawStatic,
    step::{Environment, ProviderSetup},
    sts::Sts,
    web_identity::RawWebIdentity,
};

acpw_config::object! {
    /// Envoy signs requests. The receiver sends them unsigned, and the cluster's `aws_request_signing` filter signs
    /// them.
    pub struct RawEnvoy {
        /// `envoy`
        provider: String,
    }
}

/// The names of all providers.
const NAMES: &str = "static, environment, container, imds, web_identity, shared_file, assume_role, envoy";

/// One provider or several.
pub struct RawProviders {
    providers: Vec<Field<RawProvider>>,
    is_list: bool,
}

impl FromJson for RawProviders {
    const EXPECTED: &'static str = "a provider, or a list of providers";

    fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::Object(_) => Some(Self { providers: vec![Field::from_json(value)], is_list: false }),
            Value::Array(_) => Some(Self { providers: Vec::from_json(value)?, is_list: true }),
            _ => None,
        }
    }
}

impl RawProviders {
    /// Validates the providers and returns those that can be used, in their order. It is a fault if there are none; the
    /// message has the reason for each.
    pub(crate) fn check(self, environment: Environment<'_>, faults: &mut ValidationErrors) -> Option<Vec<Provider>> {
        const KEY: &str = "credentials";
        let mut providers = Vec::new();
        let mut missing = Vec::new();
        let mut is_valid = true;
        for (index, raw) in self.providers.into_iter().enumerate() {
            let path = if self.is_list { format!("{KEY}[{index}]") } else { KEY.to_owned() };
            match raw.required(&path, faults).and_then(|raw| raw.check(&path, environment, faults)) {
                Some(ProviderSetup::Provider(provider)) => providers.push(provider),
                Some(ProviderSetup::Missing(reason)) => missing.push(format!("{path}: {reason}")),
                None => is_valid = false,
            }
        }
        if is_valid && providers.is_empty() {
            let reasons = if missing.is_empty() { "the list is empty".to_owned() } else { missing.join("; ") };
            faults.add(KEY, format_args!("no provider can be used: {reasons}"));
        }
        Some(providers)
    }
}

/// A provider: an object whose key `provider` names it.
pub struct RawProvider(Map<String, Value>);

impl FromJson for RawProvider {
    const EXPECTED: &'static str = "an object with the key \"provider\"";

    fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self(members)),
            _ => None,
        }
    }
}

impl RawProvider {
    /// Validates a provider. Returns `None` if it is invalid.
    pub(crate) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        faults: &mut ValidationErrors,
    ) -> Option<ProviderSetup> {
        let name = self.0.get("provider").and_then(Value::as_str).unwrap_or_default().to_owned();
        match name.as_str() {
            "static" => self.read::<RawStatic>(path, faults)?.check(path, faults),
            "environment" => self.read::<RawEnvironment>(path, faults)?.check(path, environment, faults),
            "container" => self.read::<RawContainer>(path, faults)?.check(path, environment, faults),
            "imds" => self.read::<RawImds>(path, faults)?.check(path, environment, faults),
            "web_identity" => self.read::<RawWebIdentity>(path, faults)?.check(path, environment, faults),
            "shared_file" => self.read::<RawSharedFile>(path, faults)?.check(path, environment, faults),
            "assume_role" => self.read::<RawAssumeRole>(path, faults)?.check(path, environment, faults),
            "envoy" => self.read::<RawEnvoy>(path, faults).map(|_| ProviderSetup::Provider(Provider::Envoy)),
            "" => {
                faults.add(format_args!("{path}.provider"), format_args!("is required; use one of {NAMES}"));
                None
            }
            other => {
                let other = other.escape_default();
                let message = format_args!("unknown provider \"{other}\"; use one of {NAMES}");
                faults.add(format_args!("{path}.provider"), message);
                None
            }
        }
    }

    fn read<T: Object>(self, path: &str, faults: &mut ValidationErrors) -> Option<T> {
        let object = T::from_json(Value::Object(self.0))?;
        object.check_keys(path, faults);
        Some(object)
    }
}

/// Validates a file and the cluster of its file server. `key` is the key of the file's path.
pub(crate) fn file_of(
    cluster: Option<String>,
    file: &str,
    key: &str,
    path: &str,
    faults: &mut ValidationErrors,
) -> Option<ServedFile> {
    let file = ServedFile::new(cluster.as_deref().unwrap_or_default(), file);
    let file = file.map_err(|error| faults.add(format_args!("{path}.{key}"), error)).ok();
    if cluster.is_none() {
        faults.add(
            format_args!("{path}.file_cluster"),
            "is required: modules read files through an Envoy cluster of a file server on a Unix socket",
        );
        return None;
    }
    file
}

/// Keys that `assume_role` and `web_identity` share.
pub(crate) struct RoleKeys {
    pub(crate) cluster: Field<String>,
    pub(crate) sts_host: Field<String>,
    pub(crate) session_name: Option<String>,
}

impl RoleKeys {
    /// Validates the keys. Returns STS, the role's ARN and the session name.
    pub(crate) fn check(
        self,
        role_arn: String,
        path: &str,
        faults: &mut ValidationErrors,
    ) -> Option<(Sts, String, String)> {
        const DEFAULT_SESSION_NAME: &str = "acpw";
        let cluster = self.cluster.required(format_args!("{path}.cluster"), faults);
        let host = self.sts_host.optional(format_args!("{path}.sts_host"), faults);
        let session_name = self.session_name.unwrap_or_else(|| DEFAULT_SESSION_NAME.to_owned());
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
        if !(2..=64).contains(&session_name.len()) || !session_name.bytes().all(is_name_byte) {
            let message = "must be 2 to 64 letters, digits or characters of \"_+=,.@-\"";
            faults.add(format_args!("{path}.session_name"), message);
        }
        let is_arn = role_arn.starts_with("arn:") && role_arn.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_arn && !role_arn.is_empty() {
            let message = "must be the ARN of a role, such as arn:aws:iam::123456789012:role/NAME";
            faults.add(format_args!("{path}.role_arn"), message);
        }
        if let Some(host) = host.as_deref().filter(|host| !crate::config::is_host(host)) {
            let message =
                format!("must be a host name or address, optionally with a port, got \"{}\"", host.escape_default());
            faults.add(format_args!("{path}.sts_host"), message);
        }
        Some((Sts { cluster: cluster?, host }, role_arn, session_name))
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod schema {
    use std::borrow::Cow;

    use acpw_config::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::*;

    impl JsonSchema for RawProviders {
        fn schema_name() -> Cow<'static, str> {
            "Providers".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let provider = generator.subschema_for::<RawProvider>();
            json_schema!({ "anyOf": [provider, { "type": "array", "items": provider, "minItems": 1 }] })
        }
    }

    impl JsonSchema for RawProvider {
        fn schema_name() -> Cow<'static, str> {
            "Provider".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let providers = [
                one::<RawStatic>("static", generator),
                one::<RawEnvironment>("environment", generator),
                one::<RawContainer>("container", generator),
                one::<RawImds>("imds", generator),
                one::<RawWebIdentity>("web_identity", generator),
                one::<RawSharedFile>("shared_file", generator),
                one::<RawAssumeRole>("assume_role", generator),
                one::<RawEnvoy>("envoy", generator),
            ];
            json_schema!({ "oneOf": providers })
        }
    }

    /// Returns the schema of a provider with its name as a constant.
    fn one<T: JsonSchema>(name: &str, generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("provider".to_owned(), json_schema!({ "const": name }).to_value());
        }
        schema.insert("required".to_owned(), Value::from(vec!["provider"]));
        schema
    }
}
