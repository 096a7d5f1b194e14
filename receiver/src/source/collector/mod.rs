//! Turns the readings of a target into data, round by round, according to its rules.

mod finish;
mod increase;
mod match_cache;
mod parts;
mod process;
mod reset_history;
mod rule_use;
mod series;
mod unreadable_names;

#[cfg(test)]
mod tests;

use std::{hash::BuildHasher, rc::Rc, time::Duration};

use acpw_metric::{Map, Namespace, Now, RandomState, Timestamp};

use self::{
    finish::FinishStep,
    match_cache::MatchCache,
    process::ProcessTracker,
    rule_use::{RuleUse, missing_labels},
    series::{OutputKey, OutputSeries, SeriesKey, SourceSeries},
    unreadable_names::UnreadableNames,
};
#[cfg(not(target_arch = "wasm32"))]
use super::published_metric::PublishedMetric;
use super::{
    SourceCounts,
    reading::{Label, Part, Reading, SeriesKind, Sink, Skipped, Wanted},
    remark::Remarks,
    rule::Rule,
};

/// The cost of registering a series and of processing a reading for a rule, as the number of bytes that could have been
/// parsed in the same time.
const SERIES_WORK: usize = 128;
const READING_WORK: usize = 4;

/// The number of rounds during which a target counts as new.
const NEW_ROUNDS: u64 = 4;

/// Collects the readings of one target and turns them into data.
///
/// In each round, call [`begin`](Self::begin), pass the collector as the sink to an
/// [`Exposition`](super::scrape::exposition::Exposition), and call [`finish`](Self::finish) until it returns true.
///
/// - Counters, histograms and summaries are published as their increase since the previous round. The first round gives
///   no increase, unless the target says that the series started after the previous response was requested. A series
///   that went back gives no increase either, and continues from there. (Prometheus' `increase` counts the whole new
///   value, which is too much unless the target has restarted.)
/// - Increases are held back and published later while it is unclear if all responses are from one process: see
///   `ResetHistory` and `ProcessTracker`. If several processes respond in turn, no increase is published.
/// - Series that a rule does not distinguish are published together. A sum of increases contains the known ones. A sum
///   of gauges is not published if one of them is unknown.
/// - A value that is not published for one of these reasons is counted as a gap.
/// - A series that is missing in one round is compared with the round before. One that is missing twice is removed.
#[derive(Debug)]
pub struct Collector {
    rules: Rc<[Rule]>,
    namespace: Option<Namespace>,
    max_series: usize,
    hasher: RandomState,
    matches: MatchCache,
    series: Map<SeriesKey, SourceSeries>,
    outputs: Map<OutputKey, OutputSeries>,
    /// The number of series that were missing in the previous round and have not appeared in this one so far.
    missing: usize,
    round: u64,
    now: Timestamp,
    /// The time at which this round's response was requested.
    requested_at: Timestamp,
    /// The time at which the response of the last finished round was requested. The target has written it since.
    last: Option<Timestamp>,
    step: FinishStep,
    process: ProcessTracker,
    unreadable: UnreadableNames,
    /// Remarks about the first line of this round that cannot be parsed: with a wanted name, and without a valid name.
    skipped: Option<String>,
    skipped_unnamed: Option<String>,
    /// The use of each rule in the first round; empty afterwards.
    uses: Vec<RuleUse>,
    work: usize,
    counts: SourceCounts,
    remarks: Remarks,
}

impl Collector {
    /// Creates a collector for at most `max_series` series. Data is published to `namespace`, or to the receiver's
    /// namespace if it is `None`.
    pub fn new(rules: Vec<Rule>, max_series: usize, namespace: Option<Namespace>) -> Self {
        Self {
            uses: vec![RuleUse::default(); rules.len()],
            rules: rules.into(),
            namespace,
            max_series,
            hasher: RandomState::default(),
            matches: MatchCache::default(),
            series: Map::default(),
            outputs: Map::default(),
            missing: 0,
            round: 0,
            now: Timestamp::default(),
            requested_at: Timestamp::default(),
            last: None,
            step: FinishStep::default(),
            process: ProcessTracker::default(),
            unreadable: UnreadableNames::default(),
            skipped: None,
            skipped_unnamed: None,
            work: 0,
            counts: SourceCounts::default(),
            remarks: Remarks::default(),
        }
    }

    /// Returns the metrics that the rules publish.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn published(&self) -> Vec<PublishedMetric> {
        self.rules.iter().map(|rule| rule.published_metric(self.namespace.as_ref())).collect()
    }

    /// Begins a round with a response that arrived at `now`, `waited` after it was requested.
    pub fn begin(&mut self, now: Now, waited: Duration) {
        self.round = self.round.saturating_add(1);
        self.now = now.wall;
        self.requested_at = now.wall.shifted(i64::try_from(waited.as_millis()).map_or(i64::MIN, i64::saturating_neg));
        self.step = FinishStep::default();
        self.matches.begin();
        self.process.begin();
        self.unreadable.clear();
        (self.skipped, self.skipped_unnamed) = (None, None);
    }

    /// Returns the indexes and patterns of the rules that match no metric of the first response. Later calls return
    /// nothing.
    pub fn take_unused_rules(&mut self) -> Vec<(usize, String)> {
        let uses = std::mem::take(&mut self.uses);
        let rules = (0..).zip(self.rules.iter());
        if let Some(remark) = missing_labels(&self.rules, &uses) {
            self.remarks.once("labels", || remark);
        }
        let unused = rules.zip(uses).filter(|(_, used)| !used.has_matched());
        unused.map(|((index, rule), _)| (index, rule.metric.as_str().to_owned())).collect()
    }

    /// Adds a remark for the operator unless there was already one of its kind.
    pub fn remark(&mut self, kind: &'static str, text: impl FnOnce() -> String) {
        self.remarks.once(kind, text);
    }

    /// Returns the next remark for the operator.
    pub fn poll_remark(&mut self) -> Option<String> {
        self.remarks.poll()
    }

    /// Returns the counters since the last call of this function.
    pub fn take_counts(&mut self) -> SourceCounts {
        std::mem::take(&mut self.counts)
    }

    /// Processes a reading for one of the rules that match it.
    fn accept_for(&mut self, rule: usize, name: u64, hash: u64, reading: &Reading<'_>) {
        let Some(kind) = self.rules.get(rule).map(|rule| rule.kind_of(reading.kind)) else { return };
        self.work = self.work.saturating_add(READING_WORK);
        let key = (rule, hash);
        let is_main = matches!(reading.part, Part::Value(_) | Part::Count(_));
        let is_full = self.series.len().saturating_sub(self.missing) >= self.max_series;
        if let Some(series) = self.series.get_mut(&key) {
            if series.kind != kind {
                if std::mem::replace(&mut series.other_kind, self.round) != self.round {
                    if let Some((_, output)) = self.outputs.get_index_mut(series.output) {
                        output.is_broken |= series.kind == SeriesKind::Gauge;
                    }
                    self.counts.gaps = self.counts.gaps.saturating_add(1);
                    self.remarks.once("type", || {
                        format!("the type of \"{}\" differs between responses; set metric_type", reading.name)
                    });
                }
                return;
            }
            if series.round != self.round && !(series.is_missing && is_full) {
                self.missing = self.missing.saturating_sub(usize::from(std::mem::take(&mut series.is_missing)));
                series.round = self.round;
                series.parts.clear();
            }
            if series.round == self.round {
                series.parts.add(reading.part);
                return;
            }
        }
        self.register(key, name, kind, reading, is_full, is_main);
    }

    /// Registers a new series if there is room for it and the rule publishes it.
    fn register(
        &mut self,
        key: SeriesKey,
        name: u64,
        kind: SeriesKind,
        reading: &Reading<'_>,
        is_full: bool,
        is_main: bool,
    ) {
        self.work = self.work.saturating_add(SERIES_WORK);
        let (index, _) = key;
        let Some(rule) = self.rules.get(index) else { return };
        if let Some(used) = self.uses.get_mut(index) {
            used.note(rule, reading.name, reading.labels);
        }
        let Some(dimensions) = rule.dimensions_of(reading.labels) else { return };
        let Some(metric) = rule.published(reading.name, kind) else {
            self.counts.gaps = self.counts.gaps.saturating_add(u64::from(is_main));
            self.remarks.once("name", || {
                format!("rules[{index}]: \"{}\" is not a valid metric name in CloudWatch; set name", reading.name)
            });
            return;
        };
        let output = (index, metric, dimensions);
        if is_full {
            self.counts.over_limit = self.counts.over_limit.saturating_add(u64::from(is_main));
            let max_series = self.max_series;
            self.remarks.once("limit", || {
                format!(
                    "more than max_series ({max_series}) series match the rules; the others are ignored, and sums that need \
                     them are not published. Raise max_series, or make the rules match fewer series"
                )
            });
            // Without this series, a sum or distribution would be wrong.
            if let Some(output) = self.outputs.get_mut(&output) {
                output.is_broken |= output.series > 0;
            }
            return;
        }
        let entry = self.outputs.entry(output);
        let output_index = entry.index();
        let output = entry.or_insert_with(|| OutputSeries::new(kind));
        if output.series == 0 {
            output.kind = kind;
        }
        if output.kind != kind {
            output.is_broken = true;
            self.remarks.once("kinds", || {
                format!(
                    "rules[{index}]: \"{}\" has another type than other metrics that are published under the same name, \
                     such as a gauge and a counter; publish it with its own rule under another name",
                    reading.name
                )
            });
            return;
        }
        output.series = output.series.saturating_add(1);
        let is_target_known = self.process.is_known() || self.round > NEW_ROUNDS;
        let mut series = SourceSeries::new(kind, name, output_index, is_target_known);
        series.round = self.round;
        series.parts.add(reading.part);
        self.series.insert(key, series);
    }
}

impl Sink for Collector {
    fn wants(&mut self, name: &str) -> Wanted {
        self.matches.look_up(name, &self.rules, &mut self.work).wanted()
    }

    fn accept(&mut self, reading: &Reading<'_>) {
        let found = self.matches.look_up(reading.name, &self.rules, &mut self.work);
        let Some(rules) = found.rules else { return };
        let hash = hash_of(&self.hasher, found.name, reading.labels);
        for rule in rules.iter() {
            self.accept_for(*rule, found.name, hash, reading);
        }
    }

    fn skip(&mut self, skipped: &Skipped<'_>) {
        let Skipped { number, name, is_series_known, reason, text } = *skipped;
        self.counts.skipped_lines = self.counts.skipped_lines.saturating_add(1);
        if !is_series_known {
            let found = name.map(|name| self.matches.look_up(name, &self.rules, &mut self.work));
            self.unreadable.add(found.as_ref().map(|found| found.name));
            self.counts.gaps = self.counts.gaps.saturating_add(u64::from(name.is_some()));
            for rule in found.and_then(|found| found.rules).iter().flat_map(|rules| rules.iter()) {
                if let Some(used) = self.uses.get_mut(*rule) {
                    used.note_name();
                }
            }
        }
        let skipped = if name.is_some() { &mut self.skipped } else { &mut self.skipped_unnamed };
        if skipped.is_none() {
            *skipped = Some(format!("line {number} is skipped because {reason}: {text}"));
        }
    }

    fn set_process_start(&mut self, seconds: f64) {
        self.process.add_start(seconds);
    }

    fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.work)
    }
}

/// Returns a hash of a series that is independent of the order of its labels.
fn hash_of(hasher: &impl BuildHasher, name: u64, labels: &[Label<'_>]) -> u64 {
    let hash = |label: &Label<'_>| hasher.hash_one((&*label.name, &*label.value));
    let labels = labels.iter().map(hash).fold(0_u64, u64::wrapping_add);
    hasher.hash_one((name, labels))
}
