//! Envoy takes every example configuration.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{fs, path::PathBuf, process::Command};

use e2e::installation;

fn examples() -> Vec<PathBuf> {
    let files = fs::read_dir(installation::root().join("envoy")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

/// Names of the examples that have credentials from somewhere.
const WITH_CREDENTIALS: [&str; 7] =
    ["ec2", "ecs", "eks-irsa", "eks-pod-identity", "envoy-signing", "lua-files", "shared-file"];

#[test]
fn policies_allow_exactly_the_namespace_that_is_published_to() {
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
fn files_are_served_on_a_socket_for_one_user_and_nowhere_else() {
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
            // What ECS and EKS set.
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
        assert!(
            output.status.success(),
            "{} is not valid. If a module is missing, run `make build-all`.\n{log}",
            example.display()
        );
    }
}
