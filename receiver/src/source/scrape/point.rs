//! Lines that tell of the same series at the same time: the parts of a histogram or a summary.

use super::{line::FamilyType, number::number};
use crate::source::reading::{Bucket, Label, Reading, Value};

/// What a sample tells of its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All there is of it, and it belongs to no family whose type is known.
    Alone,
    /// The value of a counter or gauge.
    Value,
    /// A bucket of a histogram.
    Bucket,
    /// A quantile of a summary.
    Quantile,
    /// The number of values.
    Count,
    /// The sum of values.
    Sum,
    /// When it began.
    Created,
}

impl Part {
    /// What a sample of this name tells after the type of a family was told.
    pub(super) fn of(name: &str, family: &str, family_type: FamilyType) -> Self {
        let Some(suffix) = name.strip_prefix(family) else { return Self::Alone };
        match (family_type, suffix) {
            (FamilyType::Counter, "" | "_total") | (FamilyType::Gauge, "") => Self::Value,
            (FamilyType::Histogram, "_bucket") => Self::Bucket,
            (FamilyType::Summary, "") => Self::Quantile,
            (FamilyType::Histogram | FamilyType::Summary, "_count") => Self::Count,
            (FamilyType::Histogram | FamilyType::Summary, "_sum") => Self::Sum,
            (FamilyType::Histogram | FamilyType::Summary | FamilyType::Counter, "_created") => Self::Created,
            _ => Self::Alone,
        }
    }

    /// Whether the reading that it is a part of is wanted.
    pub(super) fn is_wanted(
        self,
        name: &str,
        family: &str,
        family_type: FamilyType,
        wants: &dyn Fn(&str) -> bool,
    ) -> bool {
        match self {
            Self::Alone | Self::Value => wants(name),
            Self::Created if family_type == FamilyType::Counter => wants(&[family, "_total"].concat()),
            Self::Bucket | Self::Quantile | Self::Count | Self::Sum | Self::Created => wants(family),
        }
    }

    /// Takes the label out that only this line has; gives the bound of a bucket. Nothing for a bucket without one.
    pub(super) fn take_bound(self, labels: &mut Vec<Label<'_>>) -> Option<f64> {
        let name = match self {
            Self::Bucket => "le",
            Self::Quantile => "quantile",
            Self::Alone | Self::Value | Self::Count | Self::Sum | Self::Created => return Some(0.0),
        };
        let at = labels.iter().position(|label| label.name == name)?;
        number(&labels.remove(at).value)
    }
}

/// What was told of a series so far. All lines of a histogram or summary with the same labels follow each other, as client
/// libraries write them; of one that is torn apart the missing numbers are NaN.
#[derive(Debug, Default)]
pub(super) struct Point<'a> {
    /// The type, once something was told.
    family_type: Option<FamilyType>,
    /// The name of a single value.
    name: &'a str,
    labels: Vec<Label<'a>>,
    buckets: Vec<Bucket>,
    value: Option<f64>,
    count: Option<f64>,
    sum: Option<f64>,
    created: Option<f64>,
    is_alone: bool,
}

impl<'a> Point<'a> {
    pub(super) fn is_open(&self) -> bool {
        self.family_type.is_some()
    }

    /// Whether a part of the same family with these labels belongs to it.
    pub(super) fn has_room(&self, part: Part, labels: &[Label<'a>]) -> bool {
        let is_free = match part {
            Part::Alone => false,
            Part::Value => self.value.is_none(),
            Part::Bucket | Part::Quantile => true,
            Part::Count => self.count.is_none(),
            Part::Sum => self.sum.is_none(),
            Part::Created => self.created.is_none(),
        };
        self.is_open() && is_free && !self.is_alone && self.labels == labels
    }

    /// Begins with such a part.
    pub(super) fn begin(&mut self, part: Part, family_type: FamilyType, labels: &mut Vec<Label<'a>>) {
        let (mut buckets, labels) = (std::mem::take(&mut self.buckets), std::mem::take(labels));
        buckets.clear();
        let is_alone = part == Part::Alone;
        let family_type = Some(if is_alone { FamilyType::Untyped } else { family_type });
        *self = Self { family_type, labels, buckets, is_alone, ..Self::default() };
    }

    pub(super) fn add(&mut self, part: Part, name: &'a str, number: f64, upper: f64) {
        match part {
            Part::Alone | Part::Value => (self.name, self.value) = (name, Some(number)),
            Part::Bucket => self.buckets.push(Bucket { upper, cumulative: number }),
            Part::Quantile => {}
            Part::Count => self.count = Some(number),
            Part::Sum => self.sum = Some(number),
            Part::Created => self.created = Some(number),
        }
    }

    /// Gives what was told, if something was, and is empty then.
    pub(super) fn give(&mut self, family: &str, take: &mut dyn FnMut(&Reading<'_>)) {
        let Some(family_type) = self.family_type.take() else { return };
        let (count, sum) = (self.count.unwrap_or(f64::NAN), self.sum.unwrap_or(f64::NAN));
        let (name, value) = match (family_type, self.value) {
            (FamilyType::Histogram, _) => (family, Value::Histogram { buckets: &self.buckets, count, sum }),
            (FamilyType::Summary, _) => (family, Value::Summary { count, sum }),
            (FamilyType::Counter, Some(value)) => (self.name, Value::Counter(value)),
            (FamilyType::Gauge, Some(value)) => (self.name, Value::Gauge(value)),
            (FamilyType::Untyped, Some(value)) => (self.name, Value::Untyped(value)),
            (FamilyType::Counter | FamilyType::Gauge | FamilyType::Untyped, None) => return,
        };
        take(&Reading { name, labels: &self.labels, value, created: self.created });
    }
}
