//! Payloads that wait to be sent, for the first time or again.

use std::time::Duration;

use crate::{Payload, payload::Draft};

/// After how many failures in a row a payload lets others of its lane go first.
const PATIENT_FAILURES: u32 = 3;

/// Longest time that a payload lets others go first.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Payload that is to be sent, or a draft of one.
#[derive(Debug)]
pub enum Body {
    /// Not compressed yet.
    Draft(Draft),
    /// Ready to be signed.
    Payload(Payload),
}

/// Body that waits, with what has happened to it.
#[derive(Debug)]
pub struct Waiting {
    /// What is to be sent.
    pub body: Body,
    /// What has happened to it.
    pub history: History,
}

/// What has happened to a payload so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct History {
    /// What the clock had learnt when it was stamped.
    pub learnt: i64,
    /// Failures in a row.
    pub failures: u32,
    /// Until when, by the steady clock, others of its lane go first.
    pub not_before: Duration,
    /// How many payloads of its lane CloudWatch had accepted when it refused this one, which has one datum only.
    pub refused_at: Option<u64>,
}

impl History {
    /// Returns the history of something new, stamped by a clock that has learnt so much.
    pub fn new(learnt: i64) -> Self {
        Self { learnt, ..Self::default() }
    }

    /// Takes in a failure. After a few of them others may go first, for twice as long each time.
    pub fn fail(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if let Some(more) = self.failures.checked_sub(PATIENT_FAILURES) {
            let factor = 1u32.checked_shl(more).unwrap_or(u32::MAX);
            let rest = Duration::from_secs(1).saturating_mul(factor).min(LONGEST_REST);
            self.not_before = now.saturating_add(rest);
        }
    }
}

impl Body {
    /// Returns the payload that it is, or becomes with the bytes that `budget` has.
    ///
    /// # Errors
    /// The rest of the work, when the budget does not suffice.
    pub fn seal(self, budget: &mut usize) -> Result<Payload, Self> {
        match self {
            Self::Draft(draft) => draft.seal(budget).map_err(Self::Draft),
            Self::Payload(payload) => Ok(payload),
        }
    }

    /// Returns it with every datum moved by so many milliseconds.
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

    /// Returns how many values it carries.
    pub fn samples(&self) -> u64 {
        match self {
            Self::Draft(draft) => draft.samples(),
            Self::Payload(payload) => payload.samples(),
        }
    }

    /// Returns whether some of its data were posted to a gateway.
    pub fn has_posted(&self) -> bool {
        match self {
            Self::Draft(draft) => draft.has_posted(),
            Self::Payload(payload) => payload.has_posted(),
        }
    }

    /// Returns about how many bytes of memory it takes.
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
    fn a_payload_that_keeps_failing_lets_others_go_first() {
        let mut history = History::new(0);
        let now = Duration::from_secs(100);
        let mut rests = Vec::new();
        for _ in 0..12 {
            history.fail(now);
            rests.push(history.not_before.saturating_sub(now).as_secs());
        }
        assert_eq!(rests, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }
}
