//! The JSON around the data of a PutMetricData request.

use serde::Serialize;

use crate::lane_key::LaneKey;

/// CloudWatch's `Entity`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireEntity<'a> {
    key_attributes: KeyAttributes<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyAttributes<'a> {
    r#type: &'static str,
    name: &'a str,
    environment: &'a str,
}

/// Returns the JSON before and after the data of a request.
pub(crate) fn envelope(key: &LaneKey) -> (Vec<u8>, &'static [u8]) {
    let mut head = b"{\"Namespace\":".to_vec();
    // Writing text to memory does not fail.
    let _ = serde_json::to_writer(&mut head, key.namespace.as_str());
    let Some(entity) = &key.entity else {
        head.extend_from_slice(b",\"MetricData\":[");
        return (head, b"]}");
    };
    // CloudWatch stores the data even if it refuses the entity.
    head.extend_from_slice(b",\"StrictEntityValidation\":false,\"EntityMetricData\":[{\"Entity\":");
    let (name, environment) = (entity.service.as_str(), entity.environment.as_str());
    let key_attributes = KeyAttributes { r#type: "Service", name, environment };
    let _ = serde_json::to_writer(&mut head, &WireEntity { key_attributes });
    head.extend_from_slice(b",\"MetricData\":[");
    (head, b"]}]}")
}
