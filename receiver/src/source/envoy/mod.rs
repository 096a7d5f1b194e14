//! Envoy's own stats, by its admin interface.

mod config;

use acpw_metric::{Accumulator, Now};

pub use config::RawEnvoyStats;

use super::SourceCounts;
use crate::call::Response;

/// Envoy's own stats, by its admin interface.
#[derive(Debug)]
pub struct EnvoyStats {}

impl EnvoyStats {
    pub(super) fn next_path(&mut self) -> Option<String> {
        None
    }

    pub(super) fn handle_answer(&mut self, _answer: Response, _now: Now) -> Result<(), String> {
        Ok(())
    }

    pub(super) fn is_reading(&self) -> bool {
        false
    }

    pub(super) fn read(
        &mut self,
        _budget: &mut usize,
        _data: &mut Accumulator,
        _counts: &mut SourceCounts,
    ) -> Result<(), String> {
        Ok(())
    }
}
