//! Finishes a round: computes changes and publishes data.

use acpw_metric::{Accumulator, Distribution, quota::MAX_VALUES_PER_DATUM};

use super::{
    Collector,
    increase::{Increase, increase},
    process::Verdict,
    reset_history::Movement,
};
use crate::source::{
    change::{Change, is_plausible},
    reading::SeriesKind,
    rule::Combine,
};

/// The cost of processing the change of a series, a bucket and a datum, as the number of bytes that could have been
/// parsed in the same time.
const CHANGE_WORK: usize = 16;
const BUCKET_WORK: usize = 2;
const DATUM_WORK: usize = 64;

/// A step of finishing a round, with the index at which it continues.
#[derive(Clone, Copy, Debug)]
pub(super) enum FinishStep {
    /// Compares all series with the previous round.
    Compare(usize, Comparison),
    /// Processes the changes of series and removes those that are gone.
    Change(usize, Verdict),
    /// Publishes the output series.
    Publish(usize),
}

/// A summary of how totals have changed since the previous round.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Comparison {
    /// The number of totals that have ever changed.
    moved: usize,
    /// The number of these that have decreased in this round.
    back: usize,
    /// The number of these that decrease repeatedly.
    flipping: usize,
}

impl Default for FinishStep {
    fn default() -> Self {
        Self::Compare(0, Comparison::default())
    }
}

impl Collector {
    /// Finishes the round and adds its data to `data`. Stops when `budget` is spent, and subtracts the cost from it.
    /// Returns true when done; otherwise, call it again.
    pub fn finish(&mut self, budget: &mut usize, data: &mut Accumulator) -> bool {
        while *budget > 0 {
            let work = match self.step {
                FinishStep::Compare(index, comparison) => match self.compare(index, comparison) {
                    Some(work) => work,
                    None => {
                        self.step = FinishStep::Change(0, self.judge(comparison));
                        1
                    }
                },
                FinishStep::Change(index, verdict) => match self.change(index, verdict) {
                    Some(work) => work,
                    None => {
                        let work = self.forget_outputs();
                        self.step = FinishStep::Publish(0);
                        work
                    }
                },
                FinishStep::Publish(index) => match self.publish(index, data) {
                    Some(work) => work,
                    None => {
                        self.last = Some(self.requested_at);
                        self.step = FinishStep::default();
                        return true;
                    }
                },
            };
            *budget = budget.saturating_sub(work);
        }
        false
    }

    /// Compares a series with the previous round. Returns the cost, or `None` after the last series.
    fn compare(&mut self, index: usize, mut comparison: Comparison) -> Option<usize> {
        let (_, series) = self.series.get_index_mut(index)?;
        let mut work = CHANGE_WORK;
        if series.round == self.round {
            series.parts.sort();
            series.is_plausible = series.parts.value(series.kind).as_ref().is_some_and(is_plausible);
            work = work.saturating_add(series.parts.buckets().saturating_mul(BUCKET_WORK));
            if let Some(total) = series.total() {
                let movement = series.resets.movement(total);
                comparison.moved += usize::from(series.resets.has_moved(total));
                comparison.back += usize::from(movement == Movement::Back);
                comparison.flipping += usize::from(series.resets.is_flipping(movement));
            }
        } else if series.kind == SeriesKind::Gauge
            && self.unreadable.may_hide(series.name)
            && let Some((_, output)) = self.outputs.get_index_mut(series.output)
        {
            output.is_broken = true;
        }
        self.step = FinishStep::Compare(index.saturating_add(1), comparison);
        Some(work)
    }

    /// Judges which process this round's response is from.
    fn judge(&mut self, Comparison { moved, back, flipping }: Comparison) -> Verdict {
        for (kind, remark) in [("line", self.skipped.take()), ("unnamed line", self.skipped_unnamed.take())] {
            if let Some(remark) = remark {
                self.remarks.once(kind, || remark);
            }
        }
        let is_most = |part: usize| part.saturating_mul(2) > moved;
        let verdict = match self.process.judge(is_most(back)) {
            Verdict::Unknown if is_most(back) => Verdict::Unsettled,
            verdict => verdict,
        };
        if verdict == Verdict::Alternating || is_most(flipping) {
            self.remarks.once("several", || {
                "the cluster has several endpoints, or its endpoint restarts repeatedly: counters go back and forth, and \
                 none is published. Configure a cluster and a scrape for each endpoint"
                    .to_owned()
            });
            return Verdict::Alternating;
        }
        if flipping > 0 {
            self.remarks.once("flipping", || {
                "a counter goes back and forth and is not published. If it is a gauge, set metric_type to gauge"
                    .to_owned()
            });
        }
        verdict
    }

    /// Processes the change of a series, or removes it. Returns the cost, or `None` after the last series.
    fn change(&mut self, index: usize, verdict: Verdict) -> Option<usize> {
        let (_, series) = self.series.get_index(index)?;
        let output = series.output;
        let mut work = CHANGE_WORK;
        let mut next = index.saturating_add(1);
        if series.round == self.round {
            work = work.saturating_add(series.parts.buckets().saturating_mul(BUCKET_WORK));
            self.process_change(index, verdict);
        } else if series.is_missing {
            self.missing = self.missing.saturating_sub(1);
            if let Some((_, output)) = self.outputs.get_index_mut(output) {
                output.series = output.series.saturating_sub(1);
            }
            // The last series is at this index now.
            self.series.swap_remove_index(index);
            next = index;
        } else if let Some((_, series)) = self.series.get_index_mut(index) {
            series.is_missing = true;
            self.missing = self.missing.saturating_add(1);
        }
        self.step = FinishStep::Change(next, verdict);
        Some(work)
    }

    fn process_change(&mut self, index: usize, verdict: Verdict) {
        let Some(((rule, _), series)) = self.series.get_index_mut(index) else { return };
        let Some(rule) = self.rules.get(*rule) else { return };
        let Some((_, output)) = self.outputs.get_index_mut(series.output) else { return };
        let round = self.last.map(|last| last.as_millis() as f64..=self.now.as_millis() as f64);
        let change = match series.kind {
            SeriesKind::Gauge | SeriesKind::Untyped => {
                output.is_broken |= rule.combine == Combine::Sum && self.unreadable.is_unexplained(series.name);
                let value = series.parts.value(series.kind).filter(|_| series.is_plausible);
                match value.and_then(|value| series.previous.change(&value, false, rule.scale)) {
                    None => {
                        output.is_broken = true;
                        return;
                    }
                    change => change,
                }
            }
            SeriesKind::Counter | SeriesKind::Histogram | SeriesKind::Summary => {
                match increase(series, verdict, rule.scale, round) {
                    Increase::HeldBack => return,
                    Increase::Known(change) => Some(change),
                    Increase::Unknown => None,
                }
            }
        };
        match change {
            None => self.counts.gaps = self.counts.gaps.saturating_add(1),
            Some(Change::Nothing) => {}
            Some(Change::Distribution(values)) => output.values.merge(&values),
            Some(Change::Value(value)) if series.kind == SeriesKind::Gauge && rule.combine == Combine::Samples => {
                let mut one = Distribution::exact(MAX_VALUES_PER_DATUM as u32);
                output.is_broken |= !one.record(value);
                output.values.merge(&one);
            }
            Some(Change::Value(value)) => output.sum = Some(output.sum.unwrap_or(0.0) + value),
        }
    }

    /// Publishes an output series. Returns the cost, or `None` after the last one.
    fn publish(&mut self, index: usize, data: &mut Accumulator) -> Option<usize> {
        let ((_, metric, dimensions), output) = self.outputs.get_index_mut(index)?;
        self.step = FinishStep::Publish(index.saturating_add(1));
        let values = std::mem::take(&mut output.values);
        let sum = output.sum.take();
        if std::mem::take(&mut output.is_broken) {
            self.counts.gaps = self.counts.gaps.saturating_add(1);
            return Some(DATUM_WORK);
        }
        let mut summed = Distribution::exact(MAX_VALUES_PER_DATUM as u32);
        if sum.is_some_and(|sum| !summed.record(sum)) {
            self.counts.gaps = self.counts.gaps.saturating_add(1);
        }
        for distribution in [&values, &summed] {
            data.add(self.now, self.namespace.clone(), dimensions, metric, distribution);
        }
        Some(DATUM_WORK)
    }

    /// Removes output series without source series once they are half of all. Returns the cost.
    fn forget_outputs(&mut self) -> usize {
        let unused = self.outputs.values().filter(|output| output.series == 0).count();
        if unused.saturating_mul(2) < self.outputs.len().max(1) {
            return self.outputs.len();
        }
        let mut kept = 0_usize;
        let indexes: Vec<_> = self
            .outputs
            .values()
            .map(|output| {
                let index = kept;
                kept = kept.saturating_add(usize::from(output.series > 0));
                index
            })
            .collect();
        let work = self.outputs.len().saturating_add(self.series.len());
        self.outputs.retain(|_, output| output.series > 0);
        for series in self.series.values_mut() {
            series.output = indexes.get(series.output).copied().unwrap_or(usize::MAX);
        }
        work
    }
}
