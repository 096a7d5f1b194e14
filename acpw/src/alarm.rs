//! An alarm of CloudWatch.

use serde_json::{Map, Value, json};

use crate::template::{Resource, ResourceKind};

/// An alarm on one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// The name in a template.
    pub id: String,
    /// The name in CloudWatch.
    pub name: Value,
    /// The description, for the person who is alarmed.
    pub description: String,
    /// The namespace.
    pub namespace: String,
    /// The metric.
    pub metric: String,
    /// The dimensions with their values, which may be references to parameters.
    pub dimensions: Vec<(String, Value)>,
    /// The statistic, or a percentile such as `p99`.
    pub statistic: &'static str,
    /// The unit, if the alarm considers data of one unit only.
    pub unit: Option<&'static str>,
    /// The period in seconds.
    pub period: u64,
    /// The number of periods that are considered.
    pub periods: u64,
    /// The number of them that must breach the threshold.
    pub breaching: u64,
    /// CloudWatch's name of the comparison.
    pub comparison: &'static str,
    /// The threshold.
    pub threshold: f64,
    /// CloudWatch's name of the treatment of missing data.
    pub missing: &'static str,
    /// The actions when it is raised: ARNs, or references to policies.
    pub actions: Vec<Value>,
}

impl Alarm {
    /// Returns the alarm as a resource.
    pub fn into_resource(self) -> Resource {
        let dimensions: Vec<_> =
            self.dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
        let is_percentile = self.statistic.starts_with('p');
        let mut properties = Map::new();
        let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
        set("AlarmName", self.name);
        set("AlarmDescription", json!(self.description));
        set("Namespace", json!(self.namespace));
        set("MetricName", json!(self.metric));
        if !dimensions.is_empty() {
            set("Dimensions", json!(dimensions));
        }
        set(if is_percentile { "ExtendedStatistic" } else { "Statistic" }, json!(self.statistic));
        if let Some(unit) = self.unit {
            set("Unit", json!(unit));
        }
        set("Period", json!(self.period));
        set("EvaluationPeriods", json!(self.periods));
        set("DatapointsToAlarm", json!(self.breaching));
        set("ComparisonOperator", json!(self.comparison));
        set("Threshold", number(self.threshold));
        set("TreatMissingData", json!(self.missing));
        if !self.actions.is_empty() {
            set("AlarmActions", json!(self.actions));
        }
        Resource { id: self.id, kind: ResourceKind::Alarm, properties }
    }
}

/// Returns a number, without a fraction if it is whole.
pub fn number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 { json!(number as i64) } else { json!(number) }
}
