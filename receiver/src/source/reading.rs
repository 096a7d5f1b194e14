//! Series of a Prometheus target, in Prometheus' terms.

use std::borrow::Cow;

/// A label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// The value.
    pub value: Cow<'a, str>,
}

/// One line about a series. A counter or gauge has one line, a histogram one per part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading<'a> {
    /// The name that rules match: with `_total` for a counter, without `_bucket`, `_count` and `_sum` for a histogram
    /// or summary.
    pub name: &'a str,
    /// The labels, except `le`.
    pub labels: &'a [Label<'a>],
    /// The kind of the series.
    pub kind: SeriesKind,
    /// The part of the series that the line is about.
    pub part: Part,
}

/// The kind of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesKind {
    /// A total since the series started.
    Counter,
    /// A current value.
    Gauge,
    /// A number of unknown type.
    Untyped,
    /// Counts of values per bucket since the series started.
    Histogram,
    /// A count and a sum of values since the series started.
    Summary,
}

/// A part of a series. An invalid number is NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// The value of a counter, a gauge, or a series without a type.
    Value(f64),
    /// A bucket of a histogram.
    CumulativeBucket(CumulativeBucket),
    /// The number of values of a histogram or summary.
    Count(f64),
    /// The sum of the values of a histogram or summary.
    Sum(f64),
    /// The time at which the series started, in seconds since the epoch.
    Created(f64),
}

/// A whole series at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A total since the series started.
    Counter(f64),
    /// A current value.
    Gauge(f64),
    /// Counts of values per bucket since the series started.
    Histogram {
        /// The buckets in ascending order. The +Inf bucket is optional.
        buckets: &'a [CumulativeBucket],
        /// The number of values.
        count: f64,
        /// The sum of the values, NaN if unknown.
        sum: f64,
    },
    /// A count and a sum of values since the series started.
    Summary {
        /// The number of values.
        count: f64,
        /// The sum of the values.
        sum: f64,
    },
}

/// A bucket of a histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CumulativeBucket {
    /// The inclusive upper bound (`le`).
    pub upper: f64,
    /// The number of values up to the bound, including those of lower buckets.
    pub cumulative: f64,
}

/// A line of a response that cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped<'a> {
    /// The line number, from 1.
    pub number: u64,
    /// The name that rules match, if the line has a valid one.
    pub name: Option<&'a str>,
    /// True if only the number is invalid. The series was passed to [`Sink::accept`] with NaN.
    pub is_series_known: bool,
    /// The reason, as in "because it is not UTF-8".
    pub reason: &'a str,
    /// The start of the line.
    pub text: &'a str,
}

/// The rules that match a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// No rule matches.
    No,
    /// Only rules with `*` match.
    ByPattern,
    /// A rule has exactly this name.
    ByName,
}

/// Receives the parsed lines of a response.
pub trait Sink {
    /// Returns which rules match metrics of this name.
    fn wants(&mut self, name: &str) -> Wanted;

    /// Receives a line about a series of a wanted metric.
    fn accept(&mut self, reading: &Reading<'_>);

    /// Receives a line that cannot be parsed and may belong to a wanted metric.
    fn skip(&mut self, skipped: &Skipped<'_>);

    /// Receives the start time of the target's process, in seconds since the epoch.
    fn set_process_start(&mut self, seconds: f64);

    /// Returns the cost of the calls since the last call of this function, as the number of bytes that could have been
    /// parsed in the same time.
    fn take_work(&mut self) -> usize {
        0
    }
}
