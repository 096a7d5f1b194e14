//! Estimates the monthly cost of the published metrics.

use std::time::Duration;

/// CloudWatch's list prices for custom metrics in us-east-1, as of 2026-11. Each tier has a number of series and the
/// price of a series per month in cents.
pub const SERIES_TIERS: [(u64, u64); 4] = [(10_000, 30), (240_000, 10), (750_000, 5), (u64::MAX, 2)];

/// The number of free API requests per month.
pub const FREE_CALLS: u64 = 1_000_000;

/// The number of further API requests for one cent.
pub const CALLS_PER_CENT: u64 = 1_000;

/// A month of 730 hours, as in AWS's price calculator.
const MONTH: Duration = Duration::from_secs(730 * 60 * 60);

const MINUTE: Duration = Duration::from_secs(60);

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The requests of the last hour, by the steady clock.
#[derive(Debug)]
pub struct CostEstimator {
    /// The number of requests by minute, as a ring.
    calls: [u64; 60],
    started: Option<Duration>,
    minute: u64,
    /// The time of the last log line, and its cost in cents.
    logged: Option<(Duration, u64)>,
}

impl Default for CostEstimator {
    fn default() -> Self {
        Self { calls: [0; 60], started: None, minute: 0, logged: None }
    }
}

/// The estimated cost of a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostEstimate {
    /// The number of series in the last hour.
    pub series: u64,
    /// The number of requests in a month.
    pub calls: u64,
    /// The price of series and requests in cents of US dollars.
    pub cents: u64,
}

impl CostEstimator {
    /// Records that a request is sent.
    pub fn record_call(&mut self, now: Duration) {
        self.advance(now);
        let index = (self.minute % 60) as usize;
        if let Some(calls) = self.calls.get_mut(index) {
            *calls = calls.saturating_add(1);
        }
    }

    /// Returns the cost of a month with this number of series and the rate of requests in the last hour, or since the
    /// start. `interval` is the time between publications.
    pub fn estimate(&mut self, series: u64, interval: Duration, now: Duration) -> CostEstimate {
        self.advance(now);
        let elapsed = now.saturating_sub(self.started.unwrap_or(now));
        let observed = elapsed.clamp(MINUTE.max(interval.min(HOUR)), HOUR).as_secs();
        let calls: u64 = self.calls.iter().sum();
        let calls = calls.saturating_mul(MONTH.as_secs()).checked_div(observed).unwrap_or(0);
        CostEstimate { series, calls, cents: cents(series, calls) }
    }

    /// Returns true if the cost should be logged now: a minute after the first request, then once per hour, and sooner
    /// if it has risen by half.
    pub fn is_log_due(&mut self, cost: CostEstimate, now: Duration) -> bool {
        let Some(started) = self.started else { return false };
        let cents = cost.cents;
        let is_due = match self.logged {
            None => now.saturating_sub(started) >= MINUTE,
            Some((time, logged)) => {
                let passed = now.saturating_sub(time);
                passed >= HOUR || (passed >= MINUTE && cents > logged.saturating_add(logged / 2).saturating_add(10))
            }
        };
        if is_due {
            self.logged = Some((now, cents));
        }
        is_due
    }

    /// Clears the minutes that are more than an hour ago.
    fn advance(&mut self, now: Duration) {
        self.started.get_or_insert(now);
        let minute = now.as_secs() / MINUTE.as_secs();
        let passed = minute.saturating_sub(self.minute).min(60);
        for back in 0..passed {
            let index = (minute.saturating_sub(back) % 60) as usize;
            if let Some(calls) = self.calls.get_mut(index) {
                *calls = 0;
            }
        }
        self.minute = minute;
    }
}

/// Returns the price of these numbers of series and requests in a month.
fn cents(series: u64, calls: u64) -> u64 {
    let mut rest = series;
    let mut cents = 0u64;
    for (size, price) in SERIES_TIERS {
        let count = rest.min(size);
        cents = cents.saturating_add(count.saturating_mul(price));
        rest = rest.saturating_sub(count);
    }
    cents.saturating_add(calls.saturating_sub(FREE_CALLS) / CALLS_PER_CENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn prices_match_the_price_list() {
        for (series, calls, expected) in [
            (0, 0, 0),
            (1, 0, 30),
            (100, 43_800, 3_000),
            (10_000, 0, 300_000),
            (10_001, 0, 300_010),
            (250_000, 0, 2_700_000),
            (250_001, 0, 2_700_005),
            (1_000_000, 0, 6_450_000),
            (1_000_001, 0, 6_450_002),
            (0, 1_000_000, 0),
            (0, 1_001_000, 1),
            // One request a second and a hundred series.
            (0, 2_628_000, 1_628),
        ] {
            assert_eq!(cents(series, calls), expected, "{series} {calls}");
        }
    }

    #[test]
    fn requests_are_extrapolated_from_the_last_hour() {
        let mut estimator = CostEstimator::default();
        for minute in 0..120 {
            estimator.record_call(MINUTE * minute);
        }
        let now = MINUTE * 120;
        let cost = estimator.estimate(4, MINUTE, now);
        assert_eq!((cost.series, cost.cents), (4, 120));
        // One request a minute.
        assert!((42_000..=43_800).contains(&cost.calls), "{cost:?}");
        let cost = estimator.estimate(0, MINUTE, now + HOUR);
        assert_eq!(cost, CostEstimate { series: 0, calls: 0, cents: 0 });
    }

    #[test]
    fn requests_within_the_first_minute_count_as_those_of_a_minute() {
        let mut estimator = CostEstimator::default();
        estimator.record_call(SECOND);
        assert_eq!(estimator.estimate(0, MINUTE, SECOND * 2).calls, 43_800);
        let cost = estimator.estimate(0, MINUTE, SECOND * 2);
        assert!(!estimator.is_log_due(cost, SECOND * 2));
        assert!(estimator.is_log_due(cost, SECOND * 61));
        assert!(!estimator.is_log_due(cost, SECOND * 600));
        let dearer = CostEstimate { cents: 1_000, ..cost };
        assert!(estimator.is_log_due(dearer, SECOND * 601));
        assert!(estimator.is_log_due(cost, SECOND * 602 + HOUR));
    }
}
