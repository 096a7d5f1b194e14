//! Data of one namespace and entity on their way to CloudWatch, with the trouble that they have there.

use std::{collections::VecDeque, time::Duration};

use acpw_metric::{Accumulator, Keep, Timestamp};

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

/// To merge a group takes as long as to encode and compress this many bytes.
const MERGE_WORK: usize = 64;

/// Data of one namespace and entity: pending until the next publication, due, or in payloads that wait. A lane that has
/// trouble backs off without the others and sends one payload at a time, to see whether the trouble is over.
#[derive(Debug, Default)]
pub struct Lane {
    key: Option<LaneKey>,
    pending: Accumulator,
    /// Whether the pending data are due, and have yet to be merged with those in the queue.
    is_releasing: bool,
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

    /// Returns its data that are not due, or have yet to be merged with those that are.
    pub fn pending(&self) -> &Accumulator {
        &self.pending
    }

    /// Returns the same data for changes.
    pub fn pending_mut(&mut self) -> &mut Accumulator {
        &mut self.pending
    }

    /// Makes all pending data due. Merging them with data that are due already is left to [`gather`](Self::gather).
    pub fn release(&mut self) {
        self.is_releasing = !self.pending.is_empty();
        if self.is_releasing && !self.queue.has_unencoded() {
            self.queue.add(std::mem::take(&mut self.pending));
            self.is_releasing = false;
        }
    }

    /// Merges released data with those in the queue, for about as many bytes as `budget` has, and takes them from it.
    pub fn gather(&mut self, budget: &mut usize) {
        while self.is_releasing && *budget > 0 {
            match self.pending.pop() {
                Some((key, group)) => self.queue.add_group(&key, &group),
                None => self.is_releasing = false,
            }
            *budget = budget.saturating_sub(MERGE_WORK);
        }
    }

    /// Returns whether it has data that are not due.
    pub fn has_pending(&self) -> bool {
        !self.is_releasing && self.pending.samples() > 0
    }

    /// Returns the number of values that it holds.
    pub fn samples(&self) -> u64 {
        self.pending.samples().saturating_add(self.queue.samples()).saturating_add(self.waiting_samples())
    }

    /// Returns the number of data that it holds and that are not in a payload.
    pub fn series(&self) -> usize {
        self.pending.series().saturating_add(self.queue.series())
    }

    /// Returns the memory in bytes, approximately, of data that are not in a payload that waits.
    pub fn unsent_bytes(&self) -> usize {
        self.pending.bytes().saturating_add(self.queue.bytes())
    }

    /// Returns the memory in bytes, approximately, of all its data.
    pub fn bytes(&self) -> usize {
        self.unsent_bytes().saturating_add(self.waiting_bytes())
    }

    /// Returns the start of the oldest period of data that are not in a payload.
    pub fn oldest(&self) -> Option<Timestamp> {
        [self.pending.oldest(), self.queue.oldest()].into_iter().flatten().min()
    }

    /// Drops the oldest group that is not in a payload; returns how many values it held.
    pub fn drop_oldest(&mut self) -> Option<u64> {
        let is_pending = match (self.pending.oldest(), self.queue.oldest()) {
            (Some(pending), Some(due)) => pending < due,
            (pending, _) => pending.is_some(),
        };
        if is_pending { self.pending.drop_oldest() } else { self.queue.drop_oldest() }
    }

    /// Merges old data until those outside of payloads take at most `target` bytes, as far as merging does.
    pub fn merge_old(&mut self, target: usize, now: Timestamp) -> u64 {
        let settled = self.queue.merge_old(target.saturating_sub(self.pending.bytes()), now);
        let target = target.saturating_sub(self.queue.bytes());
        settled.saturating_add(self.pending.merge_old(target, now))
    }

    /// Drops the oldest data outside of payloads until they take at most `target` bytes; returns how many values.
    pub fn drop_until(&mut self, target: usize, keep: Keep) -> u64 {
        let dropped = self.queue.drop_until(target.saturating_sub(self.pending.bytes()), keep);
        let target = target.saturating_sub(self.queue.bytes());
        dropped.saturating_add(self.pending.drop_until(target, keep))
    }

    /// Moves all its data outside of payloads that wait by `millis`.
    pub fn shift(&mut self, millis: i64) {
        self.pending.shift(millis);
        self.queue.shift(millis);
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
        !self.has_due() && self.pending.is_empty() && self.in_flight == 0
    }

    /// Returns whether it has data to send.
    pub fn has_due(&self) -> bool {
        self.is_releasing || !self.queue.is_empty() || !self.waiting.is_empty()
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

    /// Drops the payload that has waited longest, of those that may be dropped; returns how many values it carried.
    pub fn drop_waiting(&mut self, keep: Keep) -> Option<u64> {
        let may_drop = |waiting: &Waiting| keep == Keep::Nothing || !waiting.body.has_posted();
        let at = self.waiting.iter().position(may_drop)?;
        self.waiting.remove(at).map(|waiting| waiting.body.samples())
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
