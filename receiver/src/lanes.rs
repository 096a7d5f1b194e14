//! A bounded set of lanes.

use std::time::Duration;

use acpw_metric::{Entity, Namespace};

use crate::{backoff::MAX_IN_FLIGHT, lane::Lane, lane_key::LaneKey};

/// The maximum number of lanes. All other namespaces and entities share another one.
pub const MAX_LANES: usize = 256;

/// The maximum number of lanes of which CloudWatch has never accepted a payload, so that refused namespaces leave room
/// for accepted ones.
pub const MAX_NEVER_ACCEPTED: usize = 128;

/// The maximum number of callouts for failing lanes, so that other lanes can send too.
const MAX_FAILING_IN_FLIGHT: usize = MAX_IN_FLIGHT / 2;

/// Identifies a lane while it is not idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneId(usize);

/// Lanes by namespace and entity, which send in round-robin order.
#[derive(Debug)]
pub struct Lanes {
    /// The lanes. The first one is shared.
    lanes: Vec<Entry>,
    /// The index of the lane whose turn is next.
    turn: usize,
    use_count: u64,
}

#[derive(Debug, Default)]
struct Entry {
    lane: Lane,
    /// The value of `use_count` at the last use.
    last_use: u64,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { lanes: vec![Entry::default()], turn: 0, use_count: 0 }
    }
}

impl Lanes {
    /// Returns the lane of a namespace and entity. Creates it if it does not exist and there is room; otherwise returns
    /// the shared lane.
    pub fn get_or_create(&mut self, namespace: &Namespace, entity: Option<&Entity>) -> Option<&mut Lane> {
        self.use_count = self.use_count.saturating_add(1);
        let is_match = |entry: &Entry| entry.lane.key().is_some_and(|key| key.matches(namespace, entity));
        let index = match self.lanes.iter().position(is_match) {
            Some(index) => index,
            None => {
                let index = self.free_slot();
                if index > 0 {
                    let key = LaneKey { namespace: namespace.clone(), entity: entity.cloned() };
                    let entry = Entry { lane: Lane::new(Some(key)), last_use: 0 };
                    match self.lanes.get_mut(index) {
                        Some(idle) => *idle = entry,
                        None => self.lanes.push(entry),
                    }
                }
                index
            }
        };
        let entry = self.lanes.get_mut(index)?;
        entry.last_use = self.use_count;
        Some(&mut entry.lane)
    }

    /// Returns the lane with this ID.
    pub fn get_mut(&mut self, LaneId(index): LaneId) -> Option<&mut Lane> {
        self.lanes.get_mut(index).map(|entry| &mut entry.lane)
    }

    /// Returns the number of lanes, including idle ones.
    pub fn count(&self) -> usize {
        self.lanes.len()
    }

    /// Returns the lane at an index, for changes.
    pub fn lane_at_mut(&mut self, index: usize) -> Option<&mut Lane> {
        self.lanes.get_mut(index).map(|entry| &mut entry.lane)
    }

    /// Returns all lanes.
    pub fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().map(|entry| &entry.lane)
    }

    /// Returns all lanes for changes.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes.iter_mut().map(|entry| &mut entry.lane)
    }

    /// Returns the next lane that has something to send now. It remains the same until [`end_turn`](Self::end_turn).
    pub fn next(&self, now: Duration) -> Option<LaneId> {
        let failing_in_flight: usize = self.iter().filter(|lane| lane.is_failing()).map(Lane::in_flight).sum();
        let is_ready =
            |lane: &Lane| lane.is_ready(now) && (failing_in_flight < MAX_FAILING_IN_FLIGHT || !lane.is_failing());
        let (before, from) = self.lanes.split_at_checked(self.turn).unwrap_or((&[], &self.lanes));
        let from = (self.turn..).zip(from);
        let mut in_turn = from.chain((0..).zip(before));
        in_turn.find(|(_, entry)| is_ready(&entry.lane)).map(|(index, _)| LaneId(index))
    }

    /// Passes the turn to the lane after this one.
    pub fn end_turn(&mut self, LaneId(index): LaneId) {
        let next = index.saturating_add(1);
        self.turn = if next < self.lanes.len() { next } else { 0 };
    }

    /// Returns true if a lane that is not failing has data to send.
    pub fn has_data_in_healthy_lanes(&self) -> bool {
        self.iter().any(|lane| lane.has_due() && !lane.is_failing())
    }

    /// Returns the number of lanes that are failing and hold data.
    pub fn failing_count(&self) -> usize {
        self.iter().filter(|lane| lane.is_failing() && !lane.is_idle()).count()
    }

    /// Returns the index for a new lane, or 0, the shared lane, if there is no room.
    fn free_slot(&self) -> usize {
        let own = || (0..).zip(&self.lanes).skip(1);
        let oldest_idle = |has_been_accepted: bool| {
            let idle =
                own().filter(|(_, entry)| entry.lane.is_idle() && entry.lane.has_been_accepted() == has_been_accepted);
            idle.min_by_key(|(_, entry)| entry.last_use).map(|(index, _)| index)
        };
        let unproven = own().filter(|(_, entry)| !entry.lane.has_been_accepted()).count();
        if unproven >= MAX_NEVER_ACCEPTED {
            return oldest_idle(false).unwrap_or(0);
        }
        if self.lanes.len() <= MAX_LANES {
            return self.lanes.len();
        }
        oldest_idle(false).or_else(|| oldest_idle(true)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::{Accumulator, Dimensions, Distribution, Metric, MetricName, StorageResolution, Timestamp, Unit};

    use super::*;
    use crate::backoff::FailureKind;
    use crate::random::Random;

    const BASE: Duration = Duration::from_secs(1);

    fn namespace(n: usize) -> Namespace {
        Namespace::new(&format!("N{n}")).unwrap()
    }

    fn data() -> Accumulator {
        let mut data = Accumulator::default();
        let name = MetricName::new("M").unwrap();
        let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
        let mut one = Distribution::new();
        one.record(1.0);
        data.add(Timestamp::from_secs(1_787_402_160), None, &Dimensions::default(), &metric, &one);
        data
    }

    fn add(lanes: &mut Lanes, n: usize) -> bool {
        let lane = lanes.get_or_create(&namespace(n), None).unwrap();
        lane.queue_mut().add(data());
        lane.key().is_some()
    }

    #[test]
    fn lanes_take_turns() {
        let mut lanes = Lanes::default();
        (0..3).for_each(|n| assert!(add(&mut lanes, n)));
        let mut turns = Vec::new();
        for _ in 0..6 {
            let id = lanes.next(Duration::ZERO).unwrap();
            assert_eq!(lanes.next(Duration::ZERO), Some(id), "until it ends");
            lanes.end_turn(id);
            turns.push(id.0);
        }
        assert_eq!(turns, [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn a_failing_lane_does_not_delay_others_and_sends_one_payload_at_a_time() {
        let mut lanes = Lanes::default();
        (0..5).for_each(|n| assert!(add(&mut lanes, n)));
        for n in 0..4 {
            let lane = lanes.get_or_create(&namespace(n), None).unwrap();
            lane.record_failure(Duration::ZERO, FailureKind::Transient, Some(BASE), &mut Random::new(0));
        }
        assert_eq!(lanes.next(Duration::ZERO), Some(LaneId(5)));
        // After the back-off, at most two failing lanes send at once.
        let mut sent = Vec::new();
        while let Some(id) = lanes.next(BASE).filter(|id| id.0 != 5) {
            lanes.get_mut(id).unwrap().record_sent();
            lanes.end_turn(id);
            sent.push(id.0);
        }
        assert_eq!(sent, [1, 2]);
        assert_eq!(lanes.next(BASE), Some(LaneId(5)));
        assert_eq!(lanes.failing_count(), 4);
    }

    #[test]
    fn refused_lanes_leave_room_for_accepted_ones() {
        let mut lanes = Lanes::default();
        lanes.get_or_create(&namespace(0), None).unwrap().record_accepted();
        for n in 1..10_000 {
            let is_own = add(&mut lanes, n);
            assert_eq!(is_own, n <= MAX_NEVER_ACCEPTED, "{n}");
        }
        assert_eq!(lanes.lanes.len(), 1 + 1 + MAX_NEVER_ACCEPTED);
        assert!(lanes.get_or_create(&namespace(0), None).unwrap().has_been_accepted());
        for n in 1..10_000 {
            lanes.get_or_create(&namespace(n), None).unwrap().record_accepted();
        }
        assert!(lanes.lanes.len() <= 1 + MAX_LANES);
    }

    #[test]
    fn the_least_recently_used_idle_lane_is_replaced() {
        let mut lanes = Lanes::default();
        for n in 0..MAX_LANES {
            lanes.get_or_create(&namespace(n), None).unwrap().record_accepted();
        }
        lanes.get_or_create(&namespace(0), None).unwrap();
        assert!(add(&mut lanes, MAX_LANES));
        let known = |n: usize| lanes.iter().any(|lane| lane.key().is_some_and(|key| key.matches(&namespace(n), None)));
        assert!(known(0) && !known(1) && known(2) && known(MAX_LANES));
    }
}
