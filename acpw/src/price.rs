//! CloudWatch's prices.

use std::path::Path;

use receiver::cost::{CALLS_PER_CENT, FREE_CALLS, SERIES_TIERS};
use serde::{Deserialize, Serialize};

/// The date and region of the built-in prices, which are those of the receiver's own prediction.
const BUILT_IN: (&str, &str) = ("2026-11", "us-east-1");

/// List prices in dollars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The month of the prices, such as `2026-11`.
    pub date: String,
    /// The region of the prices.
    pub region: String,
    /// The prices of a series and month. Each applies to its number of series after those before it.
    pub series: Vec<SeriesTier>,
    /// The number of calls a month that cost nothing.
    pub free_calls: u64,
    /// The price of 1,000 calls beyond.
    pub dollars_per_1000_calls: f64,
    /// The price of a gigabyte (10^9 bytes) of OTLP data points, if it is known.
    #[serde(default)]
    pub dollars_per_otlp_gigabyte: Option<f64>,
}

/// A price that applies to a number of series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesTier {
    /// The number of series with this price; `null` for all further ones.
    pub count: Option<u64>,
    /// The price of one series a month.
    pub dollars: f64,
}

impl Default for Prices {
    fn default() -> Self {
        let tier = |(count, cents): (u64, u64)| SeriesTier {
            count: (count < u64::MAX).then_some(count),
            dollars: cents as f64 / 100.0,
        };
        Self {
            date: BUILT_IN.0.to_owned(),
            region: BUILT_IN.1.to_owned(),
            series: SERIES_TIERS.into_iter().map(tier).collect(),
            free_calls: FREE_CALLS,
            dollars_per_1000_calls: 10.0 / CALLS_PER_CENT as f64,
            dollars_per_otlp_gigabyte: None,
        }
    }
}

impl Prices {
    /// Reads prices from a JSON file in the form that `acpw cost --json` prints.
    ///
    /// # Errors
    /// Returns a message for a person if the file cannot be read or has an error.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let prices: Self = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let tiers = prices.series.iter().map(|tier| tier.dollars);
        let mut all = tiers.chain([prices.dollars_per_1000_calls]).chain(prices.dollars_per_otlp_gigabyte);
        if all.any(|price| !price.is_finite() || price < 0.0) {
            return Err(format!("{}: a price must be a number that is not negative", path.display()));
        }
        match prices.series.split_last() {
            Some((last, others)) if last.count.is_none() && others.iter().all(|tier| tier.count.is_some()) => {
                Ok(prices)
            }
            _ => Err(format!("{}: series: the last entry, and no other, must have \"count\": null", path.display())),
        }
    }

    /// Returns the price of series in a month, in dollars.
    pub fn of_series(&self, series: u64) -> f64 {
        let mut rest = series;
        let mut dollars = 0.0;
        for tier in &self.series {
            let count = rest.min(tier.count.unwrap_or(u64::MAX));
            dollars += count as f64 * tier.dollars;
            rest = rest.saturating_sub(count);
        }
        dollars
    }

    /// Returns the price of calls in a month, in dollars.
    pub fn of_calls(&self, calls: u64) -> f64 {
        calls.saturating_sub(self.free_calls) as f64 / 1_000.0 * self.dollars_per_1000_calls
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use receiver::cost::CostEstimator;

    use super::*;

    #[test]
    fn prices_are_those_of_the_receiver() {
        let prices = Prices::default();
        for series in [0, 1, 100, 10_000, 10_001, 250_000, 250_001, 1_000_000, 1_000_001, 5_000_000] {
            let cents =
                CostEstimator::default().estimate(series, Duration::from_secs(60), Duration::from_secs(60)).cents;
            assert!((prices.of_series(series) * 100.0 - cents as f64).abs() < 1e-3, "{series}");
        }
        for (calls, dollars) in [(1_000_000, 0.0), (1_001_000, 0.01), (2_628_000, 16.28)] {
            assert!((prices.of_calls(calls) - dollars).abs() < 1e-9, "{calls}");
        }
    }

    #[test]
    fn prices_are_read_as_they_are_written_and_checked() {
        let read = |text: &str| {
            let file = std::env::temp_dir().join(format!("acpw-prices-{}-{}", std::process::id(), text.len()));
            std::fs::write(&file, text).unwrap();
            let prices = Prices::read(&file);
            std::fs::remove_file(file).unwrap();
            prices
        };
        let text = serde_json::to_string(&Prices::default()).unwrap();
        assert_eq!(read(&text), Ok(Prices::default()));
        assert!(read(&text.replace("0.02", "-0.02")).unwrap_err().contains("not negative"));
        assert!(read(&text.replace("null,\"dollars\"", "7,\"dollars\"")).unwrap_err().contains("the last entry"));
        assert!(read("{}").unwrap_err().contains("missing field"));
    }
}
