//! Holds all data that is not in flight, within a memory limit.
//!
//! A record, a source or the receiver itself adds a datum to the pending data of its lane. With the next publication
//! the pending data becomes due, and it is then encoded into payloads. Shares of gauges are held separately until all
//! workers have reported them.

mod limit;
#[cfg(test)]
mod tests;

use std::time::Duration;

use acpw_metric::{Accumulator, Dimensions, Distribution, MergeRule, Metric, PeriodKey, Record, Timestamp};

use crate::{
    cardinality::Cardinality,
    gauge_settler::GaugeSettler,
    lane::Lane,
    lane_queue::EncodingContext,
    lanes::{LaneId, Lanes},
    names::Names,
    refused_entities::RefusedEntities,
    series_budget::SeriesBudget,
    waiting::WaitingPayload,
    zero_filler::ZeroFiller,
};

/// The data by lane, and the shares of gauges.
#[derive(Debug)]
pub struct Buffer {
    names: Names,
    gauges: GaugeSettler,
    zeros: ZeroFiller,
    series_budget: SeriesBudget,
    lanes: Lanes,
    refused_entities: RefusedEntities,
    limit: usize,
    /// The memory after the last merge of old data below the limit, and the time of that merge.
    merged: Option<(usize, Timestamp)>,
    /// The number of derived values: samples of gauges, and zeros.
    derived: u64,
}

/// The limit of one encoding step, and the counter of the series that it encodes.
#[derive(Debug)]
pub struct EncodingBudget<'a> {
    /// The number of bytes that may be encoded now.
    pub budget: &'a mut usize,
    /// Counts the series that are encoded.
    pub cardinality: &'a mut Cardinality,
    /// The time by the steady clock.
    pub now: Duration,
}

impl Buffer {
    /// Creates an empty buffer with a limit in bytes and a budget for the senders' series.
    pub fn new(names: Names, limit: usize, series_budget: SeriesBudget) -> Self {
        Self {
            names,
            gauges: GaugeSettler::default(),
            zeros: ZeroFiller::default(),
            series_budget,
            lanes: Lanes::default(),
            refused_entities: RefusedEntities::default(),
            limit,
            merged: None,
            derived: 0,
        }
    }

    /// Adds the data of a record, whose timestamps are `skew` milliseconds behind. `now` is the time by the steady
    /// clock.
    pub fn merge(&mut self, record: &Record<'_>, skew: i64, now: Duration) {
        let namespace = self.names.namespace(record.origin());
        let Some(lane) = self.lanes.get_or_create(namespace, record.origin().entity.as_ref()) else { return };
        for group in record.groups() {
            let admitted = self.series_budget.admit(record, group, now);
            for (metric, distribution) in record.distributions_of(group) {
                let dimensions = admitted.dimensions(metric);
                let key = record.key(group, metric, skew);
                self.zeros.record_values(&key, dimensions, metric);
                match key.kind.merge {
                    MergeRule::Distribution => lane.pending_mut().add_borrowed(key, dimensions, metric, distribution),
                    MergeRule::GaugeShares => self.gauges.add(key, dimensions, metric, distribution),
                }
            }
        }
    }

    /// Adds data with correct timestamps.
    pub fn add(&mut self, data: Accumulator) {
        self.add_to(data, Lane::pending_mut);
    }

    /// Adds data with correct timestamps that is due immediately.
    pub fn add_due(&mut self, data: Accumulator) {
        self.add_to(data, |lane| lane.queue_mut().unencoded_mut());
    }

    /// Adds the values that are derived from data and time: samples of gauges that all workers have reported, and zeros
    /// for idle series.
    pub fn add_derived(&mut self, now: Timestamp) {
        let Self { gauges, zeros, lanes, names, .. } = self;
        let mut file = add_to_pending(lanes, names);
        let samples = gauges.add_settled(&mut file, now);
        let zeros = zeros.add_zeros(&mut file, now);
        self.derived = self.derived.saturating_add(samples).saturating_add(zeros);
    }

    /// Turns all shares of gauges into samples immediately, to release their memory.
    fn settle_gauges(&mut self) {
        let Self { gauges, lanes, names, .. } = self;
        let samples = gauges.add_all(&mut add_to_pending(lanes, names));
        self.derived = self.derived.saturating_add(samples);
    }

    /// Returns the number of derived values since the last call.
    pub fn take_derived(&mut self) -> u64 {
        std::mem::take(&mut self.derived)
    }

    /// Returns the budget for the senders' series.
    pub fn series_budget_mut(&mut self) -> &mut SeriesBudget {
        &mut self.series_budget
    }

    /// Returns true if there is data that is not due.
    pub fn has_pending(&self) -> bool {
        self.lanes.iter().any(Lane::has_pending)
    }

    /// Returns true if there is due data, including waiting payloads.
    pub fn has_due(&self) -> bool {
        self.lanes.iter().any(Lane::has_due)
    }

    /// Marks all pending data as due.
    pub fn release(&mut self) {
        self.lanes.iter_mut().for_each(Lane::release);
    }

    /// Merges newly due data with the data that was due before. Stops when `budget`, in bytes, is spent.
    pub fn merge_due(&mut self, budget: &mut usize) {
        self.lanes.iter_mut().for_each(|lane| lane.merge_due(budget));
    }

    /// Removes and returns what a lane sends next: see [`Lane::next_to_send`].
    pub fn next_to_send(&mut self, id: LaneId, correction: i64, work: EncodingBudget<'_>) -> Option<WaitingPayload> {
        let EncodingBudget { budget, cardinality, now } = work;
        let (names, refused_entities) = (&self.names, &self.refused_entities);
        let mut encoder = EncodingContext { names, refused_entities, cardinality, budget, now };
        self.lanes.get_mut(id)?.next_to_send(now, correction, &mut encoder)
    }

    /// Returns the lanes.
    pub fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Returns the lanes for changes.
    pub fn lanes_mut(&mut self) -> &mut Lanes {
        &mut self.lanes
    }

    /// Returns the entities that CloudWatch refuses.
    pub fn refused_entities_mut(&mut self) -> &mut RefusedEntities {
        &mut self.refused_entities
    }

    /// Moves all data by `millis`, rounded to whole periods.
    pub fn shift(&mut self, millis: i64) {
        self.gauges.shift(millis);
        self.lanes.iter_mut().for_each(|lane| lane.shift(millis));
    }

    /// Returns the number of held values.
    pub fn samples(&self) -> u64 {
        self.lanes.iter().map(Lane::samples).fold(0, u64::saturating_add)
    }

    /// Returns the number of data outside of payloads: series times periods.
    pub fn series(&self) -> usize {
        self.lanes.iter().map(Lane::series).fold(self.gauges.series(), usize::saturating_add)
    }

    /// Returns the approximate memory in bytes.
    pub fn bytes(&self) -> usize {
        self.lanes.iter().map(Lane::bytes).fold(self.gauges.bytes(), usize::saturating_add)
    }

    /// Adds data to an accumulator of each lane. This takes constant time per period if all data belongs to one lane
    /// whose accumulator is empty.
    fn add_to(&mut self, mut data: Accumulator, accumulator: fn(&mut Lane) -> &mut Accumulator) {
        if let Some(target) = self.only_lane_of(&data).map(accumulator).filter(|target| target.is_empty()) {
            *target = data;
            return;
        }
        while let Some((key, group)) = data.pop() {
            if let Some(lane) = self.lanes.get_or_create(self.names.namespace(&key.origin), key.origin.entity.as_ref())
            {
                accumulator(lane).merge_group(&key, &group);
            }
        }
    }

    /// Returns the lane of the data, or `None` if the data belongs to several lanes.
    fn only_lane_of(&mut self, data: &Accumulator) -> Option<&mut Lane> {
        let mut origins = data.iter().map(|(key, ..)| &key.origin);
        let first = origins.next()?;
        let namespace = self.names.namespace(first);
        if !origins.all(|origin| self.names.namespace(origin) == namespace && origin.entity == first.entity) {
            return None;
        }
        self.lanes.get_or_create(namespace, first.entity.as_ref())
    }
}

/// Returns a function that adds a value to the pending data of its lane.
fn add_to_pending<'a>(
    lanes: &'a mut Lanes,
    names: &'a Names,
) -> impl FnMut(PeriodKey, &Dimensions, &Metric, &Distribution) + 'a {
    |key, dimensions, metric, distribution| {
        if let Some(lane) = lanes.get_or_create(names.namespace(&key.origin), key.origin.entity.as_ref()) {
            lane.pending_mut().file(key, dimensions, metric, distribution);
        }
    }
}
