//! The modules that a set of files configures.

use std::path::PathBuf;

use serde_json::Value;

/// Modules that were found in files.
#[derive(Debug, Default)]
pub struct Deployment {
    /// Attachments of `sender.wasm`.
    pub senders: Vec<Module<sender::SenderConfig>>,
    /// Configurations of `receiver.wasm`.
    pub receivers: Vec<Module<receiver::Config>>,
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
    /// The configuration as the module's own parser understands it.
    pub config: C,
    /// The configuration as written, for keys that the parsed form does not keep.
    pub document: Value,
}
