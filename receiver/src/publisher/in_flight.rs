//! Payloads that were sent and have no answer yet.

use std::time::Duration;

use acpw_metric::Timestamp;

use crate::{Payload, TransmitId, credentials::SetId, lanes::LaneId, waiting::History};

/// Payloads on their way, at most as many as the back-off allows.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    sent: Vec<Sent>,
    next_id: u64,
}

/// Payload on its way.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) id: TransmitId,
    pub(super) lane: LaneId,
    pub(super) payload: Payload,
    pub(super) history: History,
    pub(super) signed_at: Timestamp,
    pub(super) signed_with: SetId,
    /// When, by the steady clock.
    pub(super) at: Duration,
}

impl InFlight {
    /// Returns a name for the next payload that is sent.
    pub(super) fn next_id(&mut self) -> TransmitId {
        let id = TransmitId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    /// Takes in a payload that is sent.
    pub(super) fn push(&mut self, sent: Sent) {
        self.sent.push(sent);
    }

    /// Takes out the payload that was sent under this name.
    pub(super) fn take(&mut self, id: TransmitId) -> Option<Sent> {
        let at = self.sent.iter().position(|sent| sent.id == id)?;
        Some(self.sent.swap_remove(at))
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    /// Returns whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Returns how many values they carry.
    pub(super) fn samples(&self) -> u64 {
        self.sent.iter().map(|sent| sent.payload.samples()).sum()
    }

    /// Returns about how many bytes of memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.sent.iter().map(|sent| sent.payload.body().len()).sum()
    }
}
