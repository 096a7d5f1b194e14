//! Payloads that wait for their first or next attempt.

use std::time::Duration;

use crate::{Payload, payload::Draft};

/// The number of consecutive failures after which a payload yields to others of its lane.
const FAILURES_BEFORE_YIELDING: u32 = 3;

/// The maximum time for which a payload yields to others.
const MAX_YIELD: Duration = Duration::from_secs(60);

/// A payload, or the draft of one.
#[derive(Debug)]
pub enum WaitingBody {
    /// A draft that is not compressed yet.
    Draft(Draft),
    /// A payload that is ready to be signed.
    Payload(Payload),
}

/// A waiting payload and its history.
#[derive(Debug)]
pub struct WaitingPayload {
    /// The payload or draft.
    pub body: WaitingBody,
    /// The history.
    pub history: PayloadHistory,
}

/// The history of a payload.
#[derive(Clone, Copy, Debug, Default)]
pub struct PayloadHistory {
    /// The clock's correction with which the payload is stamped, in milliseconds.
    pub correction: i64,
    /// The number of consecutive failures.
    pub failures: u32,
    /// The time, by the steady clock, until which others of its lane go first.
    pub not_before: Duration,
    /// If CloudWatch has refused this payload of one datum, the number of payloads of the lane that it had accepted by
    /// then.
    pub refused_at: Option<u64>,
}

impl PayloadHistory {
    /// Creates the history of a new payload, stamped with this correction of the clock.
    pub fn new(correction: i64) -> Self {
        Self { correction, ..Self::default() }
    }

    /// Records a failure. After several failures the payload yields to others, for twice as long each time.
    pub fn record_failure(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if let Some(more) = self.failures.checked_sub(FAILURES_BEFORE_YIELDING) {
            let factor = 1u32.checked_shl(more).unwrap_or(u32::MAX);
            let yield_time = Duration::from_secs(1).saturating_mul(factor).min(MAX_YIELD);
            self.not_before = now.saturating_add(yield_time);
        }
    }
}

impl WaitingBody {
    /// Compresses the payload, unless that is done. Stops when `budget`, in bytes, is spent.
    ///
    /// # Errors
    /// Returns the unfinished draft if the budget does not suffice.
    pub fn seal(self, budget: &mut usize) -> Result<Payload, Self> {
        match self {
            Self::Draft(draft) => draft.seal(budget).map_err(Self::Draft),
            Self::Payload(payload) => Ok(payload),
        }
    }

    /// Moves every timestamp by `millis`.
    pub fn shifted(self, millis: i64) -> Self {
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

    /// Returns the number of values.
    pub fn samples(&self) -> u64 {
        match self {
            Self::Draft(draft) => draft.samples(),
            Self::Payload(payload) => payload.samples(),
        }
    }

    /// Returns true if some of the data was posted to a gateway.
    pub fn has_posted(&self) -> bool {
        match self {
            Self::Draft(draft) => draft.has_posted(),
            Self::Payload(payload) => payload.has_posted(),
        }
    }

    /// Returns the approximate memory in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Draft(draft) => draft.bytes(),
            Self::Payload(payload) => payload.body().len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_keeps_failing_yields_to_others() {
        let mut history = PayloadHistory::new(0);
        let now = Duration::from_secs(100);
        let mut rests = Vec::new();
        for _ in 0..12 {
            history.record_failure(now);
            rests.push(history.not_before.saturating_sub(now).as_secs());
        }
        assert_eq!(rests, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }
}
