//! Mutates posts and checks that each fault names the mutated field.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that traps has failed, in its helpers too"
)]

use acpw_metric::Timestamp;
use gateway::{
    fault::{PathStyle, ValidationErrors},
    fields::UnknownFields,
    node::Node,
    protocol::{Protocol, cbor, json, query},
    put_metric_data::{PutMetricData, encode_records},
    rules::{ReadContext, Rules},
};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_secs(1_795_858_200);

/// Returns the number of values in a request, or the paths and messages of its faults.
fn read(node: &Node<'_>, style: PathStyle, unknown: UnknownFields) -> Result<u64, Vec<(String, String)>> {
    let rules = Rules { namespaces: Vec::new(), default_dimensions: Vec::new(), max_exact_values: 100 };
    let mut faults = ValidationErrors::new(style);
    let request = PutMetricData::read(node, &ReadContext { rules: &rules, now: NOW, unknown }, &mut faults);
    match request.filter(|_| faults.is_empty()) {
        Some(request) => Ok(encode_records(vec![request], NOW).values),
        None => Err(faults.listed().iter().map(|fault| (fault.path.clone(), fault.message.clone())).collect()),
    }
}

fn read_json(request: &Value) -> Result<u64, Vec<(String, String)>> {
    let body = serde_json::to_vec(request).unwrap();
    read(&json::decode(&body).unwrap(), PathStyle::Plain, UnknownFields::Refused)
}

/// Returns a valid request with one datum of each kind.
fn valid_request() -> Value {
    let dimensions = json!([{ "Name": "a", "Value": "1" }, { "Name": "b", "Value": "2" }]);
    json!({
        "Namespace": "N",
        "MetricData": [
            { "MetricName": "M", "Dimensions": dimensions, "Timestamp": NOW.as_secs(), "Value": 1.5, "Unit": "Count" },
            { "MetricName": "M", "Dimensions": dimensions, "Values": [1, 2, 3], "Counts": [1, 2, 3],
              "StorageResolution": 1 },
            { "MetricName": "M", "Dimensions": dimensions, "Timestamp": "2026-11-28T09:30:00Z",
              "StatisticValues": { "SampleCount": 4, "Sum": 8, "Minimum": 1, "Maximum": 3 } },
        ],
    })
}

/// Returns the JSON pointers of all values within the data.
fn pointers() -> Vec<String> {
    fn below(value: &Value, pointer: &str, pointers: &mut Vec<String>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(items) => items.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect(),
            _ => Vec::new(),
        };
        for (name, value) in children {
            let pointer = format!("{pointer}/{name}");
            if pointer.matches('/').count() > 1 {
                pointers.push(pointer.clone());
            }
            below(value, &pointer, pointers);
        }
    }
    let mut all = Vec::new();
    below(&valid_request(), "", &mut all);
    all
}

/// Generates values of any type.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |value| value.is_finite()).prop_map(Value::from),
        (-5i64..5).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9T:Z+ -]{0,30}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn datum_of(pointer: &str) -> usize {
    pointer.split('/').nth(2).unwrap().parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn faults_name_the_mutated_field(
        position: prop::sample::Index, value in values(), is_renamed: bool, name: String,
    ) {
        let pointers = pointers();
        let pointer = &pointers[position.index(pointers.len())];
        let mut request = valid_request();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        match request.pointer_mut(parent).unwrap() {
            Value::Object(members) if is_renamed => {
                let value = members.remove(field).unwrap();
                members.insert(name, value);
            }
            _ => *request.pointer_mut(pointer).unwrap() = value,
        }
        let datum = datum_of(pointer);
        match read_json(&request) {
            Ok(values) => prop_assert!(values > 0),
            Err(faults) => {
                let own = format!("MetricData[{datum}]");
                prop_assert!(!faults.is_empty());
                for (path, message) in faults {
                    let rest = path.strip_prefix(&own);
                    let is_own = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
                    prop_assert!(is_own, "{} {}: {} {}", pointer, own, path, message);
                }
            }
        }
    }

    #[test]
    fn any_mutated_byte_is_accepted_or_refused_with_a_message(
        position: prop::sample::Index, byte: u8, removed in 0usize..4,
    ) {
        let json_body = serde_json::to_vec(&valid_request()).unwrap();
        let mut cbor_body = Vec::new();
        ciborium::into_writer(&ciborium::Value::serialized(&valid_request()).unwrap(), &mut cbor_body).unwrap();
        let form = b"Action=PutMetricData&Namespace=N&MetricData.member.1.MetricName=M&MetricData.member.1.Value=.5\
            &MetricData.member.1.Timestamp=1795858200&MetricData.member.2.MetricName=M&MetricData.member.2.Values.member.1=1"
            .to_vec();
        for (protocol, mut body) in [(Protocol::Json, json_body), (Protocol::Cbor, cbor_body), (Protocol::Query, form)] {
            let start = position.index(body.len());
            let end = (start + removed).min(body.len());
            body.splice(start..end, [byte]);
            let style = protocol.path_style();
            let outcome = match protocol {
                Protocol::Cbor => cbor::decode(&body).map(|node| read(&node, style, UnknownFields::Ignored)),
                Protocol::Query => query::decode(&body).map(|form| read(&form.fields, style, UnknownFields::Ignored)),
                _ => json::decode(&body).map(|node| read(&node, style, UnknownFields::Refused)),
            };
            if let Ok(Err(faults)) = outcome {
                prop_assert!(faults.iter().all(|(_, message)| !message.is_empty()));
            }
        }
    }
}

#[test]
fn the_unmutated_request_is_valid() {
    assert_eq!(read_json(&valid_request()), Ok(8));
    assert_eq!(pointers().len(), 45);
}
