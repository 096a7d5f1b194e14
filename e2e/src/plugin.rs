//! A module and its plugin configuration.

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
    /// Creates the plugin of sender.wasm. The configuration is passed unchanged.
    pub fn sender(configuration: impl ToString) -> Self {
        Self::new("sender", "sender", configuration.to_string())
    }

    /// Creates the plugin of receiver.wasm with the `vm_id` `receiver`. The configuration is passed unchanged.
    pub fn receiver(configuration: impl ToString) -> Self {
        Self::new("receiver", "receiver", configuration.to_string())
    }

    /// Creates the plugin of gateway.wasm with the `vm_id` of the receiver. The configuration is passed unchanged.
    pub fn gateway(configuration: impl ToString) -> Self {
        Self::new("gateway", "receiver", configuration.to_string())
    }

    fn new(name: &'static str, vm_id: &'static str, configuration: String) -> Self {
        Self { name, vm_id, folder: modules(), configuration, is_struct: false, environment: Vec::new() }
    }

    /// Passes the configuration, which must be JSON, as a `Struct` instead of a `StringValue`.
    #[must_use]
    pub fn as_struct(mut self) -> Self {
        self.is_struct = true;
        self
    }

    /// Loads the module from this folder.
    #[must_use]
    pub fn from_folder(mut self, folder: PathBuf) -> Self {
        self.folder = folder;
        self
    }

    /// Sets a variable in Envoy's environment and passes it to the module.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.environment
    }

    /// Returns Envoy's `PluginConfig`.
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
