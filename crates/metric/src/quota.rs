//! CloudWatch's quotas for PutMetricData.
//!
//! Source: *CloudWatch service quotas* and the `PutMetricData`, `MetricDatum` and `Dimension` pages of the API
//! reference.

/// The maximum number of data (`MetricDatum`) in one PutMetricData request.
pub const MAX_DATA_PER_REQUEST: usize = 1_000;

/// The maximum size of one PutMetricData request in bytes, applied to the uncompressed body.
///
/// AWS documents 1 MB. It does not say whether a megabyte has 1,000,000 or 1,048,576 bytes, or whether the limit
/// applies to the compressed body, so this is the strictest interpretation.
pub const MAX_REQUEST_BYTES: usize = 1_000_000;

/// The maximum number of unique `Values` in one datum.
pub const MAX_VALUES_PER_DATUM: usize = 150;

/// The maximum number of dimensions of one metric.
pub const MAX_DIMENSIONS: usize = 30;

/// The maximum length of a dimension name in characters.
pub const MAX_DIMENSION_NAME_LENGTH: usize = 255;

/// The maximum length of a dimension value in characters.
pub const MAX_DIMENSION_VALUE_LENGTH: usize = 1_024;

/// The maximum length of a metric name in characters.
pub const MAX_METRIC_NAME_LENGTH: usize = 255;

/// The maximum length of a namespace in characters.
pub const MAX_NAMESPACE_LENGTH: usize = 255;

/// The largest magnitude of a value, 2^360.
pub const MAX_VALUE: f64 = f64::from_bits((1023 + 360) << 52);

/// The smallest magnitude of a value other than zero, 2^-360.
pub const MIN_VALUE: f64 = f64::from_bits((1023 - 360) << 52);

/// Brings a number into the range that CloudWatch accepts. A magnitude below 2^-360 becomes zero, and one above 2^360
/// becomes 2^360.
pub fn within_range(number: f64) -> f64 {
    if number.abs() < MIN_VALUE { 0.0 } else { number.clamp(-MAX_VALUE, MAX_VALUE) }
}

/// The maximum age of a timestamp in seconds: two weeks.
pub const MAX_AGE_SECONDS: u64 = 14 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_values_are_powers_of_two() {
        assert_eq!(MAX_VALUE, 2f64.powi(360));
        assert_eq!(MIN_VALUE, 2f64.powi(-360));
    }

    #[test]
    fn numbers_outside_of_the_range_are_brought_into_it() {
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
