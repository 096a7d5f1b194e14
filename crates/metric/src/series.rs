//! What makes a series beside its dimensions: namespace, metric name, unit and storage resolution.

use crate::{
    Unit,
    quota::{MAX_METRIC_NAME_LENGTH, MAX_NAMESPACE_LENGTH},
    text::{TextError, check, check_name, checked_text},
};

checked_text! {
    /// A metric's name: 1 to 255 printable ASCII characters, not all spaces.
    MetricName, |text| check(text, MAX_METRIC_NAME_LENGTH)
}

checked_text! {
    /// A namespace: 1 to 255 printable ASCII characters, not all spaces, starting neither with a colon nor with `AWS/`.
    Namespace, |text| {
        check_name(text, MAX_NAMESPACE_LENGTH)?;
        if text.starts_with("AWS/") { Err(TextError::Reserved) } else { Ok(()) }
    }
}

/// CloudWatch's `StorageResolution`: the length of the periods in which it keeps a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StorageResolution {
    /// One second; CloudWatch keeps such data for three hours.
    High,
    /// One minute, the default.
    #[default]
    Standard,
}

impl StorageResolution {
    /// The period in seconds, as CloudWatch writes it.
    pub const fn seconds(self) -> u32 {
        match self {
            Self::High => 1,
            Self::Standard => 60,
        }
    }

    /// A difference of clocks as far as it moves a period: the nearest multiple of the period's length, in milliseconds.
    pub const fn nearest_periods(self, millis: i64) -> i64 {
        let period = self.seconds() as i64 * 1_000;
        let half = if millis < 0 { -period / 2 } else { period / 2 };
        millis.saturating_add(half) / period * period
    }
}

/// A metric as it is measured: the same name in another unit or at another resolution is another series.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Metric {
    /// Its name.
    pub name: MetricName,
    /// The unit of its values.
    pub unit: Unit,
    /// The length of its periods.
    pub resolution: StorageResolution,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded_as_cloudwatch_bounds_them() {
        for (length, fits) in [(0, false), (1, true), (254, true), (255, true), (256, false)] {
            assert_eq!(MetricName::new(&"m".repeat(length)).is_ok(), fits, "{length}");
            assert_eq!(Namespace::new(&"n".repeat(length)).is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn a_difference_moves_whole_periods() {
        for (millis, standard, high) in [
            (0, 0, 0),
            (29_999, 0, 30_000),
            (30_000, 60_000, 30_000),
            (-29_999, 0, -30_000),
            (-30_000, -60_000, -30_000),
            (172_799_200, 172_800_000, 172_799_000),
        ] {
            assert_eq!(StorageResolution::Standard.nearest_periods(millis), standard);
            assert_eq!(StorageResolution::High.nearest_periods(millis), high);
        }
        StorageResolution::Standard.nearest_periods(i64::MAX);
        StorageResolution::Standard.nearest_periods(i64::MIN);
    }

    #[test]
    fn namespaces_of_aws_itself_are_refused() {
        assert_eq!(Namespace::new("AWS/EC2"), Err(TextError::Reserved));
        assert_eq!(Namespace::new(":x"), Err(TextError::LeadingColon));
        assert!(Namespace::new("AWSCloudWatchProxyWasm").is_ok());
    }
}
