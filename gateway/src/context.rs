//! The glue to Envoy: events in, host calls out.

use std::time::Duration;

use acpw_host::{
    Action, Counter, HostError, LogLevel, Part, Plugin, Queue, environment, log, now, pairs::pairs, plugin,
    plugin_configuration, property, raise_shared_number, random, request_body, request_headers, send_response,
    set_effective_context, set_tick_period, shared_data,
};
use acpw_metric::{
    record::QUEUE_NAME,
    shared::{FLUSH_DONE_KEY, FLUSH_REQUESTED_KEY, STATUS_KEY},
};

use crate::{
    Config, Gateway,
    answer::Answer,
    body::MAX_BODY_BYTES,
    gateway::{Call, Next, Outcome},
    put_metric_data::Posting,
    receiver_state::{FlushDone, ReceiverState},
    request::Request,
    status::{self, Counts},
};

/// How often the receiver's state is read, and flushes that are waited for are looked at.
const TICK: Duration = Duration::from_millis(100);

plugin!(Root);

/// A plugin configuration's context. It has no worker while it has no sound configuration.
#[derive(Default)]
struct Root {
    worker: Option<Worker>,
}

/// What the streams of a root share.
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

/// What is kept of a request until its body is there.
#[derive(Default)]
struct Stream {
    cors: Vec<(&'static str, String)>,
    call: Option<Box<Call>>,
}

impl Root {
    fn configure(&mut self) -> Result<(), String> {
        let config = Config::from_json(&plugin_configuration(), environment).map_err(|faults| faults.to_string())?;
        // Shared data are those of one vm_id.
        let own = property(b"plugin_vm_id").unwrap_or_default();
        if own != config.receiver_vm_id.as_bytes() {
            let own = String::from_utf8_lossy(&own);
            return Err(format!(
                "receiver_vm_id: must be the vm_id in the gateway's own vm_config too, which is \"{own}\""
            ));
        }
        let stats = Stats::define().map_err(|error| format!("Envoy defines no statistics: {error}"))?;
        set_tick_period(TICK).map_err(|error| format!("Envoy sets no tick: {error}"))?;
        self.worker = Some(Worker {
            receiver_vm_id: config.receiver_vm_id.clone(),
            gateway: Gateway::new(config),
            queue: None,
            flushes: Vec::new(),
            stats,
        });
        Ok(())
    }
}

impl Plugin for Root {
    type Stream = Stream;

    fn on_configure(&mut self) -> bool {
        match self.configure() {
            Ok(()) => true,
            Err(error) => {
                log(LogLevel::Critical, &format!("acpw gateway: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        for (context, answer) in self.worker.as_mut().map(Worker::tick).unwrap_or_default() {
            // A stream that has gone has taken its flush along; should one be missed, there is nobody to answer.
            if set_effective_context(context).is_ok() {
                send(&answer, &[]);
            }
        }
    }

    fn on_request_headers(&mut self, stream: &mut Stream, part: Part) -> Action {
        // Envoy makes no streams for a configuration that was refused.
        if let Some(worker) = &mut self.worker {
            worker.begin(stream, part);
        }
        Action::Pause
    }

    fn on_request_body(&mut self, stream: &mut Stream, part: Part, length: usize) -> Action {
        // Envoy has at most as much buffered as the listener says, so what comes is bounded; what is longer than a body may
        // be is answered before all of it has come.
        if (part.is_end || length > MAX_BODY_BYTES)
            && let Some(call) = stream.call.take()
            && let Some(worker) = &mut self.worker
            && let Some(answer) = worker.carry_out(&call, part.context, &stream.cors)
        {
            worker.stats.count(answer.status);
            send(&answer, &stream.cors);
        }
        Action::Pause
    }

    fn on_stream_log(&mut self, _: Stream, context: u32) {
        if let Some(worker) = &mut self.worker {
            worker.flushes.retain(|flush| flush.context != context);
        }
    }
}

impl Worker {
    fn begin(&mut self, stream: &mut Stream, part: Part) {
        let map = request_headers();
        let request = Request::new(pairs(&map));
        // What only asks how things are is not counted as refused.
        let is_counted = request.path() != "/healthcheck";
        stream.cors = self.gateway.cors(&request);
        let answer = match self.gateway.begin(request, random(), now()) {
            Next::Answer(answer) => Some(answer),
            Next::Status => Some(self.status()),
            Next::Read(call) if part.is_end => self.carry_out(&call, part.context, &stream.cors),
            Next::Read(call) => {
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
        let state = shared_data(STATUS_KEY).and_then(|status| ReceiverState::from_json(&status));
        self.gateway.set_receiver(state);
        if self.flushes.is_empty() {
            return Vec::new();
        }
        let done = shared_data(FLUSH_DONE_KEY).and_then(|done| FlushDone::from_json(&done));
        let done = done.unwrap_or_default();
        let steady = now().steady;
        let mut answers = Vec::new();
        let gateway = &self.gateway;
        self.flushes.retain_mut(|flush| {
            let is_done = done.id >= flush.id;
            if !is_done && steady < flush.deadline {
                return true;
            }
            let held = if is_done { Some(done.held) } else { gateway.receiver().map(ReceiverState::held) };
            let mut answer = status::flushed(is_done, held);
            answer.headers.append(&mut flush.headers);
            answers.push((flush.context, answer));
            false
        });
        answers
    }

    /// The answer to a request whose body is there, unless it is to come later.
    fn carry_out(&mut self, call: &Call, context: u32, cors: &[(&'static str, String)]) -> Option<Answer> {
        let body = request_body(MAX_BODY_BYTES.saturating_add(1));
        match self.gateway.finish(call, &body, now()) {
            Outcome::Refused(answer) => Some(answer),
            Outcome::Accepted(posting, answer) if self.enqueue(&posting) => {
                self.stats.accepted.add(1);
                self.stats.data.add(posting.data as u64);
                self.stats.values.add(posting.values);
                Some(answer)
            }
            Outcome::Accepted(..) => Some(Gateway::not_enqueued(call)),
            Outcome::Flush(limit) => match raise_shared_number(FLUSH_REQUESTED_KEY) {
                Ok(id) => {
                    let deadline = now().steady.saturating_add(limit);
                    self.flushes.push(Flush { context, id, deadline, headers: cors.to_vec() });
                    None
                }
                Err(_) => Some(Gateway::not_enqueued(call)),
            },
        }
    }

    /// Puts all records of a posting onto the queue. Envoy refuses a record only when there is no such queue, which shows
    /// at the first one; so all are in it, or none.
    fn enqueue(&mut self, posting: &Posting) -> bool {
        self.queue = self.queue.or_else(|| Queue::resolve(&self.receiver_vm_id, QUEUE_NAME));
        let is_enqueued =
            self.queue.is_some_and(|queue| posting.records.iter().all(|record| queue.enqueue(record).is_ok()));
        if !is_enqueued {
            self.queue = None;
        }
        is_enqueued
    }

    fn status(&self) -> Answer {
        let receiver = shared_data(STATUS_KEY);
        status::status(receiver.as_deref(), self.gateway.readiness(now()), &self.stats.read(), now())
    }
}

fn send(answer: &Answer, further: &[(&'static str, String)]) {
    let headers = answer.headers.iter().chain(further).map(|(name, value)| (*name, value.as_str()));
    // There is nothing to be done about a stream that has gone.
    let _ = send_response(answer.status, &headers.collect::<Vec<_>>(), &answer.body);
}

/// The gateway's part of Envoy's statistics.
struct Stats {
    accepted: Counter,
    data: Counter,
    values: Counter,
    refused: Counter,
    unauthorized: Counter,
    full: Counter,
    no_receiver: Counter,
}

impl Stats {
    fn define() -> Result<Self, HostError> {
        let counter = |name: &str| Counter::define(&format!("acpw.gateway.{name}"));
        Ok(Self {
            accepted: counter("accepted")?,
            data: counter("accepted_data")?,
            values: counter("enqueued")?,
            refused: counter("refused.invalid")?,
            unauthorized: counter("refused.unauthorized")?,
            full: counter("refused.buffer_full")?,
            no_receiver: counter("refused.no_receiver")?,
        })
    }

    /// Counts a request that was not carried out.
    fn count(&self, status: u16) {
        match status {
            401 | 403 => self.unauthorized.add(1),
            429 => self.full.add(1),
            503 => self.no_receiver.add(1),
            400..=499 => self.refused.add(1),
            _ => {}
        }
    }

    fn read(&self) -> Counts {
        Counts {
            accepted: self.accepted.value(),
            accepted_data: self.data.value(),
            enqueued: self.values.value(),
            refused_invalid: self.refused.value(),
            refused_unauthorized: self.unauthorized.value(),
            refused_buffer_full: self.full.value(),
            refused_no_receiver: self.no_receiver.value(),
        }
    }
}
