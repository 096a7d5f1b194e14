//! The receiver's status, once per second, for the status page and for programs.

use std::collections::VecDeque;

use acpw_metric::{Now, Timestamp};
use acpw_shared_state::{BigSeries, CredentialsStatus, Line, Minute, OtlpStatus, Status};
use log::Level;

use crate::{Counts, ReceiverConfig, cost::CostEstimate};

/// The number of minutes in the history.
const MINUTES: usize = 60;

/// The number of log lines of each kind.
const LINES: usize = 10;

/// The history that is part of a status.
#[derive(Debug)]
pub struct StatusHistory {
    /// The constant part of a status.
    configuration: Status,
    started: Option<Now>,
    last_second: Option<u64>,
    minutes: VecDeque<Minute>,
    last_counts: Counts,
    publications: VecDeque<Line>,
    errors: VecDeque<Line>,
}

/// The state of a receiver at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Counters since the start.
    pub counts: Counts,
    /// The number of held values.
    pub held: u64,
    /// The memory of held data in bytes.
    pub held_bytes: usize,
    /// The number of held data: series times periods.
    pub held_series: usize,
    /// The number of milliseconds that is added to the host's clock.
    pub clock_skew: i64,
    /// The number of seconds since CloudWatch last accepted a request, or since the start.
    pub seconds_since_success: u64,
    /// The number of values held for the OTLP endpoint.
    pub otlp_held: u64,
    /// The memory of these values in bytes.
    pub otlp_held_bytes: usize,
    /// The number of seconds since the endpoint last accepted a request, or since the start. 0 without an endpoint.
    pub otlp_seconds_since_success: u64,
    /// The number of series whose totals are kept for the endpoint.
    pub otlp_series: usize,
    /// The provider of the credentials in use, and their expiry.
    pub credentials: Option<(&'static str, Option<Timestamp>)>,
    /// The estimated cost.
    pub cost: CostEstimate,
}

impl Snapshot {
    /// The names of the gauges in Envoy's statistics, without the prefix `acpw.receiver.`.
    pub const GAUGES: &'static [&'static str] = &[
        "held",
        "held_bytes",
        "held_series",
        "clock_skew_millisecond",
        "published_series",
        "predicted_monthly_cost_cents",
        "seconds_since_success",
        "otlp.held",
        "otlp.held_bytes",
        "otlp.seconds_since_success",
        "otlp.series",
    ];

    /// Returns the gauges, in the order of [`GAUGES`](Self::GAUGES).
    pub fn gauges(&self) -> impl Iterator<Item = u64> {
        let gauges = [
            self.held,
            self.held_bytes as u64,
            self.held_series as u64,
            self.clock_skew.unsigned_abs(),
            self.cost.series,
            self.cost.cents,
            self.seconds_since_success,
            self.otlp_held,
            self.otlp_held_bytes as u64,
            self.otlp_seconds_since_success,
            self.otlp_series as u64,
        ];
        gauges.into_iter()
    }
}

impl StatusHistory {
    /// Creates the history of a receiver with this configuration.
    pub fn new(config: &ReceiverConfig) -> Self {
        let otlp_host = || config.otlp.as_ref().and_then(|otlp| otlp.host.clone());
        let otlp = config.otlp.as_ref().map(|otlp| OtlpStatus {
            is_only: config.cluster.is_empty(),
            buffer_limit_bytes: otlp.buffer_limit as u64,
            ..OtlpStatus::default()
        });
        let configuration = Status {
            otlp,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            region: config.region.region().map(|region| region.as_str().to_owned()).unwrap_or_default(),
            host: if !config.cluster.is_empty() { config.host.clone() } else { otlp_host() }.unwrap_or_default(),
            namespace: config.namespace.to_string(),
            publish_interval_millisecond: u64::try_from(config.publish_interval.as_millis()).unwrap_or(u64::MAX),
            buffer_limit_bytes: config.buffer_limit as u64,
            ..Status::default()
        };
        Self {
            configuration,
            started: None,
            last_second: None,
            minutes: VecDeque::new(),
            last_counts: Counts::default(),
            publications: VecDeque::new(),
            errors: VecDeque::new(),
        }
    }

    /// Records a log line.
    pub fn record_line(&mut self, level: Level, text: &str, now: Now) {
        let lines = match level {
            Level::Debug | Level::Trace => &mut self.publications,
            Level::Info => return,
            Level::Warn | Level::Error => &mut self.errors,
        };
        lines.push_front(Line { time: now.wall.as_millis(), text: text.to_owned() });
        lines.truncate(LINES);
    }

    /// Returns true if the last status is from an earlier second.
    pub fn is_due(&self, now: Now) -> bool {
        self.last_second != Some(now.steady.as_secs())
    }

    /// Returns the current status. `now` is the time by the host's clocks.
    pub fn report(&mut self, snapshot: Snapshot, biggest_series: Vec<BigSeries>, now: Now) -> Status {
        self.last_second = Some(now.steady.as_secs());
        let started = *self.started.get_or_insert(now);
        self.count(&snapshot, now.wall);
        let Snapshot { counts, held, credentials, cost, .. } = snapshot;
        let (source, expires) = credentials.unwrap_or(("none", None));
        let CostEstimate { series, calls, cents } = cost;
        Status {
            time: now.wall.as_millis(),
            started: started.wall.as_millis(),
            counts: Counts::NAMES.iter().map(|name| (*name).to_owned()).zip(counts.values()).collect(),
            held,
            held_bytes: snapshot.held_bytes as u64,
            held_series: snapshot.held_series as u64,
            clock_skew_millisecond: snapshot.clock_skew,
            seconds_since_success: (counts.requests > 0).then_some(snapshot.seconds_since_success),
            otlp: self.configuration.otlp.map(|otlp| OtlpStatus {
                held: snapshot.otlp_held,
                held_bytes: snapshot.otlp_held_bytes as u64,
                series: snapshot.otlp_series as u64,
                seconds_since_success: (counts.otlp_requests > 0).then_some(snapshot.otlp_seconds_since_success),
                ..otlp
            }),
            credentials: CredentialsStatus { source: source.to_owned(), expires: expires.map(Timestamp::as_millis) },
            series,
            biggest_series,
            requests_per_month: calls,
            dollars_per_month: cents as f64 / 100.0,
            minutes: self.minutes.iter().copied().collect(),
            publications: self.publications.iter().cloned().collect(),
            errors: self.errors.iter().cloned().collect(),
            ..self.configuration.clone()
        }
    }

    fn count(&mut self, snapshot: &Snapshot, wall: Timestamp) {
        let start = wall.floor(60).as_secs();
        if self.minutes.back().is_none_or(|minute| minute.start != start) {
            self.minutes.push_back(Minute { start, ..Minute::default() });
            if self.minutes.len() > MINUTES {
                self.minutes.pop_front();
            }
        }
        let change = snapshot.counts.since(&self.last_counts);
        self.last_counts = snapshot.counts;
        let Some(minute) = self.minutes.back_mut() else { return };
        let (more, held) = if self.configuration.otlp.is_some_and(|otlp| otlp.is_only) {
            let of_minute = Minute {
                received: change.otlp_received,
                published: change.otlp_published,
                dropped: change.otlp_dropped(),
                requests: change.otlp_requests,
                throttled: change.otlp_throttled,
                ..Minute::default()
            };
            (of_minute, snapshot.otlp_held)
        } else {
            let of_minute = Minute {
                received: change.received,
                published: change.published,
                dropped: change.dropped(),
                requests: change.requests,
                throttled: change.throttled,
                ..Minute::default()
            };
            (of_minute, snapshot.held)
        };
        minute.received = minute.received.saturating_add(more.received);
        minute.published = minute.published.saturating_add(more.published);
        minute.dropped = minute.dropped.saturating_add(more.dropped);
        minute.requests = minute.requests.saturating_add(more.requests);
        minute.throttled = minute.throttled.saturating_add(more.throttled);
        minute.held = held;
    }
}
