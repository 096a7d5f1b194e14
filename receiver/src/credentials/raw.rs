//! The key `credentials` of the configuration: a provider, or a list of them in the order in which they are asked.

use acpw_config::{Faults, Field, FromJson, Object};
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
    /// Envoy signs: requests go out unsigned, and the cluster's `aws_request_signing` filter signs them.
    pub struct RawEnvoy {
        /// `envoy`
        provider: String,
    }
}

/// All names of providers.
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
    /// The providers that have what they need, in their order. When none has, that is a fault, and tells what was looked
    /// for and where.
    pub(crate) fn check(self, environment: Environment<'_>, faults: &mut Faults) -> Option<Vec<Provider>> {
        const KEY: &str = "credentials";
        let mut providers = Vec::new();
        let mut missing = Vec::new();
        let mut is_good = true;
        for (index, raw) in self.providers.into_iter().enumerate() {
            let path = if self.is_list { format!("{KEY}[{index}]") } else { KEY.to_owned() };
            match raw.required(&path, faults).and_then(|raw| raw.check(&path, environment, faults)) {
                Some(ProviderSetup::Provider(provider)) => providers.push(provider),
                Some(ProviderSetup::Missing(reason)) => missing.push(format!("{path}: {reason}")),
                None => is_good = false,
            }
        }
        if is_good && providers.is_empty() {
            faults.add(KEY, format_args!("none found; looked for [{}]", missing.join("; ")));
        }
        Some(providers)
    }
}

/// One provider: an object whose `provider` says which.
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
    /// What it makes; nothing when it is at fault.
    pub(crate) fn check(self, path: &str, environment: Environment<'_>, faults: &mut Faults) -> Option<ProviderSetup> {
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
                faults.add(format_args!("{path}.provider"), format_args!("is required; one of {NAMES}"));
                None
            }
            other => {
                let other = other.escape_default();
                faults
                    .add(format_args!("{path}.provider"), format_args!("\"{other}\" is not known; known are {NAMES}"));
                None
            }
        }
    }

    fn read<T: Object>(self, path: &str, faults: &mut Faults) -> Option<T> {
        let object = T::from_json(Value::Object(self.0))?;
        object.check_keys(path, faults);
        Some(object)
    }
}

/// A file to be read through a cluster, or the faults that it has. `key` is where its path stands, or would.
pub(crate) fn file_of(
    cluster: Option<String>,
    file: &str,
    key: &str,
    path: &str,
    faults: &mut Faults,
) -> Option<ServedFile> {
    let file = ServedFile::new(cluster.as_deref().unwrap_or_default(), file);
    let file = file.map_err(|error| faults.add(format_args!("{path}.{key}"), error)).ok();
    if cluster.is_none() {
        faults.add(
            format_args!("{path}.file_cluster"),
            "is required: a module reads files through an Envoy cluster that leads to a file server on a Unix socket",
        );
        return None;
    }
    file
}

/// What both ways to a role have.
pub(crate) struct RoleKeys {
    pub(crate) cluster: Field<String>,
    pub(crate) sts_host: Field<String>,
    pub(crate) session_name: Option<String>,
}

impl RoleKeys {
    /// The way to STS, the role, and the session's name.
    pub(crate) fn check(self, role_arn: String, path: &str, faults: &mut Faults) -> Option<(Sts, String, String)> {
        const DEFAULT_SESSION_NAME: &str = "acpw";
        let cluster = self.cluster.required(format_args!("{path}.cluster"), faults);
        let host = self.sts_host.optional(format_args!("{path}.sts_host"), faults);
        let session_name = self.session_name.unwrap_or_else(|| DEFAULT_SESSION_NAME.to_owned());
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
        if !(2..=64).contains(&session_name.len()) || !session_name.bytes().all(is_name_byte) {
            let message = "must be 2 to 64 letters, digits and characters of \"_+=,.@-\"";
            faults.add(format_args!("{path}.session_name"), message);
        }
        let is_arn = role_arn.starts_with("arn:") && role_arn.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_arn && !role_arn.is_empty() {
            let message = "must be a role's ARN, such as arn:aws:iam::123456789012:role/NAME";
            faults.add(format_args!("{path}.role_arn"), message);
        }
        if let Some(host) = host.as_deref().filter(|host| !crate::config::is_host(host)) {
            let message = format!("\"{}\" is not a host", host.escape_default());
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

    /// A provider's schema, with its name as the only one it can have.
    fn one<T: JsonSchema>(name: &str, generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("provider".to_owned(), json_schema!({ "const": name }).to_value());
        }
        schema.insert("required".to_owned(), Value::from(vec!["provider"]));
        schema
    }
}
