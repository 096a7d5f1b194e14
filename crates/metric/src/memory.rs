//! The approximate memory sizes of data, by which buffers are limited.

use crate::{Distribution, Metric};

/// Returns the approximate memory size of a group without its distributions: an entry of a map, two shared texts for
/// each dimension, and the texts themselves.
pub(crate) fn group_bytes(dimensions: usize, text: usize) -> usize {
    const ENTRY: usize = 64;
    const SHARED_TEXTS: usize = 64;
    text.saturating_add(dimensions.saturating_mul(SHARED_TEXTS)).saturating_add(ENTRY)
}

/// Returns the approximate memory size of a metric with its distribution.
pub(crate) fn distribution_bytes(distribution: &Distribution) -> usize {
    const BUCKET: usize = 16;
    distribution.bucket_count().saturating_mul(BUCKET).saturating_add(size_of::<(Metric, Distribution)>())
}
