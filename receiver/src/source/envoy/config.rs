//! The key `envoy_stats` of the configuration.

use acpw_config::Faults;

use crate::source::{Reader, SourceConfig, config::Environment};

acpw_config::object! {
    /// Envoy's own stats, by its admin interface.
    pub struct RawEnvoyStats {
        /// The name of the Envoy cluster that leads to it. Required.
        cluster_name: String,
    }
}

impl RawEnvoyStats {
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
