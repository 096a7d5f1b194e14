//! Payloads: waiting to be sent again, or sent and not answered.

use std::{collections::VecDeque, time::Duration};

use acpw_metric::Timestamp;

use crate::{Payload, TransmitId, credentials::SetId};

/// The most payloads at once, sent or waiting to be sent again. Everything else can still be merged.
const MAX_PAYLOADS: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Payloads {
    waiting: VecDeque<Waiting>,
    in_flight: Vec<InFlight>,
    next_id: u64,
}

/// A payload that is to be sent.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) payload: Payload,
    /// What the clock had learnt when the payload was stamped.
    pub(super) learnt: i64,
}

/// A payload that was sent and has no answer yet.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) id: TransmitId,
    pub(super) payload: Payload,
    pub(super) learnt: i64,
    pub(super) signed_at: Timestamp,
    pub(super) signed_with: SetId,
    pub(super) sent: Duration,
}

impl Payloads {
    /// A name for the next one that is sent.
    pub(super) fn next_id(&mut self) -> TransmitId {
        let id = TransmitId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    /// It is sent.
    pub(super) fn sent(&mut self, sent: InFlight) {
        self.in_flight.push(sent);
    }

    /// It is to be sent again, before all others.
    pub(super) fn wait(&mut self, payload: Payload, learnt: i64) {
        self.waiting.push_front(Waiting { payload, learnt });
    }

    /// Takes out the next one that waits, stamped by a clock that has learnt so much.
    pub(super) fn next_waiting(&mut self, learnt: i64) -> Option<Payload> {
        let waiting = self.waiting.pop_front()?;
        Some(match learnt.saturating_sub(waiting.learnt) {
            0 => waiting.payload,
            millis => waiting.payload.shifted(millis),
        })
    }

    /// Takes out the one that was sent under this name.
    pub(super) fn take(&mut self, id: TransmitId) -> Option<InFlight> {
        let at = self.in_flight.iter().position(|sent| sent.id == id)?;
        Some(self.in_flight.swap_remove(at))
    }

    /// How many have no answer yet.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether, when none waits, another one may be made.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight.len() < MAX_PAYLOADS
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }

    /// How many values they carry.
    pub(super) fn samples(&self) -> u64 {
        self.iter().map(Payload::samples).sum()
    }

    /// How many bytes their bodies have.
    pub(super) fn bytes(&self) -> usize {
        self.iter().map(|payload| payload.body().len()).sum()
    }

    fn iter(&self) -> impl Iterator<Item = &Payload> {
        let waiting = self.waiting.iter().map(|waiting| &waiting.payload);
        waiting.chain(self.in_flight.iter().map(|sent| &sent.payload))
    }
}
