//! Namespace, metric name, unit and storage resolution, which identify a series together with its dimensions.

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

/// CloudWatch's `StorageResolution`: the length of the periods in which it stores a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StorageResolution {
    /// One second. CloudWatch keeps such data for three hours.
    High,
    /// One minute, the default.
    #[default]
    Standard,
}

impl StorageResolution {
    /// Returns the length of a period in seconds, which is CloudWatch's numeric value.
    pub const fn seconds(self) -> u32 {
        match self {
            Self::High => 1,
            Self::Standard => 60,
        }
    }

    /// Rounds a clock correction to the nearest multiple of the period. Argument and result are in milliseconds.
    pub const fn nearest_periods(self, millis: i64) -> i64 {
        let period = self.seconds() as i64 * 1_000;
        let half = if millis < 0 { -period / 2 } else { period / 2 };
        millis.saturating_add(half) / period * period
    }
}

/// A metric. The same name with another unit or resolution is another series.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Metric {
    /// The name.
    pub name: MetricName,
    /// The unit of the values.
    pub unit: Unit,
    /// The storage resolution.
    pub resolution: StorageResolution,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_namespaces_have_1_to_255_characters() {
        for (length, fits) in [(0, false), (1, true), (254, true), (255, true), (256, false)] {
            assert_eq!(MetricName::new(&"m".repeat(length)).is_ok(), fits, "{length}");
            assert_eq!(Namespace::new(&"n".repeat(length)).is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn a_clock_correction_is_rounded_to_whole_periods() {
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
        for millis in [i64::MAX, i64::MIN] {
            let rounded = StorageResolution::Standard.nearest_periods(millis);
            assert_eq!((rounded % 60_000, rounded.signum()), (0, millis.signum()));
        }
    }

    #[test]
    fn namespaces_reserved_by_aws_are_refused() {
        assert_eq!(Namespace::new("AWS/EC2"), Err(TextError::Reserved));
        assert_eq!(Namespace::new(":x"), Err(TextError::LeadingColon));
        assert!(Namespace::new("AWSCloudWatchProxyWasm").is_ok());
    }
}
