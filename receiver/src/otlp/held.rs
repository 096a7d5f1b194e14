//! The data that wait until they are encoded, within a bound.

use std::time::Duration;

use acpw_metric::{
    Accumulator, Dimensions, Distribution, Group, Keep, MergeRule, Metric, PeriodKey, Record, Timestamp,
};

use super::window::Window;
use crate::{gauge_settler::GaugeSettler, publisher::budget::group_cost, series_budget::SeriesBudget};

/// The time after its end until which senders report data of a period. Each worker passes its data on once a second.
const SETTLING_MILLIS: i64 = 5_000;

/// The distance from which a period is ahead of the time. A correction of the clock moves data by whole periods, so it
/// may move them ahead by half a minute.
const AHEAD_MILLIS: i64 = 60_000;

/// Divisor of the limit for the room that is made at the limit, so that the next record does not reach it again.
const HEADROOM: usize = 8;

/// The time for which data are not merged again after merging did not make enough room.
const MERGE_INTERVAL: Duration = Duration::from_secs(10);

/// Data that are pending until their period has ended, and data that are due.
#[derive(Debug)]
pub(super) struct HeldData {
    pending: Accumulator,
    gauges: GaugeSettler,
    series_budget: SeriesBudget,
    /// The data that the release under way leaves pending.
    later: Accumulator,
    release: Option<Release>,
    due: Accumulator,
    /// The window of the data that are due.
    window: Window,
    /// The time of the last release that took periods which had not ended.
    cut: Option<Timestamp>,
    limit: usize,
    merged: Option<Duration>,
    /// Values that no record carried: samples of gauges.
    made: u64,
}

/// A release under way.
#[derive(Clone, Copy, Debug)]
struct Release {
    at: Timestamp,
    interval: Duration,
    /// True if it takes everything.
    takes_all: bool,
    /// True if it has taken periods that had not ended.
    has_cut: bool,
}

impl HeldData {
    pub(super) fn new(limit: usize, max_series: Option<usize>) -> Self {
        Self {
            pending: Accumulator::default(),
            gauges: GaugeSettler::default(),
            series_budget: SeriesBudget::new(max_series),
            later: Accumulator::default(),
            release: None,
            due: Accumulator::default(),
            window: Window::default(),
            cut: None,
            limit,
            merged: None,
            made: 0,
        }
    }

    /// Adds the data of a record whose clock is `skew` milliseconds behind. `now` is the time by the steady clock.
    pub(super) fn merge(&mut self, record: &Record<'_>, skew: i64, now: Duration) {
        for group in record.groups() {
            let admitted = self.series_budget.admit(record, group, now);
            for (metric, distribution) in record.distributions_of(group) {
                let dimensions = admitted.dimensions(metric);
                let key = record.key(group, metric, skew);
                match key.kind.merge {
                    MergeRule::Distribution => self.pending.add_borrowed(key, dimensions, metric, distribution),
                    MergeRule::GaugeShares => self.gauges.add(key, dimensions, metric, distribution),
                }
            }
        }
    }

    /// Adds a copy of data whose time is right.
    pub(super) fn add(&mut self, data: &Accumulator) {
        for (key, dimensions, distributions) in data.iter() {
            for (metric, distribution) in distributions {
                self.pending.file(key.clone(), dimensions, metric, distribution);
            }
        }
    }

    /// Makes samples of shares of gauges that have settled.
    pub(super) fn settle_gauges(&mut self, now: Timestamp) {
        let mut file = file_into(&mut self.pending);
        self.made = self.made.saturating_add(self.gauges.add_settled(&mut file, now));
    }

    /// Returns the number of values that were made since the last call.
    pub(super) fn take_made(&mut self) -> u64 {
        std::mem::take(&mut self.made)
    }

    /// Returns the series of senders, and their bound.
    pub(super) fn series_budget_mut(&mut self) -> &mut SeriesBudget {
        &mut self.series_budget
    }

    /// Returns whether there are data that are not due.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty() || !self.later.is_empty()
    }

    /// Returns whether data are due, or about to be.
    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty() || self.release.is_some_and(|release| release.takes_all)
    }

    /// Returns the data that are due, and their window.
    pub(super) fn due_mut(&mut self) -> (&mut Accumulator, Window) {
        (&mut self.due, self.window)
    }

    /// Makes the data of periods that have ended due, and those of longer periods once a part as long as `interval` has
    /// passed. With `takes_all`, makes everything due. The data are moved by [`gather`](Self::gather).
    pub(super) fn release(&mut self, interval: Duration, takes_all: bool, now: Timestamp) {
        match &mut self.release {
            Some(release) => release.takes_all |= takes_all,
            None => {
                self.release = Some(Release { at: now, interval, takes_all, has_cut: false });
                let cut = if self.due.is_empty() { self.cut } else { self.window.cut };
                self.window = Window { cut, until: now };
            }
        }
        if takes_all {
            self.pending.merge(std::mem::take(&mut self.later));
        }
    }

    /// Moves released data to those that are due, for about as many bytes as `budget` has, and takes them from it.
    pub(super) fn gather(&mut self, budget: &mut usize) {
        while *budget > 0
            && let Some(mut release) = self.release
        {
            let Some((key, group)) = self.pending.pop() else {
                self.end_release(release);
                return;
            };
            *budget = budget.saturating_sub(group_cost(&group));
            if release.takes(&key, &group, self.cut) {
                release.has_cut |= group.distributions.iter().any(|(metric, _)| key.end(metric) > release.at);
                self.release = Some(release);
                self.due.merge_group(&key, &group);
            } else {
                self.later.merge_group(&key, &group);
            }
        }
    }

    fn end_release(&mut self, release: Release) {
        self.release = None;
        self.pending = std::mem::take(&mut self.later);
        if release.has_cut {
            self.cut = Some(release.at);
        }
    }

    /// Moves all data by `millis`, as far as that moves them into other periods.
    pub(super) fn shift(&mut self, millis: i64) {
        self.gauges.shift(millis);
        self.pending.shift(millis);
        self.later.shift(millis);
        self.due.shift(millis);
        self.window = self.window.shifted(millis);
        self.cut = self.cut.map(|cut| cut.shifted(millis));
        if let Some(release) = &mut self.release {
            release.at = release.at.shifted(millis);
        }
    }

    /// Keeps the data, together with `others` bytes of requests, within the limit. Returns the number of dropped
    /// values.
    ///
    /// From five eighths of the limit on, old data are merged into longer periods. At the limit, the oldest are
    /// dropped, those that were posted to a gateway last.
    pub(super) fn keep_within_limit(&mut self, others: usize, now: Timestamp, steady: Duration) -> u64 {
        let bytes = self.bytes().saturating_add(others);
        if bytes <= self.limit / 8 * 5 {
            self.merged = None;
            return 0;
        }
        let is_merge_due = self.merged.is_none_or(|at| steady.saturating_sub(at) >= MERGE_INTERVAL);
        if is_merge_due || bytes > self.limit {
            self.merged = Some(steady);
            self.merge_old((self.limit / 2).saturating_sub(others), now);
        }
        if self.bytes().saturating_add(others) <= self.limit {
            return 0;
        }
        if self.gauges.bytes() > self.limit / HEADROOM {
            let mut file = file_into(&mut self.pending);
            self.made = self.made.saturating_add(self.gauges.add_all(&mut file));
        }
        let target = self.limit.saturating_sub(self.limit / HEADROOM).saturating_sub(others);
        let mut dropped = self.drop_until(target, Keep::Posted);
        if self.bytes().saturating_add(others) > self.limit {
            dropped = dropped.saturating_add(self.drop_until(self.limit.saturating_sub(others), Keep::Nothing));
        }
        dropped
    }

    fn merge_old(&mut self, target: usize, now: Timestamp) {
        let total = self.bytes();
        for accumulator in [&mut self.due, &mut self.pending, &mut self.later] {
            let share = target.saturating_mul(accumulator.bytes()).checked_div(total).unwrap_or(0);
            self.made = self.made.saturating_add(accumulator.merge_old(share, now));
        }
    }

    /// Drops the oldest data until all take at most `target` bytes. Returns the number of values.
    fn drop_until(&mut self, target: usize, keep: Keep) -> u64 {
        let mut dropped = 0u64;
        let excess = |held: &Self| held.bytes().saturating_sub(target);
        let of_due = self.due.bytes().saturating_sub(excess(self));
        dropped = dropped.saturating_add(self.due.drop_until(of_due, keep));
        let of_pending = self.pending.bytes().saturating_sub(excess(self));
        dropped = dropped.saturating_add(self.pending.drop_until(of_pending, keep));
        let of_later = self.later.bytes().saturating_sub(excess(self));
        dropped.saturating_add(self.later.drop_until(of_later, keep))
    }

    /// Returns the number of values.
    pub(super) fn samples(&self) -> u64 {
        self.pending.samples().saturating_add(self.later.samples()).saturating_add(self.due.samples())
    }

    /// Returns the approximate memory size in bytes.
    pub(super) fn bytes(&self) -> usize {
        let data = self.pending.bytes().saturating_add(self.later.bytes()).saturating_add(self.due.bytes());
        data.saturating_add(self.gauges.bytes())
    }
}

impl Release {
    /// Returns whether it takes the data of a group.
    fn takes(&self, key: &PeriodKey, group: &Group, cut: Option<Timestamp>) -> bool {
        let end = group.distributions.iter().map(|(metric, _)| key.end(metric)).max().unwrap_or(key.start);
        let since = cut.filter(|cut| key.start < *cut && *cut < end).unwrap_or(key.start);
        let interval = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX);
        let is_part_long_enough = interval < end.millis_since(key.start) && self.at.millis_since(since) >= interval;
        // Posts may state a later time, and the host's clock may have been wrong. Such data are not held until that
        // time.
        let is_ahead = key.start.millis_since(self.at) > AHEAD_MILLIS;
        self.takes_all || self.at.millis_since(end) >= SETTLING_MILLIS || is_part_long_enough || is_ahead
    }
}

/// Returns a function that adds a value to an accumulator.
fn file_into(accumulator: &mut Accumulator) -> impl FnMut(PeriodKey, &Dimensions, &Metric, &Distribution) {
    |key, dimensions, metric, distribution| accumulator.file(key, dimensions, metric, distribution)
}
