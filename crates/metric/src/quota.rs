//! CloudWatch's quotas for PutMetricData, in AWS's words.
//!
//! Source: *CloudWatch service quotas* and the `PutMetricData`, `MetricDatum` and `Dimension` pages of the API reference.

/// Data (`MetricDatum`) in one PutMetricData request.
pub const MAX_DATA_PER_REQUEST: usize = 1_000;

/// Bytes of one PutMetricData request. AWS says 1 MB and not whether compressed or raw bytes count, so the raw body is
/// kept below the smaller reading.
pub const MAX_REQUEST_BYTES: usize = 1_000_000;

/// Unique `Values` in one datum.
pub const MAX_VALUES_PER_DATUM: usize = 150;

/// Dimensions of one metric.
pub const MAX_DIMENSIONS: usize = 30;

/// Characters of a dimension's name.
pub const MAX_DIMENSION_NAME_LENGTH: usize = 255;

/// Characters of a dimension's value.
pub const MAX_DIMENSION_VALUE_LENGTH: usize = 1_024;

/// Characters of a metric's name.
pub const MAX_METRIC_NAME_LENGTH: usize = 255;

/// Characters of a namespace.
pub const MAX_NAMESPACE_LENGTH: usize = 255;

/// The largest magnitude of a value: 2^360.
pub const MAX_VALUE: f64 = f64::from_bits((1023 + 360) << 52);

/// The smallest magnitude of a value other than zero: 2^-360.
pub const MIN_VALUE: f64 = f64::from_bits((1023 - 360) << 52);

/// Returns the number that CloudWatch takes in place of this one: zero for what is smaller in size than 2^-360, and the
/// nearest of ±2^360 for what lies beyond them.
pub fn within_range(number: f64) -> f64 {
    if number.abs() < MIN_VALUE { 0.0 } else { number.clamp(-MAX_VALUE, MAX_VALUE) }
}

/// How far in the past a timestamp may lie: two weeks.
pub const MAX_AGE_SECONDS: u64 = 14 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_is_a_power_of_two() {
        assert_eq!(MAX_VALUE, 2f64.powi(360));
        assert_eq!(MIN_VALUE, 2f64.powi(-360));
    }

    #[test]
    fn numbers_beyond_the_range_are_brought_into_it() {
        let below = f64::from_bits(MIN_VALUE.to_bits() - 1);
        for (number, expected) in [
            (0.0, 0.0),
            (5e-110, 0.0),
            (-1e-320, 0.0),
            (below, 0.0),
            (MIN_VALUE, MIN_VALUE),
            (-MIN_VALUE, -MIN_VALUE),
            (1.5, 1.5),
            (MAX_VALUE, MAX_VALUE),
            (2.0 * MAX_VALUE, MAX_VALUE),
            (-1e300, -MAX_VALUE),
        ] {
            assert_eq!(within_range(number), expected, "{number}");
        }
    }
}
