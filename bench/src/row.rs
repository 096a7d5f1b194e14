//! The result of one variant.

use serde::Serialize;

/// The result of one variant. All times are microseconds of CPU time per request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The median of the rounds.
    pub(crate) microseconds: f64,
    /// The interquartile range of the rounds.
    pub(crate) spread: f64,
    /// The time that the variant adds to an Envoy without Wasm that answers with the same body.
    pub(crate) added: f64,
    /// The added time as a multiple of the time that the SDK's empty filter adds.
    pub(crate) ratio: f64,
    /// The added time as a multiple of the time that the variant's floor adds.
    pub(crate) of_floor: Option<f64>,
    /// The time of each round.
    pub(crate) each: Vec<f64>,
}
