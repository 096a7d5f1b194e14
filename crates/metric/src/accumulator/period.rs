//! Periods, and the rules by which data of one series and period are merged and dated.

use crate::{Metric, Origin, StorageResolution, Timestamp};

/// The rule by which values of the same series and period are merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MergeRule {
    /// All values form one distribution.
    #[default]
    Distribution,
    /// The values are added, because each is one worker's share of a gauge at the end of a second. The sum becomes a
    /// value of the series when all workers have reported their shares, so shares do not count as values.
    GaugeShares,
}

/// The source of the time of data. It determines the length of periods, and whether a correction of this host's clock
/// shifts the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeBasis {
    /// A module observed the data. The time is that of this host's clock.
    #[default]
    Observed,
    /// The data were posted without a timestamp. The time is that of their arrival, by this host's clock.
    Received,
    /// The data were posted with a timestamp. Corrections of this host's clock do not shift them.
    Stated,
}

/// The kind of data, which determines how they are merged and dated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataKind {
    /// The rule by which data of the same series and period are merged.
    pub merge: MergeRule,
    /// The source of the time.
    pub basis: TimeBasis,
}

impl DataKind {
    /// Values that a module observed.
    pub const OBSERVED: Self = Self { merge: MergeRule::Distribution, basis: TimeBasis::Observed };
    /// A worker's shares of a gauge.
    pub const GAUGE_SHARE: Self = Self { merge: MergeRule::GaugeShares, basis: TimeBasis::Observed };
    /// Values posted without a timestamp.
    pub const RECEIVED: Self = Self { merge: MergeRule::Distribution, basis: TimeBasis::Received };
    /// Values posted with a timestamp.
    pub const STATED: Self = Self { merge: MergeRule::Distribution, basis: TimeBasis::Stated };

    /// All kinds that modules exchange. The index of a kind is its code in a record.
    const ALL: [Self; 4] = [Self::OBSERVED, Self::GAUGE_SHARE, Self::RECEIVED, Self::STATED];

    /// Returns the code in a record. Shares of a gauge are always observed.
    pub(crate) fn code(self) -> u8 {
        match (self.merge, self.basis) {
            (MergeRule::Distribution, TimeBasis::Observed) => 0,
            (MergeRule::GaugeShares, _) => 1,
            (MergeRule::Distribution, TimeBasis::Received) => 2,
            (MergeRule::Distribution, TimeBasis::Stated) => 3,
        }
    }

    /// Returns the kind with this code in a record.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Returns whether the data were posted to a gateway.
    pub const fn is_posted(self) -> bool {
        matches!(self.basis, TimeBasis::Received | TimeBasis::Stated)
    }

    /// Returns the number of milliseconds by which data are shifted if the clock is corrected by `millis`. Data are
    /// shifted by whole periods, because the position of a value within its period is unknown.
    pub const fn correction(self, resolution: StorageResolution, millis: i64) -> i64 {
        match (self.basis, self.merge) {
            (TimeBasis::Stated, _) => 0,
            (_, MergeRule::GaugeShares) => StorageResolution::High.nearest_periods(millis),
            (_, MergeRule::Distribution) => resolution.nearest_periods(millis),
        }
    }

    /// Returns the number of values in a distribution with `count` entries. Shares of gauges are not values.
    pub const fn values(self, count: u64) -> u64 {
        match self.merge {
            MergeRule::Distribution => count,
            MergeRule::GaugeShares => 0,
        }
    }

    /// Returns the length of the periods of a metric with data of this kind.
    const fn resolution(self, metric: &Metric) -> StorageResolution {
        match (self.basis, self.merge) {
            (TimeBasis::Observed, MergeRule::Distribution) => metric.resolution,
            _ => StorageResolution::High,
        }
    }
}

/// The key of a period. Data of the same time that must not be merged have different keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeriodKey {
    /// The start of the period: a whole minute for observed values of standard resolution, otherwise a whole second.
    pub start: Timestamp,
    /// The kind of the data.
    pub kind: DataKind,
    /// The namespace and entity of the data, and the duration of zeros.
    pub origin: Origin,
}

impl PeriodKey {
    /// Creates the key of the period that contains this time.
    pub fn new(time: Timestamp, kind: DataKind, origin: Origin, metric: &Metric) -> Self {
        Self { start: time.floor(kind.resolution(metric).seconds()), kind, origin }
    }

    /// Returns the end of the period of a metric. Data that were merged into longer periods are older than their end.
    pub fn end(&self, metric: &Metric) -> Timestamp {
        self.start.shifted(i64::from(self.kind.resolution(metric).seconds()).saturating_mul(1_000))
    }
}
