//! From readings to data: what rules make of a target's series, round by round.

mod doubt;
mod finish;
mod increase;
mod names;
mod parts;
mod process;
mod rule_use;
mod series;
mod steadiness;

#[cfg(test)]
mod tests;

use std::{hash::BuildHasher, rc::Rc, time::Duration};

use acpw_metric::{Map, Namespace, Now, RandomState, Timestamp};

use self::{
    doubt::Doubt,
    finish::Step,
    names::Names,
    process::Process,
    rule_use::{RuleUse, missing_labels},
    series::{Series, SeriesKey, Target, TargetKey},
};
use super::{
    SourceCounts,
    reading::{Kind, Label, Part, Reading, Sink, Skipped, Wanted},
    remark::Remarks,
    rule::Rule,
};

/// The work of registering a series and of taking in a reading by a rule, in bytes that could have
/// been read.
const SERIES_WORK: usize = 128;
const READING_WORK: usize = 4;

/// The number of rounds in which a target is new.
const NEW_ROUNDS: u64 = 4;

/// Makes data of the readings of one target: [`begin`](Self::begin), then an
/// [`Exposition`](super::scrape::exposition) that has it as its sink, then [`finish`](Self::finish)
/// until it returns true, which gives the data of that answer.
///
/// - Counters, histograms and summaries are published by what came to them since the last round.
///   The first time gives nothing, unless the target says that the series began after the last
///   round's answer was asked for. One that has gone back gives nothing either, and counts on from there: Prometheus'
///   `increase` takes all it says as new, which is too much whenever the target went back by
///   anything but a restart.
/// - Increases are held back, and published later, while it is not clear that one process answers:
///   see `Steadiness` and `Process`. Where several answer in turn, none
///   is published.
/// - Series that a rule does not tell apart are published together. Sums of increases are of those
///   increases that are known. A sum of gauges of which one is not known is not published.
/// - What is not published for such a reason is a gap, and counted.
/// - A series that is missing once is compared with what it said before. One that is missing twice
///   is forgotten.
#[derive(Debug)]
pub struct Collector {
    rules: Rc<[Rule]>,
    namespace: Option<Namespace>,
    max_series: usize,
    hasher: RandomState,
    names: Names,
    series: Map<SeriesKey, Series>,
    targets: Map<TargetKey, Target>,
    /// How many series were missing in the last round and are in this one so far.
    missing: usize,
    round: u64,
    now: Timestamp,
    /// When this round's answer was asked for.
    asked: Timestamp,
    /// When the answer of the last round that came to its end was asked for. The target has written
    /// it since.
    last: Option<Timestamp>,
    step: Step,
    process: Process,
    doubt: Doubt,
    /// About the first line of this round's answer that cannot be read, of a metric that is wanted,
    /// and of nobody knows which.
    skipped: Option<String>,
    skipped_unnamed: Option<String>,
    /// For each rule; empty once they have been looked at.
    uses: Vec<RuleUse>,
    work: usize,
    counts: SourceCounts,
    remarks: Remarks,
}

impl Collector {
    /// Returns one that knows no series yet and remembers at most `max_series`; data go to
    /// `namespace`, or to the receiver's.
    pub fn new(rules: Vec<Rule>, max_series: usize, namespace: Option<Namespace>) -> Self {
        Self {
            uses: vec![RuleUse::default(); rules.len()],
            rules: rules.into(),
            namespace,
            max_series,
            hasher: RandomState::default(),
            names: Names::default(),
            series: Map::default(),
            targets: Map::default(),
            missing: 0,
            round: 0,
            now: Timestamp::default(),
            asked: Timestamp::default(),
            last: None,
            step: Step::default(),
            process: Process::default(),
            doubt: Doubt::default(),
            skipped: None,
            skipped_unnamed: None,
            work: 0,
            counts: SourceCounts::default(),
            remarks: Remarks::default(),
        }
    }

    /// Begins a round: an answer that arrived now, `waited` after it was asked for.
    pub fn begin(&mut self, now: Now, waited: Duration) {
        self.round = self.round.saturating_add(1);
        self.now = now.wall;
        self.asked = now.wall.shifted(i64::try_from(waited.as_millis()).map_or(i64::MIN, i64::saturating_neg));
        self.step = Step::default();
        self.names.begin();
        self.process.begin();
        self.doubt.clear();
        (self.skipped, self.skipped_unnamed) = (None, None);
    }

    /// Returns the rules for which the first answer had no metric, once: as indexes and patterns.
    pub fn take_unused_rules(&mut self) -> Vec<(usize, String)> {
        let uses = std::mem::take(&mut self.uses);
        let rules = (0..).zip(self.rules.iter());
        if let Some(remark) = missing_labels(&self.rules, &uses) {
            self.remarks.once("labels", || remark);
        }
        let unused = rules.zip(uses).filter(|(_, used)| !used.has_matched());
        unused.map(|((index, rule), _)| (index, rule.metric.as_str().to_owned())).collect()
    }

    /// Adds a remark for the operator, unless there has been one of its kind.
    pub fn remark(&mut self, kind: &'static str, text: impl FnOnce() -> String) {
        self.remarks.once(kind, text);
    }

    /// Takes the next remark for the operator.
    pub fn poll_remark(&mut self) -> Option<String> {
        self.remarks.poll()
    }

    /// Takes what was counted since it was last taken.
    pub fn take_counts(&mut self) -> SourceCounts {
        std::mem::take(&mut self.counts)
    }

    fn take_for(&mut self, rule: usize, name: u64, hash: u64, reading: &Reading<'_>) {
        let Some(kind) = self.rules.get(rule).map(|rule| rule.kind_of(reading.kind)) else { return };
        self.work = self.work.saturating_add(READING_WORK);
        let key = (rule, hash);
        let is_main = matches!(reading.part, Part::Value(_) | Part::Count(_));
        let is_full = self.series.len().saturating_sub(self.missing) >= self.max_series;
        if let Some(series) = self.series.get_mut(&key) {
            if series.kind != kind {
                if std::mem::replace(&mut series.other_kind, self.round) != self.round {
                    if let Some((_, target)) = self.targets.get_index_mut(series.target) {
                        target.is_broken |= series.kind == Kind::Gauge;
                    }
                    self.counts.gaps = self.counts.gaps.saturating_add(1);
                    self.remarks.once("type", || {
                        format!("the type of \"{}\" differs from one answer to the next; set metric_type", reading.name)
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

    /// Registers a series that was not there before, if there is room and it is to be published.
    fn register(&mut self, key: SeriesKey, name: u64, kind: Kind, reading: &Reading<'_>, is_full: bool, is_main: bool) {
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
                format!("rules[{index}]: CloudWatch takes no metric of the name \"{}\"; set name", reading.name)
            });
            return;
        };
        let target = (index, metric, dimensions);
        if is_full {
            self.counts.over_limit = self.counts.over_limit.saturating_add(u64::from(is_main));
            let max_series = self.max_series;
            self.remarks.once("limit", || {
                format!(
                    "it has more than max_series ({max_series}) series that rules want; others are left out, and so are sums \
                     that need them. Raise max_series, or have the rules want fewer"
                )
            });
            // Without this series it is not what it is meant to be.
            if let Some(target) = self.targets.get_mut(&target) {
                target.is_broken |= target.series > 0;
            }
            return;
        }
        let entry = self.targets.entry(target);
        let target_index = entry.index();
        let target = entry.or_insert_with(|| Target::new(kind));
        if target.series == 0 {
            target.kind = kind;
        }
        if target.kind != kind {
            target.is_broken = true;
            self.remarks.once("kinds", || {
                format!(
                    "rules[{index}]: \"{}\" is of another kind than other metrics that are published under the same name, \
                     such as a level beside increases; give it a rule with another name",
                    reading.name
                )
            });
            return;
        }
        target.series = target.series.saturating_add(1);
        let is_target_known = self.process.is_known() || self.round > NEW_ROUNDS;
        let mut series = Series::new(kind, name, target_index, is_target_known);
        series.round = self.round;
        series.parts.add(reading.part);
        self.series.insert(key, series);
    }
}

impl Sink for Collector {
    fn wants(&mut self, name: &str) -> Wanted {
        self.names.look_up(name, &self.rules, &mut self.work).wanted()
    }

    fn take(&mut self, reading: &Reading<'_>) {
        let found = self.names.look_up(reading.name, &self.rules, &mut self.work);
        let Some(rules) = found.rules else { return };
        let hash = hash_of(&self.hasher, found.name, reading.labels);
        for rule in rules.iter() {
            self.take_for(*rule, found.name, hash, reading);
        }
    }

    fn skip(&mut self, skipped: &Skipped<'_>) {
        let Skipped { number, name, is_series_known, reason, text } = *skipped;
        self.counts.skipped_lines = self.counts.skipped_lines.saturating_add(1);
        if !is_series_known {
            let found = name.map(|name| self.names.look_up(name, &self.rules, &mut self.work));
            self.doubt.add(found.as_ref().map(|found| found.name));
            self.counts.gaps = self.counts.gaps.saturating_add(u64::from(name.is_some()));
            for rule in found.and_then(|found| found.rules).iter().flat_map(|rules| rules.iter()) {
                if let Some(used) = self.uses.get_mut(*rule) {
                    used.note_name();
                }
            }
        }
        let skipped = if name.is_some() { &mut self.skipped } else { &mut self.skipped_unnamed };
        if skipped.is_none() {
            *skipped = Some(format!("line {number} is skipped, since {reason}: {text}"));
        }
    }

    fn take_process_start(&mut self, seconds: f64) {
        self.process.take(seconds);
    }

    fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.work)
    }
}

/// Returns a hash of a series that does not depend on the order of its labels.
fn hash_of(hasher: &impl BuildHasher, name: u64, labels: &[Label<'_>]) -> u64 {
    let hash = |label: &Label<'_>| hasher.hash_one((&*label.name, &*label.value));
    let labels = labels.iter().map(hash).fold(0_u64, u64::wrapping_add);
    hasher.hash_one((name, labels))
}
