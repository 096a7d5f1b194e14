//! The glue to Envoy: events in, host calls out.

use acpw_host::{
    Counter, Filter, Gauge, HostError, LogLevel, Queue, filter, log, now, pairs::pairs, plugin_configuration, property,
    request_headers, set_tick_period,
};
use acpw_metric::record::QUEUE_NAME;

use crate::{Config, Observation, Request, Sender};

filter!(Root);

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
        let config = Config::from_json(&plugin_configuration()).map_err(|faults| faults.to_string())?;
        let sender = Sender::new(&config, now()).map_err(|error| error.to_string())?;
        let stats = Stats::define().map_err(|error| format!("Envoy defines no statistics: {error}"))?;
        set_tick_period(config.flush_interval).map_err(|error| format!("Envoy sets no tick: {error}"))?;
        self.worker =
            Some(Worker { sender, receiver_vm_id: config.receiver_vm_id, queue: None, stats, is_done: false });
        Ok(())
    }
}

impl Filter for Root {
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
        }
    }

    fn on_log(&mut self) {
        if let Some(worker) = &mut self.worker {
            worker.log();
        }
    }

    fn on_request_headers(&mut self, stage: &mut Stage) {
        let Some(worker) = &mut self.worker else { return };
        let headers = request_headers();
        #[cfg(feature = "trap")]
        trap_if_asked(&headers);
        *stage = match worker.sender.begin(&Request::received(pairs(&headers))) {
            Some(observation) => Stage::Observed(observation),
            None => Stage::Unobserved,
        };
    }

    fn on_stream_log(&mut self, stage: &mut Stage) {
        let Some(worker) = &mut self.worker else { return };
        match std::mem::replace(stage, Stage::Unobserved) {
            Stage::Observed(observation) => worker.finish(observation),
            Stage::Unobserved => {}
            // A filter before this one has answered.
            Stage::Unseen => worker.log(),
        }
    }
}

impl Worker {
    /// Observes a request of which nothing was seen until its end.
    fn log(&mut self) {
        let headers = request_headers();
        #[cfg(feature = "trap")]
        trap_if_asked(&headers);
        if let Some(observation) = self.sender.begin(&Request::finished(pairs(&headers))) {
            self.finish(observation);
        }
    }

    fn finish(&mut self, observation: Observation) {
        self.sender.finish(observation, response_code());
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

/// The status that was sent to the client; none when the client went away before there was one.
fn response_code() -> Option<u16> {
    let bytes = property(b"response\0code")?;
    let code = i64::from_le_bytes(bytes.try_into().ok()?);
    u16::try_from(code).ok()
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
        let held = sender.held();
        self.held.shift(i64::try_from(held).unwrap_or(i64::MAX).saturating_sub_unsigned(self.held_before));
        self.held_before = held;
    }
}
