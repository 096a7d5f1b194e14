//! A simulated client that posts data to the gateway.

use std::collections::HashMap;

use acpw_metric::{Now, Record};
use fastrand::Rng;
use gateway::{
    Config, Gateway,
    gateway::{NextStep, PostOutcome},
    request::Request,
};
use serde_json::json;

/// A gateway and the totals of its answers.
pub(crate) struct PostClient {
    gateway: Gateway,
    /// The number of accepted values by path: those of posts answered with 202.
    pub(crate) accepted: HashMap<String, u64>,
    /// The total number of accepted values.
    pub(crate) total: u64,
    /// The number of posts answered with 429.
    pub(crate) refused_posts: u64,
    count: u64,
}

impl PostClient {
    pub(crate) fn new() -> Option<Self> {
        let config = Config::from_json(br#"{"receiver_vm_id": "receiver"}"#, |_| None).ok()?;
        Some(Self { gateway: Gateway::new(config), accepted: HashMap::new(), total: 0, refused_posts: 0, count: 0 })
    }

    /// Passes the receiver's status to the gateway, as on its tick.
    pub(crate) fn handle_status(&mut self, status: Option<&[u8]>) {
        self.gateway.handle_status(status);
    }

    /// Posts a datum of a new series. `age` is the age of its timestamp in milliseconds, if it has one. Returns the
    /// records to enqueue if the post is accepted.
    pub(crate) fn post(
        &mut self,
        now: Now,
        age: Option<u64>,
        ledger: &mut Option<Vec<u8>>,
        is_room_ignored: bool,
        rng: &mut Rng,
    ) -> Vec<Vec<u8>> {
        self.count += 1;
        let path = format!("/posted/{}", self.count);
        let values = rng.u64(1..4);
        let mut datum = json!({
            "MetricName": "Posted",
            "Dimensions": [{ "Name": "path", "Value": path }],
            "Values": [1], "Counts": [values],
        });
        if let (Some(age), Some(datum)) = (age, datum.as_object_mut()) {
            let time = now.wall.as_millis().saturating_sub(age) / 1_000;
            datum.insert("Timestamp".to_owned(), time.into());
        }
        let body = json!({ "Namespace": "Posted", "MetricData": [datum] }).to_string();
        let header = |name: &str| match name {
            ":method" => Some(b"POST".to_vec()),
            ":path" => Some(b"/metrics".to_vec()),
            ":authority" => Some(b"localhost".to_vec()),
            "content-type" => Some(b"application/json".to_vec()),
            _ => None,
        };
        let NextStep::Read(call) = self.gateway.begin(Request::new(header), self.count, now) else { return Vec::new() };
        let PostOutcome::Accepted(post, _) = self.gateway.finish(&call, body.as_bytes(), now) else {
            return Vec::new();
        };
        if !is_room_ignored && !take_room(post.memory, ledger) {
            self.refused_posts += 1;
            return Vec::new();
        }
        self.accepted.insert(path, values);
        self.total += values;
        post.records
    }
}

fn take_room(memory: u64, ledger: &mut Option<Vec<u8>>) -> bool {
    let next = Gateway::take_room(memory, ledger.as_deref());
    if let Some(next) = &next {
        *ledger = Some(next.encode());
    }
    next.is_some()
}

/// Returns the number of values in a record, or 0 if the bytes are not a record.
pub(crate) fn values(record: &[u8]) -> u64 {
    Record::decode(record).map_or(0, |record| record.samples())
}
