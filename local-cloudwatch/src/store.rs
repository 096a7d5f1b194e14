//! Series and their buckets, aggregated as CloudWatch does and bounded.

use std::collections::BTreeMap;

use crate::datum::{Datum, Resolution};
use crate::metric::{Metric, Unit};
use crate::statistics::{Bucket, Statistics};

/// Seconds that buckets of one second are kept before they are folded into minutes: three hours.
pub(crate) const SECOND_RETENTION: i64 = 3 * 3_600;
/// Seconds that buckets of one minute are kept: fifteen days.
pub(crate) const MINUTE_RETENTION: i64 = 15 * 86_400;

/// How much the store holds at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Beyond it the series written longest ago are discarded.
    pub(crate) series: usize,
    /// Buckets and distinct values of all series; beyond it the oldest buckets are discarded.
    pub(crate) entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { series: 10_000, entries: 3_000_000 }
    }
}

/// What tells one series from another. The order of a request's dimensions does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeriesId {
    pub(crate) metric: Metric,
    pub(crate) unit: Unit,
}

/// One series: its buckets, and its totals over all time.
#[derive(Debug)]
pub(crate) struct Series {
    /// Rises with each new series.
    pub(crate) created: u64,
    /// The call that wrote the series last, as a rising number.
    written: u64,
    /// When that was, in seconds since the epoch.
    pub(crate) updated: i64,
    pub(crate) statistics: Statistics,
    pub(crate) data: u64,
    seconds: BTreeMap<i64, Bucket>,
    minutes: BTreeMap<i64, Bucket>,
}

/// All series.
#[derive(Debug, Default)]
pub(crate) struct Store {
    limits: Limits,
    series: BTreeMap<SeriesId, Series>,
    created: u64,
    calls: u64,
    entries: usize,
    folded_minute: i64,
}

impl Store {
    #[cfg(test)]
    fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Stores the data of one request, at `now` seconds since the epoch.
    pub(crate) fn put(&mut self, namespace: &str, data: Vec<Datum>, now: i64) {
        self.calls += 1;
        for datum in data {
            let metric =
                Metric { namespace: namespace.to_owned(), name: datum.metric_name, dimensions: datum.dimensions };
            let series = self.series.entry(SeriesId { metric, unit: datum.unit }).or_insert_with(|| {
                self.created += 1;
                Series::new(self.created)
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
        self.tidy(now);
    }

    /// All series, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SeriesId, &Series)> {
        self.series.iter()
    }

    /// The series of exactly this metric: one per unit.
    pub(crate) fn of_metric<'a>(&'a self, metric: &'a Metric) -> impl Iterator<Item = (Unit, &'a Series)> {
        self.iter().filter(move |(id, _)| id.metric == *metric).map(|(id, series)| (id.unit, series))
    }

    fn tidy(&mut self, now: i64) {
        let minute = now.div_euclid(60);
        if minute != self.folded_minute {
            self.folded_minute = minute;
            self.series.values_mut().for_each(|series| series.fold(now));
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
        self.entries = self.series.values().flat_map(Series::buckets).map(|(_, _, bucket)| bucket.entries()).sum();
    }

    fn discard_series(&mut self, excess: usize) {
        let mut by_age: Vec<_> = self.series.values().map(|series| (series.written, series.created)).collect();
        by_age.sort_unstable();
        let Some(newest_discarded) = by_age.get(excess.saturating_sub(1)).copied() else { return };
        self.series.retain(|_, series| (series.written, series.created) > newest_discarded);
        self.recount();
    }

    /// Makes a tenth of the room, so that a store at its limit is not searched by every call.
    fn discard_oldest_buckets(&mut self) {
        let mut by_age: Vec<_> = self
            .series
            .values()
            .flat_map(Series::buckets)
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

impl Series {
    fn new(created: u64) -> Self {
        Self {
            created,
            written: 0,
            updated: 0,
            statistics: Statistics::EMPTY,
            data: 0,
            seconds: BTreeMap::new(),
            minutes: BTreeMap::new(),
        }
    }

    /// All buckets: start, resolution, content; first the minutes, then the seconds, each by time.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (i64, Resolution, &Bucket)> {
        let of = |resolution| move |(timestamp, bucket): (&i64, _)| (*timestamp, resolution, bucket);
        self.minutes.iter().map(of(Resolution::Minute)).chain(self.seconds.iter().map(of(Resolution::Second)))
    }

    /// The samples of `[start, end)` in periods of `period` seconds counted from `start`, by the period's start.
    /// Periods below a minute see only what was stored per second.
    pub(crate) fn periods(&self, start: i64, end: i64, period: i64) -> BTreeMap<i64, Bucket> {
        let mut periods = BTreeMap::new();
        if start >= end || period < 1 {
            return periods;
        }
        let minutes = (period >= 60).then_some(&self.minutes);
        for (timestamp, bucket) in minutes.into_iter().chain([&self.seconds]).flat_map(|of| of.range(start..end)) {
            let period_start = start + (timestamp - start).div_euclid(period) * period;
            periods.entry(period_start).or_insert_with(Bucket::new).merge(bucket);
        }
        periods
    }

    fn side(&mut self, resolution: Resolution) -> &mut BTreeMap<i64, Bucket> {
        match resolution {
            Resolution::Second => &mut self.seconds,
            Resolution::Minute => &mut self.minutes,
        }
    }

    fn bucket(&mut self, resolution: Resolution, timestamp: i64) -> &mut Bucket {
        self.side(resolution).entry(floor(timestamp, resolution)).or_insert_with(Bucket::new)
    }

    fn entries_at(&mut self, resolution: Resolution, timestamp: i64) -> usize {
        self.side(resolution).get(&floor(timestamp, resolution)).map_or(0, Bucket::entries)
    }

    /// Folds old seconds into minutes and discards old minutes.
    fn fold(&mut self, now: i64) {
        let kept = self.seconds.split_off(&(now - SECOND_RETENTION));
        for (timestamp, bucket) in std::mem::replace(&mut self.seconds, kept) {
            self.bucket(Resolution::Minute, timestamp).merge(&bucket);
        }
        self.minutes = self.minutes.split_off(&(now - MINUTE_RETENTION));
    }
}

fn floor(timestamp: i64, resolution: Resolution) -> i64 {
    timestamp - timestamp.rem_euclid(resolution.seconds())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::Measurement;
    use crate::metric::Dimensions;

    const NOW: i64 = 1_795_170_600;

    fn datum(name: &str, timestamp: i64, resolution: Resolution, value: f64) -> Datum {
        let measurement = Measurement { statistics: Statistics::of(value, 1.0), values: Some(vec![(value, 1.0)]) };
        let dimensions = Dimensions::new();
        Datum { metric_name: name.into(), dimensions, unit: Unit::NONE, timestamp, resolution, measurement }
    }

    fn only(store: &Store) -> &Series {
        store.iter().next().unwrap().1
    }

    fn shape(series: &Series) -> Vec<(i64, Resolution, f64)> {
        series.buckets().map(|(at, resolution, bucket)| (at - NOW, resolution, bucket.statistics.sum)).collect()
    }

    #[test]
    fn data_of_one_period_are_summed_by_their_resolution() {
        let mut store = Store::default();
        let data = [
            (0, Resolution::Minute),
            (59, Resolution::Minute),
            (60, Resolution::Minute),
            (1, Resolution::Second),
            (1, Resolution::Second),
            (2, Resolution::Second),
        ];
        store.put("n", data.map(|(at, resolution)| datum("m", NOW + at, resolution, 1.0)).to_vec(), NOW);
        let minute = Resolution::Minute;
        let second = Resolution::Second;
        assert_eq!(shape(only(&store)), [(0, minute, 2.0), (60, minute, 1.0), (1, second, 2.0), (2, second, 1.0)]);
        assert_eq!((only(&store).data, only(&store).statistics.sum), (6, 6.0));
    }

    #[test]
    fn units_and_dimensions_make_series() {
        let mut store = Store::default();
        let plain = datum("m", NOW, Resolution::Minute, 1.0);
        let other = Datum { dimensions: [("a".to_owned(), "b".to_owned())].into(), ..plain.clone() };
        store.put("n", vec![plain.clone(), plain.clone(), other], NOW);
        store.put("n2", vec![plain], NOW);
        assert_eq!(store.iter().map(|(_, series)| series.data).collect::<Vec<_>>(), [2, 1, 1]);
    }

    #[test]
    fn periods_are_counted_from_the_start() {
        let mut store = Store::default();
        let data = (0..10).map(|at| datum("m", NOW + at, Resolution::Second, 1.0)).collect();
        store.put("n", data, NOW);
        let sums = |start, end, period| -> Vec<_> {
            let periods = only(&store).periods(NOW + start, NOW + end, period);
            periods.into_iter().map(|(at, bucket)| (at - NOW, bucket.statistics.sum)).collect()
        };
        assert_eq!(sums(0, 10, 5), [(0, 5.0), (5, 5.0)]);
        assert_eq!(sums(1, 9, 5), [(1, 5.0), (6, 3.0)]);
        assert_eq!(sums(0, 60, 60), [(0, 10.0)]);
        assert_eq!(sums(5, 5, 1), []);
    }

    #[test]
    fn minutes_are_not_read_below_a_minute() {
        let mut store = Store::default();
        store.put("n", vec![datum("m", NOW, Resolution::Minute, 1.0)], NOW);
        assert!(only(&store).periods(NOW, NOW + 60, 30).is_empty());
        assert_eq!(only(&store).periods(NOW, NOW + 60, 60).len(), 1);
    }

    #[test]
    fn old_seconds_fold_into_minutes_and_old_minutes_go() {
        let mut store = Store::default();
        store.put(
            "n",
            vec![datum("m", NOW, Resolution::Second, 1.0), datum("m", NOW + 1, Resolution::Second, 2.0)],
            NOW,
        );
        store.put("n", vec![datum("m", NOW, Resolution::Minute, 4.0)], NOW + SECOND_RETENTION + 60);
        assert_eq!(shape(only(&store)), [(0, Resolution::Minute, 7.0)]);
        let late = NOW + MINUTE_RETENTION + 60;
        store.put("n", vec![datum("m", late, Resolution::Minute, 8.0)], late);
        assert_eq!(only(&store).buckets().count(), 1);
        assert_eq!(only(&store).statistics.sum, 15.0);
    }

    #[test]
    fn the_series_written_longest_ago_goes_first() {
        let mut store = Store::with_limits(Limits { series: 2, ..Limits::default() });
        for name in ["a", "b", "a", "c"] {
            store.put("n", vec![datum(name, NOW, Resolution::Minute, 1.0)], NOW);
        }
        assert_eq!(store.iter().map(|(id, _)| id.metric.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn the_oldest_buckets_go_first_and_totals_stay() {
        let mut store = Store::with_limits(Limits { entries: 100, ..Limits::default() });
        for at in 0..200 {
            store.put("n", vec![datum("m", NOW + at, Resolution::Second, 1.0)], NOW);
            assert!(store.entries <= 100);
        }
        assert_eq!(shape(only(&store)).last().unwrap().0, 199);
        assert_eq!(only(&store).statistics.count, 200.0);
    }
}
