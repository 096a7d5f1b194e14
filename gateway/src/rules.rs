//! What is asked of data beside CloudWatch's own rules.

use acpw_metric::{DimensionName, DimensionValue, Namespace, Timestamp};

use crate::fields::UnknownFields;

/// What a gateway is configured to take, and how it keeps it.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The namespaces it takes; empty for all.
    pub namespaces: Vec<Namespace>,
    /// Dimensions that every datum gets, unless it has one of that name.
    pub default_dimensions: Vec<(DimensionName, DimensionValue)>,
    /// How many distinct values of a series and second stay as they are.
    pub max_exact_values: u32,
}

/// How one request is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'r> {
    /// The gateway's rules.
    pub rules: &'r Rules,
    /// The time, as right as it is known.
    pub now: Timestamp,
    /// What becomes of fields nobody knows.
    pub unknown: UnknownFields,
}
