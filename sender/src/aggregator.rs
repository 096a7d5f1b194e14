//! What one worker has observed since its last flush, by series.

use std::time::Duration;

use acpw_metric::{
    Accumulator, DataKind, DimensionName, DimensionValue, Dimensions, Distribution, Map, Metric, Now, Origin,
    PeriodKey, Timestamp, dimension::OVERFLOW_VALUE,
};

use crate::progress::Progress;

/// How long a series that is not seen keeps its place. CloudWatch bills a series for each hour in which it has data, so
/// a place that is given away sooner would let strangers make more series an hour than `max_series`.
const IDLE_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Separates dimension values in a key; no value has it.
pub const SEPARATOR: u8 = 0;

/// The distributions of one dimension set, by the values of its dimensions, as far as there is room, and one more for
/// what is beyond. Nothing is allocated for a series already known.
#[derive(Debug)]
pub struct Aggregator {
    names: Vec<(DimensionName, Option<DimensionValue>)>,
    metrics: Vec<Metric>,
    /// Metrics of what is in progress, with the value of one request.
    gauges: Vec<(Metric, f64)>,
    /// Entries by their keys.
    entries: Map<Box<[u8]>, Entry>,
    overflow: Entry,
}

#[derive(Debug)]
struct Entry {
    dimensions: Dimensions,
    /// One for each metric.
    distributions: Vec<Distribution>,
    progress: Progress,
    /// When it was last flushed with something in it, by the steady clock.
    last_seen: Duration,
}

/// Where a request that is in progress was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Under its own key.
    Own,
    /// With all others for which there was no room.
    Overflow,
}

impl Aggregator {
    /// An aggregator for series of these dimensions, those with a value being constants, and of these metrics.
    pub fn new(
        names: Vec<(DimensionName, Option<DimensionValue>)>,
        metrics: Vec<Metric>,
        gauges: Vec<(Metric, f64)>,
    ) -> Self {
        let overflow = Entry::new(&names, std::iter::repeat(OVERFLOW_VALUE), metrics.len());
        Self { names, metrics, gauges, entries: Map::default(), overflow }
    }

    /// Adds one request: `key` has a value for each dimension that is not a constant, in their order, with [`SEPARATOR`]
    /// after each; `values` are what was measured, each with the place of its metric. A series that is new has a place if
    /// there is `room` for all its metrics. Tells how many series are new.
    pub fn observe(&mut self, key: &[u8], values: &[(usize, f64)], room: usize) -> usize {
        let (entry, _, added) = self.entry(key, room);
        for (metric, value) in values {
            if let Some(distribution) = entry.distributions.get_mut(*metric) {
                distribution.record(*value);
            }
        }
        added
    }

    /// Whether it counts what is in progress.
    pub fn has_gauges(&self) -> bool {
        !self.gauges.is_empty()
    }

    /// What is in progress is no longer counted.
    pub fn drop_gauges(&mut self) {
        self.gauges.clear();
    }

    /// A request begins in this second. Tells how many series are new, too.
    pub fn begin(&mut self, key: &[u8], second: u64, room: usize) -> (Place, usize) {
        let (entry, place, added) = self.entry(key, room);
        entry.progress.begin(second);
        (place, added)
    }

    /// A request ends that was counted in this place.
    pub fn end(&mut self, key: &[u8], place: Place, second: u64) {
        let entry = match place {
            Place::Own => self.entries.get_mut(key),
            Place::Overflow => Some(&mut self.overflow),
        };
        if let Some(entry) = entry {
            entry.progress.end(second);
        }
    }

    /// How many series have a place.
    pub fn series(&self) -> usize {
        self.entries.len().saturating_mul(self.series_of_an_entry())
    }

    /// Moves everything observed into `held`, as observed since `since`. Series keep their places, unless they were not
    /// seen for an hour.
    pub fn flush_into(&mut self, held: &mut Accumulator, origin: &Origin, since: Timestamp, now: Now) {
        let Self { metrics, gauges, entries, overflow, .. } = self;
        for entry in entries.values_mut().chain([overflow]) {
            entry.flush_into(metrics, gauges, held, origin, since, now);
        }
        entries.retain(|_, entry| !entry.progress.is_idle() || now.steady.saturating_sub(entry.last_seen) < IDLE_LIMIT);
    }

    fn series_of_an_entry(&self) -> usize {
        self.metrics.len().saturating_add(self.gauges.len())
    }

    /// The entry of the key, if it has one or there is room for it, or else the overflow; and how many series are new.
    fn entry(&mut self, key: &[u8], room: usize) -> (&mut Entry, Place, usize) {
        let (index, added) = match self.entries.get_index_of(key) {
            Some(index) => (Some(index), 0),
            None => self.add(key, room),
        };
        match index.and_then(|index| self.entries.get_index_mut(index)) {
            Some((_, entry)) => (entry, Place::Own, added),
            None => (&mut self.overflow, Place::Overflow, 0),
        }
    }

    /// Adds an entry for the key, if there is room.
    #[cold]
    fn add(&mut self, key: &[u8], room: usize) -> (Option<usize>, usize) {
        let added = self.series_of_an_entry();
        if added > room {
            return (None, 0);
        }
        let values = key.split(|byte| *byte == SEPARATOR);
        let values = values.map(|value| std::str::from_utf8(value).unwrap_or_default());
        let entry = Entry::new(&self.names, values, self.metrics.len());
        (Some(self.entries.insert_full(key.into(), entry).0), added)
    }
}

impl Entry {
    fn new<'a>(
        names: &[(DimensionName, Option<DimensionValue>)],
        mut values: impl Iterator<Item = &'a str>,
        metrics: usize,
    ) -> Self {
        let pairs = names.iter().filter_map(|(name, constant)| {
            let value = match constant {
                Some(value) => value.clone(),
                None => DimensionValue::new(values.next()?).ok()?,
            };
            Some((name.clone(), value))
        });
        Self {
            dimensions: Dimensions::new(pairs.collect()).unwrap_or_default(),
            distributions: (0..metrics).map(|_| Distribution::new()).collect(),
            progress: Progress::default(),
            last_seen: Duration::ZERO,
        }
    }

    fn flush_into(
        &mut self,
        metrics: &[Metric],
        gauges: &[(Metric, f64)],
        held: &mut Accumulator,
        origin: &Origin,
        since: Timestamp,
        now: Now,
    ) {
        for (metric, distribution) in metrics.iter().zip(&mut self.distributions) {
            if !distribution.is_empty() {
                let key = PeriodKey::new(since, DataKind::OBSERVED, origin.clone(), metric);
                held.file(key, &self.dimensions, metric, distribution);
                distribution.clear();
                self.last_seen = now.steady;
            }
        }
        if gauges.is_empty() {
            return;
        }
        for (second, count) in self.progress.take(now.wall.as_secs()) {
            for (metric, of_one) in gauges {
                let mut share = Distribution::new();
                share.record(f64::from(count) * of_one);
                let key = PeriodKey::new(Timestamp::from_secs(second), DataKind::GAUGE_SHARE, origin.clone(), metric);
                held.file(key, &self.dimensions, metric, &share);
            }
            self.last_seen = now.steady;
        }
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::{MetricName, StorageResolution, Unit};

    use super::*;

    fn metric(name: &str) -> Metric {
        Metric { name: MetricName::new(name).unwrap(), unit: Unit::COUNT, resolution: StorageResolution::Standard }
    }

    fn aggregator() -> Aggregator {
        let name = |name| DimensionName::new(name).unwrap();
        let constant = DimensionValue::new("checkout").unwrap();
        let names = vec![(name("path"), None), (name("Service"), Some(constant)), (name("host"), None)];
        Aggregator::new(names, vec![metric("RequestCount")], Vec::new())
    }

    fn at(second: u64) -> Now {
        Now { wall: Timestamp::from_secs(1_700_000_000 + second), steady: Duration::from_secs(second) }
    }

    /// DataKind, dimensions, metric and sum of all that is flushed.
    fn flushed(aggregator: &mut Aggregator, now: Now) -> Vec<(String, f64)> {
        let mut held = Accumulator::default();
        aggregator.flush_into(&mut held, &Origin::default(), now.wall, now);
        let mut sums: Vec<_> = held
            .iter()
            .flat_map(|(_, dimensions, distributions)| {
                let values: Vec<_> = dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
                distributions.iter().map(move |(_, distribution)| (values.join(" "), distribution.sum()))
            })
            .collect();
        sums.sort_by(|left, right| left.0.cmp(&right.0));
        sums
    }

    #[test]
    fn requests_are_counted_by_their_values() {
        let mut aggregator = aggregator();
        for key in ["/x\0a\0", "/y\0a\0", "/x\0a\0"] {
            aggregator.observe(key.as_bytes(), &[(0, 1.0)], 10);
        }
        let expected =
            [("Service=checkout host=a path=/x".to_owned(), 2.0), ("Service=checkout host=a path=/y".to_owned(), 1.0)];
        assert_eq!(flushed(&mut aggregator, at(0)), expected);
        assert_eq!(flushed(&mut aggregator, at(1)), []);
    }

    #[test]
    fn beyond_the_limit_totals_stay_exact_in_the_overflow_and_constants_stay() {
        for (series, others) in [(9, 0.0), (10, 0.0), (11, 1.0), (100, 90.0)] {
            let mut aggregator = aggregator();
            for n in 0..series {
                let room = 10 - aggregator.series();
                aggregator.observe(format!("/{n}\0a\0").as_bytes(), &[(0, 1.0)], room);
            }
            let sums = flushed(&mut aggregator, at(0));
            assert_eq!(sums.iter().map(|(_, sum)| sum).sum::<f64>(), f64::from(series));
            let overflow = sums.iter().find(|(values, _)| values == "Service=checkout host=__other__ path=__other__");
            assert_eq!(overflow.map_or(0.0, |(_, sum)| *sum), others);
        }
    }

    #[test]
    fn a_place_is_kept_for_an_hour() {
        let mut aggregator = aggregator();
        aggregator.observe(b"/x\0a\0", &[(0, 1.0)], 1);
        flushed(&mut aggregator, at(0));
        for (minutes, is_other) in [(59, true), (60, true), (61, false)] {
            let room = 1 - aggregator.series();
            aggregator.observe(b"/y\0a\0", &[(0, 1.0)], room);
            let sums = flushed(&mut aggregator, at(60 * minutes));
            assert_eq!(sums[0].0.contains(OVERFLOW_VALUE), is_other, "{minutes}");
        }
    }

    #[test]
    fn those_that_stay_keep_what_is_theirs() {
        let mut aggregator = aggregator();
        let observe = |aggregator: &mut Aggregator, hosts: &str| {
            for host in hosts.chars() {
                aggregator.observe(format!("/x\0{host}\0").as_bytes(), &[(0, 1.0)], 10);
            }
        };
        let told = |aggregator: &mut Aggregator, minutes: u64| {
            let sums = flushed(aggregator, at(60 * minutes)).into_iter();
            sums.map(|(of, sum)| (of.split(['=', ' ']).nth(3).unwrap().to_owned(), sum)).collect::<Vec<_>>()
        };
        observe(&mut aggregator, "abcde");
        assert_eq!(told(&mut aggregator, 0).len(), 5);
        observe(&mut aggregator, "bd");
        told(&mut aggregator, 30);
        told(&mut aggregator, 60);
        assert_eq!(aggregator.series(), 2);
        observe(&mut aggregator, "ddabd");
        let sums = [("a", 1.0), ("b", 1.0), ("d", 3.0)].map(|(host, sum)| (host.to_owned(), sum));
        assert_eq!(told(&mut aggregator, 61), sums);
    }

    #[test]
    fn what_is_in_progress_keeps_its_place_and_is_told_for_every_second() {
        let gauges = vec![(metric("RequestsInProgress"), 1.0), (metric("ConcurrencyUtilization"), 25.0)];
        let names = vec![(DimensionName::new("host").unwrap(), None)];
        let mut aggregator = Aggregator::new(names, Vec::new(), gauges);
        let second = |second: u64| 1_700_000_000 + second;
        assert_eq!(aggregator.begin(b"a\0", second(0), 2), (Place::Own, 2));
        assert_eq!(aggregator.begin(b"b\0", second(0), 0), (Place::Overflow, 0));
        let told = flushed(&mut aggregator, at(2));
        assert_eq!(told.len(), 8);
        let sum = |host: &str| told.iter().filter(|(of, _)| of == host).map(|(_, sum)| sum).sum::<f64>();
        assert_eq!((sum("host=a"), sum("host=__other__")), (52.0, 52.0));
        flushed(&mut aggregator, at(100));
        assert_eq!(flushed(&mut aggregator, at(100_000)), []);
        assert_eq!(aggregator.series(), 2);
        aggregator.end(b"a\0", Place::Own, second(100_000));
        aggregator.end(b"b\0", Place::Overflow, second(100_000));
        assert_eq!(flushed(&mut aggregator, at(100_001)).iter().map(|(_, sum)| sum).sum::<f64>(), 0.0);
        flushed(&mut aggregator, at(100_001 + 3_600));
        assert_eq!(aggregator.series(), 0);
    }
}
