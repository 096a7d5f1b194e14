//! Evaluates a plan at one time, or at many.

use std::collections::BTreeMap;

use super::binary::BinaryOperation;
use super::labels::{LabelSet, METRIC_NAME};
use super::plan::{HistogramPart, Plan, PlanNode, PlannedSelector};
use super::quantile::histogram_quantile;
use super::query_error::QueryError;
use super::query_value::{QueryValue, RangeSeries, VectorElement, check_unique};
use super::sample::Sample;
use super::selection::ReadBudget;

/// The time for which a sample is the current value of its series, in milliseconds: five minutes, as in Prometheus.
pub(super) const LOOKBACK_MILLIS: i64 = 5 * 60 * 1_000;

/// Maximum number of timestamps of a range query, as in Prometheus.
pub(super) const MAX_STEPS: i64 = 11_000;

/// The result of a query.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum QueryResult {
    Scalar(f64),
    Vector(Vec<VectorElement>),
    Matrix(Vec<RangeSeries>),
}

/// Evaluates an instant query. Times are in milliseconds since the epoch.
pub(super) fn evaluate_instant(plan: &Plan<'_>, time: i64, lookback: i64) -> Result<QueryResult, QueryError> {
    let mut evaluation = Evaluation { time, lookback, budget: ReadBudget::default() };
    match plan {
        Plan::Range(selector, range_millis) => {
            let until = time.saturating_sub(selector.offset_millis);
            let mut found = Vec::new();
            for series in &selector.series {
                let timed = series.samples(until.saturating_sub(*range_millis), until, &mut evaluation.budget)?;
                let samples: Vec<_> = timed.into_iter().map(|timed| (timed.time_millis, timed.sample)).collect();
                if !samples.is_empty() {
                    found.push(RangeSeries { labels: series.labels.clone(), samples });
                }
            }
            Ok(QueryResult::Matrix(found))
        }
        Plan::Instant(node) => Ok(match evaluation.value(node)? {
            QueryValue::Scalar(value) => QueryResult::Scalar(value),
            QueryValue::Vector(elements) => {
                check_unique(&elements)?;
                QueryResult::Vector(elements)
            }
        }),
    }
}

/// Evaluates a query at `start`, and every `step` milliseconds up to `end`, all in milliseconds since the epoch.
pub(super) fn evaluate_range(
    plan: &Plan<'_>,
    start: i64,
    end: i64,
    step: i64,
    lookback: i64,
) -> Result<QueryResult, QueryError> {
    let Plan::Instant(node) = plan else {
        let message = "invalid expression type \"range vector\" for range query, must be scalar or instant vector";
        return Err(QueryError::bad_data(message));
    };
    let mut series: BTreeMap<LabelSet, Vec<(i64, Sample)>> = BTreeMap::new();
    let mut evaluation = Evaluation { time: start, lookback, budget: ReadBudget::default() };
    while evaluation.time <= end {
        let elements = match evaluation.value(node)? {
            QueryValue::Scalar(value) => {
                vec![VectorElement { labels: LabelSet::new(), sample: Sample::Number(value) }]
            }
            QueryValue::Vector(elements) => elements,
        };
        check_unique(&elements)?;
        for VectorElement { labels, sample } in elements {
            series.entry(labels).or_default().push((evaluation.time, sample));
        }
        let Some(next) = evaluation.time.checked_add(step) else { break };
        evaluation.time = next;
    }
    let series = series.into_iter().map(|(labels, samples)| RangeSeries { labels, samples });
    Ok(QueryResult::Matrix(series.collect()))
}

/// An evaluation at one time.
struct Evaluation {
    time: i64,
    lookback: i64,
    budget: ReadBudget,
}

impl Evaluation {
    fn value(&mut self, node: &PlanNode<'_>) -> Result<QueryValue, QueryError> {
        match node {
            PlanNode::Number(value) => Ok(QueryValue::Scalar(*value)),
            PlanNode::Time => Ok(QueryValue::Scalar(self.time as f64 / 1_000.0)),
            PlanNode::Instant(selector) => self.instant(selector).map(QueryValue::Vector),
            PlanNode::Range { function, selector, range_millis } => {
                let until = self.time.saturating_sub(selector.offset_millis);
                let after = until.saturating_sub(*range_millis);
                let mut elements = Vec::new();
                for series in &selector.series {
                    let Some(sample) = function.compute(series, after, until, &mut self.budget)? else { continue };
                    let mut labels = series.labels.clone();
                    if !function.keeps_name() {
                        labels.remove(METRIC_NAME);
                    }
                    elements.push(VectorElement { labels, sample });
                }
                check_unique(&elements)?;
                Ok(QueryValue::Vector(elements))
            }
            PlanNode::Quantile { quantile, histograms } => {
                let quantile = self.scalar(quantile)?;
                self.of_histograms(histograms, |histogram| histogram_quantile(quantile, histogram))
            }
            PlanNode::HistogramPart(part, histograms) => self.of_histograms(histograms, |histogram| match part {
                HistogramPart::Count => histogram.count,
                HistogramPart::Sum => histogram.sum,
                HistogramPart::Average => histogram.sum / histogram.count,
            }),
            PlanNode::ToVector(scalar) => {
                let sample = Sample::Number(self.scalar(scalar)?);
                Ok(QueryValue::Vector(vec![VectorElement { labels: LabelSet::new(), sample }]))
            }
            PlanNode::ToScalar(vector) => {
                let elements = self.vector(vector)?;
                let [element] = elements.as_slice() else { return Ok(QueryValue::Scalar(f64::NAN)) };
                Ok(QueryValue::Scalar(element.sample.number().unwrap_or(f64::NAN)))
            }
            PlanNode::Negated(node) => Ok(match self.value(node)? {
                QueryValue::Scalar(value) => QueryValue::Scalar(-value),
                QueryValue::Vector(mut elements) => {
                    for element in &mut elements {
                        element.labels.remove(METRIC_NAME);
                        element.sample.multiply(-1.0);
                    }
                    check_unique(&elements)?;
                    QueryValue::Vector(elements)
                }
            }),
            PlanNode::Aggregated(aggregation, grouping, node) => {
                let elements = self.vector(node)?;
                aggregation.compute(grouping, elements).map(QueryValue::Vector)
            }
            PlanNode::Binary { operator, returns_bool, matching, operands } => {
                let (left, right) = (self.value(&operands.0)?, self.value(&operands.1)?);
                let operation = BinaryOperation { operator: *operator, returns_bool: *returns_bool, matching };
                let result = operation.compute(left, right)?;
                if let QueryValue::Vector(elements) = &result {
                    check_unique(elements)?;
                }
                Ok(result)
            }
            PlanNode::Set(operator, matching, operands) => {
                let (left, right) = (self.vector(&operands.0)?, self.vector(&operands.1)?);
                Ok(QueryValue::Vector(operator.compute(matching, left, right)))
            }
        }
    }

    fn instant(&mut self, selector: &PlannedSelector<'_>) -> Result<Vec<VectorElement>, QueryError> {
        let until = self.time.saturating_sub(selector.offset_millis);
        let after = until.saturating_sub(self.lookback);
        let mut elements = Vec::new();
        for series in &selector.series {
            let sample = series.latest(after, until, &mut self.budget)?;
            elements.extend(sample.map(|sample| VectorElement { labels: series.labels.clone(), sample }));
        }
        Ok(elements)
    }

    /// Computes a number for each histogram of a vector. As in Prometheus, other elements have no result.
    fn of_histograms(
        &mut self,
        node: &PlanNode<'_>,
        compute: impl Fn(&crate::otlp::distribution::Distribution) -> f64,
    ) -> Result<QueryValue, QueryError> {
        let mut elements = Vec::new();
        for VectorElement { mut labels, sample } in self.vector(node)? {
            if let Sample::Histogram(histogram) = sample {
                labels.remove(METRIC_NAME);
                elements.push(VectorElement { labels, sample: Sample::Number(compute(&histogram)) });
            }
        }
        check_unique(&elements)?;
        Ok(QueryValue::Vector(elements))
    }

    fn scalar(&mut self, node: &PlanNode<'_>) -> Result<f64, QueryError> {
        match self.value(node)? {
            QueryValue::Scalar(value) => Ok(value),
            QueryValue::Vector(_) => Err(QueryError::bad_data("expected a scalar, got an instant vector")),
        }
    }

    fn vector(&mut self, node: &PlanNode<'_>) -> Result<Vec<VectorElement>, QueryError> {
        match self.value(node)? {
            QueryValue::Vector(elements) => Ok(elements),
            QueryValue::Scalar(_) => Err(QueryError::bad_data("expected an instant vector, got a scalar")),
        }
    }
}
