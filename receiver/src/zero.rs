//! Zeros for series that are quiet, so that an alarm sees them as such and not as missing.

use acpw_metric::{DataKind, Dimensions, Distribution, Map, Metric, PeriodKey, StorageResolution, Timestamp, Unit};

use crate::{gauge::File, series::Series};

/// How many seconds after its end a window is taken as reported by all senders.
const SETTLING: u64 = 5;

/// The length of the windows that are looked at, in seconds: CloudWatch's shortest alarm period for data of high
/// resolution, and its minute.
const fn window(resolution: StorageResolution) -> u64 {
    match resolution {
        StorageResolution::High => 10,
        StorageResolution::Standard => 60,
    }
}

/// The most series that are remembered; those beyond get no zeros.
const MAX_SERIES: usize = 100_000;

/// Remembers when series of unit Count had data, for as many minutes as their origin wants zeros.
#[derive(Debug, Default)]
pub struct Zeros {
    seen: Map<Series, Seen>,
    closed: u64,
}

#[derive(Debug)]
struct Seen {
    /// The start of the first window that was not looked at, in seconds.
    next: u64,
    /// The starts of windows with data, from there on.
    reported: Vec<u64>,
    /// The end of the last window with data before.
    last: u64,
}

impl Zeros {
    /// Remembers a series of which a record has values, if it wants zeros. The dimensions are in ascending order of their
    /// names.
    pub fn note(&mut self, key: &PeriodKey, dimensions: &[(&str, &str)], metric: &Metric) {
        let wants_zeros = key.origin.zero_minutes > 0 && key.kind == DataKind::OBSERVED && metric.unit == Unit::COUNT;
        if !wants_zeros {
            return;
        }
        let start = key.start.as_secs();
        let start = start - start % window(metric.resolution);
        let has_room = self.seen.len() < MAX_SERIES;
        let series = Series::new(key, Dimensions::from_borrowed(dimensions), metric);
        match self.seen.get_mut(&series) {
            Some(seen) if start >= seen.next && !seen.reported.contains(&start) => seen.reported.push(start),
            Some(_) => {}
            None if has_room => {
                self.seen.insert(series, Seen { next: start, reported: vec![start], last: start });
            }
            None => {}
        }
    }

    /// Adds a zero to `pending` for each series and window that is over and has no data; gives how many.
    pub fn fill(&mut self, file: &mut File<'_>, now: Timestamp) -> u64 {
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
            let Series { origin, dimensions, metric } = series;
            let window = window(metric.resolution);
            let wanted = u64::from(origin.zero_minutes).saturating_mul(60);
            while seen.next.saturating_add(window) <= over {
                let start = seen.next;
                seen.next = start.saturating_add(window);
                if let Some(at) = seen.reported.iter().position(|reported| *reported == start) {
                    seen.reported.swap_remove(at);
                    seen.last = seen.next;
                } else if start < seen.last.saturating_add(wanted) {
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

    /// The starts of all periods published, with their sums, when data come at these seconds and are published each second.
    fn published(metric: &Metric, minutes: u16, data: &[u64]) -> Vec<(u64, f64)> {
        let (mut zeros, mut pending) = (Zeros::default(), Accumulator::default());
        let mut published = Vec::new();
        let mut filled = 0;
        for second in 0..1_000 {
            if data.contains(&second) {
                let mut reported = Accumulator::default();
                add(&mut reported, metric, minutes, second);
                reported.iter().for_each(|(key, _, all)| zeros.note(key, &[], &all[0].0));
                pending.merge(reported);
            }
            let mut file = |key, dimensions: &_, metric: &_, zero: &_| pending.file(key, dimensions, metric, zero);
            filled += zeros.fill(&mut file, Timestamp::from_secs(START + second));
            let due = std::mem::take(&mut pending);
            published.extend(due.iter().map(|(key, _, all)| (key.start.as_secs() - START, all[0].1.sum())));
        }
        assert_eq!(filled, published.iter().filter(|(_, sum)| *sum == 0.0).count() as u64);
        assert!(zeros.seen.is_empty());
        published.sort_by_key(|(start, _)| *start);
        published
    }

    #[test]
    fn quiet_minutes_are_zero_for_as_long_as_is_wanted() {
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
