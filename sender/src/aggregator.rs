//! What one worker has observed since its last flush, by series.

use std::time::Duration;

use acpw_metric::{Accumulator, DimensionName, DimensionValue, Dimensions, Distribution, Metric, Timestamp};
use foldhash::fast::RandomState;
use indexmap::IndexMap;

/// The value of every dimension of the series that takes what is over the limit.
pub const OVERFLOW_VALUE: &str = "__other__";

/// How long a series that is not seen keeps its place. CloudWatch bills a series for each hour in which it has data, so
/// a place that is given away sooner would let strangers make more series an hour than `max_series`.
const IDLE_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Separates dimension values in a key; no value has it.
pub const SEPARATOR: u8 = 0;

/// Distributions by dimension values, for at most `max_series` series and one more for what is beyond. Nothing is
/// allocated for a series already known.
#[derive(Debug)]
pub struct Aggregator {
    names: Vec<DimensionName>,
    metrics: Vec<Metric>,
    max_series: usize,
    entries: IndexMap<Box<[u8]>, Entry, RandomState>,
    overflow: Entry,
}

#[derive(Debug)]
struct Entry {
    dimensions: Dimensions,
    /// One for each metric.
    distributions: Vec<Distribution>,
    /// When it was last flushed with something in it, by the steady clock.
    last_seen: Duration,
}

impl Aggregator {
    /// An aggregator for series of these dimensions and metrics.
    pub fn new(names: Vec<DimensionName>, metrics: Vec<Metric>, max_series: usize) -> Self {
        let values = names.iter().map(|_| OVERFLOW_VALUE);
        let overflow = Entry::new(&names, values, metrics.len());
        Self { names, metrics, max_series, entries: IndexMap::default(), overflow }
    }

    /// Adds one request: `key` has a value for each dimension, in their order, with [`SEPARATOR`] between them; `values`
    /// are what was measured, each with the place of its metric.
    pub fn observe(&mut self, key: &[u8], values: &[(usize, f64)]) {
        let place = self.entries.get_index_of(key).or_else(|| self.admit(key));
        let entry = match place.and_then(|place| self.entries.get_index_mut(place)) {
            Some((_, entry)) => entry,
            None => &mut self.overflow,
        };
        for (metric, value) in values {
            if let Some(distribution) = entry.distributions.get_mut(*metric) {
                distribution.record(*value);
            }
        }
    }

    /// Moves everything observed into `held`, as observed since `since`. Series keep their places, unless they were not
    /// seen for an hour; `now` is the steady clock.
    pub fn flush_into(&mut self, held: &mut Accumulator, since: Timestamp, now: Duration) {
        self.overflow.flush_into(&self.metrics, held, since, now);
        for entry in self.entries.values_mut() {
            entry.flush_into(&self.metrics, held, since, now);
        }
        self.entries.retain(|_, entry| now.saturating_sub(entry.last_seen) < IDLE_LIMIT);
    }

    /// Gives the key a place of its own, if there is one left.
    fn admit(&mut self, key: &[u8]) -> Option<usize> {
        let series = self.entries.len().saturating_add(1).saturating_mul(self.metrics.len());
        if series > self.max_series {
            return None;
        }
        let values = key.split(|byte| *byte == SEPARATOR).map(|value| std::str::from_utf8(value).unwrap_or_default());
        let entry = Entry::new(&self.names, values, self.metrics.len());
        Some(self.entries.insert_full(key.into(), entry).0)
    }
}

impl Entry {
    fn new<'a>(names: &[DimensionName], values: impl Iterator<Item = &'a str>, metrics: usize) -> Self {
        let value = |value| DimensionValue::new(value).ok();
        let pairs = names.iter().zip(values).filter_map(|(name, text)| Some((name.clone(), value(text)?)));
        Self {
            dimensions: Dimensions::new(pairs.collect()).unwrap_or_default(),
            distributions: vec![Distribution::new(); metrics],
            last_seen: Duration::ZERO,
        }
    }

    fn flush_into(&mut self, metrics: &[Metric], held: &mut Accumulator, since: Timestamp, now: Duration) {
        for (metric, distribution) in metrics.iter().zip(&mut self.distributions) {
            if !distribution.is_empty() {
                held.add(since, None, &self.dimensions, metric, distribution);
                distribution.clear();
                self.last_seen = now;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::{MetricName, StorageResolution, Unit};

    use super::*;

    fn aggregator(max_series: usize) -> Aggregator {
        let names = ["host", "path"].map(|name| DimensionName::new(name).unwrap());
        let name = MetricName::new("RequestCount").unwrap();
        let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
        Aggregator::new(names.to_vec(), vec![metric], max_series)
    }

    /// Sum by `host` and `path` of all that is flushed.
    fn flushed(aggregator: &mut Aggregator, now: Duration) -> Vec<(String, f64)> {
        let mut held = Accumulator::default();
        aggregator.flush_into(&mut held, Timestamp::from_secs(1_700_000_000), now);
        let mut sums: Vec<_> = std::iter::from_fn(|| held.pop())
            .map(|(_, group)| {
                let values: Vec<_> = group.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
                (values.join(" "), group.distributions[0].1.sum())
            })
            .collect();
        sums.sort_by(|left, right| left.0.cmp(&right.0));
        sums
    }

    #[test]
    fn requests_are_counted_by_their_values() {
        let mut aggregator = aggregator(10);
        for key in ["a\0/x", "a\0/y", "a\0/x"] {
            aggregator.observe(key.as_bytes(), &[(0, 1.0)]);
        }
        let expected = [("host=a path=/x".to_owned(), 2.0), ("host=a path=/y".to_owned(), 1.0)];
        assert_eq!(flushed(&mut aggregator, Duration::ZERO), expected);
        assert_eq!(flushed(&mut aggregator, Duration::ZERO), []);
    }

    #[test]
    fn beyond_the_limit_totals_stay_exact_in_the_overflow() {
        for (series, others) in [(9, 0.0), (10, 0.0), (11, 1.0), (100, 90.0)] {
            let mut aggregator = aggregator(10);
            for n in 0..series {
                aggregator.observe(format!("a\0/{n}").as_bytes(), &[(0, 1.0)]);
            }
            let sums = flushed(&mut aggregator, Duration::ZERO);
            assert_eq!(sums.iter().map(|(_, sum)| sum).sum::<f64>(), f64::from(series));
            let overflow = sums.iter().find(|(values, _)| values == "host=__other__ path=__other__");
            assert_eq!(overflow.map_or(0.0, |(_, sum)| *sum), others);
        }
    }

    #[test]
    fn a_place_is_kept_for_an_hour() {
        let mut aggregator = aggregator(1);
        aggregator.observe(b"a\0/x", &[(0, 1.0)]);
        flushed(&mut aggregator, Duration::ZERO);
        for (minutes, is_other) in [(59, true), (60, true), (61, false)] {
            aggregator.observe(b"a\0/y", &[(0, 1.0)]);
            let sums = flushed(&mut aggregator, Duration::from_secs(60 * minutes));
            assert_eq!(sums[0].0.contains(OVERFLOW_VALUE), is_other, "{minutes}");
        }
    }
}
