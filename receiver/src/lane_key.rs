//! The properties of a request, besides the account, by which CloudWatch accepts or refuses it.

use acpw_metric::{Entity, Namespace};

/// The namespace and entity of the data in one PutMetricData request. IAM allows or denies a request by its namespace
/// (condition key `cloudwatch:namespace`), and CloudWatch validates the entity. A refusal of one pair does not affect
/// other pairs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LaneKey {
    /// The namespace.
    pub namespace: Namespace,
    /// The entity, if the data belongs to one.
    pub entity: Option<Entity>,
}

impl LaneKey {
    /// Returns true if the key has this namespace and entity.
    pub fn matches(&self, namespace: &Namespace, entity: Option<&Entity>) -> bool {
        self.namespace == *namespace && self.entity.as_ref() == entity
    }
}
