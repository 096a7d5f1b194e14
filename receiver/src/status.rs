//! What the receiver tells of itself, once a second, for a status page and for programs.

use std::collections::VecDeque;

use acpw_metric::{Now, Timestamp};
use serde::Serialize;

use crate::{
    Config, Counts, Publisher, cardinality::BigSeries, cost::Prediction, credentials::RegionSource, notice::Level,
};

/// Minutes of history.
const MINUTES: usize = 60;

/// Lines of each kind.
const LINES: usize = 10;

/// Gathers what a status tells beside what the publisher knows at the moment.
#[derive(Debug)]
pub struct StatusBook {
    about: About,
    started: Option<Now>,
    written: Option<u64>,
    minutes: VecDeque<Minute>,
    before: Counts,
    publications: VecDeque<Line>,
    errors: VecDeque<Line>,
}

/// What does not change.
#[derive(Clone, Debug, Serialize)]
struct About {
    version: &'static str,
    region: String,
    host: String,
    namespace: String,
    publish_interval_millisecond: u64,
    buffer_limit_bytes: usize,
}

/// What happened within a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Minute {
    /// Its start, in seconds since the epoch.
    start: u64,
    received: u64,
    published: u64,
    dropped: u64,
    requests: u64,
    throttled: u64,
    held: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Line {
    /// Milliseconds since the epoch.
    time: u64,
    text: String,
}

/// Where the credentials come from, and nothing of what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CredentialsStatus {
    /// The provider; `none` while there are none.
    pub source: &'static str,
    /// When they expire, in milliseconds since the epoch; never, when there is nothing.
    pub expires: Option<u64>,
}

#[derive(Serialize)]
struct Status<'a> {
    time: u64,
    started: u64,
    #[serde(flatten)]
    about: &'a About,
    counts: Named,
    held: u64,
    held_bytes: usize,
    held_series: usize,
    clock_skew_millisecond: i64,
    seconds_since_success: Option<u64>,
    credentials: CredentialsStatus,
    series: u64,
    biggest_series: Vec<BigSeries>,
    requests_per_month: u64,
    dollars_per_month: f64,
    minutes: &'a VecDeque<Minute>,
    publications: &'a VecDeque<Line>,
    errors: &'a VecDeque<Line>,
}

/// The counters by their names.
struct Named(Counts);

impl Serialize for Named {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Counts::NAMES.iter().zip(self.0.values()))
    }
}

impl StatusBook {
    /// A book of a receiver with this configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            about: About {
                version: env!("CARGO_PKG_VERSION"),
                region: match &config.region {
                    RegionSource::Known(region) => region.as_str().to_owned(),
                    RegionSource::Imds(_) => String::new(),
                },
                host: config.host.clone().unwrap_or_default(),
                namespace: config.namespace.to_string(),
                publish_interval_millisecond: u64::try_from(config.publish_interval.as_millis()).unwrap_or(u64::MAX),
                buffer_limit_bytes: config.buffer_limit,
            },
            started: None,
            written: None,
            minutes: VecDeque::new(),
            before: Counts::default(),
            publications: VecDeque::new(),
            errors: VecDeque::new(),
        }
    }

    /// Notes a line that was written to the log.
    pub fn note(&mut self, level: Level, text: &str, now: Now) {
        let lines = match level {
            Level::Debug => &mut self.publications,
            Level::Info => return,
            Level::Warn | Level::Error => &mut self.errors,
        };
        lines.push_front(Line { time: now.wall.as_millis(), text: text.to_owned() });
        lines.truncate(LINES);
    }

    /// The status to write now, as JSON, if a second has passed since the last one.
    pub fn poll(&mut self, publisher: &Publisher, now: Now) -> Option<Vec<u8>> {
        let (source, expires) = publisher.credentials().unwrap_or(("none", None));
        let credentials = CredentialsStatus { source, expires: expires.map(Timestamp::as_millis) };
        let second = now.steady.as_secs();
        if self.written == Some(second) {
            return None;
        }
        self.written = Some(second);
        let started = *self.started.get_or_insert(now);
        self.count(publisher, now.wall);
        let counts = *publisher.counts();
        let Prediction { series, calls, cents } = publisher.prediction();
        let status = Status {
            time: now.wall.as_millis(),
            started: started.wall.as_millis(),
            about: &self.about,
            counts: Named(counts),
            held: publisher.held(),
            held_bytes: publisher.held_bytes(),
            held_series: publisher.held_series(),
            clock_skew_millisecond: publisher.clock_skew(),
            seconds_since_success: (counts.requests > 0).then(|| publisher.since_success(now).as_secs()),
            credentials,
            series,
            biggest_series: publisher.cardinality().biggest(),
            requests_per_month: calls,
            dollars_per_month: cents as f64 / 100.0,
            minutes: &self.minutes,
            publications: &self.publications,
            errors: &self.errors,
        };
        serde_json::to_vec(&status).ok()
    }

    fn count(&mut self, publisher: &Publisher, wall: Timestamp) {
        let start = wall.floor(60).as_secs();
        if self.minutes.back().is_none_or(|minute| minute.start != start) {
            self.minutes.push_back(Minute { start, ..Minute::default() });
            if self.minutes.len() > MINUTES {
                self.minutes.pop_front();
            }
        }
        let counts = *publisher.counts();
        let news = counts.since(&self.before);
        self.before = counts;
        if let Some(minute) = self.minutes.back_mut() {
            minute.received = minute.received.saturating_add(news.received);
            minute.published = minute.published.saturating_add(news.published);
            minute.dropped = minute.dropped.saturating_add(news.dropped());
            minute.requests = minute.requests.saturating_add(news.requests);
            minute.throttled = minute.throttled.saturating_add(news.throttled);
            minute.held = publisher.held();
        }
    }
}
