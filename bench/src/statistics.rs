//! Medians and spreads of rounds.

/// Returns the median, or 0 if there are no values.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Returns the distance between the first and the third quartile.
pub(crate) fn interquartile_range(values: &[f64]) -> f64 {
    quantile(values, 0.75) - quantile(values, 0.25)
}

/// Returns a quantile, interpolated between the two nearest values.
fn quantile(values: &[f64], fraction: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let position = fraction * sorted.len().saturating_sub(1) as f64;
    let value = |position: f64| sorted.get(position as usize).copied().unwrap_or_default();
    value(position.floor()) + (value(position.ceil()) - value(position.floor())) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_interquartile_range_are_interpolated() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(median(&values), 3.0);
        assert_eq!(interquartile_range(&values), 2.0);
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert_eq!(median(&[]), 0.0);
        assert_eq!(interquartile_range(&[7.0]), 0.0);
    }
}
