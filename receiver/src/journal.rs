//! What has happened so far: the counters, and lines for Envoy's log until they are written.

use std::{collections::VecDeque, time::Duration};

use log::Level;

use crate::{
    Counts,
    notice::{Limiter, Notice},
};

/// Counters and log lines of a receiver. Every part of the receiver is handed the journal when it acts.
#[derive(Debug, Default)]
pub struct Journal {
    /// What has become of values and requests since the start.
    pub counts: Counts,
    limiter: Limiter,
    lines: VecDeque<(Level, String)>,
}

impl Journal {
    /// Logs an event, unless a line of its kind was logged shortly before. `now` is the time by the steady clock.
    pub fn log(&mut self, notice: &Notice, now: Duration) {
        if let Some(line) = self.limiter.line(notice, now) {
            self.lines.push_back((notice.level(), line));
        }
    }

    /// Counts values that were dropped for want of memory, and logs it.
    pub fn drop_for_memory(&mut self, samples: u64, now: Duration) {
        if samples > 0 {
            self.counts.dropped_buffer_full = self.counts.dropped_buffer_full.saturating_add(samples);
            let detail = "buffer_limit_bytes is reached; other lines say why nothing is published".to_owned();
            self.log(&Notice::Dropped { reason: "buffer_full", samples, detail }, now);
        }
    }

    /// Counts values that became too old for CloudWatch, and logs it.
    pub fn drop_too_old(&mut self, samples: u64, now: Duration) {
        if samples > 0 {
            self.counts.dropped_too_old = self.counts.dropped_too_old.saturating_add(samples);
            let detail = "CloudWatch accepts nothing that is older than two weeks".to_owned();
            self.log(&Notice::Dropped { reason: "too_old", samples, detail }, now);
        }
    }

    /// Counts values as received.
    pub fn receive(&mut self, samples: u64) {
        self.counts.received = self.counts.received.saturating_add(samples);
    }

    /// Takes the next line.
    pub fn poll_line(&mut self) -> Option<(Level, String)> {
        self.lines.pop_front()
    }
}
