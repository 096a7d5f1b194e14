//! Percentiles computed from a datum differ little from the exact ones, for a million values of several distributions.

#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use std::f64::consts::TAU;

use acpw_metric::{Distribution, quota::MAX_VALUES_PER_DATUM};

const SAMPLES: usize = 1_000_000;

/// A SplitMix64 generator of numbers between 0 and 1, both excluded.
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.next().ln()).sqrt() * (TAU * self.next()).cos()
    }
}

/// Returns the smallest value such that at least this share of all values is at or below it.
fn percentile(ascending: impl Iterator<Item = (f64, u64)>, share: f64) -> f64 {
    let rank = (share * SAMPLES as f64).ceil() as u64;
    let mut below = 0;
    for (value, count) in ascending {
        below += count;
        if below >= rank {
            return value;
        }
    }
    f64::NAN
}

fn check(name: &str, mut sample: impl FnMut(&mut Uniform) -> f64) {
    let mut uniform = Uniform(42);
    let mut values: Vec<f64> = (0..SAMPLES).map(|_| sample(&mut uniform)).collect();
    // Values arrive in parts, one per worker and second.
    let mut merged = Distribution::new();
    for second in values.chunks(SAMPLES / 16) {
        let mut worker = Distribution::new();
        assert!(second.iter().all(|value| worker.record(*value)));
        merged.merge(&worker);
    }
    let sum: f64 = values.iter().sum();
    values.sort_by(f64::total_cmp);
    let (min, max) = (values[0], values[SAMPLES - 1]);

    assert_eq!((merged.count(), merged.min(), merged.max()), (SAMPLES as u64, min, max), "{name}");
    assert!((merged.sum() / sum - 1.0).abs() < 1e-12, "{name}");
    assert!(merged.values().len() <= MAX_VALUES_PER_DATUM, "{name}");
    let bound = if max / min < 660.0 { 0.025 } else { 0.045 };
    for share in [0.5, 0.9, 0.99, 0.999] {
        let exact = percentile(values.iter().map(|value| (*value, 1)), share);
        let estimate = percentile(merged.values(), share);
        let error = (estimate / exact - 1.0).abs();
        assert!(error <= bound, "{name}: p{} is {exact}, estimated as {estimate}, error {error}", 100.0 * share);
    }
}

#[test]
fn percentiles_of_a_uniform_distribution_are_accurate() {
    check("uniform", |uniform| 1.0 + 99.0 * uniform.next());
    check("uniform from zero", |uniform| 1_000.0 * uniform.next());
}

#[test]
fn percentiles_of_a_lognormal_distribution_are_accurate() {
    check("lognormal", |uniform| (3.0 + 0.5 * uniform.normal()).exp());
    check("wide lognormal", |uniform| (3.0 + uniform.normal()).exp());
}

#[test]
fn percentiles_of_a_bimodal_distribution_are_accurate() {
    // One request in a hundred takes about a second, the others take about a millisecond.
    check("bimodal", |uniform| {
        let mode = if uniform.next() < 0.01 { 1_000.0 } else { 1.0 };
        mode * (0.95 + 0.1 * uniform.next())
    });
    check("two values", |uniform| if uniform.next() < 0.3 { 1_000.0 } else { 1.0 });
}

#[test]
fn percentiles_of_a_pareto_distribution_are_accurate() {
    check("pareto", |uniform| uniform.next().powf(-1.0 / 1.16));
}

#[test]
fn percentiles_of_a_constant_are_accurate() {
    check("constant", |_| 12.5);
}
