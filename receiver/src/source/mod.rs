//! Sources that the receiver polls for data: ECS container stats, Prometheus endpoints and Envoy's own stats.
//!
//! A response takes this path: [`Sources::poll_call`] → Envoy's callout → [`Sources::handle_answer`], which only stores
//! the body → [`Sources::poll_data`], which parses a part of it per tick and returns data → the publisher.
//!
//! A round is one poll of a source, which may take several requests. A source that hangs, fails or lies affects only
//! its own data: it has one request in flight at a time, and the size of its response, its series and the work per tick
//! are bounded. An implausible value is dropped and counted as a gap; it is never published.

pub mod change;
pub mod collector;
pub mod ecs;
pub mod envoy;
pub mod name_pattern;
pub mod poll_schedule;
#[cfg(not(target_arch = "wasm32"))]
pub mod published_metric;
pub mod raw_rule;
pub mod reading;
pub mod rule;
pub mod scrape;

mod config;
mod failure;
mod head;
mod remark;
pub(crate) mod shared_keys;
mod similar_names;
mod source_config;

use std::{collections::VecDeque, time::Duration};

use acpw_metric::{Accumulator, Now, PublishTo};

pub use config::RawSources;
pub use head::Head;
use poll_schedule::PollSchedule;
pub use source_config::SourceConfig;

use crate::{
    call::{Call, Response},
    notice::Notice,
};

/// The number of response bytes to parse per tick. For the shortest lines of a Prometheus endpoint this takes 2 ms of
/// native code on a server's core, and about 5 ms in V8.
pub const TICK_BYTES: usize = 64 * 1024;

/// Identifies a source by its position in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceId(usize);

/// Counters of all sources since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Responses that were read.
    pub answers: u64,
    /// Requests without a response, and responses that cannot be used.
    pub failed: u64,
    /// Values that are missing, such as the first of a counter, one of a counter that went back, or an invalid number.
    pub gaps: u64,
    /// Series ignored because a source has more than its limit.
    pub over_limit: u64,
    /// Lines of Prometheus endpoints that could not be parsed.
    pub skipped_lines: u64,
}

impl SourceCounts {
    /// Adds other counters to these.
    fn add(&mut self, more: Self) {
        let Self { answers, failed, gaps, over_limit, skipped_lines } = more;
        self.answers = self.answers.saturating_add(answers);
        self.failed = self.failed.saturating_add(failed);
        self.gaps = self.gaps.saturating_add(gaps);
        self.over_limit = self.over_limit.saturating_add(over_limit);
        self.skipped_lines = self.skipped_lines.saturating_add(skipped_lines);
    }
}

/// Data of a source.
#[derive(Debug)]
pub struct Data {
    /// The data, with the timestamp of the response.
    pub data: Accumulator,
    /// When to publish the data.
    pub publish: Publish,
    /// The services to which the data are published, or `None` for those of the receiver's configuration.
    pub publish_to: Option<PublishTo>,
}

/// When to publish data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    /// With all other data, once per `publish_interval_millisecond`.
    #[default]
    Interval,
    /// Immediately.
    Now,
}

/// All sources of a configuration.
#[derive(Debug, Default)]
pub struct Sources {
    sources: Vec<Source>,
    counts: SourceCounts,
    notices: VecDeque<Notice>,
}

/// A configured source and its state.
#[derive(Debug)]
struct Source {
    config: SourceConfig,
    poll: PollSchedule,
    reader: Reader,
    /// The time of the last request, by the steady clock.
    requested_at: Duration,
    /// True if the last round failed.
    is_failing: bool,
}

/// Creates the requests of a round and parses their responses.
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
    /// Returns the metrics that the source publishes, one for each dimension set.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn published(&self) -> Vec<published_metric::PublishedMetric> {
        let mut published = match self {
            Self::Ecs(task) => task.published(),
            Self::Scrape(scrape) => scrape.published(),
            Self::Envoy(stats) => stats.published(),
        };
        for metric in &mut published {
            metric.dimensions.sort();
        }
        published
    }

    /// Returns the path of the next request in this round, or `None` at the end of the round.
    fn next_path(&mut self) -> Option<String> {
        match self {
            Self::Ecs(reader) => reader.next_path(),
            Self::Scrape(reader) => reader.next_path(),
            Self::Envoy(reader) => reader.next_path(),
        }
    }

    /// Stores the body of a response, to be parsed by [`read`](Self::read). It arrived `waited` after it was requested.
    ///
    /// # Errors
    /// The reason why the response cannot be used. The round has ended.
    fn handle_answer(&mut self, head: &Head, answer: Response, waited: Duration, now: Now) -> Result<(), String> {
        match self {
            Self::Ecs(reader) => reader.handle_answer(answer, now),
            Self::Scrape(reader) => reader.handle_answer(head, answer, waited, now),
            Self::Envoy(reader) => reader.handle_answer(answer, now),
        }
    }

    /// Returns true if there is a response to parse.
    fn is_reading(&self) -> bool {
        match self {
            Self::Ecs(reader) => reader.is_reading(),
            Self::Scrape(reader) => reader.is_reading(),
            Self::Envoy(reader) => reader.is_reading(),
        }
    }

    /// Returns the next remark for the operator, if there is one.
    fn poll_remark(&mut self) -> Option<String> {
        match self {
            Self::Ecs(reader) => reader.poll_remark(),
            Self::Envoy(reader) => reader.poll_remark(),
            Self::Scrape(reader) => reader.poll_remark(),
        }
    }

    /// Returns attributes of the resource that the receiver runs in, if they are new.
    fn poll_resource(&mut self) -> Option<&[(&'static str, String)]> {
        match self {
            Self::Ecs(reader) => reader.poll_resource(),
            Self::Scrape(_) | Self::Envoy(_) => None,
        }
    }

    /// Parses about `budget` bytes, subtracts their number from it, and adds measurements to `data`.
    ///
    /// # Errors
    /// The reason why the response cannot be used. The round has ended.
    fn read(&mut self, budget: &mut usize, data: &mut Accumulator, counts: &mut SourceCounts) -> Result<(), String> {
        match self {
            Self::Ecs(reader) => reader.read(budget, data, counts),
            Self::Scrape(reader) => reader.read(budget, data, counts),
            Self::Envoy(reader) => reader.read(budget, data, counts),
        }
    }
}

impl Sources {
    /// Creates sources that have not been polled.
    pub fn new(configs: Vec<(SourceConfig, Reader)>) -> Self {
        let source = |(config, reader): (SourceConfig, Reader)| {
            let poll = PollSchedule::new(config.interval);
            Source { config, poll, reader, requested_at: Duration::ZERO, is_failing: false }
        };
        Self { sources: configs.into_iter().map(source).collect(), ..Self::default() }
    }

    /// Returns the next request to send now. Call it on every tick, until it returns `None`.
    pub fn poll_call(&mut self, now: Now) -> Option<(SourceId, Call)> {
        for (index, source) in self.sources.iter_mut().enumerate() {
            let is_idle = !source.poll.is_waiting() && !source.reader.is_reading();
            if !is_idle || !(source.poll.is_in_round() || source.poll.begin(now)) {
                continue;
            }
            match source.reader.next_path() {
                Some(path) => {
                    source.poll.mark_sent();
                    source.requested_at = now.steady;
                    let SourceConfig { cluster, authority, timeout, .. } = &source.config;
                    let call = Call { timeout: *timeout, ..Call::local(cluster, "GET", authority, &path) };
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

    /// Returns the maximum size of a source's response in bytes. Read one byte more, to detect a longer one.
    pub fn answer_limit(&self, id: SourceId) -> usize {
        self.sources.get(id.0).map_or(0, |source| source.config.answer_limit)
    }

    /// Handles a request that could not be dispatched, for this reason.
    pub fn handle_undispatched(&mut self, id: SourceId, reason: &str, now: Now) {
        let Some(source) = self.sources.get_mut(id.0) else { return };
        source.poll.mark_answered();
        let reason = format!("cluster_name \"{}\": {reason}", source.config.cluster);
        if let Err(reason) =
            source.reader.handle_answer(&Head::default(), Response::Missing(reason), Duration::ZERO, now)
        {
            self.fail(id, reason);
        }
    }

    /// Handles a response without known headers. Its data gets the timestamp `now`.
    pub fn handle_answer(&mut self, id: SourceId, answer: Response, now: Now) {
        self.handle_answer_with(id, &Head::default(), answer, now);
    }

    /// Handles a response with its headers. Its data gets the timestamp `now`.
    pub fn handle_answer_with(&mut self, id: SourceId, head: &Head, answer: Response, now: Now) {
        let Some(source) = self.sources.get_mut(id.0) else { return };
        source.poll.mark_answered();
        let waited = now.steady.saturating_sub(source.requested_at);
        let answer = match answer {
            Response::Missing(reason) => Response::Missing(failure::explain(&reason, &source.config, waited)),
            answer => answer,
        };
        if let Err(reason) = source.reader.handle_answer(head, answer, waited, now) {
            self.fail(id, reason);
        }
    }

    /// Parses a part of the stored responses and returns their data. Call it once per tick.
    ///
    /// All responses share [`TICK_BYTES`] equally, so a large one does not delay the others.
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
                let SourceConfig { publish, publish_to, .. } = source.config;
                all.push(Data { data, publish, publish_to });
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

    /// Returns attributes of the resource that the receiver runs in, by OpenTelemetry's semantic conventions, if they
    /// are new.
    pub fn poll_resource(&mut self) -> Option<&[(&'static str, String)]> {
        self.sources.iter_mut().find_map(|source| source.reader.poll_resource())
    }

    /// Returns the counters since the start.
    pub fn counts(&self) -> SourceCounts {
        self.counts
    }

    /// Returns the next notice for the operator.
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

    /// Ends a failed round. The next round begins on schedule.
    fn fail(&mut self, id: SourceId, reason: String) {
        let Some(source) = self.sources.get_mut(id.0) else { return };
        source.poll.end();
        self.counts.failed = self.counts.failed.saturating_add(1);
        source.is_failing = true;
        self.notices.push_back(Notice::SourceFailed { name: source.config.name.clone(), reason });
    }
}
