//! The glue to Envoy: events in, host calls out.

use std::{collections::HashMap, time::Duration};

use acpw_config::list;
use acpw_host::{
    CalloutError, Counter, Gauge, Queue, call_response_body, call_response_header, dispatch, environment, log, now,
    plugin_configuration, random, release, set_shared_data, shared_number,
};
use acpw_metric::{
    record::QUEUE_NAME,
    shared::{FLUSH_DONE_KEY, FLUSH_REQUESTED_KEY, STATUS_KEY},
};
use proxy_wasm::{
    hostcalls,
    traits::{Context, RootContext},
    types::{LogLevel, Status},
};

use crate::{
    Answer, Config, Counts, Publisher, TransmitId,
    call::{CREDENTIALS_LIMIT, Call, Response},
    credentials::Provider,
    drain::DrainWatch,
    endpoint::Region,
    flush::Flushes,
    notice::{Level, Notice},
    source::{Head, SourceId, Sources},
    status::StatusBook,
};

/// Often enough for the shortest delays, and a small fraction of a percent of a core.
const TICK: Duration = Duration::from_millis(200);

/// While there is more to do than fits into one tick.
const BUSY_TICK: Duration = Duration::from_millis(20);

/// As many bytes of records are merged in one tick: a few milliseconds of work. Each record has a wake-up of its own beside.
const DRAIN_BYTES: usize = 64 * 1024;

/// As much of an answer's body as is read: an error that names a thousand data fits.
const ANSWER_LIMIT: usize = 256 * 1024;

const ADMIN_TIMEOUT: Duration = Duration::from_secs(1);

proxy_wasm::main! {{
    // Also writes a panic to Envoy's log before it ends the VM.
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// The singleton's context.
#[derive(Default)]
struct Root {
    receiver: Option<Receiver>,
}

struct Receiver {
    publisher: Publisher,
    sources: Sources,
    cluster: String,
    timeout: Duration,
    queue: Queue,
    has_backlog: bool,
    is_busy: bool,
    drain: Option<(String, DrainWatch)>,
    callouts: HashMap<u32, Purpose>,
    stats: Stats,
    status: StatusBook,
    flushes: Flushes,
    #[cfg(feature = "trap")]
    is_trap_asked: bool,
}

/// What a callout is for.
enum Purpose {
    Publish(TransmitId),
    FetchCredentials,
    AskSource(SourceId),
    AskReady,
}

impl Root {
    fn configure(&mut self) -> Result<String, String> {
        let mut config =
            Config::from_json(&plugin_configuration(), environment).map_err(|faults| faults.to_string())?;
        let queue = Queue::register(QUEUE_NAME).map_err(|error| format!("Envoy registers no queue: {error:?}"))?;
        let stats = Stats::define().map_err(|error| format!("Envoy defines no statistics: {error:?}"))?;
        hostcalls::set_tick_period(TICK).map_err(|error| format!("Envoy sets no tick: {error:?}"))?;
        let providers = list(&mut config.credentials.iter().map(Provider::name));
        let summary = format!(
            "{} publishes {} to {} of {} every {} ms with credentials from {}",
            release(),
            config.namespace,
            config.host().as_deref().unwrap_or("CloudWatch"),
            config.region.region().map_or("the instance's region", Region::as_str),
            config.publish_interval.as_millis(),
            providers
        );
        self.receiver = Some(Receiver {
            cluster: config.cluster.clone(),
            timeout: config.timeout,
            queue,
            has_backlog: false,
            is_busy: false,
            drain: config.admin_cluster.clone().map(|cluster| (cluster, DrainWatch::default())),
            callouts: HashMap::new(),
            stats,
            status: StatusBook::new(&config),
            flushes: Flushes::default(),
            #[cfg(feature = "trap")]
            is_trap_asked: false,
            sources: Sources::new(std::mem::take(&mut config.sources)),
            publisher: Publisher::new(config, random()),
        });
        Ok(summary)
    }
}

impl Context for Root {
    /// Only takes the answer in. What follows from it is sent on the next tick: this is also called while Envoy shuts
    /// down, when a dispatch would crash it.
    fn on_http_call_response(&mut self, callout: u32, headers: usize, _: usize, _: usize) {
        if let Some(receiver) = &mut self.receiver {
            receiver.answered(callout, headers > 0);
            receiver.report();
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match self.configure() {
            Ok(summary) => {
                log(LogLevel::Info, &format!("acpw receiver: {summary}"));
                true
            }
            Err(error) => {
                log(LogLevel::Critical, &format!("acpw receiver: {error}"));
                false
            }
        }
    }

    fn on_queue_ready(&mut self, _: u32) {
        if let Some(receiver) = &mut self.receiver {
            receiver.drain(1);
            receiver.report();
            #[cfg(feature = "trap")]
            receiver.trap_if_asked();
        }
    }

    fn on_tick(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            // Records that an earlier VM left behind have no wake-up.
            receiver.drain(DRAIN_BYTES);
            receiver.ask_ready();
            receiver.fetch_credentials();
            receiver.ask_sources();
            receiver.read_sources();
            receiver.publish();
            receiver.report();
            receiver.tell();
            receiver.set_pace();
            #[cfg(feature = "trap")]
            receiver.trap_if_asked();
        }
    }
}

impl Receiver {
    /// Merges records until the queue is empty or `budget` bytes are reached.
    fn drain(&mut self, mut budget: usize) {
        self.stats.account_for_earlier_receivers();
        self.has_backlog = true;
        while budget > 0 {
            let Some(record) = self.queue.dequeue() else {
                self.has_backlog = false;
                return;
            };
            budget = budget.saturating_sub(record.len());
            self.publisher.handle_record(&record, now());
            #[cfg(feature = "trap")]
            {
                let asked = b"/trap-the-receiver";
                self.is_trap_asked |= record.windows(asked.len()).any(|text| text == asked);
            }
        }
    }

    /// Asks for ticks as fast as there is work, so that none of them takes long.
    fn set_pace(&mut self) {
        let is_busy = self.has_backlog || self.publisher.is_working();
        let period = if is_busy { BUSY_TICK } else { TICK };
        if is_busy != self.is_busy && hostcalls::set_tick_period(period).is_ok() {
            self.is_busy = is_busy;
        }
    }

    fn fetch_credentials(&mut self) {
        while let Some(call) = self.publisher.poll_call(now()) {
            match dispatch_call(&call) {
                Ok(callout) => {
                    self.callouts.insert(callout, Purpose::FetchCredentials);
                }
                Err(error) => self.publisher.handle_call_answer(&Response::Missing(error.to_string()), now()),
            }
        }
    }

    fn ask_sources(&mut self) {
        while let Some((id, call)) = self.sources.poll_call(self.publisher.corrected(now())) {
            match dispatch_call(&call) {
                Ok(callout) => {
                    self.callouts.insert(callout, Purpose::AskSource(id));
                }
                Err(error) => {
                    let now = self.publisher.corrected(now());
                    self.sources.handle_undispatched(id, &error.to_string(), now);
                }
            }
        }
    }

    fn read_sources(&mut self) {
        for data in self.sources.poll_data() {
            self.publisher.handle_data(data, now());
        }
        self.publisher.set_source_counts(self.sources.counts());
        while let Some(notice) = self.sources.poll_notice() {
            self.publisher.tell(&notice, now());
        }
    }

    fn publish(&mut self) {
        while let Some(transmit) = self.publisher.poll_transmit(now()) {
            let headers = transmit.headers.iter().map(|(name, value)| (*name, value.as_str()));
            match dispatch(&self.cluster, headers, &transmit.body, self.timeout) {
                Ok(callout) => {
                    self.callouts.insert(callout, Purpose::Publish(transmit.id));
                }
                Err(error) => {
                    let reason = format!("cloud_watch_cluster_name \"{}\": {error}", self.cluster);
                    self.publisher.handle_undispatched(transmit.id, &reason, now());
                }
            }
        }
    }

    /// Asks Envoy whether it is being drained, where the configuration says how.
    fn ask_ready(&mut self) {
        let Some((cluster, watch)) = &mut self.drain else { return };
        if let Some(reason) = watch.poll_failure() {
            self.publisher.tell(&Notice::DrainUnknown { cluster: cluster.clone(), reason }, now());
        }
        if !watch.poll(now().steady) {
            return;
        }
        let headers = [(":method", "GET"), (":path", DrainWatch::PATH), (":authority", cluster.as_str())];
        match dispatch(cluster, headers, b"", ADMIN_TIMEOUT) {
            Ok(callout) => {
                self.callouts.insert(callout, Purpose::AskReady);
            }
            Err(error) => watch.handle_undispatched(&error.to_string()),
        }
    }

    fn answered(&mut self, callout: u32, has_headers: bool) {
        // Envoy has no header map for an answer that broke off, and the SDK panics when asked for one.
        let header = |name: &str| if has_headers { call_response_header(name) } else { None };
        match self.callouts.remove(&callout) {
            Some(Purpose::Publish(id)) => {
                let answer = Answer::new(header, &call_response_body(ANSWER_LIMIT));
                self.publisher.handle_answer(id, &answer, now());
            }
            Some(Purpose::FetchCredentials) => {
                let body = call_response_body(CREDENTIALS_LIMIT.saturating_add(1));
                self.publisher.handle_call_answer(&Response::new(header, body, CREDENTIALS_LIMIT), now());
            }
            Some(Purpose::AskSource(id)) => {
                let limit = self.sources.answer_limit(id);
                let answer = Response::new(header, call_response_body(limit.saturating_add(1)), limit);
                let head = Head::new(header);
                self.sources.handle_answer_with(id, &head, answer, self.publisher.corrected(now()));
            }
            Some(Purpose::AskReady) => {
                if let Some((_, watch)) = &mut self.drain {
                    self.publisher.set_draining(watch.handle_answer(&call_response_body(ANSWER_LIMIT)));
                }
            }
            None => {}
        }
    }

    fn report(&mut self) {
        while let Some((level, line)) = self.publisher.poll_line() {
            self.status.note(level, &line, now());
            let level = match level {
                Level::Debug => LogLevel::Debug,
                Level::Info => LogLevel::Info,
                Level::Warn => LogLevel::Warn,
                Level::Error => LogLevel::Error,
            };
            log(level, &format!("acpw receiver: {line}"));
        }
        self.stats.update(&self.publisher);
    }

    /// Tells gateways what they have asked for.
    fn tell(&mut self) {
        let now = now();
        // What still lies in the queue is part of a flush.
        let done = match self.has_backlog {
            true => None,
            false => self.flushes.poll(shared_number(FLUSH_REQUESTED_KEY), &mut self.publisher, now),
        };
        let done = done.and_then(|done| serde_json::to_vec(&done).ok()).map(|done| (FLUSH_DONE_KEY, done));
        let status = self.status.poll(&self.publisher, now).map(|status| (STATUS_KEY, status));
        for (key, value) in done.into_iter().chain(status) {
            // Nobody may be there to read it.
            let _ = set_shared_data(key, &value);
        }
    }

    /// Ends this VM for the tests of modules that fail.
    #[cfg(feature = "trap")]
    #[allow(clippy::panic, reason = "it is what the feature is for")]
    fn trap_if_asked(&self) {
        if self.is_trap_asked {
            panic!("a test has asked for it");
        }
    }
}

fn dispatch_call(call: &Call) -> Result<u32, CalloutError> {
    let headers = call.headers.iter().map(|(name, value)| (*name, value.as_str()));
    dispatch(&call.cluster, headers, &call.body, call.timeout)
}

/// The receiver's part of Envoy's statistics.
struct Stats {
    /// In the order of [`Counts::NAMES`].
    counters: Vec<Counter>,
    held: Gauge,
    held_bytes: Gauge,
    held_series: Gauge,
    clock_skew: Gauge,
    published_series: Gauge,
    predicted_cost: Gauge,
    seconds_since_success: Gauge,
    /// What was counted up to the last update.
    before: Counts,
    has_accounted: bool,
}

impl Stats {
    fn define() -> Result<Self, Status> {
        let counters = Counts::NAMES.iter().map(|name| Counter::define(&format!("acpw.receiver.{name}")));
        Ok(Self {
            counters: counters.collect::<Result<_, _>>()?,
            held: Gauge::define("acpw.receiver.held")?,
            held_bytes: Gauge::define("acpw.receiver.held_bytes")?,
            held_series: Gauge::define("acpw.receiver.held_series")?,
            clock_skew: Gauge::define("acpw.receiver.clock_skew_millisecond")?,
            published_series: Gauge::define("acpw.receiver.published_series")?,
            predicted_cost: Gauge::define("acpw.receiver.predicted_monthly_cost_cents")?,
            seconds_since_success: Gauge::define("acpw.receiver.seconds_since_success")?,
            before: Counts::default(),
            has_accounted: false,
        })
    }

    /// The counters outlive this VM. What an earlier one had received and not accounted for when it failed is lost, and is
    /// counted so. To be called before this one has counted anything.
    fn account_for_earlier_receivers(&mut self) {
        if std::mem::replace(&mut self.has_accounted, true) {
            return;
        }
        let totals = Counts::from_values(self.counters.iter().map(|counter| counter.value()));
        let lost = Counts { dropped_restart: totals.unaccounted(), ..Counts::default() };
        self.add(&lost);
    }

    fn update(&mut self, publisher: &Publisher) {
        let counts = *publisher.counts();
        self.add(&counts.since(&self.before));
        self.before = counts;
        self.held.set(publisher.held());
        self.held_bytes.set(publisher.held_bytes() as u64);
        self.held_series.set(publisher.held_series() as u64);
        self.clock_skew.set(publisher.clock_skew().unsigned_abs());
        let prediction = publisher.prediction();
        self.published_series.set(prediction.series);
        self.predicted_cost.set(prediction.cents);
        self.seconds_since_success.set(publisher.since_success(now()).as_secs());
    }

    fn add(&self, counts: &Counts) {
        for (counter, count) in self.counters.iter().zip(counts.values()) {
            counter.add(count);
        }
    }
}
