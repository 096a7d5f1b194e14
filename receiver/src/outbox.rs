//! Data that are due, by lanes.

use std::time::Duration;

use acpw_metric::{Accumulator, Metric, MetricName, Namespace, Origin, Shrunk, Timestamp};

use crate::{
    cardinality::Cardinality,
    lane::{Lane, MAX_WAITING},
    lanes::{LaneId, Lanes},
    queue::Encoder,
    refused_entities::RefusedEntities,
    waiting::Waiting,
};

/// The name by which senders count requests; the receiver's configuration may give it another.
const REQUEST_COUNT: &str = "RequestCount";

/// To merge a group is as much work as to encode and compress so many bytes.
const MERGE_WORK: usize = 64;

/// What the data of senders are called in CloudWatch.
#[derive(Clone, Debug)]
pub struct Names {
    /// The namespace of records that name none.
    pub namespace: Namespace,
    /// What RequestCount is called in that namespace.
    pub request_count: MetricName,
}

impl Names {
    /// The namespace and name under which a metric is published.
    pub fn of<'a>(&'a self, origin: &'a Origin, metric: &'a Metric) -> (&'a Namespace, &'a MetricName) {
        let is_renamed = origin.namespace.is_none() && metric.name.as_str() == REQUEST_COUNT;
        (self.namespace(origin), if is_renamed { &self.request_count } else { &metric.name })
    }

    /// Returns the namespace under which data of an origin are published.
    pub fn namespace<'a>(&'a self, origin: &'a Origin) -> &'a Namespace {
        origin.namespace.as_ref().unwrap_or(&self.namespace)
    }
}

/// Data that are due, and payloads of them that wait, by namespace and entity.
#[derive(Debug)]
pub struct Outbox {
    names: Names,
    /// What came while there were others, and is to be merged with them.
    incoming: Accumulator,
    lanes: Lanes,
    refused_entities: RefusedEntities,
}

impl Outbox {
    /// An empty outbox.
    pub fn new(names: Names) -> Self {
        Self {
            names,
            incoming: Accumulator::default(),
            lanes: Lanes::default(),
            refused_entities: RefusedEntities::default(),
        }
    }

    /// Returns the lanes.
    pub fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Returns the lanes, to be changed.
    pub fn lanes_mut(&mut self) -> &mut Lanes {
        &mut self.lanes
    }

    /// Returns the entities that CloudWatch refuses.
    pub fn refused_entities_mut(&mut self) -> &mut RefusedEntities {
        &mut self.refused_entities
    }

    /// Adds data. They are at once part of what it holds; [`gather`](Self::gather) merges them with what was there.
    pub fn add(&mut self, data: Accumulator) {
        if self.incoming.is_empty() {
            match self.empty_lane_of(&data) {
                Some(lane) => lane.queue_mut().add(data),
                None => self.incoming = data,
            }
        } else {
            self.incoming.merge(data);
        }
    }

    /// Merges for about as many bytes as `budget` has, and takes them from it.
    pub fn gather(&mut self, budget: &mut usize) {
        while *budget > 0 {
            let Some((key, group)) = self.incoming.pop() else { return };
            let namespace = self.names.namespace(&key.origin);
            if let Some(lane) = self.lanes.of(namespace, key.origin.entity.as_ref()) {
                lane.queue_mut().add_group(&key, &group);
            }
            *budget = budget.saturating_sub(MERGE_WORK);
        }
    }

    /// Returns whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.incoming.is_empty() && !self.lanes.iter().any(Lane::has_data)
    }

    /// Returns whether data of lanes without trouble are still to be encoded or sent.
    pub fn has_open_data(&self) -> bool {
        !self.incoming.is_empty() || self.lanes.has_open_data()
    }

    /// Returns how many values it holds.
    pub fn samples(&self) -> u64 {
        let of = |lane: &Lane| lane.queue().samples().saturating_add(lane.waiting_samples());
        self.lanes.iter().map(of).fold(self.incoming.samples(), u64::saturating_add)
    }

    /// Returns how many data it holds that are not in a payload.
    pub fn series(&self) -> usize {
        self.lanes.iter().map(|lane| lane.queue().series()).fold(self.incoming.series(), usize::saturating_add)
    }

    /// Returns about how many bytes of memory it holds.
    pub fn bytes(&self) -> usize {
        let queued = self.lanes.iter().map(|lane| lane.queue().bytes());
        queued.fold(self.incoming.bytes(), usize::saturating_add).saturating_add(self.waiting_bytes())
    }

    /// Returns the start of the oldest period of data that are not in a payload.
    pub fn oldest(&self) -> Option<Timestamp> {
        let queued = self.lanes.iter().filter_map(|lane| lane.queue().oldest());
        queued.chain(self.incoming.oldest()).min()
    }

    /// Makes it take at most `target` bytes. Lanes that take more than their share pay for it, so that one that CloudWatch
    /// refuses costs no other its data: their data become coarser, and then the oldest of them are dropped.
    pub fn shrink(&mut self, target: usize, now: Timestamp) -> Shrunk {
        self.gather(&mut usize::MAX.clone());
        self.shrink_lanes(|_| true, target, now)
    }

    /// Makes lanes in trouble take at most `target` bytes together, as long as CloudWatch accepts others: what is held for a
    /// namespace that it refuses is not to take the room of those that it accepts.
    pub fn shrink_refused(&mut self, target: usize, now: Timestamp) -> Shrunk {
        let is_other_accepted = self.lanes.iter().any(|lane| lane.is_proven() && !lane.is_in_trouble());
        if !is_other_accepted {
            return Shrunk::default();
        }
        self.shrink_lanes(Lane::is_in_trouble, target, now)
    }

    fn shrink_lanes(&mut self, is_meant: impl Fn(&Lane) -> bool, target: usize, now: Timestamp) -> Shrunk {
        let mut shrunk = Shrunk::default();
        let waiting = |lanes: &Lanes, of: fn(&Lane) -> usize| -> usize {
            lanes.iter().filter(|lane| is_meant(lane)).map(of).sum()
        };
        // Payloads beyond those of one lane are dropped first where they take more than half: they cannot become coarser.
        while waiting(&self.lanes, Lane::waiting_bytes) > target / 2
            && waiting(&self.lanes, Lane::waiting) > MAX_WAITING
        {
            let meant = self.lanes.iter_mut().filter(|lane| is_meant(lane));
            let Some(samples) = meant.max_by_key(|lane| lane.waiting_bytes()).and_then(Lane::drop_waiting) else {
                break;
            };
            shrunk.dropped = shrunk.dropped.saturating_add(samples);
        }
        let target = target.saturating_sub(waiting(&self.lanes, Lane::waiting_bytes));
        let sizes = self.lanes.iter().filter(|lane| is_meant(lane)).map(|lane| lane.queue().bytes()).collect();
        let share = share(sizes, target);
        for lane in self.lanes.iter_mut().filter(|lane| is_meant(lane) && lane.queue().bytes() > share) {
            let more = lane.queue_mut().shrink(share, now);
            shrunk.dropped = shrunk.dropped.saturating_add(more.dropped);
            shrunk.settled = shrunk.settled.saturating_add(more.settled);
        }
        shrunk
    }

    /// Makes it take at most `target` bytes, as far as merging does. Returns how many samples were made of gauges.
    pub fn merge_old(&mut self, target: usize, now: Timestamp) -> u64 {
        self.gather(&mut usize::MAX.clone());
        let target = target.saturating_sub(self.waiting_bytes());
        let share = share(self.lanes.iter().map(|lane| lane.queue().bytes()).collect(), target);
        let lanes = self.lanes.iter_mut().filter(|lane| lane.queue().bytes() > share);
        lanes.map(|lane| lane.queue_mut().merge_old(share, now)).fold(0, u64::saturating_add)
    }

    /// Takes out the oldest group that is not in a payload; returns how many values it held, and nothing when there was none.
    pub fn drop_oldest(&mut self) -> Option<u64> {
        self.gather(&mut usize::MAX.clone());
        let with_data = self.lanes.iter_mut().filter(|lane| lane.queue().oldest().is_some());
        with_data.min_by_key(|lane| lane.queue().oldest())?.queue_mut().drop_oldest()
    }

    /// Moves all data by so many milliseconds.
    pub fn shift(&mut self, millis: i64) {
        self.gather(&mut usize::MAX.clone());
        self.lanes.iter_mut().for_each(|lane| lane.queue_mut().shift(millis));
    }

    /// Takes out what a lane has to send now: see [`Lane::next_body`].
    pub fn next_body(&mut self, id: LaneId, learnt: i64, work: Work<'_>) -> Option<Waiting> {
        let Work { budget, cardinality, now } = work;
        let (names, refused_entities) = (&self.names, &self.refused_entities);
        let mut encoder = Encoder { names, refused_entities, cardinality, budget, now };
        self.lanes.get_mut(id)?.next_body(now, learnt, &mut encoder)
    }

    fn waiting_bytes(&self) -> usize {
        self.lanes.iter().map(Lane::waiting_bytes).sum()
    }

    /// Returns the lane of data that are all of one, if there is nothing due in it: they need not be merged.
    fn empty_lane_of(&mut self, data: &Accumulator) -> Option<&mut Lane> {
        let mut origins = data.iter().map(|(key, ..)| &key.origin);
        let first = origins.next()?;
        let namespace = self.names.namespace(first);
        if !origins.all(|origin| self.names.namespace(origin) == namespace && origin.entity == first.entity) {
            return None;
        }
        self.lanes.of(namespace, first.entity.as_ref()).filter(|lane| lane.queue().is_empty())
    }
}

/// What encoding takes from, and what it adds to.
#[derive(Debug)]
pub struct Work<'a> {
    /// How many bytes may be encoded now.
    pub budget: &'a mut usize,
    /// Takes in the series that are encoded.
    pub cardinality: &'a mut Cardinality,
    /// The time by the steady clock.
    pub now: Duration,
}

/// Returns the most that each of these may have so that together they have at most `total`: those that have less leave what
/// is over to the others.
fn share(mut sizes: Vec<usize>, total: usize) -> usize {
    sizes.sort_unstable();
    let mut left = total;
    let mut count = sizes.len();
    for size in sizes {
        let share = left.checked_div(count).unwrap_or(left);
        if size > share {
            return share;
        }
        left = left.saturating_sub(size);
        count = count.saturating_sub(1);
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use acpw_metric::{DimensionName, DimensionValue, Dimensions, Distribution, StorageResolution, Unit};

    use super::*;
    use crate::{payload::Draft, waiting::Body};

    fn names() -> Names {
        Names { namespace: Namespace::new("Ours").unwrap(), request_count: MetricName::new("Requests").unwrap() }
    }

    fn data(series: usize, namespace: Option<&str>) -> Accumulator {
        let mut data = Accumulator::default();
        let metric = |name| Metric {
            name: MetricName::new(name).unwrap(),
            unit: Unit::COUNT,
            resolution: StorageResolution::Standard,
        };
        let mut distribution = Distribution::new();
        distribution.record_n(1.0, 3);
        for n in 0..series {
            let value = DimensionValue::new(&n.to_string()).unwrap();
            let dimensions = Dimensions::new(vec![(DimensionName::new("n").unwrap(), value)]).unwrap();
            let namespace = namespace.map(|name| Namespace::new(name).unwrap());
            let since = Timestamp::from_secs(1_787_402_160);
            for metric in [metric("RequestCount"), metric("4XXError")] {
                data.add(since, namespace.clone(), &dimensions, &metric, &distribution);
            }
        }
        data
    }

    fn next_draft(outbox: &mut Outbox, mut budget: usize) -> Option<Draft> {
        outbox.gather(&mut usize::MAX.clone());
        let id = outbox.lanes().next(Duration::ZERO)?;
        let mut cardinality = Cardinality::default();
        let work = Work { budget: &mut budget, cardinality: &mut cardinality, now: Duration::ZERO };
        match outbox.next_body(id, 0, work)?.body {
            Body::Draft(draft) => Some(draft),
            Body::Payload(payload) => panic!("{payload:?}"),
        }
    }

    fn payloads(outbox: &mut Outbox) -> Vec<serde_json::Value> {
        std::iter::from_fn(|| next_draft(outbox, usize::MAX))
            .map(|draft| draft.seal(&mut usize::MAX.clone()).unwrap())
            .map(|payload| serde_json::from_slice(&payload.raw().unwrap()).unwrap())
            .collect()
    }

    #[test]
    fn all_data_are_packed_and_counted_once() {
        for (series, expected) in [(0, 0), (1, 1), (499, 1), (500, 1), (501, 2), (1_000, 2), (1_001, 3)] {
            let mut outbox = Outbox::new(names());
            outbox.add(data(series, None));
            let held = outbox.samples();
            assert_eq!(held, 6 * series as u64);
            let mut packed = 0;
            let mut count = 0;
            while let Some(payload) = next_draft(&mut outbox, usize::MAX) {
                packed += payload.samples();
                count += 1;
                assert_eq!(outbox.samples(), held - packed);
            }
            assert_eq!((packed, count, outbox.is_empty()), (held, expected, true));
        }
    }

    #[test]
    fn encoding_takes_several_steps_and_holds_what_it_has() {
        let mut outbox = Outbox::new(names());
        outbox.add(data(1_000, None));
        let (held, bytes) = (outbox.samples(), outbox.bytes());
        let mut steps = 0;
        while next_draft(&mut outbox, 10_000).is_none() {
            steps += 1;
            assert_eq!(outbox.samples(), held);
            assert!(!outbox.is_empty() && outbox.bytes() <= bytes);
        }
        assert!((5..50).contains(&steps), "{steps}");
        assert_eq!(outbox.samples(), held / 2);
    }

    #[test]
    fn a_payload_has_one_namespace_and_only_our_own_request_count_is_renamed() {
        let mut outbox = Outbox::new(names());
        outbox.add(data(1, None));
        outbox.add(data(1, Some("Theirs")));
        let payloads = payloads(&mut outbox);
        let told: Vec<_> = payloads
            .iter()
            .map(|payload| {
                let mut names: Vec<_> = payload["MetricData"].as_array().unwrap().iter().collect();
                names.sort_by_key(|datum| datum["MetricName"].to_string());
                let names: Vec<_> = names.iter().map(|datum| datum["MetricName"].as_str().unwrap()).collect();
                (payload["Namespace"].as_str().unwrap(), names)
            })
            .collect();
        assert_eq!(told, [("Ours", vec!["4XXError", "Requests"]), ("Theirs", vec!["4XXError", "RequestCount"])]);
    }

    #[test]
    fn what_comes_later_is_held_at_once_and_merged_in_steps() {
        let mut outbox = Outbox::new(names());
        outbox.add(data(100, None));
        let (samples, series, bytes) = (outbox.samples(), outbox.series(), outbox.bytes());
        outbox.add(data(100, None));
        outbox.add(data(100, None));
        assert_eq!((outbox.samples(), outbox.series()), (3 * samples, 2 * series));
        for _ in 0..100 {
            assert_eq!(outbox.samples(), 3 * samples);
            outbox.gather(&mut 1);
        }
        assert_eq!((outbox.samples(), outbox.series(), outbox.bytes()), (3 * samples, series, bytes));
        outbox.add(data(7, None));
        assert_eq!(outbox.oldest(), Some(Timestamp::from_secs(1_787_402_160)));
        let mut dropped = 0;
        while let Some(samples) = outbox.drop_oldest() {
            dropped += samples;
        }
        assert_eq!(dropped, 3 * samples + 42);
        assert!(outbox.is_empty());
    }

    #[test]
    fn data_join_those_that_wait() {
        let mut outbox = Outbox::new(names());
        outbox.add(data(1, None));
        outbox.add(data(1, None));
        outbox.gather(&mut usize::MAX.clone());
        let payloads = payloads(&mut outbox);
        assert_eq!(payloads.len(), 1);
        assert_eq!(payloads[0]["MetricData"][0]["Counts"], serde_json::json!([6]));
    }

    #[test]
    fn more_values_than_a_datum_holds_are_dealt_out() {
        let name = MetricName::new("Latency").unwrap();
        let metric = Metric { name, unit: Unit::MILLISECONDS, resolution: StorageResolution::Standard };
        for (values, expected) in [(149, 1), (150, 1), (151, 2), (450, 3)] {
            let mut exact = Distribution::exact(1_000);
            (0..values).for_each(|n| assert!(exact.record_n(f64::from(n), 2)));
            let mut held = Accumulator::default();
            held.add(Timestamp::from_secs(1_787_402_160), None, &Dimensions::default(), &metric, &exact);
            let mut outbox = Outbox::new(names());
            outbox.add(held);
            let payloads = payloads(&mut outbox);
            let data = payloads[0]["MetricData"].as_array().unwrap();
            assert_eq!(data.len(), expected);
            let sum = |key: &str| data.iter().map(|datum| datum[key].as_array().unwrap().len()).sum::<usize>();
            assert_eq!((sum("Values"), sum("Counts")), (values as usize, values as usize));
            assert!(data.iter().all(|datum| datum.get("StatisticValues").is_none()));
        }
    }

    #[test]
    fn shifted_data_have_shifted_timestamps() {
        let mut outbox = Outbox::new(names());
        outbox.add(data(1, None));
        outbox.shift(-120_000);
        assert_eq!(payloads(&mut outbox)[0]["MetricData"][0]["Timestamp"], 1_787_402_040);
    }

    #[test]
    fn lanes_that_take_more_than_their_share_pay_for_it() {
        let mut outbox = Outbox::new(names());
        outbox.add(data(10, None));
        outbox.add(data(1_000, Some("Theirs")));
        outbox.gather(&mut usize::MAX.clone());
        let (small, target) = (6 * 10, outbox.bytes() / 2);
        let before = outbox.samples();
        let Shrunk { dropped, .. } = outbox.shrink(target, Timestamp::from_secs(1_787_402_160));
        assert!(outbox.bytes() <= target && dropped > 0);
        assert_eq!(outbox.samples() + dropped, before);
        let lane = outbox.lanes_mut().of(&names().namespace, None).unwrap();
        assert_eq!(lane.queue().samples(), small);
    }

    #[test]
    fn what_one_does_not_need_is_left_to_the_others() {
        assert_eq!(share(vec![10, 1_000, 500], 600), 295);
        assert_eq!(share(vec![10, 20], 30), usize::MAX);
        assert_eq!(share(vec![10, 20], 29), 19);
        assert_eq!(share(vec![5], 0), 0);
        assert_eq!(share(Vec::new(), 0), usize::MAX);
    }
}
