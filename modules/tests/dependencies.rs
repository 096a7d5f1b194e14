//! The law of dependencies: which room may know which.

#![allow(clippy::unwrap_used, reason = "a file that cannot be read is a failed test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// For each crate of the modules, the crates of this project that it may know.
const LAW: [(&str, &[&str]); 7] = [
    ("crates/metric", &[]),
    ("crates/sigv4", &[]),
    ("crates/config", &[]),
    ("crates/host", &["acpw-metric"]),
    ("sender", &["acpw-config", "acpw-metric", "acpw-host"]),
    ("gateway", &["acpw-config", "acpw-metric", "acpw-sigv4", "acpw-host"]),
    ("receiver", &["acpw-config", "acpw-metric", "acpw-sigv4", "acpw-host"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let below = folders.iter().flat_map(|folder| sources(folder));
    files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")).chain(below).collect()
}

#[test]
fn a_crate_knows_only_those_it_may() {
    for (folder, allowed) in LAW {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let known: Vec<&str> = manifest
            .lines()
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .filter(|name| name.starts_with("acpw-"))
            .collect();
        assert!(known.iter().all(|name| allowed.contains(name)), "{folder} knows {known:?}");
    }
}

#[test]
fn the_host_is_a_dependency_of_wasm_builds_only_and_the_sdk_of_no_module() {
    for (folder, _) in LAW {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let (mut is_wasm, mut is_test) = (false, false);
        for line in manifest.lines() {
            if line.starts_with('[') {
                is_wasm = line == "[target.'cfg(target_arch = \"wasm32\")'.dependencies]";
                is_test = line == "[dev-dependencies]";
            }
            let names_the_host = line.starts_with("acpw-host");
            let names_the_sdk = line.starts_with("proxy-wasm");
            assert!(is_wasm || !names_the_host, "{folder}: {line}");
            assert!(folder == "crates/host" && is_test || !names_the_sdk, "{folder}: {line}");
        }
    }
}

#[test]
fn only_the_glue_names_the_host() {
    let mut files = 0;
    for (folder, _) in LAW.iter().filter(|(folder, _)| *folder != "crates/host") {
        for file in sources(&root().join(folder).join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            let is_glue =
                file.ends_with("context.rs") || file.parent().is_some_and(|parent| parent.ends_with("context"));
            assert!(is_glue || !text.contains("acpw_host") && !text.contains("proxy_wasm"), "{}", file.display());
            files += 1;
        }
    }
    assert!(files > 20, "{files}");
}
