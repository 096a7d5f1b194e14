//! Extension points that modules are attached to, and failure policies.

use super::{
    Check,
    finding::{
        COUNTED_TWICE, MISPLACED_MODULE, NOT_A_SINGLETON, NOT_RESTARTED, POSTS_HANG, REQUESTS_FAIL, UNKNOWN_FIELD,
    },
};
use crate::plugin::{Attachment, FailurePolicy, ModuleKind, Plugin, UnknownField};

impl Check<'_> {
    pub(super) fn attachments(&mut self) {
        for plugin in &self.inventory.plugins {
            for UnknownField { message, known, key } in &plugin.unknown_fields {
                let name = key.as_str().unwrap_or_default();
                let remedy = match acpw_config::similar(name, known) {
                    Some(guess) => format!("did you mean `{guess}`?"),
                    None => format!("known keys are {}", known.join(", ")),
                };
                let message = format!("Envoy refuses the {}: {message} has no key {name}", plugin.kind.name());
                self.add(&UNKNOWN_FIELD, (plugin.scope, key.span.clone()), message, "unknown key", remedy);
            }
            if is_misplaced(plugin) {
                let (name, point) = (plugin.kind.name(), plugin.attachment.name());
                let remedy = match plugin.kind {
                    ModuleKind::Sender => "attach it as an access logger or as an HTTP filter",
                    ModuleKind::Receiver => "attach it as a statistics sink: under stats_sinks of the bootstrap",
                    ModuleKind::Gateway => "attach it as an HTTP filter, on a listener of its own",
                };
                let message = format!("the {name} is attached as {point}, where it does not work");
                self.add(&MISPLACED_MODULE, at(plugin), message, format!("{point} here"), remedy);
                continue;
            }
            self.singleton(plugin);
            self.failure_policy(plugin);
            self.body(plugin);
        }
        self.counted_twice();
    }

    fn singleton(&mut self, plugin: &Plugin) {
        if plugin.attachment == Attachment::BootstrapExtension && !plugin.is_singleton {
            let message = "the receiver is a bootstrap extension without singleton: true, so every worker runs one";
            let remedy = "set singleton: true, or attach it as a statistics sink";
            self.add(&NOT_A_SINGLETON, at(plugin), message, "runs on every worker", remedy);
        }
    }

    fn failure_policy(&mut self, plugin: &Plugin) {
        let span = plugin.policy_span.clone().unwrap_or_else(|| plugin.span.clone());
        let at = (plugin.scope, span);
        let label = match (&plugin.policy_span, plugin.policy) {
            (None, _) => "has no failure policy, so its requests fail",
            (_, FailurePolicy::Closed) => "requests fail",
            (_, FailurePolicy::Reload) => "requests fail until the module runs again",
            (_, FailurePolicy::Open) => "stays gone",
        };
        match (plugin.kind, plugin.attachment, plugin.policy) {
            (ModuleKind::Sender, Attachment::HttpFilter, FailurePolicy::Closed | FailurePolicy::Reload) => {
                let message = "requests fail if the sender does: its failure policy does not let them pass";
                self.add(&REQUESTS_FAIL, at, message, label, format!("set {}", plugin.policy_open));
            }
            (_, Attachment::AccessLogger | Attachment::StatSink, policy) if policy != FailurePolicy::Reload => {
                let message = format!("Envoy does not start the {} again if it fails", plugin.kind.name());
                let label = if plugin.policy_span.is_some() { "stays gone" } else { "has no failure policy" };
                self.add(&NOT_RESTARTED, at, message, label, "set failure_policy: FAIL_RELOAD");
            }
            (ModuleKind::Gateway, _, FailurePolicy::Closed | FailurePolicy::Open) => {
                let message = "Envoy does not start the gateway again if it fails";
                let label = if plugin.policy_span.is_some() { "stays gone" } else { "has no failure policy" };
                self.add(&NOT_RESTARTED, at, message, label, "set failure_policy: FAIL_RELOAD");
            }
            _ => {}
        }
    }

    fn body(&mut self, plugin: &Plugin) {
        if plugin.kind == ModuleKind::Gateway && !plugin.may_stop_at_headers {
            let message = "every post to the gateway hangs: Envoy does not let it wait for the body";
            let remedy = "set allow_on_headers_stop_iteration: true next to failure_policy";
            self.add(&POSTS_HANG, at(plugin), message, "allow_on_headers_stop_iteration is missing or false", remedy);
        }
    }

    /// Finds senders with the same configuration on the same listener.
    fn counted_twice(&mut self) {
        let senders: Vec<&Plugin> =
            self.plugins(ModuleKind::Sender).filter(|plugin| plugin.listener.is_some()).collect();
        for (index, plugin) in senders.iter().enumerate() {
            let is_same = |other: &&&Plugin| {
                other.listener == plugin.listener && other.configuration.document() == plugin.configuration.document()
            };
            let Some(first) = senders.iter().take(index).find(is_same) else { continue };
            // Filter chains of one listener take different connections, and each needs its own.
            if first.attachment == plugin.attachment {
                continue;
            }
            let message = "requests count twice: the sender is attached to this listener in two ways";
            let remedy = "remove the HTTP filter, unless you need requests in progress; else the access logger";
            self.add(&COUNTED_TWICE, at(plugin), message, "the same configuration", remedy);
            self.relate(self.inventory.file_of(first.scope), first.span.clone(), "the other one");
        }
    }
}

fn at(plugin: &Plugin) -> (usize, std::ops::Range<usize>) {
    (plugin.scope, plugin.span.clone())
}

fn is_misplaced(plugin: &Plugin) -> bool {
    match plugin.kind {
        ModuleKind::Sender => !matches!(plugin.attachment, Attachment::AccessLogger | Attachment::HttpFilter),
        ModuleKind::Receiver => !matches!(plugin.attachment, Attachment::StatSink | Attachment::BootstrapExtension),
        ModuleKind::Gateway => plugin.attachment != Attachment::HttpFilter,
    }
}
