//! Collects the lines of a response about one series, in any order.

use crate::source::reading::{CumulativeBucket, Part, SeriesKind, Value};

/// The parts of a series that were read so far.
#[derive(Debug, Default)]
pub(super) struct Parts {
    value: Option<f64>,
    count: Option<f64>,
    sum: Option<f64>,
    created: Option<f64>,
    buckets: Vec<CumulativeBucket>,
    has_repeated_line: bool,
}

impl Parts {
    /// Removes all parts and keeps the allocation.
    pub(super) fn clear(&mut self) {
        let mut buckets = std::mem::take(&mut self.buckets);
        buckets.clear();
        *self = Self { buckets, ..Self::default() };
    }

    /// Adds a part.
    pub(super) fn add(&mut self, part: Part) {
        let (slot, number) = match part {
            Part::Value(number) => (&mut self.value, number),
            Part::Count(number) => (&mut self.count, number),
            Part::Sum(number) => (&mut self.sum, number),
            Part::Created(number) => (&mut self.created, number),
            Part::CumulativeBucket(bucket) => return self.buckets.push(bucket),
        };
        self.has_repeated_line |= slot.replace(number).is_some();
    }

    /// Returns the time at which the series started, in seconds since the epoch, if the target reports it.
    pub(super) fn created(&self) -> Option<f64> {
        self.created.filter(|created| created.is_finite())
    }

    /// Returns the number of buckets.
    pub(super) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Sorts the buckets. Call it before [`value`](Self::value).
    pub(super) fn sort(&mut self) {
        if !self.buckets.is_sorted_by(|a, b| a.upper <= b.upper) {
            self.buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
        }
    }

    /// Returns the value of the series. A missing number is NaN. Returns `None` if a line is repeated, because it is
    /// unknown which one is right.
    pub(super) fn value(&self, kind: SeriesKind) -> Option<Value<'_>> {
        if self.has_repeated_line {
            return None;
        }
        let number = |part: Option<f64>| part.unwrap_or(f64::NAN);
        Some(match kind {
            SeriesKind::Counter => Value::Counter(number(self.value)),
            SeriesKind::Gauge | SeriesKind::Untyped => Value::Gauge(number(self.value)),
            SeriesKind::Summary => Value::Summary { count: number(self.count), sum: number(self.sum) },
            SeriesKind::Histogram => {
                let all = self.buckets.last().filter(|last| last.upper == f64::INFINITY);
                let count = self.count.or_else(|| all.map(|all| all.cumulative));
                Value::Histogram { buckets: &self.buckets, count: number(count), sum: number(self.sum) }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_may_be_in_any_order_but_not_repeated() {
        let bucket = |upper, cumulative| CumulativeBucket { upper, cumulative };
        let mut parts = Parts::default();
        for part in [
            Part::Sum(2.5),
            Part::CumulativeBucket(bucket(f64::INFINITY, 4.0)),
            Part::Created(7.0),
            Part::CumulativeBucket(bucket(1.0, 3.0)),
            Part::CumulativeBucket(bucket(-1.0, 1.0)),
        ] {
            parts.add(part);
        }
        parts.sort();
        let buckets = [bucket(-1.0, 1.0), bucket(1.0, 3.0), bucket(f64::INFINITY, 4.0)];
        let expected = Value::Histogram { buckets: &buckets, count: 4.0, sum: 2.5 };
        assert_eq!((parts.value(SeriesKind::Histogram), parts.created()), (Some(expected), Some(7.0)));
        parts.add(Part::Sum(2.5));
        assert_eq!(parts.value(SeriesKind::Histogram), None);
        parts.clear();
        parts.add(Part::Value(1.0));
        assert_eq!(parts.value(SeriesKind::Counter), Some(Value::Counter(1.0)));
        assert!(matches!(parts.value(SeriesKind::Summary), Some(Value::Summary { count, .. }) if count.is_nan()));
    }
}
