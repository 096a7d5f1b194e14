//! All data that the receiver holds and that are not on their way, within a bound.
//!
//! The way of a datum: a record, a source or the receiver itself adds it to the pending data of its lane; a publication
//! makes them due; then they are encoded into a payload. Shares of gauges wait apart until all workers have reported
//! theirs.

mod limit;
#[cfg(test)]
mod tests;

use std::time::Duration;

use acpw_metric::{Accumulator, Dimensions, Distribution, MergeRule, Metric, PeriodKey, Record, Timestamp};

use crate::{
    cardinality::Cardinality,
    gauge::Gauges,
    lane::Lane,
    lanes::{LaneId, Lanes},
    names::Names,
    queue::Encoder,
    refused_entities::RefusedEntities,
    series_budget::SeriesBudget,
    waiting::Waiting,
    zero::Zeros,
};

/// Data by lane, and the shares of gauges that are not values yet.
#[derive(Debug)]
pub struct Buffer {
    names: Names,
    gauges: Gauges,
    zeros: Zeros,
    series_budget: SeriesBudget,
    lanes: Lanes,
    refused_entities: RefusedEntities,
    limit: usize,
    /// The memory that was left after the last merge before the limit, and the time of that merge.
    merged: Option<(usize, Timestamp)>,
    /// Values that no record carried: samples of gauges, and zeros.
    made: u64,
}

/// What encoding takes from, and what it adds to.
#[derive(Debug)]
pub struct Work<'a> {
    /// The number of bytes that may be encoded now.
    pub budget: &'a mut usize,
    /// Counts the series that are encoded.
    pub cardinality: &'a mut Cardinality,
    /// The time by the steady clock.
    pub now: Duration,
}

impl Buffer {
    /// Creates an empty buffer of at most `limit` bytes, in which senders have at most as many series as the budget allows.
    pub fn new(names: Names, limit: usize, series_budget: SeriesBudget) -> Self {
        Self {
            names,
            gauges: Gauges::default(),
            zeros: Zeros::default(),
            series_budget,
            lanes: Lanes::default(),
            refused_entities: RefusedEntities::default(),
            limit,
            merged: None,
            made: 0,
        }
    }

    /// Adds the data of a record whose clock is `skew` milliseconds behind. `now` is the time by the steady clock.
    pub fn merge(&mut self, record: &Record<'_>, skew: i64, now: Duration) {
        let namespace = self.names.namespace(record.origin());
        let Some(lane) = self.lanes.of(namespace, record.origin().entity.as_ref()) else { return };
        for group in record.groups() {
            let admitted = self.series_budget.admit(record, group, now);
            for (metric, distribution) in record.distributions_of(group) {
                let dimensions = admitted.dimensions(metric);
                let key = record.key(group, metric, skew);
                self.zeros.note(&key, dimensions, metric);
                match key.kind.merge {
                    MergeRule::Distribution => lane.pending_mut().add_borrowed(key, dimensions, metric, distribution),
                    MergeRule::GaugeShares => self.gauges.add(key, dimensions, metric, distribution),
                }
            }
        }
    }

    /// Adds data whose time is right.
    pub fn add(&mut self, data: Accumulator) {
        self.add_to(data, Lane::pending_mut);
    }

    /// Adds data whose time is right and that are due at once.
    pub fn add_due(&mut self, data: Accumulator) {
        self.add_to(data, |lane| lane.queue_mut().due_mut());
    }

    /// Adds values that follow from the data and from the time: settled gauges, and zeros of idle series.
    pub fn make(&mut self, now: Timestamp) {
        let Self { gauges, zeros, lanes, names, .. } = self;
        let mut file = file_into(lanes, names);
        let samples = gauges.settle(&mut file, now);
        let zeros = zeros.fill(&mut file, now);
        self.made = self.made.saturating_add(samples).saturating_add(zeros);
    }

    /// Makes samples of all shares of gauges, whether they have settled or not, to give up their memory.
    fn settle_gauges(&mut self) {
        let Self { gauges, lanes, names, .. } = self;
        let samples = gauges.settle_all(&mut file_into(lanes, names));
        self.made = self.made.saturating_add(samples);
    }

    /// Returns the number of values that were made since the last call.
    pub fn take_made(&mut self) -> u64 {
        std::mem::take(&mut self.made)
    }

    /// Returns the series of senders, and their bound.
    pub fn series_budget_mut(&mut self) -> &mut SeriesBudget {
        &mut self.series_budget
    }

    /// Returns whether there are data that are not due.
    pub fn has_pending(&self) -> bool {
        self.lanes.iter().any(Lane::has_pending)
    }

    /// Returns whether data are due, in payloads that wait too.
    pub fn has_due(&self) -> bool {
        self.lanes.iter().any(Lane::has_due)
    }

    /// Makes all data due.
    pub fn release(&mut self) {
        self.lanes.iter_mut().for_each(Lane::release);
    }

    /// Merges data that became due with those that were due already, for about as many bytes as `budget` has.
    pub fn gather(&mut self, budget: &mut usize) {
        self.lanes.iter_mut().for_each(|lane| lane.gather(budget));
    }

    /// Takes out what a lane has to send now, once that is encoded: see [`Lane::next_body`].
    pub fn next_body(&mut self, id: LaneId, learnt: i64, work: Work<'_>) -> Option<Waiting> {
        let Work { budget, cardinality, now } = work;
        let (names, refused_entities) = (&self.names, &self.refused_entities);
        let mut encoder = Encoder { names, refused_entities, cardinality, budget, now };
        self.lanes.get_mut(id)?.next_body(now, learnt, &mut encoder)
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

    /// Moves all data by `millis`, as far as that moves them into other periods.
    pub fn shift(&mut self, millis: i64) {
        self.gauges.shift(millis);
        self.lanes.iter_mut().for_each(|lane| lane.shift(millis));
    }

    /// Returns the number of values that it holds.
    pub fn samples(&self) -> u64 {
        self.lanes.iter().map(Lane::samples).fold(0, u64::saturating_add)
    }

    /// Returns the number of data that it holds outside of payloads: series times periods.
    pub fn series(&self) -> usize {
        self.lanes.iter().map(Lane::series).fold(self.gauges.series(), usize::saturating_add)
    }

    /// Returns about how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        self.lanes.iter().map(Lane::bytes).fold(self.gauges.bytes(), usize::saturating_add)
    }

    /// Adds data to one of their lanes' accumulators: as they are if they are all of one lane whose accumulator is empty.
    fn add_to(&mut self, mut data: Accumulator, accumulator: fn(&mut Lane) -> &mut Accumulator) {
        if let Some(target) = self.only_lane_of(&data).map(accumulator).filter(|target| target.is_empty()) {
            *target = data;
            return;
        }
        while let Some((key, group)) = data.pop() {
            if let Some(lane) = self.lanes.of(self.names.namespace(&key.origin), key.origin.entity.as_ref()) {
                accumulator(lane).merge_group(&key, &group);
            }
        }
    }

    /// Returns the lane of data that are all of the same one.
    fn only_lane_of(&mut self, data: &Accumulator) -> Option<&mut Lane> {
        let mut origins = data.iter().map(|(key, ..)| &key.origin);
        let first = origins.next()?;
        let namespace = self.names.namespace(first);
        if !origins.all(|origin| self.names.namespace(origin) == namespace && origin.entity == first.entity) {
            return None;
        }
        self.lanes.of(namespace, first.entity.as_ref())
    }
}

/// Returns a function that adds a value to the pending data of its lane.
fn file_into<'a>(
    lanes: &'a mut Lanes,
    names: &'a Names,
) -> impl FnMut(PeriodKey, &Dimensions, &Metric, &Distribution) + 'a {
    |key, dimensions, metric, distribution| {
        if let Some(lane) = lanes.of(names.namespace(&key.origin), key.origin.entity.as_ref()) {
            lane.pending_mut().file(key, dimensions, metric, distribution);
        }
    }
}
