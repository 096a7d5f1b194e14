//! What the published metrics will cost, if things stay as they are.

use std::time::Duration;

/// CloudWatch's list prices for custom metrics in us-east-1, as of 2026-11: for so many series, cents each a month.
pub const SERIES_TIERS: [(u64, u64); 4] = [(10_000, 30), (240_000, 10), (750_000, 5), (u64::MAX, 2)];

/// API requests a month that cost nothing.
pub const FREE_CALLS: u64 = 1_000_000;

/// API requests for a cent, beyond.
pub const CALLS_PER_CENT: u64 = 1_000;

/// A month, as AWS's price calculator has it: 730 hours.
const MONTH: Duration = Duration::from_secs(730 * 60 * 60);

const MINUTE: Duration = Duration::from_secs(60);

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Counts the requests of the last hour, by the steady clock.
#[derive(Debug)]
pub struct Costs {
    /// By the minute, in a ring.
    calls: [u64; 60],
    started: Option<Duration>,
    minute: u64,
    /// When costs were last told, and as how many cents.
    logged: Option<(Duration, u64)>,
}

impl Default for Costs {
    fn default() -> Self {
        Self { calls: [0; 60], started: None, minute: 0, logged: None }
    }
}

/// What a month costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prediction {
    /// Series of the last hour.
    pub series: u64,
    /// Requests in a month.
    pub calls: u64,
    /// The price of both, in cents of US dollars.
    pub cents: u64,
}

impl Costs {
    /// Takes in that a request is sent.
    pub fn call(&mut self, now: Duration) {
        self.advance(now);
        let place = (self.minute % 60) as usize;
        if let Some(calls) = self.calls.get_mut(place) {
            *calls = calls.saturating_add(1);
        }
    }

    /// What a month costs that is like the last hour, with so many series, or as much of an hour as there was.
    /// `interval` is the time between publications.
    pub fn predict(&mut self, series: u64, interval: Duration, now: Duration) -> Prediction {
        self.advance(now);
        let elapsed = now.saturating_sub(self.started.unwrap_or(now));
        let observed = elapsed.clamp(MINUTE.max(interval.min(HOUR)), HOUR).as_secs();
        let calls: u64 = self.calls.iter().sum();
        let calls = calls.saturating_mul(MONTH.as_secs()).checked_div(observed).unwrap_or(0);
        Prediction { series, calls, cents: cents(series, calls) }
    }

    /// Returns whether to log the prediction now: a minute after the first request, then once an hour, and sooner if the
    /// cost has risen by half.
    pub fn is_log_due(&mut self, prediction: Prediction, now: Duration) -> bool {
        let Some(started) = self.started else { return false };
        let cents = prediction.cents;
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

    /// Forgets the requests of minutes that are more than an hour ago.
    fn advance(&mut self, now: Duration) {
        self.started.get_or_insert(now);
        let minute = now.as_secs() / MINUTE.as_secs();
        let passed = minute.saturating_sub(self.minute).min(60);
        for back in 0..passed {
            let place = (minute.saturating_sub(back) % 60) as usize;
            if let Some(calls) = self.calls.get_mut(place) {
                *calls = 0;
            }
        }
        self.minute = minute;
    }
}

/// The price of so many series and requests in a month.
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
    fn prices_are_those_of_the_list() {
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
    fn requests_count_by_the_rate_of_the_last_hour() {
        let mut costs = Costs::default();
        for minute in 0..120 {
            costs.call(MINUTE * minute);
        }
        let now = MINUTE * 120;
        let prediction = costs.predict(4, MINUTE, now);
        assert_eq!((prediction.series, prediction.cents), (4, 120));
        // One request a minute.
        assert!((42_000..=43_800).contains(&prediction.calls), "{prediction:?}");
        let prediction = costs.predict(0, MINUTE, now + HOUR);
        assert_eq!(prediction, Prediction { series: 0, calls: 0, cents: 0 });
    }

    #[test]
    fn the_first_minute_is_not_taken_for_more_than_it_is() {
        let mut costs = Costs::default();
        costs.call(SECOND);
        assert_eq!(costs.predict(0, MINUTE, SECOND * 2).calls, 43_800);
        let prediction = costs.predict(0, MINUTE, SECOND * 2);
        assert!(!costs.is_log_due(prediction, SECOND * 2));
        assert!(costs.is_log_due(prediction, SECOND * 61));
        assert!(!costs.is_log_due(prediction, SECOND * 600));
        let dearer = Prediction { cents: 1_000, ..prediction };
        assert!(costs.is_log_due(dearer, SECOND * 601));
        assert!(costs.is_log_due(prediction, SECOND * 602 + HOUR));
    }
}
