//! Series as a target describes them, in Prometheus' terms.

use std::borrow::Cow;

/// One label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its value.
    pub value: Cow<'a, str>,
}

/// One line about a series. A counter or gauge has one, and a histogram one for each of its parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading<'a> {
    /// The name that rules match: a counter's with its `_total`, a histogram's or summary's without
    /// `_bucket`, `_count` and `_sum`.
    pub name: &'a str,
    /// Its labels, without `le`.
    pub labels: &'a [Label<'a>],
    /// The kind of the series.
    pub kind: SeriesKind,
    /// The part of the series that the line is about.
    pub part: Part,
}

/// The kind of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesKind {
    /// A total since the series began.
    Counter,
    /// A level.
    Gauge,
    /// A number whose kind the target does not say.
    Untyped,
    /// Counts of values by their bounds since the series began.
    Histogram,
    /// A count and a sum of values since the series began.
    Summary,
}

/// A part of a series. A number that cannot be read is NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// The value of a counter, a gauge, or a series without a type.
    Value(f64),
    /// A bucket of a histogram.
    CumulativeBucket(CumulativeBucket),
    /// The number of values of a histogram or summary.
    Count(f64),
    /// The sum of these values.
    Sum(f64),
    /// The time at which the series began, in seconds since the Unix epoch.
    Created(f64),
}

/// A whole series at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A total since the series began.
    Counter(f64),
    /// A level.
    Gauge(f64),
    /// Counts of values by their bounds since the series began.
    Histogram {
        /// Bounds, ascending; the last bucket may be +Inf or not.
        buckets: &'a [CumulativeBucket],
        /// The number of values.
        count: f64,
        /// Their sum; NaN if the target does not say it.
        sum: f64,
    },
    /// A count and a sum of values since the series began.
    Summary {
        /// The number of values.
        count: f64,
        /// Their sum.
        sum: f64,
    },
}

/// A bucket of a histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CumulativeBucket {
    /// Its upper bound, Prometheus' `le`: it belongs to the bucket.
    pub upper: f64,
    /// The number of values not above it; those of lower buckets are among them.
    pub cumulative: f64,
}

/// A line of an answer that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// The name that rules match, if the line has a readable one.
    pub name: Option<&'a str>,
    /// Whether the series is known and was handed over without a number.
    pub is_series_known: bool,
    /// The reason, such as `is no bucket`.
    pub reason: &'a str,
    /// The beginning of the line.
    pub text: &'a str,
}

/// Which rules want a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// None does.
    No,
    /// Only rules with a `*` in their names.
    ByPattern,
    /// A rule that has exactly this name.
    ByName,
}

/// Takes what is read of an answer, line by line.
pub trait Sink {
    /// Returns whether a rule wants metrics of this name.
    fn wants(&mut self, name: &str) -> Wanted;

    /// Takes a line about a series of a metric that is wanted.
    fn accept(&mut self, reading: &Reading<'_>);

    /// Takes note of a line that cannot be read, and is of a wanted metric or of nobody knows
    /// which.
    fn skip(&mut self, skipped: &Skipped<'_>);

    /// Takes note of the time at which the process that answers has started, in seconds since the
    /// Unix epoch.
    fn set_process_start(&mut self, seconds: f64);

    /// Returns the work that the calls since the last one of this function have made, as the number
    /// of bytes that could have been read in the same time.
    fn take_work(&mut self) -> usize {
        0
    }
}
