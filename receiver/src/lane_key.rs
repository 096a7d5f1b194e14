//! What CloudWatch judges requests by, beside the account.

use acpw_metric::{Entity, Namespace};

/// Namespace and entity of the data in one PutMetricData request. IAM allows or refuses a call by its namespace
/// (`cloudwatch:namespace`), and CloudWatch judges the entity by itself, so trouble of one is no trouble of another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LaneKey {
    /// The namespace.
    pub namespace: Namespace,
    /// The entity, when the data belong to one.
    pub entity: Option<Entity>,
}

impl LaneKey {
    /// Returns whether it has this namespace and entity.
    pub fn is(&self, namespace: &Namespace, entity: Option<&Entity>) -> bool {
        self.namespace == *namespace && self.entity.as_ref() == entity
    }
}
