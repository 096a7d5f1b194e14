//! The labels of a series in queries.
//!
//! Attributes of data points have their own names. Those of the resource begin with `@resource.`, and the scope's with
//! `@instrumentation.`. As in CloudWatch, a query can also write `@datapoint.NAME` for an attribute of a data point.

use std::collections::BTreeMap;

use crate::otlp::series_id::OtlpSeriesId;

/// The label that contains the name of the metric.
pub(super) const METRIC_NAME: &str = "__name__";

/// Labels by name. A label without a value does not exist.
pub(super) type LabelSet = BTreeMap<String, String>;

/// Returns the name by which the label is stored.
pub(super) fn canonical(name: &str) -> &str {
    name.strip_prefix("@datapoint.").unwrap_or(name)
}

/// Returns the labels of a series.
pub(super) fn labels_of(id: &OtlpSeriesId) -> LabelSet {
    let mut labels: LabelSet = id.attributes.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    labels.extend(id.resource.iter().map(|(name, value)| (format!("@resource.{name}"), value.clone())));
    labels.extend(id.scope.attributes.iter().map(|(name, value)| (format!("@instrumentation.{name}"), value.clone())));
    labels.insert("@instrumentation.@name".to_owned(), id.scope.name.clone());
    labels.insert("@instrumentation.@version".to_owned(), id.scope.version.clone());
    labels.insert(METRIC_NAME.to_owned(), id.metric.to_string());
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// The labels that distinguish the groups of an aggregation, or that two operands must have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LabelSelection {
    /// These labels (`by`, `on`), as the query writes them.
    Only(Vec<String>),
    /// All but these (`without`, `ignoring`), and not the name of the metric.
    AllBut(Vec<String>),
}

impl LabelSelection {
    /// Returns the selected labels. They have the names that the query writes.
    pub(super) fn of(&self, labels: &LabelSet) -> LabelSet {
        match self {
            Self::Only(names) => names
                .iter()
                .filter_map(|name| labels.get(canonical(name)).map(|value| (name.clone(), value.clone())))
                .collect(),
            Self::AllBut(names) => {
                let mut selected = labels.clone();
                selected.remove(METRIC_NAME);
                names.iter().for_each(|name| {
                    selected.remove(canonical(name));
                });
                selected
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(labels: &[(&str, &str)]) -> LabelSet {
        labels.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect()
    }

    #[test]
    fn labels_are_selected_by_either_name() {
        let labels = set(&[("a", "1"), ("@resource.b", "2"), (METRIC_NAME, "m")]);
        let only = |names: &[&str]| LabelSelection::Only(names.iter().map(|name| String::from(*name)).collect());
        assert_eq!(only(&["a"]).of(&labels), set(&[("a", "1")]));
        assert_eq!(only(&["@datapoint.a", "c"]).of(&labels), set(&[("@datapoint.a", "1")]));
        let but = LabelSelection::AllBut(vec!["@datapoint.a".into()]);
        assert_eq!(but.of(&labels), set(&[("@resource.b", "2")]));
    }
}
