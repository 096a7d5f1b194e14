//! Errors and warnings of the modules' own parsers.

use std::ops::Range;

use acpw_config::{ValidationError, ValidationErrorKind, similar};

use super::{
    Check, Config,
    finding::{INVALID_CONFIGURATION, NO_EFFECT},
};
use crate::{
    node::Node,
    plugin::{Configuration, ModuleKind, Plugin},
};

impl Check<'_> {
    pub(super) fn configurations(&mut self) {
        for index in 0..self.modules.len() {
            let Some(module) = self.modules.get(index) else { continue };
            let plugin = module.plugin;
            match &module.config {
                Err(errors) => {
                    let more = errors.more();
                    for error in errors.listed().to_vec() {
                        self.configuration_error(plugin, &error);
                    }
                    if more > 0 {
                        let at = (plugin.scope, plugin.configuration.span.clone());
                        let message = format!("{}: {more} more errors", plugin.kind.name());
                        self.add(
                            &INVALID_CONFIGURATION,
                            at,
                            message,
                            "in this configuration",
                            "correct the others first",
                        );
                    }
                }
                Ok(Config::Sender(config)) => {
                    for warning in config.warnings.clone() {
                        let (path, message) = warning.split_once(": ").unwrap_or(("", &warning));
                        let (span, _) = position(&plugin.configuration, path, false);
                        let at = (plugin.scope, span);
                        self.add(&NO_EFFECT, at, format!("sender: {path} {message}"), "has no effect", "remove it");
                    }
                }
                Ok(Config::Receiver(_) | Config::Gateway(_)) => {}
            }
        }
    }

    fn configuration_error(&mut self, plugin: &Plugin, error: &ValidationError) {
        let name = plugin.kind.name();
        let configuration = &plugin.configuration;
        if let Some((span, reason)) = syntax_error(configuration) {
            let message = format!("{name}: the configuration is not JSON: {reason}");
            let remedy = "write one JSON object; strings and keys have double quotes, and no comma comes last";
            self.add(&INVALID_CONFIGURATION, (plugin.scope, span), message, reason, remedy);
            self.refer_to(reference(plugin.kind));
            return;
        }
        let path = if error.path.is_empty() { String::new() } else { format!("{}: ", error.path) };
        let known = error.message.strip_prefix("unknown key; known keys are ");
        // These are about the key, not about its value.
        let is_of_key =
            known.is_some() || ["duplicate key", "has no effect"].iter().any(|start| error.message.starts_with(start));
        let (span, key) = position(configuration, &error.path, is_of_key);
        let (problem, remedy) = match known {
            Some(known) => {
                let names: Vec<&str> = known.split(", ").collect();
                let guess = key.and_then(|key| similar(&key, &names));
                let guess = guess.map(|guess| format!("did you mean `{guess}`?"));
                ("unknown key", guess.unwrap_or_else(|| format!("known keys are {known}")))
            }
            None => {
                let (problem, remedy) = error.message.split_once("; ").unwrap_or((&error.message, ""));
                let remedy = match remedy {
                    "" if problem.contains("vm_config.environment_variables") => {
                        "add the variables to vm_config.environment_variables.host_env_keys"
                    }
                    "" if error.kind == ValidationErrorKind::Missing => "add the key",
                    "" if error.path.ends_with(']') => "correct or remove this entry",
                    "" => "correct the value, or remove the key to use its default",
                    remedy => remedy,
                };
                (problem, remedy.to_owned())
            }
        };
        self.add(&INVALID_CONFIGURATION, (plugin.scope, span), format!("{name}: {path}{problem}"), "", remedy);
        self.refer_to(reference(plugin.kind));
    }
}

/// Returns the reference of a module's configuration.
fn reference(kind: ModuleKind) -> &'static str {
    match kind {
        ModuleKind::Sender => "docs/configuration.md#sender",
        ModuleKind::Receiver => "docs/configuration.md#receiver",
        ModuleKind::Gateway => "docs/configuration.md#gateway",
    }
}

/// Returns the position of what a path refers to, and its last key. A key that is missing is in the value around it.
///
/// `is_of_key` selects the key instead of its value.
fn position(configuration: &Configuration, path: &str, is_of_key: bool) -> (Range<usize>, Option<String>) {
    let Some(tree) = &configuration.tree else { return (configuration.span.clone(), None) };
    let found = tree.find(path);
    let key = found.key.filter(|_| found.is_whole);
    let is_scalar = found.node.text().is_some();
    let span = match key {
        Some(key) if is_of_key || !is_scalar => key.span.clone(),
        _ => found.node.span.clone(),
    };
    (span, key.and_then(Node::as_str).map(str::to_owned))
}

/// Returns the position of an error of JSON's syntax, and what is wrong there.
fn syntax_error(configuration: &Configuration) -> Option<(Range<usize>, String)> {
    let text = configuration.text.as_ref()?;
    let error = serde_json::from_str::<serde_json::Value>(text.as_str()).err()?;
    if text.as_str().trim().is_empty() {
        return None;
    }
    let line_start: usize =
        text.as_str().split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    // The column counts bytes and is that of the last byte that was read.
    let mut at = line_start.saturating_add(error.column().saturating_sub(1)).min(text.as_str().len());
    while !text.as_str().is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    let reason = error.to_string();
    let reason = reason.split_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason).to_owned();
    let length = text.as_str().get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    Some((text.span(at..at.saturating_add(length)), reason))
}
