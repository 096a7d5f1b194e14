//! A Prometheus endpoint.

pub mod exposition;
pub mod line;

mod config;
mod number;
mod point;

use acpw_metric::{Accumulator, Now};

pub use config::RawScrape;

use self::exposition::Exposition;
use super::{SourceCounts, collector::Collector};
use crate::call::Response;

/// The formats that are read, as a request's `accept` says: OpenMetrics tells when a counter began.
pub(super) const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// How many bytes are read before the work they have made is looked at.
const PART: usize = 2 * 1024;

/// A Prometheus endpoint: a round is one request.
///
/// As with Prometheus, an answer with a line that is none is refused as a whole. What counters said before it is forgotten
/// then, so their next values are gaps too.
#[derive(Debug)]
pub struct Scrape {
    path: String,
    collector: Collector,
    /// Whether this round's request was made.
    is_asked: bool,
    /// The answer that is being read.
    answer: Option<Exposition>,
    /// Whether it was read and is being published.
    is_finishing: bool,
}

impl Scrape {
    pub(super) fn new(path: String, collector: Collector) -> Self {
        Self { path, collector, is_asked: false, answer: None, is_finishing: false }
    }

    pub(super) fn next_path(&mut self) -> Option<String> {
        self.is_asked = !self.is_asked;
        self.is_asked.then(|| self.path.clone())
    }

    pub(super) fn handle_answer(&mut self, answer: Response, now: Now) -> Result<(), String> {
        let exposition = match answer {
            Response::Complete { status: 200, body, .. } => Exposition::new(body),
            Response::Complete { status, .. } => Err(format!("it answers with status {status}")),
            Response::Missing(reason) => Err(reason),
        };
        match exposition {
            Ok(exposition) => {
                self.answer = Some(exposition);
                self.collector.begin(now);
                Ok(())
            }
            Err(reason) => {
                self.is_asked = false;
                Err(reason)
            }
        }
    }

    pub(super) fn is_reading(&self) -> bool {
        self.answer.is_some() || self.is_finishing
    }

    pub(super) fn read(
        &mut self,
        budget: &mut usize,
        data: &mut Accumulator,
        counts: &mut SourceCounts,
    ) -> Result<(), String> {
        let rules = self.collector.rules();
        let wants = |name: &str| rules.iter().any(|rule| rule.metric.matches(name));
        while let Some(answer) = self.answer.as_mut().filter(|_| *budget > 0) {
            // New series are more work than their bytes, which is taken into account after each part.
            let part = PART.min(*budget);
            let mut rest = part;
            match answer.read(&mut rest, &wants, &mut |reading| self.collector.take(reading, counts)) {
                Ok(false) => {}
                Ok(true) => (self.answer, self.is_finishing) = (None, true),
                Err(reason) => {
                    (self.answer, self.is_asked) = (None, false);
                    self.collector.cancel();
                    return Err(reason);
                }
            }
            let work = part.saturating_sub(rest).saturating_add(self.collector.take_work());
            *budget = budget.saturating_sub(work);
        }
        if self.is_finishing {
            self.is_finishing = !self.collector.finish(budget, data, counts);
        }
        Ok(())
    }
}
