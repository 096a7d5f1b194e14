//! The configured rules for OTLP metrics.

use acpw_metric::Namespace;

/// The configured rules for OTLP metrics.
#[derive(Clone, Debug)]
pub struct OtlpRules {
    /// The namespace, or `None` for the receiver's.
    pub namespace: Option<Namespace>,
    /// The resource attributes that become dimensions.
    pub resource_attributes: Vec<String>,
    /// The maximum number of cumulative streams whose last reading is kept.
    pub max_streams: usize,
}
