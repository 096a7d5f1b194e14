//! Environment variables that Envoy passes to a module's VM.

use std::collections::BTreeMap;

use crate::node::Node;

/// Values for the variables that `vm_config.environment_variables.host_env_keys` takes from Envoy's own environment.
///
/// They are not in the files, so a variable without a given value has an example of its form.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    given: BTreeMap<String, String>,
}

impl Environment {
    /// Creates an environment in which these variables have these values.
    pub fn new(given: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { given: given.into_iter().collect() }
    }

    /// Returns true if a variable has a given value, not an example.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Returns the value of a variable.
    pub fn value(&self, name: &str) -> String {
        self.given.get(name).cloned().unwrap_or_else(|| example(name))
    }
}

/// Returns a value of the form that AWS or OpenTelemetry defines for a variable.
fn example(name: &str) -> String {
    let value = match name {
        "AWS_REGION" | "AWS_DEFAULT_REGION" => "us-east-1",
        "AWS_ROLE_ARN" => "arn:aws:iam::123456789012:role/example",
        "AWS_WEB_IDENTITY_TOKEN_FILE" => "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" => "/v2/credentials/example",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI" => "http://169.254.170.23/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" => {
            "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"
        }
        "ECS_CONTAINER_METADATA_URI_V4" => "http://169.254.170.2/v4/example",
        "OTEL_RESOURCE_ATTRIBUTES" => "deployment.environment.name=example",
        _ if name.ends_with("ACCESS_KEY_ID") => "AKIDEXAMPLE",
        _ => return format!("${{{name}}}"),
    };
    value.to_owned()
}

/// The variables that a VM has according to its configuration.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// The names of variables that Envoy passes on.
    pub passed: Vec<String>,
    /// Variables that the configuration sets.
    pub set: BTreeMap<String, String>,
}

impl Variables {
    /// Reads `environment_variables` of Envoy's `vm_config`.
    pub fn of_vm_config(vm_config: Option<&Node>) -> Self {
        let variables = vm_config.and_then(|node| node.get("environment_variables"));
        let values = variables.and_then(|node| node.get("key_values"));
        Self { passed: strings(variables.and_then(|node| node.get("host_env_keys"))), set: pairs(values) }
    }

    /// Reads `vmConfig.env` of Istio's WasmPlugin.
    pub fn of_wasm_plugin(spec: &Node) -> Self {
        let mut variables = Self::default();
        for entry in spec.at(&["vmConfig", "env"]).map_or(&[][..], Node::items) {
            let Some(name) = entry.string_at(&["name"]) else { continue };
            if entry.string_at(&["valueFrom"]) == Some("HOST") {
                variables.passed.push(name.to_owned());
            } else {
                let value = entry.string_at(&["value"]).unwrap_or_default();
                variables.set.insert(name.to_owned(), value.to_owned());
            }
        }
        variables
    }

    /// Reads `env` of a Wasm extension in Envoy Gateway's EnvoyExtensionPolicy.
    pub fn of_extension_policy(extension: &Node) -> Self {
        Self { passed: strings(extension.at(&["env", "hostKeys"])), set: BTreeMap::new() }
    }

    /// Returns true if the VM has a variable.
    pub fn has(&self, name: &str) -> bool {
        self.set.contains_key(name) || self.passed.iter().any(|passed| passed == name)
    }

    /// Returns the value of a variable of the VM.
    pub fn value(&self, name: &str, environment: &Environment) -> Option<String> {
        let set = self.set.get(name).cloned();
        set.or_else(|| self.passed.iter().any(|passed| passed == name).then(|| environment.value(name)))
    }
}

fn strings(list: Option<&Node>) -> Vec<String> {
    list.map_or(&[][..], Node::items).iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

fn pairs(mapping: Option<&Node>) -> BTreeMap<String, String> {
    let members = mapping.map_or(&[][..], Node::members).iter();
    members.filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned()))).collect()
}
