//! CloudWatch's quotas, by the words of its documentation.

/// `MetricDatum` items of one PutMetricData request, those inside `EntityMetricData` included.
pub const MAX_DATA_PER_REQUEST: usize = 1_000;
/// Bytes of a request's body, uncompressed.
pub const MAX_REQUEST_BYTES: usize = 1_000_000;
/// Items of `Values` (and of `Counts`) in one datum.
pub const MAX_VALUES_PER_DATUM: usize = 150;
/// Dimensions of one metric.
pub const MAX_DIMENSIONS: usize = 30;
/// Characters of a dimension's name.
pub const MAX_DIMENSION_NAME_CHARS: usize = 255;
/// Characters of a dimension's value.
pub const MAX_DIMENSION_VALUE_CHARS: usize = 1_024;
/// Characters of a metric's name.
pub const MAX_METRIC_NAME_CHARS: usize = 255;
/// Characters of a namespace.
pub const MAX_NAMESPACE_CHARS: usize = 255;
/// Namespaces that begin so belong to AWS.
pub const RESERVED_NAMESPACE_PREFIX: &str = "AWS/";
/// Largest magnitude of a value: 2^360.
pub const MAX_VALUE_MAGNITUDE: f64 = f64::from_bits((1023 + 360) << 52);
/// Seconds a datum may be older than the time of arrival: two weeks.
pub const MAX_AGE_SECONDS: f64 = 14.0 * 86_400.0;
/// Seconds a datum may be ahead of the time of arrival: two hours.
pub const MAX_LEAD_SECONDS: f64 = 2.0 * 3_600.0;
/// Milliseconds a signature's `x-amz-date` may differ from the server's clock: five minutes.
pub const MAX_CLOCK_SKEW_MILLIS: i64 = 5 * 60 * 1_000;
/// Entities of one PutMetricData request.
pub const MAX_ENTITIES: usize = 2;
/// Fewest key attributes of an entity.
pub const MIN_ENTITY_KEY_ATTRIBUTES: usize = 2;
/// Most key attributes of an entity.
pub const MAX_ENTITY_KEY_ATTRIBUTES: usize = 4;
/// Attributes of an entity beside its key.
pub const MAX_ENTITY_ATTRIBUTES: usize = 10;
/// Metrics of one ListMetrics answer.
pub const MAX_LISTED_METRICS: usize = 500;
/// Dimension filters of one ListMetrics request.
pub const MAX_DIMENSION_FILTERS: usize = 10;
/// Datapoints of one GetMetricStatistics answer.
pub const MAX_STATISTICS_DATAPOINTS: i64 = 1_440;
/// Datapoints of one GetMetricData answer.
pub const MAX_METRIC_DATA_DATAPOINTS: usize = 100_800;
/// Queries of one GetMetricData request.
pub const MAX_METRIC_DATA_QUERIES: usize = 500;
/// Percentiles of one GetMetricStatistics request.
pub const MAX_EXTENDED_STATISTICS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_magnitude_is_two_to_the_360() {
        assert_eq!(MAX_VALUE_MAGNITUDE, 2f64.powi(360));
    }
}
