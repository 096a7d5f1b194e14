//! Data of one lane that are due, on their way into payloads.

use std::time::Duration;

use acpw_metric::{Accumulator, Distribution, Group, Keep, Metric, PeriodKey, Timestamp, quota::MAX_VALUES_PER_DATUM};

use crate::{
    Batch, cardinality::Cardinality, datum::MetricDatum, lane_key::LaneKey, names::Names, payload::Draft,
    refused_entities::RefusedEntities,
};

/// Data that are due. They are encoded when they can be sent, and until then later data of the same series and period join
/// them.
#[derive(Debug, Default)]
pub struct Queue {
    due: Accumulator,
    /// The group that did not fit into the last payload whole.
    rest: Option<(PeriodKey, Group)>,
    /// What is encoded so far of the next payload.
    encoding: Option<Batch>,
    /// Drafts that ended early.
    cut: Vec<Draft>,
}

/// What all queues need for encoding.
#[derive(Debug)]
pub struct Encoder<'a> {
    /// Namespaces and names of the data.
    pub names: &'a Names,
    /// Entities that CloudWatch refuses: their data are encoded as those of none.
    pub refused_entities: &'a RefusedEntities,
    /// Takes in the series that are encoded.
    pub cardinality: &'a mut Cardinality,
    /// How many bytes may be encoded now.
    pub budget: &'a mut usize,
    /// The time by the steady clock.
    pub now: Duration,
}

impl Queue {
    /// Adds data that were taken out of another accumulator.
    pub fn add_group(&mut self, key: &PeriodKey, group: &Group) {
        self.due.merge_group(key, group);
    }

    /// Adds data; as they are when there were none, since merging them would take as long as they are many.
    pub fn add(&mut self, data: Accumulator) {
        self.due.merge(data);
    }

    /// Returns its data that are not encoded, for changes.
    pub fn due_mut(&mut self) -> &mut Accumulator {
        &mut self.due
    }

    /// Returns whether it has data that are not encoded yet.
    pub fn has_unencoded(&self) -> bool {
        !self.due.is_empty()
    }

    /// Returns whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty() && self.rest.is_none() && self.encoding.is_none() && self.cut.is_empty()
    }

    /// Returns how many values it holds.
    pub fn samples(&self) -> u64 {
        let rest = self.rest.as_ref().map_or(0, |(_, group)| group.samples());
        let encoding = self.encoding.as_ref().map_or(0, Batch::samples);
        let cut: u64 = self.cut.iter().map(Draft::samples).sum();
        self.due.samples().saturating_add(rest).saturating_add(encoding).saturating_add(cut)
    }

    /// Returns how many data it holds that are not encoded yet.
    pub fn series(&self) -> usize {
        let rest = self.rest.as_ref().map_or(0, |(_, group)| group.distributions.len());
        self.due.series().saturating_add(rest)
    }

    /// Returns about how many bytes of memory it holds.
    pub fn bytes(&self) -> usize {
        let cut: usize = self.cut.iter().map(Draft::bytes).sum();
        self.due.bytes().saturating_add(self.encoding.as_ref().map_or(0, Batch::length)).saturating_add(cut)
    }

    /// Returns the start of the oldest period.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.rest.as_ref().map(|(key, _)| key.start).or_else(|| self.due.oldest())
    }

    /// Drops the oldest data until it takes at most `target` bytes; returns how many values.
    pub fn drop_until(&mut self, target: usize, keep: Keep) -> u64 {
        let others = self.bytes().saturating_sub(self.due.bytes());
        self.due.drop_until(target.saturating_sub(others), keep)
    }

    /// Makes it take at most `target` bytes, as far as merging does. Returns how many samples were made of gauges.
    pub fn merge_old(&mut self, target: usize, now: Timestamp) -> u64 {
        let others = self.bytes().saturating_sub(self.due.bytes());
        self.due.merge_old(target.saturating_sub(others), now)
    }

    /// Drops the oldest group; returns how many values it held.
    pub fn drop_oldest(&mut self) -> Option<u64> {
        match self.rest.take() {
            Some((key, group)) => Some(key.kind.values(group.samples())),
            None => self.due.drop_oldest(),
        }
    }

    /// Moves all data by so many milliseconds.
    pub fn shift(&mut self, millis: i64) {
        if let Some((key, group)) = self.rest.take() {
            for (metric, distribution) in &group.distributions {
                self.due.file(key.clone(), &group.dimensions, metric, distribution);
            }
        }
        self.due.shift(millis);
        // What is encoded already has its old time, and what is moved now is not to join it.
        self.cut.extend(self.encoding.take().and_then(Batch::into_draft));
        self.cut = std::mem::take(&mut self.cut).into_iter().map(|draft| draft.shifted(millis)).collect();
    }

    /// Returns a draft of as many of the oldest data as CloudWatch takes in one request. Encodes about as many bytes as the
    /// budget still has, and takes them from it; there is no draft before that has come to its end.
    pub fn next_draft(&mut self, encoder: &mut Encoder<'_>) -> Option<Draft> {
        if let Some(draft) = self.cut.pop() {
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
            if !batch.key().is(namespace, entity) {
                self.rest = Some((key, group));
                return self.encoding.take()?.into_draft();
            }
            let before = batch.length();
            while let Some((metric, distribution)) = group.distributions.last() {
                let (_, name) = encoder.names.of(&key.origin, metric);
                let datum = MetricDatum {
                    name: name.as_str(),
                    metric,
                    dimensions: &group.dimensions,
                    timestamp: key.start,
                    kind: key.kind,
                    distribution,
                };
                if !batch.push(&datum) {
                    self.rest = Some((key, group));
                    return self.encoding.take()?.into_draft();
                }
                encoder.cardinality.note(namespace, name, &group.dimensions, distribution.count(), encoder.now);
                group.distributions.pop();
            }
            encoder.cardinality.note_dimensions(key.kind, &group.dimensions, encoder.now);
            *encoder.budget = encoder.budget.saturating_sub(batch.length().saturating_sub(before));
        }
        None
    }

    fn next_group(&mut self) -> Option<(PeriodKey, Group)> {
        self.rest.take().or_else(|| {
            let (key, mut group) = self.due.pop()?;
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
    fn what_is_encoded_already_is_shifted_with_the_rest() {
        let names =
            Names { namespace: Namespace::new("N").unwrap(), request_count: MetricName::new("RequestCount").unwrap() };
        let name = MetricName::new("M").unwrap();
        let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
        let mut one = Distribution::new();
        one.record(1.0);
        let mut queue = Queue::default();
        for n in 0..200 {
            let value = DimensionValue::new(&n.to_string()).unwrap();
            let dimensions = Dimensions::new(vec![(DimensionName::new("n").unwrap(), value)]).unwrap();
            let mut data = Accumulator::default();
            data.add(Timestamp::from_secs(1_787_402_160), None, &dimensions, &metric, &one);
            queue.add(data);
        }
        let mut cardinality = Cardinality::default();
        let mut next_draft = |queue: &mut Queue, mut budget: usize| {
            queue.next_draft(&mut Encoder {
                names: &names,
                refused_entities: &RefusedEntities::default(),
                cardinality: &mut cardinality,
                budget: &mut budget,
                now: Duration::ZERO,
            })
        };
        for _ in 0..2 {
            // The second time, it is the draft that the first one cut.
            let draft = next_draft(&mut queue, 1_000);
            queue.cut.extend(draft);
            queue.shift(-60_000);
            assert_eq!(queue.samples(), 200);
            assert!(!queue.cut.is_empty());
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
