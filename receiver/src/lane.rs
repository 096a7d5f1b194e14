//! Data of one namespace and entity on their way to CloudWatch, with the trouble that they have there.

use std::{collections::VecDeque, time::Duration};

use crate::{
    backoff::Backoff,
    lane_key::LaneKey,
    payload::Draft,
    queue::{Encoder, Queue},
    random::Random,
    waiting::{Body, History, Waiting},
};

/// Payloads of a lane in trouble that wait at most. Everything else can still be merged.
pub const MAX_WAITING: usize = 4;

/// Payloads that wait at most in a lane of which everything is refused: parts of what is halved, and new ones that are to show
/// whether they are refused too.
pub const MAX_PARTS: usize = 16;

/// After how many data that CloudWatch refuses one by one, with nothing accepted in between, it is not the data.
const REFUSED_IN_A_ROW: u32 = 3;

/// The least time between two lines about one lane.
const QUIET: Duration = Duration::from_secs(60);

/// Data of one namespace and entity: due, or in payloads that wait. A lane that has trouble backs off by itself and sends one
/// payload at a time, to see whether the trouble is over.
#[derive(Debug, Default)]
pub struct Lane {
    key: Option<LaneKey>,
    queue: Queue,
    waiting: VecDeque<Waiting>,
    in_flight: usize,
    backoff: Backoff,
    /// Payloads that CloudWatch has accepted.
    accepted: u64,
    /// Single data that it has refused since.
    refused: u32,
    logged: Option<Duration>,
}

impl Lane {
    /// An empty lane; one without a key has the data of several namespaces or entities.
    pub fn new(key: Option<LaneKey>) -> Self {
        Self { key, ..Self::default() }
    }

    /// Returns its namespace and entity, unless it has the data of several.
    pub fn key(&self) -> Option<&LaneKey> {
        self.key.as_ref()
    }

    /// Returns its data that are due.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Returns its data that are due, to be changed.
    pub fn queue_mut(&mut self) -> &mut Queue {
        &mut self.queue
    }

    /// Returns whether it holds nothing, and nothing of it is on its way.
    pub fn is_idle(&self) -> bool {
        !self.has_data() && self.in_flight == 0
    }

    /// Returns whether it has data to send.
    pub fn has_data(&self) -> bool {
        !self.queue.is_empty() || !self.waiting.is_empty()
    }

    /// Returns whether CloudWatch has ever accepted a payload of it.
    pub fn is_proven(&self) -> bool {
        self.accepted > 0
    }

    /// Returns whether its last attempt has failed.
    pub fn is_in_trouble(&self) -> bool {
        self.backoff.is_failing()
    }

    /// Returns how many of its payloads have no answer yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns how many values its waiting payloads carry.
    pub fn waiting_samples(&self) -> u64 {
        self.waiting.iter().map(|waiting| waiting.body.samples()).sum()
    }

    /// Returns about how many bytes of memory its waiting payloads take.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.body.bytes()).sum()
    }

    /// Returns how many payloads wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns whether it has something to send now.
    pub fn is_ready(&self, now: Duration) -> bool {
        let is_free = self.in_flight == 0 || !self.is_in_trouble();
        is_free && self.backoff.allows(now, self.in_flight) && (self.first_waiting(now).is_some() || self.may_encode())
    }

    /// Takes out what is to be sent now: a payload that waits, stamped for a clock that has learnt so much, else a draft of data
    /// that are due. There is no draft while it is not encoded to its end.
    pub fn next_body(&mut self, now: Duration, learnt: i64, encoder: &mut Encoder<'_>) -> Option<Waiting> {
        let waiting = self.first_waiting(now).and_then(|at| self.waiting.remove(at));
        if let Some(Waiting { body, history }) = waiting {
            let body = body.shifted(learnt.saturating_sub(history.learnt));
            return Some(Waiting { body, history: History { learnt, ..history } });
        }
        if !self.may_encode() {
            return None;
        }
        let draft = self.queue.next_draft(encoder)?;
        Some(Waiting { body: Body::Draft(draft), history: History::new(learnt) })
    }

    /// Takes in a payload that is to be sent before all others that wait.
    pub fn wait_first(&mut self, waiting: Waiting) {
        self.waiting.push_front(waiting);
    }

    /// Takes in a payload that is to be sent after all others that wait.
    pub fn wait_last(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    /// Takes in drafts of a payload that was taken apart, to be sent first and in their order.
    pub fn wait_parts(&mut self, parts: impl DoubleEndedIterator<Item = Draft>, history: History) {
        let history = History { failures: 0, not_before: Duration::ZERO, refused_at: None, ..history };
        parts.rev().for_each(|part| self.wait_first(Waiting { body: Body::Draft(part), history }));
    }

    /// Takes out the payload that has waited longest; returns how many values it carried.
    pub fn drop_waiting(&mut self) -> Option<u64> {
        self.waiting.pop_front().map(|waiting| waiting.body.samples())
    }

    /// A payload is sent.
    pub fn sent(&mut self) {
        self.in_flight = self.in_flight.saturating_add(1);
    }

    /// A payload has its answer, whatever that is.
    pub fn answered(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// CloudWatch has accepted a payload.
    pub fn accept(&mut self) {
        self.backoff.succeed();
        self.accepted = self.accepted.saturating_add(1);
        self.refused = 0;
    }

    /// An attempt has failed; returns how long nothing is tried. `after` is how long CloudWatch asks to be left alone.
    pub fn fail(&mut self, now: Duration, base: Duration, after: Option<Duration>, random: &mut Random) -> Duration {
        self.backoff.fail(now, base, after, random)
    }

    /// CloudWatch has refused a payload of one datum. Returns whether it is the datum that is at fault: it has accepted other
    /// data of the lane since it refused this one before.
    pub fn refuse(&mut self, history: &mut History) -> bool {
        self.refused = self.refused.saturating_add(1);
        let is_at_fault = history.refused_at.is_some_and(|accepted| accepted < self.accepted);
        history.refused_at = Some(self.accepted);
        is_at_fault
    }

    /// Returns whether CloudWatch refuses whatever is sent to it, so that it is not the data.
    pub fn is_all_refused(&self) -> bool {
        self.refused >= REFUSED_IN_A_ROW
    }

    /// Returns whether a payload may be halved to find what is at fault.
    pub fn may_halve(&self) -> bool {
        !self.is_all_refused() || self.waiting.len() < MAX_PARTS
    }

    /// Lets the next attempt be made now.
    pub fn try_now(&mut self) {
        self.backoff.try_now();
        self.waiting.iter_mut().for_each(|waiting| waiting.history.not_before = Duration::ZERO);
    }

    /// Returns whether a line about it may be written now: one a minute.
    pub fn may_log(&mut self, now: Duration) -> bool {
        let may_log = self.logged.is_none_or(|last| now.saturating_sub(last) >= QUIET);
        if may_log {
            self.logged = Some(now);
        }
        may_log
    }

    fn first_waiting(&self, now: Duration) -> Option<usize> {
        self.waiting.iter().position(|waiting| now >= waiting.history.not_before)
    }

    fn may_encode(&self) -> bool {
        let most = if self.is_all_refused() { MAX_PARTS } else { MAX_WAITING };
        !self.queue.is_empty() && self.waiting.len() < most
    }
}
