//! Parses the delay before the next request that a server asks for.

use std::time::Duration;

use acpw_metric::{Timestamp, datetime::parse_http_date};

/// The maximum delay that is granted. A server that asks for more, such as a proxy with `Retry-After: 99999999999`,
/// gets another request after this time.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// The delay that an answer's headers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// A duration from now on.
    For(Duration),
    /// A time on the server's clock.
    Until(Timestamp),
}

impl RetryAfter {
    /// Parses `x-amz-retry-after`, which is in milliseconds.
    pub fn parse_millis(value: &str) -> Option<Self> {
        whole_number(value).map(Duration::from_millis).map(Self::For)
    }

    /// Parses HTTP's `Retry-After`, which is a number of seconds or a date (RFC 9110).
    pub fn parse_header(value: &str) -> Option<Self> {
        let seconds = whole_number(value).map(Duration::from_secs).map(Self::For);
        seconds.or_else(|| Some(Self::Until(http_date(value.trim())?)))
    }

    /// Returns the remaining delay, by the server's clock. It is zero if the time has passed.
    pub fn remaining(self, now: Timestamp) -> Duration {
        match self {
            Self::For(time) => time,
            Self::Until(time) => Duration::from_millis(u64::try_from(time.millis_since(now)).unwrap_or(0)),
        }
    }
}

/// Parses an HTTP date.
pub(crate) fn http_date(value: &str) -> Option<Timestamp> {
    u64::try_from(parse_http_date(value)?).ok().map(Timestamp::from_millis)
}

/// Parses decimal digits. A number that exceeds 64 bits becomes the largest one.
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
    fn every_format_is_parsed() {
        let remaining = |retry_after: Option<RetryAfter>| retry_after.map(|retry_after| retry_after.remaining(NOW));
        assert_eq!(remaining(RetryAfter::parse_header(" 120 ")), Some(Duration::from_secs(120)));
        assert_eq!(remaining(RetryAfter::parse_millis("250")), Some(Duration::from_millis(250)));
        let http_date = "Sat, 22 Aug 2026 12:38:00 GMT";
        assert_eq!(remaining(RetryAfter::parse_header(http_date)), Some(Duration::from_secs(120)));
        let past = "Sat, 22 Aug 2026 12:35:00 GMT";
        assert_eq!(remaining(RetryAfter::parse_header(past)), Some(Duration::ZERO));
        let endless = "9".repeat(100);
        assert_eq!(remaining(RetryAfter::parse_header(&endless)), Some(Duration::from_secs(u64::MAX)));
        for text in ["", " ", "soon", "-1", "1.5", "+1", "1 s"] {
            assert_eq!((RetryAfter::parse_header(text), RetryAfter::parse_millis(text)), (None, None), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", now: u64) {
            for retry_after in [RetryAfter::parse_header(&text), RetryAfter::parse_millis(&text)].into_iter().flatten() {
                retry_after.remaining(Timestamp::from_millis(now));
            }
        }
    }
}
