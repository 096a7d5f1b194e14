//! The times at which a set of credentials is replaced and a failure is retried.

use std::time::Duration;

use acpw_metric::{Now, Timestamp};

use super::step::RetryPolicy;
use crate::random::Random;

/// The time before its expiry at which a set is replaced. A set with less than twice this lifetime is replaced after
/// half of its lifetime.
const REFRESH_BUFFER: Duration = Duration::from_secs(15 * 60);

/// The minimum time between a set and its replacement.
const MIN_REFRESH_DELAY: Duration = Duration::from_secs(1);

/// The time after which a set without a known expiry is refreshed.
const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The time after which a set is refreshed that was already expired when it was fetched.
const EXPIRED_REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// The first delay before a retry under [`RetryPolicy::Soon`], which doubles each time.
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(1);

/// The maximum delay before a retry under [`RetryPolicy::Soon`].
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

/// The first delay before a retry under [`RetryPolicy::Later`], which doubles each time.
const FIRST_LATER_RETRY_DELAY: Duration = Duration::from_secs(5);

/// The maximum delay before a retry under [`RetryPolicy::Later`].
const MAX_LATER_RETRY_DELAY: Duration = Duration::from_secs(5 * 60);

/// When to replace a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    Never,
    /// At a time of the corrected wall clock.
    At(Timestamp),
    /// At a time of the steady clock.
    After(Duration),
}

impl Refresh {
    /// Returns the refresh of a set that expires after `remaining`.
    pub(super) fn before_expiry(remaining: Duration, now: Now, random: &mut Random) -> Self {
        let early = REFRESH_BUFFER.min(remaining / 2);
        let early = early.saturating_add(random.below(early / 4));
        let wait = remaining.saturating_sub(early).max(MIN_REFRESH_DELAY);
        Self::At(now.wall.shifted(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns the refresh of a set that was already expired when it was fetched. `outlives_expiry` is true if AWS
    /// accepts the set longer.
    pub(super) fn of_expired(outlives_expiry: bool, now: Now, random: &mut Random) -> Self {
        let wait = if outlives_expiry { REFRESH_BUFFER } else { EXPIRED_REFRESH_INTERVAL };
        let wait = wait.saturating_add(random.below(wait / 4));
        Self::After(now.steady.saturating_add(wait))
    }

    /// Returns the refresh of a set without a known expiry.
    pub(super) fn without_expiry(now: Now) -> Self {
        Self::After(now.steady.saturating_add(DEFAULT_REFRESH_INTERVAL))
    }

    /// Returns true if the set must be replaced now.
    pub(super) fn is_due(self, now: Now) -> bool {
        match self {
            Self::Never => false,
            Self::At(time) => now.wall >= time,
            Self::After(time) => now.steady >= time,
        }
    }
}

/// Returns the delay before the next retry after `failures` earlier failures in a row. Half of it is random.
pub(super) fn retry_delay(policy: RetryPolicy, failures: u32, random: &mut Random) -> Duration {
    let (first, max) = match policy {
        RetryPolicy::Soon => (FIRST_RETRY_DELAY, MAX_RETRY_DELAY),
        RetryPolicy::Later => (FIRST_LATER_RETRY_DELAY, MAX_LATER_RETRY_DELAY),
    };
    let delay = first.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX)).min(max);
    (delay / 2).saturating_add(random.below(delay / 2))
}

/// Returns the time until `expires`, or `None` if it has passed.
pub(super) fn remaining(expires: Timestamp, now: Timestamp) -> Option<Duration> {
    let millis = u64::try_from(expires.millis_since(now)).ok()?;
    (millis > 0).then(|| Duration::from_millis(millis))
}
