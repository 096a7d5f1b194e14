//! The server's clock, which a test can shift.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

/// The machine's clock plus a shift. Everything the server says or checks about time goes through it.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    shift_millis: AtomicI64,
}

impl Clock {
    /// Sets the shift from the machine's clock, replacing the former one.
    pub(crate) fn shift(&self, millis: i64) {
        self.shift_millis.store(millis, Ordering::SeqCst);
    }

    /// Milliseconds the clock is shifted by.
    pub(crate) fn shift_millis(&self) -> i64 {
        self.shift_millis.load(Ordering::SeqCst)
    }

    /// Milliseconds since the epoch. A shift beyond what a date can say stops at that bound.
    pub(crate) fn now_millis(&self) -> i64 {
        let machine = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(machine.as_millis())
            .unwrap_or(i64::MAX)
            .saturating_add(self.shift_millis())
            .clamp(0, DateTime::<Utc>::MAX_UTC.timestamp_millis())
    }

    /// The same moment as a system time.
    pub(crate) fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now_millis().unsigned_abs())
    }
}

/// A moment in milliseconds since the epoch as a date; the epoch for one no date can say.
pub(crate) fn date(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

/// `20261120T103000Z`: SigV4's form of a date.
pub(crate) fn basic(millis: i64) -> String {
    date(millis).format("%Y%m%dT%H%M%SZ").to_string()
}

/// `Fri, 20 Nov 2026 10:30:00 GMT`: the form of HTTP's `Date` header.
pub(crate) fn http_date(millis: i64) -> String {
    date(millis).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_replaces_the_former_one() {
        let clock = Clock::default();
        clock.shift(3_600_000);
        clock.shift(-3_600_000);
        let machine = Clock::default().now_millis();
        assert!((clock.now_millis() + 3_600_000 - machine).abs() < 5_000);
    }

    #[test]
    fn an_absurd_shift_stays_a_date() {
        let clock = Clock::default();
        for shift in [i64::MIN, i64::MAX] {
            clock.shift(shift);
            assert!(!http_date(clock.now_millis()).is_empty());
        }
    }

    #[test]
    fn dates_have_the_forms_of_sigv4_and_http() {
        assert_eq!(basic(1_795_170_600_000), "20261120T103000Z");
        assert_eq!(http_date(1_795_170_600_000), "Fri, 20 Nov 2026 10:30:00 GMT");
    }
}
