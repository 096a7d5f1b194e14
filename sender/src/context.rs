//! The glue to Envoy: events in, host calls out.

use acpw_host::{
    Action, Counter, Event, Gauge, HostError, LogLevel, Part, Plugin, Queue, environment, event, log, now,
    pairs::pairs, plugin, plugin_configuration, set_tick_period, wall_clock,
};
use acpw_metric::record::QUEUE_NAME;

use crate::{Config, Moment, Observation, Sender};

plugin!(Root);

/// A plugin configuration's context: the filter's root, or the access logger itself. It has no worker while it has no
/// sound configuration.
#[derive(Default)]
struct Root {
    worker: Option<Worker>,
}

struct Worker {
    sender: Sender,
    receiver_vm_id: String,
    queue: Option<Queue>,
    stats: Stats,
    /// There will be no more ticks: what is observed from now on is handed over at once.
    is_done: bool,
}

/// How far a stream has come.
#[derive(Default)]
enum Stage {
    /// Its headers have not reached this filter.
    #[default]
    Unseen,
    /// Its host is not one that is observed.
    Unobserved,
    /// It is, and has not ended.
    Observed(Observation),
}

impl Root {
    fn configure(&mut self) -> Result<(), String> {
        let config = Config::from_json(&plugin_configuration(), environment).map_err(|faults| faults.to_string())?;
        for warning in &config.warnings {
            log(LogLevel::Warn, &format!("acpw sender: {warning}"));
        }
        let stats = Stats::define().map_err(|error| format!("Envoy defines no statistics: {error}"))?;
        set_tick_period(config.flush_interval).map_err(|error| format!("Envoy sets no tick: {error}"))?;
        self.worker = Some(Worker {
            receiver_vm_id: config.receiver_vm_id.clone(),
            sender: Sender::new(config, now()),
            queue: None,
            stats,
            is_done: false,
        });
        Ok(())
    }
}

impl Plugin for Root {
    type Stream = Stage;

    fn on_configure(&mut self) -> bool {
        match self.configure() {
            Ok(()) => true,
            Err(error) => {
                log(LogLevel::Critical, &format!("acpw sender: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(worker) = &mut self.worker {
            worker.flush();
        }
    }

    fn on_done(&mut self) {
        if let Some(worker) = &mut self.worker {
            worker.is_done = true;
            worker.flush();
            worker.sender.end_progress();
        }
    }

    fn on_log(&mut self) {
        let Some(worker) = &mut self.worker else { return };
        if worker.sender.counts_progress() {
            let message = "acpw sender: an access logger does not see requests begin; RequestsInProgress and \
                ConcurrencyUtilization are left out";
            log(LogLevel::Warn, message);
            worker.sender.end_progress();
        }
        event(|event| worker.log(event));
    }

    fn on_request_headers(&mut self, stage: &mut Stage, _: Part) -> Action {
        let Some(worker) = &mut self.worker else { return Action::Continue };
        *stage = match event(|event| worker.begin(event, Moment::Arrival)) {
            Some(mut observation) => {
                if worker.sender.counts_progress() {
                    worker.sender.enter(&mut observation, wall_clock());
                }
                Stage::Observed(observation)
            }
            None => Stage::Unobserved,
        };
        Action::Continue
    }

    fn on_stream_log(&mut self, stage: Stage, _: u32) {
        let Some(worker) = &mut self.worker else { return };
        match stage {
            Stage::Observed(observation) => event(|event| worker.finish(event, observation)),
            Stage::Unobserved => {}
            // A filter before this one has answered.
            Stage::Unseen => event(|event| worker.log(event)),
        }
    }
}

impl Worker {
    /// Observes a request of which nothing was seen until its end.
    fn log(&mut self, event: &Event) {
        if let Some(observation) = self.begin(event, Moment::End) {
            self.finish(event, observation);
        }
    }

    fn begin(&mut self, event: &Event, moment: Moment) -> Option<Observation> {
        let headers = event.request_headers();
        #[cfg(feature = "trap")]
        trap_if_asked(headers);
        self.sender.begin(pairs(headers), moment)
    }

    fn finish(&mut self, event: &Event, observation: Observation) {
        if self.sender.counts_progress() {
            self.sender.leave(&observation, wall_clock());
        }
        self.sender.finish(observation, |path| event.property(path));
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
        while let Ok(Some(record)) = queue.dequeue() {
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

/// Ends this VM for the tests of modules that fail.
#[cfg(feature = "trap")]
#[allow(clippy::panic, reason = "it is what the feature is for")]
fn trap_if_asked(headers: &[u8]) {
    if pairs(headers).any(|(name, value)| name == b":path" && value == b"/trap-the-sender") {
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
    fn define() -> Result<Self, HostError> {
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
