//! docs/sources.md and docs/autoscaling.md match the code.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{collections::BTreeMap, fs};

use e2e::{installation, table};
use receiver::{
    cost::CALLS_PER_CENT,
    source::ecs::{EcsDimension, METRICS},
};
use serde_json::Value;

fn document(name: &str) -> String {
    fs::read_to_string(installation::root().join("docs").join(name)).unwrap()
}

#[test]
fn every_metric_and_dimension_of_a_task_is_documented() {
    let document = document("sources.md");
    let actual: Vec<_> =
        table(&document, "| metric |").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let expected = METRICS.map(|(name, unit, _)| (name.to_owned(), unit.to_owned()));
    assert_eq!(actual, expected);
    let actual: Vec<_> = table(&document, "| dimension |").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(actual, EcsDimension::ALL.map(EcsDimension::name));
}

#[test]
fn calls_and_their_cost_are_documented() {
    const SECONDS_OF_A_MONTH: u64 = 730 * 3_600;
    let document = document("sources.md");
    let rows: Vec<_> = document.lines().filter(|line| line.starts_with("| `\"publish_")).collect();
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>().parse::<u64>().unwrap();
    assert_eq!(rows.len(), 3);
    for (row, seconds) in rows.iter().zip([60, 10, 1]) {
        let cells: Vec<_> = row.split('|').collect();
        let calls = SECONDS_OF_A_MONTH / seconds;
        assert_eq!(
            (digits(cells[2]), digits(cells[3])),
            (calls, (calls + CALLS_PER_CENT / 2) / CALLS_PER_CENT),
            "{row}"
        );
    }
}

/// The assignments of a Terraform resource, in order and without quotation marks.
struct Resource(Vec<(String, String)>);

impl Resource {
    /// Returns the resources in the document, in Terraform's own syntax and in the JSON that `acpw` prints.
    fn all(document: &str) -> Vec<Self> {
        let own = document.split("\nresource ").skip(1).map(|text| Self::read(text.split("\n```").next().unwrap()));
        let printed = document.split("\n$ acpw alarms ").skip(1).flat_map(|text| {
            let json = &text[text.find('{').unwrap()..=text[..text.find("\n```").unwrap()].rfind('}').unwrap()];
            let document: Value = serde_json::from_str(json).unwrap();
            let by_type = document["resource"].as_object().unwrap().values();
            by_type.flat_map(|resources| resources.as_object().unwrap().values().map(Self::of_json)).collect::<Vec<_>>()
        });
        own.chain(printed).collect()
    }

    fn of_json(resource: &Value) -> Self {
        let mut assignments = Vec::new();
        let mut rest: Vec<(&str, &Value)> = vec![("", resource)];
        while let Some((key, value)) = rest.pop() {
            match value {
                Value::Object(members) => rest.extend(members.iter().rev().map(|(key, value)| (key.as_str(), value))),
                Value::Array(items) => rest.extend(items.iter().rev().map(|item| (key, item))),
                Value::String(text) => assignments.push((key.to_owned(), text.clone())),
                other => assignments.push((key.to_owned(), other.to_string())),
            }
        }
        Self(assignments)
    }

    fn read(text: &str) -> Self {
        let assignments = text.lines().filter_map(|line| line.split_once('='));
        Self(
            assignments
                .map(|(key, value)| (key.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
                .collect(),
        )
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(candidate, _)| candidate == key).map(|(_, value)| value.as_str())
    }

    /// Returns the dimension names. An alarm has them as `Name = value`, and a policy as blocks with `name = Name`.
    fn dimensions(&self) -> Vec<&str> {
        let named = self.0.iter().map(|(key, value)| if key == "name" { value.as_str() } else { key.as_str() });
        named.filter(|name| name.starts_with(char::is_uppercase)).collect()
    }
}

#[test]
fn alarms_and_policies_use_published_metrics() {
    let document = document("autoscaling.md");
    let block = document.split("```json receiver\n").nth(1).unwrap().split("\n```").next().unwrap();
    let configuration: Value = serde_json::from_str(block).unwrap();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let published = texts(&configuration["ecs_task"]["metrics"]);
    let set = texts(&configuration["ecs_task"]["dimension_sets"][0]);
    let units: BTreeMap<_, _> = METRICS.iter().map(|(name, unit, _)| (*name, *unit)).collect();

    let mut seen = 0;
    for resource in Resource::all(&document) {
        let Some(metric) = resource.value("metric_name") else { continue };
        seen += 1;
        assert_eq!(resource.value("namespace"), configuration["metric_namespace"].as_str(), "{metric}");
        let unit = match units.get(metric) {
            Some(unit) => {
                assert!(published.iter().any(|name| name == metric), "{metric} is not in the configuration");
                assert_eq!(resource.dimensions(), set, "{metric}");
                *unit
            }
            None => {
                let found = sender::builtin_metric::BUILTIN_METRICS.iter().find(|(name, _)| *name == metric);
                let (_, measure) = found.unwrap_or_else(|| panic!("{metric} is not a metric of the modules"));
                measure.unit(acpw_metric::Unit::SECONDS).as_str()
            }
        };
        assert_eq!(resource.value("unit"), Some(unit), "{metric}");
        // With a shorter period than the publish interval, most periods of an alarm would have no data.
        let period = resource.value("period").map_or(60, |period| period.parse::<u64>().unwrap());
        assert!(configuration["publish_interval_millisecond"].as_u64().unwrap() <= period * 1_000, "{metric}");
    }
    assert_eq!(seen, 4);
    for word in document.split('`').skip(1).step_by(2).filter(|word| word.ends_with("Utilization")) {
        let is_known =
            units.contains_key(word) || sender::builtin_metric::BUILTIN_METRICS.iter().any(|(name, _)| *name == word);
        assert!(is_known, "{word}");
    }
}
