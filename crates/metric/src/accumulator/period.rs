//! Periods under which data are filed, and the two rules that depend on where data come from: how data of one series and
//! period merge, and how they are dated.

use crate::{Metric, Origin, StorageResolution, Timestamp};

/// Rule by which values of the same series and period are merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MergeRule {
    /// All of them form one distribution.
    #[default]
    Distribution,
    /// They are added up: each is one worker's share of a gauge at the end of a second. The sum is a value of the series
    /// only once all workers have reported their share, so shares do not count as values.
    GaugeShares,
}

/// Source of the time under which data are filed. It decides the length of the period, and whether a correction of this
/// host's clock moves the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeBasis {
    /// A module observed them, by this host's clock.
    #[default]
    Observed,
    /// They were posted without a timestamp and carry the time of their arrival, by this host's clock.
    Received,
    /// They were posted with a timestamp, which no correction of this host's clock moves.
    Stated,
}

/// How data merge, and how they are dated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataKind {
    /// How data of the same series and period merge.
    pub merge: MergeRule,
    /// Where their time comes from.
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

    /// Every kind that modules exchange, each at the index that is its code in a record.
    const ALL: [Self; 4] = [Self::OBSERVED, Self::GAUGE_SHARE, Self::RECEIVED, Self::STATED];

    /// Returns the code of a kind in a record. Shares of a gauge are always observed.
    pub(crate) fn code(self) -> u8 {
        match (self.merge, self.basis) {
            (MergeRule::Distribution, TimeBasis::Observed) => 0,
            (MergeRule::GaugeShares, _) => 1,
            (MergeRule::Distribution, TimeBasis::Received) => 2,
            (MergeRule::Distribution, TimeBasis::Stated) => 3,
        }
    }

    /// Returns the kind that has this code in a record.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Returns whether somebody posted the data to a gateway.
    pub const fn is_posted(self) -> bool {
        matches!(self.basis, TimeBasis::Received | TimeBasis::Stated)
    }

    /// Returns by how many milliseconds these data move when the clock is corrected by `millis`: by whole periods, since the
    /// position of a value within its period is unknown.
    pub const fn correction(self, resolution: StorageResolution, millis: i64) -> i64 {
        match (self.basis, self.merge) {
            (TimeBasis::Stated, _) => 0,
            (_, MergeRule::GaugeShares) => StorageResolution::High.nearest_periods(millis),
            (_, MergeRule::Distribution) => resolution.nearest_periods(millis),
        }
    }

    /// Returns the number of values in a distribution of this kind. Shares of gauges are not values yet.
    pub const fn values(self, count: u64) -> u64 {
        match self.merge {
            MergeRule::Distribution => count,
            MergeRule::GaugeShares => 0,
        }
    }

    /// Returns the length of the periods under which a metric's data of this kind are filed.
    const fn resolution(self, metric: &Metric) -> StorageResolution {
        match (self.basis, self.merge) {
            (TimeBasis::Observed, MergeRule::Distribution) => metric.resolution,
            _ => StorageResolution::High,
        }
    }
}

/// Period under which data are filed: its start, and what separates data of the same time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeriodKey {
    /// Start of the period, a whole second. Observed values of standard resolution are filed under whole minutes,
    /// everything else under its second.
    pub start: Timestamp,
    /// How the data merge and how they are dated.
    pub kind: DataKind,
    /// Namespace, entity and zeros of the data.
    pub origin: Origin,
}

impl PeriodKey {
    /// Creates the key of a metric's data at this time.
    pub fn new(time: Timestamp, kind: DataKind, origin: Origin, metric: &Metric) -> Self {
        Self { start: time.floor(kind.resolution(metric).seconds()), kind, origin }
    }
}
