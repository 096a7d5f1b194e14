//! Arithmetic and comparisons between scalars and vectors.

use std::collections::BTreeMap;

use super::labels::{LabelSelection, LabelSet, METRIC_NAME};
use super::query_error::QueryError;
use super::query_value::{QueryValue, VectorElement};
use super::sample::Sample;

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BinaryOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
}

/// The operands of an operator and the way to combine them.
#[derive(Debug)]
pub(super) struct BinaryOperation<'a> {
    pub(super) operator: BinaryOperator,
    pub(super) returns_bool: bool,
    pub(super) matching: &'a LabelSelection,
}

impl BinaryOperator {
    /// Returns the operator that PromQL writes like this.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Modulo,
            "^" => Self::Power,
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            ">" => Self::Greater,
            "<" => Self::Less,
            ">=" => Self::GreaterOrEqual,
            "<=" => Self::LessOrEqual,
            _ => return None,
        })
    }

    fn is_comparison(self) -> bool {
        self.compare(0.0, 0.0).is_some()
    }

    /// Returns the result of a comparison; `None` for arithmetic.
    fn compare(self, left: f64, right: f64) -> Option<bool> {
        Some(match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::Less => left < right,
            Self::GreaterOrEqual => left >= right,
            Self::LessOrEqual => left <= right,
            _ => return None,
        })
    }

    /// Returns the number that the operator computes; 1 or 0 for a comparison.
    fn number(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Modulo => left % right,
            Self::Power => left.powf(right),
            comparison => f64::from(comparison.compare(left, right).unwrap_or_default()),
        }
    }

    fn sample(self, left: &Sample, right: &Sample) -> Result<Sample, QueryError> {
        let mut result = left.clone();
        match (self, left, right) {
            (_, Sample::Number(left), Sample::Number(right)) => return Ok(Sample::Number(self.number(*left, *right))),
            (Self::Add, Sample::Histogram(_), Sample::Histogram(_)) => result.add(right, 1.0)?,
            (Self::Subtract, Sample::Histogram(_), Sample::Histogram(_)) => result.add(right, -1.0)?,
            (Self::Multiply, Sample::Histogram(_), Sample::Number(factor)) => result.multiply(*factor),
            (Self::Divide, Sample::Histogram(_), Sample::Number(divisor)) => result.divide(*divisor),
            (Self::Multiply, Sample::Number(factor), Sample::Histogram(_)) => {
                result = right.clone();
                result.multiply(*factor);
            }
            _ => return Err(QueryError::execution("histograms can be added, and multiplied or divided by numbers")),
        }
        Ok(result)
    }
}

impl BinaryOperation<'_> {
    /// Computes the result. Vectors are matched one to one.
    pub(super) fn compute(&self, left: QueryValue, right: QueryValue) -> Result<QueryValue, QueryError> {
        match (left, right) {
            (QueryValue::Scalar(left), QueryValue::Scalar(right)) => {
                Ok(QueryValue::Scalar(self.operator.number(left, right)))
            }
            (QueryValue::Vector(elements), QueryValue::Scalar(right)) => {
                self.each(elements, |sample| (sample.clone(), Sample::Number(right)))
            }
            (QueryValue::Scalar(left), QueryValue::Vector(elements)) => {
                self.each(elements, |sample| (Sample::Number(left), sample.clone()))
            }
            (QueryValue::Vector(left), QueryValue::Vector(right)) => self.matched(left, right),
        }
    }

    fn each(
        &self,
        elements: Vec<VectorElement>,
        operands: impl Fn(&Sample) -> (Sample, Sample),
    ) -> Result<QueryValue, QueryError> {
        let mut results = Vec::new();
        for VectorElement { mut labels, sample } in elements {
            let (left, right) = operands(&sample);
            if !self.filters() {
                labels.remove(METRIC_NAME);
            }
            // A filter keeps the value of the vector, whichever side it is on.
            let result = self.result(&left, &right, &sample)?;
            results.extend(result.map(|sample| VectorElement { labels, sample }));
        }
        Ok(QueryValue::Vector(results))
    }

    fn matched(&self, left: Vec<VectorElement>, right: Vec<VectorElement>) -> Result<QueryValue, QueryError> {
        let mut right_by_group: BTreeMap<LabelSet, Sample> = BTreeMap::new();
        for VectorElement { labels, sample } in right {
            let group = self.matching.of(&labels);
            if right_by_group.insert(group.clone(), sample).is_some() {
                return Err(many(&group, "right"));
            }
        }
        let mut matched = BTreeMap::new();
        for VectorElement { labels, sample } in left {
            let group = self.matching.of(&labels);
            let Some(right) = right_by_group.get(&group) else { continue };
            let result = self.result(&sample, right, &sample)?;
            let labels = self.result_labels(&labels, &group);
            if matched.insert(group.clone(), (labels, result)).is_some() {
                return Err(many(&group, "left"));
            }
        }
        let results = matched.into_values().filter_map(|(labels, result)| Some((labels, result?)));
        Ok(QueryValue::Vector(results.map(|(labels, sample)| VectorElement { labels, sample }).collect()))
    }

    /// Returns the labels of a result: those that were matched, and the name of the metric if the result is its value.
    fn result_labels(&self, left: &LabelSet, group: &LabelSet) -> LabelSet {
        let mut labels = group.clone();
        if let (true, LabelSelection::AllBut(_), Some(name)) = (self.filters(), self.matching, left.get(METRIC_NAME)) {
            labels.insert(METRIC_NAME.to_owned(), name.clone());
        }
        labels
    }

    fn filters(&self) -> bool {
        self.operator.is_comparison() && !self.returns_bool
    }

    /// Returns the result for one pair, or `None` if it is filtered out. `kept` is the value that a filter keeps.
    fn result(&self, left: &Sample, right: &Sample, kept: &Sample) -> Result<Option<Sample>, QueryError> {
        let result = self.operator.sample(left, right)?;
        if self.filters() {
            return Ok(Some(kept.clone()).filter(|_| result == Sample::Number(1.0)));
        }
        Ok(Some(result))
    }
}

fn many(group: &LabelSet, side: &str) -> QueryError {
    QueryError::execution(format!(
        "found duplicate series for the match group {group:?} on the {side} hand-side of the operation; local-cloudwatch \
         matches one to one, so use on, ignoring or an aggregation"
    ))
}
