//! Set operators between vectors.

use std::collections::BTreeSet;

use super::labels::LabelSelection;
use super::query_value::VectorElement;

/// A set operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetOperator {
    And,
    Or,
    Unless,
}

impl SetOperator {
    /// Returns the operator with this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "and" => Self::And,
            "or" => Self::Or,
            "unless" => Self::Unless,
            _ => return None,
        })
    }

    /// Combines two vectors. Elements match if they have the same values of the labels in `matching`.
    pub(super) fn compute(
        self,
        matching: &LabelSelection,
        mut left: Vec<VectorElement>,
        right: Vec<VectorElement>,
    ) -> Vec<VectorElement> {
        let groups = |elements: &[VectorElement]| -> BTreeSet<_> {
            elements.iter().map(|element| matching.of(&element.labels)).collect()
        };
        match self {
            Self::And => {
                let right = groups(&right);
                left.retain(|element| right.contains(&matching.of(&element.labels)));
            }
            Self::Unless => {
                let right = groups(&right);
                left.retain(|element| !right.contains(&matching.of(&element.labels)));
            }
            Self::Or => {
                let present = groups(&left);
                left.extend(right.into_iter().filter(|element| !present.contains(&matching.of(&element.labels))));
            }
        }
        left
    }
}
