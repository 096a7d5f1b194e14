//! Stores OTLP series: their data points and exact totals, within bounds.

use std::collections::{BTreeMap, VecDeque};

use super::distribution::Distribution;
use super::series_id::{OtlpKind, OtlpSeriesId, OtlpTemporality};
use super::stored_point::{PointValue, StoredPoint};

/// Milliseconds for which data points are kept: fifteen days.
const RETENTION_MILLIS: i64 = 15 * 86_400 * 1_000;

/// The limits of the store.
#[derive(Debug, Clone, Copy)]
struct OtlpStoreLimits {
    /// Maximum number of series. Beyond it, the least recently written series are discarded.
    series: usize,
    /// Maximum number of data points and buckets of all series. Beyond it, the oldest points are discarded.
    entries: usize,
}

impl Default for OtlpStoreLimits {
    fn default() -> Self {
        Self { series: 10_000, entries: 3_000_000 }
    }
}

/// All OTLP series.
#[derive(Debug, Default)]
pub(crate) struct OtlpStore {
    limits: OtlpStoreLimits,
    series: BTreeMap<OtlpSeriesId, OtlpSeries>,
    calls: u64,
    created: u64,
    entries: usize,
    last_expiry_millis: i64,
}

/// One series: its points by time, and its totals over all time.
#[derive(Debug, Default)]
pub(crate) struct OtlpSeries {
    /// Sequence number of the series, in order of creation.
    created: u64,
    /// Sequence number of the last call that wrote to the series.
    written: u64,
    points: VecDeque<StoredPoint>,
    pub(crate) totals: OtlpTotals,
}

/// The totals of a series. They stay exact when points are discarded.
///
/// The changes between cumulative points are added up, so that the totals continue over restarts of the writer: a point
/// with another start time, or one below its predecessor, counts in full.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OtlpTotals {
    /// Number of stored points.
    pub(crate) points: u64,
    /// Number of cumulative points that arrived after a newer one. They do not change the other totals.
    pub(crate) late: u64,
    /// Number of values: the points of a gauge or sum, and the counts of a histogram or summary.
    pub(crate) count: f64,
    /// Sum of the values. For a cumulative sum that is not monotonic, the latest value.
    pub(crate) sum: f64,
    /// Smallest value. For a cumulative sum, the smallest of the totals in its points.
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    /// All values of a histogram; `None` for other kinds.
    pub(crate) distribution: Option<Distribution>,
    /// The latest point of a cumulative series, which is the base of the next one.
    latest: Option<StoredPoint>,
}

impl OtlpStore {
    #[cfg(test)]
    fn with_limits(limits: OtlpStoreLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Stores the points of one request.
    pub(crate) fn put(&mut self, points: Vec<(OtlpSeriesId, StoredPoint)>, now_millis: i64) {
        self.calls += 1;
        for (id, point) in points {
            self.entries += point.entries();
            let accrual = Accrual::of(&id);
            let series = self.series.entry(id).or_insert_with(|| {
                self.created += 1;
                OtlpSeries { created: self.created, ..OtlpSeries::default() }
            });
            series.written = self.calls;
            series.totals.add(&point, accrual);
            // Points usually arrive in order.
            let position = series.points.iter().rposition(|other| other.time_nanos <= point.time_nanos);
            series.points.insert(position.map_or(0, |position| position + 1), point);
        }
        self.enforce_limits(now_millis);
    }

    /// Iterates over all series, sorted by ID.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OtlpSeriesId, &OtlpSeries)> {
        self.series.iter()
    }

    fn enforce_limits(&mut self, now_millis: i64) {
        // Once a minute is enough for what is days old.
        if now_millis.abs_diff(self.last_expiry_millis) >= 60_000 {
            self.last_expiry_millis = now_millis;
            self.discard_points_until(now_millis.saturating_sub(RETENTION_MILLIS));
        }
        if self.series.len() > self.limits.series {
            self.discard_series(self.series.len() - self.limits.series);
        }
        if self.entries > self.limits.entries {
            self.discard_oldest_points();
        }
    }

    fn discard_series(&mut self, excess: usize) {
        let mut by_age: Vec<_> = self.series.values().map(|series| (series.written, series.created)).collect();
        by_age.sort_unstable();
        let Some(newest_discarded) = by_age.get(excess.saturating_sub(1)).copied() else { return };
        self.series.retain(|_, series| (series.written, series.created) > newest_discarded);
        self.recount();
    }

    /// Discards the oldest points until 90 % of the limit is in use, so that not every call to a full store has to scan
    /// it.
    fn discard_oldest_points(&mut self) {
        let points = self.series.values().flat_map(|series| &series.points);
        let mut by_age: Vec<_> = points.map(|point| (point.time_millis(), point.entries())).collect();
        by_age.sort_unstable();
        let mut excess = self.entries.saturating_sub(self.limits.entries / 10 * 9);
        let newest_discarded = by_age.iter().find(|(_, entries)| {
            excess = excess.saturating_sub(*entries);
            excess == 0
        });
        if let Some((horizon, _)) = newest_discarded.copied() {
            self.discard_points_until(horizon);
        }
    }

    fn discard_points_until(&mut self, horizon_millis: i64) {
        for series in self.series.values_mut() {
            let kept = series.points.partition_point(|point| point.time_millis() <= horizon_millis);
            series.points.drain(..kept);
        }
        self.recount();
    }

    fn recount(&mut self) {
        self.entries = self.series.values().flat_map(|series| &series.points).map(StoredPoint::entries).sum();
    }
}

impl OtlpSeries {
    /// Iterates over the points that are still kept, by time.
    pub(crate) fn points(&self) -> impl DoubleEndedIterator<Item = &StoredPoint> + ExactSizeIterator {
        self.points.iter()
    }

    /// Iterates over the points in the time range (after, until], in milliseconds since the epoch.
    pub(crate) fn points_between(&self, after: i64, until: i64) -> impl DoubleEndedIterator<Item = &StoredPoint> {
        let first = self.points.partition_point(|point| point.time_millis() <= after);
        let end = self.points.partition_point(|point| point.time_millis() <= until).max(first);
        self.points.range(first..end)
    }
}

/// The way in which the points of a series add up to its totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accrual {
    /// Each point counts in full.
    Each,
    /// The change from the previous point counts.
    Change,
    /// Only the latest point counts.
    Latest,
}

impl Accrual {
    fn of(id: &OtlpSeriesId) -> Self {
        match (id.kind, id.temporality) {
            // The count and the sum of a summary are cumulative by definition.
            (OtlpKind::Summary, _) => Self::Change,
            (OtlpKind::Sum, Some(OtlpTemporality::Cumulative)) if !id.is_monotonic => Self::Latest,
            (_, Some(OtlpTemporality::Cumulative)) => Self::Change,
            _ => Self::Each,
        }
    }
}

impl OtlpTotals {
    fn add(&mut self, point: &StoredPoint, accrual: Accrual) {
        self.points += 1;
        if self.latest.as_ref().is_some_and(|latest| latest.time_nanos > point.time_nanos) {
            self.late += 1;
            return;
        }
        let base = self.latest.take().filter(|latest| accrual == Accrual::Change && point.continues(latest));
        match (&point.value, base.map(|base| base.value)) {
            (PointValue::Number(value), base) => {
                let before = if let Some(PointValue::Number(before)) = base { before } else { 0.0 };
                self.sum = if accrual == Accrual::Latest { *value } else { self.sum + value - before };
                self.count += 1.0;
                self.widen(Some(*value), Some(*value));
            }
            (PointValue::Distribution { distribution, min, max }, base) => {
                let mut change = distribution.clone();
                if let Some(PointValue::Distribution { distribution: before, .. }) = base {
                    // All points of a series have the same kind of buckets, because the kind identifies the series.
                    let _same_kind = change.add(&before, -1.0);
                }
                self.count += change.count;
                self.sum += change.sum;
                self.widen(*min, *max);
                match &mut self.distribution {
                    Some(total) => {
                        let _same_kind = total.add(&change, 1.0);
                    }
                    None => self.distribution = Some(change),
                }
            }
            (PointValue::Summary { count, sum, .. }, base) => {
                let (count_before, sum_before) = match base {
                    Some(PointValue::Summary { count, sum, .. }) => (count, sum),
                    _ => (0.0, 0.0),
                };
                self.count += count - count_before;
                self.sum += sum - sum_before;
            }
        }
        if accrual != Accrual::Each {
            self.latest = Some(point.clone());
        }
    }

    fn widen(&mut self, min: Option<f64>, max: Option<f64>) {
        self.min = self.min.into_iter().chain(min).reduce(f64::min);
        self.max = self.max.into_iter().chain(max).reduce(f64::max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::distribution::Buckets;
    use crate::otlp::exponential_buckets::ExponentialBuckets;

    const NOW: i64 = 1_795_170_600_000;

    fn id(metric: &str, kind: OtlpKind, temporality: Option<OtlpTemporality>) -> OtlpSeriesId {
        OtlpSeriesId {
            metric: metric.into(),
            unit: "1".into(),
            kind,
            temporality,
            is_monotonic: true,
            resource: BTreeMap::new().into(),
            scope: crate::otlp::series_id::OtlpScope::default().into(),
            attributes: BTreeMap::new(),
        }
    }

    /// Creates a point; times are in seconds before `NOW`.
    fn point(start: i64, time: i64, value: PointValue) -> StoredPoint {
        let nanos = |seconds: i64| (NOW as u64 - seconds as u64 * 1_000) * 1_000_000;
        StoredPoint { start_nanos: nanos(start), time_nanos: nanos(time), value }
    }

    fn number(start: i64, time: i64, value: f64) -> StoredPoint {
        point(start, time, PointValue::Number(value))
    }

    fn totals(id: &OtlpSeriesId, points: &[StoredPoint]) -> OtlpTotals {
        let mut store = OtlpStore::default();
        for point in points {
            store.put(vec![(id.clone(), point.clone())], NOW);
        }
        let (_, series) = store.iter().next().unwrap();
        series.totals.clone()
    }

    #[test]
    fn delta_points_add_up_in_any_order() {
        let delta = id("m", OtlpKind::Sum, Some(OtlpTemporality::Delta));
        let found = totals(&delta, &[number(60, 40, 5.0), number(90, 60, 2.0), number(40, 20, 0.0)]);
        assert_eq!((found.points, found.count, found.sum, found.min, found.max), (3, 3.0, 7.0, Some(0.0), Some(5.0)));
    }

    #[test]
    fn cumulative_points_count_their_changes_over_restarts() {
        let cumulative = id("m", OtlpKind::Sum, Some(OtlpTemporality::Cumulative));
        let points = [
            number(90, 80, 5.0),
            number(90, 70, 9.0),
            // A late one, which is part of the one above.
            number(90, 75, 7.0),
            // The writer has restarted.
            number(60, 50, 10.0),
            // It has restarted again and does not know when it began.
            number(60, 40, 3.0),
        ];
        let found = totals(&cumulative, &points);
        assert_eq!((found.points, found.late, found.sum), (5, 1, 22.0));
        let level = OtlpSeriesId { is_monotonic: false, ..cumulative };
        assert_eq!(totals(&level, &points).sum, 3.0);
    }

    #[test]
    fn a_cumulative_histogram_counts_the_changes_of_its_buckets() {
        let histogram = |time, scale, counts: &[(i32, f64)]| {
            let count = counts.iter().map(|(_, count)| count).sum();
            let positive = counts.iter().copied().collect();
            let buckets = ExponentialBuckets { scale, positive, ..ExponentialBuckets::default() };
            let distribution = Distribution { count, sum: count * 2.0, buckets: Buckets::Exponential(buckets) };
            point(90, time, PointValue::Distribution { distribution, min: Some(0.5), max: Some(time as f64) })
        };
        let cumulative = id("m", OtlpKind::ExponentialHistogram, Some(OtlpTemporality::Cumulative));
        let points = [
            histogram(80, 1, &[(0, 2.0), (1, 1.0)]),
            histogram(70, 0, &[(0, 5.0), (4, 1.0)]),
            // Fewer values than before: a restart.
            histogram(60, 0, &[(0, 1.0)]),
        ];
        let found = totals(&cumulative, &points);
        assert_eq!((found.count, found.sum, found.min, found.max), (7.0, 14.0, Some(0.5), Some(80.0)));
        let Some(Buckets::Exponential(buckets)) = found.distribution.map(|total| total.buckets) else { panic!() };
        assert_eq!((buckets.scale, buckets.positive), (0, BTreeMap::from([(0, 6.0), (4, 1.0)])));
    }

    #[test]
    fn points_are_sorted_by_time_and_ranges_exclude_their_start() {
        let gauge = id("m", OtlpKind::Gauge, None);
        let mut store = OtlpStore::default();
        for time in [40, 60, 50] {
            store.put(vec![(gauge.clone(), number(0, time, time as f64))], NOW);
        }
        let (_, series) = store.iter().next().unwrap();
        let times = |after: i64, until: i64| -> Vec<i64> {
            let points = series.points_between(NOW - after * 1_000, NOW - until * 1_000);
            points.map(|point| (NOW - point.time_millis()) / 1_000).collect()
        };
        assert_eq!((times(70, 0), times(60, 40), times(40, 40)), (vec![60, 50, 40], vec![50, 40], vec![]));
        assert_eq!(times(0, 90), Vec::<i64>::new());
    }

    #[test]
    fn the_series_written_least_recently_are_discarded() {
        let mut store = OtlpStore::with_limits(OtlpStoreLimits { series: 2, entries: 1_000 });
        for name in ["b", "a", "b", "c"] {
            store.put(vec![(id(name, OtlpKind::Gauge, None), number(0, 10, 1.0))], NOW);
        }
        assert_eq!(store.iter().map(|(id, _)| &*id.metric).collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn the_oldest_points_are_discarded_but_stay_in_the_totals() {
        let mut store = OtlpStore::with_limits(OtlpStoreLimits { series: 10, entries: 20 });
        let gauge = id("m", OtlpKind::Gauge, None);
        for time in (0..21).rev() {
            store.put(vec![(gauge.clone(), number(0, time, 1.0))], NOW);
        }
        let (_, series) = store.iter().next().unwrap();
        assert_eq!((series.points().len(), series.totals.count), (18, 21.0));
        assert_eq!(series.points().next().map(StoredPoint::time_millis), Some(NOW - 17_000));
        assert_eq!(store.entries, 18);
        store.put(vec![(gauge, number(0, 0, 1.0))], NOW + RETENTION_MILLIS);
        assert_eq!(store.iter().next().unwrap().1.points().len(), 0);
    }
}
