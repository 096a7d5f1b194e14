//! Lists the log lines of the receiver, and its configuration errors provoked by real configurations, in
//! `messages.txt`.
//!
//! The file is reviewed as text. `UPDATE_MESSAGES=1 cargo test -p acpw-receiver --test messages` writes it. Log lines
//! quote errors of credential providers and sources; the test checks that the other tests quote those.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../../gateway/tests/support/golden.rs"]
mod golden;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use receiver::{
    ReceiverConfig, cost::CostEstimate, disposition::RetryCause, notice::Notice, otlp::notice::ExportNotice,
};

/// Keys that make a configuration valid.
const REGION: &str = r#""cloud_watch_region": "eu-west-1", "cloud_watch_cluster_name": "cloud_watch""#;

/// A provider that makes `credentials` valid.
const ENVOY: &str = r#""credentials": {"provider": "envoy"}"#;

/// Values of the key `credentials`.
const CREDENTIALS: [&str; 29] = [
    "1",
    "[]",
    "[1, {}, {\"provider\": \"ssm\"}]",
    r#"{"provider": "static", "key": "A"}"#,
    r#"{"provider": "static", "access_key_id": "A\n", "secret_access_key": "s"}"#,
    r#"{"provider": "static", "access_key_id": "A", "secret_access_key": ""}"#,
    r#"{"provider": "environment"}"#,
    r#"{"provider": "container"}"#,
    r#"{"provider": "container", "cluster": "c"}"#,
    r#"{"provider": "container", "cluster": "c", "relative_uri": "../x"}"#,
    r#"{"provider": "container", "cluster": "c", "full_uri": "ftp://127.0.0.1/x"}"#,
    r#"{"provider": "container", "cluster": "c", "full_uri": "http://127.0.0.1?x"}"#,
    r#"{"provider": "container", "cluster": "c", "full_uri": "http:///x"}"#,
    r#"{"provider": "container", "cluster": "c", "full_uri": "http://127.0.0.1/../x"}"#,
    r#"{"provider": "container", "cluster": "c", "full_uri": "http://example.com/x"}"#,
    r#"{"provider": "container", "cluster": "c", "relative_uri": "/x", "authorization_token": "a\nb"}"#,
    r#"{"provider": "container", "cluster": "c", "relative_uri": "/x", "authorization_token_file": "token"}"#,
    r#"{"provider": "container", "cluster": "c", "relative_uri": "/x", "authorization_token_file": "/a/../b", "file_cluster": "f"}"#,
    r#"{"provider": "imds"}"#,
    r#"{"provider": "web_identity", "cluster": "sts"}"#,
    r#"{"provider": "web_identity", "cluster": "sts", "role_arn": "arn:aws:iam::1:role/r"}"#,
    r#"{"provider": "web_identity", "role_arn": "r", "token_file": "/t", "session_name": "x", "sts_host": "http://x"}"#,
    r#"{"provider": "shared_file"}"#,
    r#"{"provider": "shared_file", "credentials_file": "/c"}"#,
    r#"{"provider": "assume_role"}"#,
    r#"{"provider": "assume_role", "cluster": "sts", "role_arn": "arn:aws:iam::1:role/r", "source": {"provider": "envoy"}}"#,
    r#"{"provider": "assume_role", "cluster": "sts", "role_arn": "arn:aws:iam::1:role/r", "source": 1}"#,
    r#"{"provider": "envoy", "region": "eu-west-1"}"#,
    r#"[{"provider": "environment"}, {"provider": "shared_file"}]"#,
];

/// Environments of the provider `environment`.
const ENVIRONMENTS: [(&str, &[(&str, &str)]); 4] = [
    (r#"{"provider": "environment"}"#, &[("AWS_ACCESS_KEY_ID", "A")]),
    (r#"{"provider": "environment"}"#, &[("ACPW_AWS_SECRET_ACCESS_KEY", "s")]),
    (r#"{"provider": "environment"}"#, &[("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "a b")]),
    (r#"{"provider": "imds", "cluster": "c"}"#, &[("AWS_EC2_METADATA_DISABLED", "true")]),
];

/// Configurations without `credentials`, or with an unknown region.
const LEGACY_KEYS: [&str; 6] = [
    r#"{"cloud_watch_region": "eu-west-1", "cloud_watch_cluster_name": "c"}"#,
    r#"{"cloud_watch_region": "eu-west-1", "cloud_watch_cluster_name": "c", "aws_access_key_id": "A"}"#,
    r#"{"cloud_watch_region": "eu-west-1", "cloud_watch_cluster_name": "c", "aws_access_key_id": "A", "aws_secret_access_key": "\n"}"#,
    r#"{"cloud_watch_region": "eu-west-1", "cloud_watch_cluster_name": "c", "aws_access_key_id": "A", "credentials": {"provider": "envoy"}}"#,
    r#"{"cloud_watch_cluster_name": "c", "credentials": {"provider": "envoy"}}"#,
    r#"{"publish_to": ["otlp"], "otlp": {"cluster_name": "c", "signing": "none"}}"#,
];

/// Keys of sources.
const SOURCES: [&str; 21] = [
    r#""ecs_task": {}"#,
    r#""ecs_task": {"cluster_name": "ecs", "metadata_uri": "https://h/v4", "interval_millisecond": 999, "interval": 1}"#,
    r#""ecs_task": {"cluster_name": "ecs", "metadata_uri": "http://h/v4", "metrics": ["CPU", "CPUUsage", "CPUUsage", 5]}"#,
    r#""ecs_task": {"cluster_name": "ecs", "metadata_uri": "http://h/v4", "metrics": [], "dimension_sets": [],
        "service_name": "", "metric_namespace": "AWS/ECS", "storage_resolution": 10, "publish_immediately": "yes"}"#,
    r#""ecs_task": {"cluster_name": "ecs", "metadata_uri": "http://h/v4",
        "dimension_sets": [["Cluster", "ServiceName", "ServiceName"], ["ServiceName"], 7]}"#,
    r#""ecs_task": {"cluster_name": "ecs", "metadata_uri": "http://h/v4", "metrics": ["CPUUtilization"],
        "dimension_sets": [["ClusterName"]], "service_name": "shop", "container_name": "web"}"#,
    r#""scrape": {}"#,
    r#""scrape": [1, {}]"#,
    r#""scrape": [{"cluster_name": "c", "path": "metrics", "host": "a b", "interval_millisecond": 999,
        "answer_limit_bytes": 1, "max_series": 0, "rules": []}]"#,
    r#""scrape": [{"cluster_name": "c", "rules": [{"metric": ""}, {"metric": "a", "name": "", "unit": "Furlongs", "scale": 0},
        {"metric": "a", "scale": 2}, {"metric": "a", "storage_resolution": 5, "combine": "max", "metric_type": "info"}]}]"#,
    r#""scrape": [{"cluster_name": "c", "dimensions": {"Fixed": "f"}, "rules": [{"metric": "a", "dimensions": {":x": "y", "A": "",
        "B": {}, "C": {"environment": "NO"}, "D": {"label": 5}, "Fixed": "g"}}]}]"#,
    r#""envoy_stats": {"groups": ["server"]}"#,
    r#""envoy_stats": {"cluster_name": "admin"}"#,
    r#""envoy_stats": {"cluster_name": "admin", "groups": ["servers"]}"#,
    r#""envoy_stats": {"cluster_name": "admin", "dimensions": {"Service": "b", "Zone": "a"},
        "rules": [{"counter": "a.{b}", "metrics": ["M"], "dimension_sets": [["b", "Zone"]]}]}"#,
    r#""envoy_stats": {"cluster_name": "admin", "rules": [{"metrics": ["A"]}, {"counter": "a", "gauge": "a", "metrics": ["A"]}]}"#,
    r#""envoy_stats": {"cluster_name": "admin", "rules": [{"counter": "a"}, {"counter": "a", "metrics": [{}]}]}"#,
    r#""envoy_stats": {"cluster_name": "admin", "rules": [{"counter": "a", "metrics": []}]}"#,
    r#""envoy_stats": {"cluster_name": "admin", "rules": [{"counter": "a", "metrics": [{"name": "A", "unit": "Pounds"},
        {"name": "A", "scale": 0}]}, {"counter": "a.{x}", "metrics": [{"name": "A", "only": {"y": "1"}}]},
        {"gauge": "a.{x}", "metrics": [{"name": "A", "ones": {"x": "1"}}]}]}"#,
    r#""envoy_stats": {"cluster_name": "admin", "rules": [{"counter": "a.{x}", "metrics": ["A"], "dimension_sets": [["x", "y"], ["x", "x"]]}]}"#,
    r#""envoy_stats": {"cluster_name": "admin", "rules": [{"counter": "a b", "metrics": ["A"]}, {"counter": "{a", "metrics": ["A"]},
        {"counter": "a}", "metrics": ["A"]}, {"counter": "a.{}", "metrics": ["A"]}, {"counter": "{a}.{a}", "metrics": ["A"]},
        {"counter": "{a}{b}", "metrics": ["A"]}]}"#,
];

/// Keys of the services to publish to.
const SERVICES: [&str; 13] = [
    r#""publish_to": []"#,
    r#""publish_to": ["otlp", "otlp", "s3", 1]"#,
    r#""publish_to": ["cloudwatch", "otlp"]"#,
    r#""scrape": [{"cluster_name": "c", "rules": [{"metric": "a"}], "publish_to": ["otlp"]}]"#,
    r#""otlp": {}"#,
    r#""otlp": {"cluster_name": "", "host": "a b", "path": "v1?x", "signing": "basic", "naming": "prometheus",
        "max_request_bytes": 1, "max_data_points": 1, "buffer_limit_bytes": 1, "endpoint": "x"}"#,
    r#""otlp": {"cluster_name": "c", "signing": "bearer"}"#,
    r#""otlp": {"cluster_name": "c", "signing": "bearer", "bearer_token": "a b"}"#,
    r#""otlp": {"cluster_name": "c", "bearer_token": "t"}"#,
    r#""otlp": {"cluster_name": "c", "temporality": "sum"}"#,
    r#""otlp": {"cluster_name": "c", "max_series": 5}"#,
    r#""otlp": {"cluster_name": "c", "headers": {"content-type": "x", "a b": "x", "x": {"environment": "GONE"}, "y": " z",
        "Authorization": "z", "Z": "1", "z": "2", "w": {"env": "A"}}}"#,
    r#""otlp": {"cluster_name": "c", "resource_attributes": {"": "x", "service.name": "", "a": 1}}"#,
];

/// Literals that are not messages.
const EXCEPTIONS: [&str; 3] = [
    "static, environment, container, imds, web_identity, shared_file, assume_role, envoy",
    "a provider, or a list of providers",
    "an object with the key \"provider\"",
];

/// Adds an input and the errors that it provokes.
fn add_case(text: &mut String, input: &str, document: &str, environment: &[(&str, &str)]) {
    let variable =
        |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let errors = match ReceiverConfig::from_json(document.as_bytes(), variable) {
        Ok(_) => panic!("{document} is valid"),
        Err(errors) => errors,
    };
    let variables: String = environment.iter().map(|(name, value)| format!("{name}={value} ")).collect();
    let input: Vec<_> = input.split_whitespace().collect();
    writeln!(text, "\n{variables}{}", input.join(" ")).unwrap();
    for line in errors.lines() {
        writeln!(text, "    {line}").unwrap();
    }
}

/// Returns one line of each kind and cause.
fn log_lines() -> String {
    let reason = || "503 ServiceUnavailable Please retry.".to_owned();
    let namespace = || "Shop".to_owned();
    let name = || "scrape[0]".to_owned();
    let second = Duration::from_secs;
    let causes = [
        RetryCause::ServiceFault,
        RetryCause::Throttled,
        RetryCause::Unsent,
        RetryCause::UnknownOutcome,
        RetryCause::Foreign,
    ];
    let mut notices = vec![
        Notice::Published { data: 12, samples: 340, bytes: 812 },
        Notice::Denied { reason: reason() },
        Notice::Refused { namespace: namespace(), reason: reason(), is_permission: true },
        Notice::Refused { namespace: namespace(), reason: reason(), is_permission: false },
        Notice::AllRefused { namespace: namespace(), reason: reason() },
        Notice::EntityRefused { service: "cart".to_owned(), environment: "prod".to_owned(), reason: reason() },
        Notice::Foreign { status: 503, namespace: namespace(), reason: reason() },
        Notice::DelayTooLong { asked: second(3_600) },
        Notice::ClockCorrected(-7_000),
        Notice::ClockCorrected(40),
        Notice::Dropped { reason: "invalid", samples: 3, detail: reason() },
        Notice::BadRecord("it ends early".to_owned()),
        Notice::Undispatched("Envoy has no cluster \"aws\"".to_owned()),
        Notice::Cost(CostEstimate { series: 200, calls: 43_800, cents: 6_044 }),
        Notice::Overflow { dimension: "path".to_owned(), values: 940 },
        Notice::TooManySeries { limit: 5_000 },
        Notice::CredentialsLoaded { provider: "environment", remaining: None },
        Notice::CredentialsLoaded { provider: "container", remaining: Some(second(21_600)) },
        Notice::CredentialsFailed { reason: reason(), delay: second(5), is_held: true },
        Notice::CredentialsFailed { reason: reason(), delay: second(5), is_held: false },
        Notice::InvalidExpiration { provider: "container" },
        Notice::SourceFailed { name: name(), reason: reason() },
        Notice::SourceRemark { name: name(), remark: "the fact, and what to change".to_owned() },
        Notice::SourceRecovered { name: name() },
        Notice::DrainUnknown { cluster: "admin".to_owned(), reason: reason() },
    ];
    let export_notices = [
        ExportNotice::Published { points: 12, samples: 340, bytes: 812 },
        ExportNotice::Denied { reason: reason() },
        ExportNotice::Held { status: 404, reason: reason() },
        ExportNotice::AllRefused { reason: reason() },
        ExportNotice::PartialSuccess { rejected: 2, points: 12, message: "out of order".to_owned() },
        ExportNotice::PartialSuccess { rejected: 0, points: 12, message: "a label was cut".to_owned() },
        ExportNotice::Dropped { reason: "rejected", samples: 3, detail: reason() },
        ExportNotice::Undispatched("Envoy has no cluster \"otlp\"".to_owned()),
        ExportNotice::NotConfigured { used: "cloudwatch" },
    ];
    notices.extend(export_notices.map(Notice::Export));
    let retries = causes.map(|cause| ExportNotice::Retrying { cause, reason: reason(), delay: second(2) });
    notices.extend(retries.map(Notice::Export));
    notices.extend(causes.map(|cause| Notice::Retrying { cause, reason: reason(), delay: second(2) }));
    notices.iter().map(|notice| format!("{}: {notice}\n", notice.level())).collect()
}

fn configuration_errors() -> String {
    let mut text = "\n== Credentials ==\n".to_owned();
    for credentials in CREDENTIALS {
        let document = format!(r#"{{{REGION}, "credentials": {credentials}}}"#);
        add_case(&mut text, credentials, &document, &[]);
    }
    for (credentials, environment) in ENVIRONMENTS {
        let document = format!(r#"{{{REGION}, "credentials": {credentials}}}"#);
        add_case(&mut text, credentials, &document, environment);
    }
    text.push_str("\n== Without credentials, or without a region ==\n");
    for document in LEGACY_KEYS {
        add_case(&mut text, document, document, &[]);
    }
    text.push_str("\n== Sources ==\n");
    for keys in SOURCES {
        add_case(&mut text, keys, &format!("{{{REGION}, {ENVOY}, {keys}}}"), &[]);
    }
    text.push_str("\n== Services ==\n");
    for keys in SERVICES {
        add_case(&mut text, keys, &format!("{{{REGION}, {ENVOY}, {keys}}}"), &[]);
    }
    let keys = r#""publish_to": ["otlp"], "otlp": {"cluster_name": "c"}, "envoy_stats": {"cluster_name": "admin", "groups": ["server"],
        "publish_to": ["cloudwatch"]}"#;
    let document = format!(r#"{{"cloud_watch_region": "eu-west-1", {ENVOY}, {keys}}}"#);
    add_case(&mut text, keys, &document, &[]);
    add_case(&mut text, keys, &document, &[("OTEL_RESOURCE_ATTRIBUTES", "a,b=c")]);
    let dimensions: Vec<_> = (0..31).map(|n| format!(r#""d{n}": "v""#)).collect();
    let keys = format!(
        r#""scrape": [{{"cluster_name": "c", "rules": [{{"metric": "a", "dimensions": {{{}}}}}]}}]"#,
        dimensions.join(", ")
    );
    add_case(&mut text, "scrape with 31 dimensions", &format!("{{{REGION}, {ENVOY}, {keys}}}"), &[]);
    let rules = vec![r#"{"counter": "a", "metrics": ["A"]}"#; 65].join(", ");
    let keys = format!(r#""envoy_stats": {{"cluster_name": "admin", "rules": [{rules}]}}"#);
    add_case(&mut text, "envoy_stats with 65 rules", &format!("{{{REGION}, {ENVOY}, {keys}}}"), &[]);
    text
}

/// Returns the files below a folder whose names end with one of these.
fn files(folder: &Path, ends: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path, ends));
        } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn every_message_is_provoked_and_reviewed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = format!("== Log lines ==\n\n{}{}", log_lines(), configuration_errors());
    golden::compare(&root.join("tests/messages.txt"), &text);

    // The other tests quote errors of providers and sources, in strings that may continue on the next line.
    let mut quoted = text + &EXCEPTIONS.concat();
    for path in files(&root.join("tests"), &[".rs", "expected.json"]) {
        quoted += &golden::unescaped(&fs::read_to_string(path).unwrap());
    }
    let sources: Vec<_> = ["src/credentials", "src/source", "src/notice", "src/otlp"]
        .iter()
        .flat_map(|folder| files(&root.join(folder), &[".rs"]))
        .collect();
    for path in &sources {
        let source = fs::read_to_string(path).unwrap();
        let tests =
            if path.ends_with("tests.rs") { &source } else { source.split_once("#[cfg(test)]").unwrap_or_default().1 };
        quoted += &golden::unescaped(tests);
    }
    let missing: Vec<_> = sources
        .iter()
        .filter(|path| !path.ends_with("tests.rs"))
        .flat_map(|path| {
            let missing = golden::missing(&fs::read_to_string(path).unwrap(), &quoted);
            missing.into_iter().map(|part| format!("{}: {part}", path.display()))
        })
        .collect();
    assert!(missing.is_empty(), "no test quotes these messages: {missing:#?}");
}

/// Code spans in the table of docs/operations.md that shows what is logged for each kind of response.
#[test]
fn the_log_lines_in_the_documents_are_those_of_the_receiver() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("../docs/operations.md")).unwrap();
    let (_, table) = document.split_once("| the log says |\n").unwrap();
    let rows: Vec<_> = table.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    let lines = log_lines();
    assert!(rows.len() >= 5, "{rows:?}");
    for row in rows {
        let quote = row.rsplit('|').nth(1).unwrap().trim().trim_matches('`').trim_end_matches('…').trim_end();
        assert!(!quote.is_empty() && lines.contains(quote), "no log line contains {quote:?}");
    }
}
