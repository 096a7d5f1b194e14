//! Requests that wait to be sent, and those without a response yet.

use std::{collections::VecDeque, time::Duration};

use acpw_metric::{Accumulator, Timestamp};

use super::{
    request::{EncodedRequest, RequestData, RequestDraft},
    transmit::ExportId,
};
use crate::credentials::SetId;

/// A request that waits.
#[derive(Debug)]
pub(super) enum WaitingRequest {
    Draft(Box<RequestDraft>),
    Encoded(EncodedRequest),
}

/// A request without a response.
#[derive(Debug)]
pub(super) struct SentRequest {
    pub(super) id: ExportId,
    pub(super) request: EncodedRequest,
    pub(super) signed_at: Timestamp,
    /// The time at which it was sent, by the steady clock.
    pub(super) at: Duration,
    /// The correction of the clock then.
    pub(super) correction: i64,
    pub(super) signed_with: Option<SetId>,
    /// The epoch of the totals.
    pub(super) epoch: u64,
}

/// Requests of an exporter.
#[derive(Debug, Default)]
pub(super) struct RequestQueue {
    /// New data that are being encoded.
    pub(super) fresh: Option<Box<RequestDraft>>,
    pub(super) waiting: VecDeque<WaitingRequest>,
    sent: Vec<SentRequest>,
    next_id: u64,
}

impl WaitingRequest {
    fn samples(&self) -> u64 {
        match self {
            Self::Draft(draft) => draft.samples(),
            Self::Encoded(request) => request.data.samples(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Draft(draft) => draft.bytes(),
            Self::Encoded(request) => request.bytes(),
        }
    }

    /// Returns its data.
    pub(super) fn into_data(self) -> RequestData {
        match self {
            Self::Draft(draft) => draft.into_data(),
            Self::Encoded(request) => request.data,
        }
    }
}

impl RequestQueue {
    /// Returns an identifier for the next request.
    pub(super) fn next_id(&mut self) -> ExportId {
        let id = ExportId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    /// Stores a request that was sent.
    pub(super) fn push_sent(&mut self, sent: SentRequest) {
        self.sent.push(sent);
    }

    /// Returns the request that was sent with this identifier.
    pub(super) fn sent(&self, id: ExportId) -> Option<&SentRequest> {
        self.sent.iter().find(|sent| sent.id == id)
    }

    /// Removes and returns the request that was sent with this identifier.
    pub(super) fn take_sent(&mut self, id: ExportId) -> Option<SentRequest> {
        let index = self.sent.iter().position(|sent| sent.id == id)?;
        Some(self.sent.swap_remove(index))
    }

    /// Returns the number of requests without a response.
    pub(super) fn in_flight(&self) -> usize {
        self.sent.len()
    }

    /// Returns whether requests wait or are being encoded.
    pub(super) fn has_waiting(&self) -> bool {
        self.fresh.is_some() || !self.waiting.is_empty()
    }

    /// Corrects the times of all requests that wait by `millis`, and encodes them again. New data go back to `due`,
    /// which is corrected afterwards.
    pub(super) fn shift(&mut self, millis: i64, due: &mut Accumulator) {
        if let Some(fresh) = self.fresh.take() {
            fresh.into_data().move_to(due);
        }
        for request in std::mem::take(&mut self.waiting) {
            let draft = RequestDraft::again(request.into_data().shifted(millis));
            self.waiting.push_back(WaitingRequest::Draft(Box::new(draft)));
        }
    }

    /// Moves the data of all requests that wait back to `due`, without totals.
    pub(super) fn take_back(&mut self, due: &mut Accumulator) {
        let fresh = self.fresh.take().map(|fresh| fresh.into_data());
        let waiting = std::mem::take(&mut self.waiting).into_iter().map(WaitingRequest::into_data);
        fresh.into_iter().chain(waiting).for_each(|data| data.move_to(due));
    }

    /// Drops the request that has waited longest. Returns the number of its values.
    pub(super) fn drop_oldest(&mut self) -> Option<u64> {
        self.waiting.pop_front().map(|request| request.samples())
    }

    /// Returns the number of values in all requests.
    pub(super) fn samples(&self) -> u64 {
        let fresh = self.fresh.iter().map(|draft| draft.samples());
        let waiting = self.waiting.iter().map(WaitingRequest::samples);
        let sent = self.sent.iter().map(|sent| sent.request.data.samples());
        fresh.chain(waiting).chain(sent).fold(0, u64::saturating_add)
    }

    /// Returns the approximate memory size of all requests in bytes.
    pub(super) fn bytes(&self) -> usize {
        let fresh = self.fresh.iter().map(|draft| draft.bytes());
        let waiting = self.waiting.iter().map(WaitingRequest::bytes);
        let sent = self.sent.iter().map(|sent| sent.request.bytes());
        fresh.chain(waiting).chain(sent).fold(0, usize::saturating_add)
    }
}
