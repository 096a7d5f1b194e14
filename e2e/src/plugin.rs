//! A module with its configuration, as Envoy takes it.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::installation::{module, modules};

/// One of the modules and its plugin configuration.
#[derive(Clone, Debug)]
pub struct Plugin {
    name: &'static str,
    vm_id: &'static str,
    folder: PathBuf,
    configuration: String,
    is_struct: bool,
    environment: Vec<(String, String)>,
}

impl Plugin {
    /// sender.wasm with this configuration, verbatim.
    pub fn sender(configuration: impl ToString) -> Self {
        Self::new("sender", "sender", configuration.to_string())
    }

    /// receiver.wasm with this configuration, verbatim. Its `vm_id` is `receiver`.
    pub fn receiver(configuration: impl ToString) -> Self {
        Self::new("receiver", "receiver", configuration.to_string())
    }

    /// gateway.wasm with this configuration, verbatim. Its `vm_id` is that of the receiver.
    pub fn gateway(configuration: impl ToString) -> Self {
        Self::new("gateway", "receiver", configuration.to_string())
    }

    fn new(name: &'static str, vm_id: &'static str, configuration: String) -> Self {
        Self { name, vm_id, folder: modules(), configuration, is_struct: false, environment: Vec::new() }
    }

    /// Hands the configuration over as a `Struct`, where it is a `StringValue` otherwise. It must be JSON.
    #[must_use]
    pub fn as_struct(mut self) -> Self {
        self.is_struct = true;
        self
    }

    /// Takes the module from this folder.
    #[must_use]
    pub fn from_folder(mut self, folder: PathBuf) -> Self {
        self.folder = folder;
        self
    }

    /// Sets a variable in Envoy's environment, and lets the module see it.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.environment
    }

    /// Envoy's `PluginConfig`.
    pub(crate) fn to_json(&self, failure_policy: &str) -> Value {
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        let (message, value) = if self.is_struct {
            ("Struct", serde_json::from_str(&self.configuration).expect("JSON"))
        } else {
            ("StringValue", Value::from(self.configuration.as_str()))
        };
        json!({
            "name": self.name,
            "root_id": self.name,
            "failure_policy": failure_policy,
            "configuration": {
                "@type": format!("type.googleapis.com/google.protobuf.{message}"),
                "value": value,
            },
            "vm_config": {
                "vm_id": self.vm_id,
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": module(&self.folder, &format!("{}.wasm", self.name)) } },
                "environment_variables": { "host_env_keys": names },
            },
        })
    }
}
