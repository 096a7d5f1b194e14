//! How long a server asks to be left alone.

use std::time::Duration;

use acpw_metric::{Timestamp, datetime::parse_http_date};

/// Longest wait that a server's wish causes. What asks for more (a proxy with `Retry-After: 99999999999`) is asked again
/// after this time.
pub const LONGEST: Duration = Duration::from_secs(5 * 60);

/// Wish to be left alone, as an answer's headers state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// For a time from now on.
    For(Duration),
    /// Until a time, by the clock of the server.
    Until(Timestamp),
}

impl Patience {
    /// Reads `x-amz-retry-after`, which has milliseconds.
    pub fn of_millis(value: &str) -> Option<Self> {
        whole_number(value).map(Duration::from_millis).map(Self::For)
    }

    /// Reads HTTP's `Retry-After`, which has seconds or a date (RFC 9110).
    pub fn of_header(value: &str) -> Option<Self> {
        let seconds = whole_number(value).map(Duration::from_secs).map(Self::For);
        seconds.or_else(|| Some(Self::Until(date(value.trim())?)))
    }

    /// Returns the time that is left, by the server's clock. A date that has passed asks for nothing.
    pub fn remaining(self, now: Timestamp) -> Duration {
        match self {
            Self::For(time) => time,
            Self::Until(time) => Duration::from_millis(u64::try_from(time.millis_since(now)).unwrap_or(0)),
        }
    }
}

/// Reads the time in an HTTP date.
pub(crate) fn date(value: &str) -> Option<Timestamp> {
    u64::try_from(parse_http_date(value)?).ok().map(Timestamp::from_millis)
}

/// Reads digits; more of them than a number of 64 bits has are its largest.
fn whole_number(value: &str) -> Option<u64> {
    let digits = value.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_787_402_160);

    #[test]
    fn every_form_is_read() {
        let remaining = |patience: Option<Patience>| patience.map(|patience| patience.remaining(NOW));
        assert_eq!(remaining(Patience::of_header(" 120 ")), Some(Duration::from_secs(120)));
        assert_eq!(remaining(Patience::of_millis("250")), Some(Duration::from_millis(250)));
        let date = "Sat, 22 Aug 2026 12:38:00 GMT";
        assert_eq!(remaining(Patience::of_header(date)), Some(Duration::from_secs(120)));
        let past = "Sat, 22 Aug 2026 12:35:00 GMT";
        assert_eq!(remaining(Patience::of_header(past)), Some(Duration::ZERO));
        let endless = "9".repeat(100);
        assert_eq!(remaining(Patience::of_header(&endless)), Some(Duration::from_secs(u64::MAX)));
        for text in ["", " ", "soon", "-1", "1.5", "+1", "1 s"] {
            assert_eq!((Patience::of_header(text), Patience::of_millis(text)), (None, None), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".*", now: u64) {
            for patience in [Patience::of_header(&text), Patience::of_millis(&text)].into_iter().flatten() {
                patience.remaining(Timestamp::from_millis(now));
            }
        }
    }
}
