//! A module of ACPW that is attached to Envoy, as the files have it.

use std::ops::Range;

use acpw_config::{Object, ValidationErrors};
use serde_json::Value;

use crate::{
    environment::{Environment, Variables},
    json,
    node::{Node, is_camel_case_of},
    text::Text,
};

/// The modules of ACPW.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    /// `sender.wasm`
    Sender,
    /// `receiver.wasm`
    Receiver,
    /// `gateway.wasm`
    Gateway,
}

impl ModuleKind {
    /// All modules.
    pub const ALL: [Self; 3] = [Self::Sender, Self::Receiver, Self::Gateway];

    /// Returns the module's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
            Self::Gateway => "gateway",
        }
    }

    /// Returns the keys of the module's configuration.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Sender => sender::config::RawSenderConfig::KEYS,
            Self::Receiver => receiver::config::RawReceiverConfig::KEYS,
            Self::Gateway => gateway::config::RawConfig::KEYS,
        }
    }

    /// Returns the module whose name is a word of a text, such as `oci://ghcr.io/owner/acpw-sender:1.0`.
    fn in_text(text: &str) -> Option<Self> {
        let file = text.rsplit('/').next().unwrap_or(text);
        let has =
            |kind: &Self| file.split(|letter: char| !letter.is_ascii_alphabetic()).any(|word| word == kind.name());
        let mut kinds = Self::ALL.into_iter().filter(has);
        kinds.next().filter(|_| kinds.next().is_none())
    }
}

/// The extension points of Envoy that load Wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// `envoy.filters.http.wasm`, also by WasmPlugin and EnvoyExtensionPolicy.
    HttpFilter,
    /// `envoy.filters.network.wasm`
    NetworkFilter,
    /// `envoy.access_loggers.wasm`
    AccessLogger,
    /// `envoy.stat_sinks.wasm`
    StatSink,
    /// `envoy.bootstrap.wasm`
    BootstrapExtension,
}

impl Attachment {
    /// Returns the extension point of a type of Envoy's API.
    pub(crate) fn of_type(name: &str) -> Option<Self> {
        match name {
            "envoy.extensions.filters.http.wasm.v3.Wasm" => Some(Self::HttpFilter),
            "envoy.extensions.filters.network.wasm.v3.Wasm" => Some(Self::NetworkFilter),
            "envoy.extensions.access_loggers.wasm.v3.WasmAccessLog" => Some(Self::AccessLogger),
            "envoy.extensions.stat_sinks.wasm.v3.Wasm" => Some(Self::StatSink),
            "envoy.extensions.wasm.v3.WasmService" => Some(Self::BootstrapExtension),
            _ => None,
        }
    }

    /// Returns the name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::HttpFilter => "an HTTP filter",
            Self::NetworkFilter => "a network filter",
            Self::AccessLogger => "an access logger",
            Self::StatSink => "a statistics sink",
            Self::BootstrapExtension => "a bootstrap extension",
        }
    }
}

/// Envoy's reaction to a module that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// Requests fail.
    Closed,
    /// Requests pass without the module.
    Open,
    /// Envoy starts the module again; requests fail until then.
    Reload,
}

/// A module that is attached to Envoy. Nothing of it is known to be valid.
#[derive(Debug)]
pub struct Plugin {
    /// The scope that it is in.
    pub scope: usize,
    /// The module.
    pub kind: ModuleKind,
    /// The extension point.
    pub attachment: Attachment,
    /// The listener that it is in, if the files show that.
    pub listener: Option<usize>,
    /// The position that stands for the whole attachment.
    pub span: Range<usize>,
    /// The failure policy, with the default of the product if the file has none.
    pub policy: FailurePolicy,
    /// The position of the failure policy.
    pub policy_span: Option<Range<usize>>,
    /// The name of the field of the failure policy, and of its value that lets requests pass.
    pub policy_open: &'static str,
    /// True if `allow_on_headers_stop_iteration` is on.
    pub may_stop_at_headers: bool,
    /// True if `singleton` is on.
    pub is_singleton: bool,
    /// The `vm_id`.
    pub vm_id: Option<Node>,
    /// Keys that Envoy does not know.
    pub unknown_fields: Vec<UnknownField>,
    /// The configuration.
    pub configuration: Configuration,
    /// The VM's environment variables.
    pub variables: Variables,
}

/// A key that a message of Envoy's API does not have.
#[derive(Debug)]
pub struct UnknownField {
    /// The name of the message.
    pub message: &'static str,
    /// The fields of the message.
    pub known: &'static [&'static str],
    /// The key.
    pub key: Node,
}

/// The fields of Envoy's `envoy.extensions.wasm.v3.PluginConfig`.
const PLUGIN_FIELDS: &[&str] = &[
    "name",
    "root_id",
    "vm_config",
    "configuration",
    "fail_open",
    "failure_policy",
    "reload_config",
    "capability_restriction_config",
    "allow_on_headers_stop_iteration",
];

/// The fields of Envoy's `envoy.extensions.wasm.v3.VmConfig`.
const VM_FIELDS: &[&str] = &[
    "vm_id",
    "runtime",
    "code",
    "configuration",
    "allow_precompiled",
    "nack_on_code_cache_miss",
    "environment_variables",
];

/// The fields of Envoy's `envoy.extensions.wasm.v3.EnvironmentVariables`.
const VARIABLE_FIELDS: &[&str] = &["host_env_keys", "key_values"];

/// Returns the keys of a module's attachment that Envoy does not know and refuses.
fn unknown_fields(config: &Node) -> Vec<UnknownField> {
    let vm = config.get("vm_config");
    let variables = vm.and_then(|vm| vm.get("environment_variables"));
    let messages = [
        ("config", Some(config), PLUGIN_FIELDS),
        ("vm_config", vm, VM_FIELDS),
        ("environment_variables", variables, VARIABLE_FIELDS),
    ];
    let unknown = messages.into_iter().flat_map(|(message, node, known)| {
        let keys = node.map_or(&[][..], Node::members).iter().map(|(key, _)| key);
        let is_unknown = |key: &&Node| {
            let name = key.as_str().unwrap_or_default();
            !known.iter().any(|field| name == *field || is_camel_case_of(name, field))
        };
        keys.filter(is_unknown).map(move |key| UnknownField { message, known, key: key.clone() })
    });
    unknown.collect()
}

/// A configuration as the file has it.
#[derive(Debug)]
pub struct Configuration {
    /// The bytes that the module's parser gets.
    pub bytes: Vec<u8>,
    /// The values with their positions, if the configuration can be read.
    pub tree: Option<Node>,
    /// The text, if it is one.
    pub text: Option<Text>,
    /// The position of the whole configuration.
    pub span: Range<usize>,
}

impl Configuration {
    /// Reads a `google.protobuf.Any` with a StringValue or a Struct.
    fn of_any(any: Option<&Node>, default: Range<usize>) -> Self {
        let value = any.and_then(|node| node.get("value"));
        match value.map(|node| (node, node.text())) {
            Some((node, Some(text))) => {
                let bytes = text.as_str().as_bytes().to_vec();
                Self { bytes, tree: json::parse(text), text: Some(text.clone()), span: node.span.clone() }
            }
            Some((node, None)) => Self::of_tree(node),
            None => {
                Self { bytes: Vec::new(), tree: None, text: None, span: any.map_or(default, |node| node.span.clone()) }
            }
        }
    }

    /// Takes a configuration that is part of the document.
    fn of_tree(node: &Node) -> Self {
        let bytes = node.to_json().to_string().into_bytes();
        Self { bytes, tree: Some(node.clone()), text: None, span: node.span.clone() }
    }

    /// Returns the configuration as JSON; null if it cannot be read.
    pub fn document(&self) -> Value {
        self.tree.as_ref().map_or(Value::Null, Node::to_json)
    }
}

impl Plugin {
    /// Reads an attachment in Envoy's own configuration. Returns `None` if it is not a module of ACPW.
    ///
    /// `node` is the configuration of the extension, which has `config: { name, root_id, vm_config, … }`.
    pub(crate) fn of_envoy(
        node: &Node,
        attachment: Attachment,
        scope: usize,
        listener: Option<usize>,
        default_span: &Range<usize>,
    ) -> Option<Self> {
        let config = node.get("config")?;
        let named = ["name", "root_id"].into_iter().find_map(|key| config.get(key));
        let span = named.map_or(default_span, |node| &node.span).clone();
        let configuration = Configuration::of_any(config.get("configuration"), span.clone());
        let code = config.at(&["vm_config", "code"]);
        let code = code.and_then(|code| {
            code.string_at(&["local", "filename"]).or_else(|| code.string_at(&["remote", "http_uri", "uri"]))
        });
        let names = [config.string_at(&["root_id"]), config.string_at(&["name"])];
        let kind = kind(code, names, &configuration)?;
        let policy = config.get("failure_policy");
        let fail_open = config.get("fail_open");
        let is_open = fail_open.and_then(Node::as_bool) == Some(true);
        Some(Self {
            scope,
            kind,
            attachment,
            listener,
            span,
            policy: match policy.and_then(Node::as_str) {
                Some("FAIL_OPEN") => FailurePolicy::Open,
                Some("FAIL_RELOAD") => FailurePolicy::Reload,
                None | Some("UNSPECIFIED") if is_open => FailurePolicy::Open,
                _ => FailurePolicy::Closed,
            },
            policy_span: policy.or(fail_open).map(|node| node.span.clone()),
            policy_open: "failure_policy: FAIL_OPEN",
            may_stop_at_headers: config.get("allow_on_headers_stop_iteration").and_then(Node::as_bool) == Some(true),
            is_singleton: node.get("singleton").and_then(Node::as_bool) == Some(true),
            vm_id: config.at(&["vm_config", "vm_id"]).cloned(),
            unknown_fields: unknown_fields(config),
            configuration,
            variables: Variables::of_vm_config(config.get("vm_config")),
        })
    }

    /// Reads Istio's WasmPlugin.
    pub(crate) fn of_wasm_plugin(resource: &Node, scope: usize) -> Option<Self> {
        let spec = resource.get("spec")?;
        let config = spec.get("pluginConfig");
        let span = resource.at(&["metadata", "name"]).unwrap_or(resource).span.clone();
        let names = [spec.string_at(&["pluginName"]), resource.string_at(&["metadata", "name"])];
        let policy = spec.get("failStrategy");
        Self::of_resource(config, span, spec.string_at(&["url"]), names, |plugin| {
            plugin.scope = scope;
            plugin.policy = match policy.and_then(Node::as_str) {
                Some("FAIL_OPEN") => FailurePolicy::Open,
                Some("FAIL_RELOAD") => FailurePolicy::Reload,
                _ => FailurePolicy::Closed,
            };
            plugin.policy_span = policy.map(|node| node.span.clone());
            plugin.policy_open = "failStrategy: FAIL_OPEN";
            plugin.variables = Variables::of_wasm_plugin(spec);
        })
    }

    /// Reads the Wasm extensions of Envoy Gateway's EnvoyExtensionPolicy.
    pub(crate) fn of_extension_policy(resource: &Node, scope: usize) -> Vec<Self> {
        let extensions = resource.at(&["spec", "wasm"]).map_or(&[][..], Node::items);
        let plugins = extensions.iter().filter_map(|extension| {
            let code = extension.get("code");
            let url =
                code.and_then(|code| code.string_at(&["image", "url"]).or_else(|| code.string_at(&["http", "url"])));
            let span = extension.get("name").unwrap_or(extension).span.clone();
            let names = [extension.string_at(&["rootID"]), extension.string_at(&["name"])];
            let policy = extension.get("failOpen");
            Self::of_resource(extension.get("config"), span, url, names, |plugin| {
                plugin.scope = scope;
                let is_open = policy.and_then(Node::as_bool) == Some(true);
                plugin.policy = if is_open { FailurePolicy::Open } else { FailurePolicy::Closed };
                plugin.policy_span = policy.map(|node| node.span.clone());
                plugin.policy_open = "failOpen: true";
                plugin.variables = Variables::of_extension_policy(extension);
            })
        });
        plugins.collect()
    }

    /// Reads a Kubernetes resource that makes an HTTP filter.
    fn of_resource(
        config: Option<&Node>,
        span: Range<usize>,
        code: Option<&str>,
        names: [Option<&str>; 2],
        complete: impl FnOnce(&mut Self),
    ) -> Option<Self> {
        let configuration = config.map_or_else(|| Configuration::of_any(None, span.clone()), Configuration::of_tree);
        let mut plugin = Self {
            scope: 0,
            kind: kind(code, names, &configuration)?,
            attachment: Attachment::HttpFilter,
            listener: None,
            span,
            policy: FailurePolicy::Closed,
            policy_span: None,
            policy_open: "",
            may_stop_at_headers: false,
            is_singleton: false,
            vm_id: None,
            unknown_fields: Vec::new(),
            configuration,
            variables: Variables::default(),
        };
        complete(&mut plugin);
        Some(plugin)
    }

    /// Returns the `vm_id`, or an empty string without one.
    pub fn vm_id(&self) -> &str {
        self.vm_id.as_ref().and_then(Node::as_str).unwrap_or_default()
    }

    /// Reads the configuration of a sender.
    ///
    /// # Errors
    /// Returns all errors of the configuration.
    pub fn sender(&self, environment: &Environment) -> Result<sender::SenderConfig, ValidationErrors> {
        sender::SenderConfig::from_json(&self.configuration.bytes, |name| self.variables.value(name, environment))
    }

    /// Reads the configuration of a receiver.
    ///
    /// # Errors
    /// Returns all errors of the configuration.
    pub fn receiver(&self, environment: &Environment) -> Result<receiver::ReceiverConfig, ValidationErrors> {
        receiver::ReceiverConfig::from_json(&self.configuration.bytes, |name| self.variables.value(name, environment))
    }

    /// Reads the configuration of a gateway.
    ///
    /// # Errors
    /// Returns all errors of the configuration.
    pub fn gateway(&self, environment: &Environment) -> Result<gateway::Config, ValidationErrors> {
        gateway::Config::from_json(&self.configuration.bytes, |name| self.variables.value(name, environment))
    }
}

/// Determines the module: by its code's name, else by its names in Envoy, else by a key that only one module has.
/// Returns `None` for other plugins.
fn kind(code: Option<&str>, names: [Option<&str>; 2], configuration: &Configuration) -> Option<ModuleKind> {
    let has_key = |keys: &[&str]| {
        let members = configuration.tree.as_ref().map_or(&[][..], Node::members);
        members.iter().any(|(key, _)| key.as_str().is_some_and(|key| keys.contains(&key)))
    };
    let by_key = || {
        if has_key(&["cloud_watch_cluster_name", "cloud_watch_region"]) {
            Some(ModuleKind::Receiver)
        } else if has_key(&["default_dimensions", "bearer_token", "access_keys", "max_exact_values"]) {
            Some(ModuleKind::Gateway)
        } else if has_key(&["receiver_vm_id"]) {
            Some(ModuleKind::Sender)
        } else {
            None
        }
    };
    let by_name = || names.into_iter().flatten().find_map(ModuleKind::in_text);
    let kind = code.and_then(ModuleKind::in_text).or_else(by_name).or_else(by_key)?;
    // Other plugins may have the same file name. A configuration with keys, but none of the module's, is not ours.
    let is_other = configuration.tree.as_ref().is_some_and(|tree| !tree.members().is_empty()) && !has_key(kind.keys());
    (!is_other || by_key().is_some()).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_known_by_the_names_of_their_files_and_images() {
        for (text, kind) in [
            ("/etc/acpw/sender.wasm", Some(ModuleKind::Sender)),
            ("oci://ghcr.io/OWNER/acpw-receiver:1.0", Some(ModuleKind::Receiver)),
            ("https://example.com/gateway-0.2.wasm", Some(ModuleKind::Gateway)),
            ("/sender/plugin.wasm", None),
            ("acpw-sender-receiver.wasm", None),
            ("senders.wasm", None),
        ] {
            assert_eq!(ModuleKind::in_text(text), kind, "{text}");
        }
    }
}
