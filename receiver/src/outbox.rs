//! Data that are due, on their way into payloads.

use std::time::Duration;

use acpw_metric::{
    Accumulator, Distribution, Group, Metric, MetricName, Namespace, Origin, PeriodKey, Shrunk, Timestamp,
    quota::MAX_VALUES_PER_DATUM,
};

use crate::{Batch, cardinality::Cardinality, datum::MetricDatum, payload::Draft};

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

    fn namespace<'a>(&'a self, origin: &'a Origin) -> &'a Namespace {
        origin.namespace.as_ref().unwrap_or(&self.namespace)
    }
}

/// Data that are due. They are encoded when they can be sent, and until then later data of the same series and
/// period join them.
#[derive(Debug)]
pub struct Outbox {
    names: Names,
    due: Accumulator,
    /// What came while there were others, and is to be merged with them.
    incoming: Accumulator,
    /// The group that did not fit into the last payload whole.
    rest: Option<(PeriodKey, Group)>,
    /// What is encoded so far of the next payload.
    encoding: Option<Encoding>,
    /// Drafts that ended early.
    cut: Vec<Draft>,
}

#[derive(Debug)]
struct Encoding {
    origin: Origin,
    batch: Batch,
}

impl Outbox {
    /// An empty outbox.
    pub fn new(names: Names) -> Self {
        let (due, incoming) = (Accumulator::default(), Accumulator::default());
        Self { names, due, incoming, rest: None, encoding: None, cut: Vec::new() }
    }

    /// Adds data. They are at once part of what it holds; [`gather`](Self::gather) merges them with what was there.
    pub fn add(&mut self, data: Accumulator) {
        if self.due.is_empty() && self.incoming.is_empty() {
            self.due = data;
        } else {
            self.incoming.merge(data);
        }
    }

    /// Merges for about as many bytes as `budget` has, and takes them from it.
    pub fn gather(&mut self, budget: &mut usize) {
        while *budget > 0 {
            let Some((key, group)) = self.incoming.pop() else { return };
            self.due.merge_group(&key, &group);
            *budget = budget.saturating_sub(MERGE_WORK);
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        let is_merged = self.due.is_empty() && self.incoming.is_empty();
        is_merged && self.rest.is_none() && self.encoding.is_none() && self.cut.is_empty()
    }

    /// How many values it holds.
    pub fn samples(&self) -> u64 {
        let rest = self.rest.as_ref().map_or(0, |(_, group)| group.samples());
        let encoding = self.encoding.as_ref().map_or(0, |encoding| encoding.batch.samples());
        let cut: u64 = self.cut.iter().map(Draft::samples).sum();
        let merged = self.due.samples().saturating_add(self.incoming.samples());
        merged.saturating_add(rest).saturating_add(encoding).saturating_add(cut)
    }

    /// How many data it holds.
    pub fn series(&self) -> usize {
        let rest = self.rest.as_ref().map_or(0, |(_, group)| group.distributions.len());
        self.due.series().saturating_add(self.incoming.series()).saturating_add(rest)
    }

    /// About how many bytes of memory it holds.
    pub fn bytes(&self) -> usize {
        let encoding = self.encoding.as_ref().map_or(0, |encoding| encoding.batch.length());
        let cut: usize = self.cut.iter().map(Draft::bytes).sum();
        self.due.bytes().saturating_add(self.incoming.bytes()).saturating_add(encoding).saturating_add(cut)
    }

    /// The start of the oldest period.
    pub fn oldest(&self) -> Option<Timestamp> {
        let rest = self.rest.as_ref().map(|(key, _)| key.start);
        rest.or_else(|| [self.due.oldest(), self.incoming.oldest()].into_iter().flatten().min())
    }

    /// Makes it take at most `target` bytes, coarser first and then with the oldest dropped.
    pub fn shrink(&mut self, target: usize, now: Timestamp) -> Shrunk {
        self.gather_all();
        self.due.shrink(target, now)
    }

    /// Makes it take at most `target` bytes, as far as merging does. Returns how many samples were made of gauges.
    pub fn merge_old(&mut self, target: usize, now: Timestamp) -> u64 {
        self.gather_all();
        self.due.merge_old(target, now)
    }

    /// Takes out the oldest group; gives how many values it held, and nothing when there was none.
    pub fn drop_oldest(&mut self) -> Option<u64> {
        self.gather_all();
        let (_, group) = self.rest.take().or_else(|| self.due.pop())?;
        Some(group.samples())
    }

    /// Moves all data by so many milliseconds.
    pub fn shift(&mut self, millis: i64) {
        self.gather_all();
        if let Some((key, group)) = self.rest.take() {
            for (metric, distribution) in &group.distributions {
                self.due.file(key.clone(), &group.dimensions, metric, distribution);
            }
        }
        self.due.shift(millis);
        // What is encoded already has its old time, and what is moved now is not to join it.
        self.cut.extend(self.encoding.take().and_then(|encoding| encoding.batch.into_draft()));
        self.cut = std::mem::take(&mut self.cut).into_iter().map(|draft| draft.shifted(millis)).collect();
    }

    /// A draft of as many of the oldest data of one namespace as CloudWatch takes in one request. Encodes about as many
    /// bytes as `budget` still has, and takes them from it; there is no draft before that has come to its end.
    /// `cardinality` takes in what is encoded.
    pub fn next_draft(&mut self, budget: &mut usize, cardinality: &mut Cardinality, now: Duration) -> Option<Draft> {
        if let Some(draft) = self.cut.pop() {
            return Some(draft);
        }
        while *budget > 0 {
            let (key, mut group) = match self.next_group() {
                Some(next) => next,
                None => return self.encoding.take()?.batch.into_draft(),
            };
            let origin = &key.origin;
            let namespace = self.names.namespace(origin);
            let encoding = self.encoding.get_or_insert_with(|| Encoding {
                origin: origin.clone(),
                batch: Batch::new(namespace.as_str(), origin.entity.as_ref()),
            });
            if !is_together(origin, &encoding.origin) {
                self.rest = Some((key, group));
                return self.encoding.take()?.batch.into_draft();
            }
            let before = encoding.batch.length();
            while let Some((metric, distribution)) = group.distributions.last() {
                let (_, name) = self.names.of(origin, metric);
                let datum = MetricDatum {
                    name: name.as_str(),
                    metric,
                    dimensions: &group.dimensions,
                    timestamp: key.start,
                    kind: key.kind,
                    distribution,
                };
                if !encoding.batch.push(&datum) {
                    self.rest = Some((key, group));
                    return self.encoding.take()?.batch.into_draft();
                }
                cardinality.note(namespace, name, &group.dimensions, distribution.count(), now);
                group.distributions.pop();
            }
            cardinality.note_dimensions(key.kind, &group.dimensions, now);
            *budget = budget.saturating_sub(encoding.batch.length().saturating_sub(before));
        }
        None
    }

    fn gather_all(&mut self) {
        self.due.merge(std::mem::take(&mut self.incoming));
    }

    fn next_group(&mut self) -> Option<(PeriodKey, Group)> {
        self.rest.take().or_else(|| {
            if self.due.is_empty() {
                self.due = std::mem::take(&mut self.incoming);
            }
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

/// Whether data of these origins can be in one request.
fn is_together(one: &Origin, other: &Origin) -> bool {
    one.namespace == other.namespace && one.entity == other.entity
}

#[cfg(test)]
mod tests {
    use acpw_metric::{DimensionName, DimensionValue, Dimensions, StorageResolution, Unit};

    use super::*;

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
        outbox.next_draft(&mut budget, &mut Cardinality::default(), Duration::ZERO)
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
    fn what_is_encoded_already_is_shifted_with_the_rest() {
        let mut outbox = Outbox::new(names());
        outbox.add(data(100, None));
        let held = outbox.samples();
        for _ in 0..2 {
            // The second time, it is the draft that the first one cut.
            let draft = next_draft(&mut outbox, 1_000);
            outbox.cut.extend(draft);
            outbox.shift(-60_000);
            assert_eq!(outbox.samples(), held);
            assert!(!outbox.cut.is_empty());
        }
        let payloads = payloads(&mut outbox);
        let data: Vec<_> =
            payloads.iter().flat_map(|payload| payload["MetricData"].as_array().unwrap().clone()).collect();
        assert_eq!(data.len(), 200);
        assert!(data.iter().all(|datum| datum["Timestamp"] == 1_787_402_040), "{data:?}");
    }
}
