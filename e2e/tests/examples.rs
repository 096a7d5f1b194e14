//! Envoy accepts every example configuration.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use e2e::{
    EnvoyVersion,
    feature::{FEATURES, Feature},
    installation, table,
};

fn examples() -> Vec<PathBuf> {
    let files = fs::read_dir(installation::root().join("envoy")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

/// Examples with a credential provider.
const WITH_CREDENTIALS: [&str; 7] =
    ["ec2", "ecs", "eks-irsa", "eks-pod-identity", "envoy-signing", "lua-files", "shared-file"];

#[test]
fn policies_allow_only_the_published_namespace() {
    for name in WITH_CREDENTIALS {
        let text = fs::read_to_string(installation::root().join(format!("envoy/{name}.yaml"))).unwrap();
        let comments = text.lines().filter_map(|line| line.strip_prefix("# ")).map(str::trim_start);
        let policy: String =
            comments.skip_while(|line| !line.starts_with('{')).take_while(|line| !line.is_empty()).take(2).collect();
        let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
        let statement = &policy["Statement"][0];
        assert_eq!((&statement["Effect"], &statement["Action"]), (&"Allow".into(), &"cloudwatch:PutMetricData".into()));
        let allowed = statement["Condition"]["StringEquals"]["cloudwatch:namespace"].as_str().unwrap();
        assert!(text.contains(&format!("\"metric_namespace\": \"{allowed}\"")), "{name}");
    }
}

#[test]
fn files_are_served_only_on_a_private_socket() {
    let mut served = 0;
    for example in examples() {
        let text = fs::read_to_string(&example).unwrap();
        let reads_files = |part: &&str| part.contains("envoy.filters.http.file_server") || part.contains("io.open(");
        let listeners = text.split("\n  - name: ").filter(reads_files);
        for listener in listeners {
            served += 1;
            let address = "    address: { pipe: { path: /run/envoy/files.sock, mode: 0600 } }";
            assert!(listener.lines().any(|line| line == address), "{}", example.display());
        }
    }
    assert_eq!(served, 4);
}

/// Returns the feature that an example demonstrates.
fn feature(example: &Path) -> &'static Feature {
    let name = example.file_stem().unwrap().to_str().unwrap();
    let mut features = FEATURES.iter().filter(|feature| feature.examples.contains(&name));
    let feature = features.next().unwrap_or_else(|| panic!("no feature in e2e/src/feature.rs has the example {name}"));
    assert!(features.next().is_none(), "two features have the example {name}");
    feature
}

#[test]
fn the_document_lists_features_with_their_first_versions() {
    let document = fs::read_to_string(installation::root().join("docs/deployment.md")).unwrap();
    let rows = table(&document, "| feature | first Envoy |");
    let documented: Vec<_> = rows.iter().map(|row| (row[0].as_str(), row[1].split(',').next().unwrap())).collect();
    let versions = FEATURES.each_ref().map(|feature| feature.first.to_string());
    let expected: Vec<_> =
        FEATURES.iter().map(|feature| feature.name).zip(versions.iter().map(String::as_str)).collect();
    assert_eq!(documented, expected);
}

#[test]
fn every_example_is_valid_since_its_first_version() {
    let examples = examples();
    let named: usize = FEATURES.iter().map(|feature| feature.examples.len()).sum();
    assert_eq!(examples.len(), named, "e2e/src/feature.rs lists an example that does not exist");
    let version = EnvoyVersion::under_test();
    for example in examples {
        let output = Command::new(installation::envoy())
            .args(["--mode", "validate", "--config-path"])
            .arg(&example)
            // The examples load the modules from the current folder.
            .current_dir(installation::root())
            .env("ACPW_AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("ACPW_AWS_SECRET_ACCESS_KEY", "secret")
            .env("ACPW_AWS_SESSION_TOKEN", "token")
            // The variables that ECS and EKS set.
            .env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/id")
            .env("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/id")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")
            .env(
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
            )
            .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/envoy")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token")
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        let feature = feature(&example);
        assert_eq!(
            output.status.success(),
            feature.is_in(version),
            "{}: expected to be valid on Envoy {version} only if the version is at least {}; if a module is missing, run \
             `make build-all`\n{log}",
            example.display(),
            feature.first
        );
    }
}
