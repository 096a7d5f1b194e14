//! docs/metrics.md matches the code.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;

use acpw_metric::{MergeRule, Unit};
use e2e::{installation, table};
use receiver::{
    cost::{CALLS_PER_CENT, FREE_CALLS, SERIES_TIERS},
    otlp::{CONVENTION_ATTRIBUTES, CONVENTION_METRICS, NAMESPACE_ATTRIBUTE},
};
use sender::{
    builtin_metric::BUILTIN_METRICS,
    dimension::{BUILT_INS, DimensionSource},
};

fn document() -> String {
    fs::read_to_string(installation::root().join("docs/metrics.md")).unwrap()
}

#[test]
fn every_metric_is_documented_with_its_unit_and_attributes() {
    const TIME: Unit = Unit::SECONDS;
    let expected: Vec<_> = BUILTIN_METRICS
        .iter()
        .map(|(name, measure)| {
            let unit = match measure.unit(TIME) {
                TIME => "time",
                unit => unit.as_str(),
            };
            let read: Vec<_> = measure.attributes().iter().map(|number| number.path().replace('\0', ".")).collect();
            (name.to_string(), unit.to_owned(), read.join(" "))
        })
        .collect();
    let rows = table(&document(), "| metric |");
    let actual: Vec<_> = rows.iter().map(|row| (row[0].clone(), row[1].clone(), row[4].clone())).collect();
    assert_eq!(actual, expected);
    let by_second: Vec<_> =
        BUILTIN_METRICS.iter().filter(|(_, measure)| measure.merge_rule() == MergeRule::GaugeShares).collect();
    assert!(
        rows.iter().filter(|row| row[3] == "see below").map(|row| &row[0]).eq(by_second.iter().map(|(name, _)| *name))
    );
}

#[test]
fn the_names_in_otlp_are_those_of_the_code() {
    let rows = table(&document(), "| metric in CloudWatch |");
    let metrics: Vec<_> = CONVENTION_METRICS.iter().map(|(name, otlp, unit)| [*name, *otlp, *unit]).collect();
    assert_eq!(rows, metrics);
    let rows = table(&document(), "| dimension in CloudWatch |");
    let attributes: Vec<_> = CONVENTION_ATTRIBUTES.iter().map(|(name, otlp)| [*name, *otlp]).collect();
    assert_eq!(rows, attributes);
    assert!(document().contains(&format!("`{NAMESPACE_ATTRIBUTE}`")));
    assert!(CONVENTION_METRICS.iter().all(|(name, ..)| BUILTIN_METRICS.iter().any(|(known, _)| known == name)));
    assert!(CONVENTION_ATTRIBUTES.iter().all(|(name, _)| BUILT_INS.contains(name)));
}

#[test]
fn every_built_in_dimension_is_documented_with_its_placeholder() {
    let expected: Vec<_> = BUILT_INS
        .iter()
        .map(|name| {
            let placeholder = DimensionSource::built_in(name).unwrap().placeholder();
            let missing = placeholder.map_or("the set is left out", |text| std::str::from_utf8(text).unwrap());
            (name.to_string(), missing.to_owned())
        })
        .collect();
    let actual: Vec<_> =
        table(&document(), "| dimension |").into_iter().map(|row| (row[0].clone(), row[2].clone())).collect();
    assert_eq!(actual, expected);
    // The prose lists the dimensions that are not known when a request starts.
    let late = BUILT_INS.iter().filter(|name| !DimensionSource::built_in(name).unwrap().is_known_at_start());
    let late = late.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let text = document().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("Sets with {late}, a response header or a property")), "{late}");
}

#[test]
fn every_dimension_source_is_documented() {
    let schema = serde_json::to_value(schemars::schema_for!(sender::config::RawDimensionDefinition)).unwrap();
    let keys = schema["properties"].as_object().unwrap().keys();
    let mut expected: Vec<_> = keys.filter(|key| *key != "default").cloned().collect();
    let mut actual: Vec<_> = table(&document(), "| key |").into_iter().map(|row| row[0].clone()).collect();
    expected.sort();
    actual.sort();
    assert_eq!(actual, expected);
}

#[test]
fn prices_are_documented() {
    let grouped = |number: u64| {
        let digits = number.to_string();
        let head = digits.len() % 3;
        let (first, rest) = digits.split_at(head);
        let groups = rest.as_bytes().chunks(3).map(|group| std::str::from_utf8(group).unwrap());
        let all: Vec<_> = std::iter::once(first).filter(|first| !first.is_empty()).chain(groups).collect();
        all.join(",")
    };
    let last = SERIES_TIERS.len() - 1;
    let expected: Vec<_> = SERIES_TIERS
        .iter()
        .enumerate()
        .map(|(index, (count, cents))| {
            let series = match index {
                0 => format!("first {}", grouped(*count)),
                index if index == last => "further".to_owned(),
                _ => format!("next {}", grouped(*count)),
            };
            vec![series, cents.to_string()]
        })
        .collect();
    assert_eq!(table(&document(), "| series |"), expected);
    assert_eq!((FREE_CALLS, CALLS_PER_CENT), (1_000_000, 1_000));
    assert!(document().contains("a cent for every 1,000 calls after the first million"));
}
