//! Distributions by series and period: the data that a module holds until it can pass them on.

mod downsampling;
mod groups;
mod period;

use std::collections::VecDeque;

pub use downsampling::{Keep, Shrunk};
pub use period::{DataKind, MergeRule, PeriodKey, TimeBasis};

use groups::{Entry, Groups};

use crate::{
    DimensionName, Dimensions, Distribution, Metric, Namespace, Origin, Record, Timestamp,
    memory::{distribution_bytes, group_bytes},
    quota::MAX_VALUE,
    record::RecordWriter,
};

/// The data of one set of dimensions in one period.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The dimensions.
    pub dimensions: Dimensions,
    /// The metrics with their distributions. A metric occurs twice if it has both values and statistic sets.
    pub distributions: Vec<(Metric, Distribution)>,
}

impl Group {
    /// Returns the number of values in all distributions.
    pub fn samples(&self) -> u64 {
        self.distributions.iter().map(|(_, distribution)| distribution.count()).sum()
    }
}

/// Merges distributions by series and period.
///
/// Counts, sums, minima and maxima stay exact, in whatever order data are added. Shares of gauges are summed by second.
#[derive(Debug, Default)]
pub struct Accumulator {
    /// The periods, sorted by start. Posted data have periods of one second, so an outage creates many of them, which
    /// are added and removed at the ends. A `BTreeMap` would add 12 KB to each module.
    periods: VecDeque<(PeriodKey, Groups)>,
    samples: u64,
    series: usize,
    bytes: usize,
}

impl Accumulator {
    /// Adds the data of a record. `skew` is the number of milliseconds by which the receiver's clock is ahead of the
    /// clock of the sender; timestamps are corrected by it.
    pub fn merge_record(&mut self, record: &Record<'_>, skew: i64) {
        let mut dimensions = Vec::new();
        for group in record.groups() {
            dimensions.clear();
            dimensions.extend(record.dimensions_of(group));
            for (metric, distribution) in record.distributions_of(group) {
                self.add_borrowed(record.key(group, metric, skew), &dimensions, metric, distribution);
            }
        }
    }

    /// Adds observed data of one series. `since` is the start of the observation.
    pub fn add(
        &mut self,
        since: Timestamp,
        namespace: Option<Namespace>,
        dimensions: &Dimensions,
        metric: &Metric,
        distribution: &Distribution,
    ) {
        let origin = Origin { namespace, ..Origin::default() };
        self.file(PeriodKey::new(since, DataKind::OBSERVED, origin, metric), dimensions, metric, distribution);
    }

    /// Adds data of one series to a period.
    pub fn file(&mut self, key: PeriodKey, dimensions: &Dimensions, metric: &Metric, distribution: &Distribution) {
        let borrowed: Vec<_> = dimensions.iter().collect();
        self.add_borrowed(key, &borrowed, metric, distribution);
    }

    /// Adds all data of another accumulator.
    pub fn merge(&mut self, mut other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        while let Some((key, group)) = other.pop() {
            self.merge_group(&key, &group);
        }
    }

    /// Adds a group from another accumulator.
    pub fn merge_group(&mut self, key: &PeriodKey, group: &Group) {
        let borrowed: Vec<_> = group.dimensions.iter().collect();
        for (metric, distribution) in &group.distributions {
            self.add_borrowed(key.clone(), &borrowed, metric, distribution);
        }
    }

    /// Shifts all data by `millis` milliseconds, rounded to whole periods.
    pub fn shift(&mut self, millis: i64) {
        let mut shifted = Self::default();
        while let Some((key, group)) = self.pop() {
            for (metric, distribution) in &group.distributions {
                let start = key.start.shifted(key.kind.correction(metric.resolution, millis));
                let key = PeriodKey::new(start, key.kind, key.origin.clone(), metric);
                shifted.file(key, &group.dimensions, metric, distribution);
            }
        }
        *self = shifted;
    }

    /// Returns the start of the oldest period.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.periods.front().map(|(key, _)| key.start)
    }

    /// Removes and returns a group of the oldest period.
    pub fn pop(&mut self) -> Option<(PeriodKey, Group)> {
        let (key, period) = self.periods.front_mut()?;
        let group = period.pop();
        let key = key.clone();
        // Periods are never empty, so the first period is the oldest one with data.
        if period.is_empty() {
            self.periods.pop_front();
        }
        let group = group?;
        self.subtract(key.kind, &group);
        Some((key, group))
    }

    /// Drops a group of the oldest period. Returns the number of its values.
    pub fn drop_oldest(&mut self) -> Option<u64> {
        self.pop().map(|(key, group)| key.kind.values(group.samples()))
    }

    /// Removes and returns the shares of gauges in all seconds before `before`.
    pub fn take_gauges(&mut self, before: Timestamp) -> Self {
        let mut taken = Self::default();
        for (key, period) in std::mem::take(&mut self.periods) {
            if key.kind.merge != MergeRule::GaugeShares || key.start >= before {
                self.periods.push_back((key, period));
                continue;
            }
            for group in period.into_groups() {
                self.subtract(key.kind, &group);
                for (metric, distribution) in &group.distributions {
                    taken.file(key.clone(), &group.dimensions, metric, distribution);
                }
            }
        }
        taken
    }

    /// Returns all data, sorted by period.
    pub fn iter(&self) -> impl Iterator<Item = (&PeriodKey, &Dimensions, &[(Metric, Distribution)])> {
        self.periods.iter().flat_map(|(key, period)| {
            period.iter().map(move |(dimensions, distributions)| (key, dimensions, distributions))
        })
    }

    /// Encodes all data as records of at most `limit` bytes each. A larger group gets a record of its own, which
    /// exceeds the limit.
    pub fn into_records(self, limit: usize) -> Vec<Vec<u8>> {
        self.into_records_with(&[], limit)
    }

    /// Encodes all data like [`into_records`](Self::into_records). `constants` are the dimensions with a constant
    /// value.
    pub fn into_records_with(mut self, constants: &[DimensionName], limit: usize) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        let mut writers: Vec<RecordWriter<'_>> = Vec::new();
        for (key, period) in std::mem::take(&mut self.periods) {
            let index = writers.iter().position(|writer| *writer.origin() == key.origin).unwrap_or(writers.len());
            if index == writers.len() {
                writers.push(RecordWriter::new(key.origin, constants, limit));
            }
            let Some(writer) = writers.get_mut(index) else { continue };
            for (dimensions, distributions) in period.iter() {
                records.extend(writer.push(key.start, key.kind, dimensions, distributions));
            }
        }
        records.extend(writers.iter_mut().filter_map(RecordWriter::finish));
        records
    }

    /// Returns whether the accumulator is empty.
    pub fn is_empty(&self) -> bool {
        self.series == 0
    }

    /// Returns the number of values in all distributions. Shares of gauges are not values.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Returns the number of series, counted once for each period in which they have data.
    pub fn series(&self) -> usize {
        self.series
    }

    /// Returns the approximate memory size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds data of one series to a period. The dimensions must be sorted by name.
    pub fn add_borrowed(
        &mut self,
        key: PeriodKey,
        names: &[(&str, &str)],
        metric: &Metric,
        distribution: &Distribution,
    ) {
        if distribution.is_empty() {
            return;
        }
        let kind = key.kind;
        let index = match self.periods.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(index) => index,
            Err(index) => {
                let end = self.periods.len();
                self.periods.push_back((key, Groups::default()));
                // New periods usually belong at the end, so no swap is needed. `VecDeque::insert` would add more code.
                (index..end).rev().for_each(|last| self.periods.swap(last, last.saturating_add(1)));
                index
            }
        };
        let Some((_, period)) = self.periods.get_mut(index) else { return };
        let Some(Entry { dimensions, distributions, is_new }) = period.entry(names) else { return };
        if is_new {
            self.bytes = self.bytes.saturating_add(group_bytes(dimensions.len(), dimensions.text_bytes()));
        }
        self.samples = self.samples.saturating_add(kind.values(distribution.count()));
        // Values and statistic sets are kept apart, because percentiles of only some of the samples would be wrong.
        let same = |(known, held): &&mut (Metric, Distribution)| known == metric && held.merges_with(distribution);
        match distributions.iter_mut().find(same) {
            Some((_, known)) => {
                let before = distribution_bytes(known);
                match kind.merge {
                    MergeRule::Distribution => known.merge(distribution),
                    MergeRule::GaugeShares => *known = share(known.sum() + distribution.sum()),
                }
                self.bytes = self.bytes.saturating_sub(before).saturating_add(distribution_bytes(known));
            }
            None => {
                let distribution = match kind.merge {
                    MergeRule::Distribution => distribution.clone(),
                    MergeRule::GaugeShares => share(distribution.sum()),
                };
                self.series = self.series.saturating_add(1);
                self.bytes = self.bytes.saturating_add(distribution_bytes(&distribution));
                distributions.push((metric.clone(), distribution));
            }
        }
    }

    /// Subtracts a removed group from the totals.
    fn subtract(&mut self, kind: DataKind, group: &Group) {
        let bytes = group_bytes(group.dimensions.len(), group.dimensions.text_bytes());
        self.bytes = self.bytes.saturating_sub(bytes);
        for (_, distribution) in &group.distributions {
            self.samples = self.samples.saturating_sub(kind.values(distribution.count()));
            self.series = self.series.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(distribution_bytes(distribution));
        }
    }
}

/// Returns the sum of the shares of a gauge in one second, as a distribution.
fn share(sum: f64) -> Distribution {
    let mut share = Distribution::new();
    share.record(sum.clamp(-MAX_VALUE, MAX_VALUE));
    share
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        DimensionName, DimensionValue, Entity, EntityText, MetricName, StorageResolution, Unit, record::RecordError,
    };

    /// A measurement: second, series, value.
    pub(super) type Sample = (u64, u8, u8);

    /// The number of the series that is a gauge.
    const GAUGE: u8 = 6;

    pub(super) fn samples() -> impl Strategy<Value = Vec<Sample>> {
        prop::collection::vec((0u64..200, 0u8..=GAUGE, any::<u8>()), 0..200)
    }

    fn count(samples: &[Sample]) -> u64 {
        samples.iter().filter(|(_, series, _)| *series != GAUGE).count() as u64
    }

    pub(super) fn accumulator(samples: &[Sample]) -> Accumulator {
        let mut accumulator = Accumulator::default();
        for (second, series, value) in samples {
            let mut distribution = Distribution::new();
            distribution.record(f64::from(*value));
            let namespace = (*series == 5).then(|| Namespace::new("Other").unwrap());
            let resolution = if *series == 4 { StorageResolution::High } else { StorageResolution::Standard };
            let metric = Metric {
                name: MetricName::new(["RequestCount", "Latency"][usize::from(series % 2)]).unwrap(),
                unit: Unit::COUNT,
                resolution,
            };
            let dimensions = dimensions(&[("host", "example.com"), ("series", &(series / 2).to_string())]);
            let since = Timestamp::from_secs(1_700_000_000 + second);
            let kind = match (*series, value % 3) {
                (GAUGE, _) => DataKind::GAUGE_SHARE,
                (5, 1) => DataKind::RECEIVED,
                (5, 2) => DataKind::STATED,
                _ => DataKind::OBSERVED,
            };
            let text = |text| EntityText::new(text).unwrap();
            let entity = (*series == 3).then(|| Entity { service: text("checkout"), environment: text("prod") });
            let origin = Origin { namespace, entity, zero_minutes: u16::from(*series == 2) };
            accumulator.file(PeriodKey::new(since, kind, origin, &metric), &dimensions, &metric, &distribution);
        }
        accumulator
    }

    fn dimensions(pairs: &[(&str, &str)]) -> Dimensions {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| (DimensionName::new(name).unwrap(), DimensionValue::new(value).unwrap()));
        Dimensions::new(pairs.collect()).unwrap()
    }

    /// Returns all data of an accumulator, sorted.
    fn contents(mut accumulator: Accumulator) -> Vec<String> {
        let mut contents = Vec::new();
        while let Some((key, group)) = accumulator.pop() {
            for (metric, distribution) in &group.distributions {
                contents.push(format!("{key:?} {:?} {metric:?} {distribution:?}", group.dimensions));
            }
        }
        assert_eq!((accumulator.samples(), accumulator.series(), accumulator.bytes()), (0, 0, 0));
        contents.sort();
        contents
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_commutative(a in samples(), b in samples(), c in samples()) {
            let all = [a.as_slice(), &b, &c].concat();
            let mut left = accumulator(&a);
            left.merge(accumulator(&b));
            left.merge(accumulator(&c));
            let mut right = accumulator(&c);
            right.merge(accumulator(&a));
            right.merge(accumulator(&b));
            let expected = contents(accumulator(&all));
            prop_assert_eq!(contents(left), expected.clone());
            prop_assert_eq!(contents(right), expected);
        }

        #[test]
        fn records_contain_all_values_and_keep_the_limit(samples in samples(), limit in 200usize..3000) {
            let held = accumulator(&samples);
            let count = count(&samples);
            prop_assert_eq!(held.samples(), count);
            let mut merged = Accumulator::default();
            let mut carried = 0;
            for bytes in held.into_records(limit) {
                prop_assert!(bytes.len() <= limit.max(500), "{}", bytes.len());
                let record = Record::decode(&bytes).unwrap();
                carried += record.samples();
                merged.merge_record(&record, 0);
            }
            prop_assert_eq!(carried, count);
            prop_assert_eq!(merged.samples(), count);
            prop_assert_eq!(contents(merged), contents(accumulator(&samples)));
        }

        #[test]
        fn truncated_and_altered_records_are_refused_or_merged_without_a_panic(samples in samples(), cut: prop::sample::Index, bit: prop::sample::Index) {
            for bytes in accumulator(&samples).into_records(1 << 16) {
                let cut = cut.index(bytes.len());
                let mut altered = bytes.clone();
                altered[bit.index(bytes.len())] ^= 1 << (cut % 8);
                for bytes in [&bytes[..cut], &altered] {
                    if let Ok(record) = Record::decode(bytes) {
                        Accumulator::default().merge_record(&record, 0);
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn shares_of_gauges_are_summed_by_second(samples in samples(), before in 0u64..200) {
            let mut rest = accumulator(&samples);
            let taken = rest.take_gauges(Timestamp::from_secs(1_700_000_000 + before));
            prop_assert_eq!((rest.samples(), taken.samples()), (count(&samples), 0));
            let mut sums: std::collections::BTreeMap<u64, f64> = std::collections::BTreeMap::new();
            for (second, series, value) in &samples {
                if *series == GAUGE && *second < before {
                    *sums.entry(1_700_000_000 + second).or_default() += f64::from(*value);
                }
            }
            let taken_sums: Vec<_> = taken
                .iter()
                .map(|(key, _, distributions)| {
                    assert_eq!((key.kind, distributions.len(), distributions[0].1.count()), (DataKind::GAUGE_SHARE, 1, 1));
                    (key.start.as_secs(), distributions[0].1.sum())
                })
                .collect();
            prop_assert_eq!(taken_sums, sums.into_iter().collect::<Vec<_>>());
            let mut whole = rest;
            whole.merge(taken);
            prop_assert_eq!(contents(whole), contents(accumulator(&samples)));
        }
    }

    #[test]
    fn observed_data_have_one_datum_per_period_of_their_resolution() {
        let minute: Vec<Sample> = (0..180).map(|second| (second, 0, 1)).collect();
        // 1,700,000,000 is 20 s after the start of a minute.
        assert_eq!(accumulator(&minute).series(), 4);
        let seconds: Vec<Sample> = (0..180).map(|second| (second, 4, 1)).collect();
        assert_eq!(accumulator(&seconds).series(), 180);
    }

    #[test]
    fn posted_data_keep_their_second_and_stated_times_are_not_shifted() {
        let name = MetricName::new("Requests").unwrap();
        let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
        let mut held = Accumulator::default();
        let mut one = Distribution::exact(10);
        one.record(1.0);
        let set = Distribution::statistic_set(1.5, 3.0, 1.0, 2.0).unwrap();
        for (second, kind) in [(3, DataKind::RECEIVED), (4, DataKind::RECEIVED), (3, DataKind::STATED)] {
            for distribution in [&one, &set, &one] {
                let key =
                    PeriodKey::new(Timestamp::from_secs(1_700_000_000 + second), kind, Origin::default(), &metric);
                held.file(key, &Dimensions::default(), &metric, distribution);
            }
        }
        assert_eq!((held.series(), held.samples()), (6, 9));
        held.shift(-3_600_000);
        let mut merged = Accumulator::default();
        for record in held.into_records(1 << 16) {
            merged.merge_record(&Record::decode(&record).unwrap(), 7_000);
        }
        let mut kept: Vec<_> = std::iter::from_fn(|| merged.pop())
            .map(|(key, group)| (key.kind, key.start.as_secs(), group.distributions.len()))
            .collect();
        kept.sort();
        let expected = [
            (DataKind::RECEIVED, 1_700_000_003 - 3_600 + 7, 2),
            (DataKind::RECEIVED, 1_700_000_004 - 3_600 + 7, 2),
            (DataKind::STATED, 1_700_000_003, 2),
        ];
        assert_eq!(kept, expected);
    }

    #[test]
    fn the_oldest_period_comes_out_first() {
        let mut accumulator = accumulator(&[(130, 0, 1), (3, 0, 1), (70, 0, 1)]);
        let starts: Vec<u64> = std::iter::from_fn(|| accumulator.pop()).map(|(key, _)| key.start.as_secs()).collect();
        assert_eq!(starts, [1_699_999_980, 1_700_000_040, 1_700_000_100]);
    }

    #[test]
    fn an_hour_of_periods_of_one_second_is_filed_and_removed_in_order() {
        const NAMESPACES: u64 = 20;
        let name = MetricName::new("Requests").unwrap();
        let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::High };
        let origins: Vec<_> = (0..NAMESPACES)
            .map(|n| Origin { namespace: Some(Namespace::new(&format!("N{n:02}")).unwrap()), ..Origin::default() })
            .collect();
        let mut one = Distribution::exact(10);
        one.record(1.0);
        let mut held = Accumulator::default();
        for second in 0..3_600 {
            // Data of the last minute arrive out of order.
            for (n, origin) in (0..).zip(&origins) {
                let start = Timestamp::from_secs(1_700_000_000 + second + n * 7 % 60);
                held.file(
                    PeriodKey::new(start, DataKind::RECEIVED, origin.clone(), &metric),
                    &Dimensions::default(),
                    &metric,
                    &one,
                );
            }
        }
        assert_eq!(held.samples(), 3_600 * NAMESPACES);
        held.shift(-1_000);
        let mut last = None;
        while let Some((key, group)) = held.pop() {
            assert_eq!(group.samples(), 1);
            assert!(last.is_none_or(|last| last < key));
            last = Some(key);
        }
        assert_eq!((held.samples(), held.series(), held.bytes()), (0, 0, 0));
    }

    #[test]
    fn a_record_of_another_version_is_refused_with_that_version() {
        let mut bytes = accumulator(&[(0, 0, 1)]).into_records(1 << 16).remove(0);
        bytes[0] += 1;
        assert!(matches!(Record::decode(&bytes), Err(RecordError::Version(4))));
        assert!(matches!(Record::decode(&[]), Err(RecordError::Malformed)));
    }
}
