//! The key `scrape` of the configuration.

use acpw_config::Faults;

use crate::source::{Reader, SourceConfig, config::Environment};

acpw_config::object! {
    /// A Prometheus endpoint.
    pub struct RawScrape {
        /// The name of the Envoy cluster that leads to it. Required.
        cluster_name: String,
    }
}

impl RawScrape {
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
