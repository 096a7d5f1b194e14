//! The dimensions of ECS metrics.

/// A dimension of ECS metrics. The order is CloudWatch's order of dimension names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EcsDimension {
    /// The cluster's name.
    ClusterName,
    /// The container's name in the task definition.
    ContainerName,
    /// The service's name.
    ServiceName,
    /// The family of the task definition.
    TaskDefinitionFamily,
}

impl EcsDimension {
    /// All dimensions.
    pub const ALL: [Self; 4] = [Self::ClusterName, Self::ContainerName, Self::ServiceName, Self::TaskDefinitionFamily];

    /// Returns the dimension's name in Container Insights.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClusterName => "ClusterName",
            Self::ContainerName => "ContainerName",
            Self::ServiceName => "ServiceName",
            Self::TaskDefinitionFamily => "TaskDefinitionFamily",
        }
    }
}
