//! What a target says of one series at one time, in Prometheus' terms.

use std::borrow::Cow;

/// One label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: Cow<'a, str>,
}

/// One series as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<'a> {
    /// The name that rules match: of a counter with its `_total`, of a histogram or summary without `_bucket`, `_count` and
    /// `_sum`.
    pub name: &'a str,
    /// Its labels, without `le` and `quantile`. The same series has them in the same order every time.
    pub labels: &'a [Label<'a>],
    /// What it says.
    pub value: Value<'a>,
    /// When the series began, in seconds since the Unix epoch, if the target tells.
    pub created: Option<f64>,
}

/// What a series says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// How much there was since the series began.
    Counter(f64),
    /// How much there is.
    Gauge(f64),
    /// A number of which the target does not tell what it is.
    Untyped(f64),
    /// How many values were not above each bound since the series began.
    Histogram {
        /// Bounds, ascending; a last one of +Inf may be there or not.
        buckets: &'a [Bucket],
        /// How many values there were.
        count: f64,
        /// Their sum.
        sum: f64,
    },
    /// How many values there were since the series began, and their sum.
    Summary {
        /// How many.
        count: f64,
        /// Their sum.
        sum: f64,
    },
}

/// A bucket of a histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its upper bound, Prometheus' `le`: it belongs to the bucket.
    pub upper: f64,
    /// How many values are not above it; those of lower buckets are among them.
    pub cumulative: f64,
}
