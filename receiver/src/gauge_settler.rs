//! Adds up the workers' shares of gauges to one sample per second.

use std::ops::Range;

use acpw_metric::{
    Accumulator, DataKind, Dimensions, Distribution, Map, Metric, PeriodKey, StorageResolution, Timestamp,
};

use crate::series_key::SeriesKey;

/// The number of seconds from the start of a second until all workers have reported it: the second itself, another one
/// for the workers' flushes, and a margin for the queue.
const SETTLING: u64 = 4;

/// CloudWatch's period in seconds.
const MINUTE: u64 = 60;

/// A function that adds values to the data of their series.
pub type AddValue<'a> = dyn FnMut(PeriodKey, &Dimensions, &Metric, &Distribution) + 'a;

/// The shares of gauges by second, until all workers have reported them.
#[derive(Debug, Default)]
pub struct GaugeSettler {
    shares: Accumulator,
    /// The second up to which each series has samples, until the end of its minute.
    next: Map<SeriesKey, u64>,
    /// The first second that not all workers have reported.
    unsettled: u64,
}

impl GaugeSettler {
    /// Adds a worker's share. The dimensions must be in ascending order of their names.
    pub fn add(&mut self, key: PeriodKey, dimensions: &[(&str, &str)], metric: &Metric, share: &Distribution) {
        self.shares.add_borrowed(key, dimensions, metric, share);
    }

    /// Adds a sample for each series and second that all workers have reported. Seconds of the same minute without a
    /// share are zero. Returns the number of samples.
    pub fn add_settled(&mut self, file: &mut AddValue<'_>, now: Timestamp) -> u64 {
        let unsettled = now.as_secs().saturating_sub(SETTLING).saturating_add(1);
        if unsettled == self.unsettled {
            return 0;
        }
        self.unsettled = unsettled;
        let mut samples = 0u64;
        while self.shares.oldest().is_some_and(|oldest| oldest.as_secs() < unsettled)
            && let Some((key, group)) = self.shares.pop()
        {
            let second = key.start.as_secs();
            for (metric, sum) in &group.distributions {
                let series = SeriesKey::new(&key, group.dimensions.clone(), metric);
                let minute = start_of_minute(second);
                let next = self.next.get(&series).copied().unwrap_or(minute);
                samples = samples.saturating_add(add_zeros(file, &series, next..end_of_minute(next).min(minute)));
                samples = samples.saturating_add(add_zeros(file, &series, next.max(minute)..second));
                add(file, &series, second, sum);
                samples = samples.saturating_add(1);
                self.next.insert(series, next.max(second.saturating_add(1)));
            }
        }
        self.next.retain(|series, next| {
            let end = end_of_minute(*next);
            let is_over = end <= unsettled;
            if is_over {
                samples = samples.saturating_add(add_zeros(file, series, *next..end));
            }
            !is_over
        });
        samples
    }

    /// Adds a sample for each series and second immediately, to release the memory. Returns the number of samples.
    pub fn add_all(&mut self, file: &mut AddValue<'_>) -> u64 {
        let mut samples = 0u64;
        while let Some((key, group)) = self.shares.pop() {
            for (metric, sum) in &group.distributions {
                let series = SeriesKey::new(&key, group.dimensions.clone(), metric);
                add(file, &series, key.start.as_secs(), sum);
                samples = samples.saturating_add(1);
            }
        }
        samples
    }

    /// Moves all shares by `millis`, rounded to whole seconds.
    pub fn shift(&mut self, millis: i64) {
        self.shares.shift(millis);
    }

    /// Returns the number of shares by series and second.
    pub fn series(&self) -> usize {
        self.shares.series()
    }

    /// Returns the approximate memory of all shares in bytes.
    pub fn bytes(&self) -> usize {
        self.shares.bytes()
    }
}

/// Adds a zero for each of these seconds, which are in one minute. Returns their number.
fn add_zeros(file: &mut AddValue<'_>, series: &SeriesKey, seconds: Range<u64>) -> u64 {
    let count = seconds.end.saturating_sub(seconds.start);
    if count == 0 {
        return 0;
    }
    let mut zeros = Distribution::new();
    match series.metric.resolution {
        StorageResolution::Standard => {
            zeros.record_n(0.0, count);
            add(file, series, seconds.start, &zeros);
        }
        StorageResolution::High => {
            zeros.record(0.0);
            seconds.for_each(|second| add(file, series, second, &zeros));
        }
    }
    count
}

fn add(file: &mut AddValue<'_>, series: &SeriesKey, second: u64, samples: &Distribution) {
    let SeriesKey { origin, dimensions, metric } = series;
    let key = PeriodKey::new(Timestamp::from_secs(second), DataKind::OBSERVED, origin.clone(), metric);
    file(key, dimensions, metric, samples);
}

fn start_of_minute(second: u64) -> u64 {
    second / MINUTE * MINUTE
}

fn end_of_minute(second: u64) -> u64 {
    second.div_ceil(MINUTE).saturating_mul(MINUTE)
}

#[cfg(test)]
mod tests {
    use acpw_metric::{MetricName, Origin, Unit};

    use super::*;

    /// The start of a minute.
    const START: u64 = 1_787_402_160;

    fn metric(resolution: StorageResolution) -> Metric {
        Metric { name: MetricName::new("RequestsInProgress").unwrap(), unit: Unit::COUNT, resolution }
    }

    fn report(gauges: &mut GaugeSettler, resolution: StorageResolution, second: u64, value: f64) {
        let mut share = Distribution::new();
        share.record(value);
        let metric = metric(resolution);
        let key =
            PeriodKey::new(Timestamp::from_secs(START + second), DataKind::GAUGE_SHARE, Origin::default(), &metric);
        gauges.add(key, &[], &metric, &share);
    }

    /// Returns period, count, sum and maximum of all samples.
    fn samples(pending: &Accumulator) -> Vec<(u64, u64, f64, f64)> {
        let samples = pending.iter().filter(|(key, _, _)| key.kind == DataKind::OBSERVED);
        let rows = samples.map(|(key, _, distributions)| {
            let distribution = &distributions[0].1;
            (key.start.as_secs() - START, distribution.count(), distribution.sum(), distribution.max())
        });
        rows.collect()
    }

    fn add_settled(gauges: &mut GaugeSettler, pending: &mut Accumulator, now: Timestamp) -> u64 {
        let mut file = |key, dimensions: &_, metric: &_, samples: &_| pending.file(key, dimensions, metric, samples);
        gauges.add_settled(&mut file, now)
    }

    #[test]
    fn shares_of_a_second_become_one_sample_after_four_seconds() {
        let (mut gauges, mut pending) = (GaugeSettler::default(), Accumulator::default());
        let at = |second| Timestamp::from_secs(START + second);
        for value in [3.0, 4.0, 0.0] {
            report(&mut gauges, StorageResolution::Standard, 10, value);
        }
        report(&mut gauges, StorageResolution::Standard, 11, 5.0);
        assert_eq!(add_settled(&mut gauges, &mut pending, at(13)), 0);
        // The ten seconds before it were zero.
        assert_eq!(add_settled(&mut gauges, &mut pending, at(14)), 11);
        assert_eq!(samples(&pending), [(0, 11, 7.0, 7.0)]);
        assert_eq!(add_settled(&mut gauges, &mut pending, at(14)), 0);
        assert_eq!(add_settled(&mut gauges, &mut pending, at(15)), 1);
        assert_eq!(samples(&pending), [(0, 12, 12.0, 7.0)]);
        // At the end of the minute, the remaining seconds become zero.
        assert_eq!(add_settled(&mut gauges, &mut pending, at(62)), 0);
        assert_eq!(add_settled(&mut gauges, &mut pending, at(63)), 48);
        assert_eq!(samples(&pending), [(0, 60, 12.0, 7.0)]);
        assert_eq!(add_settled(&mut gauges, &mut pending, at(600)), 0);
        assert!(gauges.next.is_empty());
    }

    #[test]
    fn every_minute_with_a_share_has_sixty_samples() {
        for resolution in [StorageResolution::Standard, StorageResolution::High] {
            let (mut gauges, mut pending) = (GaugeSettler::default(), Accumulator::default());
            let mut derived = 0;
            for second in 0..400u64 {
                if second % 7 == 0 && !(120..240).contains(&second) && second < 300 {
                    report(&mut gauges, resolution, second, 2.0);
                }
                derived += add_settled(&mut gauges, &mut pending, Timestamp::from_secs(START + second));
            }
            assert_eq!((derived, pending.samples()), (180, 180));
            let minutes = |of: u64| {
                let all = samples(&pending).into_iter().filter(move |(start, ..)| start / 60 == of);
                all.fold((0, 0.0), |(count, sum), (_, more, of, _)| (count + more, sum + of))
            };
            let expected_sum =
                |minute: u64| 2.0 * (0..60).filter(|second| (minute * 60 + second).is_multiple_of(7)).count() as f64;
            for minute in [0, 1, 4] {
                assert_eq!(minutes(minute), (60, expected_sum(minute)), "{minute}");
            }
            assert_eq!((minutes(2), minutes(3), minutes(5)), ((0, 0.0), (0, 0.0), (0, 0.0)));
        }
    }

    #[test]
    fn shares_received_late_give_the_same_samples() {
        let (mut gauges, mut pending) = (GaugeSettler::default(), Accumulator::default());
        for second in 30..300 {
            report(&mut gauges, StorageResolution::Standard, second, 1.0);
        }
        add_settled(&mut gauges, &mut pending, Timestamp::from_secs(START + 310));
        assert_eq!(
            samples(&pending),
            [(0, 60, 30.0, 1.0), (60, 60, 60.0, 1.0), (120, 60, 60.0, 1.0), (180, 60, 60.0, 1.0), (240, 60, 60.0, 1.0)]
        );
    }

    #[test]
    fn a_late_share_becomes_another_sample_even_if_the_clock_was_set_back() {
        let (mut gauges, mut pending) = (GaugeSettler::default(), Accumulator::default());
        report(&mut gauges, StorageResolution::Standard, 0, 1.0);
        assert_eq!(add_settled(&mut gauges, &mut pending, Timestamp::from_secs(START + 10)), 1);
        report(&mut gauges, StorageResolution::Standard, 0, 1.0);
        assert_eq!(add_settled(&mut gauges, &mut pending, Timestamp::from_secs(START + 9)), 1);
        assert_eq!(samples(&pending), [(0, 2, 2.0, 1.0)]);
    }

    #[test]
    fn add_all_turns_shares_into_samples_at_once() {
        let (mut gauges, mut pending) = (GaugeSettler::default(), Accumulator::default());
        report(&mut gauges, StorageResolution::Standard, 10, 3.0);
        report(&mut gauges, StorageResolution::Standard, 10, 4.0);
        report(&mut gauges, StorageResolution::Standard, 11, 5.0);
        let mut file = |key, dimensions: &_, metric: &_, samples: &_| pending.file(key, dimensions, metric, samples);
        assert_eq!(gauges.add_all(&mut file), 2);
        assert_eq!((samples(&pending), gauges.bytes()), (vec![(0, 2, 12.0, 7.0)], 0));
    }
}
