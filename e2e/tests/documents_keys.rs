//! The tables of configuration keys in the documents match the modules: keys, defaults and ranges.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{collections::BTreeSet, fs};

use e2e::{installation, table};
use serde_json::{Map, Value, json};

/// A table of keys, and the object of a configuration that it documents.
struct Reference {
    document: &'static str,
    /// The start of the table's heading row.
    headings: &'static str,
    /// The schema of the object.
    schema: Value,
    /// The smallest valid object.
    smallest: Value,
    /// Reads a configuration that contains the object, and describes what was read.
    read: fn(&Value) -> Result<String, String>,
}

fn references() -> Vec<Reference> {
    let receiver = serde_json::to_value(schemars::schema_for!(receiver::config::RawReceiverConfig)).unwrap();
    let gateway = serde_json::to_value(schemars::schema_for!(gateway::config::RawConfig)).unwrap();
    let rule = || json!([{ "metric": "orders_total" }]);
    vec![
        Reference {
            document: "docs/configuration.md",
            headings: "| sender key |",
            schema: serde_json::to_value(schemars::schema_for!(sender::config::RawSenderConfig)).unwrap(),
            smallest: json!({ "receiver_vm_id": "receiver" }),
            read: |object| described(sender::SenderConfig::from_json(object.to_string().as_bytes(), |_| None)),
        },
        Reference {
            document: "docs/configuration.md",
            headings: "| receiver key |",
            schema: receiver.clone(),
            smallest: json!({}),
            read: |object| receiver_with(object.as_object().unwrap()),
        },
        Reference {
            document: "docs/configuration.md",
            headings: "| gateway key |",
            schema: gateway.clone(),
            smallest: json!({ "receiver_vm_id": "receiver" }),
            read: |object| described(gateway::Config::from_json(object.to_string().as_bytes(), |_| None)),
        },
        Reference {
            document: "docs/configuration.md",
            headings: "| key of otlp |",
            schema: gateway["$defs"]["RawOtlp"].clone(),
            smallest: json!({}),
            read: |object| {
                let configuration = json!({ "receiver_vm_id": "receiver", "otlp": object }).to_string();
                described(gateway::Config::from_json(configuration.as_bytes(), |_| None))
            },
        },
        Reference {
            document: "docs/otlp.md",
            headings: "| key of the receiver's otlp |",
            schema: receiver["$defs"]["RawOtlpEndpoint"].clone(),
            smallest: json!({ "cluster_name": "otlp" }),
            read: |object| receiver_with(json!({ "otlp": object }).as_object().unwrap()),
        },
        Reference {
            document: "docs/sources.md",
            headings: "| key of ecs_task |",
            schema: receiver["$defs"]["RawEcsTask"].clone(),
            smallest: json!({ "cluster_name": "ecs", "metadata_uri": "http://169.254.170.2/v4/id" }),
            read: |object| receiver_with(json!({ "ecs_task": object }).as_object().unwrap()),
        },
        Reference {
            document: "docs/sources.md",
            headings: "| key of scrape |",
            schema: receiver["$defs"]["RawScrape"].clone(),
            smallest: json!({ "cluster_name": "shop", "rules": rule() }),
            read: |object| receiver_with(json!({ "scrape": [object] }).as_object().unwrap()),
        },
        Reference {
            document: "docs/sources.md",
            headings: "| key of envoy_stats |",
            schema: receiver["$defs"]["RawEnvoyStats"].clone(),
            smallest: json!({ "cluster_name": "admin" }),
            read: |object| receiver_with(json!({ "envoy_stats": object }).as_object().unwrap()),
        },
    ]
}

fn described<T: std::fmt::Debug, E: std::fmt::Display>(result: Result<T, E>) -> Result<String, String> {
    result.map(|config| format!("{config:?}")).map_err(|error| error.to_string())
}

/// Reads a receiver's configuration with these keys in addition to those that are required.
fn receiver_with(keys: &Map<String, Value>) -> Result<String, String> {
    let mut configuration = json!({
        "cloud_watch_region": "us-east-1",
        "cloud_watch_cluster_name": "cloud_watch",
        "aws_access_key_id": "AKIDEXAMPLE",
        "aws_secret_access_key": "secret",
    });
    configuration.as_object_mut().unwrap().extend(keys.clone());
    described(receiver::ReceiverConfig::from_json(configuration.to_string().as_bytes(), |_| None))
}

/// Returns the keys that this key requires, because without them it would have no effect.
fn needs(headings: &str, key: &str) -> Value {
    match (headings, key) {
        ("| sender key |", "time_unit") => json!({ "metrics": ["Latency"] }),
        ("| sender key |", "concurrency") => {
            json!({ "metrics": ["ConcurrencyUtilization"], "dimension_sets": [["host"]], "concurrency": 7 })
        }
        ("| key of the receiver's otlp |", "max_series") => json!({ "temporality": "cumulative" }),
        ("| key of envoy_stats |", "groups") => json!({ "rules": [{ "counter": "a.b", "metrics": ["Events"] }] }),
        ("| key of envoy_stats |", _) => json!({ "groups": ["server"] }),
        _ => json!({}),
    }
}

impl Reference {
    fn rows(&self) -> Vec<Vec<String>> {
        table(&fs::read_to_string(installation::root().join(self.document)).unwrap(), self.headings)
    }

    /// Reads the smallest configuration that `key` is valid in, with the key if there is a value.
    fn read_with(&self, key: &str, value: Option<Value>) -> Result<String, String> {
        let mut object = self.smallest.clone();
        let members = object.as_object_mut().unwrap();
        members.extend(needs(self.headings, key).as_object().unwrap().clone());
        if let Some(value) = value {
            members.insert(key.to_owned(), value);
        }
        (self.read)(&object)
    }
}

/// Returns the numbers of a range such as `1 to 1,000`.
fn range(text: &str) -> Option<(u64, u64)> {
    let (low, high) = text.split_once(" to ")?;
    let number = |text: &str| text.replace(',', "").parse().ok();
    Some((number(low)?, number(high)?))
}

#[test]
fn every_key_has_a_row() {
    for reference in references() {
        let documented: Vec<_> = reference.rows().into_iter().map(|row| row[0].clone()).collect();
        let keys: BTreeSet<_> = reference.schema["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(documented.iter().cloned().collect::<BTreeSet<_>>(), keys, "{}", reference.headings);
        assert_eq!(documented.len(), keys.len(), "{}: a key has two rows", reference.headings);
    }
}

#[test]
fn documented_defaults_match_the_code() {
    let mut compared = 0;
    for reference in references() {
        for row in reference.rows() {
            // Defaults in prose, such as "every host", have no value to compare.
            let Ok(default) = serde_json::from_str::<Value>(&row[1]) else { continue };
            let (key, position) = (&row[0], format!("{} {}", reference.headings, row[0]));
            let without = reference.read_with(key, None).unwrap_or_else(|error| panic!("{position}: {error}"));
            let with = reference.read_with(key, Some(default)).unwrap_or_else(|error| panic!("{position}: {error}"));
            assert_eq!(with, without, "{position}");
            compared += 1;
        }
    }
    assert!(compared >= 30, "only {compared} defaults were compared");
}

#[test]
fn documented_ranges_match_the_code() {
    for reference in references() {
        for row in reference.rows() {
            let (key, values, position) = (&row[0], &row[2], format!("{} {}", reference.headings, row[0]));
            let kind = &reference.schema["properties"][key]["type"];
            if kind != "integer" && !kind.as_array().is_some_and(|kinds| kinds.contains(&"integer".into())) {
                continue;
            }
            let is_accepted = |number: u64| reference.read_with(key, Some(number.into())).is_ok();
            if let Some((low, high)) = range(values) {
                for (number, expected) in [(low - 1, false), (low, true), (high, true), (high + 1, false)] {
                    assert_eq!(is_accepted(number), expected, "{position}: {number}");
                }
                // The comparison of defaults cannot detect a key that the modules ignore.
                let bounds = [low, high].map(|number| reference.read_with(key, Some(number.into())).unwrap());
                assert_ne!(bounds[0], bounds[1], "{position} has no effect");
            } else {
                let listed: Vec<u64> = values.split(", ").map(|value| value.parse().unwrap()).collect();
                let accepted: Vec<u64> = (0..=100).filter(|number| is_accepted(*number)).collect();
                assert_eq!(listed, accepted, "{position}");
            }
        }
    }
}

/// README.md repeats the most important rows, with defaults without quotation marks.
#[test]
fn the_readme_repeats_keys_with_their_defaults() {
    let readme = fs::read_to_string(installation::root().join("README.md")).unwrap();
    let plain = |cell: &str| cell.trim_matches('"').to_owned();
    for (section, headings) in [("### Sender", "| sender key |"), ("### Receiver", "| receiver key |")] {
        let (_, rest) = readme.split_once(section).unwrap();
        let rows = table(rest, "| key | default |");
        assert!(rows.len() >= 5, "{section}: {rows:?}");
        let references = references();
        let reference = references.iter().find(|reference| reference.headings == headings).unwrap().rows();
        for row in rows {
            let documented = reference.iter().find(|candidate| candidate[0] == row[0]);
            let documented = documented.unwrap_or_else(|| panic!("{section}: unknown key {}", row[0]));
            if serde_json::from_str::<Value>(&documented[1]).is_ok() {
                assert_eq!(row[1], plain(&documented[1]), "{section} {}", row[0]);
            }
        }
    }
}

#[test]
fn every_key_of_a_rule_has_a_row() {
    let schema = serde_json::to_value(schemars::schema_for!(receiver::config::RawReceiverConfig)).unwrap();
    let document = fs::read_to_string(installation::root().join("docs/sources.md")).unwrap();
    for (headings, name) in [("| key of a rule |", "RawRule"), ("| key of a metric |", "RawStatsMetric")] {
        let documented: BTreeSet<_> = table(&document, headings).into_iter().map(|row| row[0].clone()).collect();
        let keys: BTreeSet<_> = schema["$defs"][name]["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(documented, keys, "{headings}");
    }
}

#[test]
fn every_key_of_a_provider_is_documented() {
    let schema = serde_json::to_value(schemars::schema_for!(receiver::config::RawReceiverConfig)).unwrap();
    let document = fs::read_to_string(installation::root().join("docs/credentials.md")).unwrap();
    let providers = schema["$defs"]["Provider"]["oneOf"].as_array().unwrap();
    assert!(providers.len() >= 8, "{providers:?}");
    for provider in providers {
        let properties = provider["properties"].as_object().unwrap();
        let name = properties["provider"]["const"].as_str().unwrap();
        assert!(document.contains(&format!("| [`{name}`](#")), "{name} is not in the table of providers");
        for key in properties.keys() {
            let is_documented = document.contains(&format!("`{key}`")) || document.contains(&format!("\"{key}\": "));
            assert!(is_documented, "{name}: {key}");
        }
    }
}
