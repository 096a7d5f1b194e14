//! Stores series and their buckets, aggregated as in CloudWatch and bounded.

use std::collections::BTreeMap;

use crate::datum::{MetricDatum, StorageResolution};
use crate::metric::MetricId;
use crate::statistics::{SampleBucket, StatisticSet};
use crate::unit::StandardUnit;

/// Seconds after which one-second buckets are merged into minutes: three hours.
pub(crate) const SECOND_RETENTION: i64 = 3 * 3_600;
/// Seconds after which one-minute buckets are discarded: fifteen days.
pub(crate) const MINUTE_RETENTION: i64 = 15 * 86_400;

/// The limits of the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreLimits {
    /// Maximum number of series. Beyond it, the least recently written series are discarded.
    pub(crate) series: usize,
    /// Maximum number of buckets and distinct values of all series. Beyond it, the oldest buckets are discarded.
    pub(crate) entries: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self { series: 10_000, entries: 3_000_000 }
    }
}

/// Identifies a series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeriesId {
    pub(crate) metric: MetricId,
    pub(crate) unit: StandardUnit,
}

/// One series: its buckets, and its totals over all time.
#[derive(Debug)]
pub(crate) struct StoredSeries {
    /// Sequence number of the series, in order of creation.
    pub(crate) created: u64,
    /// Sequence number of the last call that wrote to the series.
    written: u64,
    /// Time of that call, in seconds since the epoch.
    pub(crate) updated: i64,
    pub(crate) statistics: StatisticSet,
    pub(crate) data: u64,
    seconds: BTreeMap<i64, SampleBucket>,
    minutes: BTreeMap<i64, SampleBucket>,
}

/// All series.
#[derive(Debug, Default)]
pub(crate) struct MetricStore {
    limits: StoreLimits,
    series: BTreeMap<SeriesId, StoredSeries>,
    created: u64,
    calls: u64,
    entries: usize,
    last_merge_minute: i64,
}

impl MetricStore {
    #[cfg(test)]
    fn with_limits(limits: StoreLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Stores the data of one request. `now` is in seconds since the epoch.
    pub(crate) fn put(&mut self, namespace: &str, data: Vec<MetricDatum>, now: i64) {
        self.calls += 1;
        for datum in data {
            let metric =
                MetricId { namespace: namespace.to_owned(), name: datum.metric_name, dimensions: datum.dimensions };
            let series = self.series.entry(SeriesId { metric, unit: datum.unit }).or_insert_with(|| {
                self.created += 1;
                StoredSeries::new(self.created)
            });
            let before = series.entries_at(datum.resolution, datum.timestamp);
            let measurement = &datum.measurement;
            series.statistics.merge(&measurement.statistics);
            series.data += 1;
            series.updated = now;
            series.written = self.calls;
            series
                .bucket(datum.resolution, datum.timestamp)
                .add(&measurement.statistics, measurement.values.as_deref());
            self.entries += series.entries_at(datum.resolution, datum.timestamp).saturating_sub(before);
        }
        self.enforce_limits(now);
    }

    /// Iterates over all series, sorted by ID.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SeriesId, &StoredSeries)> {
        self.series.iter()
    }

    /// Iterates over the series of a metric: one for each unit.
    pub(crate) fn series_of<'a>(
        &'a self,
        metric: &'a MetricId,
    ) -> impl Iterator<Item = (StandardUnit, &'a StoredSeries)> {
        self.iter().filter(move |(id, _)| id.metric == *metric).map(|(id, series)| (id.unit, series))
    }

    fn enforce_limits(&mut self, now: i64) {
        let minute = now.div_euclid(60);
        if minute != self.last_merge_minute {
            self.last_merge_minute = minute;
            self.series.values_mut().for_each(|series| series.merge_old_seconds(now));
            self.recount();
        }
        if self.series.len() > self.limits.series {
            self.discard_series(self.series.len() - self.limits.series);
        }
        if self.entries > self.limits.entries {
            self.discard_oldest_buckets();
        }
    }

    fn recount(&mut self) {
        self.entries =
            self.series.values().flat_map(StoredSeries::buckets).map(|(_, _, bucket)| bucket.entries()).sum();
    }

    fn discard_series(&mut self, excess: usize) {
        let mut by_age: Vec<_> = self.series.values().map(|series| (series.written, series.created)).collect();
        by_age.sort_unstable();
        let Some(newest_discarded) = by_age.get(excess.saturating_sub(1)).copied() else { return };
        self.series.retain(|_, series| (series.written, series.created) > newest_discarded);
        self.recount();
    }

    /// Discards the oldest buckets until 90 % of the limit is in use, so that not every call to a full store has to
    /// scan it.
    fn discard_oldest_buckets(&mut self) {
        let mut by_age: Vec<_> = self
            .series
            .values()
            .flat_map(StoredSeries::buckets)
            .map(|(timestamp, _, bucket)| (timestamp, bucket.entries()))
            .collect();
        by_age.sort_unstable();
        let mut excess = self.entries.saturating_sub(self.limits.entries / 10 * 9);
        let newest_discarded = by_age.iter().find(|(_, entries)| {
            excess = excess.saturating_sub(*entries);
            excess == 0
        });
        let Some((horizon, _)) = newest_discarded.copied() else { return };
        for series in self.series.values_mut() {
            series.seconds = series.seconds.split_off(&(horizon + 1));
            series.minutes = series.minutes.split_off(&(horizon + 1));
        }
        self.recount();
    }
}

impl StoredSeries {
    fn new(created: u64) -> Self {
        Self {
            created,
            written: 0,
            updated: 0,
            statistics: StatisticSet::EMPTY,
            data: 0,
            seconds: BTreeMap::new(),
            minutes: BTreeMap::new(),
        }
    }

    /// Iterates over all buckets with their start and resolution: first minutes, then seconds, each by time.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (i64, StorageResolution, &SampleBucket)> {
        let of = |resolution| move |(timestamp, bucket): (&i64, _)| (*timestamp, resolution, bucket);
        self.minutes
            .iter()
            .map(of(StorageResolution::Minute))
            .chain(self.seconds.iter().map(of(StorageResolution::Second)))
    }

    /// Aggregates the samples in `[start, end)` into periods of `period` seconds, aligned to `start`. Returns the
    /// buckets by start of period. Periods below one minute contain only data with a resolution of one second.
    pub(crate) fn aggregate(&self, start: i64, end: i64, period: i64) -> BTreeMap<i64, SampleBucket> {
        let mut periods = BTreeMap::new();
        if start >= end || period < 1 {
            return periods;
        }
        let minutes = (period >= 60).then_some(&self.minutes);
        for (timestamp, bucket) in
            minutes.into_iter().chain([&self.seconds]).flat_map(|buckets| buckets.range(start..end))
        {
            let period_start = start + (timestamp - start).div_euclid(period) * period;
            periods.entry(period_start).or_insert_with(SampleBucket::new).merge(bucket);
        }
        periods
    }

    fn buckets_mut(&mut self, resolution: StorageResolution) -> &mut BTreeMap<i64, SampleBucket> {
        match resolution {
            StorageResolution::Second => &mut self.seconds,
            StorageResolution::Minute => &mut self.minutes,
        }
    }

    fn bucket(&mut self, resolution: StorageResolution, timestamp: i64) -> &mut SampleBucket {
        self.buckets_mut(resolution).entry(bucket_start(timestamp, resolution)).or_insert_with(SampleBucket::new)
    }

    fn entries_at(&mut self, resolution: StorageResolution, timestamp: i64) -> usize {
        self.buckets_mut(resolution).get(&bucket_start(timestamp, resolution)).map_or(0, SampleBucket::entries)
    }

    /// Merges old seconds into minutes and discards old minutes.
    fn merge_old_seconds(&mut self, now: i64) {
        let kept = self.seconds.split_off(&(now - SECOND_RETENTION));
        for (timestamp, bucket) in std::mem::replace(&mut self.seconds, kept) {
            self.bucket(StorageResolution::Minute, timestamp).merge(&bucket);
        }
        self.minutes = self.minutes.split_off(&(now - MINUTE_RETENTION));
    }
}

fn bucket_start(timestamp: i64, resolution: StorageResolution) -> i64 {
    timestamp - timestamp.rem_euclid(resolution.seconds())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::Measurement;
    use crate::metric::DimensionMap;

    const NOW: i64 = 1_795_170_600;

    fn datum(name: &str, timestamp: i64, resolution: StorageResolution, value: f64) -> MetricDatum {
        let measurement =
            Measurement { statistics: StatisticSet::repeated(value, 1.0), values: Some(vec![(value, 1.0)]) };
        let dimensions = DimensionMap::new();
        MetricDatum {
            metric_name: name.into(),
            dimensions,
            unit: StandardUnit::NONE,
            timestamp,
            resolution,
            measurement,
        }
    }

    fn only(store: &MetricStore) -> &StoredSeries {
        store.iter().next().unwrap().1
    }

    fn shape(series: &StoredSeries) -> Vec<(i64, StorageResolution, f64)> {
        series.buckets().map(|(at, resolution, bucket)| (at - NOW, resolution, bucket.statistics.sum)).collect()
    }

    #[test]
    fn data_is_summed_by_period_and_resolution() {
        let mut store = MetricStore::default();
        let data = [
            (0, StorageResolution::Minute),
            (59, StorageResolution::Minute),
            (60, StorageResolution::Minute),
            (1, StorageResolution::Second),
            (1, StorageResolution::Second),
            (2, StorageResolution::Second),
        ];
        store.put("n", data.map(|(at, resolution)| datum("m", NOW + at, resolution, 1.0)).to_vec(), NOW);
        let minute = StorageResolution::Minute;
        let second = StorageResolution::Second;
        assert_eq!(shape(only(&store)), [(0, minute, 2.0), (60, minute, 1.0), (1, second, 2.0), (2, second, 1.0)]);
        assert_eq!((only(&store).data, only(&store).statistics.sum), (6, 6.0));
    }

    #[test]
    fn units_and_dimensions_distinguish_series() {
        let mut store = MetricStore::default();
        let plain = datum("m", NOW, StorageResolution::Minute, 1.0);
        let other = MetricDatum { dimensions: [("a".to_owned(), "b".to_owned())].into(), ..plain.clone() };
        store.put("n", vec![plain.clone(), plain.clone(), other], NOW);
        store.put("n2", vec![plain], NOW);
        assert_eq!(store.iter().map(|(_, series)| series.data).collect::<Vec<_>>(), [2, 1, 1]);
    }

    #[test]
    fn periods_are_aligned_to_the_start() {
        let mut store = MetricStore::default();
        let data = (0..10).map(|at| datum("m", NOW + at, StorageResolution::Second, 1.0)).collect();
        store.put("n", data, NOW);
        let sums = |start, end, period| -> Vec<_> {
            let periods = only(&store).aggregate(NOW + start, NOW + end, period);
            periods.into_iter().map(|(at, bucket)| (at - NOW, bucket.statistics.sum)).collect()
        };
        assert_eq!(sums(0, 10, 5), [(0, 5.0), (5, 5.0)]);
        assert_eq!(sums(1, 9, 5), [(1, 5.0), (6, 3.0)]);
        assert_eq!(sums(0, 60, 60), [(0, 10.0)]);
        assert_eq!(sums(5, 5, 1), []);
    }

    #[test]
    fn short_periods_exclude_minute_data() {
        let mut store = MetricStore::default();
        store.put("n", vec![datum("m", NOW, StorageResolution::Minute, 1.0)], NOW);
        assert!(only(&store).aggregate(NOW, NOW + 60, 30).is_empty());
        assert_eq!(only(&store).aggregate(NOW, NOW + 60, 60).len(), 1);
    }

    #[test]
    fn old_seconds_are_merged_and_old_minutes_discarded() {
        let mut store = MetricStore::default();
        store.put(
            "n",
            vec![datum("m", NOW, StorageResolution::Second, 1.0), datum("m", NOW + 1, StorageResolution::Second, 2.0)],
            NOW,
        );
        store.put("n", vec![datum("m", NOW, StorageResolution::Minute, 4.0)], NOW + SECOND_RETENTION + 60);
        assert_eq!(shape(only(&store)), [(0, StorageResolution::Minute, 7.0)]);
        let late = NOW + MINUTE_RETENTION + 60;
        store.put("n", vec![datum("m", late, StorageResolution::Minute, 8.0)], late);
        assert_eq!(only(&store).buckets().count(), 1);
        assert_eq!(only(&store).statistics.sum, 15.0);
    }

    #[test]
    fn the_least_recently_written_series_is_discarded_first() {
        let mut store = MetricStore::with_limits(StoreLimits { series: 2, ..StoreLimits::default() });
        for name in ["a", "b", "a", "c"] {
            store.put("n", vec![datum(name, NOW, StorageResolution::Minute, 1.0)], NOW);
        }
        assert_eq!(store.iter().map(|(id, _)| id.metric.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn the_oldest_buckets_are_discarded_first_and_totals_stay() {
        let mut store = MetricStore::with_limits(StoreLimits { entries: 100, ..StoreLimits::default() });
        for at in 0..200 {
            store.put("n", vec![datum("m", NOW + at, StorageResolution::Second, 1.0)], NOW);
            assert!(store.entries <= 100);
        }
        assert_eq!(shape(only(&store)).last().unwrap().0, 199);
        assert_eq!(only(&store).statistics.count, 200.0);
    }
}
