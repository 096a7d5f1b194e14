//! Parses the expiry of credentials.

use acpw_metric::{Timestamp, datetime::parse_iso_8601};
use serde_json::Value;

/// The smallest number that is read as milliseconds since the epoch. As seconds it would be in the year 5138.
const MILLIS_FROM: f64 = 1e11;

/// The earliest valid expiry, which is before AWS existed.
const EARLIEST: Timestamp = Timestamp::from_secs(1_000_000_000);

/// The expiry of a set according to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiration {
    /// The document has none.
    Absent,
    /// The set expires at this time.
    At(Timestamp),
    /// The value is not a valid time. It is treated as absent, and logged.
    Invalid,
}

impl Expiration {
    /// Parses a value of a JSON document.
    pub(crate) fn of_json(value: Option<&Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self::Absent,
            Some(Value::String(text)) => Self::of_text(text),
            Some(Value::Number(number)) => number.as_f64().and_then(of_epoch).map_or(Self::Invalid, Self::At),
            Some(_) => Self::Invalid,
        }
    }

    /// Parses a text: an extended or basic ISO 8601 time, which is UTC unless it has an offset, or a number of seconds
    /// or milliseconds since the epoch.
    pub(crate) fn of_text(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return Self::Absent;
        }
        let time = of_number(text).or_else(|| of_iso_8601(text)).filter(|time| *time >= EARLIEST);
        time.map_or(Self::Invalid, Self::At)
    }

    /// Returns the time, if it is known.
    pub(crate) fn time(self) -> Option<Timestamp> {
        match self {
            Self::At(time) => Some(time),
            Self::Absent | Self::Invalid => None,
        }
    }
}

fn of_number(text: &str) -> Option<Timestamp> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    // Eight digits are an ISO 8601 date. An expiry in seconds has more.
    if is_number && text.len() > 8 { of_epoch(text.parse().ok()?) } else { None }
}

fn of_epoch(number: f64) -> Option<Timestamp> {
    let millis = if number < MILLIS_FROM { number * 1_000.0 } else { number };
    let time = Timestamp::from_millis(millis as u64);
    (millis.is_finite() && time >= EARLIEST).then_some(time)
}

/// Parses an ISO 8601 date with a time. Some tools append `UTC` or `GMT`.
fn of_iso_8601(text: &str) -> Option<Timestamp> {
    let named = ["UTC", "GMT", "utc", "gmt"].iter().find_map(|zone| text.strip_suffix(zone));
    let text = named.map_or(text, str::trim_end);
    // A date without a time is ambiguous.
    if text.len() <= "YYYY-MM-DD".len() {
        return None;
    }
    u64::try_from(parse_iso_8601(text)?).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIME: u64 = 1_795_861_800;

    #[test]
    fn every_format_is_parsed() {
        for text in [
            "2026-11-28T10:30:00Z",
            "2026-11-28T10:30:00+0000",
            "2026-11-28T10:30:00+00:00",
            "2026-11-28T11:30:00+01",
            "2026-11-28T05:30:00-0500",
            "2026-11-28T10:30:00",
            "2026-11-28T10:30:00.000",
            "2026-11-28 10:30:00 UTC",
            "2026-11-28T10:30Z",
            "20261128T103000Z",
            "20261128T1030",
            " 2026-11-28T10:30:00Z\n",
            "1795861800",
            "1795861800.0",
            "1795861800000",
        ] {
            assert_eq!(Expiration::of_text(text), Expiration::At(Timestamp::from_secs(TIME)), "{text}");
        }
        for number in
            [serde_json::json!(1_795_861_800), serde_json::json!(1.7958618e9), serde_json::json!(1_795_861_800_000u64)]
        {
            assert_eq!(Expiration::of_json(Some(&number)), Expiration::At(Timestamp::from_secs(TIME)), "{number}");
        }
    }

    #[test]
    fn invalid_and_absent_values_are_distinguished() {
        for text in
            ["later", "2026-13-01T00:00:00Z", "12", "20261128", "2026-11-28", "-1", "1e9", "0001-01-01T00:00:00Z"]
        {
            assert_eq!(Expiration::of_text(text), Expiration::Invalid, "{text}");
        }
        for value in [serde_json::json!(true), serde_json::json!({}), serde_json::json!(-1), serde_json::json!(7)] {
            assert_eq!(Expiration::of_json(Some(&value)), Expiration::Invalid, "{value}");
        }
        assert_eq!(Expiration::of_json(Some(&Value::Null)), Expiration::Absent);
        assert_eq!((Expiration::of_json(None), Expiration::of_text(" ")), (Expiration::Absent, Expiration::Absent));
    }

    proptest! {
        #[test]
        fn any_valid_expiry_is_after_the_earliest_one(text in ".*|[0-9TZ:.+ -]{0,30}", number: f64) {
            for expiration in [Expiration::of_text(&text), Expiration::of_json(Some(&number.into()))] {
                prop_assert!(expiration.time().is_none_or(|time| time >= EARLIEST));
            }
        }

        #[test]
        fn times_formatted_by_chrono_are_parsed(seconds in 1_000_000_000i64..4_000_000_000, offset in -12i32..13) {
            let zone = chrono::FixedOffset::east_opt(offset * 3_600).unwrap();
            let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap().with_timezone(&zone);
            let expected = Expiration::At(Timestamp::from_secs(seconds as u64));
            for form in ["%Y-%m-%dT%H:%M:%S%:z", "%Y-%m-%dT%H:%M:%S%z", "%Y%m%dT%H%M%S%z", "%Y-%m-%d %H:%M:%S %z"] {
                let text = time.format(form).to_string();
                prop_assert_eq!(Expiration::of_text(&text), expected, "{}", text);
            }
        }
    }
}
