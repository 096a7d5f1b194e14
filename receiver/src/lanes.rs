//! All lanes, within a bound.

use std::time::Duration;

use acpw_metric::{Entity, Namespace};

use crate::{backoff::MAX_IN_FLIGHT, lane::Lane, lane_key::LaneKey};

/// Lanes of their own at most. The data of all other namespaces and entities share one more.
pub const MAX_LANES: usize = 256;

/// Lanes at most of which CloudWatch has never accepted anything, so that those that it refuses leave room for those that it
/// accepts.
pub const MAX_UNPROVEN: usize = 128;

/// Callouts at most for lanes in trouble, so that those without trouble find room.
const MAX_TRIALS: usize = MAX_IN_FLIGHT / 2;

/// Names a lane while it is not idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneId(usize);

/// Lanes by namespace and entity. Each that is ready sends in its turn.
#[derive(Debug)]
pub struct Lanes {
    /// The first is the shared one.
    lanes: Vec<Entry>,
    /// Where the next turn begins.
    turn: usize,
    uses: u64,
}

#[derive(Debug, Default)]
struct Entry {
    lane: Lane,
    /// When it was last used, in uses.
    used: u64,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { lanes: vec![Entry::default()], turn: 0, uses: 0 }
    }
}

impl Lanes {
    /// Returns the lane of a namespace and entity, which is a new one when there is none and there is room.
    pub fn of(&mut self, namespace: &Namespace, entity: Option<&Entity>) -> Option<&mut Lane> {
        self.uses = self.uses.saturating_add(1);
        let is_it = |entry: &Entry| entry.lane.key().is_some_and(|key| key.is(namespace, entity));
        let at = match self.lanes.iter().position(is_it) {
            Some(at) => at,
            None => {
                let at = self.free_slot();
                if at > 0 {
                    let key = LaneKey { namespace: namespace.clone(), entity: entity.cloned() };
                    let entry = Entry { lane: Lane::new(Some(key)), used: 0 };
                    match self.lanes.get_mut(at) {
                        Some(idle) => *idle = entry,
                        None => self.lanes.push(entry),
                    }
                }
                at
            }
        };
        let entry = self.lanes.get_mut(at)?;
        entry.used = self.uses;
        Some(&mut entry.lane)
    }

    /// Returns a lane.
    pub fn get_mut(&mut self, LaneId(at): LaneId) -> Option<&mut Lane> {
        self.lanes.get_mut(at).map(|entry| &mut entry.lane)
    }

    /// Returns the number of lanes, idle ones among them.
    pub fn count(&self) -> usize {
        self.lanes.len()
    }

    /// Returns the lane at an index, for changes.
    pub fn nth_mut(&mut self, at: usize) -> Option<&mut Lane> {
        self.lanes.get_mut(at).map(|entry| &mut entry.lane)
    }

    /// Returns all lanes.
    pub fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().map(|entry| &entry.lane)
    }

    /// Returns all lanes, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes.iter_mut().map(|entry| &mut entry.lane)
    }

    /// Returns the next lane that has something to send now, in turn. It stays its turn until [`end_turn`](Self::end_turn).
    pub fn next(&self, now: Duration) -> Option<LaneId> {
        let trials: usize = self.iter().filter(|lane| lane.is_in_trouble()).map(Lane::in_flight).sum();
        let is_ready = |lane: &Lane| lane.is_ready(now) && (trials < MAX_TRIALS || !lane.is_in_trouble());
        let (before, from) = self.lanes.split_at_checked(self.turn).unwrap_or((&[], &self.lanes));
        let from = (self.turn..).zip(from);
        let mut in_turn = from.chain((0..).zip(before));
        in_turn.find(|(_, entry)| is_ready(&entry.lane)).map(|(at, _)| LaneId(at))
    }

    /// Lets the turn go to the lane after this one.
    pub fn end_turn(&mut self, LaneId(at): LaneId) {
        let next = at.saturating_add(1);
        self.turn = if next < self.lanes.len() { next } else { 0 };
    }

    /// Returns whether a lane without trouble has data.
    pub fn has_open_data(&self) -> bool {
        self.iter().any(|lane| lane.has_due() && !lane.is_in_trouble())
    }

    /// Returns how many lanes have data and trouble.
    pub fn in_trouble(&self) -> usize {
        self.iter().filter(|lane| lane.is_in_trouble() && !lane.is_idle()).count()
    }

    /// Returns where a new lane can be; 0, the shared one, when there is no room.
    fn free_slot(&self) -> usize {
        let own = || (0..).zip(&self.lanes).skip(1);
        let oldest_idle = |is_proven: bool| {
            let idle = own().filter(|(_, entry)| entry.lane.is_idle() && entry.lane.is_proven() == is_proven);
            idle.min_by_key(|(_, entry)| entry.used).map(|(at, _)| at)
        };
        let unproven = own().filter(|(_, entry)| !entry.lane.is_proven()).count();
        if unproven >= MAX_UNPROVEN {
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
        let lane = lanes.of(&namespace(n), None).unwrap();
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
    fn a_lane_in_trouble_holds_up_no_other_and_sends_one_payload_at_a_time() {
        let mut lanes = Lanes::default();
        (0..5).for_each(|n| assert!(add(&mut lanes, n)));
        for n in 0..4 {
            let lane = lanes.of(&namespace(n), None).unwrap();
            lane.fail(Duration::ZERO, BASE, Some(BASE), &mut Random::new(0));
        }
        assert_eq!(lanes.next(Duration::ZERO), Some(LaneId(5)));
        // When they may try again, at most two do at once.
        let mut sent = Vec::new();
        while let Some(id) = lanes.next(BASE).filter(|id| id.0 != 5) {
            lanes.get_mut(id).unwrap().sent();
            lanes.end_turn(id);
            sent.push(id.0);
        }
        assert_eq!(sent, [1, 2]);
        assert_eq!(lanes.next(BASE), Some(LaneId(5)));
        assert_eq!(lanes.in_trouble(), 4);
    }

    #[test]
    fn lanes_that_are_refused_leave_room_for_those_that_are_accepted() {
        let mut lanes = Lanes::default();
        lanes.of(&namespace(0), None).unwrap().accept();
        for n in 1..10_000 {
            let is_own = add(&mut lanes, n);
            assert_eq!(is_own, n <= MAX_UNPROVEN, "{n}");
        }
        assert_eq!(lanes.lanes.len(), 1 + 1 + MAX_UNPROVEN);
        assert!(lanes.of(&namespace(0), None).unwrap().is_proven());
        for n in 1..10_000 {
            lanes.of(&namespace(n), None).unwrap().accept();
        }
        assert!(lanes.lanes.len() <= 1 + MAX_LANES);
    }

    #[test]
    fn the_lane_that_was_not_used_for_longest_is_given_away() {
        let mut lanes = Lanes::default();
        for n in 0..MAX_LANES {
            lanes.of(&namespace(n), None).unwrap().accept();
        }
        lanes.of(&namespace(0), None).unwrap();
        assert!(add(&mut lanes, MAX_LANES));
        let known = |n: usize| lanes.iter().any(|lane| lane.key().is_some_and(|key| key.is(&namespace(n), None)));
        assert!(known(0) && !known(1) && known(2) && known(MAX_LANES));
    }
}
