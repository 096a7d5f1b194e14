//! Adds zeros for idle series, so that an alarm gets zeros instead of missing data.

use acpw_metric::{DataKind, Dimensions, Distribution, Map, Metric, PeriodKey, StorageResolution, Timestamp, Unit};

use crate::{gauge_settler::AddValue, series_key::SeriesKey};

/// The number of seconds from the end of a window until all senders have reported it.
const SETTLING: u64 = 5;

/// Returns the length of a window in seconds: CloudWatch's shortest alarm period for high resolution, otherwise a
/// minute.
const fn window(resolution: StorageResolution) -> u64 {
    match resolution {
        StorageResolution::High => 10,
        StorageResolution::Standard => 60,
    }
}

/// The maximum number of series. Further series get no zeros.
const MAX_SERIES: usize = 100_000;

/// The windows in which series of the unit Count had data, for as many minutes as their origin has zeros.
#[derive(Debug, Default)]
pub struct ZeroFiller {
    seen: Map<SeriesKey, Seen>,
    closed: u64,
}

#[derive(Debug)]
struct Seen {
    /// The start of the first window that was not checked, in seconds.
    next: u64,
    /// The starts of the windows with data from there on.
    reported: Vec<u64>,
    /// The end of the last window with data before that.
    last: u64,
}

impl ZeroFiller {
    /// Records that a series has values, if its origin has zeros. The dimensions must be in ascending order of their
    /// names.
    pub fn record_values(&mut self, key: &PeriodKey, dimensions: &[(&str, &str)], metric: &Metric) {
        let has_zeros = key.origin.zero_minutes > 0 && key.kind == DataKind::OBSERVED && metric.unit == Unit::COUNT;
        if !has_zeros {
            return;
        }
        let start = key.start.as_secs();
        let start = start - start % window(metric.resolution);
        let has_room = self.seen.len() < MAX_SERIES;
        let series = SeriesKey::new(key, Dimensions::from_borrowed(dimensions), metric);
        match self.seen.get_mut(&series) {
            Some(seen) if start >= seen.next && !seen.reported.contains(&start) => seen.reported.push(start),
            Some(_) => {}
            None if has_room => {
                self.seen.insert(series, Seen { next: start, reported: vec![start], last: start });
            }
            None => {}
        }
    }

    /// Adds a zero for each series and past window without data. Returns the number of zeros.
    pub fn add_zeros(&mut self, file: &mut AddValue<'_>, now: Timestamp) -> u64 {
        let over = now.as_secs().saturating_sub(SETTLING);
        let closed = over - over % window(StorageResolution::High);
        if closed == self.closed {
            return 0;
        }
        self.closed = closed;
        let mut zero = Distribution::new();
        zero.record(0.0);
        let mut zeros = 0u64;
        self.seen.retain(|series, seen| {
            let SeriesKey { origin, dimensions, metric } = series;
            let window = window(metric.resolution);
            let max_idle = u64::from(origin.zero_minutes).saturating_mul(60);
            while seen.next.saturating_add(window) <= over {
                let start = seen.next;
                seen.next = start.saturating_add(window);
                if let Some(index) = seen.reported.iter().position(|reported| *reported == start) {
                    seen.reported.swap_remove(index);
                    seen.last = seen.next;
                } else if start < seen.last.saturating_add(max_idle) {
                    let key = PeriodKey::new(Timestamp::from_secs(start), DataKind::OBSERVED, origin.clone(), metric);
                    file(key, dimensions, metric, &zero);
                    zeros = zeros.saturating_add(1);
                } else {
                    match seen.reported.iter().min() {
                        Some(reported) => seen.next = *reported,
                        None => return false,
                    }
                }
            }
            true
        });
        zeros
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::{Accumulator, MetricName, Origin};

    use super::*;

    const START: u64 = 1_787_402_160;

    fn metric(unit: Unit, resolution: StorageResolution) -> Metric {
        Metric { name: MetricName::new("RequestCount").unwrap(), unit, resolution }
    }

    fn add(pending: &mut Accumulator, metric: &Metric, minutes: u16, second: u64) {
        let mut one = Distribution::new();
        one.record(1.0);
        let origin = Origin { zero_minutes: minutes, ..Origin::default() };
        let key = PeriodKey::new(Timestamp::from_secs(START + second), DataKind::OBSERVED, origin, metric);
        pending.file(key, &Dimensions::default(), metric, &one);
    }

    /// Returns the starts and sums of all published periods. Data is added at these seconds and published every second.
    fn published(metric: &Metric, minutes: u16, data: &[u64]) -> Vec<(u64, f64)> {
        let (mut zeros, mut pending) = (ZeroFiller::default(), Accumulator::default());
        let mut published = Vec::new();
        let mut filled = 0;
        for second in 0..1_000 {
            if data.contains(&second) {
                let mut reported = Accumulator::default();
                add(&mut reported, metric, minutes, second);
                reported.iter().for_each(|(key, _, all)| zeros.record_values(key, &[], &all[0].0));
                pending.merge(reported);
            }
            let mut file = |key, dimensions: &_, metric: &_, zero: &_| pending.file(key, dimensions, metric, zero);
            filled += zeros.add_zeros(&mut file, Timestamp::from_secs(START + second));
            let due = std::mem::take(&mut pending);
            published.extend(due.iter().map(|(key, _, all)| (key.start.as_secs() - START, all[0].1.sum())));
        }
        assert_eq!(filled, published.iter().filter(|(_, sum)| *sum == 0.0).count() as u64);
        assert!(zeros.seen.is_empty());
        published.sort_by_key(|(start, _)| *start);
        published
    }

    #[test]
    fn idle_minutes_are_zero_for_the_configured_time() {
        let metric = metric(Unit::COUNT, StorageResolution::Standard);
        let expected = [(0, 1.0), (60, 0.0), (120, 0.0), (180, 1.0), (240, 0.0), (300, 0.0), (360, 0.0)];
        assert_eq!(published(&metric, 3, &[5, 185]), expected);
        assert_eq!(published(&metric, 3, &[5, 64, 130, 185])[..4], [(0, 1.0), (60, 1.0), (120, 1.0), (180, 1.0)]);
        assert_eq!(published(&metric, 0, &[5]), [(0, 1.0)]);
    }

    #[test]
    fn high_resolution_has_a_zero_every_ten_seconds() {
        let metric = metric(Unit::COUNT, StorageResolution::High);
        let expected =
            [(5, 1.0), (10, 0.0), (23, 1.0), (30, 0.0), (40, 0.0), (50, 0.0), (60, 0.0), (70, 0.0), (80, 0.0)];
        assert_eq!(published(&metric, 1, &[5, 23]), expected);
    }

    #[test]
    fn only_counts_have_zeros() {
        let metric = metric(Unit::MILLISECONDS, StorageResolution::Standard);
        assert_eq!(published(&metric, 3, &[5]), [(0, 1.0)]);
    }
}
