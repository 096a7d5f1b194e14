//! The counters of the receiver, and its log lines until they are written.

use std::{collections::VecDeque, time::Duration};

use log::Level;

use crate::{
    Counts,
    notice::{Limiter, Notice},
};

/// The counters and log lines of a receiver. Each part of the receiver gets the journal as an argument.
#[derive(Debug, Default)]
pub struct Journal {
    /// The counters since the start.
    pub counts: Counts,
    limiter: Limiter,
    lines: VecDeque<(Level, String)>,
}

impl Journal {
    /// Logs an event, unless a line of the same kind was logged recently. `now` is the time by the steady clock.
    pub fn log(&mut self, notice: &Notice, now: Duration) {
        if let Some(line) = self.limiter.line(notice, now) {
            self.lines.push_back((notice.level(), line));
        }
    }

    /// Counts values dropped because the buffer is full, and logs it.
    pub fn count_buffer_full(&mut self, samples: u64, now: Duration) {
        if samples > 0 {
            self.counts.dropped_buffer_full = self.counts.dropped_buffer_full.saturating_add(samples);
            let detail = "buffer_limit_bytes is reached; other lines say why nothing is published".to_owned();
            self.log(&Notice::Dropped { reason: "buffer_full", samples, detail }, now);
        }
    }

    /// Counts values dropped because they are too old for CloudWatch, and logs it.
    pub fn count_too_old(&mut self, samples: u64, now: Duration) {
        if samples > 0 {
            self.counts.dropped_too_old = self.counts.dropped_too_old.saturating_add(samples);
            let detail = "CloudWatch accepts nothing that is older than two weeks".to_owned();
            self.log(&Notice::Dropped { reason: "too_old", samples, detail }, now);
        }
    }

    /// Counts values as received.
    pub fn count_received(&mut self, samples: u64) {
        self.counts.received = self.counts.received.saturating_add(samples);
    }

    /// Removes and returns the next log line.
    pub fn poll_log_line(&mut self) -> Option<(Level, String)> {
        self.lines.pop_front()
    }
}
