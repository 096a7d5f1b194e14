//! Which stats are published, and as what.

use std::rc::Rc;

use acpw_metric::{
    Accumulator, DimensionName, DimensionValue, Dimensions, Distribution, Metric, Namespace, Timestamp, Unit,
    quota::MAX_VALUES_PER_DATUM,
};

use super::{
    answer::Bucket,
    pattern::{Condition, Pattern},
};
use crate::source::rule::Source;

/// The types of Envoy's stats; each is asked for by itself, since the JSON does not tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What only grows.
    Counter,
    /// What is now.
    Gauge,
    /// Values in buckets.
    Histogram,
}

impl Kind {
    /// What Envoy calls it in `type=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "Counters",
            Self::Gauge => "Gauges",
            Self::Histogram => "Histograms",
        }
    }

    /// The one that is asked for after this one.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Counter => Some(Self::Gauge),
            Self::Gauge => Some(Self::Histogram),
            Self::Histogram => None,
        }
    }
}

/// What a stat has said since it was last asked.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// By how much a counter has grown.
    Increase(u64),
    /// What a gauge is.
    Level(u64),
    /// By how much the buckets of a histogram have grown.
    Values(&'a [Bucket]),
}

/// Stats of one pattern, and what is published of them.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Their type.
    pub kind: Kind,
    /// Their names.
    pub pattern: Pattern,
    /// What is published.
    pub metrics: Vec<RuleMetric>,
    /// Under which dimensions, each set by itself.
    pub sets: Vec<Vec<(DimensionName, Source)>>,
}

/// One metric of a rule.
#[derive(Clone, Debug)]
pub struct RuleMetric {
    /// What it is in CloudWatch.
    pub metric: Metric,
    /// What values are multiplied by.
    pub scale: f64,
    /// Only stats with these values at these places count.
    pub only: Conditions,
    /// Each event of a counter is 1 where these conditions are met, and 0 where they are not.
    pub ones: Option<Conditions>,
}

/// Conditions on the values at places of a pattern; all are to be met.
#[derive(Clone, Debug, Default)]
pub struct Conditions(pub Rc<[(usize, Condition)]>);

impl Conditions {
    fn are_met(&self, values: &[&str]) -> bool {
        self.0.iter().all(|(place, condition)| values.get(*place).is_some_and(|value| condition.is_met(value)))
    }
}

impl Rule {
    /// Adds what a stat of this name has said, if it is one of these; gives to how many series.
    pub fn apply(
        &self,
        name: &str,
        said: Said<'_>,
        time: Timestamp,
        namespace: Option<&Namespace>,
        data: &mut Accumulator,
    ) -> usize {
        let Some(values) = self.pattern.values(name) else { return 0 };
        let distributions: Vec<_> = self
            .metrics
            .iter()
            .filter(|metric| metric.only.are_met(&values))
            .map(|metric| (&metric.metric, metric.distribution(said, &values)))
            .filter(|(_, distribution)| !distribution.is_empty())
            .collect();
        let mut series = 0usize;
        for dimensions in self.sets.iter().filter_map(|set| self.dimensions(set, &values)) {
            series = series.saturating_add(distributions.len());
            for (metric, distribution) in &distributions {
                data.add(time, namespace.cloned(), &dimensions, metric, distribution);
            }
        }
        series
    }

    /// The dimensions of a set; nothing where a value is missing, as senders have it.
    fn dimensions(&self, set: &[(DimensionName, Source)], values: &[&str]) -> Option<Dimensions> {
        let pairs = set.iter().map(|(name, source)| {
            let value = match source {
                Source::Constant(value) => value.clone(),
                Source::Label(place, default) => {
                    let mut text = Vec::new();
                    let value = self.pattern.place(place).and_then(|place| values.get(place)).copied()?;
                    if DimensionValue::append_sanitized(&mut text, value.as_bytes()) {
                        DimensionValue::new(std::str::from_utf8(&text).ok()?).ok()?
                    } else {
                        default.clone()?
                    }
                }
            };
            Some((name.clone(), value))
        });
        Dimensions::new(pairs.collect::<Option<_>>()?).ok()
    }
}

impl RuleMetric {
    /// What was said, as a distribution.
    ///
    /// - A counter of the unit Count counts events: each is a value of 1, as senders have it, so Sum and SampleCount are the
    ///   number. Of one with another unit, such as Bytes, the increase is one value.
    /// - A bucket's values are told as its middle.
    fn distribution(&self, said: Said<'_>, values: &[&str]) -> Distribution {
        let mut distribution = Distribution::exact(MAX_VALUES_PER_DATUM as u32);
        let mut record = |value: f64, times| _ = distribution.record_n(value * self.scale, times);
        match (said, &self.ones) {
            (Said::Increase(events), Some(ones)) => record(f64::from(u8::from(ones.are_met(values))), events),
            (Said::Increase(events), None) if self.metric.unit == Unit::COUNT => record(1.0, events),
            (Said::Increase(number), None) if number > 0 => record(number as f64, 1),
            (Said::Increase(_), None) => {}
            (Said::Level(level), _) => record(level as f64, 1),
            (Said::Values(buckets), _) => buckets.iter().for_each(|bucket| record(bucket.middle(), bucket.count)),
        }
        distribution
    }
}
