//! The payloads that were sent and have no answer yet.

use std::time::Duration;

use acpw_metric::Timestamp;

use crate::{Payload, TransmitId, credentials::SetId, lanes::LaneId, waiting::PayloadHistory};

/// The payloads in flight, whose number the back-off limits.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    sent: Vec<Sent>,
    next_id: u64,
}

/// A payload in flight.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) id: TransmitId,
    pub(super) lane: LaneId,
    pub(super) payload: Payload,
    pub(super) history: PayloadHistory,
    pub(super) signed_at: Timestamp,
    pub(super) signed_with: SetId,
    /// The time of sending, by the steady clock.
    pub(super) sent_at: Duration,
}

impl InFlight {
    /// Returns an ID for the next payload.
    pub(super) fn next_id(&mut self) -> TransmitId {
        let id = TransmitId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    /// Adds a payload that was sent.
    pub(super) fn push(&mut self, sent: Sent) {
        self.sent.push(sent);
    }

    /// Removes and returns the payload with this ID.
    pub(super) fn take(&mut self, id: TransmitId) -> Option<Sent> {
        let index = self.sent.iter().position(|sent| sent.id == id)?;
        Some(self.sent.swap_remove(index))
    }

    /// Returns the number of payloads.
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    /// Returns true if there are no payloads.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Returns the number of values in the payloads.
    pub(super) fn samples(&self) -> u64 {
        self.sent.iter().map(|sent| sent.payload.samples()).sum()
    }

    /// Returns the approximate memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.sent.iter().map(|sent| sent.payload.body().len()).sum()
    }
}
