//! Validates the key `credentials` of the configuration: a provider, or a list of providers to try in this order.

use acpw_config::{Field, FromJson, Object, ValidationErrors};
use serde_json::{Map, Value};

use super::{
    Provider, assume_role::AssumeRole, container::RawContainer, environment::RawEnvironment, imds::RawImds,
    role_keys::RoleKeys, shared_file::RawSharedFile, static_keys::RawStatic, step::ProviderSetup,
    web_identity::RawWebIdentity,
};
use crate::environment::Environment;

acpw_config::object! {
    /// Envoy signs requests. The receiver sends them unsigned, and the cluster's `aws_request_signing` filter signs
    /// them.
    pub struct RawEnvoy {
        /// `envoy`
        provider: String,
    }
}

acpw_config::object! {
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
    /// Validates the providers and returns those that can be used, in their order. It is an error if there are none;
    /// the message has the reason for each.
    pub(crate) fn check(self, environment: Environment<'_>, errors: &mut ValidationErrors) -> Option<Vec<Provider>> {
        const KEY: &str = "credentials";
        let mut providers = Vec::new();
        let mut missing = Vec::new();
        let mut is_valid = true;
        for (index, raw) in self.providers.into_iter().enumerate() {
            let path = if self.is_list { format!("{KEY}[{index}]") } else { KEY.to_owned() };
            match raw.required(&path, errors).and_then(|raw| raw.check(&path, environment, errors)) {
                Some(ProviderSetup::Ready(provider)) => providers.push(provider),
                Some(ProviderSetup::Missing(reason)) => missing.push(format!("{path}: {reason}")),
                None => is_valid = false,
            }
        }
        if is_valid && providers.is_empty() {
            let reasons = if missing.is_empty() { "the list is empty".to_owned() } else { missing.join("; ") };
            errors.add(KEY, format_args!("no provider can be used: {reasons}"));
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
        errors: &mut ValidationErrors,
    ) -> Option<ProviderSetup<Provider>> {
        let name = self.0.get("provider").and_then(Value::as_str).unwrap_or_default().to_owned();
        match name.as_str() {
            "static" => {
                let set = self.read::<RawStatic>(path, errors)?.check(path, errors)?;
                Some(ProviderSetup::Ready(Provider::Static(set)))
            }
            "environment" => {
                let setup = self.read::<RawEnvironment>(path, errors)?.check(path, environment, errors)?;
                Some(setup.map(Provider::Environment))
            }
            "container" => {
                let setup = self.read::<RawContainer>(path, errors)?.check(path, environment, errors)?;
                Some(setup.map(Provider::Container))
            }
            "imds" => {
                let setup = self.read::<RawImds>(path, errors)?.check(path, environment, errors)?;
                Some(setup.map(Provider::Imds))
            }
            "web_identity" => {
                let setup = self.read::<RawWebIdentity>(path, errors)?.check(path, environment, errors)?;
                Some(setup.map(Provider::WebIdentity))
            }
            "shared_file" => {
                let setup = self.read::<RawSharedFile>(path, errors)?.check(path, environment, errors)?;
                Some(setup.map(Provider::SharedFile))
            }
            "assume_role" => self.read::<RawAssumeRole>(path, errors)?.check(path, environment, errors),
            "envoy" => self.read::<RawEnvoy>(path, errors).map(|_| ProviderSetup::Ready(Provider::Envoy)),
            "" => {
                errors.add(format_args!("{path}.provider"), format_args!("is required; use one of {NAMES}"));
                None
            }
            other => {
                let other = other.escape_default();
                let message = format_args!("unknown provider \"{other}\"; use one of {NAMES}");
                errors.add(format_args!("{path}.provider"), message);
                None
            }
        }
    }

    fn read<T: Object>(self, path: &str, errors: &mut ValidationErrors) -> Option<T> {
        let object = T::from_json(Value::Object(self.0))?;
        object.check_keys(path, errors);
        Some(object)
    }
}

impl RawAssumeRole {
    fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        errors: &mut ValidationErrors,
    ) -> Option<ProviderSetup<Provider>> {
        let at = |key: &str| format!("{path}.{key}");
        let role_arn = self.role_arn.required(at("role_arn"), errors);
        let external_id = self.external_id.optional(at("external_id"), errors);
        let session_name = self.session_name.optional(at("session_name"), errors);
        let keys = RoleKeys { cluster: self.cluster, sts_host: self.sts_host, session_name };
        let role = keys.check(role_arn.unwrap_or_default(), path, errors);
        let source_path = at("source");
        let source = self.source.required(&source_path, errors);
        let source = match source?.check(&source_path, environment, errors)? {
            ProviderSetup::Ready(Provider::Envoy) => {
                errors.add(
                    source_path,
                    "must not be the provider envoy, which has no credentials to sign the AssumeRole request with",
                );
                return None;
            }
            ProviderSetup::Ready(source) => source,
            ProviderSetup::Missing(reason) => return Some(ProviderSetup::Missing(reason)),
        };
        let role = AssumeRole::new(role?, external_id);
        Some(ProviderSetup::Ready(Provider::AssumeRole { role, source: Box::new(source) }))
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
