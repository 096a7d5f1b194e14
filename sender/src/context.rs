//! The glue to Envoy: its events in, host calls out.

use std::{cell::RefCell, rc::Rc};

use acpw_host::{
    Counter, Gauge, Queue, environment, log, now, plugin_configuration, property, release, request_header, wall_clock,
};
use acpw_metric::record::QUEUE_NAME;
use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel, Status},
};

use crate::{Config, HeaderPhase, Observation, Sender};

proxy_wasm::main! {{
    // Also writes a panic to Envoy's log before it ends the VM.
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// The context of a plugin configuration: the HTTP filter's root, or the access logger itself.
#[derive(Default)]
struct Root {
    worker: SharedWorker,
}

/// The worker, which a root shares with its streams: the SDK gives streams no way to their root. There is none until the
/// configuration is valid.
#[derive(Clone, Default)]
struct SharedWorker(Rc<RefCell<Option<Worker>>>);

/// What this VM counts for one plugin configuration.
struct Worker {
    sender: Sender,
    receiver_vm_id: String,
    queue: Option<Queue>,
    stats: Stats,
    /// No more ticks follow, so every request is handed over as soon as it is counted.
    is_done: bool,
}

/// One request that passes through the HTTP filter.
struct Stream {
    worker: SharedWorker,
    stage: Stage,
}

/// The stage that a stream has reached.
enum Stage {
    /// Its headers have not reached this filter.
    Unseen,
    /// Its host does not match.
    Unmatched,
    /// Its host matches, and it has not ended.
    Observed(Observation),
}

impl SharedWorker {
    /// Runs `act` on the worker. Envoy delivers events one after the other, so the worker is never borrowed already.
    fn with(&self, act: impl FnOnce(&mut Worker)) {
        if let Ok(mut worker) = self.0.try_borrow_mut()
            && let Some(worker) = worker.as_mut()
        {
            act(worker);
        }
    }
}

impl Root {
    fn configure(&mut self) -> Result<(), String> {
        let config = Config::from_json(&plugin_configuration(), environment).map_err(|faults| faults.to_string())?;
        for warning in &config.warnings {
            log(LogLevel::Warn, &format!("acpw sender: {warning}"));
        }
        let stats = Stats::define().map_err(|status| format!("Envoy defines no statistics: {status:?}"))?;
        hostcalls::set_tick_period(config.flush_interval)
            .map_err(|status| format!("Envoy sets no tick: {status:?}"))?;
        let worker = Worker {
            receiver_vm_id: config.receiver_vm_id.clone(),
            sender: Sender::new(config, now()),
            queue: None,
            stats,
            is_done: false,
        };
        self.worker = SharedWorker(Rc::new(RefCell::new(Some(worker))));
        Ok(())
    }
}

impl Context for Root {
    fn on_done(&mut self) -> bool {
        self.worker.with(|worker| {
            worker.is_done = true;
            worker.flush();
            worker.sender.end_progress();
        });
        true
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match self.configure() {
            Ok(()) => {
                log(LogLevel::Info, &format!("acpw sender: {} started", release()));
                true
            }
            Err(error) => {
                log(LogLevel::Critical, &format!("acpw sender: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.worker.with(Worker::flush);
    }

    /// A request of an access logger has ended.
    fn on_log(&mut self) {
        self.worker.with(|worker| {
            if worker.sender.counts_progress() {
                let message = "acpw sender: an access logger does not see requests begin; RequestsInProgress and \
                    ConcurrencyUtilization are left out";
                log(LogLevel::Warn, message);
                worker.sender.end_progress();
            }
            worker.log();
        });
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { worker: self.worker.clone(), stage: Stage::Unseen }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.worker.with(|worker| {
            self.stage = match worker.begin(HeaderPhase::Arrival) {
                Some(mut observation) => {
                    if worker.sender.counts_progress() {
                        worker.sender.enter(&mut observation, wall_clock());
                    }
                    Stage::Observed(observation)
                }
                None => Stage::Unmatched,
            };
        });
        Action::Continue
    }

    fn on_log(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Unmatched);
        self.worker.with(|worker| match stage {
            Stage::Observed(observation) => worker.finish(observation),
            Stage::Unmatched => {}
            // A filter before this one has answered.
            Stage::Unseen => worker.log(),
        });
    }
}

impl Worker {
    /// Counts a request that was not seen before its end.
    fn log(&mut self) {
        if let Some(observation) = self.begin(HeaderPhase::End) {
            self.finish(observation);
        }
    }

    fn begin(&mut self, phase: HeaderPhase) -> Option<Observation> {
        #[cfg(feature = "trap")]
        trap_if_asked();
        self.sender.begin(request_header, phase)
    }

    fn finish(&mut self, observation: Observation) {
        if self.sender.counts_progress() {
            self.sender.leave(&observation, wall_clock());
        }
        self.sender.finish(observation, property);
        if self.is_done {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.sender.flush(now());
        if !self.sender.is_empty() {
            // The receiver may start later than this VM, so this is asked again until it is there.
            self.queue = self.queue.or_else(|| Queue::resolve(&self.receiver_vm_id, QUEUE_NAME));
            if let Some(queue) = self.queue {
                self.hand_over(queue);
            }
            if let Some(line) = self.sender.note_queue(self.queue.is_some(), self.stats.no_receiver.value(), now()) {
                log(LogLevel::Warn, &format!("acpw sender: {line}"));
            }
        }
        self.stats.update(&mut self.sender);
    }

    fn hand_over(&mut self, queue: Queue) {
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
                self.sender.give_back(&record);
                self.queue = None;
            }
        }
    }
}

/// Ends this VM, for the tests of modules that fail.
#[cfg(feature = "trap")]
#[allow(clippy::panic, reason = "the feature exists for this")]
fn trap_if_asked() {
    if request_header(":path").is_some_and(|path| path == b"/trap-the-sender") {
        panic!("a test has asked for it");
    }
}

/// The sender's part of Envoy's statistics.
struct Stats {
    observed: Counter,
    enqueued: Counter,
    taken_back: Counter,
    dropped_buffer_full: Counter,
    no_receiver: Counter,
    held: Gauge,
    /// What this worker has added to the gauge that all workers share.
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
