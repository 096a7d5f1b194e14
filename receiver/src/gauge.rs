//! What workers tell of every second, made into samples.

use std::ops::Range;

use acpw_metric::{Accumulator, DataKind, Distribution, Map, PeriodKey, StorageResolution, Timestamp};

use crate::series::Series;

/// How many seconds after its start a second is taken as told by all workers: it lasts one, each worker flushes within
/// one more, and records are taken from the queue at once.
const SETTLING: u64 = 4;

/// CloudWatch's period, in seconds.
const MINUTE: u64 = 60;

/// Adds up the workers' shares of each second, and takes the sums as samples once the second is settled.
///
/// Workers do not tell seconds in which nothing happened and nothing was in progress. Such seconds are zero, and are taken
/// as that in every minute of which some second is told: there are 60 samples in it, and their average is true. Minutes
/// of which nothing is told have none. A share that comes later, once its second is settled, is a sample of its own.
#[derive(Debug, Default)]
pub struct Gauges {
    /// For each series the first second that is not a sample yet, in the minute that it is in.
    next: Map<Series, u64>,
    /// The first second that was not settled when this was last looked at.
    unsettled: u64,
}

impl Gauges {
    /// Moves what is settled in `pending` from shares to samples; gives how many samples that made.
    pub fn settle(&mut self, pending: &mut Accumulator, now: Timestamp) -> u64 {
        let unsettled = now.as_secs().saturating_sub(SETTLING).saturating_add(1);
        if unsettled == self.unsettled {
            return 0;
        }
        self.unsettled = unsettled;
        let mut samples = 0u64;
        let mut settled = pending.take_gauges(Timestamp::from_secs(unsettled));
        while let Some((key, group)) = settled.pop() {
            let second = key.start.as_secs();
            for (metric, sum) in &group.distributions {
                let series = Series::new(&key, &group.dimensions, metric);
                let minute = start_of_minute(second);
                let next = self.next.get(&series).copied().unwrap_or(minute);
                samples = samples.saturating_add(add_zeros(pending, &series, next..end_of_minute(next).min(minute)));
                samples = samples.saturating_add(add_zeros(pending, &series, next.max(minute)..second));
                add(pending, &series, second, sum);
                samples = samples.saturating_add(1);
                self.next.insert(series, next.max(second.saturating_add(1)));
            }
        }
        self.next.retain(|series, next| {
            let end = end_of_minute(*next);
            let is_over = end <= unsettled;
            if is_over {
                samples = samples.saturating_add(add_zeros(pending, series, *next..end));
            }
            !is_over
        });
        samples
    }
}

fn add_zeros(pending: &mut Accumulator, series: &Series, seconds: Range<u64>) -> u64 {
    let count = seconds.end.saturating_sub(seconds.start);
    let mut zeros = Distribution::new();
    match series.metric.resolution {
        StorageResolution::Standard => {
            zeros.record_n(0.0, count);
            add(pending, series, seconds.start, &zeros);
        }
        StorageResolution::High => {
            zeros.record(0.0);
            seconds.for_each(|second| add(pending, series, second, &zeros));
        }
    }
    count
}

fn add(pending: &mut Accumulator, series: &Series, second: u64, samples: &Distribution) {
    let Series { origin, dimensions, metric } = series;
    let key = PeriodKey::new(Timestamp::from_secs(second), DataKind::OBSERVED, origin.clone(), metric);
    pending.file(key, dimensions, metric, samples);
}

fn start_of_minute(second: u64) -> u64 {
    second / MINUTE * MINUTE
}

/// The end of the minute that has begun by this second; a second between two minutes ends the first.
fn end_of_minute(second: u64) -> u64 {
    second.div_ceil(MINUTE).saturating_mul(MINUTE)
}

#[cfg(test)]
mod tests {
    use acpw_metric::{Dimensions, Metric, MetricName, Origin, Unit};

    use super::*;

    /// The start of a minute.
    const START: u64 = 1_787_402_160;

    fn metric(resolution: StorageResolution) -> Metric {
        Metric { name: MetricName::new("RequestsInProgress").unwrap(), unit: Unit::COUNT, resolution }
    }

    fn tell(pending: &mut Accumulator, resolution: StorageResolution, second: u64, value: f64) {
        let mut share = Distribution::new();
        share.record(value);
        let metric = metric(resolution);
        let key =
            PeriodKey::new(Timestamp::from_secs(START + second), DataKind::GAUGE_SHARE, Origin::default(), &metric);
        pending.file(key, &Dimensions::default(), &metric, &share);
    }

    /// Period, count, sum and maximum of all samples.
    fn samples(pending: &Accumulator) -> Vec<(u64, u64, f64, f64)> {
        let samples = pending.iter().filter(|(key, _, _)| key.kind == DataKind::OBSERVED);
        let told = samples.map(|(key, _, distributions)| {
            let distribution = &distributions[0].1;
            (key.start.as_secs() - START, distribution.count(), distribution.sum(), distribution.max())
        });
        told.collect()
    }

    #[test]
    fn shares_of_a_second_are_added_and_settle_after_it() {
        let (mut gauges, mut pending) = (Gauges::default(), Accumulator::default());
        let at = |second| Timestamp::from_secs(START + second);
        for value in [3.0, 4.0, 0.0] {
            tell(&mut pending, StorageResolution::Standard, 10, value);
        }
        tell(&mut pending, StorageResolution::Standard, 11, 5.0);
        assert_eq!(gauges.settle(&mut pending, at(13)), 0);
        // The ten seconds before it were zero.
        assert_eq!(gauges.settle(&mut pending, at(14)), 11);
        assert_eq!(samples(&pending), [(0, 11, 7.0, 7.0)]);
        assert_eq!(gauges.settle(&mut pending, at(14)), 0);
        assert_eq!(gauges.settle(&mut pending, at(15)), 1);
        assert_eq!(samples(&pending), [(0, 12, 12.0, 7.0)]);
        // At its end the minute is filled, and nothing more comes.
        assert_eq!(gauges.settle(&mut pending, at(62)), 0);
        assert_eq!(gauges.settle(&mut pending, at(63)), 48);
        assert_eq!(samples(&pending), [(0, 60, 12.0, 7.0)]);
        assert_eq!(gauges.settle(&mut pending, at(600)), 0);
        assert!(gauges.next.is_empty());
    }

    #[test]
    fn every_minute_with_something_has_sixty_samples() {
        for resolution in [StorageResolution::Standard, StorageResolution::High] {
            let (mut gauges, mut pending) = (Gauges::default(), Accumulator::default());
            let mut made = 0;
            for second in 0..400u64 {
                if second % 7 == 0 && !(120..240).contains(&second) && second < 300 {
                    tell(&mut pending, resolution, second, 2.0);
                }
                made += gauges.settle(&mut pending, Timestamp::from_secs(START + second));
            }
            assert_eq!((made, pending.samples()), (180, 180));
            let minutes = |of: u64| {
                let all = samples(&pending).into_iter().filter(move |(start, ..)| start / 60 == of);
                all.fold((0, 0.0), |(count, sum), (_, more, of, _)| (count + more, sum + of))
            };
            let told =
                |minute: u64| 2.0 * (0..60).filter(|second| (minute * 60 + second).is_multiple_of(7)).count() as f64;
            for minute in [0, 1, 4] {
                assert_eq!(minutes(minute), (60, told(minute)), "{minute}");
            }
            assert_eq!((minutes(2), minutes(3), minutes(5)), ((0, 0.0), (0, 0.0), (0, 0.0)));
        }
    }

    #[test]
    fn an_outage_of_the_receiver_changes_nothing() {
        let (mut gauges, mut pending) = (Gauges::default(), Accumulator::default());
        for second in 30..300 {
            tell(&mut pending, StorageResolution::Standard, second, 1.0);
        }
        gauges.settle(&mut pending, Timestamp::from_secs(START + 310));
        assert_eq!(
            samples(&pending),
            [(0, 60, 30.0, 1.0), (60, 60, 60.0, 1.0), (120, 60, 60.0, 1.0), (180, 60, 60.0, 1.0), (240, 60, 60.0, 1.0)]
        );
    }

    #[test]
    fn a_late_share_is_a_sample_and_a_clock_set_back_settles_too() {
        let (mut gauges, mut pending) = (Gauges::default(), Accumulator::default());
        tell(&mut pending, StorageResolution::Standard, 0, 1.0);
        assert_eq!(gauges.settle(&mut pending, Timestamp::from_secs(START + 10)), 1);
        tell(&mut pending, StorageResolution::Standard, 0, 1.0);
        assert_eq!(gauges.settle(&mut pending, Timestamp::from_secs(START + 9)), 1);
        assert_eq!(samples(&pending), [(0, 2, 2.0, 1.0)]);
    }
}
