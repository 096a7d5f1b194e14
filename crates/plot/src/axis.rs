//! The axis of a panel.

/// An axis: its label and its range. It starts at 0, or at the smallest value if it is logarithmic.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub(crate) label: String,
    pub(crate) is_logarithmic: bool,
}

impl Axis {
    /// Creates an axis with equal distances for equal differences.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), is_logarithmic: false }
    }

    /// Creates an axis with equal distances for equal ratios. Its values must be positive.
    pub fn logarithmic(label: &str) -> Self {
        Self { label: label.to_owned(), is_logarithmic: true }
    }

    /// Returns the position of a value.
    pub(crate) fn position(&self, value: f64) -> f64 {
        if self.is_logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value }
    }

    /// Returns the smallest and the largest position of the values, never equal.
    pub(crate) fn range(&self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let start = if self.is_logarithmic { f64::INFINITY } else { 0.0 };
        let positions = values.map(|value| self.position(value));
        let (min, max) =
            positions.fold((start, f64::NEG_INFINITY), |(min, max), position| (min.min(position), max.max(position)));
        if !(min.is_finite() && max.is_finite()) {
            return (0.0, 1.0);
        }
        let margin = if max > min { (max - min) * 0.05 } else { 1.0 };
        (min, max + margin)
    }

    /// Formats the value at a position.
    pub(crate) fn format(&self, position: f64) -> String {
        let value = if self.is_logarithmic { 10f64.powf(position) } else { position };
        let (divisor, suffix) = match value.abs() {
            1e6.. => (1e6, " M"),
            1e4.. => (1e3, " k"),
            _ => (1.0, ""),
        };
        let scaled = value / divisor;
        let decimals = if scaled == scaled.round() || scaled.abs() >= 100.0 { 0 } else { 1 };
        format!("{scaled:.decimals$}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_starts_at_zero_and_a_logarithmic_one_at_its_smallest_value() {
        assert_eq!(Axis::linear("").range([10.0, 20.0].into_iter()), (0.0, 21.0));
        assert_eq!(Axis::logarithmic("").range([10.0, 1_000.0].into_iter()), (1.0, 3.1));
    }

    #[test]
    fn a_range_without_values_or_with_one_is_not_empty() {
        assert_eq!(Axis::linear("").range([].into_iter()), (0.0, 1.0));
        assert_eq!(Axis::linear("").range([0.0].into_iter()), (0.0, 1.0));
        assert_eq!(Axis::logarithmic("").range([100.0].into_iter()), (2.0, 3.0));
    }

    #[test]
    fn large_values_are_shortened() {
        let texts = [0.0, 0.5, 10.0, 1_500.0, 20_000.0, 2_500_000.0].map(|value| Axis::linear("").format(value));
        assert_eq!(texts, ["0", "0.5", "10", "1500", "20 k", "2.5 M"]);
        assert_eq!(Axis::logarithmic("").format(5.0), "100 k");
    }
}
