//! The server's clock, which tests can shift.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

/// The host's clock plus a shift. The server reads the time only here.
#[derive(Debug, Default)]
pub(crate) struct ShiftableClock {
    shift_millis: AtomicI64,
}

impl ShiftableClock {
    /// Sets the shift from the host's clock, replacing the previous shift.
    pub(crate) fn shift(&self, millis: i64) {
        self.shift_millis.store(millis, Ordering::SeqCst);
    }

    /// Returns the shift in milliseconds.
    pub(crate) fn shift_millis(&self) -> i64 {
        self.shift_millis.load(Ordering::SeqCst)
    }

    /// Returns milliseconds since the epoch, clamped to the range of [`DateTime<Utc>`].
    pub(crate) fn now_millis(&self) -> i64 {
        let machine = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(machine.as_millis())
            .unwrap_or(i64::MAX)
            .saturating_add(self.shift_millis())
            .clamp(0, DateTime::<Utc>::MAX_UTC.timestamp_millis())
    }

    /// Returns the current time as a [`SystemTime`].
    pub(crate) fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now_millis().unsigned_abs())
    }
}

/// Converts milliseconds since the epoch to a date. Returns the epoch if they are out of range.
pub(crate) fn date(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

/// Formats a time as SigV4 does: `20261120T103000Z`.
pub(crate) fn basic(millis: i64) -> String {
    date(millis).format("%Y%m%dT%H%M%SZ").to_string()
}

/// Formats a time as the HTTP `Date` header: `Fri, 20 Nov 2026 10:30:00 GMT`.
pub(crate) fn http_date(millis: i64) -> String {
    date(millis).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_replaces_the_previous_one() {
        let clock = ShiftableClock::default();
        clock.shift(3_600_000);
        clock.shift(-3_600_000);
        let machine = ShiftableClock::default().now_millis();
        assert!((clock.now_millis() + 3_600_000 - machine).abs() < 5_000);
    }

    #[test]
    fn an_extreme_shift_is_clamped_to_a_date() {
        let clock = ShiftableClock::default();
        for shift in [i64::MIN, i64::MAX] {
            clock.shift(shift);
            assert!(!http_date(clock.now_millis()).is_empty());
        }
    }

    #[test]
    fn dates_are_formatted_for_sigv4_and_http() {
        assert_eq!(basic(1_795_170_600_000), "20261120T103000Z");
        assert_eq!(http_date(1_795_170_600_000), "Fri, 20 Nov 2026 10:30:00 GMT");
    }
}
