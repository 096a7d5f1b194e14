//! Compares the records of posts with the posted data.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that traps has failed")]

use acpw_metric::{Accumulator, DataKind, Record, Timestamp, quota};
use gateway::{
    fault::{PathStyle, ValidationErrors},
    fields::UnknownFields,
    protocol::json,
    put_metric_data::{AcceptedPost, PutMetricData, encode_records},
    rules::{ReadContext, Rules},
};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_secs(1_795_170_600);

fn rules(max_exact_values: u32) -> Rules {
    Rules { namespaces: Vec::new(), default_dimensions: Vec::new(), max_exact_values }
}

/// Returns the posting of a request, or its faults.
fn posted(request: &Value, rules: &Rules) -> Result<AcceptedPost, Vec<String>> {
    let body = serde_json::to_vec(request).unwrap();
    let mut faults = ValidationErrors::new(PathStyle::Plain);
    let context = ReadContext { rules, now: NOW, unknown: UnknownFields::Refused };
    let read = PutMetricData::read(&json::decode(&body).unwrap(), &context, &mut faults);
    match read.filter(|_| faults.is_empty()) {
        Some(request) => Ok(encode_records(vec![request], NOW)),
        None => Err(faults.listed().iter().map(|fault| format!("{}: {}", fault.path, fault.message)).collect()),
    }
}

fn faults(request: &Value) -> Vec<String> {
    posted(request, &rules(100)).unwrap_err()
}

fn request(data: Vec<Value>) -> Value {
    json!({ "Namespace": "N", "MetricData": data })
}

fn datum(fields: &Value) -> Value {
    let mut datum = json!({ "MetricName": "M" });
    datum.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    datum
}

/// Generates a datum, its second, and its sample count, sum, minimum and maximum. The numbers are multiples of 1/8, so
/// that sums are exact in any order.
fn data() -> impl Strategy<Value = (Value, u8, [f64; 4])> {
    let number = (-4_000i32..4_000).prop_map(|n| f64::from(n) / 8.0);
    let value = number.clone().prop_map(|value| (json!({ "Value": value }), [1.0, value, value, value]));
    let values = prop::collection::vec((number.clone(), 1u32..5), 1..40).prop_map(|pairs| {
        let (values, counts): (Vec<f64>, Vec<u32>) = pairs.iter().copied().unzip();
        let sum = pairs.iter().map(|(value, count)| value * f64::from(*count)).sum();
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let count = f64::from(counts.iter().sum::<u32>());
        (json!({ "Values": values, "Counts": counts }), [count, sum, min, max])
    });
    let set = (1u32..100, number.clone(), number.clone(), number).prop_map(|(quarters, sum, one, other)| {
        let (count, min, max) = (f64::from(quarters) / 4.0, one.min(other), one.max(other));
        let set = json!({ "SampleCount": count, "Sum": sum, "Minimum": min, "Maximum": max });
        (json!({ "StatisticValues": set }), [count, sum, min, max])
    });
    (prop_oneof![value, values, set], 0u8..3).prop_map(|((fields, statistics), second)| {
        let mut fields = datum(&fields);
        fields["Timestamp"] = json!(NOW.as_secs() - u64::from(second));
        (fields, second, statistics)
    })
}

proptest! {
    #[test]
    fn merging_preserves_all_statistics(data in prop::collection::vec(data(), 1..60), max_exact_values in 1u32..200) {
        let mut expected = std::collections::BTreeMap::<u64, [f64; 4]>::new();
        for (_, second, [count, sum, min, max]) in &data {
            let all = expected.entry(NOW.as_secs() - u64::from(*second)).or_insert([0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY]);
            *all = [all[0] + count, all[1] + sum, all[2].min(*min), all[3].max(*max)];
        }
        // Each datum is a separate post. They arrive in reverse order.
        let mut held = Accumulator::default();
        for (datum, ..) in data.iter().rev() {
            let posting = posted(&request(vec![datum.clone()]), &rules(max_exact_values)).unwrap();
            for record in &posting.records {
                held.merge_record(&Record::decode(record).unwrap(), 3_600_000);
            }
        }
        let mut found = std::collections::BTreeMap::<u64, [f64; 4]>::new();
        while let Some((key, group)) = held.pop() {
            prop_assert_eq!(key.kind, DataKind::STATED);
            for (_, distribution) in &group.distributions {
                let all = found.entry(key.start.as_secs()).or_insert([0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY]);
                *all = [all[0] + distribution.sample_count(), all[1] + distribution.sum(), all[2].min(distribution.min()), all[3].max(distribution.max())];
            }
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn cloudwatchs_quotas_apply() {
    let data = |count: usize| request(vec![datum(&json!({ "Value": 1 })); count]);
    let values = |count: usize| request(vec![datum(&json!({ "Values": vec![1; count] }))]);
    let dimensions = |count: usize| {
        let pairs: Vec<_> = (0..count).map(|n| json!({ "Name": format!("n{n}"), "Value": "v" })).collect();
        request(vec![datum(&json!({ "Value": 1, "Dimensions": pairs }))])
    };
    let limits = [
        (quota::MAX_DATA_PER_REQUEST, &data as &dyn Fn(usize) -> Value),
        (quota::MAX_VALUES_PER_DATUM, &values),
        (quota::MAX_DIMENSIONS, &dimensions),
    ];
    for (limit, request) in limits {
        for (count, fits) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
            assert_eq!(posted(&request(count), &rules(2_000)).is_ok(), fits, "{count} of {limit}");
        }
    }
    assert_eq!(faults(&data(0)), ["MetricData: must have at least one datum"]);
    assert_eq!(faults(&values(0)), ["MetricData[0].Values: must have at least one value"]);
}

#[test]
fn timestamps_from_two_weeks_ago_to_two_hours_ahead_are_accepted() {
    let at = |seconds: i64| {
        request(vec![datum(&json!({ "Value": 1, "Timestamp": NOW.as_secs().saturating_add_signed(seconds) }))])
    };
    let oldest = -(14 * 24 * 3_600 - 600);
    for (seconds, fits) in
        [(oldest - 1, false), (oldest, true), (oldest + 1, true), (7_199, true), (7_200, true), (7_201, false)]
    {
        assert_eq!(posted(&at(seconds), &rules(1)).is_ok(), fits, "{seconds}");
    }
}

#[test]
fn all_faults_are_reported_with_their_paths() {
    let request = json!({
        "Namespace": "N",
        "MetricData": [
            { "MetricName": "M", "Value": 1 },
            { "Value": 1, "Values": [1], "Unit": "Parsec", "StorageResolution": 30, "Colour": "red" },
            { "MetricName": "M", "Values": [1, 1e308], "Counts": [1, 0.5], "Timestamp": "now" },
            { "MetricName": "M", "Dimensions": [{ "Name": "a", "Value": " " }, { "Name": ":b" }, { "Name": "é", "Value": "v" }] },
            { "MetricName": "M", "StatisticValues": { "SampleCount": 0, "Sum": 1, "Minimum": 2 } },
            { "MetricName": "M", "Values": [1], "StatisticValues": { "SampleCount": 2, "Sum": 1, "Minimum": 1, "Maximum": 1 } },
            { "MetricName": "M", "Value": 1, "Dimensions": [{ "Name": "a", "Value": "1" }, { "Name": "a", "Value": "2" }] },
        ],
    });
    let paths: Vec<_> = faults(&request).iter().map(|fault| fault.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(
        paths,
        [
            "MetricData[1].Colour",
            "MetricData[1].MetricName",
            "MetricData[1].Unit",
            "MetricData[1].StorageResolution",
            "MetricData[1].Value",
            "MetricData[2].Timestamp",
            "MetricData[2].Values[1]",
            "MetricData[2].Counts[1]",
            "MetricData[3].Dimensions[0].Value",
            "MetricData[3].Dimensions[1].Name",
            "MetricData[3].Dimensions[1].Value",
            "MetricData[3].Dimensions[2].Name",
            "MetricData[3]",
            "MetricData[4].StatisticValues.Maximum",
            "MetricData[4].StatisticValues.SampleCount",
            "MetricData[5].StatisticValues.SampleCount",
            "MetricData[6].Dimensions",
        ]
    );
}

#[test]
fn services_are_forwarded_and_other_entities_are_refused_or_reported() {
    let request = |key: Value, strict: Value| {
        let entity = json!({ "Entity": { "KeyAttributes": key }, "MetricData": [datum(&json!({ "Value": 1 }))] });
        json!({ "Namespace": "N", "EntityMetricData": [entity], "StrictEntityValidation": strict })
    };
    let service = json!({ "Type": "Service", "Name": "checkout", "Environment": "prod" });
    let posting = posted(&request(service.clone(), json!(true)), &rules(1)).unwrap();
    let record = Record::decode(&posting.records[0]).unwrap();
    assert_eq!(record.origin().entity.as_ref().unwrap().service.as_str(), "checkout");
    let other = json!({ "Type": "AWS::Resource", "ResourceType": "AWS::SQS::Queue" });
    assert!(
        faults(&request(other.clone(), json!(true)))[0]
            .starts_with("EntityMetricData[0].Entity.KeyAttributes: must be")
    );
    let posting = posted(&request(other, json!(false)), &rules(1)).unwrap();
    assert!(posting.entity_failure.is_some() && posting.values == 1);
    assert_eq!(faults(&request(service, Value::Null)), ["StrictEntityValidation: is required with EntityMetricData"]);
}

#[test]
fn configured_namespaces_and_default_dimensions_apply() {
    let mut rules = rules(10);
    rules.namespaces = vec![acpw_metric::Namespace::new("Ours").unwrap()];
    let pair = (acpw_metric::DimensionName::new("env").unwrap(), acpw_metric::DimensionValue::new("prod").unwrap());
    rules.default_dimensions = vec![pair];
    let request = |namespace: &str, dimensions: Value| json!({ "Namespace": namespace, "MetricData": [datum(&json!({ "Value": 1, "Dimensions": dimensions }))] });
    let faults = posted(&request("Theirs", json!([])), &rules).unwrap_err();
    assert_eq!(faults, ["Namespace: must be a namespace that this gateway accepts: Ours"]);
    for (given, expected) in [(json!([]), "prod"), (json!([{ "Name": "env", "Value": "test" }]), "test")] {
        let posting = posted(&request("Ours", given), &rules).unwrap();
        let mut held = Accumulator::default();
        held.merge_record(&Record::decode(&posting.records[0]).unwrap(), 0);
        let (_, group) = held.pop().unwrap();
        assert_eq!(group.dimensions.iter().collect::<Vec<_>>(), [("env", expected)]);
    }
}
