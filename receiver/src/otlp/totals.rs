//! The totals of series since their start, for cumulative temporality.

use acpw_metric::{Distribution, LargeMap, Timestamp};

/// The time after which a series without new data is forgotten. Should it get data later, it starts again.
const IDLE_MILLIS: i64 = 60 * 60 * 1_000;

/// The time between two searches for idle series.
const PRUNE_MILLIS: i64 = 60 * 1_000;

/// The largest correction of the clock that does not restart all series. AWS refuses the signature of a clock that
/// is further off, so it has stored nothing by such a clock.
const MAX_CORRECTION_MILLIS: u64 = 5 * 60 * 1_000;

/// The totals of all series.
///
/// The start of a series does not change, because a reader takes another start for another process. Its points advance
/// in time, because Prometheus and others refuse points that do not.
#[derive(Debug)]
pub(super) struct Totals {
    limit: usize,
    series: LargeMap<Vec<u8>, Total>,
    /// The time before which idle series were last forgotten.
    pruned: Timestamp,
    /// The latest point of a series that was forgotten. Series begin after it.
    forgotten: Timestamp,
    /// The values beyond the limit since the last call of [`take_dropped`](Self::take_dropped).
    dropped: u64,
    /// True if the endpoint may have stored points.
    is_stored: bool,
    epoch: u64,
}

/// The total of a series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Total {
    /// The start of the first period.
    pub(super) start: Timestamp,
    /// The end of the last period, and after all earlier points.
    pub(super) time: Timestamp,
    /// All values since the start.
    pub(super) distribution: Distribution,
}

impl Totals {
    /// Creates totals of at most `limit` series.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            series: LargeMap::default(),
            pruned: Timestamp::default(),
            forgotten: Timestamp::default(),
            dropped: 0,
            is_stored: false,
            epoch: 0,
        }
    }

    /// Returns the total of a series with the data of one more period, without storing it. `series` identifies the
    /// series, `start` and `end` are those of the period, and `now` is the wall time. Returns `None` if there is no
    /// room for a new series.
    ///
    /// Data of an earlier period than the last one are part of the total from the next millisecond on.
    pub(super) fn next(
        &mut self,
        series: &[u8],
        (start, end): (Timestamp, Timestamp),
        more: &Distribution,
        now: Timestamp,
    ) -> Option<Total> {
        // During an outage data wait, so the time of the data shows which series are idle.
        self.prune(end.min(now));
        let mut total = match self.series.get(series) {
            Some(known) => known.clone(),
            None if self.series.len() >= self.limit => return None,
            None => {
                let start = start.max(self.forgotten);
                Total { start, time: start, distribution: Distribution::new() }
            }
        };
        total.time = end.max(total.time.shifted(1));
        total.distribution.merge(more);
        total.distribution = total.distribution.into_histogram();
        Some(total)
    }

    /// Stores the total that [`next`](Self::next) returned.
    pub(super) fn store(&mut self, series: Vec<u8>, total: Total) {
        self.series.insert(series, total);
    }

    /// Forgets the series that are idle at a time.
    fn prune(&mut self, at: Timestamp) {
        if at.millis_since(self.pruned) < PRUNE_MILLIS {
            return;
        }
        self.pruned = at;
        let forgotten = &mut self.forgotten;
        self.series.retain(|_, total| {
            let is_idle = at.millis_since(total.time) > IDLE_MILLIS;
            if is_idle {
                *forgotten = total.time.max(*forgotten);
            }
            !is_idle
        });
    }

    /// Counts values of a series for which there is no room.
    pub(super) fn drop_values(&mut self, values: u64) {
        self.dropped = self.dropped.saturating_add(values);
    }

    /// Returns the number of values beyond the limit since the last call.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Returns the limit of series.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the number of series.
    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    /// Returns a number that changes when all series restart.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Records that the endpoint may have stored points of an epoch.
    pub(super) fn record_stored(&mut self, epoch: u64) {
        self.is_stored |= epoch == self.epoch;
    }

    /// Restarts all series because the clock was corrected by `millis`, unless the correction is small and the
    /// endpoint may have stored points by the clock as it was. Returns whether they restart.
    pub(super) fn handle_correction(&mut self, millis: i64) -> bool {
        if self.is_stored && millis.unsigned_abs() <= MAX_CORRECTION_MILLIS {
            return false;
        }
        self.restart();
        true
    }

    /// Restarts all series.
    pub(super) fn restart(&mut self) {
        self.series.clear();
        (self.pruned, self.forgotten) = (Timestamp::default(), Timestamp::default());
        self.is_stored = false;
        self.epoch = self.epoch.wrapping_add(1);
    }
}

impl Total {
    /// Returns the approximate memory size in bytes.
    pub(super) fn bytes(&self) -> usize {
        const BUCKET: usize = 16;
        self.distribution.bucket_count().saturating_mul(BUCKET).saturating_add(size_of::<Self>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_787_402_160;
    const HOUR: u64 = 3_600;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_secs(START + second)
    }

    fn one(value: f64) -> Distribution {
        let mut one = Distribution::new();
        one.record(value);
        one
    }

    /// Adds a value to the minute that begins at a second.
    fn add(totals: &mut Totals, series: &str, second: u64) -> Option<(Timestamp, Timestamp, u64)> {
        let times = (at(second), at(second + 60));
        let total = totals.next(series.as_bytes(), times, &one(1.0), times.1)?;
        totals.store(series.as_bytes().to_vec(), total.clone());
        Some((total.start, total.time, total.distribution.count()))
    }

    #[test]
    fn the_start_stays_and_the_points_advance() {
        let mut totals = Totals::new(10);
        assert_eq!(add(&mut totals, "a", 60), Some((at(60), at(120), 1)));
        assert_eq!(add(&mut totals, "a", 120), Some((at(60), at(180), 2)));
        // Late data.
        assert_eq!(add(&mut totals, "a", 0), Some((at(60), at(180).shifted(1), 3)));
        assert_eq!(add(&mut totals, "a", 180), Some((at(60), at(240), 4)));
    }

    #[test]
    fn nothing_changes_until_a_total_is_stored() {
        let mut totals = Totals::new(1);
        for _ in 0..2 {
            assert_eq!(totals.next(b"a", (at(0), at(60)), &one(1.0), at(60)).unwrap().distribution.count(), 1);
        }
        assert_eq!(totals.len(), 0);
    }

    #[test]
    fn there_is_room_for_as_many_series_as_the_limit_says() {
        let mut totals = Totals::new(2);
        assert!(add(&mut totals, "a", 0).is_some() && add(&mut totals, "b", 0).is_some());
        assert_eq!(add(&mut totals, "c", 0), None);
        assert!(add(&mut totals, "a", 60).is_some());
        // An idle series makes room.
        assert_eq!(add(&mut totals, "c", HOUR), None);
        assert!(add(&mut totals, "c", HOUR + 60).is_some());
    }

    #[test]
    fn a_series_that_was_forgotten_starts_again_and_after_its_last_point() {
        let mut totals = Totals::new(10);
        add(&mut totals, "a", 0);
        add(&mut totals, "b", 2 * HOUR);
        assert_eq!(totals.len(), 1);
        // Late data begin no earlier than the last point of the series that was forgotten.
        assert_eq!(add(&mut totals, "a", 0), Some((at(60), at(60).shifted(1), 1)));
        assert_eq!(add(&mut totals, "a", 2 * HOUR), Some((at(60), at(2 * HOUR + 60), 2)));
    }

    #[test]
    fn data_that_wait_during_an_outage_belong_to_the_series_as_it_was() {
        let mut totals = Totals::new(10);
        add(&mut totals, "a", 0);
        let late = totals.next(b"a", (at(60), at(120)), &one(1.0), at(10 * HOUR)).unwrap();
        totals.store(b"a".to_vec(), late.clone());
        assert_eq!((late.start, late.distribution.count(), totals.len()), (at(0), 2, 1));
    }

    #[test]
    fn data_with_a_later_time_do_not_make_the_others_idle() {
        let mut totals = Totals::new(10);
        add(&mut totals, "a", 0);
        let ahead = totals.next(b"b", (at(5 * HOUR), at(5 * HOUR + 60)), &one(1.0), at(60)).unwrap();
        totals.store(b"b".to_vec(), ahead);
        assert_eq!(totals.len(), 2);
    }

    #[test]
    fn a_correction_restarts_series_unless_their_points_may_be_stored() {
        let mut totals = Totals::new(10);
        add(&mut totals, "a", 0);
        totals.record_stored(1);
        assert!(totals.handle_correction(1_000), "nothing of this epoch is stored");
        assert_eq!((totals.len(), totals.epoch()), (0, 1));
        add(&mut totals, "a", 0);
        totals.record_stored(1);
        assert!(!totals.handle_correction(-300_000));
        assert_eq!(totals.len(), 1);
        assert!(totals.handle_correction(-300_001));
        assert_eq!(totals.len(), 0);
    }

    #[test]
    fn exact_values_become_a_histogram() {
        let mut exact = Distribution::exact(10_000);
        (1..=5_000).for_each(|n| assert!(exact.record(f64::from(n))));
        let total = Totals::new(1).next(b"a", (at(0), at(60)), &exact, at(60)).unwrap().distribution;
        assert!(!total.is_exact() && total.bucket_count() <= 150);
        assert_eq!((total.count(), total.sum(), total.min(), total.max()), (5_000, 12_502_500.0, 1.0, 5_000.0));
    }
}
