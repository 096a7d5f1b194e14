//! The periods under which data are filed, and how data of one period merge.

use crate::{Metric, Origin, StorageResolution, Timestamp};

/// What values of the same series and time from several workers make together, and what their time is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One distribution of all of them.
    #[default]
    Sample,
    /// Their sum: each is one worker's share of what was at the end of a second. They are filed by the second, and are a
    /// value of the series only when all workers have told theirs.
    Gauge,
    /// One distribution of all of the same second, by which they are filed.
    Posted,
    /// The same, with a timestamp that whoever posted them gave: no correction of this host's clock moves it.
    Dated,
}

impl Kind {
    /// By how many milliseconds data of this kind move when the clock is corrected by so many: whole periods, since where
    /// in its period a value was measured is not known.
    pub const fn correction(self, resolution: StorageResolution, millis: i64) -> i64 {
        match self {
            Self::Sample | Self::Posted => resolution.nearest_periods(millis),
            Self::Gauge => StorageResolution::High.nearest_periods(millis),
            Self::Dated => 0,
        }
    }
}

/// Where data are filed: CloudWatch's period, under its start.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeriodKey {
    /// The start of the period, a whole second. Samples of standard resolution are filed under whole minutes;
    /// everything else under its second.
    pub start: Timestamp,
    /// How they merge.
    pub kind: Kind,
    /// Whose they are.
    pub origin: Origin,
}

impl PeriodKey {
    /// Where a metric's data of this time are filed.
    pub fn new(time: Timestamp, kind: Kind, origin: Origin, metric: &Metric) -> Self {
        Self { start: time.floor(resolution(kind, metric).seconds()), kind, origin }
    }
}

/// The length of the periods in which data are filed.
fn resolution(kind: Kind, metric: &Metric) -> StorageResolution {
    match kind {
        Kind::Sample => metric.resolution,
        Kind::Gauge | Kind::Posted | Kind::Dated => StorageResolution::High,
    }
}
