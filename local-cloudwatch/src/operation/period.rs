//! The periods, time ranges and statistics of query operations.

use crate::error::{ApiError, ErrorKind};
use crate::metric::{invalid, missing};
use crate::request_fields::RequestFields;
use crate::statistics::SampleBucket;

/// Periods below one minute, for data with a resolution of one second.
const SHORT_PERIODS: [i64; 4] = [1, 5, 10, 30];

/// The end of the year 9999. Times are clamped to it, so that arithmetic on them cannot overflow.
const MAX_SECONDS: f64 = 253_402_300_800.0;

/// A time range with a period. As in CloudWatch, the start is rounded down to the minute, or to the period if that is
/// shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeRange {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) period: i64,
}

impl TimeRange {
    /// Reads `StartTime` and `EndTime` from `times`, and `Period` from `fields`.
    pub(crate) fn read(times: &RequestFields<'_>, fields: &RequestFields<'_>) -> Result<Self, ApiError> {
        let seconds = |name| times.time(name)?.ok_or_else(|| missing(name));
        let (start, end) = (seconds("StartTime")?, seconds("EndTime")?);
        // This also rejects NaN.
        if start.partial_cmp(&end) != Some(std::cmp::Ordering::Less) {
            return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
        }
        let path = fields.path_of("Period");
        let period = i64::from(fields.integer("Period")?.ok_or_else(|| missing(&path))?);
        if period < 1 || (period % 60 != 0 && !SHORT_PERIODS.contains(&period)) {
            return Err(invalid(format!("The parameter {path} must be 1, 5, 10, 30 or a multiple of 60.")));
        }
        let within = |seconds: f64| seconds.clamp(0.0, MAX_SECONDS) as i64;
        let start = within(start.floor());
        Ok(Self { start: start - start.rem_euclid(period.min(60)), end: within(end.ceil()), period })
    }

    /// Returns the number of periods.
    pub(crate) fn datapoints(&self) -> i64 {
        let seconds = self.end - self.start;
        seconds / self.period + i64::from(seconds % self.period != 0)
    }
}

/// A statistic of the samples in a period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    Percentile(f64),
}

impl Statistic {
    /// Parses the name of one of the five plain statistics.
    pub(crate) fn plain(name: &str) -> Option<Self> {
        Some(match name {
            "SampleCount" => Self::SampleCount,
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => return None,
        })
    }

    /// Parses the name of a percentile: `p0` to `p100`, with optional decimals.
    pub(crate) fn percentile(name: &str) -> Option<Self> {
        let digits = name.strip_prefix('p').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit() || b == b'.'))?;
        digits.parse().ok().filter(|percent| (0.0..=100.0).contains(percent)).map(Self::Percentile)
    }

    /// Computes the statistic of a bucket. Returns `None` for a percentile that is unavailable.
    pub(crate) fn compute(self, bucket: &SampleBucket) -> Option<f64> {
        let statistics = &bucket.statistics;
        match self {
            Self::SampleCount => Some(statistics.count),
            Self::Average => Some(statistics.sum / statistics.count),
            Self::Sum => Some(statistics.sum),
            Self::Minimum => Some(statistics.min),
            Self::Maximum => Some(statistics.max),
            Self::Percentile(percent) => bucket.percentile(percent),
        }
    }
}

/// Returns the error for an unsupported statistic.
pub(crate) fn unknown_statistic(path: &str, name: &str) -> ApiError {
    let message = format!(
        "The value {name} for parameter {path} is not supported by local-cloudwatch; use SampleCount, Average, Sum, \
         Minimum, Maximum or a percentile from p0 to p100."
    );
    ApiError::new(ErrorKind::ValidationError, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_fields::TimeForm;
    use crate::wire_value::WireValue;

    fn range(start: f64, end: f64, period: f64) -> Result<TimeRange, ApiError> {
        let node = WireValue::structure([
            ("StartTime", WireValue::Number(start)),
            ("EndTime", WireValue::Number(end)),
            ("Period", WireValue::Number(period)),
        ]);
        let fields = RequestFields::root(&node, TimeForm::Number).unwrap();
        TimeRange::read(&fields, &fields)
    }

    #[test]
    fn only_cloudwatch_periods_are_accepted() {
        for period in [1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 3600.0] {
            assert!(range(0.0, 1.0, period).is_ok(), "{period}");
        }
        for period in [0.0, -60.0, 2.0, 15.0, 59.0, 61.0, 90.0, 0.5] {
            assert!(range(0.0, 1.0, period).is_err(), "{period}");
        }
    }

    #[test]
    fn the_start_is_rounded_down() {
        assert_eq!(range(119.5, 200.0, 60.0).unwrap(), TimeRange { start: 60, end: 200, period: 60 });
        assert_eq!(range(119.5, 200.2, 10.0).unwrap(), TimeRange { start: 110, end: 201, period: 10 });
        assert_eq!(range(125.0, 725.0, 300.0).unwrap().start, 120);
        assert!(range(1.0, 1.0, 60.0).is_err());
        assert!(range(f64::NAN, 1.0, 60.0).is_err());
    }

    #[test]
    fn a_partial_period_counts_as_a_datapoint() {
        assert_eq!([59.0, 60.0, 61.0].map(|end| range(0.0, end, 60.0).unwrap().datapoints()), [1, 1, 2]);
        assert!(range(-1e300, 1e300, 60.0).unwrap().datapoints() > 1_440);
    }

    #[test]
    fn percentiles_have_a_range() {
        for name in ["p0", "p50", "p99.9", "p100"] {
            assert!(Statistic::percentile(name).is_some(), "{name}");
        }
        for name in ["p", "p-1", "p100.1", "50", "pNaN", "p1e1", "tm99", "P50"] {
            assert!(Statistic::percentile(name).is_none(), "{name}");
        }
    }
}
