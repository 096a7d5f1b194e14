//! AWS accepts what `acpw` writes: dashboards by the structure that CloudWatch documents, alarms and scaling policies
//! by botocore's models, and policies by the ones in deploy/iam.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

#[path = "support/schema.rs"]
mod schema;
mod support;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{examples, root, run, within_repository};

const EVERYTHING: &str = "acpw/tests/data/everything.yaml";

/// Returns the document that a command prints.
fn document(arguments: &[&str]) -> Value {
    let output = run(arguments);
    assert_eq!(output.code, 0, "{arguments:?}: {}", output.err);
    serde_json::from_str(&output.out).unwrap()
}

/// Returns the examples that publish something by themselves.
fn with_dashboards() -> Vec<String> {
    let mut files: Vec<String> = examples().into_iter().filter(|file| file.starts_with("envoy/")).collect();
    files.retain(|file| run(&["cost", file]).code == 0 && file != "envoy/gateway.yaml");
    files.push(EVERYTHING.to_owned());
    assert!(files.len() > 12, "{files:?}");
    files
}

#[test]
fn dashboards_have_cloudwatchs_structure() {
    let schema: Value = serde_json::from_str(&within_repository("acpw/tests/data/dashboard.schema.json")).unwrap();
    for file in with_dashboards() {
        let body = document(&["dashboard", &file, "--region", "eu-central-1"]);
        let mut faults = Vec::new();
        schema::validate(&body, &schema, "", &mut faults);
        assert_eq!(faults, Vec::<String>::new(), "{file}");
        check_layout(&file, &body);
    }
    let mut faults = Vec::new();
    schema::validate(&json!({ "widgets": [{ "type": "graph" }] }), &schema, "", &mut faults);
    assert_eq!(faults.len(), 1, "the schema refuses nothing");
}

/// Checks that no widget covers another or exceeds the grid, and that the IDs in a graph are distinct.
fn check_layout(file: &str, body: &Value) {
    let mut covered = std::collections::BTreeSet::new();
    for widget in body["widgets"].as_array().unwrap() {
        let number = |key: &str| widget[key].as_u64().unwrap();
        assert!(number("x") + number("width") <= 24, "{file}: {widget}");
        for cell in (0..number("width")).flat_map(|x| (0..number("height")).map(move |y| (x, y))) {
            assert!(covered.insert((number("x") + cell.0, number("y") + cell.1)), "{file}: {widget}");
        }
        let mut ids = std::collections::BTreeSet::new();
        for line in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            if let Some(id) = line.as_array().unwrap().last().unwrap()["id"].as_str() {
                assert!(ids.insert(id), "{file}: {widget}");
                assert!(id.starts_with(|first: char| first.is_ascii_lowercase()), "{id}");
            }
        }
    }
}

/// Returns a Python with botocore: `PYTHON`, or the workspace's virtual environment.
fn python() -> PathBuf {
    let default = root().join(".venv/bin/python");
    std::env::var_os("PYTHON").map_or(default, PathBuf::from)
}

/// Returns botocore's errors about inputs of API operations.
fn errors(operations: &Value) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/inputs.py");
    let mut process = Command::new(python())
        .arg(script)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; set PYTHON to a Python with botocore", python().display()));
    process.stdin.take().unwrap().write_all(operations.to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap().trim().to_owned();
    assert_eq!(output.status.success(), text.is_empty(), "{text}");
    text
}

#[test]
fn alarms_dashboards_and_policies_fit_botocores_models() {
    let values = ["--dimension", "ClusterName=main", "--dimension", "ServiceName=shop"];
    for (arguments, operations) in [
        (&["alarms", "envoy/metrics.yaml"][..], 1),
        (&["alarms", EVERYTHING, "--action", "arn:aws:sns:eu-central-1:123456789012:pager"], 1),
        (&["alarms", EVERYTHING, "--scaling", "step", values[0], values[1], values[2], values[3]], 3),
        (&["alarms", "envoy/ecs.yaml", "--scaling", "target-tracking", values[0], values[1], values[2], values[3]], 2),
    ] {
        let document = document(arguments);
        assert_eq!(document.as_object().unwrap().len(), operations, "{document}");
        assert_eq!(errors(&document), "", "{arguments:?}");
    }
    let dashboard = |file: String| {
        let body = document(&["dashboard", &file, "--region", "eu-central-1"]);
        json!({ "DashboardName": "acpw-Envoy-Requests", "DashboardBody": body.to_string() })
    };
    let inputs: Vec<_> = with_dashboards().into_iter().map(dashboard).collect();
    assert_eq!(errors(&json!({ "PutDashboard": inputs })), "");
    let wrong =
        json!({ "PutMetricAlarm": [{ "AlarmName": "a", "EvaluationPeriods": 1, "ComparisonOperator": "More" }] });
    assert_eq!(
        errors(&wrong).lines().next().unwrap().split(" is not one of").next(),
        Some("PutMetricAlarm.ComparisonOperator: More")
    );
}

#[test]
fn policies_are_those_in_deploy() {
    let read = |path: &str| -> Value { serde_json::from_str(&within_repository(path)).unwrap() };
    assert_eq!(document(&["iam", "envoy/ecs.yaml"]), read("deploy/iam/policy.json"));
    assert_eq!(
        document(&["iam", "envoy/eks-pod-identity.yaml", "--trust", "pod-identity"]),
        read("deploy/iam/trust-pod-identity.json")
    );
    let irsa = [
        "iam",
        "envoy/eks-irsa.yaml",
        "--trust",
        "irsa",
        "--oidc-provider",
        "https://oidc.example",
        "--service-account",
        "shop/envoy",
        "--account",
        "123456789012",
    ];
    let template = within_repository("deploy/iam/trust-irsa.json");
    let replaced = [
        ("SERVICE_ACCOUNT", "envoy"),
        ("NAMESPACE", "shop"),
        ("PROVIDER", "oidc.example"),
        ("ACCOUNT", "123456789012"),
    ];
    let expected = replaced.iter().fold(template, |text, (from, to)| text.replace(from, to));
    assert_eq!(document(&irsa), serde_json::from_str::<Value>(&expected).unwrap());
}
