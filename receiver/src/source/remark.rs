//! Remarks of a source for the operator.

use std::collections::VecDeque;

/// Lines about what an operator can change, each kind once in the life of a receiver.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    made: Vec<&'static str>,
    pending: VecDeque<String>,
}

impl Remarks {
    /// Adds a remark, unless there has been one of its kind.
    pub(super) fn once(&mut self, kind: &'static str, remark: impl FnOnce() -> String) {
        if !self.made.contains(&kind) {
            self.made.push(kind);
            self.pending.push_back(remark());
        }
    }

    /// Returns whether there has been a remark of a kind.
    pub(super) fn has_made(&self, kind: &str) -> bool {
        self.made.contains(&kind)
    }

    /// Takes the next remark that has not been taken yet.
    pub(super) fn poll(&mut self) -> Option<String> {
        self.pending.pop_front()
    }
}
