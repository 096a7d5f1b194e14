//! The due data of a lane, until it is encoded into payloads.

use std::time::Duration;

use acpw_metric::{Accumulator, Distribution, Group, Keep, Metric, PeriodKey, Timestamp, quota::MAX_VALUES_PER_DATUM};

use crate::{
    Batch, cardinality::Cardinality, datum::MetricDatum, lane_key::LaneKey, names::Names, payload::Draft,
    refused_entities::RefusedEntities,
};

/// Due data. It is encoded when it can be sent; until then, later data of the same series and period is merged into it.
#[derive(Debug, Default)]
pub struct LaneQueue {
    unencoded: Accumulator,
    /// The rest of a group that did not fit into the last payload.
    partial_group: Option<(PeriodKey, Group)>,
    /// The next payload, as far as it is encoded.
    encoding: Option<Batch>,
    /// Drafts that were completed early.
    early_drafts: Vec<Draft>,
}

/// The state that the queues of all lanes share for encoding.
#[derive(Debug)]
pub struct EncodingContext<'a> {
    /// The namespaces and names of the data.
    pub names: &'a Names,
    /// The entities that CloudWatch refuses. Their data is encoded without an entity.
    pub refused_entities: &'a RefusedEntities,
    /// Counts the encoded series.
    pub cardinality: &'a mut Cardinality,
    /// The number of bytes that may be encoded now.
    pub budget: &'a mut usize,
    /// The time by the steady clock.
    pub now: Duration,
}

impl LaneQueue {
    /// Adds a group of another accumulator.
    pub fn merge_group(&mut self, key: &PeriodKey, group: &Group) {
        self.unencoded.merge_group(key, group);
    }

    /// Adds data. If the queue is empty, this takes constant time.
    pub fn add(&mut self, data: Accumulator) {
        self.unencoded.merge(data);
    }

    /// Returns the data that is not encoded, for changes.
    pub fn unencoded_mut(&mut self) -> &mut Accumulator {
        &mut self.unencoded
    }

    /// Returns true if there is data that is not encoded.
    pub fn has_unencoded(&self) -> bool {
        !self.unencoded.is_empty()
    }

    /// Returns true if there is no data.
    pub fn is_empty(&self) -> bool {
        self.unencoded.is_empty()
            && self.partial_group.is_none()
            && self.encoding.is_none()
            && self.early_drafts.is_empty()
    }

    /// Returns the number of values.
    pub fn samples(&self) -> u64 {
        let partial_group = self.partial_group.as_ref().map_or(0, |(_, group)| group.samples());
        let encoding = self.encoding.as_ref().map_or(0, Batch::samples);
        let early_drafts: u64 = self.early_drafts.iter().map(Draft::samples).sum();
        self.unencoded.samples().saturating_add(partial_group).saturating_add(encoding).saturating_add(early_drafts)
    }

    /// Returns the number of data that is not encoded.
    pub fn series(&self) -> usize {
        let partial_group = self.partial_group.as_ref().map_or(0, |(_, group)| group.distributions.len());
        self.unencoded.series().saturating_add(partial_group)
    }

    /// Returns the approximate memory in bytes.
    pub fn bytes(&self) -> usize {
        let early_drafts: usize = self.early_drafts.iter().map(Draft::bytes).sum();
        self.unencoded
            .bytes()
            .saturating_add(self.encoding.as_ref().map_or(0, Batch::length))
            .saturating_add(early_drafts)
    }

    /// Returns the start of the oldest period.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.partial_group.as_ref().map(|(key, _)| key.start).or_else(|| self.unencoded.oldest())
    }

    /// Drops the oldest data until the rest takes at most `target` bytes. Returns the number of dropped values.
    pub fn drop_until(&mut self, target: usize, keep: Keep) -> u64 {
        let others = self.bytes().saturating_sub(self.unencoded.bytes());
        self.unencoded.drop_until(target.saturating_sub(others), keep)
    }

    /// Merges old data to reduce the queue to `target` bytes, if merging suffices. Returns the number of samples that
    /// were made from gauges.
    pub fn merge_old(&mut self, target: usize, now: Timestamp) -> u64 {
        let others = self.bytes().saturating_sub(self.unencoded.bytes());
        self.unencoded.merge_old(target.saturating_sub(others), now)
    }

    /// Drops the oldest group. Returns the number of its values.
    pub fn drop_oldest(&mut self) -> Option<u64> {
        match self.partial_group.take() {
            Some((key, group)) => Some(key.kind.values(group.samples())),
            None => self.unencoded.drop_oldest(),
        }
    }

    /// Moves all data by `millis`.
    pub fn shift(&mut self, millis: i64) {
        if let Some((key, group)) = self.partial_group.take() {
            for (metric, distribution) in &group.distributions {
                self.unencoded.file(key.clone(), &group.dimensions, metric, distribution);
            }
        }
        self.unencoded.shift(millis);
        // Complete the encoded payload early: data moved from now on must not join data with old timestamps.
        self.early_drafts.extend(self.encoding.take().and_then(Batch::into_draft));
        self.early_drafts =
            std::mem::take(&mut self.early_drafts).into_iter().map(|draft| draft.shifted(millis)).collect();
    }

    /// Returns a draft of the oldest data, up to CloudWatch's limits for one request. Stops when the budget is spent,
    /// and then returns `None`; call again to continue.
    pub fn next_draft(&mut self, encoder: &mut EncodingContext<'_>) -> Option<Draft> {
        if let Some(draft) = self.early_drafts.pop() {
            return Some(draft);
        }
        while *encoder.budget > 0 {
            let (key, mut group) = match self.next_group() {
                Some(next) => next,
                None => return self.encoding.take()?.into_draft(),
            };
            let namespace = encoder.names.namespace(&key.origin);
            let entity = key.origin.entity.as_ref().filter(|entity| !encoder.refused_entities.contains(entity));
            let batch = self
                .encoding
                .get_or_insert_with(|| Batch::new(LaneKey { namespace: namespace.clone(), entity: entity.cloned() }));
            if !batch.key().matches(namespace, entity) {
                self.partial_group = Some((key, group));
                return self.encoding.take()?.into_draft();
            }
            let before = batch.length();
            while let Some((metric, distribution)) = group.distributions.last() {
                let (_, name) = encoder.names.resolve(&key.origin, metric);
                let datum = MetricDatum {
                    name: name.as_str(),
                    metric,
                    dimensions: &group.dimensions,
                    timestamp: key.start,
                    kind: key.kind,
                    distribution,
                };
                if !batch.push(&datum) {
                    self.partial_group = Some((key, group));
                    return self.encoding.take()?.into_draft();
                }
                encoder.cardinality.record_series(
                    namespace,
                    name,
                    &group.dimensions,
                    distribution.count(),
                    encoder.now,
                );
                group.distributions.pop();
            }
            encoder.cardinality.record_dimensions(key.kind, &group.dimensions, encoder.now);
            *encoder.budget = encoder.budget.saturating_sub(batch.length().saturating_sub(before));
        }
        None
    }

    fn next_group(&mut self) -> Option<(PeriodKey, Group)> {
        self.partial_group.take().or_else(|| {
            let (key, mut group) = self.unencoded.pop()?;
            if group.distributions.iter().any(|(_, distribution)| distribution.bucket_count() > MAX_VALUES_PER_DATUM) {
                let data = |(metric, distribution): (Metric, Distribution)| {
                    distribution.into_data().into_iter().map(move |datum| (metric.clone(), datum))
                };
                group.distributions = group.distributions.into_iter().flat_map(data).collect();
            }
            Some((key, group))
        })
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::{DimensionName, DimensionValue, Dimensions, MetricName, Namespace, StorageResolution, Unit};

    use super::*;

    #[test]
    fn encoded_data_is_shifted_together_with_the_rest() {
        let names =
            Names { namespace: Namespace::new("N").unwrap(), request_count: MetricName::new("RequestCount").unwrap() };
        let name = MetricName::new("M").unwrap();
        let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
        let mut one = Distribution::new();
        one.record(1.0);
        let mut queue = LaneQueue::default();
        for n in 0..200 {
            let value = DimensionValue::new(&n.to_string()).unwrap();
            let dimensions = Dimensions::new(vec![(DimensionName::new("n").unwrap(), value)]).unwrap();
            let mut data = Accumulator::default();
            data.add(Timestamp::from_secs(1_787_402_160), None, &dimensions, &metric, &one);
            queue.add(data);
        }
        let mut cardinality = Cardinality::default();
        let mut next_draft = |queue: &mut LaneQueue, mut budget: usize| {
            queue.next_draft(&mut EncodingContext {
                names: &names,
                refused_entities: &RefusedEntities::default(),
                cardinality: &mut cardinality,
                budget: &mut budget,
                now: Duration::ZERO,
            })
        };
        for _ in 0..2 {
            // In the second round, this is the draft that was completed early in the first.
            let draft = next_draft(&mut queue, 1_000);
            queue.early_drafts.extend(draft);
            queue.shift(-60_000);
            assert_eq!(queue.samples(), 200);
            assert!(!queue.early_drafts.is_empty());
        }
        let mut count = 0;
        while let Some(draft) = next_draft(&mut queue, usize::MAX) {
            let payload = draft.seal(&mut usize::MAX.clone()).unwrap();
            let document: serde_json::Value = serde_json::from_slice(&payload.raw().unwrap()).unwrap();
            for datum in document["MetricData"].as_array().unwrap() {
                assert_eq!(datum["Timestamp"], 1_787_402_040);
                count += 1;
            }
        }
        assert_eq!(count, 200);
    }
}
