//! The data of one namespace and entity, and its back-off.

use std::{collections::VecDeque, time::Duration};

use acpw_metric::{Accumulator, Keep, Timestamp};

use crate::{
    backoff::{Backoff, FailureKind},
    lane_key::LaneKey,
    lane_queue::{EncodingContext, LaneQueue},
    payload::Draft,
    publisher::budget::group_cost,
    random::Random,
    waiting::{PayloadHistory, WaitingBody, WaitingPayload},
};

/// The maximum number of waiting payloads. Data outside of payloads can still be merged.
pub const MAX_WAITING: usize = 4;

/// The maximum number of waiting payloads while CloudWatch refuses everything: the parts of split payloads, and new
/// ones that show if they are refused too.
pub const MAX_WAITING_REFUSED: usize = 16;

/// The number of consecutive single data that CloudWatch must refuse before the data is no longer considered the cause.
const MAX_REFUSED_IN_A_ROW: u32 = 3;

/// The minimum time between two log lines about a lane.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The data of one namespace and entity: pending until the next publication, due, or in waiting payloads. A lane whose
/// requests fail backs off independently of other lanes, and sends one payload at a time until one succeeds.
#[derive(Debug, Default)]
pub struct Lane {
    key: Option<LaneKey>,
    pending: Accumulator,
    /// Data that is due and must be merged into the queue. It is apart from the pending data, so that merging ends even
    /// if data arrives faster than it is merged.
    releasing: Accumulator,
    /// True if the pending data is due as well, and follows once `releasing` is empty.
    is_release_waiting: bool,
    queue: LaneQueue,
    waiting: VecDeque<WaitingPayload>,
    in_flight: usize,
    backoff: Backoff,
    /// The number of payloads that CloudWatch has accepted.
    accepted: u64,
    /// The number of single data that CloudWatch has refused since the last accepted payload.
    refused: u32,
    logged: Option<Duration>,
}

impl Lane {
    /// Creates an empty lane. A lane without a key is shared by several namespaces or entities.
    pub fn new(key: Option<LaneKey>) -> Self {
        Self { key, ..Self::default() }
    }

    /// Returns the namespace and entity, or `None` for a shared lane.
    pub fn key(&self) -> Option<&LaneKey> {
        self.key.as_ref()
    }

    /// Returns the data that is not due, or waits until due data is merged into the queue.
    pub fn pending(&self) -> &Accumulator {
        &self.pending
    }

    /// Returns the pending data for changes.
    pub fn pending_mut(&mut self) -> &mut Accumulator {
        &mut self.pending
    }

    /// Marks all pending data as due. [`merge_due`](Self::merge_due) merges it into the queue, unless the queue is
    /// empty.
    pub fn release(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        if !self.releasing.is_empty() {
            self.is_release_waiting = true;
        } else if self.queue.has_unencoded() {
            self.releasing = std::mem::take(&mut self.pending);
        } else {
            self.queue.add(std::mem::take(&mut self.pending));
        }
    }

    /// Merges due data into the queue. Stops when `budget`, in bytes, is spent.
    pub fn merge_due(&mut self, budget: &mut usize) {
        while *budget > 0 {
            match self.releasing.pop() {
                Some((key, group)) => {
                    *budget = budget.saturating_sub(group_cost(&group));
                    self.queue.merge_group(&key, &group);
                }
                None if self.is_release_waiting => {
                    self.is_release_waiting = false;
                    self.releasing = std::mem::take(&mut self.pending);
                }
                None => return,
            }
        }
    }

    /// Returns true if there is data that is not due.
    pub fn has_pending(&self) -> bool {
        !self.is_release_waiting && self.pending.samples() > 0
    }

    /// Returns the data outside of the queue.
    fn unmerged(&self) -> [&Accumulator; 2] {
        [&self.pending, &self.releasing]
    }

    /// Returns the number of held values.
    pub fn samples(&self) -> u64 {
        let unmerged = self.unmerged().map(Accumulator::samples).into_iter().fold(0, u64::saturating_add);
        unmerged.saturating_add(self.queue.samples()).saturating_add(self.waiting_samples())
    }

    /// Returns the number of data outside of payloads.
    pub fn series(&self) -> usize {
        self.unmerged().map(Accumulator::series).into_iter().fold(self.queue.series(), usize::saturating_add)
    }

    /// Returns the approximate memory of data outside of waiting payloads in bytes.
    pub fn unpacked_bytes(&self) -> usize {
        self.unmerged_bytes().saturating_add(self.queue.bytes())
    }

    fn unmerged_bytes(&self) -> usize {
        self.unmerged().map(Accumulator::bytes).into_iter().fold(0, usize::saturating_add)
    }

    /// Returns the approximate memory of all data in bytes.
    pub fn bytes(&self) -> usize {
        self.unpacked_bytes().saturating_add(self.waiting_bytes())
    }

    /// Returns the start of the oldest period outside of payloads.
    pub fn oldest(&self) -> Option<Timestamp> {
        let [pending, releasing] = self.unmerged().map(Accumulator::oldest);
        [pending, releasing, self.queue.oldest()].into_iter().flatten().min()
    }

    /// Drops the oldest group outside of payloads. Returns the number of its values.
    pub fn drop_oldest(&mut self) -> Option<u64> {
        let oldest = self.oldest()?;
        if self.queue.oldest() == Some(oldest) {
            return self.queue.drop_oldest();
        }
        let of_oldest = [&mut self.releasing, &mut self.pending].into_iter().find(|data| data.oldest() == Some(oldest));
        of_oldest.and_then(Accumulator::drop_oldest)
    }

    /// Merges old data outside of payloads to reduce them to `target` bytes, if merging suffices. Returns the number of
    /// samples that were made from gauges.
    pub fn merge_old(&mut self, target: usize, now: Timestamp) -> u64 {
        let settled = self.queue.merge_old(target.saturating_sub(self.unmerged_bytes()), now);
        let target = target.saturating_sub(self.queue.bytes());
        let settled =
            settled.saturating_add(self.releasing.merge_old(target.saturating_sub(self.pending.bytes()), now));
        let target = target.saturating_sub(self.releasing.bytes());
        settled.saturating_add(self.pending.merge_old(target, now))
    }

    /// Drops the oldest data outside of payloads until the rest takes at most `target` bytes. Returns the number of
    /// dropped values.
    pub fn drop_until(&mut self, target: usize, keep: Keep) -> u64 {
        let dropped = self.queue.drop_until(target.saturating_sub(self.unmerged_bytes()), keep);
        let target = target.saturating_sub(self.queue.bytes());
        let dropped =
            dropped.saturating_add(self.releasing.drop_until(target.saturating_sub(self.pending.bytes()), keep));
        let target = target.saturating_sub(self.releasing.bytes());
        dropped.saturating_add(self.pending.drop_until(target, keep))
    }

    /// Moves all data outside of waiting payloads by `millis`.
    pub fn shift(&mut self, millis: i64) {
        self.pending.shift(millis);
        self.releasing.shift(millis);
        self.queue.shift(millis);
    }

    /// Returns the due data.
    pub fn queue(&self) -> &LaneQueue {
        &self.queue
    }

    /// Returns the due data for changes.
    pub fn queue_mut(&mut self) -> &mut LaneQueue {
        &mut self.queue
    }

    /// Returns true if there is no data in the lane and no payload in flight.
    pub fn is_idle(&self) -> bool {
        !self.has_due() && self.pending.is_empty() && self.in_flight == 0
    }

    /// Returns true if there is data to send.
    pub fn has_due(&self) -> bool {
        self.is_release_waiting || !self.releasing.is_empty() || !self.queue.is_empty() || !self.waiting.is_empty()
    }

    /// Returns true if CloudWatch has ever accepted a payload of this lane.
    pub fn has_been_accepted(&self) -> bool {
        self.accepted > 0
    }

    /// Returns true if the last attempt has failed.
    pub fn is_failing(&self) -> bool {
        self.backoff.is_failing()
    }

    /// Returns the number of payloads in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns the number of values in waiting payloads.
    pub fn waiting_samples(&self) -> u64 {
        self.waiting.iter().map(|waiting| waiting.body.samples()).sum()
    }

    /// Returns the approximate memory of waiting payloads in bytes.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.body.bytes()).sum()
    }

    /// Returns the number of waiting payloads.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns true if there is something to send now.
    pub fn is_ready(&self, now: Duration) -> bool {
        let is_free = self.in_flight == 0 || !self.is_failing();
        is_free && self.backoff.allows(now, self.in_flight) && (self.first_waiting(now).is_some() || self.may_encode())
    }

    /// Removes and returns what to send now: a waiting payload, or otherwise a draft of due data. A waiting payload is
    /// stamped again if `correction` has changed. Returns `None` if the draft is not completely encoded yet.
    pub fn next_to_send(
        &mut self,
        now: Duration,
        correction: i64,
        encoder: &mut EncodingContext<'_>,
    ) -> Option<WaitingPayload> {
        let waiting = self.first_waiting(now).and_then(|index| self.waiting.remove(index));
        if let Some(WaitingPayload { body, history }) = waiting {
            let body = body.shifted(correction.saturating_sub(history.correction));
            return Some(WaitingPayload { body, history: PayloadHistory { correction, ..history } });
        }
        if !self.may_encode() {
            return None;
        }
        let draft = self.queue.next_draft(encoder)?;
        Some(WaitingPayload { body: WaitingBody::Draft(draft), history: PayloadHistory::new(correction) })
    }

    /// Adds a payload in front of all waiting ones.
    pub fn push_front(&mut self, waiting: WaitingPayload) {
        self.waiting.push_front(waiting);
    }

    /// Adds a payload behind all waiting ones.
    pub fn push_back(&mut self, waiting: WaitingPayload) {
        self.waiting.push_back(waiting);
    }

    /// Adds the parts of a payload in front of all waiting ones, in their order.
    pub fn push_parts(&mut self, parts: impl DoubleEndedIterator<Item = Draft>, history: PayloadHistory) {
        let history = PayloadHistory { failures: 0, not_before: Duration::ZERO, refused_at: None, ..history };
        parts.rev().for_each(|part| self.push_front(WaitingPayload { body: WaitingBody::Draft(part), history }));
    }

    /// Drops the first waiting payload that may be dropped. Returns the number of its values.
    pub fn drop_waiting_payload(&mut self, keep: Keep) -> Option<u64> {
        let may_drop = |waiting: &WaitingPayload| keep == Keep::Nothing || !waiting.body.has_posted();
        let index = self.waiting.iter().position(may_drop)?;
        self.waiting.remove(index).map(|waiting| waiting.body.samples())
    }

    /// Records that a payload was sent.
    pub fn record_sent(&mut self) {
        self.in_flight = self.in_flight.saturating_add(1);
    }

    /// Records that a payload was answered.
    pub fn record_answered(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Records that CloudWatch has accepted a payload.
    pub fn record_accepted(&mut self) {
        self.backoff.succeed();
        self.accepted = self.accepted.saturating_add(1);
        self.refused = 0;
    }

    /// Records a failed attempt, and returns the delay until the next one. `after` is the delay that CloudWatch asks
    /// for.
    pub fn record_failure(
        &mut self,
        now: Duration,
        kind: FailureKind,
        after: Option<Duration>,
        random: &mut Random,
    ) -> Duration {
        self.backoff.fail(now, kind, after, random)
    }

    /// Records that CloudWatch has refused a payload of one datum. Returns true if the datum is invalid: CloudWatch had
    /// refused it before, and has accepted other data of the lane since.
    pub fn record_refused(&mut self, history: &mut PayloadHistory) -> bool {
        self.refused = self.refused.saturating_add(1);
        let is_invalid = history.refused_at.is_some_and(|accepted| accepted < self.accepted);
        history.refused_at = Some(self.accepted);
        is_invalid
    }

    /// Returns true if CloudWatch refuses all payloads, so the data is not the cause.
    pub fn is_all_refused(&self) -> bool {
        self.refused >= MAX_REFUSED_IN_A_ROW
    }

    /// Returns true if a payload may be split to find invalid data.
    pub fn may_split(&self) -> bool {
        !self.is_all_refused() || self.waiting.len() < MAX_WAITING_REFUSED
    }

    /// Allows the next attempt immediately.
    pub fn retry_now(&mut self) {
        self.backoff.retry_now();
        self.waiting.iter_mut().for_each(|waiting| waiting.history.not_before = Duration::ZERO);
    }

    /// Returns true if a line about the lane may be logged now, at most once per minute.
    pub fn may_log(&mut self, now: Duration) -> bool {
        let may_log = self.logged.is_none_or(|last| now.saturating_sub(last) >= LOG_INTERVAL);
        if may_log {
            self.logged = Some(now);
        }
        may_log
    }

    fn first_waiting(&self, now: Duration) -> Option<usize> {
        self.waiting.iter().position(|waiting| now >= waiting.history.not_before)
    }

    fn may_encode(&self) -> bool {
        let limit = if self.is_all_refused() { MAX_WAITING_REFUSED } else { MAX_WAITING };
        !self.queue.is_empty() && self.waiting.len() < limit
    }
}
