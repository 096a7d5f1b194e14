//! Keeps the latest stats of a container between two responses.

use std::time::Duration;

use super::{
    container_stats::ContainerStats,
    usage::{Bounds, Contradiction, Usage},
};

/// The latest stats of a container, and its usage up to then.
#[derive(Debug)]
pub(super) struct LatestStats {
    /// The Docker ID of the container.
    pub id: String,
    /// The usage up to the latest stats.
    pub usage: Usage,
    /// True if the last response had stats of the container, new or not.
    pub is_present: bool,
    /// True if the last response had new stats.
    pub is_new: bool,
    /// True if the latest stats are part of a published sum.
    pub is_summed: bool,
    /// True if there were new stats since `/task` was last read.
    pub has_moved: bool,
    stats: ContainerStats,
    /// The time when the latest stats were first seen, by the steady clock.
    seen: Duration,
}

impl LatestStats {
    /// Updates the `earlier` state of a container with its stats in a response, if there are any.
    pub(super) fn advance(
        earlier: Option<Self>,
        id: &str,
        stats: Option<ContainerStats>,
        bounds: Bounds,
        now: Duration,
    ) -> (Option<Self>, Option<Contradiction>) {
        let Some(stats) = stats else {
            // The next stats are compared with the latest ones, even after several responses without any.
            return (earlier.map(|known| Self { is_present: false, is_new: false, ..known }), None);
        };
        match earlier {
            Some(known) if known.stats.read_at == stats.read_at => {
                (Some(Self { is_present: true, is_new: false, ..known }), None)
            }
            earlier => {
                let (usage, contradiction) = Usage::new(earlier.as_ref().map(|known| &known.stats), &stats, bounds);
                let has_moved = earlier.is_some_and(|known| known.has_moved || stats.read_at > known.stats.read_at);
                let id = id.to_owned();
                let known =
                    Self { id, usage, is_present: true, is_new: true, is_summed: false, has_moved, stats, seen: now };
                (Some(known), contradiction)
            }
        }
    }

    /// Returns true if the latest stats can be part of a sum published now: they are not part of an earlier sum and at
    /// most
    /// `longest` old.
    pub(super) fn is_due(&self, now: Duration, longest: Duration) -> bool {
        self.is_present && !self.is_summed && now.saturating_sub(self.seen) <= longest
    }
}
