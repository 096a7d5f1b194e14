//! CloudWatch's quotas, as documented by AWS.

/// Maximum `MetricDatum` items in a PutMetricData request, including those in `EntityMetricData`.
pub const MAX_DATA_PER_REQUEST: usize = 1_000;
/// Maximum size of a request body in bytes, uncompressed.
pub const MAX_REQUEST_BYTES: usize = 1_000_000;
/// Maximum items in `Values` and in `Counts` of a datum.
pub const MAX_VALUES_PER_DATUM: usize = 150;
/// Maximum dimensions of a metric.
pub const MAX_DIMENSIONS: usize = 30;
/// Maximum characters in a dimension name.
pub const MAX_DIMENSION_NAME_CHARS: usize = 255;
/// Maximum characters in a dimension value.
pub const MAX_DIMENSION_VALUE_CHARS: usize = 1_024;
/// Maximum characters in a metric name.
pub const MAX_METRIC_NAME_CHARS: usize = 255;
/// Maximum characters in a namespace.
pub const MAX_NAMESPACE_CHARS: usize = 255;
/// Prefix of the namespaces reserved for AWS services.
pub const RESERVED_NAMESPACE_PREFIX: &str = "AWS/";
/// Maximum magnitude of a value: 2^360.
pub const MAX_VALUE_MAGNITUDE: f64 = f64::from_bits((1023 + 360) << 52);
/// Maximum age of a datum on arrival, in seconds: two weeks.
pub const MAX_AGE_SECONDS: f64 = 14.0 * 86_400.0;
/// Maximum seconds that a timestamp can be in the future: two hours.
pub const MAX_LEAD_SECONDS: f64 = 2.0 * 3_600.0;
/// Maximum difference between `x-amz-date` and the server's clock, in milliseconds: five minutes.
pub const MAX_CLOCK_SKEW_MILLIS: i64 = 5 * 60 * 1_000;
/// Maximum entities in a PutMetricData request.
pub const MAX_ENTITIES: usize = 2;
/// Minimum key attributes of an entity.
pub const MIN_ENTITY_KEY_ATTRIBUTES: usize = 2;
/// Maximum key attributes of an entity.
pub const MAX_ENTITY_KEY_ATTRIBUTES: usize = 4;
/// Maximum attributes of an entity, not counting its key attributes.
pub const MAX_ENTITY_ATTRIBUTES: usize = 10;
/// Maximum metrics in a ListMetrics response.
pub const MAX_LISTED_METRICS: usize = 500;
/// Maximum dimension filters in a ListMetrics request.
pub const MAX_DIMENSION_FILTERS: usize = 10;
/// Maximum datapoints in a GetMetricStatistics response.
pub const MAX_STATISTICS_DATAPOINTS: i64 = 1_440;
/// Maximum datapoints in a GetMetricData response.
pub const MAX_METRIC_DATA_DATAPOINTS: usize = 100_800;
/// Maximum queries in a GetMetricData request.
pub const MAX_METRIC_DATA_QUERIES: usize = 500;
/// Maximum percentiles in a GetMetricStatistics request.
pub const MAX_EXTENDED_STATISTICS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maximum_magnitude_is_two_to_the_360() {
        assert_eq!(MAX_VALUE_MAGNITUDE, 2f64.powi(360));
    }
}
