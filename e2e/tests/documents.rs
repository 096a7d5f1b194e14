//! The modules accept the plugin configurations in the documents, and the JSON Schemas in docs/ match the code.

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
    /// File and line, for messages.
    position: String,
    /// The info string after the fence, such as `json sender`.
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
        blocks.push(Block { position: format!("{document}:{number}"), info: info.trim().to_owned(), text });
    }
    blocks
}

/// Parses all blocks with this info string, and returns their number.
fn parse_blocks(info: &str, parse: impl Fn(&[u8]) -> Result<(), String>) -> usize {
    let blocks: Vec<_> =
        DOCUMENTS.iter().flat_map(|document| blocks(document)).filter(|block| block.info == info).collect();
    for Block { position, text, .. } in &blocks {
        parse(text.as_bytes()).unwrap_or_else(|errors| panic!("{position}: {errors}\n{text}"));
    }
    blocks.len()
}

#[test]
fn every_sender_configuration_is_valid() {
    let sender = |text: &[u8]| {
        sender::SenderConfig::from_json(text, |_| Some("value".to_owned()))
            .map(|_| ())
            .map_err(|errors| errors.to_string())
    };
    assert!(parse_blocks("json sender", sender) > 0, "no ```json sender block in {DOCUMENTS:?}");
}

#[test]
fn every_receiver_configuration_is_valid() {
    let receiver = |text: &[u8]| receiver(text);
    assert!(parse_blocks("json receiver", receiver) > 0, "no ```json receiver block in {DOCUMENTS:?}");
}

#[test]
fn every_gateway_configuration_is_valid() {
    let gateway =
        |text: &[u8]| gateway::Config::from_json(text, |_| None).map(|_| ()).map_err(|errors| errors.to_string());
    assert!(parse_blocks("json gateway", gateway) > 0, "no ```json gateway block in {DOCUMENTS:?}");
}

#[test]
fn every_credential_provider_is_valid() {
    let provider = |text: &[u8]| {
        let provider: serde_json::Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let document = serde_json::json!({
            "cloud_watch_region": "us-east-1",
            "cloud_watch_cluster_name": "cloud_watch",
            "credentials": provider,
        });
        receiver(document.to_string().as_bytes())
    };
    assert!(
        parse_blocks("json provider", provider) >= 9,
        "the documents need a ```json provider block for each provider"
    );
}

/// Parses a receiver configuration with the environment variables that a user and AWS set.
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
    receiver::ReceiverConfig::from_json(text, environment).map(|_| ()).map_err(|errors| errors.to_string())
}

#[test]
fn every_json_block_names_its_module_or_is_plain_json() {
    for Block { position, info, text } in DOCUMENTS.iter().flat_map(|document| blocks(document)) {
        match info.as_str() {
            "json" => {
                let is_json = serde_json::from_str::<serde_json::Value>(&text);
                assert!(is_json.is_ok(), "{position}: {is_json:?}\n{text}");
                let names_a_plugin =
                    ["\"receiver_vm_id\"", "\"cloud_watch_region\""].iter().any(|key| text.contains(key));
                assert!(
                    !names_a_plugin,
                    "{position}: write ```json sender or ```json receiver, so that the configuration is tested"
                );
            }
            info => assert!(
                !info.starts_with("json ")
                    || matches!(info, "json sender" | "json receiver" | "json provider" | "json gateway"),
                "{position}: ```{info} is not a known kind of configuration"
            ),
        }
    }
}

/// Compares a schema with the file in docs/, or writes the file if `UPDATE_SCHEMAS` is set.
fn assert_schema(name: &str, schema: &schemars::Schema) {
    let path = installation::root().join("docs").join(name);
    let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let documented = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(documented, text, "{} is outdated; run `make schema`", path.display());
}

#[test]
fn schemas_match_the_code() {
    assert_schema("sender.schema.json", &schemars::schema_for!(sender::config::RawSenderConfig));
    assert_schema("gateway.schema.json", &schemars::schema_for!(gateway::config::RawConfig));
    assert_schema("receiver.schema.json", &schemars::schema_for!(receiver::config::RawReceiverConfig));
}
