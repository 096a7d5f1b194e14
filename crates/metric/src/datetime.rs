//! Parsers for the formats of dates and times that the modules read.

use std::time::UNIX_EPOCH;

use chrono::DateTime;

/// Parses an RFC 3339 time, such as `2026-11-20T09:30:00.5+01:00`.
///
/// Returns milliseconds since the epoch. Ignores digits after the third of a fraction.
pub fn parse_rfc_3339(text: &str) -> Option<i64> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis())
}

/// Parses an RFC 3339 time.
///
/// Returns nanoseconds since the epoch, or `None` for a time outside of the years 1677 to 2262, the range of an `i64`.
/// Ignores digits after the ninth of a fraction.
pub fn parse_rfc_3339_nanos(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt()
}

/// Parses a UTC time in the ISO 8601 basic format, `20261120T093000Z`, which SigV4 uses for `x-amz-date`.
///
/// Returns milliseconds since the epoch.
pub fn parse_iso_8601_basic(text: &str) -> Option<i64> {
    let (date, time) = text.split_at_checked("YYYYMMDD".len())?;
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    let (hour, minute, second) = (time.get(..3)?, time.get(3..5)?, time.get(5..)?);
    // The extended format adds separators.
    parse_rfc_3339(&format!("{year}-{month}-{day}{hour}:{minute}:{second}"))
}

/// Parses an ISO 8601 time in the extended or the basic format.
///
/// Seconds are optional. Without a zone the time is in UTC, and without a time of day it is midnight. An offset may
/// omit its colon or its minutes. Week dates and ordinal dates are not supported. Returns milliseconds since the epoch.
pub fn parse_iso_8601(text: &str) -> Option<i64> {
    parse_rfc_3339(&to_rfc_3339(text)?)
}

/// Parses an HTTP date in one of the three formats of RFC 9110, section 5.6.7, such as `Fri, 20 Nov 2026 09:30:00 GMT`.
///
/// Returns milliseconds since the epoch.
pub fn parse_http_date(text: &str) -> Option<i64> {
    let since_epoch = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_millis()).ok()
}

/// Rewrites an ISO 8601 time as an RFC 3339 time. Does not check the numbers; the RFC 3339 parser does.
fn to_rfc_3339(text: &str) -> Option<String> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, time),
        None => (text, "00:00:00Z"),
    };
    let date = match date.as_bytes() {
        [_, _, _, _, b'-', _, _, b'-', _, _] => date.to_owned(),
        [_, _, _, _, _, _, _, _] => format!("{}-{}-{}", date.get(..4)?, date.get(4..6)?, date.get(6..)?),
        _ => return None,
    };
    let zone = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at_checked(zone)?;
    // PostgreSQL and Ruby write a space before the zone.
    let time = time.trim_end();
    // ISO 8601 allows a comma as the decimal sign of a fraction, and prefers it.
    let (time, fraction) = time.split_at_checked(time.find(['.', ',']).unwrap_or(time.len()))?;
    let time = match time.as_bytes() {
        [_, _, b':', _, _, b':', _, _] => time.to_owned(),
        // A fraction of a minute is not supported.
        [_, _, b':', _, _] if fraction.is_empty() => format!("{time}:00"),
        [_, _, _, _, _, _] => format!("{}:{}:{}", time.get(..2)?, time.get(2..4)?, time.get(4..)?),
        [_, _, _, _] if fraction.is_empty() => format!("{}:{}:00", time.get(..2)?, time.get(2..)?),
        _ => return None,
    };
    let zone = match zone.as_bytes() {
        [] => "Z".to_owned(),
        [b'Z' | b'z'] | [_, _, _, b':', _, _] => zone.to_owned(),
        [_, _, _] => format!("{zone}:00"),
        [_, _, _, _, _] => format!("{}:{}", zone.get(..3)?, zone.get(3..)?),
        _ => return None,
    };
    Some(format!("{date}T{time}{}{zone}", fraction.replace(',', ".")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LAST_SECOND: i64 = 253_402_300_799;

    #[test]
    fn rfc_3339_times_are_parsed() {
        let cases = [
            ("1985-04-12T23:20:50.52Z", Some(482_196_050_520)),
            ("1996-12-19T16:39:57-08:00", Some(851_042_397_000)),
            ("1990-12-31T23:59:60Z", Some(662_688_000_000)),
            ("1990-12-31T23:59:60.5Z", Some(662_688_000_500)),
            ("1937-01-01t12:00:27.87+00:20", Some(-1_041_337_172_130)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("2026-08-22 18:00:00z", Some(1_787_421_600_000)),
            ("2026-02-29T00:00:00Z", None),
            ("2026-08-22T18:00:00", None),
            ("2026-08-22T24:00:00Z", None),
            ("2026-08-22T18:00:00.Z", None),
            ("2026-8-22T18:00:00Z", None),
            ("2026-08-22T18:00:00Z ", None),
            (" 2026-08-22T18:00:00Z", None),
            ("+026-08-22T18:00:00Z", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_rfc_3339(text), expected, "{text}");
        }
        assert_eq!(parse_rfc_3339_nanos("1970-01-01T00:00:01.0000000019Z"), Some(1_000_000_001));
        assert_eq!(parse_rfc_3339_nanos("0001-01-01T00:00:00Z"), None);
    }

    #[test]
    fn all_three_formats_of_an_http_date_are_parsed() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_http_date(text), Some(784_111_777_000), "{text}");
        }
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT later",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "",
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn the_basic_format_must_be_complete() {
        assert_eq!(parse_iso_8601_basic("20150830T123600Z"), Some(1_440_938_160_000));
        for text in [
            "20150830T123600",
            "20150830T1236Z",
            "20150830T123600.5",
            "20150830T12:36:00Z",
            "2015-08-30T123600Z",
            "+0150830T123600Z",
            "20150231T123600Z",
            "20150830 123600",
            "2015083\u{e4}T123600Z",
            "",
        ] {
            assert_eq!(parse_iso_8601_basic(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn times_survive_a_round_trip(millis in 0..LAST_SECOND * 1_000, nanos in 0..1_000_000u32) {
            let time = DateTime::from_timestamp_millis(millis).unwrap();
            let second = time.timestamp() * 1_000;
            prop_assert_eq!(parse_rfc_3339(&time.to_rfc3339()), Some(millis));
            prop_assert_eq!(parse_http_date(&time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()), Some(second));
            prop_assert_eq!(parse_iso_8601_basic(&time.format("%Y%m%dT%H%M%SZ").to_string()), Some(second));
            let time = time + chrono::TimeDelta::nanoseconds(nanos.into());
            prop_assert_eq!(parse_rfc_3339_nanos(&time.to_rfc3339()), time.timestamp_nanos_opt());
        }

        #[test]
        fn other_text_is_refused(text: String, similar in "[0-9TZ:., +-]{0,14}") {
            for text in [&text, &similar] {
                prop_assert_eq!(parse_rfc_3339(text), None);
                prop_assert_eq!(parse_http_date(text), None);
                prop_assert_eq!(parse_iso_8601_basic(text), None);
            }
        }
    }
}
