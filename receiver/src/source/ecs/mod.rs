//! The container stats of an Amazon ECS task, by its task metadata endpoint, version 4.

mod config;

use acpw_metric::{Accumulator, Now};

pub use config::RawEcsTask;

use super::SourceCounts;
use crate::call::Response;

/// The container stats of an Amazon ECS task, by its task metadata endpoint, version 4.
#[derive(Debug)]
pub struct EcsTask {}

impl EcsTask {
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
