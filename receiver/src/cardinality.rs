//! Which series are published: how many, since CloudWatch bills them, and what makes them many.

use std::{fmt::Write as _, hash::BuildHasher, time::Duration};

use acpw_metric::{DataKind, Dimensions, Map, MetricName, Namespace, RandomState, dimension::OVERFLOW_VALUE};
use acpw_shared_state::BigSeries;

use crate::notice::Notice;

/// CloudWatch bills a series for each hour in which it has data.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Series, and values of one dimension, that are told apart at most.
const MAX_KNOWN: usize = 200_000;

/// Series whose names are kept.
const MAX_NAMED: usize = 200;

/// Series that are told.
const BIGGEST: usize = 10;

/// Counts the series of the last hour, by the steady clock.
#[derive(Debug, Default)]
pub struct Cardinality {
    /// Stands in for series and values by their hashes, which takes less memory than they would.
    hasher: RandomState,
    /// When each series was last published.
    series: Map<u64, Duration>,
    /// What was published of the first of them.
    named: Map<u64, BigSeries>,
    /// When each value of each dimension was last published.
    values: Map<String, Map<u64, Duration>>,
    /// When the overflow was last seen.
    overflow: Option<Duration>,
    /// Dimensions of the overflow that were taken in just now.
    overflowing: Option<Dimensions>,
}

impl Cardinality {
    /// Takes in a datum that is published.
    pub fn note(
        &mut self,
        namespace: &Namespace,
        name: &MetricName,
        dimensions: &Dimensions,
        values: u64,
        now: Duration,
    ) {
        let series = (namespace.as_str(), name.as_str(), dimensions);
        let known = self.hasher.hash_one(series);
        if remember(&mut self.series, known, now) {
            self.count(known, series, values);
        }
    }

    /// Takes in dimensions under which data of this kind are published. Those of posted data are what their
    /// clients chose, and have nothing to do with a sender's `max_series`.
    pub fn note_dimensions(&mut self, kind: DataKind, dimensions: &Dimensions, now: Duration) {
        if kind.is_posted() {
            return;
        }
        for (name, value) in dimensions.iter() {
            if value == OVERFLOW_VALUE {
                self.overflowing = Some(dimensions.clone());
                continue;
            }
            let value = self.hasher.hash_one(value);
            match self.values.get_mut(name) {
                Some(values) => remember(values, value, now),
                None => remember(self.values.entry(name.to_owned()).or_default(), value, now),
            };
        }
    }

    /// A warning when the overflow of a sender has begun.
    pub fn poll_notice(&mut self, now: Duration) -> Option<Notice> {
        let overflow = self.overflowing.take()?;
        let is_new = self.overflow.is_none_or(|last| now.saturating_sub(last) >= HOUR);
        self.overflow = Some(now);
        is_new.then(|| self.overflow_notice(&overflow))
    }

    /// Forgets what was not published for an hour.
    pub fn prune(&mut self, now: Duration) {
        let is_kept = |seen: &Duration| now.saturating_sub(*seen) < HOUR;
        self.series.retain(|_, seen| is_kept(seen));
        self.named.retain(|known, _| self.series.contains_key(known));
        self.values.retain(|_, values| {
            values.retain(|_, seen| is_kept(seen));
            !values.is_empty()
        });
    }

    /// How many series were published within the hour before the last [`prune`](Self::prune), up to 200,000.
    pub fn series(&self) -> u64 {
        self.series.len() as u64
    }

    /// Those with the most values, of 200 whose names are kept.
    pub fn biggest(&self) -> Vec<BigSeries> {
        let mut biggest: Vec<_> = self.named.values().collect();
        biggest.sort_by(|left, right| right.values.cmp(&left.values).then_with(|| left.name.cmp(&right.name)));
        biggest.into_iter().take(BIGGEST).cloned().collect()
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

    fn overflow_notice(&self, overflow: &Dimensions) -> Notice {
        let names = overflow.iter().filter(|(_, value)| *value == OVERFLOW_VALUE).map(|(name, _)| name);
        let counted = names.map(|name| (self.values.get(name).map_or(0, Map::len), name));
        let (values, dimension) = counted.max().unwrap_or_default();
        Notice::Overflow { dimension: dimension.to_owned(), values }
    }
}

/// Whether there is room for it, or was before.
fn remember(known: &mut Map<u64, Duration>, hash: u64, now: Duration) -> bool {
    let is_known = known.len() < MAX_KNOWN || known.contains_key(&hash);
    if is_known {
        known.insert(hash, now);
    }
    is_known
}

fn name((namespace, metric, dimensions): (&str, &str, &Dimensions)) -> String {
    const MOST: usize = 300;
    let mut text = format!("{namespace} {metric}");
    for (at, (name, value)) in dimensions.iter().enumerate() {
        // Writing text to memory does not fail.
        let _ = write!(text, "{}{name}={value}", if at == 0 { " {" } else { ", " });
    }
    if !dimensions.is_empty() {
        text.push('}');
    }
    text.truncate(MOST);
    text
}

#[cfg(test)]
mod tests {
    use acpw_metric::{DimensionName, DimensionValue};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    const MINUTE: Duration = Duration::from_secs(60);

    /// Takes in one value of one metric for each of these sets of dimensions.
    fn note(
        cardinality: &mut Cardinality,
        sets: impl IntoIterator<Item = Dimensions>,
        now: Duration,
    ) -> Option<Notice> {
        let (namespace, name) = (Namespace::new("N").unwrap(), MetricName::new("Requests").unwrap());
        for dimensions in sets {
            cardinality.note(&namespace, &name, &dimensions, 1, now);
            cardinality.note_dimensions(DataKind::OBSERVED, &dimensions, now);
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
    fn series_are_counted_for_an_hour_and_the_biggest_are_named_as_cloudwatch_has_them() {
        let mut cardinality = Cardinality::default();
        for n in 0..20 {
            for _ in 0..=n {
                note(&mut cardinality, [numbered(n)], SECOND);
            }
        }
        assert_eq!(cardinality.series(), 20);
        let biggest = cardinality.biggest();
        assert_eq!(biggest.len(), BIGGEST);
        assert_eq!(biggest[0], BigSeries { name: "N Requests {n=19}".to_owned(), data: 20, values: 20 });
        note(&mut cardinality, [numbered(3)], MINUTE * 59);
        cardinality.prune(MINUTE * 59);
        assert_eq!(cardinality.series(), 20);
        note(&mut cardinality, [Dimensions::default()], MINUTE * 61);
        cardinality.prune(MINUTE * 61);
        assert_eq!(cardinality.series(), 2);
        let named: Vec<_> = cardinality.biggest().into_iter().map(|series| (series.name, series.values)).collect();
        assert_eq!(named, [("N Requests {n=3}".to_owned(), 5), ("N Requests".to_owned(), 1)]);
    }

    #[test]
    fn as_many_series_as_one_likes_take_bounded_memory() {
        let mut cardinality = Cardinality::default();
        for (count, known) in [(MAX_KNOWN - 1, MAX_KNOWN - 1), (MAX_KNOWN, MAX_KNOWN), (MAX_KNOWN + 1, MAX_KNOWN)] {
            note(&mut cardinality, (0..count).map(numbered), SECOND);
            assert_eq!((cardinality.series(), cardinality.named.len()), (known as u64, MAX_NAMED));
            assert_eq!(cardinality.values["n"].len(), known);
        }
    }

    #[test]
    fn a_posted_value_that_looks_like_the_overflow_is_none() {
        let mut cardinality = Cardinality::default();
        for kind in [DataKind::RECEIVED, DataKind::STATED] {
            cardinality.note_dimensions(kind, &dimensions(&[("path", OVERFLOW_VALUE)]), SECOND);
            cardinality.note_dimensions(kind, &dimensions(&[("path", "/a")]), SECOND);
        }
        assert_eq!(cardinality.poll_notice(SECOND), None);
        cardinality.note_dimensions(DataKind::OBSERVED, &dimensions(&[("path", OVERFLOW_VALUE)]), SECOND);
        let notice = Notice::Overflow { dimension: "path".to_owned(), values: 0 };
        assert_eq!(cardinality.poll_notice(SECOND), Some(notice));
    }

    #[test]
    fn the_overflow_is_told_once_with_the_dimension_that_has_the_most_values() {
        let mut cardinality = Cardinality::default();
        assert_eq!(note(&mut cardinality, paths(&["/a", "/b"]), SECOND), None);
        let notice = note(&mut cardinality, paths(&["/c", OVERFLOW_VALUE]), SECOND * 2);
        assert_eq!(notice, Some(Notice::Overflow { dimension: "path".to_owned(), values: 3 }));
        for n in 3..10 {
            assert_eq!(note(&mut cardinality, paths(&[OVERFLOW_VALUE]), SECOND * n), None);
        }
        assert_eq!(note(&mut cardinality, paths(&["/a"]), SECOND * 10), None);
        assert!(note(&mut cardinality, paths(&[OVERFLOW_VALUE]), SECOND * 10 + HOUR).is_some());
    }
}
