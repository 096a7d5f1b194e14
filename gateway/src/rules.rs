//! The gateway's own rules for data, besides CloudWatch's.

use acpw_metric::{DimensionName, DimensionValue, Namespace, Timestamp};

use crate::fields::UnknownFields;

/// The configured rules for data.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The accepted namespaces. An empty list accepts all.
    pub namespaces: Vec<Namespace>,
    /// Dimensions to add to every datum that has no dimension of that name.
    pub default_dimensions: Vec<(DimensionName, DimensionValue)>,
    /// The number of distinct values per series and second that are published exactly.
    pub max_exact_values: u32,
}

/// The rules and the time for reading one request.
#[derive(Clone, Copy, Debug)]
pub struct ReadContext<'r> {
    /// The gateway's rules.
    pub rules: &'r Rules,
    /// The current time, corrected by CloudWatch's clock.
    pub now: Timestamp,
    /// The treatment of unknown fields.
    pub unknown: UnknownFields,
}
