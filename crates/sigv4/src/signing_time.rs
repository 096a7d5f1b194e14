//! The time of a signature in the two formats of SigV4.

use alloc::format;
use alloc::string::String;

use chrono::{DateTime, Datelike as _, Timelike as _};

use crate::error::SignError;

/// A time in UTC with a resolution of one second.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SigningTime {
    /// `YYYYMMDD`, the format of the credential scope.
    pub(crate) date: String,
    /// `YYYYMMDD'T'HHMMSS'Z'`, the format of `x-amz-date`.
    pub(crate) date_time: String,
}

impl SigningTime {
    /// Converts seconds since 1970-01-01T00:00:00Z.
    pub(crate) fn from_unix(seconds: i64) -> Result<Self, SignError> {
        let time = DateTime::from_timestamp(seconds, 0)
            .filter(|time| (0..=9999).contains(&time.year()))
            .ok_or(SignError::Timestamp(seconds))?;
        // chrono's formatter is avoided because it would add its whole pattern language to the module.
        let date = format!("{:04}{:02}{:02}", time.year(), time.month(), time.day());
        let date_time = format!("{date}T{:02}{:02}{:02}Z", time.hour(), time.minute(), time.second());
        Ok(Self { date, date_time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_the_iso_8601_basic_format() {
        for (seconds, date, date_time) in [
            (0, "19700101", "19700101T000000Z"),
            (-1, "19691231", "19691231T235959Z"),
            (951_782_400, "20000229", "20000229T000000Z"),
            (1_440_938_160, "20150830", "20150830T123600Z"),
            (4_107_542_399, "21000228", "21000228T235959Z"),
            (4_107_542_400, "21000301", "21000301T000000Z"),
        ] {
            let expected = SigningTime { date: date.into(), date_time: date_time.into() };
            assert_eq!(SigningTime::from_unix(seconds), Ok(expected));
        }
    }

    #[test]
    fn years_outside_four_digits_are_errors() {
        const FIRST: i64 = -62_167_219_200;
        const LAST: i64 = 253_402_300_799;
        assert_eq!(SigningTime::from_unix(FIRST).unwrap().date_time, "00000101T000000Z");
        assert_eq!(SigningTime::from_unix(LAST - 1).unwrap().date_time, "99991231T235958Z");
        assert_eq!(SigningTime::from_unix(LAST).unwrap().date_time, "99991231T235959Z");
        for seconds in [FIRST - 1, LAST + 1, i64::MIN, i64::MAX] {
            assert_eq!(SigningTime::from_unix(seconds), Err(SignError::Timestamp(seconds)));
        }
    }
}
