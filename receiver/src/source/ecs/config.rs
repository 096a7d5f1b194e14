//! The key `ecs_task` of the configuration.

use acpw_config::Faults;

use crate::source::{Reader, SourceConfig, config::Environment};

acpw_config::object! {
    /// The container stats of an Amazon ECS task, by its task metadata endpoint, version 4.
    pub struct RawEcsTask {
        /// The name of the Envoy cluster that leads to it. Required.
        cluster_name: String,
    }
}

impl RawEcsTask {
    pub(in crate::source) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        faults: &mut Faults,
    ) -> Option<(SourceConfig, Reader)> {
        let _ = (path, environment, faults);
        None
    }
}
