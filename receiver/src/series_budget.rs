//! Bounds the series of all senders together.
//!
//! A sender's `max_series` applies to one worker, so its effect on the bill grows with the number of workers. The
//! receiver's `max_series` bounds the whole Envoy.

use std::{hash::BuildHasher, time::Duration};

use acpw_metric::{LargeMap, Metric, RandomState, Record, RecordGroup, dimension::OVERFLOW_VALUE};

use crate::notice::Notice;

/// The time after which a series without new values makes room. CloudWatch bills a series for each hour in which it has
/// data, so a shorter time would admit more series per hour than the limit.
const IDLE_LIMIT: Duration = Duration::from_secs(60 * 60);

/// The time between two searches for idle series.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);

/// The series that senders have reported within the last hour, up to a limit. A series is a metric with dimensions.
#[derive(Debug, Default)]
pub struct SeriesBudget {
    limit: Option<usize>,
    hasher: RandomState,
    /// The sets of dimensions by hash. Hashes take less memory than names.
    entries: LargeMap<u64, Entry>,
    /// The number of series in all entries.
    series: usize,
    pruned: Duration,
    overflow: Overflow,
}

/// The hashes of the metrics with one set of dimensions.
#[derive(Debug)]
struct Entry {
    metrics: Vec<u64>,
    seen: Duration,
}

#[derive(Debug, Default)]
struct Overflow {
    /// The number of values counted under `__other__` since the last call of `take_overflow`.
    values: u64,
    /// The time at which a value was last counted under `__other__`.
    last: Option<Duration>,
    is_unreported: bool,
}

/// The dimensions under which the metrics of a group are counted.
#[derive(Debug)]
pub struct Admitted<'a> {
    own: Vec<(&'a str, &'a str)>,
    overflow: Vec<(&'a str, &'a str)>,
    /// The metrics that exceed the limit.
    refused: Vec<&'a Metric>,
}

impl Admitted<'_> {
    /// Returns the dimensions under which a metric is counted, in ascending order of their names.
    pub fn dimensions(&self, metric: &Metric) -> &[(&str, &str)] {
        if self.refused.contains(&metric) { &self.overflow } else { &self.own }
    }
}

impl SeriesBudget {
    /// Creates a budget of `limit` series, or an unlimited one.
    pub fn new(limit: Option<usize>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Returns the dimensions under which the data of a group is counted. If there is no room for all metrics of a new
    /// set of dimensions, its values are counted under `__other__`; dimensions with constant values are kept. Totals
    /// are exact in both cases.
    ///
    /// Posted data has the dimensions that clients have chosen, and is always admitted.
    pub fn admit<'a>(&mut self, record: &'a Record<'a>, group: &'a RecordGroup<'a>, now: Duration) -> Admitted<'a> {
        let own: Vec<_> = record.dimensions_of(group).collect();
        let mut admitted = Admitted { own, overflow: Vec::new(), refused: Vec::new() };
        // A sender has already counted these under `__other__`.
        let is_overflow = admitted.own.iter().any(|(_, value)| *value == OVERFLOW_VALUE);
        let Some(limit) = self.limit.filter(|_| !group.kind().is_posted() && !is_overflow) else { return admitted };
        self.prune(now);
        let origin = record.origin();
        let key = self.hasher.hash_one((&origin.namespace, &origin.entity, &admitted.own));
        let hash = |metric: &Metric| self.hasher.hash_one(metric);
        let room = limit.saturating_sub(self.series);
        match self.entries.get_mut(&key) {
            Some(entry) => {
                entry.seen = now;
                for (metric, _) in record.distributions_of(group) {
                    let hash = hash(metric);
                    if entry.metrics.contains(&hash) {
                        continue;
                    }
                    if self.series < limit {
                        entry.metrics.push(hash);
                        self.series = self.series.saturating_add(1);
                    } else {
                        admitted.refused.push(metric);
                    }
                }
            }
            None if record.metrics().len() <= room => {
                let metrics: Vec<u64> = record.metrics().iter().map(hash).collect();
                self.series = self.series.saturating_add(metrics.len());
                self.entries.insert(key, Entry { metrics, seen: now });
            }
            None => admitted.refused.extend(record.distributions_of(group).map(|(metric, _)| metric)),
        }
        if !admitted.refused.is_empty() {
            admitted.overflow = record.overflow_of(group).collect();
            let refused = |(metric, _): &(&Metric, _)| admitted.refused.contains(metric);
            let values = record.distributions_of(group).filter(refused);
            let values = values.map(|(_, distribution)| group.kind().values(distribution.count()));
            self.overflow.add(values.fold(0, u64::saturating_add), now);
        }
        admitted
    }

    /// Returns the number of values counted under `__other__` since the last call.
    pub fn take_overflow(&mut self) -> u64 {
        std::mem::take(&mut self.overflow.values)
    }

    /// Returns a warning when values begin to be counted under `__other__`, at most once an hour.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        let limit = self.limit?;
        std::mem::take(&mut self.overflow.is_unreported).then_some(Notice::TooManySeries { limit })
    }

    fn prune(&mut self, now: Duration) {
        if now.saturating_sub(self.pruned) < PRUNE_INTERVAL {
            return;
        }
        self.pruned = now;
        self.entries.retain(|_, entry| now.saturating_sub(entry.seen) < IDLE_LIMIT);
        self.series = self.entries.values().map(|entry| entry.metrics.len()).sum();
    }
}

impl Overflow {
    fn add(&mut self, values: u64, now: Duration) {
        self.values = self.values.saturating_add(values);
        self.is_unreported |= self.last.is_none_or(|last| now.saturating_sub(last) >= IDLE_LIMIT);
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::{
        Accumulator, DataKind, DimensionName, DimensionValue, Dimensions, Distribution, MetricName, Origin, PeriodKey,
        StorageResolution, Timestamp, Unit,
    };

    use super::*;

    const HOUR: Duration = IDLE_LIMIT;

    fn record(kind: DataKind, paths: &[&str], metrics: &[&str]) -> Vec<u8> {
        let mut data = Accumulator::default();
        let mut one = Distribution::new();
        one.record_n(1.0, 2);
        for path in paths {
            let pair = |name, value| (DimensionName::new(name).unwrap(), DimensionValue::new(value).unwrap());
            let dimensions = Dimensions::new(vec![pair("env", "prod"), pair("path", path)]).unwrap();
            for name in metrics {
                let name = MetricName::new(name).unwrap();
                let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
                let key = PeriodKey::new(Timestamp::from_secs(60), kind, Origin::default(), &metric);
                data.file(key, &dimensions, &metric, &one);
            }
        }
        data.into_records_with(&[DimensionName::new("env").unwrap()], 1 << 16).remove(0)
    }

    /// Returns the path and metric under which each distribution is counted.
    fn counted(budget: &mut SeriesBudget, record: &[u8], now: Duration) -> Vec<String> {
        let record = Record::decode(record).unwrap();
        let mut counted = Vec::new();
        for group in record.groups() {
            let admitted = budget.admit(&record, group, now);
            for (metric, _) in record.distributions_of(group) {
                let dimensions = admitted.dimensions(metric);
                assert_eq!(dimensions[0], ("env", "prod"), "constants are kept");
                counted.push(format!("{} {}", dimensions[1].1, metric.name));
            }
        }
        counted
    }

    #[test]
    fn series_beyond_the_limit_are_counted_as_other() {
        let mut budget = SeriesBudget::new(Some(4));
        let record = record(DataKind::OBSERVED, &["/a", "/b", "/c"], &["Count", "Errors"]);
        for _ in 0..2 {
            let counted = counted(&mut budget, &record, Duration::ZERO);
            let expected = ["/a Count", "/a Errors", "/b Count", "/b Errors", "__other__ Count", "__other__ Errors"];
            assert_eq!(counted, expected);
            assert_eq!(budget.take_overflow(), 4);
        }
        assert!(matches!(budget.poll_notice(), Some(Notice::TooManySeries { limit: 4 })));
        assert!(budget.poll_notice().is_none());
    }

    #[test]
    fn series_without_values_for_an_hour_make_room() {
        let mut budget = SeriesBudget::new(Some(1));
        let record = |path| record(DataKind::OBSERVED, &[path], &["Count"]);
        assert_eq!(counted(&mut budget, &record("/a"), Duration::ZERO), ["/a Count"]);
        assert_eq!(counted(&mut budget, &record("/b"), HOUR - Duration::from_secs(1)), ["__other__ Count"]);
        assert_eq!(counted(&mut budget, &record("/b"), HOUR + PRUNE_INTERVAL), ["/b Count"]);
        assert_eq!(counted(&mut budget, &record("/a"), HOUR + PRUNE_INTERVAL), ["__other__ Count"]);
        assert!(budget.poll_notice().is_some());
    }

    #[test]
    fn a_later_metric_of_known_dimensions_needs_room_too() {
        let mut budget = SeriesBudget::new(Some(2));
        counted(&mut budget, &record(DataKind::OBSERVED, &["/a"], &["Count"]), Duration::ZERO);
        let more = record(DataKind::OBSERVED, &["/a"], &["Count", "Errors", "Latency"]);
        assert_eq!(counted(&mut budget, &more, Duration::ZERO), ["/a Count", "/a Errors", "__other__ Latency"]);
    }

    #[test]
    fn posted_data_and_unlimited_budgets_are_unchanged() {
        let paths = ["/a", "/b", "/c"];
        let names = ["/a Count", "/b Count", "/c Count"];
        for kind in [DataKind::RECEIVED, DataKind::STATED] {
            assert_eq!(
                counted(&mut SeriesBudget::new(Some(1)), &record(kind, &paths, &["Count"]), Duration::ZERO),
                names
            );
        }
        let mut unbounded = SeriesBudget::new(None);
        assert_eq!(counted(&mut unbounded, &record(DataKind::OBSERVED, &paths, &["Count"]), Duration::ZERO), names);
        assert!(unbounded.poll_notice().is_none());
    }
}
