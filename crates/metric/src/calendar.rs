//! Times as others write them.
//!
//! Not read by chrono, which does the calendar: its one parser for all patterns would be 20 KB of a module.

use chrono::NaiveDate;

const MINUTE_MILLIS: i64 = 60_000;

/// Milliseconds since the epoch of a time in RFC 3339, the profile of ISO 8601 with date, time and offset, such as
/// `2026-11-20T09:30:00.5+01:00`. Digits after the third of a fraction are left out of account.
pub fn rfc_3339(text: &str) -> Option<i64> {
    let (second, nanos) = rfc_3339_parts(text)?;
    second.checked_add(nanos / 1_000_000)
}

/// Nanoseconds since the epoch of such a time. Digits after the ninth of a fraction are left out of account.
pub fn rfc_3339_nanos(text: &str) -> Option<i64> {
    let (second, nanos) = rfc_3339_parts(text)?;
    second.checked_mul(1_000_000)?.checked_add(nanos)
}

/// The milliseconds since the epoch of the whole second, and the nanoseconds within it.
fn rfc_3339_parts(text: &str) -> Option<(i64, i64)> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
    let (nanos, offset) = fraction(rest)?;
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    Some((instant(year, month, day, time)?.checked_sub(offset_millis(offset)?)?, nanos))
}

/// Milliseconds since the epoch of a time as HTTP's `Date` has it (RFC 9110, IMF-fixdate), such as
/// `Fri, 20 Nov 2026 09:30:00 GMT`.
pub fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split(' ').skip(1);
    let (day, month, year) = (number(parts.next()?, 2)?, parts.next()?, number(parts.next()?, 4)?);
    let (time, zone) = (parts.next()?, parts.next()?);
    let month = MONTHS.iter().zip(1..).find(|(name, _)| **name == month).map(|(_, month)| month)?;
    if zone == "GMT" && parts.next().is_none() { instant(year, month, day, time) } else { None }
}

/// Milliseconds since the epoch of a time in UTC that is written `HH:MM:SS`.
fn instant(year: u32, month: u32, day: u32, time: &str) -> Option<i64> {
    let mut parts = time.split(':');
    let (hour, minute, second) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    // A leap second is the first one of the next minute.
    if second > 60 || parts.next().is_some() {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let minute = date.and_hms_opt(hour, minute, 0)?.and_utc().timestamp_millis();
    minute.checked_add(i64::from(second).saturating_mul(1_000))
}

/// The nanoseconds of a fraction, if there is one, and what comes after it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(text) = text.strip_prefix('.') else { return Some((0, text)) };
    let (digits, rest) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    let nines = digits.get(..digits.len().min(9)).filter(|digits| !digits.is_empty())?;
    let scale = 10i64.checked_pow(9u32.saturating_sub(u32::try_from(nines.len()).ok()?))?;
    Some((nines.parse::<i64>().ok()?.saturating_mul(scale), rest))
}

/// The milliseconds by which the time of `Z` or `±HH:MM` is ahead of UTC.
fn offset_millis(text: &str) -> Option<i64> {
    let (sign, text) = match text.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(0),
        ("+", text) => (1, text),
        ("-", text) => (-1, text),
        _ => return None,
    };
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2).filter(|minutes| *minutes < 60)?);
    let minutes = i64::from(hours).saturating_mul(60).saturating_add(i64::from(minutes));
    (hours < 24).then(|| minutes.saturating_mul(MINUTE_MILLIS).saturating_mul(sign))
}

/// A number of so many digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn by_chrono(text: &str) -> Option<i64> {
        DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis())
    }

    proptest! {
        #[test]
        fn rfc_3339_is_read_as_chrono_reads_it(
            text in "[012][0-9]{3}-[01][0-9]-[0-3][0-9][Tt ][012][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,11})?([Zz]|[+-][0-2][0-9]:[0-6][0-9])",
            place: prop::sample::Index,
            other in "[0-9TZ:. +-]",
        ) {
            prop_assert_eq!(rfc_3339(&text), by_chrono(&text), "{}", text);
            let nanos = DateTime::parse_from_rfc3339(&text).ok().and_then(|time| time.timestamp_nanos_opt());
            prop_assert_eq!(rfc_3339_nanos(&text), nanos, "{}", text);
            let place = place.index(text.len());
            let changed = [&text[..place], &other, &text[place + 1..]].concat();
            prop_assert_eq!(rfc_3339(&changed), by_chrono(&changed), "{}", changed);
        }

        #[test]
        fn http_dates_are_read_as_chrono_reads_them(seconds in 0i64..253_402_300_800) {
            let text = DateTime::from_timestamp(seconds, 0).unwrap().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            prop_assert_eq!(http_date(&text), Some(seconds * 1_000), "{}", text);
            prop_assert_eq!(http_date(&text[..text.len() - 1]), None);
        }

        #[test]
        fn any_text_is_read(text: String, like in "[0-9TZ:., +-]{0,40}") {
            for text in [&text, &like] {
                prop_assert_eq!(rfc_3339(text), by_chrono(text), "{}", text);
                prop_assert_eq!(http_date(text), None);
            }
        }
    }

    #[test]
    fn examples_of_the_standards_are_read() {
        let cases = [
            ("1985-04-12T23:20:50.52Z", Some(482_196_050_520)),
            ("1996-12-19T16:39:57-08:00", Some(851_042_397_000)),
            ("1990-12-31T23:59:60Z", Some(662_688_000_000)),
            ("2026-02-29T00:00:00Z", None),
            ("2026-08-22T18:00:00", None),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
        ];
        for (text, expected) in cases {
            assert_eq!(rfc_3339(text), expected, "{text}");
        }
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT later"), None);
        assert_eq!(http_date("Sun, 31 Feb 1994 08:49:37 GMT"), None);
    }
}
