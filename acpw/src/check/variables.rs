//! Environment variables that modules read and that Envoy does not pass to them.

use std::ops::Range;

use serde_json::{Value, json};

use super::{Check, Module, finding::VARIABLE_NOT_PASSED};
use crate::{environment::Environment, node::Node};

/// Variables that belong together: with the first, AWS may set any of the others.
const FAMILIES: [(&str, &[&str], &str); 3] = [
    ("AWS_ACCESS_KEY_ID", &["AWS_SESSION_TOKEN"], "CloudWatch refuses temporary keys without their token"),
    ("ACPW_AWS_ACCESS_KEY_ID", &["ACPW_AWS_SESSION_TOKEN"], "CloudWatch refuses temporary keys without their token"),
    (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        &["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN"],
        "EKS Pod Identity refuses requests without the token in this file",
    ),
];

impl Check<'_> {
    pub(super) fn variables(&mut self) {
        for index in 0..self.modules.len() {
            let Some(module) = self.modules.get(index) else { continue };
            let mut missing = Vec::new();
            // The parser itself reports what it cannot do without.
            if module.config.is_ok() {
                missing.extend(defaults(module));
            }
            if module.receiver().is_some() {
                missing.extend(families(module));
                missing.extend(providers(module, self.environment));
            }
            let plugin = module.plugin;
            for Missing { span, message, label, remedy } in missing {
                self.add(&VARIABLE_NOT_PASSED, (plugin.scope, span), message, label, remedy);
            }
        }
    }
}

struct Missing {
    span: Range<usize>,
    message: String,
    label: &'static str,
    remedy: String,
}

/// Finds variables that AWS sets together with one that is passed.
fn families(module: &Module<'_>) -> Vec<Missing> {
    let plugin = module.plugin;
    let mut missing = Vec::new();
    for (first, others, reason) in FAMILIES {
        let is_incomplete = others.iter().all(|name| module.missing_variables.contains(*name));
        let Some(name) =
            others.first().filter(|_| is_incomplete && plugin.variables.passed.iter().any(|name| name == first))
        else {
            continue;
        };
        missing.push(Missing {
            span: plugin.span.clone(),
            message: format!("Envoy passes {first} to the receiver, but not {name}: {reason}"),
            label: "this VM does not have the variable",
            remedy: format!("add {name} to vm_config.environment_variables.host_env_keys"),
        });
    }
    missing
}

/// Finds providers in a list that never have credentials, because their variables are not passed.
fn providers(module: &Module<'_>, environment: &Environment) -> Vec<Missing> {
    let plugin = module.plugin;
    let Some((_, list)) = plugin.configuration.tree.as_ref().and_then(|tree| tree.member("credentials")) else {
        return Vec::new();
    };
    let mut missing = Vec::new();
    for provider in list.items() {
        let mut document = plugin.configuration.document();
        if let Value::Object(members) = &mut document {
            members.insert("credentials".to_owned(), json!([provider.to_json()]));
        }
        let read = receiver::ReceiverConfig::from_json(document.to_string().as_bytes(), |name| {
            plugin.variables.value(name, environment)
        });
        let Err(errors) = read else { continue };
        let error = errors.listed().iter().find(|error| error.message.contains("vm_config.environment_variables"));
        let name = provider.string_at(&["provider"]).unwrap_or_default();
        missing.extend(error.map(|error| Missing {
            span: provider.span.clone(),
            message: format!("the provider {name} never has credentials: {}", error.message),
            label: "its variables are not passed",
            remedy: "add them to vm_config.environment_variables.host_env_keys, or remove the provider".to_owned(),
        }));
    }
    missing
}

/// Finds values that are always their default, because they come from a variable that is not passed.
fn defaults(module: &Module<'_>) -> Vec<Missing> {
    let mut missing = Vec::new();
    if let Some(tree) = &module.plugin.configuration.tree {
        collect_defaults(tree, "", module, &mut missing);
    }
    missing
}

fn collect_defaults(node: &Node, name: &str, module: &Module<'_>, missing: &mut Vec<Missing>) {
    let variable = node.get("environment").filter(|_| node.get("default").is_some());
    let text = variable.and_then(Node::as_str).filter(|text| module.missing_variables.contains(*text));
    if let Some((variable, text)) = variable.zip(text) {
        missing.push(Missing {
            span: variable.span.clone(),
            message: format!(
                "{name} always has its default: Envoy does not pass {text} to the {}",
                module.plugin.kind.name()
            ),
            label: "this VM does not have the variable",
            remedy: format!("add {text} to vm_config.environment_variables.host_env_keys"),
        });
    }
    node.items().iter().for_each(|item| collect_defaults(item, name, module, missing));
    for (key, value) in node.members() {
        collect_defaults(value, key.as_str().unwrap_or_default(), module, missing);
    }
}
