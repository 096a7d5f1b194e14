//! A histogram: its count, its sum and its buckets.

use super::explicit_buckets::ExplicitBuckets;
use super::exponential_buckets::ExponentialBuckets;

/// The buckets of a histogram.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Buckets {
    Explicit(ExplicitBuckets),
    Exponential(ExponentialBuckets),
}

/// A histogram, of a data point or of the result of a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Distribution {
    pub(crate) count: f64,
    pub(crate) sum: f64,
    pub(crate) buckets: Buckets,
}

/// The error of adding explicit buckets to exponential ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DifferentBuckets;

impl Distribution {
    /// Returns the number of buckets.
    pub(crate) fn bucket_count(&self) -> usize {
        match &self.buckets {
            Buckets::Explicit(buckets) => buckets.counts.len(),
            Buckets::Exponential(buckets) => buckets.len(),
        }
    }

    /// Multiplies the count, the sum and the buckets.
    pub(crate) fn multiply(&mut self, factor: f64) {
        self.count *= factor;
        self.sum *= factor;
        match &mut self.buckets {
            Buckets::Explicit(buckets) => buckets.multiply(factor),
            Buckets::Exponential(buckets) => buckets.multiply(factor),
        }
    }

    /// Adds `other` times `factor`, which is -1 to subtract it.
    pub(crate) fn add(&mut self, other: &Self, factor: f64) -> Result<(), DifferentBuckets> {
        match (&mut self.buckets, &other.buckets) {
            (Buckets::Explicit(mine), Buckets::Explicit(theirs)) => mine.add(theirs, factor),
            (Buckets::Exponential(mine), Buckets::Exponential(theirs)) => mine.add(theirs, factor),
            _ => return Err(DifferentBuckets),
        }
        self.count += other.count * factor;
        self.sum += other.sum * factor;
        Ok(())
    }
}
