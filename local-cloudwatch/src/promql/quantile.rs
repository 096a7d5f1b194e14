//! Quantiles of histograms, computed as Prometheus 3 does.

use crate::otlp::distribution::{Buckets, Distribution};
use crate::otlp::exponential_buckets::ExponentialBuckets;

/// A bucket with its bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BoundedBucket {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) count: f64,
    pub(super) inclusion: Inclusion,
}

/// The bounds that belong to a bucket. The numbers are those in Prometheus' JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inclusion {
    Upper = 0,
    Lower = 1,
    Both = 3,
}

/// Returns the buckets that are not empty, ascending.
pub(super) fn buckets(distribution: &Distribution) -> Vec<BoundedBucket> {
    let mut found = Vec::new();
    match &distribution.buckets {
        Buckets::Exponential(buckets) => {
            let scale = buckets.scale;
            let bounds = |index: i32| {
                let lower = ExponentialBuckets::upper_bound(scale, index.saturating_sub(1));
                (lower, ExponentialBuckets::upper_bound(scale, index))
            };
            for (index, count) in buckets.negative.iter().rev() {
                let (lower, upper) = bounds(*index);
                let inclusion = Inclusion::Lower;
                found.push(BoundedBucket { lower: -upper, upper: -lower, count: *count, inclusion });
            }
            let (threshold, count) = (buckets.zero_threshold, buckets.zero_count);
            found.push(BoundedBucket { lower: -threshold, upper: threshold, count, inclusion: Inclusion::Both });
            for (index, count) in &buckets.positive {
                let (lower, upper) = bounds(*index);
                found.push(BoundedBucket { lower, upper, count: *count, inclusion: Inclusion::Upper });
            }
        }
        Buckets::Explicit(buckets) => {
            let mut lower = f64::NEG_INFINITY;
            let uppers = buckets.bounds.iter().copied().chain([f64::INFINITY]);
            for (upper, count) in uppers.zip(&buckets.counts) {
                found.push(BoundedBucket { lower, upper, count: *count, inclusion: Inclusion::Upper });
                lower = upper;
            }
        }
    }
    found.retain(|bucket| bucket.count != 0.0);
    found
}

/// Returns the value below which the part `quantile` of the values is.
///
/// Within a bucket of an exponential histogram, values are assumed to be distributed evenly on a logarithmic scale, and
/// else evenly.
pub(super) fn histogram_quantile(quantile: f64, distribution: &Distribution) -> f64 {
    if quantile.is_nan() || distribution.count == 0.0 {
        return f64::NAN;
    }
    if quantile < 0.0 {
        return f64::NEG_INFINITY;
    }
    if quantile > 1.0 {
        return f64::INFINITY;
    }
    let buckets = buckets(distribution);
    // From the nearer end. Between two buckets, that decides which of them the rank belongs to.
    let is_low = quantile < 0.5;
    let rank = if is_low { quantile } else { 1.0 - quantile } * distribution.count;
    let mut passed = 0.0;
    let mut reaches = |bucket: &&BoundedBucket| {
        passed += bucket.count;
        passed >= rank
    };
    // A rounding error can leave the rank beyond the last bucket.
    let found = if is_low {
        buckets.iter().find(&mut reaches).or(buckets.last())
    } else {
        buckets.iter().rev().find(&mut reaches).or(buckets.first())
    };
    let Some(bucket) = found else { return f64::NAN };
    let rank_in_bucket = if is_low { rank - (passed - bucket.count) } else { passed - rank };
    let fraction = rank_in_bucket.clamp(0.0, bucket.count) / bucket.count;
    match &distribution.buckets {
        Buckets::Explicit(_) => within_explicit(bucket, fraction),
        Buckets::Exponential(exponential) => within_exponential(bucket, fraction, exponential),
    }
}

fn within_explicit(bucket: &BoundedBucket, fraction: f64) -> f64 {
    let BoundedBucket { lower, upper, .. } = *bucket;
    if upper == f64::INFINITY {
        // Without bounds at all, nothing is known about the values.
        return if lower == f64::NEG_INFINITY { f64::NAN } else { lower };
    }
    if lower == f64::NEG_INFINITY {
        return if upper <= 0.0 { upper } else { upper * fraction };
    }
    lower + (upper - lower) * fraction
}

fn within_exponential(bucket: &BoundedBucket, fraction: f64, exponential: &ExponentialBuckets) -> f64 {
    let BoundedBucket { mut lower, mut upper, inclusion, .. } = *bucket;
    match inclusion {
        Inclusion::Both => {
            // Values around zero have the sign of the others, if these have only one.
            match (exponential.negative.is_empty(), exponential.positive.is_empty()) {
                (true, false) => lower = 0.0,
                (false, true) => upper = 0.0,
                _ => {}
            }
            lower + (upper - lower) * fraction
        }
        Inclusion::Upper => {
            let (low, high) = (lower.log2(), upper.log2());
            (low + (high - low) * fraction).exp2()
        }
        Inclusion::Lower => {
            let (low, high) = ((-upper).log2(), (-lower).log2());
            -(low + (high - low) * (1.0 - fraction)).exp2()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::explicit_buckets::ExplicitBuckets;

    fn exponential(scale: i32, values: &[f64]) -> Distribution {
        let mut buckets = ExponentialBuckets { scale, ..ExponentialBuckets::default() };
        for value in values {
            let index = ((value.abs().log2() * f64::from(scale).exp2()).ceil() - 1.0) as i32;
            match value.total_cmp(&0.0) {
                std::cmp::Ordering::Greater => *buckets.positive.entry(index).or_default() += 1.0,
                std::cmp::Ordering::Less => *buckets.negative.entry(index).or_default() += 1.0,
                std::cmp::Ordering::Equal => buckets.zero_count += 1.0,
            }
        }
        let sum = values.iter().sum();
        Distribution { count: values.len() as f64, sum, buckets: Buckets::Exponential(buckets) }
    }

    /// Returns the smallest value that is not exceeded by the part `quantile` of the values.
    fn exact(quantile: f64, values: &[f64]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[((quantile * sorted.len() as f64).ceil() as usize).max(1) - 1]
    }

    #[test]
    fn quantiles_are_within_a_bucket_of_the_exact_ones() {
        // Latencies from 1 ms to about 10 s, in a fixed pseudo-random order. With their number, no rank is exactly
        // between two values, where either is right.
        let mut state = 1_u32;
        let values: Vec<f64> = (0..4_999)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                0.001 * 10_f64.powf(f64::from(state >> 8) / f64::from(1 << 24) * 4.0)
            })
            .collect();
        for scale in [0, 3, 6, 10] {
            let width = (-f64::from(scale)).exp2().exp2();
            let histogram = exponential(scale, &values);
            for quantile in [0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0] {
                let (found, exact) = (histogram_quantile(quantile, &histogram), exact(quantile, &values));
                let ratio = found / exact;
                assert!(ratio < width * 1.000_001 && ratio > 0.999_999 / width, "{scale} {quantile} {found} {exact}");
            }
        }
    }

    #[test]
    fn values_within_a_bucket_are_interpolated_on_a_logarithmic_scale() {
        // All in (1, 4] at scale -1.
        let histogram = exponential(-1, &[2.0; 8]);
        for (quantile, expected) in [(0.0, 1.0), (0.25, 2_f64.sqrt()), (0.5, 2.0), (1.0, 4.0)] {
            assert!((histogram_quantile(quantile, &histogram) - expected).abs() < 1e-12, "{quantile}");
        }
        let negative = exponential(-1, &[-2.0; 8]);
        for (quantile, expected) in [(0.0, -4.0), (0.5, -2.0), (1.0, -1.0)] {
            assert!((histogram_quantile(quantile, &negative) - expected).abs() < 1e-12, "{quantile}");
        }
    }

    #[test]
    fn values_around_zero_have_the_sign_of_the_others() {
        let of = |values: &[f64]| {
            let mut histogram = exponential(0, values);
            if let Buckets::Exponential(buckets) = &mut histogram.buckets {
                buckets.zero_threshold = 0.5;
            }
            histogram_quantile(0.25, &histogram)
        };
        assert_eq!(of(&[0.0, 0.0, 3.0, 3.0]), 0.25);
        assert_eq!(of(&[0.0, 0.0]), -0.25);
        assert!((of(&[-3.0, -3.0, -3.0, 0.0, 0.0, 0.0]) + 8_f64.sqrt()).abs() < 1e-12);
        assert_eq!(histogram_quantile(1.0, &exponential(0, &[-3.0, 0.0])), 0.0);
    }

    #[test]
    fn explicit_buckets_are_interpolated_evenly() {
        let buckets = ExplicitBuckets { bounds: vec![1.0, 3.0], counts: vec![4.0, 4.0, 2.0] };
        let histogram = Distribution { count: 10.0, sum: 20.0, buckets: Buckets::Explicit(buckets) };
        for (quantile, expected) in [(0.0, 0.0), (0.2, 0.5), (0.4, 1.0), (0.6, 2.0), (0.8, 3.0), (0.9, 3.0), (1.0, 3.0)]
        {
            assert!((histogram_quantile(quantile, &histogram) - expected).abs() < 1e-12, "{quantile}");
        }
    }

    #[test]
    fn quantiles_out_of_range_are_infinite_and_of_nothing_are_nan() {
        let histogram = exponential(0, &[1.5]);
        assert_eq!(histogram_quantile(-0.1, &histogram), f64::NEG_INFINITY);
        assert_eq!(histogram_quantile(1.1, &histogram), f64::INFINITY);
        assert!(histogram_quantile(f64::NAN, &histogram).is_nan());
        assert!(histogram_quantile(0.5, &exponential(0, &[])).is_nan());
    }
}
