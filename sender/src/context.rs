//! The glue between Envoy and [`Sender`]: forwards events and makes host calls.

use std::{cell::RefCell, rc::Rc, time::Duration};

use acpw_host::{
    Counter, Gauge, Queue, environment, log, now, plugin_configuration, property, random, release, request_header,
    wall_clock,
};
use acpw_metric::record::QUEUE_NAME;
use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel, Status},
};

use crate::{HeaderPhase, Level, LogLine, PendingRequest, Sender, SenderConfig, first_flush::first_flush};

proxy_wasm::main! {{
    // This also writes the message of a panic to Envoy's log before the VM ends.
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// The context of a plugin configuration: the root of the HTTP filter, or the access logger itself.
#[derive(Default)]
struct Root {
    worker: SharedWorker,
}

/// The worker that a root context shares with its streams, because the SDK does not let a stream access its root
/// context. It is `None` until a valid configuration is loaded.
#[derive(Clone, Default)]
struct SharedWorker(Rc<RefCell<Option<Worker>>>);

/// The sender of one plugin configuration in this VM, that is, on one worker thread.
struct Worker {
    sender: Sender,
    receiver_vm_id: String,
    queue: Option<Queue>,
    stats: Stats,
    /// The time between two ticks, until Envoy knows it: the first tick is earlier.
    tick_period: Option<Duration>,
    /// `on_done` was called, so no more ticks follow and each request is flushed when it ends.
    is_done: bool,
}

/// One request that passes through the HTTP filter.
struct Stream {
    worker: SharedWorker,
    state: StreamState,
}

/// The state of a stream.
enum StreamState {
    /// The filter has not seen the request headers.
    HeadersUnseen,
    /// The host does not match.
    Unmatched,
    /// The host matches, and the stream has not ended.
    Pending(PendingRequest),
}

impl SharedWorker {
    /// Calls `act` with the worker, if there is one. Envoy delivers one event at a time, so the worker is never
    /// borrowed twice.
    fn with(&self, act: impl FnOnce(&mut Worker)) {
        if let Ok(mut worker) = self.0.try_borrow_mut()
            && let Some(worker) = worker.as_mut()
        {
            act(worker);
        }
    }
}

impl Root {
    /// Loads the configuration. Logs an error and returns `None` if that fails.
    fn configure(&mut self) -> Option<()> {
        let config = SenderConfig::from_json(&plugin_configuration(), environment);
        let config = config.map_err(|errors| write_log(&LogLine::InvalidConfiguration(&errors))).ok()?;
        for warning in &config.warnings {
            write_log(&LogLine::ConfigurationWarning(warning));
        }
        let stats = or_log(Stats::define(), "define the statistics of the sender")?;
        // All workers start together. They flush at different times, so that the main thread does not have to handle
        // the records of all of them in one turn.
        let first_tick = first_flush(config.flush_interval, random());
        or_log(hostcalls::set_tick_period(first_tick), "set the flush interval")?;
        let worker = Worker {
            receiver_vm_id: config.receiver_vm_id.clone(),
            tick_period: Some(config.flush_interval),
            sender: Sender::new(config, now()),
            queue: None,
            stats,
            is_done: false,
        };
        self.worker = SharedWorker(Rc::new(RefCell::new(Some(worker))));
        write_log(&LogLine::Started { release: &release() });
        Some(())
    }
}

impl Context for Root {
    fn on_done(&mut self) -> bool {
        self.worker.with(|worker| {
            worker.is_done = true;
            worker.flush();
            worker.sender.stop_tracking_in_flight();
        });
        true
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.configure().is_some()
    }

    fn on_tick(&mut self) {
        self.worker.with(|worker| {
            worker.flush();
            if let Some(period) = worker.tick_period
                && or_log(hostcalls::set_tick_period(period), "set the flush interval").is_some()
            {
                worker.tick_period = None;
            }
        });
    }

    /// Handles the end of a request if the plugin is an access logger.
    fn on_log(&mut self) {
        self.worker.with(|worker| {
            if worker.sender.tracks_in_flight() {
                write_log(&LogLine::NoRequestsInProgress);
                worker.sender.stop_tracking_in_flight();
            }
            worker.count_ended_request();
        });
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { worker: self.worker.clone(), state: StreamState::HeadersUnseen }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.worker.with(|worker| {
            self.state = match worker.start_request(HeaderPhase::Arrival) {
                Some(mut request) => {
                    if worker.sender.tracks_in_flight() {
                        worker.sender.track_in_flight(&mut request, wall_clock());
                    }
                    StreamState::Pending(request)
                }
                None => StreamState::Unmatched,
            };
        });
        Action::Continue
    }

    fn on_log(&mut self) {
        let state = std::mem::replace(&mut self.state, StreamState::Unmatched);
        self.worker.with(|worker| match state {
            StreamState::Pending(request) => worker.end_request(request),
            StreamState::Unmatched => {}
            // An earlier filter has answered the request.
            StreamState::HeadersUnseen => worker.count_ended_request(),
        });
    }
}

impl Worker {
    /// Counts a request of which only the end was seen.
    fn count_ended_request(&mut self) {
        if let Some(request) = self.start_request(HeaderPhase::End) {
            self.end_request(request);
        }
    }

    fn start_request(&mut self, phase: HeaderPhase) -> Option<PendingRequest> {
        #[cfg(feature = "trap")]
        trap_if_requested();
        self.sender.start_request(request_header, phase)
    }

    fn end_request(&mut self, request: PendingRequest) {
        if self.sender.tracks_in_flight() {
            self.sender.untrack_in_flight(&request, wall_clock());
        }
        self.sender.end_request(request, property);
        if self.is_done {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.sender.flush(now());
        if !self.sender.is_empty() {
            // The receiver may start later than this VM, so the queue is looked up until it exists.
            self.queue = self.queue.or_else(|| Queue::resolve(&self.receiver_vm_id, QUEUE_NAME));
            if let Some(queue) = self.queue {
                self.enqueue_records(queue);
            }
            let no_receiver = self.stats.no_receiver.value();
            if let Some(line) = self.sender.check_receiver(self.queue.is_some(), no_receiver, now()) {
                write_log(&line);
            }
        }
        self.stats.update(&mut self.sender);
    }

    fn enqueue_records(&mut self, queue: Queue) {
        let mut unreadable = Vec::new();
        while let Some(record) = queue.dequeue() {
            if self.sender.take_back(&record).is_err() {
                unreadable.push(record);
            }
        }
        for record in unreadable {
            let _ = queue.enqueue(&record);
        }
        for record in self.sender.take_records() {
            if queue.enqueue(&record).is_err() {
                self.sender.restore(&record);
                self.queue = None;
            }
        }
    }
}

fn write_log(line: &LogLine<'_>) {
    let level = match line.level() {
        Level::Critical => LogLevel::Critical,
        Level::Warning => LogLevel::Warn,
        Level::Info => LogLevel::Info,
    };
    log(level, &line.to_string());
}

/// Returns the value of `result`, or logs the status that Envoy returned.
fn or_log<T>(result: Result<T, Status>, purpose: &'static str) -> Option<T> {
    result.map_err(|status| write_log(&LogLine::HostCallRefused { purpose, status: &status })).ok()
}

/// Ends this VM if the request asks for it. Tests use it to check that Envoy survives a module that fails.
#[cfg(feature = "trap")]
#[allow(clippy::panic, reason = "the feature exists to panic")]
fn trap_if_requested() {
    if request_header(":path").is_some_and(|path| path == b"/trap-the-sender") {
        panic!("a test has asked for it");
    }
}

/// The sender's statistics in Envoy.
struct Stats {
    observed: Counter,
    enqueued: Counter,
    taken_back: Counter,
    dropped_buffer_full: Counter,
    no_receiver: Counter,
    held: Gauge,
    /// The contribution of this worker to the gauge, which all workers share.
    held_before: u64,
}

impl Stats {
    fn define() -> Result<Self, Status> {
        Ok(Self {
            observed: Counter::define("acpw.sender.observed")?,
            enqueued: Counter::define("acpw.sender.enqueued")?,
            taken_back: Counter::define("acpw.sender.taken_back")?,
            dropped_buffer_full: Counter::define("acpw.sender.dropped.buffer_full")?,
            no_receiver: Counter::define("acpw.sender.no_receiver")?,
            held: Gauge::define("acpw.sender.held")?,
            held_before: 0,
        })
    }

    fn update(&mut self, sender: &mut Sender) {
        let counts = sender.take_counts();
        self.observed.add(counts.observed);
        self.enqueued.add(counts.enqueued);
        self.taken_back.add(counts.taken_back);
        self.dropped_buffer_full.add(counts.dropped_buffer_full);
        self.no_receiver.add(counts.no_receiver);
        let held = sender.held();
        self.held.shift(i64::try_from(held).unwrap_or(i64::MAX).saturating_sub_unsigned(self.held_before));
        self.held_before = held;
    }
}
