//! The configuration keys of sources.

use acpw_config::{Field, Object, ValidationErrors};

use super::{Reader, SourceConfig, ecs::RawEcsTask, envoy::RawEnvoyStats, scrape::RawScrape};
use crate::environment::Environment;

/// The raw values of the keys that configure sources.
#[derive(Default)]
pub struct RawSources {
    /// The key `ecs_task`.
    pub ecs_task: Field<RawEcsTask>,
    /// The key `scrape`.
    pub scrape: Field<Vec<Field<RawScrape>>>,
    /// The key `envoy_stats`.
    pub envoy_stats: Field<RawEnvoyStats>,
}

impl RawSources {
    /// Validates the keys and returns the sources in the order of the keys.
    pub(crate) fn check(
        self,
        environment: Environment<'_>,
        errors: &mut ValidationErrors,
    ) -> Vec<(SourceConfig, Reader)> {
        let mut sources = Vec::new();
        if let Some(raw) = checked(self.ecs_task, "ecs_task", errors) {
            sources.extend(raw.check("ecs_task", environment, errors));
        }
        for (index, raw) in self.scrape.optional("scrape", errors).into_iter().flatten().enumerate() {
            let path = format!("scrape[{index}]");
            if let Some(raw) = checked(raw, &path, errors) {
                sources.extend(raw.check(&path, environment, errors));
            }
        }
        if let Some(raw) = checked(self.envoy_stats, "envoy_stats", errors) {
            sources.extend(raw.check("envoy_stats", environment, errors));
        }
        sources
    }
}

fn checked<T: Object>(field: Field<T>, path: &str, errors: &mut ValidationErrors) -> Option<T> {
    let raw = field.optional(path, errors)?;
    raw.check_keys(path, errors);
    Some(raw)
}
