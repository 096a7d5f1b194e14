//! Envoy takes every example configuration.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{fs, path::PathBuf, process::Command};

use e2e::installation;

fn examples() -> Vec<PathBuf> {
    let files = fs::read_dir(installation::root().join("envoy")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

#[test]
fn every_example_is_valid() {
    let examples = examples();
    assert!(!examples.is_empty(), "there are no examples");
    for example in examples {
        let output = Command::new(installation::envoy())
            .args(["--mode", "validate", "--config-path"])
            .arg(&example)
            // They name the modules as they lie in the root.
            .current_dir(installation::root())
            .env("ACPW_AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("ACPW_AWS_SECRET_ACCESS_KEY", "secret")
            .env("ACPW_AWS_SESSION_TOKEN", "token")
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{} is not valid. If a module is missing, run `make build-all`.\n{log}",
            example.display()
        );
    }
}
