//! Payloads: waiting to be sent, or sent and not answered.

use std::{collections::VecDeque, time::Duration};

use acpw_metric::Timestamp;

use crate::{Payload, TransmitId, credentials::SetId, payload::Draft};

/// The most payloads at once, sent or waiting to be sent again. Everything else can still be merged.
const MAX_PAYLOADS: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Payloads {
    waiting: VecDeque<Waiting>,
    in_flight: Vec<InFlight>,
    next_id: u64,
}

#[derive(Debug)]
struct Waiting {
    body: Body,
    /// What the clock had learnt when it was stamped.
    learnt: i64,
}

/// A payload that is to be sent, or what becomes one.
#[derive(Debug)]
pub(super) enum Body {
    Draft(Draft),
    Payload(Payload),
}

impl Body {
    /// The payload that it is, or becomes with the bytes that `budget` has.
    pub(super) fn seal(self, budget: &mut usize) -> Result<Payload, Self> {
        match self {
            Self::Draft(draft) => draft.seal(budget).map_err(Self::Draft),
            Self::Payload(payload) => Ok(payload),
        }
    }

    /// It with every datum moved by so many milliseconds.
    fn shifted(self, millis: i64) -> Self {
        let draft = match self {
            body if millis == 0 => return body,
            Self::Draft(draft) => draft,
            Self::Payload(payload) => match payload.draft() {
                Some(draft) => draft,
                None => return Self::Payload(payload),
            },
        };
        Self::Draft(draft.shifted(millis))
    }

    fn samples(&self) -> u64 {
        match self {
            Self::Draft(draft) => draft.samples(),
            Self::Payload(payload) => payload.samples(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Draft(draft) => draft.bytes(),
            Self::Payload(payload) => payload.body().len(),
        }
    }
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

    /// It is to be sent, before all others.
    pub(super) fn wait(&mut self, body: Body, learnt: i64) {
        self.waiting.push_front(Waiting { body, learnt });
    }

    /// Takes out the next one that waits, stamped by a clock that has learnt so much.
    pub(super) fn next_waiting(&mut self, learnt: i64) -> Option<Body> {
        let waiting = self.waiting.pop_front()?;
        Some(waiting.body.shifted(learnt.saturating_sub(waiting.learnt)))
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
        let waiting = self.waiting.iter().map(|waiting| waiting.body.samples());
        waiting.chain(self.in_flight.iter().map(|sent| sent.payload.samples())).sum()
    }

    /// How many bytes of memory they take, about.
    pub(super) fn bytes(&self) -> usize {
        let waiting = self.waiting.iter().map(|waiting| waiting.body.bytes());
        waiting.chain(self.in_flight.iter().map(|sent| sent.payload.body().len())).sum()
    }
}
