//! Packs the data of a PutMetricData request by its encoded size.

use std::rc::Rc;

use acpw_metric::quota::{MAX_DATA_PER_REQUEST, MAX_REQUEST_BYTES};

use crate::{
    datum::MetricDatum,
    envelope::envelope,
    lane_key::LaneKey,
    payload::{Draft, Span},
};

/// Data of one namespace and entity, encoded one by one until the next datum does not fit.
#[derive(Debug)]
pub struct Batch {
    key: LaneKey,
    raw: Vec<u8>,
    data: Vec<Span>,
    end: &'static [u8],
}

impl Batch {
    /// Creates an empty batch.
    pub fn new(key: LaneKey) -> Self {
        let (raw, end) = envelope(&key);
        Self { key, raw, data: Vec::new(), end }
    }

    /// Returns the namespace and entity of the data.
    pub fn key(&self) -> &LaneKey {
        &self.key
    }

    /// Adds a datum, and returns true, if it fits into CloudWatch's quotas of 1,000 data and 1,000,000 uncompressed
    /// bytes.
    pub fn push(&mut self, datum: &MetricDatum<'_>) -> bool {
        if self.data.len() >= MAX_DATA_PER_REQUEST {
            return false;
        }
        let before = self.raw.len();
        if !self.data.is_empty() {
            self.raw.push(b',');
        }
        let start = self.raw.len();
        let is_written = serde_json::to_writer(&mut self.raw, datum).is_ok();
        if !is_written || self.raw.len().saturating_add(self.end.len()) > MAX_REQUEST_BYTES {
            self.raw.truncate(before);
            return false;
        }
        self.data.push(Span {
            bytes: start..self.raw.len(),
            samples: datum.distribution.count(),
            resolution: datum.metric.resolution,
            kind: datum.kind,
        });
        true
    }

    /// Returns the number of encoded bytes so far.
    pub fn length(&self) -> usize {
        self.raw.len()
    }

    /// Returns the number of values in all data.
    pub fn samples(&self) -> u64 {
        self.data.iter().map(|span| span.samples).sum()
    }

    /// Completes the batch as a draft. Returns `None` if it is empty.
    pub fn into_draft(mut self) -> Option<Draft> {
        if self.data.is_empty() {
            return None;
        }
        self.raw.extend_from_slice(self.end);
        Some(Draft::new(Rc::new(self.key), self.raw, self.data))
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::{
        DataKind, DimensionName, DimensionValue, Dimensions, Distribution, Entity, Metric, MetricName, Namespace,
        StorageResolution, Timestamp, Unit,
    };

    use super::*;
    use crate::Payload;

    fn key(entity: Option<Entity>) -> LaneKey {
        LaneKey { namespace: Namespace::new("N").unwrap(), entity }
    }

    fn sealed(draft: Option<Draft>) -> Payload {
        draft.unwrap().seal(&mut usize::MAX.clone()).unwrap()
    }

    fn dimensions(count: usize, value_length: usize) -> Dimensions {
        let pair = |n| {
            let value = DimensionValue::new(&"v".repeat(value_length)).unwrap();
            (DimensionName::new(&format!("n{n}")).unwrap(), value)
        };
        Dimensions::new((0..count).map(pair).collect()).unwrap()
    }

    /// Adds the same datum up to `limit` times, until it does not fit. Returns the number of added data.
    fn fill(batch: &mut Batch, dimensions: &Dimensions, limit: usize) -> usize {
        let name = MetricName::new("RequestCount").unwrap();
        let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
        let mut distribution = Distribution::new();
        distribution.record_n(1.0, 7);
        let timestamp = Timestamp::from_secs(1_787_402_160);
        let datum = MetricDatum {
            name: "RequestCount",
            metric: &metric,
            dimensions,
            timestamp,
            kind: DataKind::OBSERVED,
            distribution: &distribution,
        };
        (0..limit).take_while(|_| batch.push(&datum)).count()
    }

    #[test]
    fn a_batch_has_at_most_a_thousand_data() {
        for (limit, expected) in [(999, 999), (1_000, 1_000), (1_001, 1_000)] {
            let mut batch = Batch::new(key(None));
            assert_eq!(fill(&mut batch, &dimensions(1, 1), limit), expected);
            let payload = batch.into_draft().unwrap();
            assert_eq!((payload.data(), payload.samples()), (expected, 7 * expected as u64));
        }
    }

    #[test]
    fn a_batch_has_at_most_a_million_bytes() {
        let nearly_full = || {
            let mut batch = Batch::new(key(None));
            fill(&mut batch, &dimensions(30, 1_000), usize::MAX);
            fill(&mut batch, &dimensions(2, 400), usize::MAX);
            batch
        };
        let without_values = {
            let mut batch = nearly_full();
            let before = batch.length();
            fill(&mut batch, &dimensions(2, 1), 1);
            batch.length() - before - 2
        };
        let room = MAX_REQUEST_BYTES - 2 - nearly_full().length() - without_values;
        for (length, fits) in [(room - 1, true), (room, true), (room + 1, false)] {
            let mut batch = nearly_full();
            let pairs = [("n0", length / 2), ("n1", length.div_ceil(2))].map(|(name, length)| {
                (DimensionName::new(name).unwrap(), DimensionValue::new(&"v".repeat(length)).unwrap())
            });
            assert_eq!(fill(&mut batch, &Dimensions::new(pairs.to_vec()).unwrap(), 1) == 1, fits, "{length}");
            let payload = sealed(batch.into_draft());
            assert_eq!(payload.raw_length() == MAX_REQUEST_BYTES, length == room);
        }
    }

    #[test]
    fn data_of_an_entity_is_encoded_with_it() {
        let text = |text| acpw_metric::EntityText::new(text).unwrap();
        let entity = Entity { service: text("check\"out"), environment: text("eks:prod/shop") };
        let mut batch = Batch::new(key(Some(entity)));
        assert_eq!(fill(&mut batch, &dimensions(1, 1), 2), 2);
        let payload = sealed(batch.into_draft());
        let document: serde_json::Value = serde_json::from_slice(payload.body()).unwrap();
        let datum = serde_json::json!({
            "MetricName": "RequestCount", "Timestamp": 1_787_402_160, "Dimensions": [{"Name": "n0", "Value": "v"}],
            "Values": [1], "Counts": [7], "Unit": "Count",
        });
        let expected = serde_json::json!({
            "Namespace": "N",
            "StrictEntityValidation": false,
            "EntityMetricData": [{
                "Entity": {"KeyAttributes":
                    {"Type": "Service", "Name": "check\"out", "Environment": "eks:prod/shop"}},
                "MetricData": [datum, datum],
            }],
        });
        assert_eq!(document, expected);
        let (rest, _) = payload.without(&[0]);
        let document: serde_json::Value = serde_json::from_slice(sealed(rest).body()).unwrap();
        assert_eq!(document["EntityMetricData"][0]["MetricData"], serde_json::json!([datum]));
        let without = sealed(payload.without_entity());
        let document: serde_json::Value = serde_json::from_slice(without.body()).unwrap();
        assert_eq!(document, serde_json::json!({"Namespace": "N", "MetricData": [datum, datum]}));
        assert_eq!((without.samples(), &without.key().entity), (payload.samples(), &None));
        assert_eq!(sealed(without.without(&[0]).0).data(), 1);
    }

    #[test]
    fn an_empty_batch_has_no_draft() {
        assert!(Batch::new(key(None)).into_draft().is_none());
    }
}
