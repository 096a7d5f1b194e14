//! Golden outputs of `acpw cost`, `dashboard`, `alarms` and `iam` on the examples, and on bad input.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod support;

use crate::support::transcript as run;

/// Files that are read together, each with the name of its snapshots.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("access-logger", &["envoy/access-logger.yaml"]),
    ("aws", &["envoy/aws.yaml"]),
    ("demo", &["envoy/demo.yaml"]),
    ("docker", &["envoy/docker.yaml"]),
    ("ec2", &["envoy/ec2.yaml"]),
    ("ecs", &["envoy/ecs.yaml"]),
    ("eks-irsa", &["envoy/eks-irsa.yaml"]),
    ("eks-pod-identity", &["envoy/eks-pod-identity.yaml"]),
    ("envoy-signing", &["envoy/envoy-signing.yaml"]),
    ("gateway", &["envoy/gateway.yaml"]),
    ("imgproxy", &["envoy/imgproxy.yaml"]),
    ("lua-files", &["envoy/lua-files.yaml"]),
    ("metrics", &["envoy/metrics.yaml"]),
    ("native", &["envoy/native.yaml"]),
    ("native-1.37", &["envoy/native-1.37.yaml"]),
    ("shared-file", &["envoy/shared-file.yaml"]),
    ("deploy-ecs", &["deploy/ecs/cloudformation.yaml"]),
    ("deploy-envoy-gateway", &["deploy/envoy-gateway/proxy.yaml", "deploy/envoy-gateway/sender.yaml"]),
    ("deploy-istio", &["deploy/istio/bootstrap.yaml", "deploy/istio/sender.yaml"]),
    ("deploy-kubernetes-gateway", &["deploy/kubernetes/base/gateway/envoy.yaml"]),
    ("deploy-kubernetes-sidecar", &["deploy/kubernetes/base/sidecar/envoy.yaml"]),
    ("deploy-systemd", &["deploy/systemd/envoy.yaml"]),
    ("everything", &["acpw/tests/data/everything.yaml"]),
];

/// Compares the output of a command on each example with a snapshot.
fn check(command: &str, options: &[&str]) {
    for (name, files) in EXAMPLES {
        let arguments = [&[command], *files, options].concat();
        insta::assert_snapshot!(format!("{command}-{name}"), run(&arguments));
    }
}

#[test]
fn costs_of_the_examples() {
    check("cost", &["--rps", "500", "--paths", "200"]);
}

#[test]
fn dashboards_of_the_examples() {
    check("dashboard", &["--region", "eu-central-1"]);
}

#[test]
fn alarms_of_the_examples() {
    check("alarms", &[]);
}

#[test]
fn policies_of_the_examples() {
    check("iam", &[]);
}

#[test]
fn costs_by_an_access_log() {
    let metrics = "envoy/metrics.yaml";
    for (name, arguments) in [
        ("default", &["--access-log", "acpw/tests/data/access.log"][..]),
        ("json", &["--access-log", "acpw/tests/data/access.json", "--rps", "20"]),
        ("paths", &["--access-log", "acpw/tests/data/paths.txt", "--otlp-price", "1.5", "--envoys", "3"]),
        ("prices", &["--prices", "acpw/tests/data/prices.json", "--values", "path_template=3"]),
        ("as-json", &["--json", "--hosts", "3"]),
    ] {
        let arguments = [&["cost", metrics], arguments].concat();
        insta::assert_snapshot!(format!("cost-by-{name}"), run(&arguments));
    }
}

#[test]
fn templates() {
    let everything = "acpw/tests/data/everything.yaml";
    for (name, arguments) in [
        ("dashboard-cloudformation", &["dashboard", "envoy/metrics.yaml", "--format", "cloudformation"][..]),
        ("dashboard-terraform", &["dashboard", "envoy/ecs.yaml", "--format", "terraform", "--name", "shop"]),
        ("region-cloudformation", &["dashboard", "acpw/tests/data/instance-region.yaml", "--format", "cloudformation"]),
        ("region-terraform", &["dashboard", "acpw/tests/data/instance-region.yaml", "--format", "terraform"]),
        ("alarms-cloudformation", &["alarms", everything, "--format", "cloudformation", "--scaling", "step"]),
        ("alarms-terraform", &["alarms", everything, "--format", "terraform", "--scaling", "step"]),
        (
            "scaling-cloudformation",
            &["alarms", "envoy/ecs.yaml", "--format", "cloudformation", "--scaling", "target-tracking"],
        ),
        ("scaling-terraform", &["alarms", "envoy/ecs.yaml", "--format", "terraform", "--scaling", "target-tracking"]),
        (
            "scaling-operations",
            &[
                "alarms",
                everything,
                "--scaling",
                "step",
                "--dimension",
                "ClusterName=main",
                "--dimension",
                "ServiceName=shop",
                "--action",
                "arn:aws:sns:eu-central-1:123456789012:pager",
                "--p99",
                "250.5",
                "--error-rate",
                "1",
                "--no-data",
                "10",
                "--held",
                "25",
                "--dropped",
                "3",
                "--since-success",
                "120",
            ],
        ),
    ] {
        insta::assert_snapshot!(name, run(arguments));
    }
}

#[test]
fn policies_of_roles() {
    let roles = "acpw/tests/data/everything.yaml";
    for (name, arguments) in [
        ("iam-source", &["iam", roles, "--identity", "source"][..]),
        ("iam-role", &["iam", roles, "--identity", "arn:aws:iam::123456789012:role/metrics"]),
        ("iam-other", &["iam", roles, "--identity", "arn:aws:iam::123456789012:role/other"]),
        (
            "trust-irsa",
            &[
                "iam",
                "envoy/eks-irsa.yaml",
                "--trust",
                "irsa",
                "--oidc-provider",
                "https://oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF",
                "--service-account",
                "shop/envoy",
                "--account",
                "123456789012",
            ],
        ),
        ("trust-pod-identity", &["iam", "envoy/eks-pod-identity.yaml", "--trust", "pod-identity"]),
        ("trust-ecs", &["iam", "envoy/ecs.yaml", "--trust", "ecs", "--account", "123456789012"]),
        ("trust-json", &["iam", "envoy/ec2.yaml", "--trust", "ec2", "--json"]),
    ] {
        insta::assert_snapshot!(name, run(arguments));
    }
}

#[test]
fn bad_input_is_explained() {
    let metrics = "envoy/metrics.yaml";
    let cases: &[&[&str]] = &[
        &["cost", "envoy/absent.yaml"],
        &["cost", "README.md"],
        &["cost", "envoy/"],
        &["cost", "docker-compose.yml"],
        &["cost", "deploy/istio/sender.yaml"],
        &["cost", metrics, "--rps", "0"],
        &["cost", metrics, "--paths", "-1"],
        &["cost", metrics, "--values", "Tenant=5"],
        &["cost", metrics, "--values", "path=none"],
        &["cost", metrics, "--access-log", "absent.log"],
        &["cost", metrics, "--access-log", "README.md"],
        &["cost", metrics, "--access-log", "acpw/tests/data/access.log", "--paths", "5"],
        &["cost", metrics, "--prices", "acpw/tests/data/access.json"],
        &["cost", "envoy/imgproxy.yaml", "--access-log", "acpw/tests/data/access.log"],
        &["dashboard", "acpw/tests/data/instance-region.yaml"],
        &["dashboard", metrics, "--name", "a b"],
        &["dashboard", metrics, "--format", "pulumi"],
        &["alarms", metrics, "--dimension", "Tenant=blue"],
        &["alarms", metrics, "--dimension", "path"],
        &["alarms", metrics, "--error-rate", "-5"],
        &["alarms", metrics, "--no-data", "0"],
        &["alarms", metrics, "--scaling", "step"],
        &["alarms", "envoy/ecs.yaml", "--scaling", "step"],
        &["alarms", "envoy/ecs.yaml", "--scaling", "step", "--min-tasks", "30", "--format", "terraform"],
        &["iam", "deploy/istio/sender.yaml"],
        &["iam", metrics, "--trust", "irsa"],
        &["iam", metrics, "--trust", "ecs", "--account", "12"],
        &["iam", metrics, "--identity", "source", "--trust", "ecs"],
        &[
            "iam",
            metrics,
            "--trust",
            "irsa",
            "--account",
            "123456789012",
            "--oidc-provider",
            "x",
            "--service-account",
            "no-slash",
        ],
        &["status", "https://localhost:1"],
        &["status", "http://127.0.0.1:1"],
        &["status", "127.0.0.1:1", "--interval", "5"],
    ];
    let outputs: Vec<_> = cases.iter().map(|arguments| run(arguments)).collect();
    for output in &outputs {
        assert!(output.ends_with("exit code 2\n"), "{output}");
    }
    insta::assert_snapshot!("bad-input", outputs.join("\n"));
}
