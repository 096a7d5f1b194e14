//! The time ranges of the web page, and the periods that they are drawn in.

use serde::Deserialize;

use crate::datum::StorageResolution;
use crate::store::StoredSeries;

/// The time range of the charts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum TimeWindow {
    #[serde(rename = "5m")]
    FiveMinutes,
    #[default]
    #[serde(rename = "15m")]
    FifteenMinutes,
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "3h")]
    ThreeHours,
}

/// Consecutive periods. The last one contains the time for which they were created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Periods {
    /// Start of the first period, in seconds since the epoch.
    pub(crate) start: i64,
    /// Length of a period in seconds.
    pub(crate) period: i64,
    /// Number of periods.
    pub(crate) count: usize,
}

impl TimeWindow {
    fn seconds(self) -> i64 {
        match self {
            Self::FiveMinutes => 300,
            Self::FifteenMinutes => 900,
            Self::Hour => 3_600,
            Self::ThreeHours => 10_800,
        }
    }

    /// Returns the periods up to `now`, of a length that gives a readable number of points.
    pub(crate) fn periods(self, finest: StorageResolution, now: i64) -> Periods {
        let period = match (self, finest) {
            (Self::FiveMinutes, StorageResolution::Second) => 5,
            (Self::FifteenMinutes, StorageResolution::Second) => 10,
            (Self::FiveMinutes | Self::FifteenMinutes | Self::Hour, _) => 60,
            (Self::ThreeHours, _) => 180,
        };
        let count = self.seconds() / period;
        let last = now - now.rem_euclid(period);
        Periods { start: last - (count - 1) * period, period, count: usize::try_from(count).unwrap_or_default() }
    }

    /// Returns the periods up to `now` for `series`. They are shorter than a minute only if all data in the window have
    /// a resolution of one second, because data of minutes would be missing in them.
    pub(crate) fn periods_of<'a>(self, series: impl IntoIterator<Item = &'a StoredSeries>, now: i64) -> Periods {
        let since = now - self.seconds();
        let by_second = series
            .into_iter()
            .flat_map(StoredSeries::buckets)
            .all(|(at, resolution, _)| at < since || resolution == StorageResolution::Second);
        self.periods(if by_second { StorageResolution::Second } else { StorageResolution::Minute }, now)
    }
}

impl Periods {
    /// Returns the end of the last period.
    pub(crate) fn end(self) -> i64 {
        self.start + self.period * self.count as i64
    }

    /// Returns the start of each period.
    pub(crate) fn starts(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |index| self.start + self.period * index as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_170_655;

    #[test]
    fn the_last_period_contains_now() {
        for window in [TimeWindow::FiveMinutes, TimeWindow::FifteenMinutes, TimeWindow::Hour, TimeWindow::ThreeHours] {
            for finest in [StorageResolution::Second, StorageResolution::Minute] {
                let periods = window.periods(finest, NOW);
                let last = periods.starts().last().unwrap();
                assert!((last..periods.end()).contains(&NOW), "{window:?} {finest:?} {periods:?}");
                assert_eq!((periods.start % periods.period, periods.starts().count()), (0, periods.count));
                assert_eq!(periods.end() - periods.start, window.seconds());
            }
        }
    }
}
