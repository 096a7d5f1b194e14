//! Remarks about a source for the operator.

use std::collections::VecDeque;

/// Log lines about problems that the operator can fix. Each kind is logged once in the lifetime of a receiver.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    made: Vec<&'static str>,
    pending: VecDeque<String>,
}

impl Remarks {
    /// Adds a remark unless there was already one of its kind.
    pub(super) fn once(&mut self, kind: &'static str, remark: impl FnOnce() -> String) {
        if !self.made.contains(&kind) {
            self.made.push(kind);
            self.pending.push_back(remark());
        }
    }

    /// Returns true if there was a remark of this kind.
    pub(super) fn has_made(&self, kind: &str) -> bool {
        self.made.contains(&kind)
    }

    /// Returns the next pending remark.
    pub(super) fn poll(&mut self) -> Option<String> {
        self.pending.pop_front()
    }
}
