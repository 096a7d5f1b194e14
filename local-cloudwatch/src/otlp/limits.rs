//! The limits of `/v1/metrics`. AWS publishes only the number of labels, so the others are options.

/// The limits of an OTLP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtlpLimits {
    /// Maximum length of a request in bytes, uncompressed. Longer requests get the status 413.
    pub max_request_bytes: usize,
    /// Maximum data points in a request. Requests with more get the status 400. Unlimited by default.
    pub max_data_points: usize,
    /// Maximum labels of a data point: its attributes and those of its resource and scope. A data point with more is
    /// rejected.
    pub max_labels: usize,
}

impl Default for OtlpLimits {
    fn default() -> Self {
        Self { max_request_bytes: 1_000_000, max_data_points: usize::MAX, max_labels: 150 }
    }
}
