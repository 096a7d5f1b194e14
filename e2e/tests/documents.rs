//! The plugin configurations in the documents are taken by the modules, and the JSON Schemas there are the code's.

#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reads the environment, and fails by panicking, in its helpers too"
)]

use std::{env, fs};

use e2e::installation;

const DOCUMENTS: [&str; 9] = [
    "README.md",
    "docs/autoscaling.md",
    "docs/configuration.md",
    "docs/credentials.md",
    "docs/deployment.md",
    "docs/gateway.md",
    "docs/get-started.md",
    "docs/metrics.md",
    "docs/sources.md",
];

/// A fenced block of a document.
struct Block {
    /// Where it is, for a message.
    place: String,
    /// What follows the fence: `json sender`.
    info: String,
    text: String,
}

fn blocks(document: &str) -> Vec<Block> {
    let path = installation::root().join(document);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let body = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
        let text = body.collect::<Vec<_>>().join("\n");
        blocks.push(Block { place: format!("{document}:{number}"), info: info.trim().to_owned(), text });
    }
    blocks
}

/// How many blocks of this kind the documents have; each of them is parsed.
fn parsed(info: &str, parse: impl Fn(&[u8]) -> Result<(), String>) -> usize {
    let blocks: Vec<_> =
        DOCUMENTS.iter().flat_map(|document| blocks(document)).filter(|block| block.info == info).collect();
    for Block { place, text, .. } in &blocks {
        parse(text.as_bytes()).unwrap_or_else(|faults| panic!("{place}: {faults}\n{text}"));
    }
    blocks.len()
}

#[test]
fn every_configuration_of_the_sender_is_taken() {
    let sender = |text: &[u8]| {
        sender::SenderConfig::from_json(text, |_| Some("value".to_owned()))
            .map(|_| ())
            .map_err(|faults| faults.to_string())
    };
    assert!(parsed("json sender", sender) > 0, "there is no block of ```json sender in {DOCUMENTS:?}");
}

#[test]
fn every_configuration_of_the_receiver_is_taken() {
    let receiver = |text: &[u8]| receiver(text);
    assert!(parsed("json receiver", receiver) > 0, "there is no block of ```json receiver in {DOCUMENTS:?}");
}

#[test]
fn every_configuration_of_the_gateway_is_taken() {
    let gateway =
        |text: &[u8]| gateway::Config::from_json(text, |_| None).map(|_| ()).map_err(|faults| faults.to_string());
    assert!(parsed("json gateway", gateway) > 0, "there is no block of ```json gateway in {DOCUMENTS:?}");
}

#[test]
fn every_provider_of_credentials_is_taken() {
    let provider = |text: &[u8]| {
        let provider: serde_json::Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let document = serde_json::json!({
            "cloud_watch_region": "us-east-1",
            "cloud_watch_cluster_name": "cloud_watch",
            "credentials": provider,
        });
        receiver(document.to_string().as_bytes())
    };
    assert!(parsed("json provider", provider) >= 9, "there is a block of ```json provider for each provider");
}

/// Has the receiver take a configuration, with the variables that a user and AWS set.
fn receiver(text: &[u8]) -> Result<(), String> {
    let environment = |name: &str| {
        let value = match name {
            "ACPW_AWS_ACCESS_KEY_ID" => "AKIDEXAMPLE",
            "ACPW_AWS_SECRET_ACCESS_KEY" => "secret",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" => "/v2/credentials/id",
            "ECS_CONTAINER_METADATA_URI_V4" => "http://169.254.170.2/v4/id",
            "AWS_ROLE_ARN" => "arn:aws:iam::123456789012:role/envoy",
            "AWS_WEB_IDENTITY_TOKEN_FILE" => "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
            _ => return None,
        };
        Some(value.to_owned())
    };
    receiver::Config::from_json(text, environment).map(|_| ()).map_err(|faults| faults.to_string())
}

#[test]
fn every_block_of_json_says_whose_it_is_or_is_json() {
    for Block { place, info, text } in DOCUMENTS.iter().flat_map(|document| blocks(document)) {
        match info.as_str() {
            "json" => {
                let is_json = serde_json::from_str::<serde_json::Value>(&text);
                assert!(is_json.is_ok(), "{place}: {is_json:?}\n{text}");
                let names_a_plugin =
                    ["\"receiver_vm_id\"", "\"cloud_watch_region\""].iter().any(|key| text.contains(key));
                assert!(!names_a_plugin, "{place}: write ```json sender or ```json receiver, so that it is tested");
            }
            info => assert!(
                !info.starts_with("json ")
                    || matches!(info, "json sender" | "json receiver" | "json provider" | "json gateway"),
                "{place}: ```{info} is nobody's configuration"
            ),
        }
    }
}

/// Compares a schema with the one in docs/, or writes it there when `UPDATE_SCHEMAS` is set.
fn is_in_the_docs(name: &str, schema: &schemars::Schema) {
    let path = installation::root().join("docs").join(name);
    let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let documented = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(documented, text, "{} is not the code's: run `make schema`", path.display());
}

#[test]
fn schemas_are_those_of_the_code() {
    is_in_the_docs("sender.schema.json", &schemars::schema_for!(sender::config::RawSenderConfig));
    is_in_the_docs("gateway.schema.json", &schemars::schema_for!(gateway::config::RawConfig));
    is_in_the_docs("receiver.schema.json", &schemars::schema_for!(receiver::config::RawConfig));
}
