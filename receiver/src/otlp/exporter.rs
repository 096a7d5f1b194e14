//! The state machine that publishes to the endpoint.

use std::time::Duration;

use acpw_metric::{Accumulator, Now, Record, Timestamp};

use super::{
    answer::ExportAnswer,
    config::{Authentication, OtlpConfig},
    data_point::PointNames,
    held::HeldData,
    naming::Naming,
    notice::ExportNotice,
    queue::{RequestQueue, SentRequest, WaitingRequest},
    request::{EncodedRequest, RequestDraft, RequestSettings},
    resource::ResourceAttributes,
    totals::Totals,
    transmit::{Endpoint, ExportId},
};
use crate::{
    backoff::{Backoff, FailureKind},
    call::Call,
    clock::Clock,
    config::OnUnknownOutcome,
    credentials::{Chain, SetId},
    endpoint::Region,
    journal::Journal,
    names::Names,
    notice::Notice,
    publish_schedule::PublishSchedule,
    publisher::budget::Budget,
    random::Random,
};

/// The number of single data points in a row whose refusal shows that the data are not the cause.
pub(super) const REFUSED_IN_A_ROW: u32 = 3;

/// The maximum number of requests that wait while the endpoint refuses all data points. New data show whether it
/// refuses those, too.
const MAX_REFUSED: usize = 16;

/// Divisor of the buffer's limit for the size of a request before compression, so that requests fit into the buffer.
const REQUEST_SHARE: usize = 8;

/// The settings of an exporter that are not those of the endpoint.
#[derive(Debug)]
pub struct ExporterSettings {
    /// Namespace and metric name of the receiver's configuration.
    pub names: Names,
    /// The time between two publications.
    pub publish_interval: Duration,
    /// The time limit for a response.
    pub timeout: Duration,
    /// The maximum number of series of all senders.
    pub max_series: Option<usize>,
    /// The treatment of data without a response.
    pub on_unknown_outcome: OnUnknownOutcome,
}

/// Publishes data to an OTLP endpoint.
///
/// A request is sent with the same data until the endpoint accepts or refuses it, so what was accepted is not sent
/// twice. Only a request without a response leaves that open; those are counted.
#[derive(Debug)]
pub struct Exporter {
    pub(super) endpoint: Endpoint,
    names: Names,
    naming: Naming,
    resource: ResourceAttributes,
    max_bytes: usize,
    max_points: usize,
    pub(super) on_unknown_outcome: OnUnknownOutcome,
    pub(super) held: HeldData,
    pub(super) queue: RequestQueue,
    /// The totals of all series, if the temporality is cumulative.
    pub(super) totals: Option<Totals>,
    limit: usize,
    pub(super) schedule: PublishSchedule,
    pub(super) backoff: Backoff,
    pub(super) random: Random,
    budget: Budget,
    /// The correction of the clock by which the data were last corrected.
    pub(super) correction: i64,
    pub(super) flush: Option<ExportFlush>,
    pub(super) last_success: Option<Duration>,
    /// The number of single data points that were refused since the endpoint last accepted a request.
    pub(super) refused: u32,
}

/// The parts of a receiver that the exporter shares with the publisher.
#[derive(Debug)]
pub struct ExportContext<'a> {
    /// The time, with the wall clock corrected.
    pub now: Now,
    /// The clock.
    pub clock: &'a Clock,
    /// The credentials to sign with.
    pub credentials: &'a mut Chain,
    /// The counters and the log.
    pub journal: &'a mut Journal,
}

/// A flush under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExportFlush {
    /// The time by the steady clock from which senders have passed on what they observed before the flush.
    pub(super) settled: Duration,
    /// True if that time has passed, so that later data are not part of the flush.
    pub(super) is_gathered: bool,
}

impl ExportContext<'_> {
    pub(super) fn log(&mut self, notice: ExportNotice) {
        self.journal.log(&Notice::Export(notice), self.now.steady);
    }
}

impl Exporter {
    /// Creates an exporter without data. `seed` makes it differ from others.
    pub fn new(config: OtlpConfig, settings: ExporterSettings, seed: u64) -> Self {
        let mut random = Random::new(seed.rotate_left(17));
        let ExporterSettings { names, publish_interval, timeout, max_series, on_unknown_outcome } = settings;
        let limit = config.buffer_limit;
        Self {
            endpoint: Endpoint {
                cluster: config.cluster,
                host: config.host,
                path: config.path,
                authentication: config.authentication,
                headers: config.headers,
                timeout,
            },
            names,
            naming: config.naming,
            resource: ResourceAttributes::new(config.resource_attributes, seed),
            max_bytes: config.max_request_bytes.min(limit / REQUEST_SHARE),
            max_points: config.max_data_points,
            on_unknown_outcome,
            held: HeldData::new(limit, max_series),
            queue: RequestQueue::default(),
            totals: config.totals_limit.map(Totals::new),
            limit,
            schedule: PublishSchedule::new(publish_interval, &mut random),
            backoff: Backoff::new(publish_interval),
            random,
            budget: Budget::default(),
            correction: 0,
            flush: None,
            last_success: None,
            refused: 0,
        }
    }

    /// Returns the cluster of the endpoint.
    pub fn cluster(&self) -> &str {
        &self.endpoint.cluster
    }

    /// Sets the resource attributes that were read from metadata. With other attributes, all series restart.
    pub fn set_detected(&mut self, attributes: &[(&'static str, String)]) {
        self.resource.set_detected(attributes);
        if let Some(totals) = &mut self.totals {
            totals.restart();
            let (due, _) = self.held.due_mut();
            self.queue.take_back(due);
        }
    }

    /// Adds the data of a record whose clock is `skew` milliseconds behind.
    pub fn merge(&mut self, record: &Record<'_>, skew: i64, parts: &mut ExportContext<'_>) {
        self.correct_times(parts.clock);
        let counts = &mut parts.journal.counts;
        counts.otlp_received = counts.otlp_received.saturating_add(record.samples());
        self.held.merge(record, skew, parts.now.steady);
        let budget = self.held.series_budget_mut();
        counts.otlp_overflowed = counts.otlp_overflowed.saturating_add(budget.take_overflow());
        if let Some(notice) = budget.poll_notice() {
            parts.journal.log(&notice, parts.now.steady);
        }
        self.keep_within_limit(parts);
    }

    /// Adds a copy of data whose time is right.
    pub fn add(&mut self, data: &Accumulator, parts: &mut ExportContext<'_>) {
        self.correct_times(parts.clock);
        let counts = &mut parts.journal.counts;
        counts.otlp_received = counts.otlp_received.saturating_add(data.samples());
        self.held.add(data);
    }

    /// Starts or stops publishing every second, because Envoy is draining or no longer is.
    pub fn set_draining(&mut self, is_draining: bool) {
        self.schedule.set_draining(is_draining);
    }

    /// Makes samples of gauges, keeps the limit, and makes data due. To be called on every tick, which may encode and
    /// compress `work` bytes.
    pub fn handle_time(&mut self, work: usize, parts: &mut ExportContext<'_>) {
        self.correct_times(parts.clock);
        let Now { wall, steady } = parts.now;
        self.budget.refill(work, steady);
        self.held.settle_gauges(wall);
        self.keep_within_limit(parts);
        let is_due = self.schedule.is_due(steady, self.held.has_pending());
        let mut is_flushing = false;
        if let Some(flush) = self.flush.as_mut().filter(|flush| !flush.is_gathered) {
            is_flushing = true;
            flush.is_gathered = steady >= flush.settled;
        }
        if is_due || is_flushing {
            self.held.release(self.schedule.interval(), is_flushing, wall);
        }
        self.held.gather(&mut self.budget.left);
    }

    /// Returns the next request to send. To be called on a tick until it returns `None`.
    pub fn poll_call(&mut self, parts: &mut ExportContext<'_>) -> Option<(ExportId, Call)> {
        self.correct_times(parts.clock);
        let Now { wall, steady } = parts.now;
        self.held.gather(&mut self.budget.left);
        let in_flight = self.queue.in_flight();
        // The totals of a series have to arrive in their order.
        if !self.backoff.allows(steady, in_flight) || (self.totals.is_some() && in_flight > 0) {
            return None;
        }
        let region = parts.credentials.region().map(|region| region.as_str().to_owned());
        let host = self.endpoint.host.clone().or_else(|| parts.credentials.region().map(Region::cloud_watch_host))?;
        if self.is_signed() {
            // Without credentials nothing is encoded.
            parts.credentials.signing(wall)?;
        }
        let request = self.next_request(region.as_deref(), wall);
        self.count_dropped_series(parts);
        let request = request?;
        let signing = if self.is_signed() { parts.credentials.signing(wall) } else { None };
        let (signed_with, signing): (Option<SetId>, _) =
            signing.map_or((None, None), |(id, way)| (Some(id), Some(way)));
        match self.endpoint.call(&host, &request.body, signing, wall) {
            Ok(call) => {
                let id = self.queue.next_id();
                let correction = parts.clock.correction();
                let epoch = self.totals.as_ref().map_or(0, Totals::epoch);
                self.queue.push_sent(SentRequest {
                    id,
                    request,
                    signed_at: wall,
                    at: steady,
                    correction,
                    signed_with,
                    epoch,
                });
                Some((id, call))
            }
            Err(error) => {
                self.queue.waiting.push_front(WaitingRequest::Encoded(request));
                self.backoff.fail(steady, FailureKind::Denied, None, &mut self.random);
                parts.log(ExportNotice::Undispatched(error));
                None
            }
        }
    }

    /// Handles a request that could not be dispatched, so it was not sent.
    pub fn handle_undispatched(&mut self, id: ExportId, reason: &str, parts: &mut ExportContext<'_>) {
        let reason = format!("otlp.cluster_name \"{}\": {reason}", self.endpoint.cluster);
        self.handle_answer(id, &ExportAnswer::unsent(reason), parts);
    }

    /// Returns whether there is more to encode and compress than fitted into this tick.
    pub fn is_working(&self) -> bool {
        self.budget.left == 0
    }

    /// Returns the number of values that are held: received, and neither published nor dropped.
    pub fn samples(&self) -> u64 {
        self.held.samples().saturating_add(self.queue.samples())
    }

    /// Returns the approximate memory size of all data in bytes.
    pub fn bytes(&self) -> usize {
        self.held.bytes().saturating_add(self.queue.bytes())
    }

    /// Returns the number of bytes that gateways may still fill: posts are accepted up to three quarters of the limit.
    pub fn room_for_posts(&self) -> usize {
        (self.limit / 4 * 3).saturating_sub(self.bytes())
    }

    /// Returns the time since the endpoint last accepted a request, or since the start if it never has.
    pub fn since_success(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last_success.unwrap_or_default())
    }

    fn is_signed(&self) -> bool {
        self.endpoint.authentication == Authentication::SigV4
    }

    /// Corrects the times of all data by the change of the clock since the last call.
    pub(super) fn correct_times(&mut self, clock: &Clock) {
        let millis = clock.correction().saturating_sub(self.correction);
        if millis != 0 {
            self.correction = clock.correction();
            let (due, _) = self.held.due_mut();
            match self.totals.as_mut().map(|totals| totals.handle_correction(millis)) {
                // The totals that wait are those of the former start.
                Some(true) => self.queue.take_back(due),
                Some(false) => {}
                None => self.queue.shift(millis, due),
            }
            self.held.shift(millis);
        }
    }

    fn keep_within_limit(&mut self, parts: &mut ExportContext<'_>) {
        let Now { wall, steady } = parts.now;
        let mut dropped = self.held.keep_within_limit(self.queue.bytes(), wall, steady);
        while self.bytes() > self.limit
            && let Some(samples) = self.queue.drop_oldest()
        {
            dropped = dropped.saturating_add(samples);
        }
        let counts = &mut parts.journal.counts;
        counts.otlp_received = counts.otlp_received.saturating_add(self.held.take_made());
        if dropped > 0 {
            counts.otlp_dropped_buffer_full = counts.otlp_dropped_buffer_full.saturating_add(dropped);
            let detail = "otlp.buffer_limit_bytes is reached; other lines say why nothing is published".to_owned();
            parts.log(ExportNotice::Dropped { reason: "buffer_full", samples: dropped, detail });
        }
    }

    /// Counts the values of series for whose totals there is no room.
    fn count_dropped_series(&mut self, parts: &mut ExportContext<'_>) {
        let Some(totals) = &mut self.totals else { return };
        let (samples, limit) = (totals.take_dropped(), totals.limit());
        if samples > 0 {
            let counts = &mut parts.journal.counts;
            counts.otlp_dropped_too_many_series = counts.otlp_dropped_too_many_series.saturating_add(samples);
            let detail = format!("otlp.max_series is {limit}; increase it, or publish fewer series to OTLP");
            parts.log(ExportNotice::Dropped { reason: "too_many_series", samples, detail });
        }
    }

    /// Returns the number of series whose totals are kept.
    pub fn total_series(&self) -> usize {
        self.totals.as_ref().map_or(0, Totals::len)
    }

    /// Returns the next request: one that waits, or one with data that are due. Returns `None` while it is not
    /// completely encoded and compressed.
    fn next_request(&mut self, region: Option<&str>, now: Timestamp) -> Option<EncodedRequest> {
        let encoder = RequestSettings {
            names: PointNames { naming: self.naming, names: &self.names },
            resource: &self.resource,
            region,
            max_bytes: self.max_bytes,
            max_points: self.max_points,
            now,
        };
        let totals = self.totals.as_mut();
        let (due, window) = self.held.due_mut();
        let budget = &mut self.budget.left;
        let has_fresh = self.queue.fresh.is_some() || !due.is_empty();
        let tries_fresh = self.refused >= REFUSED_IN_A_ROW && has_fresh && self.queue.waiting.len() < MAX_REFUSED;
        match self.queue.waiting.pop_front_if(|_| !tries_fresh) {
            Some(WaitingRequest::Encoded(request)) => Some(request),
            Some(WaitingRequest::Draft(draft)) => match draft.encode(due, totals, encoder, budget) {
                Ok((request, rest)) => {
                    if let Some(rest) = rest {
                        self.queue.waiting.push_front(WaitingRequest::Draft(rest));
                    }
                    Some(request)
                }
                Err(draft) => {
                    self.queue.waiting.push_front(WaitingRequest::Draft(draft));
                    None
                }
            },
            None => {
                if !has_fresh {
                    return None;
                }
                let draft = self.queue.fresh.take().unwrap_or_else(|| Box::new(RequestDraft::new(window)));
                match draft.encode(due, totals, encoder, budget) {
                    // All data may have been dropped.
                    Ok((request, _)) => Some(request).filter(|request| request.points > 0),
                    Err(draft) => {
                        self.queue.fresh = Some(draft);
                        None
                    }
                }
            }
        }
    }
}
