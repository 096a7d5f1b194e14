//! Parses timestamps in the formats that clients use.

use acpw_metric::{Timestamp, datetime::parse_iso_8601, quota::MAX_AGE_SECONDS};

/// CloudWatch's limit on how far in the future a timestamp may be.
const MAX_LEAD_SECONDS: f64 = 2.0 * 60.0 * 60.0;

/// The time to reserve for publishing. Data that gets older than CloudWatch's limit before it is published would be
/// lost after the gateway has accepted it.
const PUBLISHING_SECONDS: f64 = 10.0 * 60.0;

/// The formats that [`parse_seconds`] supports, for messages.
pub const FORMATS: &str = "seconds since 1970 or ISO 8601, such as 2026-11-20T09:30:00Z, 2026-11-20T09:30+01:00, \
                           20261120T093000Z or 2026-11-20; without an offset it is UTC";

/// The reason why CloudWatch would refuse a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampError {
    /// The timestamp is more than two weeks in the past, minus ten minutes reserved for publishing.
    TooOld,
    /// The timestamp is more than two hours in the future.
    TooEarly,
}

/// Checks that CloudWatch accepts data of this time, in seconds since the epoch, also when they are published later.
///
/// # Errors
/// See [`TimestampError`].
pub fn check_timestamp(seconds: f64, now: Timestamp) -> Result<(), TimestampError> {
    let now = now.as_millis() as f64 / 1_000.0;
    if seconds.is_nan() || seconds < now - (MAX_AGE_SECONDS as f64 - PUBLISHING_SECONDS) {
        return Err(TimestampError::TooOld);
    }
    if seconds > now + MAX_LEAD_SECONDS { Err(TimestampError::TooEarly) } else { Ok(()) }
}

/// Parses a number of seconds since the epoch or an ISO 8601 date. Returns `None` for any other text.
///
/// The time of day may be absent (midnight) or lack its seconds or its offset (UTC). An offset may lack its colon or
/// its minutes. Date and time may be in the basic format, without separators. Week and ordinal dates are not supported.
pub fn parse_seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.').then(|| text.parse().ok());
    // Eight digits are a date in the basic format. As seconds they would be before 1973, which CloudWatch does not
    // accept.
    if text.len() != 8
        && let Some(number) = number(text)
    {
        return number;
    }
    Some(parse_iso_8601(text)? as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_iso_8601_format_is_parsed() {
        for text in [
            "2026-11-28T09:30:00Z",
            "2026-11-28T09:30:00",
            "2026-11-28T09:30:00+0000",
            "2026-11-28T09:30:00+00",
            "2026-11-28T09:30Z",
            "2026-11-28T09:30",
            "2026-11-28 09:30:00",
            "2026-11-28t09:30:00z",
            "2026-11-28T10:30:00+01:00",
            "2026-11-28T10:30+0100",
            "2026-11-28T02:00-07:30",
            "2026-11-28T09:30:00.000Z",
            "2026-11-28T09:30:00,000Z",
            "20261128T093000Z",
            "20261128T093000",
            "20261128T0930Z",
            "20261128T103000+0100",
            "20261128T093000.0Z",
            " 2026-11-28T09:30:00Z\n",
            "1795858200",
            "1795858200.0",
        ] {
            assert_eq!(parse_seconds(text), Some(1_795_858_200.0), "{text}");
        }
        for text in ["2026-11-28", "20261128", "20261128T000000Z"] {
            assert_eq!(parse_seconds(text), Some(1_795_824_000.0), "{text}");
        }
        assert_eq!(parse_seconds("2026-11-28T09:30:00.25"), Some(1_795_858_200.25));
    }

    #[test]
    fn other_formats_are_refused() {
        for text in [
            "",
            "now",
            "Sat, 28 Nov 2026 09:30:00 GMT",
            "/Date(1795858200000)/",
            "11/28/2026",
            "28.11.2026",
            "2026-11",
            "2026-W48-6",
            "2026-332",
            "2026-11-28T",
            "2026-11-28T09",
            "2026-11-28T9:30:00",
            "2026-11-28T09:30.5",
            "2026-11-28T24:30:00",
            "2026-02-30",
            "2026-11-28T09:30:00 Europe/Berlin",
            "2026-11-28T09:30:00+1",
            "2026-11-28T09:30:00Z2026-11-28",
            "١٧٩٥٨٥٨٢٠٠",
            "1e9",
            "-1",
            "1.2.3",
            ".",
            "nan",
        ] {
            assert_eq!(parse_seconds(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn rfc_3339_is_parsed_as_chrono_parses_it(
            text in "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[012][0-9]:[0-6][0-9]:[0-5][0-9](\\.[0-9]{1,3})?(Z|[+-][0-2][0-9]:[0-6][0-9])",
        ) {
            let expected = DateTime::parse_from_rfc3339(&text).ok().map(|time| time.timestamp_millis() as f64 / 1_000.0);
            prop_assert_eq!(parse_seconds(&text), expected);
            // The basic format means the same time.
            let (date, rest) = text.split_at(10);
            let at = rest.find(['Z', '+', '-']).unwrap();
            let basic = [date.replace('-', ""), rest[..at].replace(':', ""), rest[at..].replace(':', "")].concat();
            prop_assert_eq!(parse_seconds(&basic), expected, "{}", basic);
        }

        #[test]
        fn any_text_gives_a_number_or_none(text: String, like in "[0-9TZ:., +-]{0,40}") {
            for text in [text, like] {
                prop_assert!(parse_seconds(&text).is_none_or(|seconds| !seconds.is_nan()), "{}", text);
            }
        }
    }
}
