//! Envoy's own stats, by its admin interface.
//!
//! A round asks `/stats?format=json` once for each type of stats that the rules name, since the JSON does not tell counters
//! from gauges: gauges first, since they show the names of clusters and connection managers ([`names`]). It asks always with a filter: Envoy walks all its stats on its main thread, and what the filter leaves out is
//! neither written nor read. Of histograms it asks for `histogram_buckets=detailed`: Envoy's own log-linear buckets, of two
//! significant digits and without the empty ones. The text format for Prometheus has the 19 buckets of
//! `stats_config.histogram_bucket_settings` instead, each with all its labels, empty or not; and the sum that it tells is one
//! of middles of buckets too.
//!
//! Counters are there at once, histograms after a flush of Envoy's stats (`stats_flush_interval`, 5 s by default). Both are
//! taken as totals since they began, of which the receiver makes differences. So no flush is missed or counted twice, and
//! what is not published in one round is in the next.

pub mod baseline;
pub mod known_names;
pub mod presets;
pub mod rule;
pub mod stat_pattern;
pub mod stats_response;

mod config;

use acpw_metric::{Accumulator, Namespace, Now, Timestamp};
use percent_encoding::utf8_percent_encode;

use baseline::Baseline;
pub use config::RawEnvoyStats;
use known_names::{Ambiguity, KnownNames, NameScope};
use rule::{StatType, StatsRule};
use stat_pattern::AmbiguousStat;
use stats_response::{Stat, StatBucket, StatsResponse};

use super::{SourceCounts, remark::Remarks};
use crate::{call::Response, percent::RESERVED};

/// What it is to add to a series, in bytes that are read.
const SERIES_WORK: usize = 256;

/// The receiver's own counter of answers of sources, as Envoy tells it: it outlives a receiver that has failed.
const ANSWERS: &str = "wasmcustom.acpw.receiver.sources.answers";

/// How many names without a gauge are remembered from one round to the next, so that one that has only just come is not
/// logged.
const UNKNOWN_NAMES: usize = 16;

/// Envoy's own stats.
#[derive(Debug)]
pub struct EnvoyStats {
    rules: Vec<StatsRule>,
    namespace: Option<Namespace>,
    counters: Baseline,
    histograms: Baseline,
    limit: usize,
    /// How many gauges there were in this answer.
    gauges: usize,
    /// Whether no answer has been read yet.
    is_first: bool,
    /// What is to be asked next in this round.
    next: Option<StatType>,
    reading: Option<OpenResponse>,
    names: KnownNames,
    /// KnownNames that no gauge shows, of this round and of the one before.
    unknown: [Vec<String>; 2],
    remarks: Remarks,
}

/// An answer that is read.
#[derive(Debug)]
struct OpenResponse {
    kind: StatType,
    answer: StatsResponse,
    time: Timestamp,
    /// Whether it is read for the names that it shows; it is read again for its values.
    is_for_names: bool,
}

impl EnvoyStats {
    /// Nothing is known yet. Of each type at most `limit` stats are heeded; data go to `namespace`, or the receiver's.
    pub fn new(rules: Vec<StatsRule>, limit: usize, namespace: Option<Namespace>) -> Self {
        Self {
            rules,
            namespace,
            counters: Baseline::new(limit),
            histograms: Baseline::new(limit),
            limit,
            gauges: 0,
            is_first: true,
            next: Some(StatType::FIRST),
            reading: None,
            names: KnownNames::default(),
            unknown: Default::default(),
            remarks: Remarks::default(),
        }
    }

    pub(super) fn next_path(&mut self) -> Option<String> {
        loop {
            let Some(kind) = self.next else {
                self.next = Some(StatType::FIRST);
                self.unknown.swap(0, 1);
                self.unknown[0].clear();
                return None;
            };
            if let Some(path) = self.path(kind) {
                return Some(path);
            }
            self.next = kind.next();
        }
    }

    pub(super) fn handle_answer(&mut self, answer: Response, now: Now) -> Result<(), String> {
        let kind = self.next.replace(StatType::FIRST).unwrap_or(StatType::FIRST);
        let answer = match answer {
            Response::Complete { status: 200, body, .. } => StatsResponse::new(body)?,
            Response::Complete { status, body, .. } => {
                return Err(format!("the status is {status}: {}", String::from_utf8_lossy(&body)));
            }
            Response::Missing(reason) => return Err(reason),
        };
        self.next = kind.next();
        self.gauges = 0;
        let is_for_names = kind == StatType::Gauge && self.scopes().next().is_some();
        if is_for_names {
            self.names = KnownNames::default();
        }
        self.reading = Some(OpenResponse { kind, answer, time: now.wall, is_for_names });
        Ok(())
    }

    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    pub(super) fn read(
        &mut self,
        budget: &mut usize,
        data: &mut Accumulator,
        counts: &mut SourceCounts,
    ) -> Result<(), String> {
        let Some(mut reading) = self.reading.take() else { return Ok(()) };
        let kind = reading.kind;
        if kind == StatType::Counter && std::mem::take(&mut self.is_first) {
            self.begin(&reading.answer, counts);
        }
        while *budget > 0 {
            let stat = match reading.answer.next_stat() {
                Ok(Some((stat, taken))) => {
                    *budget = budget.saturating_sub(taken);
                    stat
                }
                Ok(None) if std::mem::take(&mut reading.is_for_names) => {
                    reading.answer.rewind();
                    continue;
                }
                Ok(None) => {
                    match kind {
                        StatType::Counter => self.counters.end(),
                        StatType::Gauge => {}
                        StatType::Histogram => self.histograms.end(),
                    }
                    return Ok(());
                }
                Err(reason) => {
                    self.next = Some(StatType::FIRST);
                    return Err(reason.to_owned());
                }
            };
            if reading.is_for_names {
                let is_left_out = self.names.take(&stat.name, self.limit);
                counts.over_limit = counts.over_limit.saturating_add(is_left_out.into());
            } else {
                let work = self.apply(kind, stat, reading.time, data, counts);
                *budget = budget.saturating_sub(work);
            }
        }
        self.reading = Some(reading);
        Ok(())
    }

    pub(super) fn poll_remark(&mut self) -> Option<String> {
        self.remarks.poll()
    }

    /// Adds what a stat says to the series of the rules that it is for. Returns how much work that was, in bytes to read.
    fn apply(
        &mut self,
        kind: StatType,
        stat: Stat,
        time: Timestamp,
        data: &mut Accumulator,
        counts: &mut SourceCounts,
    ) -> usize {
        let mut matches = Vec::new();
        let mut uncertain = None;
        for rule in self.rules.iter().filter(|rule| rule.kind == kind) {
            match rule.pattern.values(&stat.name, &self.names) {
                Ok(Some(values)) => matches.push((rule, values)),
                Ok(None) => {}
                Err(name) => uncertain = Some(name),
            }
        }
        if let Some(uncertain) = uncertain {
            counts.gaps = counts.gaps.saturating_add(1);
            remark(&uncertain, &stat.name, &mut self.unknown, &mut self.remarks);
        }
        if matches.is_empty() {
            return 0;
        }
        let increase = match (kind, stat.value, stat.totals) {
            // It begins anew, or has not begun.
            (StatType::Counter, Some(0), _) => None,
            (StatType::Counter, Some(total), _) => {
                self.counters.increase(&stat.name, StatBucket::of_counter(total), counts)
            }
            (StatType::Gauge, Some(_), _) if self.gauges >= self.limit => {
                counts.over_limit = counts.over_limit.saturating_add(1);
                None
            }
            (StatType::Gauge, Some(level), _) => {
                self.gauges = self.gauges.saturating_add(1);
                Some(vec![StatBucket { lower_bound: level as f64, width: 0.0, count: 1 }])
            }
            (StatType::Histogram, _, Some(totals)) => self.histograms.increase(&stat.name, totals, counts),
            (StatType::Counter | StatType::Gauge, None, _) | (StatType::Histogram, _, None) => {
                counts.gaps = counts.gaps.saturating_add(1);
                None
            }
        };
        let Some(increase) = increase else { return 0 };
        let mut series = 0usize;
        for (rule, values) in matches {
            series = series.saturating_add(rule.apply(&values, &increase, time, self.namespace.as_ref(), data));
        }
        series.saturating_mul(SERIES_WORK)
    }

    /// In Envoy's first answer all counts from zero, when this is the first receiver since Envoy started. An earlier one
    /// that has failed has published some of it, and the admin interface of another Envoy tells of times before this one:
    /// then the first answer is only what the next one is compared with.
    fn begin(&mut self, answer: &StatsResponse, counts: &SourceCounts) {
        if answer.find(ANSWERS).is_some_and(|answers| answers <= counts.answers) {
            self.counters.begin_from_zero();
            self.histograms.begin_from_zero();
        }
    }

    /// The kinds of names that rules have, each once.
    fn scopes(&self) -> impl Iterator<Item = NameScope> {
        let has = |scope: &NameScope| self.rules.iter().any(|rule| rule.pattern.scope() == Some(*scope));
        NameScope::ALL.into_iter().filter(has)
    }

    /// Returns what to ask of stats of this type, if rules need some.
    fn path(&self, kind: StatType) -> Option<String> {
        let asks_first = self.is_first && kind == StatType::Counter;
        let mut filter = String::new();
        let mut separator = "^(?:";
        for rule in self.rules.iter().filter(|rule| rule.kind == kind) {
            filter.push_str(separator);
            rule.pattern.write_regex(&mut filter);
            separator = "|";
        }
        for scope in self.scopes().filter(|_| kind == StatType::Gauge) {
            filter.push_str(separator);
            stat_pattern::write_literal(scope.head(), &mut filter);
            filter.push_str(".*");
            stat_pattern::write_literal(scope.gauge(), &mut filter);
            separator = "|";
        }
        if asks_first {
            filter.push_str(separator);
            filter.push_str(ANSWERS);
        } else if filter.is_empty() {
            return None;
        }
        filter.push_str(")$");
        let mut path = format!("/stats?format=json&type={}", kind.name());
        match kind {
            // A counter that has not counted is left out; but not the receiver's own in the first round.
            StatType::Counter if !asks_first => path.push_str("&usedonly"),
            StatType::Histogram => path.push_str("&usedonly&histogram_buckets=detailed"),
            StatType::Counter | StatType::Gauge => {}
        }
        path.push_str("&filter=");
        path.extend(utf8_percent_encode(&filter, RESERVED));
        Some(path)
    }
}

/// Remarks on a stat that is left out since the name in it is uncertain.
fn remark(uncertain: &AmbiguousStat<'_>, stat: &str, unknown: &mut [Vec<String>; 2], remarks: &mut Remarks) {
    let AmbiguousStat { scope, text, ambiguity } = *uncertain;
    match ambiguity {
        Ambiguity::Shared => remarks.once("shared", || {
            let (owner, part) = text.rsplit_once('.').unwrap_or_default();
            format!(
                "{stat:?} is left out: {text:?} is a cluster, and {part:?} is also where Envoy counts requests of another \
                 one, such as {owner:?}, so it has the requests of both. Set alt_stat_name in one of them"
            )
        }),
        Ambiguity::Unknown => {
            let [now, before] = unknown;
            if before.iter().any(|name| name == text) {
                let (head, gauge) = (scope.head(), scope.gauge());
                remarks.once(head, || {
                    format!(
                        "{stat:?} is left out: its name has dots, and without a gauge \"{head}NAME{gauge}\" its end is \
                         not known. Let Envoy keep that gauge (stats_config.stats_matcher)"
                    )
                });
            }
            if now.len() < UNKNOWN_NAMES && !now.iter().any(|name| name == text) {
                now.push(text.to_owned());
            }
        }
    }
}
