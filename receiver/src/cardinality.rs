//! Counts the published series, which CloudWatch bills, and finds the dimension that causes most of them.

use std::{fmt::Write as _, hash::BuildHasher, time::Duration};

use acpw_metric::{DataKind, Dimensions, LargeMap, Map, MetricName, Namespace, RandomState, dimension::OVERFLOW_VALUE};
use acpw_shared_state::BigSeries;

use crate::notice::Notice;

/// CloudWatch bills a series for each hour in which it has data.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The maximum number of series, and of values of one dimension, that are counted.
const MAX_HASHES: usize = 200_000;

/// The maximum number of series whose names are kept.
const MAX_NAMED: usize = 200;

/// The number of series that the status lists.
const BIGGEST_COUNT: usize = 10;

/// The series published within the last hour, by the steady clock.
#[derive(Debug, Default)]
pub struct Cardinality {
    /// Hashes series and values. Hashes take less memory than names.
    hasher: RandomState,
    /// The time of the last publication of each series.
    series: LargeMap<u64, Duration>,
    /// The names and totals of the first series.
    named: Map<u64, BigSeries>,
    /// The time of the last publication of each value, by dimension.
    values: Map<String, LargeMap<u64, Duration>>,
    /// The time at which an overflow series was last published.
    last_overflow: Option<Duration>,
    /// The dimensions of an overflow series published since the last [`poll_notice`](Self::poll_notice).
    recent_overflow: Option<Dimensions>,
}

impl Cardinality {
    /// Records a published datum.
    pub fn record_series(
        &mut self,
        namespace: &Namespace,
        name: &MetricName,
        dimensions: &Dimensions,
        values: u64,
        now: Duration,
    ) {
        let series = (namespace.as_str(), name.as_str(), dimensions);
        let known = self.hasher.hash_one(series);
        if record_hash(&mut self.series, known, now) {
            self.count(known, series, values);
        }
    }

    /// Records the dimensions of published data of this kind. Dimensions of posted data are ignored: clients choose
    /// them, and a sender's `max_series` does not apply to them.
    pub fn record_dimensions(&mut self, kind: DataKind, dimensions: &Dimensions, now: Duration) {
        if kind.is_posted() {
            return;
        }
        for (name, value) in dimensions.iter() {
            if value == OVERFLOW_VALUE {
                self.recent_overflow = Some(dimensions.clone());
                continue;
            }
            let value = self.hasher.hash_one(value);
            match self.values.get_mut(name) {
                Some(values) => record_hash(values, value, now),
                None => record_hash(self.values.entry(name.to_owned()).or_default(), value, now),
            };
        }
    }

    /// Returns a warning if a sender has begun to use its overflow series.
    pub fn poll_notice(&mut self, now: Duration) -> Option<Notice> {
        let last_overflow = self.recent_overflow.take()?;
        let is_new = self.last_overflow.is_none_or(|last| now.saturating_sub(last) >= HOUR);
        self.last_overflow = Some(now);
        is_new.then(|| self.overflow_notice(&last_overflow))
    }

    /// Forgets series and values that were not published for an hour.
    pub fn prune(&mut self, now: Duration) {
        let is_kept = |seen: &Duration| now.saturating_sub(*seen) < HOUR;
        self.series.retain(|_, seen| is_kept(seen));
        self.named.retain(|known, _| self.series.contains_key(known));
        self.values.retain(|_, values| {
            values.retain(|_, seen| is_kept(seen));
            !values.is_empty()
        });
    }

    /// Returns the number of series published within the hour before the last [`prune`](Self::prune), at most 200,000.
    pub fn series(&self) -> u64 {
        self.series.len() as u64
    }

    /// Returns the series with the most values, out of the 200 whose names are kept.
    pub fn biggest_series(&self) -> Vec<BigSeries> {
        let mut biggest_series: Vec<_> = self.named.values().collect();
        biggest_series.sort_by(|left, right| right.values.cmp(&left.values).then_with(|| left.name.cmp(&right.name)));
        biggest_series.into_iter().take(BIGGEST_COUNT).cloned().collect()
    }

    fn count(&mut self, known: u64, series: (&str, &str, &Dimensions), values: u64) {
        let has_room = self.named.len() < MAX_NAMED;
        let named = match self.named.get_mut(&known) {
            Some(named) => named,
            None if has_room => {
                self.named.entry(known).or_insert_with(|| BigSeries { name: name(series), data: 0, values: 0 })
            }
            None => return,
        };
        named.data = named.data.saturating_add(1);
        named.values = named.values.saturating_add(values);
    }

    fn overflow_notice(&self, last_overflow: &Dimensions) -> Notice {
        let names = last_overflow.iter().filter(|(_, value)| *value == OVERFLOW_VALUE).map(|(name, _)| name);
        let counted = names.map(|name| (self.values.get(name).map_or(0, LargeMap::len), name));
        let (values, dimension) = counted.max().unwrap_or_default();
        Notice::Overflow { dimension: dimension.to_owned(), values }
    }
}

/// Records the hash, and returns true, if it is known or there is room for it.
fn record_hash(known: &mut LargeMap<u64, Duration>, hash: u64, now: Duration) -> bool {
    let is_recorded = known.len() < MAX_HASHES || known.contains_key(&hash);
    if is_recorded {
        known.insert(hash, now);
    }
    is_recorded
}

fn name((namespace, metric, dimensions): (&str, &str, &Dimensions)) -> String {
    const MAX_LENGTH: usize = 300;
    let mut text = format!("{namespace} {metric}");
    for (at, (name, value)) in dimensions.iter().enumerate() {
        // Writing text to memory does not fail.
        let _ = write!(text, "{}{name}={value}", if at == 0 { " {" } else { ", " });
    }
    if !dimensions.is_empty() {
        text.push('}');
    }
    text.truncate(MAX_LENGTH);
    text
}

#[cfg(test)]
mod tests {
    use acpw_metric::{DimensionName, DimensionValue};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    const MINUTE: Duration = Duration::from_secs(60);

    /// Records a value of one metric for each of these sets of dimensions.
    fn record_series(
        cardinality: &mut Cardinality,
        sets: impl IntoIterator<Item = Dimensions>,
        now: Duration,
    ) -> Option<Notice> {
        let (namespace, name) = (Namespace::new("N").unwrap(), MetricName::new("Requests").unwrap());
        for dimensions in sets {
            cardinality.record_series(&namespace, &name, &dimensions, 1, now);
            cardinality.record_dimensions(DataKind::OBSERVED, &dimensions, now);
        }
        cardinality.poll_notice(now)
    }

    fn dimensions(pairs: &[(&str, &str)]) -> Dimensions {
        let pair =
            |(name, value): &(&str, &str)| (DimensionName::new(name).unwrap(), DimensionValue::new(value).unwrap());
        Dimensions::new(pairs.iter().map(pair).collect()).unwrap()
    }

    fn numbered(n: usize) -> Dimensions {
        dimensions(&[("n", &n.to_string())])
    }

    fn paths(paths: &[&str]) -> Vec<Dimensions> {
        let host = |path: &str| if path == OVERFLOW_VALUE { OVERFLOW_VALUE } else { "h" };
        paths.iter().map(|path| dimensions(&[("host", host(path)), ("path", path)])).collect()
    }

    #[test]
    fn series_are_counted_for_an_hour_and_the_biggest_ones_have_names() {
        let mut cardinality = Cardinality::default();
        for n in 0..20 {
            for _ in 0..=n {
                record_series(&mut cardinality, [numbered(n)], SECOND);
            }
        }
        assert_eq!(cardinality.series(), 20);
        let biggest_series = cardinality.biggest_series();
        assert_eq!(biggest_series.len(), BIGGEST_COUNT);
        assert_eq!(biggest_series[0], BigSeries { name: "N Requests {n=19}".to_owned(), data: 20, values: 20 });
        record_series(&mut cardinality, [numbered(3)], MINUTE * 59);
        cardinality.prune(MINUTE * 59);
        assert_eq!(cardinality.series(), 20);
        record_series(&mut cardinality, [Dimensions::default()], MINUTE * 61);
        cardinality.prune(MINUTE * 61);
        assert_eq!(cardinality.series(), 2);
        let named: Vec<_> =
            cardinality.biggest_series().into_iter().map(|series| (series.name, series.values)).collect();
        assert_eq!(named, [("N Requests {n=3}".to_owned(), 5), ("N Requests".to_owned(), 1)]);
    }

    #[test]
    fn memory_is_bounded_for_any_number_of_series() {
        let mut cardinality = Cardinality::default();
        for (count, known) in [(MAX_HASHES - 1, MAX_HASHES - 1), (MAX_HASHES, MAX_HASHES), (MAX_HASHES + 1, MAX_HASHES)]
        {
            record_series(&mut cardinality, (0..count).map(numbered), SECOND);
            assert_eq!((cardinality.series(), cardinality.named.len()), (known as u64, MAX_NAMED));
            assert_eq!(cardinality.values["n"].len(), known);
        }
    }

    #[test]
    fn a_posted_dimension_value_does_not_count_as_overflow() {
        let mut cardinality = Cardinality::default();
        for kind in [DataKind::RECEIVED, DataKind::STATED] {
            cardinality.record_dimensions(kind, &dimensions(&[("path", OVERFLOW_VALUE)]), SECOND);
            cardinality.record_dimensions(kind, &dimensions(&[("path", "/a")]), SECOND);
        }
        assert_eq!(cardinality.poll_notice(SECOND), None);
        cardinality.record_dimensions(DataKind::OBSERVED, &dimensions(&[("path", OVERFLOW_VALUE)]), SECOND);
        let notice = Notice::Overflow { dimension: "path".to_owned(), values: 0 };
        assert_eq!(cardinality.poll_notice(SECOND), Some(notice));
    }

    #[test]
    fn overflow_is_reported_once_with_the_dimension_that_has_the_most_values() {
        let mut cardinality = Cardinality::default();
        assert_eq!(record_series(&mut cardinality, paths(&["/a", "/b"]), SECOND), None);
        let notice = record_series(&mut cardinality, paths(&["/c", OVERFLOW_VALUE]), SECOND * 2);
        assert_eq!(notice, Some(Notice::Overflow { dimension: "path".to_owned(), values: 3 }));
        for n in 3..10 {
            assert_eq!(record_series(&mut cardinality, paths(&[OVERFLOW_VALUE]), SECOND * n), None);
        }
        assert_eq!(record_series(&mut cardinality, paths(&["/a"]), SECOND * 10), None);
        assert!(record_series(&mut cardinality, paths(&[OVERFLOW_VALUE]), SECOND * 10 + HOUR).is_some());
    }
}
