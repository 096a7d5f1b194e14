//! Points in time, which callers pass as arguments.

use std::time::Duration;

/// A wall-clock time in milliseconds since the Unix epoch. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Creates a timestamp from milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Creates a timestamp from seconds since the epoch.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Returns milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns whole seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// Returns the start of the period that contains this time. Periods have `seconds` seconds; 0 is treated as 1.
    pub fn floor(self, seconds: u32) -> Self {
        let period = u64::from(seconds.max(1)).saturating_mul(1_000);
        Self(self.0.saturating_sub(self.0.checked_rem(period).unwrap_or(0)))
    }

    /// Returns this time shifted by a signed number of milliseconds.
    pub fn shifted(self, millis: i64) -> Self {
        Self(self.0.saturating_add_signed(millis))
    }

    /// Returns the milliseconds from `earlier` to this time. The result is negative if this time is before `earlier`.
    pub fn millis_since(self, earlier: Self) -> i64 {
        let difference = i128::from(self.0).saturating_sub(i128::from(earlier.0));
        i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
    }
}

/// A reading of the host's two clocks.
///
/// The wall clock is used for the timestamps of data and signatures; it may jump. The steady clock never goes back, so
/// schedules and back-offs use it and are not affected when the wall clock is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The wall clock.
    pub wall: Timestamp,
    /// The steady clock: the time since an arbitrary, fixed point.
    pub steady: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_returns_the_start_of_the_period() {
        let at = Timestamp::from_millis(1_787_402_219_999);
        assert_eq!(at.floor(60), Timestamp::from_secs(1_787_402_160));
        assert_eq!(at.floor(1), Timestamp::from_secs(1_787_402_219));
        assert_eq!(at.floor(0), at.floor(1));
    }

    #[test]
    fn differences_are_signed_and_saturate() {
        let early = Timestamp::from_millis(5);
        let late = Timestamp::from_millis(u64::MAX);
        assert_eq!(Timestamp::from_millis(7).millis_since(early), 2);
        assert_eq!(early.millis_since(Timestamp::from_millis(7)), -2);
        assert_eq!(late.millis_since(early), i64::MAX);
        assert_eq!(early.shifted(-10), Timestamp::from_millis(0));
    }
}
