//! The modules that a set of files configures.

use std::path::{Path, PathBuf};

use acpw_config::ValidationErrors;
use serde_json::Value;

use crate::{
    environment::Environment,
    inventory::Inventory,
    plugin::{Attachment, ModuleKind, Plugin},
};

/// Modules that were found in files.
#[derive(Debug, Default)]
pub struct Deployment {
    /// Attachments of `sender.wasm`.
    pub senders: Vec<Module<sender::SenderConfig>>,
    /// Configurations of `receiver.wasm`.
    pub receivers: Vec<Module<receiver::ReceiverConfig>>,
    /// Configurations of `gateway.wasm`.
    pub gateways: Vec<Module<gateway::Config>>,
}

/// A module that is attached to Envoy, with a valid configuration.
#[derive(Debug)]
pub struct Module<C> {
    /// The file that it was found in.
    pub file: PathBuf,
    /// The line of the file on which its configuration begins, starting at 1.
    pub line: usize,
    /// The `vm_id` of its VM; empty if the file gives none.
    pub vm_id: String,
    /// The extension point that it is attached to.
    pub attachment: Attachment,
    /// The configuration as the module's own parser understands it.
    pub config: C,
    /// The configuration as written, for keys that the parsed form does not keep.
    pub document: Value,
}

/// The files that a command reads, and the environment of Envoy.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FileArguments {
    /// Files with Envoy configuration or Kubernetes manifests, in YAML or JSON
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// An environment variable of Envoy that host_env_keys passes to the modules; without it, an example is assumed
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    pub variables: Vec<(String, String)>,
}

impl FileArguments {
    /// Returns the environment of Envoy.
    pub fn environment(&self) -> Environment {
        Environment::new(self.variables.iter().cloned())
    }

    /// Reads the modules in the files.
    ///
    /// # Errors
    /// Returns a message for a person; see [`read`].
    pub fn read(&self) -> Result<Deployment, String> {
        read(&self.files, &self.environment())
    }
}

/// Parses `NAME=VALUE`.
///
/// # Errors
/// Returns a message if there is no `=` or no name.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads the modules that files configure. `environment` has the values of variables that Envoy passes to them.
///
/// # Errors
/// Returns a message that lists all problems if a file cannot be read, if there is no module in the files, or if the
/// configuration of a module is invalid.
pub fn read(files: &[PathBuf], environment: &Environment) -> Result<Deployment, String> {
    let inventory = Inventory::read(files)?;
    let mut deployment = Deployment::default();
    let mut problems = Vec::new();
    for plugin in &inventory.plugins {
        let Some(file) = inventory.files.get(inventory.file_of(plugin.scope)) else { continue };
        let (line, _) = file.position(plugin.configuration.span.start);
        let result = match plugin.kind {
            ModuleKind::Sender => {
                let config = plugin.sender(environment);
                config.map(|config| deployment.senders.push(module(plugin, &file.path, line, config)))
            }
            ModuleKind::Receiver => {
                let config = plugin.receiver(environment);
                config.map(|config| deployment.receivers.push(module(plugin, &file.path, line, config)))
            }
            ModuleKind::Gateway => {
                let config = plugin.gateway(environment);
                config.map(|config| deployment.gateways.push(module(plugin, &file.path, line, config)))
            }
        };
        if let Err(errors) = result {
            problems.extend(lines(&file.path, line, plugin.kind, &errors));
        }
    }
    if problems.is_empty() {
        return Ok(deployment);
    }
    problems.push("`acpw check` shows where".to_owned());
    Err(problems.join("\nacpw: "))
}

fn module<C>(plugin: &Plugin, file: &Path, line: usize, config: C) -> Module<C> {
    Module {
        file: file.to_owned(),
        line,
        vm_id: plugin.vm_id().to_owned(),
        attachment: plugin.attachment,
        config,
        document: plugin.configuration.document(),
    }
}

fn lines(path: &Path, line: usize, kind: ModuleKind, errors: &ValidationErrors) -> Vec<String> {
    let name = kind.name();
    errors.lines().map(|error| format!("{}:{line}: {name}: {error}", path.display())).collect()
}
