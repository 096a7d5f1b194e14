//! The receivers that senders and gateways name.

use super::{
    Check,
    finding::{GATEWAY_VM_ID, NO_RECEIVER_GIVEN, TWO_RECEIVERS, UNKNOWN_RECEIVER},
};
use crate::{
    node::Node,
    plugin::{ModuleKind, Plugin},
};

impl Check<'_> {
    pub(super) fn references(&mut self) {
        for plugin in &self.inventory.plugins {
            match plugin.kind {
                ModuleKind::Sender => self.receiver(plugin),
                ModuleKind::Gateway => {
                    self.receiver(plugin);
                    self.gateway_vm(plugin);
                }
                ModuleKind::Receiver => self.other_receiver(plugin),
            }
        }
    }

    fn receiver(&mut self, plugin: &Plugin) {
        let Some(named) = named_receiver(plugin) else { return };
        let (name, id) = (plugin.kind.name(), named.as_str().unwrap_or_default().to_owned());
        let reached = |receiver: &&Plugin| self.inventory.reaches(plugin.scope, receiver.scope);
        let receivers: Vec<&Plugin> = self.plugins(ModuleKind::Receiver).filter(reached).collect();
        if receivers.iter().any(|receiver| receiver.vm_id() == id) {
            return;
        }
        let at = (plugin.scope, named.span.clone());
        let Some(receiver) = receivers.first() else {
            let is_complete = self.inventory.scopes.get(plugin.scope).is_some_and(|scope| scope.is_self_contained);
            let (rule, remedy) = if is_complete {
                (&UNKNOWN_RECEIVER, "attach receiver.wasm under stats_sinks of this bootstrap")
            } else {
                (&NO_RECEIVER_GIVEN, "give the file with the receiver too, or attach one")
            };
            let message = format!("the {name} sends to the receiver \"{id}\", but there is no receiver here");
            self.add(rule, at, message, "no receiver", remedy);
            return;
        };
        let (span, label, remedy) = match &receiver.vm_id {
            Some(node) => {
                let own = node.as_str().unwrap_or_default();
                let remedy = format!("write \"{own}\" here, or change the vm_id of the receiver to \"{id}\"");
                (node.span.clone(), "the vm_id of the receiver", remedy)
            }
            None => {
                let remedy = format!("set vm_id: {id} in vm_config of the receiver");
                (receiver.span.clone(), "the receiver has no vm_id", remedy)
            }
        };
        let message = format!("the {name} sends to the receiver \"{id}\", but no receiver has this vm_id");
        self.add(&UNKNOWN_RECEIVER, at, message, "no receiver has this vm_id", remedy);
        self.relate(self.inventory.file_of(receiver.scope), span, label);
    }

    fn gateway_vm(&mut self, plugin: &Plugin) {
        let Some(named) = named_receiver(plugin).and_then(Node::as_str) else { return };
        if plugin.vm_id() == named {
            return;
        }
        let span = plugin.vm_id.as_ref().map_or(&plugin.span, |node| &node.span).clone();
        let message =
            format!("the gateway runs in the VM \"{}\", where it does not see data of its receiver", plugin.vm_id());
        let label = if plugin.vm_id.is_some() { "not the vm_id of its receiver" } else { "has no vm_id" };
        let remedy = format!("set vm_id: {named} in vm_config, as receiver_vm_id says");
        self.add(&GATEWAY_VM_ID, (plugin.scope, span), message, label, remedy);
    }

    /// Finds a second receiver for the same VM in the same Envoy.
    fn other_receiver(&mut self, plugin: &Plugin) {
        let is_same = |other: &&Plugin| other.scope == plugin.scope && other.vm_id() == plugin.vm_id();
        let Some(first) = self.plugins(ModuleKind::Receiver).find(is_same) else { return };
        if std::ptr::eq(first, plugin) {
            return;
        }
        let message = format!("two receivers have the vm_id \"{}\" and take data from one queue", plugin.vm_id());
        let at = (plugin.scope, plugin.span.clone());
        self.add(&TWO_RECEIVERS, at, message, "a second receiver", "remove one of the two");
        self.relate(self.inventory.file_of(first.scope), first.span.clone(), "the first receiver");
    }
}

/// Returns the value of `receiver_vm_id`, if it is a string that is not empty.
fn named_receiver(plugin: &Plugin) -> Option<&Node> {
    let (_, value) = plugin.configuration.tree.as_ref()?.member("receiver_vm_id")?;
    value.as_str().is_some_and(|id| !id.is_empty()).then_some(value)
}
