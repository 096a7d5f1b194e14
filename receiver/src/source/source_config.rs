//! The settings that every source has.

use std::time::Duration;

use super::Publish;

/// Settings of every source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// The path of the source's key in the configuration.
    pub name: String,
    /// The Envoy cluster of the source.
    pub cluster: String,
    /// The `:authority` of requests.
    pub authority: String,
    /// The time between two rounds.
    pub interval: Duration,
    /// The time limit for a response.
    pub timeout: Duration,
    /// The maximum size of a response in bytes. A longer one is refused.
    pub answer_limit: usize,
    /// When to publish the data.
    pub publish: Publish,
}
