//! Envoy's own stats, by its admin interface.
//!
//! A round asks `/stats?format=json` once for each type of stats that the rules name, since the JSON does not tell counters
//! from gauges, and always with a filter: Envoy walks all its stats on its main thread, and what the filter leaves out is
//! neither written nor read. Of histograms it asks for `histogram_buckets=detailed`: Envoy's own log-linear buckets, of two
//! significant digits and without the empty ones. The text format for Prometheus has the 19 buckets of
//! `stats_config.histogram_bucket_settings` instead, each with all its labels, empty or not; and the sum that it tells is one
//! of middles of buckets too.
//!
//! Counters are there at once, histograms after a flush of Envoy's stats (`stats_flush_interval`, 5 s by default). Both are
//! taken as totals since they began, of which the receiver makes differences. So no flush is missed or counted twice, and
//! what is not published in one round is in the next.

pub mod answer;
pub mod known;
pub mod pattern;
pub mod ready;
pub mod rule;

mod config;

use acpw_metric::{Accumulator, Namespace, Now, Timestamp};
use percent_encoding::utf8_percent_encode;

use answer::{Answer, Bucket};
pub use config::RawEnvoyStats;
use known::Known;
use rule::{Kind, Rule};

use super::SourceCounts;
use crate::{call::Response, percent::RESERVED};

/// What it is to add to a series, in bytes that are read.
const SERIES_WORK: usize = 256;

/// The receiver's own counter of answers of sources, as Envoy tells it: it outlives a receiver that has failed.
const ANSWERS: &str = "wasmcustom.acpw.receiver.sources.answers";

/// Envoy's own stats.
#[derive(Debug)]
pub struct EnvoyStats {
    rules: Vec<Rule>,
    namespace: Option<Namespace>,
    counters: Known,
    histograms: Known,
    limit: usize,
    /// How many gauges there were in this answer.
    gauges: usize,
    /// Whether no answer has been read yet.
    is_first: bool,
    /// What is to be asked next in this round.
    next: Option<Kind>,
    reading: Option<(Kind, Answer, Timestamp)>,
}

impl EnvoyStats {
    /// Nothing is known yet. Of each type at most `limit` stats are heeded; data go to `namespace`, or the receiver's.
    pub fn new(rules: Vec<Rule>, limit: usize, namespace: Option<Namespace>) -> Self {
        Self {
            rules,
            namespace,
            counters: Known::new(limit),
            histograms: Known::new(limit),
            limit,
            gauges: 0,
            is_first: true,
            next: Some(Kind::Counter),
            reading: None,
        }
    }

    pub(super) fn next_path(&mut self) -> Option<String> {
        loop {
            let Some(kind) = self.next else {
                self.next = Some(Kind::Counter);
                return None;
            };
            if let Some(path) = self.path(kind) {
                return Some(path);
            }
            self.next = kind.next();
        }
    }

    pub(super) fn handle_answer(&mut self, answer: Response, now: Now) -> Result<(), String> {
        let kind = self.next.replace(Kind::Counter).unwrap_or(Kind::Counter);
        let answer = match answer {
            Response::Complete { status: 200, body, .. } => Answer::new(body)?,
            Response::Complete { status, body, .. } => {
                return Err(format!("the status is {status}: {}", String::from_utf8_lossy(&body)));
            }
            Response::Missing(reason) => return Err(reason),
        };
        self.next = kind.next();
        self.gauges = 0;
        self.reading = Some((kind, answer, now.wall));
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
        let Some((kind, mut answer, time)) = self.reading.take() else { return Ok(()) };
        if std::mem::take(&mut self.is_first) {
            self.begin(&answer, counts);
        }
        while *budget > 0 {
            let stat = match answer.next_stat() {
                Ok(Some((stat, taken))) => {
                    *budget = budget.saturating_sub(taken);
                    stat
                }
                Ok(None) => {
                    match kind {
                        Kind::Counter => self.counters.end(),
                        Kind::Gauge => {}
                        Kind::Histogram => self.histograms.end(),
                    }
                    return Ok(());
                }
                Err(reason) => {
                    self.next = Some(Kind::Counter);
                    return Err(reason.to_owned());
                }
            };
            let rules = || self.rules.iter().filter(|rule| rule.kind == kind);
            if !rules().any(|rule| rule.pattern.values(&stat.name).is_some()) {
                continue;
            }
            let increase = match (kind, stat.value, stat.totals) {
                // It begins anew, or has not begun.
                (Kind::Counter, Some(0), _) => None,
                (Kind::Counter, Some(total), _) => {
                    self.counters.increase(&stat.name, Bucket::of_counter(total), counts)
                }
                (Kind::Gauge, Some(_), _) if self.gauges >= self.limit => {
                    counts.over_limit = counts.over_limit.saturating_add(1);
                    None
                }
                (Kind::Gauge, Some(level), _) => {
                    self.gauges = self.gauges.saturating_add(1);
                    Some(vec![Bucket { lower_bound: level as f64, width: 0.0, count: 1 }])
                }
                (Kind::Histogram, _, Some(totals)) => self.histograms.increase(&stat.name, totals, counts),
                (Kind::Counter | Kind::Gauge, None, _) | (Kind::Histogram, _, None) => {
                    counts.gaps = counts.gaps.saturating_add(1);
                    None
                }
            };
            let Some(increase) = increase else { continue };
            for rule in rules() {
                let series = rule.apply(&stat.name, &increase, time, self.namespace.as_ref(), data);
                *budget = budget.saturating_sub(series.saturating_mul(SERIES_WORK));
            }
        }
        self.reading = Some((kind, answer, time));
        Ok(())
    }

    /// In Envoy's first answer all counts from zero, when this is the first receiver since Envoy started. An earlier one
    /// that has failed has published some of it, and the admin interface of another Envoy tells of times before this one:
    /// then the first answer is only what the next one is compared with.
    fn begin(&mut self, answer: &Answer, counts: &SourceCounts) {
        if answer.find(ANSWERS).is_some_and(|answers| answers <= counts.answers) {
            self.counters.begin_from_zero();
            self.histograms.begin_from_zero();
        }
    }

    /// What to ask of stats of this type, if a rule names some.
    fn path(&self, kind: Kind) -> Option<String> {
        let asks_first = self.is_first && kind == Kind::Counter;
        let mut filter = String::new();
        let mut separator = "^(?:";
        for rule in self.rules.iter().filter(|rule| rule.kind == kind) {
            filter.push_str(separator);
            rule.pattern.write_regex(&mut filter);
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
            Kind::Counter if !asks_first => path.push_str("&usedonly"),
            Kind::Histogram => path.push_str("&usedonly&histogram_buckets=detailed"),
            Kind::Counter | Kind::Gauge => {}
        }
        path.push_str("&filter=");
        path.extend(utf8_percent_encode(&filter, RESERVED));
        Some(path)
    }
}
