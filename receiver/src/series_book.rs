//! Which series are published: how many, since CloudWatch bills them, and the biggest of them, for those who wonder why.

use std::{collections::HashMap, fmt::Write as _, hash::BuildHasher as _};

use acpw_metric::{Dimensions, Timestamp};
use serde::Serialize;

/// Series told apart; further ones are counted together.
const MAX_SERIES: usize = 50_000;

/// Series whose names are kept.
const MAX_NAMED: usize = 200;

/// Series that are told.
const BIGGEST: usize = 10;

const HOUR_MILLIS: i64 = 3_600_000;

/// The series of the last hour.
#[derive(Debug, Default)]
pub struct SeriesBook {
    hasher: foldhash::fast::RandomState,
    seen: HashMap<u64, Entry>,
    named: usize,
    pruned: Option<Timestamp>,
}

#[derive(Debug)]
struct Entry {
    last: Timestamp,
    data: u64,
    values: u64,
    name: Option<Box<str>>,
}

/// A series with what was published of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BigSeries {
    /// Namespace, name and dimensions.
    pub name: String,
    /// Data since it was first seen.
    pub data: u64,
    /// Their values.
    pub values: u64,
}

impl SeriesBook {
    /// Notes a datum of a series that is published with so many values.
    pub fn note(&mut self, namespace: &str, metric: &str, dimensions: &Dimensions, values: u64, now: Timestamp) {
        self.prune(now);
        let hash = self.hasher.hash_one((namespace, metric, dimensions));
        if !self.seen.contains_key(&hash) && self.seen.len() >= MAX_SERIES {
            return;
        }
        let entry = self.seen.entry(hash).or_insert(Entry { last: now, data: 0, values: 0, name: None });
        entry.last = now;
        entry.data = entry.data.saturating_add(1);
        entry.values = entry.values.saturating_add(values);
        if entry.name.is_none() && self.named < MAX_NAMED {
            entry.name = Some(name(namespace, metric, dimensions).into());
            self.named = self.named.saturating_add(1);
        }
    }

    /// How many series were published within the last hour, up to 50,000.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Those with the most values, of the first 200 by name.
    pub fn biggest(&self) -> Vec<BigSeries> {
        let named = self.seen.values().filter_map(|entry| Some((entry.name.as_ref()?, entry)));
        let mut biggest: Vec<_> = named
            .map(|(name, entry)| BigSeries { name: name.to_string(), data: entry.data, values: entry.values })
            .collect();
        biggest.sort_by(|left, right| right.values.cmp(&left.values).then_with(|| left.name.cmp(&right.name)));
        biggest.truncate(BIGGEST);
        biggest
    }

    /// Forgets, once a minute, what was not published for an hour.
    fn prune(&mut self, now: Timestamp) {
        if self.pruned.is_some_and(|pruned| now.millis_since(pruned).abs() < 60_000) {
            return;
        }
        self.pruned = Some(now);
        self.seen.retain(|_, entry| now.millis_since(entry.last) < HOUR_MILLIS);
        self.named = self.seen.values().filter(|entry| entry.name.is_some()).count();
    }
}

fn name(namespace: &str, metric: &str, dimensions: &Dimensions) -> String {
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

    fn dimensions(value: usize) -> Dimensions {
        let value = DimensionValue::new(&value.to_string()).unwrap();
        Dimensions::new(vec![(DimensionName::new("n").unwrap(), value)]).unwrap()
    }

    #[test]
    fn series_are_counted_for_an_hour_and_the_biggest_are_named() {
        let mut book = SeriesBook::default();
        let at = |minute: u64| Timestamp::from_secs(1_787_400_000 + 60 * minute);
        for n in 0..20 {
            for _ in 0..2 {
                book.note("N", "M", &dimensions(n), n as u64, at(0));
            }
        }
        assert_eq!(book.len(), 20);
        let biggest = book.biggest();
        assert_eq!(biggest.len(), BIGGEST);
        assert_eq!(biggest[0], BigSeries { name: "N M {n=19}".to_owned(), data: 2, values: 38 });
        book.note("N", "M", &dimensions(3), 1, at(59));
        assert_eq!(book.len(), 20);
        book.note("N", "M", &dimensions(3), 1, at(61));
        assert_eq!(book.len(), 1);
        book.note("N", "M", &Dimensions::default(), 1, at(61));
        assert_eq!(book.biggest()[1].name, "N M");
    }

    #[test]
    fn as_many_series_as_one_likes_take_bounded_memory() {
        let mut book = SeriesBook::default();
        for n in 0..MAX_SERIES + 100 {
            book.note("N", "M", &dimensions(n), 1, Timestamp::from_secs(1_787_400_000));
        }
        assert_eq!((book.len(), book.named), (MAX_SERIES, MAX_NAMED));
    }
}
