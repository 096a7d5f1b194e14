//! The number of series of the sets that a configuration publishes.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    publication::{MetricNames, Publication, PublishedSet, SetDimension, Source},
    replay::Replay,
};

/// The numbers of values of dimensions, as far as they are given.
#[derive(Clone, Debug, Default)]
pub struct ValueCounts {
    /// By the name of a dimension.
    pub by_name: BTreeMap<String, u64>,
    /// By the name of a sender's built-in dimension.
    pub by_built_in: BTreeMap<&'static str, u64>,
    /// The requests a second.
    pub rate: f64,
}

/// A dimension set with the metrics that are published under it.
#[derive(Clone, Debug)]
pub struct SetCount {
    /// One of its metrics, which has the namespace, the dimensions and the source.
    pub first: PublishedSet,
    /// All of its metrics.
    pub metrics: Vec<PublishedSet>,
    /// The values of its dimensions.
    combinations: Combinations,
}

/// Combinations of values.
#[derive(Clone, Debug)]
enum Combinations {
    /// The number of values of each dimension, and a bound on their combinations.
    Estimated { counts: Vec<u64>, bound: u64 },
    /// The combinations that each metric had in a log, multiplied by a number for what the log does not have.
    Counted { by_metric: Vec<BTreeSet<Vec<String>>>, factors: Vec<u64> },
}

/// The values that were assumed, by the name of a dimension.
pub type Assumptions = BTreeMap<String, u64>;

/// Returns a set for each namespace, source and dimension set of a publication.
///
/// Requests are counted in the replays, if there are any. `assumptions` gets the dimensions whose number of values is
/// neither given nor known.
pub fn sets(
    publication: &Publication,
    values: &ValueCounts,
    replays: &[Replay],
    assumptions: &mut Assumptions,
) -> Vec<SetCount> {
    let mut sets: Vec<(PublishedSet, Vec<PublishedSet>)> = Vec::new();
    for metric in &publication.metrics {
        let is_same = |first: &PublishedSet| first.shares_set_with(metric) && first.source == metric.source;
        match sets.iter_mut().find(|(first, _)| is_same(first)) {
            Some((_, metrics)) => metrics.push(metric.clone()),
            None => sets.push((metric.clone(), vec![metric.clone()])),
        }
    }
    let count = |(first, metrics): (PublishedSet, Vec<PublishedSet>)| {
        let combinations = match first.source {
            Source::Requests if !replays.is_empty() => {
                let names: Vec<String> = first.dimensions.iter().map(|one| one.name.clone()).collect();
                let of = |metric: &PublishedSet| {
                    let name = metric.role.unwrap_or(metric.name.as_str()).to_owned();
                    let found = replays.iter().filter_map(|replay| replay.series.get(&(name.clone(), names.clone())));
                    found.flatten().filter(|values| has_constants(&first.dimensions, values)).cloned().collect()
                };
                let factors = first.dimensions.iter().map(|one| values.by_name.get(&one.name).copied().unwrap_or(1));
                Combinations::Counted { by_metric: metrics.iter().map(of).collect(), factors: factors.collect() }
            }
            _ => {
                let counts = first.dimensions.iter().map(|one| values.of(one, &first.source, assumptions)).collect();
                // A series needs a request within the hour by which CloudWatch bills.
                let bound = match first.source {
                    Source::Requests => (values.rate * 3_600.0).ceil().max(1.0) as u64,
                    _ => u64::MAX,
                };
                Combinations::Estimated { counts, bound }
            }
        };
        SetCount { first, metrics, combinations }
    };
    sets.into_iter().map(count).collect()
}

/// Returns true if the values of constant dimensions are those of the configuration, or are not known.
fn has_constants(dimensions: &[SetDimension], values: &[String]) -> bool {
    let mut pairs = dimensions.iter().zip(values).filter(|(dimension, _)| dimension.is_constant);
    pairs.all(|(dimension, value)| dimension.value().is_none_or(|constant| constant == value))
}

impl ValueCounts {
    /// Returns the number of values of a dimension.
    fn of(&self, dimension: &SetDimension, source: &Source, assumptions: &mut Assumptions) -> u64 {
        let given = self.by_name.get(&dimension.name);
        let given = given.or_else(|| self.by_built_in.get(dimension.built_in?));
        let known = (!dimension.values.is_empty()).then_some(dimension.values.len() as u64);
        let constant = (dimension.is_constant).then_some(1);
        if let Some(count) = given.copied().or(known).or(constant) {
            return count;
        }
        let assumed = match (source, dimension.built_in) {
            (_, Some("host")) => 1,
            (_, Some("method")) => 2,
            (_, Some("status_class")) => 3,
            (_, Some("status")) => 4,
            (_, Some("path")) => 100,
            (_, Some("path_template")) => 20,
            // A service has one cluster and one name.
            (Source::EcsTask, _) => 1,
            _ => 10,
        };
        assumptions.insert(dimension.name.clone(), assumed);
        assumed
    }
}

impl SetCount {
    /// Returns the number of combinations of values of the metric that has the most.
    pub fn combinations(&self) -> u64 {
        match &self.combinations {
            Combinations::Estimated { .. } => self.of_metric(0, None),
            Combinations::Counted { by_metric, .. } => {
                (0..by_metric.len()).map(|index| self.of_metric(index, None)).max().unwrap_or(0)
            }
        }
    }

    /// Returns the number of series of all metrics, or what it would be without a dimension.
    pub fn series(&self, without: Option<&str>) -> u64 {
        (0..self.metrics.len()).fold(0u64, |sum, index| sum.saturating_add(self.of_metric(index, without)))
    }

    /// Returns the number of series of the metric with this index.
    pub fn of_metric(&self, index: usize, without: Option<&str>) -> u64 {
        let is_kept = |dimension: &SetDimension| without != Some(dimension.name.as_str());
        let dimensions = &self.first.dimensions;
        match &self.combinations {
            Combinations::Estimated { counts, bound } => {
                let kept = counts.iter().zip(dimensions).filter(|(_, dimension)| is_kept(dimension));
                kept.fold(1u64, |product, (count, _)| product.saturating_mul(*count)).min(*bound)
            }
            Combinations::Counted { by_metric, factors } => {
                let project = |values: &Vec<String>| -> Vec<String> {
                    let kept = values.iter().zip(dimensions).filter(|(_, dimension)| is_kept(dimension));
                    kept.map(|(value, _)| value.clone()).collect()
                };
                let distinct: Option<BTreeSet<_>> = by_metric.get(index).map(|all| all.iter().map(project).collect());
                let factors = factors.iter().zip(dimensions).filter(|(_, dimension)| is_kept(dimension));
                let factor = factors.fold(1u64, |product, (factor, _)| product.saturating_mul(*factor));
                (distinct.map_or(0, |distinct| distinct.len()) as u64).saturating_mul(factor)
            }
        }
    }

    /// Returns the number of series of requests beyond a bound that count under `__other__`.
    pub fn overflow_series(&self) -> u64 {
        let is_bounded =
            self.first.source == Source::Requests && self.first.dimensions.iter().any(|one| !one.is_constant);
        if is_bounded { self.metrics.len() as u64 } else { 0 }
    }

    /// Returns true if a metric's names are not known.
    pub fn has_patterns(&self) -> bool {
        self.metrics.iter().any(|metric| matches!(metric.name, MetricNames::Matching(_)))
    }
}

/// Returns the number of series of sets, or what it would be if no set had a dimension. Sets that then are the same
/// count once.
pub fn total(sets: &[&SetCount], without: Option<&str>) -> u64 {
    let mut seen: Vec<(&str, Vec<&SetDimension>)> = Vec::new();
    let mut total = 0u64;
    for set in sets {
        let kept = set.first.dimensions.iter().filter(|one| without != Some(one.name.as_str())).collect();
        let key = (set.first.namespace.as_str(), kept);
        if without.is_none() || !seen.contains(&key) {
            seen.push(key);
            total = total.saturating_add(set.series(without));
        }
    }
    total
}
