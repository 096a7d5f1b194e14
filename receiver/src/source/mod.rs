//! What the receiver asks for data: the task's container stats, Prometheus endpoints and Envoy's own stats.
//!
//! The walk of an answer: [`Sources::poll_call`] → Envoy's callout → [`Sources::handle_answer`], which only keeps the body →
//! [`Sources::poll_data`], which reads a part of it a tick and gives what was measured → the publisher. A target that
//! hangs, fails or lies costs nothing but its own data: it has one request under way at a time, its answer, its series and
//! the work of a tick are bounded, and what cannot be right is a gap that is counted, never a value.

pub mod change;
pub mod collector;
pub mod ecs;
pub mod envoy;
pub mod histogram;
pub mod name_pattern;
pub mod poll_schedule;
pub mod raw_rule;
pub mod reading;
pub mod rule;
pub mod scrape;

mod config;
mod failure;
mod head;
mod remark;
mod shared_keys;
mod similar_names;

use std::{collections::VecDeque, time::Duration};

use acpw_metric::{Accumulator, Now};

pub use config::{RawSources, SourceConfig};
pub use head::Head;
use poll_schedule::PollSchedule;

use crate::{
    call::{Call, Response},
    notice::Notice,
};

/// How many bytes of answers are read in one tick. Of the shortest lines of a Prometheus endpoint that is 2 ms of native code
/// on a server's core, and some 5 ms in V8.
pub const TICK_BYTES: usize = 64 * 1024;

/// A source's place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceId(usize);

/// What happened with all sources since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Answers that were read.
    pub answers: u64,
    /// Requests without an answer, and answers that are not what was asked for.
    pub failed: u64,
    /// Values that could not be had: the first of a counter, one that went back, one that is no number.
    pub gaps: u64,
    /// Series left out because a source has more than its limit.
    pub over_limit: u64,
    /// Lines of Prometheus endpoints that could not be read.
    pub skipped_lines: u64,
}

impl SourceCounts {
    /// Adds what was counted elsewhere.
    fn add(&mut self, more: Self) {
        let Self { answers, failed, gaps, over_limit, skipped_lines } = more;
        self.answers = self.answers.saturating_add(answers);
        self.failed = self.failed.saturating_add(failed);
        self.gaps = self.gaps.saturating_add(gaps);
        self.over_limit = self.over_limit.saturating_add(over_limit);
        self.skipped_lines = self.skipped_lines.saturating_add(skipped_lines);
    }
}

/// What a source has measured.
#[derive(Debug)]
pub struct Data {
    /// The data, stamped by the time that was told.
    pub data: Accumulator,
    /// When they are published.
    pub publish: Publish,
}

/// When data are published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    /// With everything else, once an interval.
    #[default]
    Interval,
    /// As soon as they are there.
    Now,
}

/// All sources of a configuration.
#[derive(Debug, Default)]
pub struct Sources {
    sources: Vec<Source>,
    counts: SourceCounts,
    notices: VecDeque<Notice>,
}

/// One of them.
#[derive(Debug)]
struct Source {
    config: SourceConfig,
    poll: PollSchedule,
    reader: Reader,
    /// When it was last asked, by the steady clock.
    asked: Duration,
    /// Since when its answers are not what they should be.
    is_failing: bool,
}

/// What knows the requests of a round and understands their answers.
#[derive(Debug)]
pub enum Reader {
    /// A task's container stats.
    Ecs(Box<ecs::EcsTask>),
    /// A Prometheus endpoint.
    Scrape(Box<scrape::Scrape>),
    /// Envoy's own stats.
    Envoy(Box<envoy::EnvoyStats>),
}

impl Reader {
    /// The path of the next request of this round; nothing when the round has come to its end.
    fn next_path(&mut self) -> Option<String> {
        match self {
            Self::Ecs(reader) => reader.next_path(),
            Self::Scrape(reader) => reader.next_path(),
            Self::Envoy(reader) => reader.next_path(),
        }
    }

    /// Keeps an answer's body, to be read. The error says why it is not what was asked for, and ends the round.
    fn handle_answer(&mut self, head: &Head, answer: Response, now: Now) -> Result<(), String> {
        match self {
            Self::Ecs(reader) => reader.handle_answer(answer, now),
            Self::Scrape(reader) => reader.handle_answer(head, answer, now),
            Self::Envoy(reader) => reader.handle_answer(answer, now),
        }
    }

    /// Whether there is something to read.
    fn is_reading(&self) -> bool {
        match self {
            Self::Ecs(reader) => reader.is_reading(),
            Self::Scrape(reader) => reader.is_reading(),
            Self::Envoy(reader) => reader.is_reading(),
        }
    }

    /// The next remark for the operator, if there is one.
    fn poll_remark(&mut self) -> Option<String> {
        match self {
            Self::Ecs(reader) => reader.poll_remark(),
            Self::Envoy(reader) => reader.poll_remark(),
            Self::Scrape(reader) => reader.poll_remark(),
        }
    }

    /// Reads on for about `budget` bytes, takes from it what was read, and adds what was measured to `data`.
    fn read(&mut self, budget: &mut usize, data: &mut Accumulator, counts: &mut SourceCounts) -> Result<(), String> {
        match self {
            Self::Ecs(reader) => reader.read(budget, data, counts),
            Self::Scrape(reader) => reader.read(budget, data, counts),
            Self::Envoy(reader) => reader.read(budget, data, counts),
        }
    }
}

impl Sources {
    /// Sources that have not been asked yet.
    pub fn new(configs: Vec<(SourceConfig, Reader)>) -> Self {
        let source = |(config, reader): (SourceConfig, Reader)| {
            let poll = PollSchedule::new(config.interval);
            Source { config, poll, reader, asked: Duration::ZERO, is_failing: false }
        };
        Self { sources: configs.into_iter().map(source).collect(), ..Self::default() }
    }

    /// The next request to send now, if there is one. To be called on a tick, until there is none.
    pub fn poll_call(&mut self, now: Now) -> Option<(SourceId, Call)> {
        for (index, source) in self.sources.iter_mut().enumerate() {
            let is_idle = !source.poll.is_waiting() && !source.reader.is_reading();
            if !is_idle || !(source.poll.is_in_round() || source.poll.begin(now)) {
                continue;
            }
            match source.reader.next_path() {
                Some(path) => {
                    source.poll.mark_sent();
                    source.asked = now.steady;
                    let SourceConfig { cluster, authority, timeout, .. } = &source.config;
                    let call = Call { timeout: *timeout, ..Call::near(cluster, "GET", authority, &path) };
                    let call = match &source.reader {
                        Reader::Scrape(_) => call.with("accept", scrape::ACCEPT),
                        Reader::Ecs(_) | Reader::Envoy(_) => call,
                    };
                    return Some((SourceId(index), call));
                }
                None => source.poll.end(),
            }
        }
        None
    }

    /// How many bytes of a source's answer are taken in; one more is to be read, to see that there are more.
    pub fn answer_limit(&self, id: SourceId) -> usize {
        self.sources.get(id.0).map_or(0, |source| source.config.answer_limit)
    }

    /// Takes in that a request could not be dispatched, and why.
    pub fn handle_undispatched(&mut self, id: SourceId, reason: &str, now: Now) {
        let Some(source) = self.sources.get_mut(id.0) else { return };
        source.poll.mark_answered();
        let reason = format!("cluster_name \"{}\": {reason}", source.config.cluster);
        if let Err(reason) = source.reader.handle_answer(&Head::default(), Response::Missing(reason), now) {
            self.fail(id, reason);
        }
    }

    /// Takes in an answer of whose headers nothing is known. `now` stamps its data.
    pub fn handle_answer(&mut self, id: SourceId, answer: Response, now: Now) {
        self.handle_answer_with(id, &Head::default(), answer, now);
    }

    /// Takes in an answer with its headers. `now` stamps its data.
    pub fn handle_answer_with(&mut self, id: SourceId, head: &Head, answer: Response, now: Now) {
        let Some(source) = self.sources.get_mut(id.0) else { return };
        source.poll.mark_answered();
        let answer = match answer {
            Response::Missing(reason) => {
                let waited = now.steady.saturating_sub(source.asked);
                Response::Missing(failure::explain(&reason, &source.config, waited))
            }
            answer => answer,
        };
        if let Err(reason) = source.reader.handle_answer(head, answer, now) {
            self.fail(id, reason);
        }
    }

    /// Reads a part of the answers that are there, and gives what they say. To be called once a tick. Each has its share of
    /// the tick's bytes: a large answer keeps no other from being read.
    pub fn poll_data(&mut self) -> Vec<Data> {
        let reading = self.sources.iter().filter(|source| source.reader.is_reading()).count();
        let share = TICK_BYTES / reading.max(1);
        let mut all = Vec::new();
        for index in 0..self.sources.len() {
            let Some(source) = self.sources.get_mut(index).filter(|source| source.reader.is_reading()) else {
                continue;
            };
            let mut data = Accumulator::default();
            let read = source.reader.read(&mut { share }, &mut data, &mut self.counts);
            if !data.is_empty() {
                all.push(Data { data, publish: source.config.publish });
            }
            while let Some(remark) = source.reader.poll_remark() {
                self.notices.push_back(Notice::SourceRemark { name: source.config.name.clone(), remark });
            }
            match read {
                Err(reason) => self.fail(SourceId(index), reason),
                Ok(()) if source.reader.is_reading() => {}
                Ok(()) => self.succeed(SourceId(index)),
            }
        }
        all
    }

    /// What happened since the start.
    pub fn counts(&self) -> SourceCounts {
        self.counts
    }

    /// The next thing an operator is to be told.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    fn succeed(&mut self, id: SourceId) {
        let Some(source) = self.sources.get_mut(id.0) else { return };
        self.counts.answers = self.counts.answers.saturating_add(1);
        if std::mem::take(&mut source.is_failing) {
            self.notices.push_back(Notice::SourceRecovered { name: source.config.name.clone() });
        }
    }

    /// Ends the round; the next one begins at its time.
    fn fail(&mut self, id: SourceId, reason: String) {
        let Some(source) = self.sources.get_mut(id.0) else { return };
        source.poll.end();
        self.counts.failed = self.counts.failed.saturating_add(1);
        source.is_failing = true;
        self.notices.push_back(Notice::SourceFailed { name: source.config.name.clone(), reason });
    }
}
