//! Compares the modules' counters with what happened.

use acpw_metric::dimension::OVERFLOW_VALUE;
use receiver::Driver;

use super::{Report, World};
use crate::post_client::values;

impl World {
    /// Checks the invariants that hold after every step: the equations of docs/operations.md, term by term.
    pub(super) fn check(&self) -> Result<(), String> {
        let (stats, sender_stats) = (&self.stats, &self.sender_stats);
        let queued: u64 = self.queue.iter().map(|record| values(record)).sum();
        let held_by_senders: u64 = self.senders.iter().map(|worker| worker.unflushed + worker.sender.held()).sum();
        let held_by_receiver = self.driver.as_ref().map_or(0, |driver| driver.receiver().held());
        let unaccounted = if self.driver.is_some() { held_by_receiver } else { stats.unaccounted() };
        self.check_exports()?;
        equal("values that senders have observed", sender_stats.observed, self.truth.observed)?;
        let enqueued = (sender_stats.enqueued + self.posted()).checked_sub(sender_stats.taken_back);
        equal("enqueued values", enqueued.unwrap_or(0), queued + self.truth.dequeued)?;
        // Each response of the source has one value.
        equal("received = dequeued + read", stats.received, self.truth.dequeued + stats.source_answers)?;
        equal(
            "received = published + held + dropped",
            stats.received,
            stats.published + unaccounted + stats.dropped(),
        )?;
        let dropped = stats.dropped() + sender_stats.dropped_buffer_full + self.truth.lost_with_senders;
        let held = held_by_senders + queued + unaccounted;
        let observed = self.truth.observed + self.posted() + stats.source_answers;
        equal("observed = published + held + dropped", observed, stats.published + held + dropped)?;
        let in_flight: u64 = self.answers_in_flight.iter().map(|(_, _, _, stored)| stored).sum();
        let stored: u64 = self.cloud.stored.values().sum();
        equal("stored = published + unanswered", stored, stats.published + self.truth.stored_unanswered + in_flight)?;
        let is_stored_once = self.schedule.drops_unknown && self.schedule.receiver_traps.is_empty();
        for (path, stored) in self.cloud.stored.iter().filter(|(path, _)| is_stored_once && *path != OVERFLOW_VALUE) {
            let posted = self.posts.as_ref().and_then(|posts| posts.accepted.get(path));
            let observed = match (path.as_str(), posted) {
                // The source's series has no path.
                ("", _) => stats.source_answers,
                (_, Some(values)) => *values,
                _ => self.truth.by_path.get(path).copied().unwrap_or(0),
            };
            if *stored > observed {
                return Err(format!("{path}: {stored} values are stored, but only {observed} were observed"));
            }
        }
        Ok(())
    }

    /// Checks the books of the OTLP endpoint.
    fn check_exports(&self) -> Result<(), String> {
        let stats = &self.stats;
        let held =
            self.driver.as_ref().map_or_else(|| stats.otlp_unaccounted(), |driver| driver.receiver().otlp_held());
        equal("OTLP: received = dequeued + made", stats.otlp_received, self.truth.dequeued + stats.source_answers)?;
        equal(
            "OTLP: received = published + held + dropped",
            stats.otlp_received,
            stats.otlp_published + held + stats.otlp_dropped(),
        )?;
        if let Some(point) = self.endpoint.backwards() {
            return Err(format!("OTLP: a cumulative data point went back: {point}"));
        }
        if self.schedule.is_cumulative {
            return self.check_totals();
        }
        let on_the_way: u64 = self.exports_in_flight.iter().map(|(_, _, _, stored)| stored).sum();
        let stored: u64 = self.endpoint.stored.values().sum();
        let published = stats.otlp_published + self.truth.exported_unanswered + on_the_way;
        equal("OTLP: stored = published + unseen", stored, published)
    }

    /// Checks the totals of the OTLP endpoint. A total is stored once, however often it is sent. Values of a data point
    /// that was refused are in the next total as well, and those of a lost receiver may be stored.
    fn check_totals(&self) -> Result<(), String> {
        let stats = &self.stats;
        let stored: u64 = self.endpoint.stored.values().sum();
        let is_between = (stats.otlp_published..=stats.otlp_received).contains(&stored);
        if is_between { Ok(()) } else { Err(format!("OTLP: {stored} values are stored: {stats:?}")) }
    }

    /// Returns true if nothing is held or on the way.
    pub(super) fn is_at_rest(&self) -> bool {
        let held = |driver: &Driver| driver.receiver().held() + driver.receiver().otlp_held();
        let is_held = self.driver.as_ref().is_none_or(|driver| held(driver) > 0) || !self.exports_in_flight.is_empty();
        let is_flushed = self.flushes.0 == self.flushes.1 || !self.schedule.receiver_traps.is_empty();
        let has_senders = self.senders.iter().any(|worker| worker.unflushed > 0 || worker.sender.held() > 0);
        !is_held && is_flushed && !has_senders && self.queue.is_empty() && self.answers_in_flight.is_empty()
    }

    /// Checks the conditions that hold at the end.
    pub(super) fn check_end(&self) -> Result<(), String> {
        if !self.is_at_rest() {
            let held = self.driver.as_ref().map(|driver| (driver.receiver().held(), driver.receiver().otlp_held()));
            let (queue, flushes) = (self.queue.len(), self.flushes);
            return Err(format!("data is still held at the end: held {held:?}, queue {queue}, flushes {flushes:?}"));
        }
        let Report { observed, stored, dropped, .. } = self.report();
        equal("observed = stored + dropped", observed + self.stored_twice(), stored + dropped)?;
        self.check_posts()?;
        if dropped > 0 || self.truth.stored_unanswered > 0 {
            return Ok(());
        }
        let others = self.cloud.stored.get(OVERFLOW_VALUE).copied().unwrap_or(0);
        let missing: u64 = self
            .truth
            .by_path
            .iter()
            .map(|(path, observed)| observed - self.cloud.stored.get(path).copied().unwrap_or(0).min(*observed))
            .sum();
        equal("values that are not stored under their own path are in the overflow", missing, others)
    }

    /// Checks that accepted posts are stored, unless CloudWatch refused the data, it became too old, or a module
    /// failed. They are never dropped because the buffer is full.
    fn check_posts(&self) -> Result<(), String> {
        let stats = &self.stats;
        let for_other_reasons = stats.dropped() - stats.dropped_buffer_full;
        if for_other_reasons + self.truth.lost_with_senders > 0 {
            return Ok(());
        }
        for (path, values) in self.posts.iter().flat_map(|posts| &posts.accepted) {
            let stored = self.cloud.stored.get(path).copied().unwrap_or(0);
            if stored < *values {
                return Err(format!("{path}: {values} values were answered with 202, but only {stored} are stored"));
            }
        }
        Ok(())
    }

    /// Returns the number of values that a gateway has accepted.
    fn posted(&self) -> u64 {
        self.posts.as_ref().map_or(0, |posts| posts.total)
    }

    /// Returns the number of values stored by requests without an answer, which were then stored again or counted as
    /// dropped.
    fn stored_twice(&self) -> u64 {
        self.truth.stored_unanswered
    }

    /// Returns the totals so far.
    pub(super) fn report(&self) -> Report {
        Report {
            observed: self.truth.observed + self.posted() + self.stats.source_answers,
            refused_posts: self.posts.as_ref().map_or(0, |posts| posts.refused_posts),
            stored: self.cloud.stored.values().sum(),
            dropped: self.stats.dropped() + self.sender_stats.dropped_buffer_full + self.truth.lost_with_senders,
            requests: self.truth.requests,
        }
    }
}

fn equal(condition: &str, left: u64, right: u64) -> Result<(), String> {
    if left == right { Ok(()) } else { Err(format!("{condition}: {left} is not {right}")) }
}
