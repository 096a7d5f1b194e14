//! What values are told apart by.

/// A dimension, in CloudWatch's order of their names.
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
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ClusterName, Self::ContainerName, Self::ServiceName, Self::TaskDefinitionFamily];

    /// Its name, as Container Insights has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClusterName => "ClusterName",
            Self::ContainerName => "ContainerName",
            Self::ServiceName => "ServiceName",
            Self::TaskDefinitionFamily => "TaskDefinitionFamily",
        }
    }
}
