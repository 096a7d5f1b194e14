//! The clusters that receivers name.

use super::{Check, finding::UNKNOWN_CLUSTER};
use crate::{
    inventory::Cluster,
    node::{Kind, Node},
    plugin::{ModuleKind, Plugin},
};

/// The keys whose values name clusters.
const KEYS: [&str; 5] = ["cloud_watch_cluster_name", "admin_cluster_name", "cluster_name", "cluster", "file_cluster"];

/// The keys whose members have names that the user chooses, such as a dimension `cluster`.
const CHOSEN: [&str; 5] = ["dimensions", "headers", "labels", "resource_attributes", "rules"];

impl<'i> Check<'i> {
    pub(super) fn clusters(&mut self) {
        for plugin in self.plugins(ModuleKind::Receiver) {
            for (key, node) in cluster_names(plugin) {
                let name = node.as_str().unwrap_or_default();
                // A product names the clusters of services so: `outbound|9090||shop.default.svc.cluster.local`.
                if name.is_empty() || name.contains('|') || self.cluster(plugin.scope, name).is_some() {
                    continue;
                }
                let known: Vec<&str> = self.reached_clusters(plugin.scope).map(|cluster| &*cluster.name).collect();
                let remedy = match acpw_config::similar(name, &known) {
                    Some(guess) => format!("did you mean the cluster \"{guess}\"?"),
                    None if known.is_empty() => "define it, or give the file that defines it too".to_owned(),
                    None => format!("define it, or use one of {}", known.join(", ")),
                };
                let message = format!("the receiver's {key} names the cluster \"{name}\", which is not defined");
                let at = (plugin.scope, node.span.clone());
                self.add(&UNKNOWN_CLUSTER, at, message, "no such cluster", remedy);
            }
        }
    }

    /// Returns the clusters that a module in a scope can use.
    fn reached_clusters(&self, scope: usize) -> impl Iterator<Item = &'i Cluster> + use<'i> {
        let inventory = self.inventory;
        inventory.clusters.iter().filter(move |cluster| inventory.reaches(scope, cluster.scope))
    }

    /// Returns the cluster of a name, that of the own scope first.
    pub(super) fn cluster(&self, scope: usize, name: &str) -> Option<&'i Cluster> {
        let mut named = self.reached_clusters(scope).filter(|cluster| cluster.name == name);
        let first = named.next()?;
        let own = named.find(|cluster| cluster.scope == scope).filter(|_| first.scope != scope);
        Some(own.unwrap_or(first))
    }
}

/// Returns the keys of a receiver's configuration that name clusters, with their values.
pub(super) fn cluster_names(plugin: &Plugin) -> Vec<(&str, &Node)> {
    let mut names = Vec::new();
    if let Some(tree) = &plugin.configuration.tree {
        collect(tree, &mut names);
    }
    names
}

fn collect<'n>(node: &'n Node, names: &mut Vec<(&'n str, &'n Node)>) {
    match &node.kind {
        Kind::Sequence(items) => items.iter().for_each(|item| collect(item, names)),
        Kind::Mapping(members) => {
            for (key, value) in members {
                let key = key.as_str().unwrap_or_default();
                if KEYS.contains(&key) && value.text().is_some() {
                    names.push((key, value));
                } else if !CHOSEN.contains(&key) {
                    collect(value, names);
                }
            }
        }
        Kind::Text(_) | Kind::Plain(_) => {}
    }
}
