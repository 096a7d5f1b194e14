//! What the published metrics will cost, if things stay as they are.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use acpw_metric::{Accumulator, Dimensions, Namespace, dimension::OVERFLOW_VALUE};

use crate::{notice::Notice, series::Map};

/// CloudWatch's list prices for custom metrics in us-east-1, as of 2026-11: for so many series, cents each a month.
pub const SERIES_TIERS: [(u64, u64); 4] = [(10_000, 30), (240_000, 10), (750_000, 5), (u64::MAX, 2)];

/// API requests a month that cost nothing.
pub const FREE_CALLS: u64 = 1_000_000;

/// API requests for a cent, beyond.
pub const CALLS_PER_CENT: u64 = 1_000;

/// A month, as AWS's price calculator has it: 730 hours.
const MONTH: Duration = Duration::from_secs(730 * 60 * 60);

const MINUTE: Duration = Duration::from_secs(60);

/// CloudWatch bills a series for each hour in which it has data.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Series, and values of one dimension, that are told apart at most.
const MAX_KNOWN: usize = 200_000;

/// Counts series and requests of the last hour.
#[derive(Debug)]
pub struct Costs {
    /// When each series was last published, by the steady clock.
    series: Map<u64, Duration>,
    /// The same for each value of each dimension.
    values: Map<String, Map<u64, Duration>>,
    /// Requests by the minute, in a ring.
    calls: [u64; 60],
    started: Option<Duration>,
    minute: u64,
    /// When the overflow was last seen.
    overflow: Option<Duration>,
    /// When costs were last told, and as how many cents.
    told: Option<(Duration, u64)>,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            series: Map::default(),
            values: Map::default(),
            calls: [0; 60],
            started: None,
            minute: 0,
            overflow: None,
            told: None,
        }
    }
}

/// What a month costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prediction {
    /// Series of the last hour.
    pub series: u64,
    /// Requests in a month.
    pub calls: u64,
    /// The price of both, in cents of US dollars.
    pub cents: u64,
}

impl Costs {
    /// Takes in data that are published. Gives a warning when the overflow of a sender begins.
    pub fn note(&mut self, data: &Accumulator, namespace: &Namespace, now: Duration) -> Option<Notice> {
        let mut overflow = None;
        for (key, dimensions, distributions) in data.iter() {
            let namespace = key.origin.namespace.as_ref().unwrap_or(namespace);
            for (metric, _) in distributions {
                let series = hash(&(namespace, &metric.name, dimensions));
                remember(&mut self.series, series, now);
            }
            for (name, value) in dimensions.iter() {
                if value == OVERFLOW_VALUE {
                    overflow = Some(dimensions.clone());
                    continue;
                }
                match self.values.get_mut(name) {
                    Some(values) => remember(values, hash(&value), now),
                    None => {
                        let mut values = Map::default();
                        remember(&mut values, hash(&value), now);
                        self.values.insert(name.to_owned(), values);
                    }
                }
            }
        }
        let overflow = overflow?;
        let is_new = self.overflow.is_none_or(|last| now.saturating_sub(last) >= HOUR);
        self.overflow = Some(now);
        is_new.then(|| self.overflow_notice(&overflow))
    }

    /// Takes in that a request is sent.
    pub fn call(&mut self, now: Duration) {
        self.advance(now);
        let place = (self.minute % 60) as usize;
        if let Some(calls) = self.calls.get_mut(place) {
            *calls = calls.saturating_add(1);
        }
    }

    /// What a month costs that is like the last hour, or as much of an hour as there was. `interval` is the time between
    /// publications.
    pub fn predict(&mut self, interval: Duration, now: Duration) -> Prediction {
        self.advance(now);
        self.series.retain(|_, seen| now.saturating_sub(*seen) < HOUR);
        self.values.retain(|_, values| {
            values.retain(|_, seen| now.saturating_sub(*seen) < HOUR);
            !values.is_empty()
        });
        let elapsed = now.saturating_sub(self.started.unwrap_or(now));
        let observed = elapsed.clamp(MINUTE.max(interval.min(HOUR)), HOUR).as_secs();
        let calls: u64 = self.calls.iter().sum();
        let calls = calls.saturating_mul(MONTH.as_secs()).checked_div(observed).unwrap_or(0);
        let series = self.series.len() as u64;
        Prediction { series, calls, cents: cents(series, calls) }
    }

    /// A line about the prediction, when one is due: a minute after the first request, then once an hour, and sooner when
    /// it has become half as much again.
    pub fn line(&mut self, prediction: Prediction, now: Duration) -> Option<Notice> {
        let started = self.started?;
        let cents = prediction.cents;
        let is_due = match self.told {
            None => now.saturating_sub(started) >= MINUTE,
            Some((last, told)) => {
                let passed = now.saturating_sub(last);
                passed >= HOUR || (passed >= MINUTE && cents > told.saturating_add(told / 2).saturating_add(10))
            }
        };
        if !is_due {
            return None;
        }
        self.told = Some((now, cents));
        Some(Notice::Cost(prediction))
    }

    /// Forgets the requests of minutes that are more than an hour ago.
    fn advance(&mut self, now: Duration) {
        self.started.get_or_insert(now);
        let minute = now.as_secs() / MINUTE.as_secs();
        let passed = minute.saturating_sub(self.minute).min(60);
        for back in 0..passed {
            let place = (minute.saturating_sub(back) % 60) as usize;
            if let Some(calls) = self.calls.get_mut(place) {
                *calls = 0;
            }
        }
        self.minute = minute;
    }

    fn overflow_notice(&self, overflow: &Dimensions) -> Notice {
        let names = overflow.iter().filter(|(_, value)| *value == OVERFLOW_VALUE).map(|(name, _)| name);
        let counted = names.map(|name| (self.values.get(name).map_or(0, Map::len), name));
        let (values, dimension) = counted.max().unwrap_or_default();
        Notice::Overflow { dimension: dimension.to_owned(), values }
    }
}

fn remember(known: &mut Map<u64, Duration>, hash: u64, now: Duration) {
    if known.len() < MAX_KNOWN || known.contains_key(&hash) {
        known.insert(hash, now);
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The price of so many series and requests in a month.
fn cents(series: u64, calls: u64) -> u64 {
    let mut rest = series;
    let mut cents = 0u64;
    for (size, price) in SERIES_TIERS {
        let count = rest.min(size);
        cents = cents.saturating_add(count.saturating_mul(price));
        rest = rest.saturating_sub(count);
    }
    cents.saturating_add(calls.saturating_sub(FREE_CALLS) / CALLS_PER_CENT)
}

#[cfg(test)]
mod tests {
    use acpw_metric::{
        DimensionName, DimensionValue, Distribution, Metric, MetricName, StorageResolution, Timestamp, Unit,
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn data(paths: &[&str]) -> Accumulator {
        let mut data = Accumulator::default();
        let mut one = Distribution::new();
        one.record(1.0);
        for path in paths {
            let pair = |name, value| (DimensionName::new(name).unwrap(), DimensionValue::new(value).unwrap());
            let host = if *path == OVERFLOW_VALUE { OVERFLOW_VALUE } else { "h" };
            let dimensions = Dimensions::new(vec![pair("host", host), pair("path", path)]).unwrap();
            for name in ["RequestCount", "Latency"] {
                let name = MetricName::new(name).unwrap();
                let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
                data.add(Timestamp::from_secs(1_787_402_160), None, &dimensions, &metric, &one);
            }
        }
        data
    }

    fn namespace() -> Namespace {
        Namespace::new("N").unwrap()
    }

    #[test]
    fn prices_are_those_of_the_list() {
        for (series, calls, expected) in [
            (0, 0, 0),
            (1, 0, 30),
            (100, 43_800, 3_000),
            (10_000, 0, 300_000),
            (10_001, 0, 300_010),
            (250_000, 0, 2_700_000),
            (250_001, 0, 2_700_005),
            (1_000_000, 0, 6_450_000),
            (1_000_001, 0, 6_450_002),
            (0, 1_000_000, 0),
            (0, 1_001_000, 1),
            // One request a second and a hundred series.
            (0, 2_628_000, 1_628),
        ] {
            assert_eq!(cents(series, calls), expected, "{series} {calls}");
        }
    }

    #[test]
    fn series_count_for_an_hour_and_requests_by_their_rate() {
        let mut costs = Costs::default();
        for minute in 0..120 {
            let now = MINUTE * minute;
            costs.note(&data(&["/a", "/b"]), &namespace(), now);
            costs.call(now);
        }
        let now = MINUTE * 120;
        let prediction = costs.predict(MINUTE, now);
        assert_eq!((prediction.series, prediction.cents), (4, 120));
        // One request a minute.
        assert!((42_000..=43_800).contains(&prediction.calls), "{prediction:?}");
        let prediction = costs.predict(MINUTE, now + HOUR);
        assert_eq!(prediction, Prediction { series: 0, calls: 0, cents: 0 });
    }

    #[test]
    fn the_first_minute_is_not_taken_for_more_than_it_is() {
        let mut costs = Costs::default();
        costs.call(SECOND);
        assert_eq!(costs.predict(MINUTE, SECOND * 2).calls, 43_800);
        let prediction = costs.predict(MINUTE, SECOND * 2);
        assert_eq!(costs.line(prediction, SECOND * 2), None);
        assert_eq!(costs.line(prediction, SECOND * 61), Some(Notice::Cost(prediction)));
        assert_eq!(costs.line(prediction, SECOND * 600), None);
        let dearer = Prediction { cents: 1_000, ..prediction };
        assert_eq!(costs.line(dearer, SECOND * 601), Some(Notice::Cost(dearer)));
        assert_eq!(costs.line(prediction, SECOND * 602 + HOUR), Some(Notice::Cost(prediction)));
    }

    #[test]
    fn the_overflow_is_told_once_with_the_dimension_that_has_the_most_values() {
        let mut costs = Costs::default();
        assert_eq!(costs.note(&data(&["/a", "/b"]), &namespace(), SECOND), None);
        let notice = costs.note(&data(&["/c", OVERFLOW_VALUE]), &namespace(), SECOND * 2);
        assert_eq!(notice, Some(Notice::Overflow { dimension: "path".to_owned(), values: 3 }));
        for n in 3..10 {
            assert_eq!(costs.note(&data(&[OVERFLOW_VALUE]), &namespace(), SECOND * n), None);
        }
        assert_eq!(costs.note(&data(&["/a"]), &namespace(), SECOND * 10), None);
        assert!(costs.note(&data(&[OVERFLOW_VALUE]), &namespace(), SECOND * 10 + HOUR).is_some());
    }
}
