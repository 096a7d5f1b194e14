//! The output of the commands for the examples and for broken files.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;

use acpw::inventory::FEATURES;
use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{examples, root, run, transcript, within_repository};

/// Runs a command on each file, and returns all transcripts.
fn transcripts<'a>(command: &str, files: impl IntoIterator<Item = &'a String>) -> String {
    files.into_iter().map(|file| transcript(&[command, file]) + "\n").collect()
}

#[test]
fn check_accepts_each_example_and_all_together() {
    let examples = examples();
    assert_snapshot!("check_examples", transcripts("check", &examples));
    let mut arguments = vec!["check", "--deny-warnings"];
    arguments.extend(examples.iter().map(String::as_str));
    let all = run(&arguments);
    assert_eq!((all.code, all.err.as_str()), (0, ""), "{}", all.out);
}

#[test]
fn check_describes_what_is_wrong_with_each_broken_file() {
    let mut names: Vec<String> = std::fs::read_dir(root().join("acpw/tests/broken"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 30, "{names:?}");
    for name in names {
        let file = format!("acpw/tests/broken/{name}");
        let transcript = transcript(&["check", &file]);
        let is_accepted = transcript.ends_with("no errors, no warnings\nexit code 0\n");
        assert_eq!(is_accepted, name == "allowed.yaml", "{transcript}");
        assert_snapshot!(format!("broken_{}", name.replace(['-', '.'], "_")), transcript);
    }
}

#[test]
fn check_looks_for_clusters_in_all_files() {
    let files = ["acpw/tests/broken/with-cds.yaml", "acpw/tests/broken/cds.yaml"];
    assert_snapshot!("check_with_cds", transcript(&["check", files[0], files[1]]));
}

#[test]
fn unreadable_input_is_described_and_exits_with_2() {
    let transcripts = [
        transcript(&["check", "acpw/tests/broken"]),
        transcript(&["check", "missing.yaml", "envoy/demo.yaml"]),
        transcript(&["explain", "envoy/native.yaml"]),
        transcript(&["explain", "acpw/tests/broken/many-errors.yaml"]),
    ];
    assert_snapshot!("unreadable", transcripts.join("\n"));
    for arguments in [
        vec!["check"],
        vec!["check", "envoy/demo.yaml", "--envoy", "latest"],
        vec!["check", "envoy/demo.yaml", "--allow", "no-such-rule"],
        vec!["explain", "envoy/demo.yaml", "--request", "GET /path"],
        vec!["explain", "envoy/demo.yaml", "--env", "NAME"],
        vec!["schema", "proxy"],
    ] {
        let output = run(&arguments);
        assert_eq!((output.code, output.out.as_str()), (2, ""), "{arguments:?}: {}", output.err);
        assert!(!output.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn warnings_fail_and_rules_are_allowed_if_asked_for() {
    let file = "acpw/tests/broken/wasm-plugin-alone.yaml";
    assert_eq!(run(&["check", file]).code, 0);
    assert_eq!(run(&["check", "--deny-warnings", file]).code, 1);
    assert_eq!(run(&["check", "--deny-warnings", "--allow", "no-receiver-given", file]).code, 0);
}

#[test]
fn check_prints_findings_as_json() {
    let output = run(&["check", "--json", "acpw/tests/broken/counted-twice.yaml", "envoy/demo.yaml"]);
    let document: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!((output.code, &document["errors"], &document["warnings"]), (0, &Value::from(0), &Value::from(1)));
    assert_snapshot!("check_json", output.out);
}

#[test]
fn explain_shows_what_each_example_publishes() {
    let senders: Vec<String> = examples().into_iter().filter(|path| !without_sender(path)).collect();
    assert!(senders.len() > 15, "{senders:?}");
    assert_snapshot!("explain_examples", transcripts("explain", &senders));
}

/// Returns true for examples that attach no sender.
fn without_sender(path: &str) -> bool {
    let text = within_repository(path);
    !text.contains("sender.wasm }") && !text.contains("acpw-sender:VERSION")
}

#[test]
fn explain_takes_everything_that_a_configuration_may_ask_for() {
    let file = "acpw/tests/explain.yaml";
    let transcripts = [
        transcript(&["explain", file]),
        transcript(&[
            "explain",
            file,
            "--request=POST http://shop.example.com:8080/orders/42?x=1",
            "--status=503",
            "--header=X-Tenant: blue",
            "--header=content-type: application/grpc",
            "--response-header=x-cache: miss",
            "--duration-ms=1500.5",
            "--upstream-ms=1400",
            "--request-bytes=10",
            "--response-bytes=20",
            "--attempts=3",
            "--grpc-status=14",
            "--attribute=xds.route_name=orders",
            "--attribute=response.flags=4",
            "--env=ZONE=use1-az1",
        ]),
        transcript(&["explain", file, "--request", "https://other.org/"]),
    ];
    assert_snapshot!("explain_options", transcripts.join("\n"));
}

#[test]
fn explain_prints_series_and_body_as_json() {
    let output = run(&["explain", "--json", "envoy/metrics.yaml"]);
    let document: Value = serde_json::from_str(&output.out).unwrap();
    let senders = document["senders"].as_array().unwrap();
    let measured: usize = senders.iter().map(|sender| sender["series"].as_array().unwrap().len()).sum();
    // A gauge is published again each second.
    let mut published = BTreeSet::new();
    for request in senders.iter().flat_map(|sender| sender["receiver"]["requests"].as_array().unwrap()) {
        let body = &request["body"];
        let data = body.get("MetricData").unwrap_or(&body["EntityMetricData"][0]["MetricData"]);
        let series = |datum: &Value| format!("{} {}", datum["MetricName"], datum["Dimensions"]);
        published.extend(data.as_array().unwrap().iter().map(series));
    }
    let published = published.len();
    assert_eq!((output.code, measured, senders.len()), (0, published, 2), "{}", output.out);
}

#[test]
fn schema_prints_the_documented_schemas() {
    for module in ["sender", "receiver", "gateway"] {
        let output = run(&["schema", module]);
        assert_eq!((output.code, output.out), (0, within_repository(&format!("docs/{module}.schema.json"))));
    }
}

#[test]
fn completions_know_all_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.code, 0, "{}", output.err);
        for command in ["check", "explain", "cost", "dashboard", "alarms", "schema", "iam", "status"] {
            assert!(output.out.contains(command), "{shell} {command}");
        }
    }
}

#[test]
fn output_that_is_not_a_terminal_has_no_colours() {
    assert!(!transcript(&["check", "acpw/tests/broken/two-receivers.yaml"]).contains('\u{1b}'));
}

#[test]
fn explain_shows_requests_to_an_otlp_endpoint_without_secrets() {
    let text = within_repository("envoy/otlp.yaml");
    let only_otlp = text.replace(r#""publish_to": ["cloudwatch", "otlp"]"#, r#""publish_to": ["otlp"]"#).replace(
        r#""otlp": { "cluster_name": "cloud_watch" }"#,
        r#""otlp": { "cluster_name": "cloud_watch", "host": "collector:4318", "path": "/otlp", "signing": "bearer",
            "bearer_token": "TOPSECRET", "headers": { "x-key": "TOPSECRET" }, "temporality": "cumulative" }"#,
    );
    let file = std::env::temp_dir().join(format!("acpw-otlp-{}.yaml", std::process::id()));
    std::fs::write(&file, only_otlp).unwrap();
    let text = run(&["explain", file.to_str().unwrap()]);
    let json = run(&["explain", file.to_str().unwrap(), "--json"]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!((text.code, json.code), (0, 0), "{}", text.err);
    assert!(text.out.contains("RequestCount {host=example.com, method=GET}"), "{}", text.out);
    assert!(text.out.contains("\nPOST /otlp HTTP/1.1\nhost: collector:4318\n"), "{}", text.out);
    assert!(!text.out.contains("TOPSECRET") && !json.out.contains("TOPSECRET"), "{}", text.out);
    let document: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let requests = document["senders"][0]["receiver"]["requests"].as_array().unwrap();
    assert!(requests.iter().all(|request| request["path"] == "/otlp"), "{requests:?}");
    let scope = &requests[0]["body"]["resourceMetrics"][0]["scopeMetrics"][0];
    assert_eq!(scope["scope"]["name"], "acpw");
    let metrics = scope["metrics"].as_array().unwrap();
    let metric = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap();
    assert_eq!(metric("RequestCount")["sum"]["aggregationTemporality"], 2);
    assert_eq!(metric("http.server.request.duration")["exponentialHistogram"]["dataPoints"][0]["count"], "1");
}

/// Tests on each version of Envoy hold up the table in the document.
#[test]
fn features_and_their_first_versions_are_those_of_the_document() {
    let document = within_repository("docs/deployment.md");
    let (_, table) = document.split_once("| feature | first Envoy |").unwrap();
    let mut documented = BTreeSet::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        // "1.36, and 1.33 by its API": the configuration exists since the later one that is named.
        let since = cells[2].rsplit("1.").next().unwrap().split(' ').next().unwrap();
        let names = cells[3].split('`').skip(1).step_by(2);
        documented.extend(names.map(|name| (name.to_owned(), since.parse::<u32>().unwrap())));
    }
    let known = FEATURES.iter().map(|feature| (feature.name.to_owned(), u32::from(feature.since)));
    assert_eq!(known.collect::<BTreeSet<_>>(), documented);
}
