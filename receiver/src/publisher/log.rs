//! Lines for Envoy's log, until they are written.

use std::{collections::VecDeque, time::Duration};

use crate::notice::{Level, Limiter, Notice};

#[derive(Debug, Default)]
pub(super) struct Log {
    limiter: Limiter,
    lines: VecDeque<(Level, String)>,
}

impl Log {
    /// Adds a line about it, unless there were such lines just now.
    pub(super) fn tell(&mut self, notice: &Notice, now: Duration) {
        if let Some(line) = self.limiter.line(notice, now) {
            self.lines.push_back((notice.level(), line));
        }
    }

    /// The next line.
    pub(super) fn poll(&mut self) -> Option<(Level, String)> {
        self.lines.pop_front()
    }
}
