//! Envoy's own stats, from its admin interface.
//!
//! A round requests `/stats?format=json` once for each type of stats in the rules, because the JSON does not
//! distinguish counters from gauges. Gauges are first, because they show the names of clusters and connection managers
//! ([`known_names`]). Requests always have a filter: Envoy iterates over all stats on its main thread, and the filter
//! avoids writing and parsing unneeded ones.
//!
//! For histograms, a request has `histogram_buckets=detailed`, which returns Envoy's own log-linear buckets with two
//! significant digits and without empty buckets. The Prometheus text format would have the 19 buckets of
//! `stats_config.histogram_bucket_settings` instead, each with all labels, empty or not, and a sum estimated from the
//! middles of buckets.
//!
//! Counters are available immediately, histograms after a flush of Envoy's stats (`stats_flush_interval`, 5 s by
//! default). Both are totals since their creation, from which the receiver computes differences. No flush is missed or
//! counted twice, and an increase that is not published in one round is published in the next.

pub mod baseline;
pub mod known_names;
pub mod presets;
pub mod rule;
pub mod stat_pattern;
pub mod stats_response;

mod config;
#[cfg(not(target_arch = "wasm32"))]
mod published;

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

/// The cost of adding to a series, as the number of bytes that could have been parsed in the same time.
const SERIES_WORK: usize = 256;

/// Envoy's name of the receiver's counter of source responses. The counter outlives a receiver that has failed.
const RESPONSES_COUNTER: &str = "wasmcustom.acpw.receiver.sources.answers";

/// The maximum number of names without a gauge to remember for the next round. A name is logged only in its second
/// round, because its gauge may have been created after the gauges were read.
const MAX_UNKNOWN_NAMES: usize = 16;

/// Polls Envoy's own stats.
#[derive(Debug)]
pub struct EnvoyStats {
    rules: Vec<StatsRule>,
    namespace: Option<Namespace>,
    counters: Baseline,
    histograms: Baseline,
    limit: usize,
    /// The number of gauges in this response so far.
    gauges: usize,
    /// True until the first response is read.
    is_first: bool,
    /// The type of stats to request next in this round.
    next: Option<StatType>,
    response: Option<OpenResponse>,
    names: KnownNames,
    /// Names without a gauge, in this round and in the round before.
    unknown: [Vec<String>; 2],
    remarks: Remarks,
}

/// A response that is being parsed.
#[derive(Debug)]
struct OpenResponse {
    kind: StatType,
    answer: StatsResponse,
    time: Timestamp,
    /// True while it is parsed for the names in it. It is parsed again for its values.
    is_for_names: bool,
}

impl EnvoyStats {
    /// Creates a source that reads at most `limit` stats of each type. Data is published to `namespace`, or to the
    /// receiver's namespace if it is `None`.
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
            response: None,
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
                return Err(format!("it responds with status {status}: {}", String::from_utf8_lossy(&body)));
            }
            Response::Missing(reason) => return Err(reason),
        };
        self.next = kind.next();
        self.gauges = 0;
        let is_for_names = kind == StatType::Gauge && self.scopes().next().is_some();
        if is_for_names {
            self.names = KnownNames::default();
        }
        self.response = Some(OpenResponse { kind, answer, time: now.wall, is_for_names });
        Ok(())
    }

    pub(super) fn is_reading(&self) -> bool {
        self.response.is_some()
    }

    pub(super) fn read(
        &mut self,
        budget: &mut usize,
        data: &mut Accumulator,
        counts: &mut SourceCounts,
    ) -> Result<(), String> {
        let Some(mut reading) = self.response.take() else { return Ok(()) };
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
                        StatType::Counter => self.counters.end_round(),
                        StatType::Gauge => {}
                        StatType::Histogram => self.histograms.end_round(),
                    }
                    return Ok(());
                }
                Err(reason) => {
                    self.next = Some(StatType::FIRST);
                    return Err(reason.to_owned());
                }
            };
            if reading.is_for_names {
                let is_over_limit = self.names.add(&stat.name, self.limit);
                counts.over_limit = counts.over_limit.saturating_add(is_over_limit.into());
            } else {
                let work = self.apply(kind, stat, reading.time, data, counts);
                *budget = budget.saturating_sub(work);
            }
        }
        self.response = Some(reading);
        Ok(())
    }

    pub(super) fn poll_remark(&mut self) -> Option<String> {
        self.remarks.poll()
    }

    /// Adds the value of a stat to the series of the rules that match it. Returns the cost, in bytes.
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
            // The counter restarts or was not used.
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

    /// Decides if the totals of the first response count as increases. They do if this is the first receiver since
    /// Envoy started. If an earlier receiver has failed, it has published some of the totals; and if the admin
    /// interface is that of another Envoy, the totals are older than this one. Then the first response is only the
    /// baseline for the next.
    fn begin(&mut self, answer: &StatsResponse, counts: &SourceCounts) {
        if answer.find(RESPONSES_COUNTER).is_some_and(|answers| answers <= counts.answers) {
            self.counters.start_at_zero();
            self.histograms.start_at_zero();
        }
    }

    /// Returns the scopes of names in the rules, each once.
    fn scopes(&self) -> impl Iterator<Item = NameScope> {
        let has = |scope: &NameScope| self.rules.iter().any(|rule| rule.pattern.scope() == Some(*scope));
        NameScope::ALL.into_iter().filter(has)
    }

    /// Returns the path of the request for stats of this type, or `None` if no rule needs any.
    fn path(&self, kind: StatType) -> Option<String> {
        let needs_responses_counter = self.is_first && kind == StatType::Counter;
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
        if needs_responses_counter {
            filter.push_str(separator);
            filter.push_str(RESPONSES_COUNTER);
        } else if filter.is_empty() {
            return None;
        }
        filter.push_str(")$");
        let mut path = format!("/stats?format=json&type={}", kind.name());
        match kind {
            // `usedonly` excludes counters that were never incremented. In the first round, the receiver's own may be
            // such.
            StatType::Counter if !needs_responses_counter => path.push_str("&usedonly"),
            StatType::Histogram => path.push_str("&usedonly&histogram_buckets=detailed"),
            StatType::Counter | StatType::Gauge => {}
        }
        path.push_str("&filter=");
        path.extend(utf8_percent_encode(&filter, RESERVED));
        Some(path)
    }
}

/// Adds a remark about a stat that is ignored because the name in it is ambiguous.
fn remark(uncertain: &AmbiguousStat<'_>, stat: &str, unknown: &mut [Vec<String>; 2], remarks: &mut Remarks) {
    let AmbiguousStat { scope, text, ambiguity } = *uncertain;
    match ambiguity {
        Ambiguity::Shared => remarks.once("shared", || {
            let (owner, part) = text.rsplit_once('.').unwrap_or_default();
            format!(
                "{stat:?} is ignored: it counts the requests of cluster {text:?} and also some of cluster {owner:?}, which \
                 Envoy counts again under {part:?}. Set alt_stat_name in one of the clusters"
            )
        }),
        Ambiguity::Unknown => {
            let [now, before] = unknown;
            if before.iter().any(|name| name == text) {
                let (head, gauge) = (scope.head(), scope.gauge());
                remarks.once(head, || {
                    format!(
                        "{stat:?} is ignored: the name in it contains dots, and without a gauge \"{head}NAME{gauge}\" its end \
                         is unknown. Make Envoy keep that gauge (stats_config.stats_matcher)"
                    )
                });
            }
            if now.len() < MAX_UNKNOWN_NAMES && !now.iter().any(|name| name == text) {
                now.push(text.to_owned());
            }
        }
    }
}
