//! Checks the layers: the dependencies between the crates of the modules, according to cargo.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

/// The crates of this project that each crate of the modules may depend on.
const LAYERS: [(&str, &[&str]); 9] = [
    ("acpw-metric", &[]),
    ("acpw-sigv4", &[]),
    ("acpw-config", &[]),
    ("acpw-shared-state", &[]),
    ("acpw-otlp", &[]),
    ("acpw-host", &["acpw-metric"]),
    ("acpw-sender", &["acpw-config", "acpw-metric", "acpw-host"]),
    ("acpw-gateway", &["acpw-config", "acpw-metric", "acpw-otlp", "acpw-sigv4", "acpw-host", "acpw-shared-state"]),
    ("acpw-receiver", &["acpw-config", "acpw-metric", "acpw-otlp", "acpw-sigv4", "acpw-host", "acpw-shared-state"]),
];

/// The crates that talk to Envoy. Only `context.rs` can use them, because it is compiled for Wasm only.
const HOST_CRATES: [&str; 2] = ["acpw-host", "proxy-wasm"];

const WASM_ONLY: &str = r#"cfg(target_arch = "wasm32")"#;

/// A dependency in the output of `cargo metadata`.
struct Dependency {
    package: String,
    name: String,
    /// The target condition of the dependency.
    target: Option<String>,
    is_dev: bool,
}

fn dependencies() -> Vec<Dependency> {
    let output = Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--format-version", "1"]).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let of_package = |package: &Value| -> Vec<Dependency> {
        let dependencies = package["dependencies"].as_array().unwrap().iter().map(|dependency| Dependency {
            package: text(&package["name"]).unwrap(),
            name: text(&dependency["name"]).unwrap(),
            target: text(&dependency["target"]),
            is_dev: dependency["kind"] == "dev",
        });
        dependencies.collect()
    };
    metadata["packages"].as_array().unwrap().iter().flat_map(of_package).collect()
}

#[test]
fn a_crate_depends_only_on_the_layers_below_it() {
    let dependencies = dependencies();
    for (package, allowed) in LAYERS {
        let of_package = dependencies.iter().filter(|dependency| dependency.package == package && !dependency.is_dev);
        let own_crates: BTreeSet<&str> =
            of_package.map(|dependency| dependency.name.as_str()).filter(|name| name.starts_with("acpw-")).collect();
        let unexpected: Vec<_> = own_crates.iter().filter(|name| !allowed.contains(name)).collect();
        assert!(unexpected.is_empty(), "{package} depends on {unexpected:?}");
    }
}

#[test]
fn every_plugin_depends_on_the_sdk_for_wasm_only() {
    let mut plugins = BTreeSet::new();
    for dependency in dependencies() {
        let Dependency { package, name, target, .. } = dependency;
        if HOST_CRATES.contains(&name.as_str()) {
            assert_eq!(target.as_deref(), Some(WASM_ONLY), "{package} depends on {name}");
            if name == "proxy-wasm" {
                plugins.insert(package);
            }
        }
    }
    let expected = ["acpw-gateway", "acpw-host", "acpw-receiver", "acpw-sender"];
    assert!(plugins.iter().map(String::as_str).eq(expected), "{plugins:?}");
}
