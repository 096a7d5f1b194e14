//! Functions of the samples in a time range.

use super::extrapolation;
use super::query_error::QueryError;
use super::sample::Sample;
use super::selection::{ReadBudget, SelectedSeries};

/// A function of a range vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RangeFunction {
    Increase,
    Rate,
    SumOverTime,
    AvgOverTime,
    MinOverTime,
    MaxOverTime,
    CountOverTime,
    LastOverTime,
}

impl RangeFunction {
    /// Returns the function with this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "increase" => Self::Increase,
            "rate" => Self::Rate,
            "sum_over_time" => Self::SumOverTime,
            "avg_over_time" => Self::AvgOverTime,
            "min_over_time" => Self::MinOverTime,
            "max_over_time" => Self::MaxOverTime,
            "count_over_time" => Self::CountOverTime,
            "last_over_time" => Self::LastOverTime,
            _ => return None,
        })
    }

    /// Returns true if the result still is a value of the metric.
    pub(super) fn keeps_name(self) -> bool {
        self == Self::LastOverTime
    }

    /// Computes the function over (after, until], in milliseconds since the epoch. Returns `None` without samples.
    pub(super) fn compute(
        self,
        series: &SelectedSeries<'_>,
        after: i64,
        until: i64,
        budget: &mut ReadBudget,
    ) -> Result<Option<Sample>, QueryError> {
        let timed = series.samples(after, until, budget)?;
        if matches!(self, Self::Increase | Self::Rate) && !series.is_delta {
            let mut increase = extrapolation::increase(&timed, after, until)?;
            self.divide_by_time(&mut increase, after, until);
            return Ok(increase);
        }
        let mut samples = timed.into_iter().map(|timed| timed.sample);
        let numbers = |samples: &mut dyn Iterator<Item = Sample>, of: fn(f64, f64) -> f64| {
            samples.filter_map(|sample| sample.number()).reduce(of).map(Sample::Number)
        };
        match self {
            Self::Increase | Self::Rate | Self::SumOverTime => {
                let mut total = sum(&mut samples)?;
                self.divide_by_time(&mut total, after, until);
                Ok(total)
            }
            Self::AvgOverTime => {
                let count = samples.len();
                let mut total = sum(&mut samples)?;
                if let Some(total) = &mut total {
                    total.divide(count as f64);
                }
                Ok(total)
            }
            Self::MinOverTime => Ok(numbers(&mut samples, f64::min)),
            Self::MaxOverTime => Ok(numbers(&mut samples, f64::max)),
            Self::CountOverTime => Ok(Some(samples.len()).filter(|n| *n > 0).map(|n| Sample::Number(n as f64))),
            Self::LastOverTime => Ok(samples.next_back()),
        }
    }

    fn divide_by_time(self, total: &mut Option<Sample>, after: i64, until: i64) {
        if let (Self::Rate, Some(total)) = (self, total) {
            total.divide(until.saturating_sub(after) as f64 / 1_000.0);
        }
    }
}

fn sum(samples: &mut dyn Iterator<Item = Sample>) -> Result<Option<Sample>, QueryError> {
    let Some(mut total) = samples.next() else { return Ok(None) };
    for sample in samples {
        total.add(&sample, 1.0)?;
    }
    Ok(Some(total))
}
