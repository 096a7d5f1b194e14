//! The newest reading of a container, between two answers.

use std::time::Duration;

use super::{
    container_stats::ContainerStats,
    usage::{Bounds, Contradiction, Usage},
};

/// A container's newest reading and what it has used up to it.
#[derive(Debug)]
pub(super) struct LatestStats {
    /// Docker's id of the container.
    pub id: String,
    /// What was used up to the newest reading.
    pub usage: Usage,
    /// Whether the last answer had a reading of it, new or not.
    pub is_present: bool,
    /// Whether the newest reading came with the last answer.
    pub is_new: bool,
    /// Whether the newest reading is part of a sum that was published.
    pub is_summed: bool,
    /// Whether its readings have gone on since `/task` was last read.
    pub has_moved: bool,
    reading: ContainerStats,
    /// When the newest reading was seen first, by the steady clock.
    seen: Duration,
}

impl LatestStats {
    /// Takes in what an answer says of a container, of which `earlier` was known before it.
    pub(super) fn advance(
        earlier: Option<Self>,
        id: &str,
        reading: Option<ContainerStats>,
        bounds: Bounds,
        now: Duration,
    ) -> (Option<Self>, Option<Contradiction>) {
        let Some(reading) = reading else {
            // The next reading is compared with the last one, however many answers had none.
            return (earlier.map(|known| Self { is_present: false, is_new: false, ..known }), None);
        };
        match earlier {
            Some(known) if known.reading.at == reading.at => {
                (Some(Self { is_present: true, is_new: false, ..known }), None)
            }
            earlier => {
                let (usage, doubt) = Usage::new(earlier.as_ref().map(|known| &known.reading), &reading, bounds);
                let has_moved = earlier.is_some_and(|known| known.has_moved || reading.at > known.reading.at);
                let id = id.to_owned();
                let known =
                    Self { id, usage, is_present: true, is_new: true, is_summed: false, has_moved, reading, seen: now };
                (Some(known), doubt)
            }
        }
    }

    /// Returns whether its newest reading can be part of a sum that is published now: it is in no sum yet, and at most
    /// `longest` old.
    pub(super) fn is_due(&self, now: Duration, longest: Duration) -> bool {
        self.is_present && !self.is_summed && now.saturating_sub(self.seen) <= longest
    }
}
