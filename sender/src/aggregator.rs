//! Aggregates the measured values of one dimension set.

use std::time::Duration;

use acpw_metric::{
    Accumulator, DataKind, DimensionName, DimensionValue, Dimensions, Distribution, Map, Metric, Now, Origin,
    PeriodKey, Timestamp, dimension::OVERFLOW_VALUE,
};

use crate::in_flight_gauge::InFlightGauge;

/// The time after which an idle series is removed. CloudWatch bills a series for each hour in which it has data, so
/// removing series sooner would let clients create more than `max_series` series an hour with made-up paths.
const IDLE_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Terminates each dimension value in a key. Dimension values never contain this byte.
pub const SEPARATOR: u8 = 0;

/// Aggregates the measured values of one dimension set by dimension values.
///
/// Requests for which a new series would exceed `max_series` share the overflow series. A request for a known series
/// does not allocate.
#[derive(Debug)]
pub struct Aggregator {
    names: Vec<(DimensionName, Option<DimensionValue>)>,
    metrics: Vec<Metric>,
    /// Metrics of requests in flight, each with the value that one request contributes.
    gauges: Vec<(Metric, f64)>,
    /// Entries by key.
    entries: Map<Box<[u8]>, Entry>,
    overflow: Entry,
}

/// The data of one combination of dimension values.
#[derive(Debug)]
struct Entry {
    dimensions: Dimensions,
    /// One distribution per metric, in the order of the metrics.
    distributions: Vec<Distribution>,
    in_flight: InFlightGauge,
    /// The steady time of the last flush in which the entry had data.
    last_seen: Duration,
}

/// The entry that counts a request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The entry of the request's own key.
    Own,
    /// The overflow entry, because a new entry would have exceeded the limit.
    Overflow,
}

impl Aggregator {
    /// Creates an aggregator for series of the given dimensions and metrics.
    ///
    /// A name with a value is a constant dimension. `gauges` are metrics of requests in flight, each with the value
    /// that one request contributes.
    pub fn new(
        names: Vec<(DimensionName, Option<DimensionValue>)>,
        metrics: Vec<Metric>,
        gauges: Vec<(Metric, f64)>,
    ) -> Self {
        let overflow = Entry::new(&names, std::iter::repeat(OVERFLOW_VALUE), metrics.len());
        Self { names, metrics, gauges, entries: Map::default(), overflow }
    }

    /// Adds the values of one request. Returns the number of new series.
    ///
    /// `key` contains the value of each dimension that is not constant, in order, each terminated by [`SEPARATOR`].
    /// `values` contains pairs of a metric's index and a measured value. A new key gets an entry if `room`, the number
    /// of series that may be added, suffices for all of its metrics.
    pub fn observe(&mut self, key: &[u8], values: &[(usize, f64)], room: usize) -> usize {
        let (entry, _, added) = self.entry(key, room);
        for (metric, value) in values {
            if let Some(distribution) = entry.distributions.get_mut(*metric) {
                distribution.record(*value);
            }
        }
        added
    }

    /// Returns whether the aggregator has metrics of requests in flight.
    pub fn has_gauges(&self) -> bool {
        !self.gauges.is_empty()
    }

    /// Removes the metrics of requests in flight.
    pub fn drop_gauges(&mut self) {
        self.gauges.clear();
    }

    /// Counts a request that starts in this second. Returns the slot that counts it, and the number of new series.
    pub fn start_request(&mut self, key: &[u8], second: u64, room: usize) -> (Slot, usize) {
        let (entry, slot, added) = self.entry(key, room);
        entry.in_flight.start_request(second);
        (slot, added)
    }

    /// Counts the end of a request that [`start_request`](Self::start_request) counted in `slot`.
    pub fn end_request(&mut self, key: &[u8], slot: Slot, second: u64) {
        let entry = match slot {
            Slot::Own => self.entries.get_mut(key),
            Slot::Overflow => Some(&mut self.overflow),
        };
        if let Some(entry) = entry {
            entry.in_flight.end_request(second);
        }
    }

    /// Returns the number of series, without the overflow series.
    pub fn series(&self) -> usize {
        self.entries.len().saturating_mul(self.series_per_entry())
    }

    /// Moves all data into `held`, with `since` as their start. Keeps the entries, except those that were idle for an
    /// hour.
    pub fn flush_into(&mut self, held: &mut Accumulator, origin: &Origin, since: Timestamp, now: Now) {
        let Self { metrics, gauges, entries, overflow, .. } = self;
        for entry in entries.values_mut().chain([overflow]) {
            entry.flush_into(metrics, gauges, held, origin, since, now);
        }
        entries
            .retain(|_, entry| !entry.in_flight.is_idle() || now.steady.saturating_sub(entry.last_seen) < IDLE_LIMIT);
    }

    fn series_per_entry(&self) -> usize {
        self.metrics.len().saturating_add(self.gauges.len())
    }

    /// Returns the entry for a key and the number of new series. Adds an entry if the key is new and there is room for
    /// it; otherwise returns the overflow entry.
    fn entry(&mut self, key: &[u8], room: usize) -> (&mut Entry, Slot, usize) {
        let (index, added) = match self.entries.get_index_of(key) {
            Some(index) => (Some(index), 0),
            None => self.add(key, room),
        };
        match index.and_then(|index| self.entries.get_index_mut(index)) {
            Some((_, entry)) => (entry, Slot::Own, added),
            None => (&mut self.overflow, Slot::Overflow, 0),
        }
    }

    /// Adds an entry if there is room for it. Returns its index and the number of new series.
    #[cold]
    fn add(&mut self, key: &[u8], room: usize) -> (Option<usize>, usize) {
        let added = self.series_per_entry();
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
            in_flight: InFlightGauge::default(),
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
        for (second, count) in self.in_flight.take_samples(now.wall.as_secs()) {
            for (metric, value_per_request) in gauges {
                let mut share = Distribution::new();
                share.record(f64::from(count) * value_per_request);
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

    /// Flushes the aggregator. Returns the dimensions and the sum of each series, sorted by dimensions.
    fn flush(aggregator: &mut Aggregator, now: Now) -> Vec<(String, f64)> {
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
    fn requests_are_counted_by_dimension_values() {
        let mut aggregator = aggregator();
        for key in ["/x\0a\0", "/y\0a\0", "/x\0a\0"] {
            aggregator.observe(key.as_bytes(), &[(0, 1.0)], 10);
        }
        let expected =
            [("Service=checkout host=a path=/x".to_owned(), 2.0), ("Service=checkout host=a path=/y".to_owned(), 1.0)];
        assert_eq!(flush(&mut aggregator, at(0)), expected);
        assert_eq!(flush(&mut aggregator, at(1)), []);
    }

    #[test]
    fn requests_beyond_the_limit_are_counted_in_the_overflow_series_with_its_constants() {
        for (series, overflow_sum) in [(9, 0.0), (10, 0.0), (11, 1.0), (100, 90.0)] {
            let mut aggregator = aggregator();
            for n in 0..series {
                let room = 10 - aggregator.series();
                aggregator.observe(format!("/{n}\0a\0").as_bytes(), &[(0, 1.0)], room);
            }
            let sums = flush(&mut aggregator, at(0));
            assert_eq!(sums.iter().map(|(_, sum)| sum).sum::<f64>(), f64::from(series));
            let overflow = sums.iter().find(|(values, _)| values == "Service=checkout host=__other__ path=__other__");
            assert_eq!(overflow.map_or(0.0, |(_, sum)| *sum), overflow_sum);
        }
    }

    #[test]
    fn an_idle_series_is_removed_after_an_hour() {
        let mut aggregator = aggregator();
        aggregator.observe(b"/x\0a\0", &[(0, 1.0)], 1);
        flush(&mut aggregator, at(0));
        for (minutes, is_overflow) in [(59, true), (60, true), (61, false)] {
            let room = 1 - aggregator.series();
            aggregator.observe(b"/y\0a\0", &[(0, 1.0)], room);
            let sums = flush(&mut aggregator, at(60 * minutes));
            assert_eq!(sums[0].0.contains(OVERFLOW_VALUE), is_overflow, "{minutes}");
        }
    }

    #[test]
    fn removing_idle_series_does_not_mix_up_the_remaining_ones() {
        let mut aggregator = aggregator();
        let observe = |aggregator: &mut Aggregator, hosts: &str| {
            for host in hosts.chars() {
                aggregator.observe(format!("/x\0{host}\0").as_bytes(), &[(0, 1.0)], 10);
            }
        };
        let sums_by_host = |aggregator: &mut Aggregator, minutes: u64| {
            let sums = flush(aggregator, at(60 * minutes)).into_iter();
            let host = |dimensions: &str| dimensions.split(['=', ' ']).nth(3).unwrap().to_owned();
            sums.map(|(dimensions, sum)| (host(&dimensions), sum)).collect::<Vec<_>>()
        };
        observe(&mut aggregator, "abcde");
        assert_eq!(sums_by_host(&mut aggregator, 0).len(), 5);
        observe(&mut aggregator, "bd");
        sums_by_host(&mut aggregator, 30);
        sums_by_host(&mut aggregator, 60);
        assert_eq!(aggregator.series(), 2);
        observe(&mut aggregator, "ddabd");
        let sums = [("a", 1.0), ("b", 1.0), ("d", 3.0)].map(|(host, sum)| (host.to_owned(), sum));
        assert_eq!(sums_by_host(&mut aggregator, 61), sums);
    }

    #[test]
    fn requests_in_flight_are_sampled_every_second_and_keep_their_series() {
        let gauges = vec![(metric("RequestsInProgress"), 1.0), (metric("ConcurrencyUtilization"), 25.0)];
        let names = vec![(DimensionName::new("host").unwrap(), None)];
        let mut aggregator = Aggregator::new(names, Vec::new(), gauges);
        let second = |second: u64| 1_700_000_000 + second;
        assert_eq!(aggregator.start_request(b"a\0", second(0), 2), (Slot::Own, 2));
        assert_eq!(aggregator.start_request(b"b\0", second(0), 0), (Slot::Overflow, 0));
        let sums = flush(&mut aggregator, at(2));
        assert_eq!(sums.len(), 8);
        let sum = |host: &str| sums.iter().filter(|(of, _)| of == host).map(|(_, sum)| sum).sum::<f64>();
        assert_eq!((sum("host=a"), sum("host=__other__")), (52.0, 52.0));
        flush(&mut aggregator, at(100));
        assert_eq!(flush(&mut aggregator, at(100_000)), []);
        assert_eq!(aggregator.series(), 2);
        aggregator.end_request(b"a\0", Slot::Own, second(100_000));
        aggregator.end_request(b"b\0", Slot::Overflow, second(100_000));
        assert_eq!(flush(&mut aggregator, at(100_001)).iter().map(|(_, sum)| sum).sum::<f64>(), 0.0);
        flush(&mut aggregator, at(100_001 + 3_600));
        assert_eq!(aggregator.series(), 0);
    }
}
