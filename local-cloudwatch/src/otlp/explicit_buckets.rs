//! The buckets of a histogram with explicit bounds.

use serde::Serialize;

/// Counts by bucket: the first one contains the values up to the first bound, the last one those above the last bound.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExplicitBuckets {
    /// The upper bounds, ascending.
    pub bounds: Vec<f64>,
    /// Counts, one more than bounds.
    pub counts: Vec<f64>,
}

impl ExplicitBuckets {
    /// Multiplies all counts.
    pub(crate) fn multiply(&mut self, factor: f64) {
        self.counts.iter_mut().for_each(|count| *count *= factor);
    }

    /// Adds the counts of `other`, times `factor`. If the bounds differ, the result has only the common ones.
    pub(crate) fn add(&mut self, other: &Self, factor: f64) {
        if self.bounds != other.bounds {
            let common = self.bounds.iter().copied().filter(|bound| other.bounds.contains(bound)).collect::<Vec<_>>();
            *self = self.with_bounds(&common);
        }
        let other = other.with_bounds(&self.bounds);
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs * factor;
        }
    }

    /// Merges buckets until only `bounds` are left, all of which it has.
    fn with_bounds(&self, bounds: &[f64]) -> Self {
        let mut counts = vec![0.0; bounds.len() + 1];
        for (index, count) in self.counts.iter().enumerate() {
            let slot = match self.bounds.get(index) {
                Some(upper) => bounds.partition_point(|bound| bound < upper),
                None => bounds.len(),
            };
            if let Some(merged) = counts.get_mut(slot) {
                *merged += count;
            }
        }
        Self { bounds: bounds.to_vec(), counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(bounds: &[f64], counts: &[f64]) -> ExplicitBuckets {
        ExplicitBuckets { bounds: bounds.to_vec(), counts: counts.to_vec() }
    }

    #[test]
    fn histograms_with_different_bounds_are_added_at_the_common_ones() {
        let mut sum = buckets(&[1.0, 2.0, 5.0], &[1.0, 2.0, 3.0, 4.0]);
        sum.add(&buckets(&[1.0, 2.0, 5.0], &[1.0, 1.0, 1.0, 1.0]), 2.0);
        assert_eq!(sum, buckets(&[1.0, 2.0, 5.0], &[3.0, 4.0, 5.0, 6.0]));
        sum.add(&buckets(&[2.0, 3.0], &[10.0, 20.0, 30.0]), 1.0);
        assert_eq!(sum, buckets(&[2.0], &[17.0, 61.0]));
        sum.add(&buckets(&[], &[1.0]), 1.0);
        assert_eq!(sum, buckets(&[], &[79.0]));
    }
}
