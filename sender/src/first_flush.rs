//! Spreads the flushes of the workers over the flush interval.

use std::time::Duration;

/// Returns the time from the start to the first flush: whole milliseconds up to `interval`, chosen by `random`.
pub fn first_flush(interval: Duration, random: u64) -> Duration {
    let interval = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random.checked_rem(interval).unwrap_or(0).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_flushes_are_spread_over_the_interval() {
        const INTERVAL: Duration = Duration::from_secs(1);
        let millis = |random| first_flush(INTERVAL, random).as_millis();
        assert_eq!([0, 499, 999, 1_000].map(millis), [1, 500, 1_000, 1]);
        assert!(first_flush(INTERVAL, u64::MAX) <= INTERVAL);
        assert_eq!(first_flush(Duration::ZERO, 7), Duration::from_millis(1));
    }
}
