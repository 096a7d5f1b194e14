//! Connects the gateway to Envoy: handles its events and makes the host calls.

use std::{cell::RefCell, rc::Rc, time::Duration};

use acpw_host::{
    Counter, Queue, environment, log, now, plugin_configuration, property, random, release, request_header,
    shared_data, update_shared_data,
};
use acpw_metric::record::QUEUE_NAME;
use acpw_shared_state::{
    FLUSH_DONE_KEY, FLUSH_REQUESTED_KEY, FlushDone, FlushNumber, ROOM_KEY, RoomLedger, STATUS_KEY,
};
use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{Action, BufferType, ContextType, LogLevel, Status},
};

use crate::{
    Config, Gateway,
    answer::Answer,
    body::MAX_BODY_BYTES,
    gateway::{NextStep, PendingRequest, PostOutcome},
    otlp::{self, Export, STREAMS_KEY},
    put_metric_data::AcceptedPost,
    receiver_state::Readiness,
    request::Request,
    status::{self, GatewayCounters},
};

/// The interval at which the receiver's state is read and pending flushes are checked.
const TICK: Duration = Duration::from_millis(100);

proxy_wasm::main! {{
    // Also installs a hook that logs a panic before it ends the VM.
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// The context of a plugin configuration.
#[derive(Default)]
struct Root {
    worker: SharedWorker,
}

/// The worker, which a root shares with its streams, because the SDK gives streams no access to their root. It is
/// absent until the configuration is valid.
#[derive(Clone, Default)]
struct SharedWorker(Rc<RefCell<Option<Worker>>>);

/// The gateway of one plugin configuration in this VM.
struct Worker {
    gateway: Gateway,
    receiver_vm_id: String,
    queue: Option<Queue>,
    flushes: Vec<Flush>,
    stats: Stats,
}

/// A paused request that waits for a flush.
struct Flush {
    context: u32,
    id: u64,
    deadline: Duration,
    headers: Vec<(&'static str, String)>,
}

/// One request to the gateway.
struct Stream {
    worker: SharedWorker,
    context: u32,
    cors: Vec<(&'static str, String)>,
    /// The request, while its body is being received.
    call: Option<Box<PendingRequest>>,
}

impl SharedWorker {
    /// Runs `act` on the worker, if there is one. Envoy delivers one event at a time, so the worker is never borrowed
    /// twice.
    fn with<T>(&self, act: impl FnOnce(&mut Worker) -> T) -> Option<T> {
        self.0.try_borrow_mut().ok()?.as_mut().map(act)
    }
}

impl Root {
    fn configure(&mut self) -> Result<(), String> {
        let config = Config::from_json(&plugin_configuration(), environment).map_err(|faults| faults.to_string())?;
        // VMs with different values of vm_id cannot share data.
        let own = property("plugin_vm_id").unwrap_or_default();
        if own != config.receiver_vm_id.as_bytes() {
            let own = String::from_utf8_lossy(&own);
            return Err(format!(
                "receiver_vm_id: must also be the vm_id in the gateway's own vm_config, which is \"{own}\""
            ));
        }
        let stats = Stats::define().map_err(|error| format!("cannot define stats in Envoy: {error:?}"))?;
        hostcalls::set_tick_period(TICK).map_err(|error| format!("cannot set the tick period in Envoy: {error:?}"))?;
        let mut worker = Worker {
            receiver_vm_id: config.receiver_vm_id.clone(),
            gateway: Gateway::new(config),
            queue: None,
            flushes: Vec::new(),
            stats,
        };
        worker.read_status();
        self.worker = SharedWorker(Rc::new(RefCell::new(Some(worker))));
        Ok(())
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match self.configure() {
            Ok(()) => {
                log(LogLevel::Info, &format!("acpw gateway: {} started", release()));
                true
            }
            Err(error) => {
                log(LogLevel::Critical, &format!("acpw gateway: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        for (context, answer) in self.worker.with(Worker::tick).unwrap_or_default() {
            // A stream removes its flush when it ends. If one is missed, the answer is not sent.
            if hostcalls::set_effective_context(context).is_ok() {
                send(&answer, &[]);
            }
        }
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { worker: self.worker.clone(), context, cors: Vec::new(), call: None }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, is_end: bool) -> Action {
        let worker = self.worker.clone();
        // Envoy creates no streams for a rejected configuration, so there is a worker.
        worker.with(|worker| worker.begin(self, is_end));
        Action::Pause
    }

    fn on_http_request_body(&mut self, length: usize, is_end: bool) -> Action {
        // The listener's buffer limit bounds what Envoy has buffered. A body above the limit is answered before it is
        // complete.
        if (is_end || length > MAX_BODY_BYTES)
            && let Some(call) = self.call.take()
        {
            self.worker.with(|worker| {
                if let Some(answer) = worker.execute(&call, self.context, &self.cors) {
                    worker.stats.count(answer.status);
                    send(&answer, &self.cors);
                }
            });
        }
        Action::Pause
    }

    fn on_log(&mut self) {
        self.worker.with(|worker| worker.flushes.retain(|flush| flush.context != self.context));
    }
}

impl Worker {
    fn begin(&mut self, stream: &mut Stream, is_end: bool) {
        let request = Request::new(request_header);
        // A failed health check does not count as a refused request.
        let is_counted = request.path() != "/healthcheck";
        stream.cors = self.gateway.cors(&request);
        if self.gateway.readiness(now()) == Readiness::Absent {
            // A receiver may have started since the last tick.
            self.read_status();
        }
        let answer = match self.gateway.begin(request, random(), now()) {
            NextStep::Respond(answer) => Some(answer),
            NextStep::Status => Some(self.status()),
            NextStep::Read(call) if is_end => self.execute(&call, stream.context, &stream.cors),
            NextStep::Read(call) => {
                stream.call = Some(call);
                None
            }
        };
        if let Some(answer) = answer {
            if is_counted {
                self.stats.count(answer.status);
            }
            send(&answer, &stream.cors);
        }
    }

    fn tick(&mut self) -> Vec<(u32, Answer)> {
        self.read_status();
        if self.flushes.is_empty() {
            return Vec::new();
        }
        let done = shared_data(FLUSH_DONE_KEY).and_then(|done| FlushDone::decode(&done).ok());
        let done = done.unwrap_or_default();
        let steady = now().steady;
        let mut answers = Vec::new();
        let gateway = &self.gateway;
        self.flushes.retain_mut(|flush| {
            let is_done = done.id >= flush.id;
            if !is_done && steady < flush.deadline {
                return true;
            }
            let held = if is_done { Some(done.held) } else { gateway.receiver().summary().map(|status| status.held) };
            let mut answer = status::flushed(is_done, held);
            answer.headers.append(&mut flush.headers);
            answers.push((flush.context, answer));
            false
        });
        answers
    }

    /// Executes a complete request. Returns the answer, or `None` if it is sent later.
    fn execute(&mut self, call: &PendingRequest, context: u32, cors: &[(&'static str, String)]) -> Option<Answer> {
        let body = hostcalls::get_buffer(BufferType::HttpRequestBody, 0, MAX_BODY_BYTES.saturating_add(1));
        let body = body.ok().flatten().unwrap_or_default();
        match self.gateway.finish(call, &body, now()) {
            PostOutcome::Refused(answer) => Some(answer),
            PostOutcome::Exported(export) => Some(self.accept_export(call, &export)),
            PostOutcome::Accepted(post, _) if !update_room(|ledger| Gateway::take_room(post.memory, ledger)) => {
                Some(Gateway::no_room(call))
            }
            PostOutcome::Accepted(post, answer) if self.enqueue(&post) => {
                self.stats.add_post(&post);
                Some(answer)
            }
            PostOutcome::Accepted(post, _) => {
                update_room(|ledger| Gateway::give_room_back(post.memory, ledger));
                Some(Gateway::not_enqueued(call))
            }
            PostOutcome::Flush(limit) => match request_flush() {
                Some(id) => {
                    let deadline = now().steady.saturating_add(limit);
                    self.flushes.push(Flush { context, id, deadline, headers: cors.to_vec() });
                    None
                }
                None => Some(Gateway::not_enqueued(call)),
            },
        }
    }

    /// Accepts an export and returns the answer.
    ///
    /// Takes the room of its records, then stores the readings of its cumulative streams, then enqueues the records. An
    /// earlier step is undone if a later one fails.
    fn accept_export(&mut self, call: &PendingRequest, export: &Export) -> Answer {
        let mut taken: Option<u64> = None;
        let mut before = None;
        let gateway = &self.gateway;
        let mut settle = |streams: Option<&[u8]>| {
            if let Some(memory) = taken.take() {
                // Another worker has stored streams first.
                update_room(|ledger| Gateway::give_room_back(memory, ledger));
            }
            let (settled, answer) = gateway.settle(call, export, streams, now())?;
            if !update_room(|ledger| Gateway::take_room(settled.post.memory, ledger)) {
                return Err(Gateway::no_room(call));
            }
            taken = Some(settled.post.memory);
            before = streams.map(<[u8]>::to_vec);
            Ok((settled, answer))
        };
        let settled = if export.is_cumulative() {
            let written = update_shared_data(STREAMS_KEY, |streams| {
                let settled = settle(streams);
                let streams = settled.as_ref().ok().and_then(|(settled, _)| settled.streams.clone());
                (settled, streams)
            });
            written.unwrap_or_else(|_| Err(Gateway::not_enqueued(call)))
        } else {
            settle(None)
        };
        let (settled, answer) = match settled {
            Ok(settled) => settled,
            Err(answer) => {
                if let Some(memory) = taken {
                    update_room(|ledger| Gateway::give_room_back(memory, ledger));
                }
                return answer;
            }
        };
        if !self.enqueue(&settled.post) {
            update_room(|ledger| Gateway::give_room_back(settled.post.memory, ledger));
            if let Some(written) = &settled.streams {
                let undone = update_shared_data(STREAMS_KEY, |current| {
                    let (lost, streams) = otlp::undo(before.as_deref(), written, current);
                    (lost, Some(streams))
                });
                self.stats.gaps.add(undone.unwrap_or_default());
            }
            return Gateway::not_enqueued(call);
        }
        self.stats.add_post(&settled.post);
        self.stats.rejected.add(settled.rejected);
        self.stats.gaps.add(settled.gaps);
        self.stats.forgotten.add(settled.forgotten);
        answer
    }

    /// Enqueues all records of a post. Returns false if the queue does not exist. This is Envoy's only reason to reject
    /// a record, and it applies to the first one, so either all records are enqueued or none.
    fn enqueue(&mut self, post: &AcceptedPost) -> bool {
        self.queue = self.queue.or_else(|| Queue::resolve(&self.receiver_vm_id, QUEUE_NAME));
        let is_enqueued =
            self.queue.is_some_and(|queue| post.records.iter().all(|record| queue.enqueue(record).is_ok()));
        if !is_enqueued {
            self.queue = None;
        }
        is_enqueued
    }

    fn read_status(&mut self) {
        if let Some(line) = self.gateway.handle_status(shared_data(STATUS_KEY).as_deref()) {
            log(LogLevel::Error, &format!("acpw gateway: {line}"));
        }
    }

    fn status(&mut self) -> Answer {
        self.read_status();
        status::status(self.gateway.receiver().json(), self.gateway.readiness(now()), &self.stats.read(), now())
    }
}

/// Replaces the room ledger in shared data by the result of `next`. Returns true if there was a result and it was
/// written.
fn update_room(next: impl Fn(Option<&[u8]>) -> Option<RoomLedger>) -> bool {
    let written = update_shared_data(ROOM_KEY, |ledger| {
        let next = next(ledger);
        (next.is_some(), next.map(|ledger| ledger.encode()))
    });
    written.unwrap_or(false)
}

/// Requests a flush and returns its number, or `None` if shared data cannot be written.
fn request_flush() -> Option<u64> {
    let written = update_shared_data(FLUSH_REQUESTED_KEY, |number| {
        let next = FlushNumber::decode(number).ok().map(FlushNumber::next);
        (next, next.map(FlushNumber::encode))
    });
    written.ok().flatten().map(|FlushNumber(number)| number)
}

fn send(answer: &Answer, additional: &[(&'static str, String)]) {
    let headers = answer.headers.iter().chain(additional).map(|(name, value)| (*name, value.as_str()));
    // The SDK cannot set response code details, so this property marks the gateway's answers for access logs.
    let _ = hostcalls::set_property(vec!["acpw_gateway"], Some(b"answered"));
    // This fails only if the stream has ended.
    let _ = hostcalls::send_http_response(u32::from(answer.status), headers.collect(), Some(&answer.body));
}

/// The gateway's stats in Envoy.
struct Stats {
    accepted: Counter,
    data: Counter,
    values: Counter,
    rejected: Counter,
    gaps: Counter,
    forgotten: Counter,
    refused: Counter,
    unauthorized: Counter,
    full: Counter,
    no_receiver: Counter,
}

impl Stats {
    fn define() -> Result<Self, Status> {
        let counter = |name: &str| Counter::define(&format!("acpw.gateway.{name}"));
        Ok(Self {
            accepted: counter("accepted")?,
            data: counter("accepted_data")?,
            values: counter("enqueued")?,
            rejected: counter("otlp.rejected_data_points")?,
            gaps: counter("otlp.gaps")?,
            forgotten: counter("otlp.dropped_streams")?,
            refused: counter("refused.invalid")?,
            unauthorized: counter("refused.unauthorized")?,
            full: counter("refused.buffer_full")?,
            no_receiver: counter("refused.no_receiver")?,
        })
    }

    /// Counts an accepted post.
    fn add_post(&self, post: &AcceptedPost) {
        self.accepted.add(1);
        self.data.add(post.data as u64);
        self.values.add(post.values);
    }

    /// Counts a refused request.
    fn count(&self, status: u16) {
        match status {
            401 | 403 => self.unauthorized.add(1),
            429 => self.full.add(1),
            503 => self.no_receiver.add(1),
            400..=499 => self.refused.add(1),
            _ => {}
        }
    }

    fn read(&self) -> GatewayCounters {
        GatewayCounters {
            accepted: self.accepted.value(),
            accepted_data: self.data.value(),
            enqueued: self.values.value(),
            otlp_rejected: self.rejected.value(),
            otlp_gaps: self.gaps.value(),
            otlp_dropped_streams: self.forgotten.value(),
            refused_invalid: self.refused.value(),
            refused_unauthorized: self.unauthorized.value(),
            refused_buffer_full: self.full.value(),
            refused_no_receiver: self.no_receiver.value(),
        }
    }
}
