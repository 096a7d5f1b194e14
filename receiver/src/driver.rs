//! Drives a receiver without Envoy, for tests, benchmarks and the simulation.

use std::{collections::VecDeque, time::Duration};

use acpw_metric::Now;
use acpw_shared_state::{FLUSH_DONE_KEY, FlushDone, FlushNumber, STATUS_KEY};
use log::Level;

use crate::{
    PublishAnswer, Receiver, ReceiverConfig, Transmit, TransmitId,
    call::{Call, Response},
    otlp::{ExportAnswer, ExportId},
    receiver::{Callout, Purpose, Trigger},
    source::{Head, SourceId},
};

/// A receiver, and its pending requests by purpose.
#[derive(Debug)]
pub struct Driver {
    receiver: Receiver,
    calls: VecDeque<Call>,
    source_calls: VecDeque<(SourceId, Call)>,
    transmits: VecDeque<Transmit>,
    exports: VecDeque<(ExportId, Call)>,
    flushed: Option<FlushDone>,
    status: Option<Vec<u8>>,
    tick_period: Duration,
    /// The time of the last event.
    now: Now,
}

impl Driver {
    /// Creates a driver with a new receiver.
    pub fn new(config: ReceiverConfig, seed: u64) -> Self {
        Self {
            receiver: Receiver::new(config, seed),
            calls: VecDeque::new(),
            source_calls: VecDeque::new(),
            transmits: VecDeque::new(),
            exports: VecDeque::new(),
            flushed: None,
            status: None,
            tick_period: Duration::ZERO,
            now: Now::default(),
        }
    }

    /// Returns the receiver.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Returns the receiver for changes.
    pub fn receiver_mut(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// Passes a record to the receiver, and reports that the queue is empty then.
    pub fn handle_record(&mut self, record: &[u8], now: Now) {
        self.now = now;
        self.receiver.begin_drain(Trigger::WakeUp);
        self.receiver.handle_record(Some(record), now);
        self.receiver.handle_record(None, now);
    }

    /// Runs one tick, and stores its requests by purpose.
    pub fn tick(&mut self, now: Now) {
        self.now = now;
        self.receiver.begin_drain(Trigger::Tick);
        self.receiver.handle_record(None, now);
        self.receiver.handle_tick(now);
        while let Some(Callout { purpose, call }) = self.receiver.poll_callout(now) {
            match purpose {
                Purpose::Publish(id) => {
                    self.transmits.push_back(Transmit { id, headers: call.headers, body: call.body });
                }
                Purpose::Export(id) => self.exports.push_back((id, call)),
                Purpose::FetchCredentials => self.calls.push_back(call),
                Purpose::PollSource(id) => self.source_calls.push_back((id, call)),
                Purpose::CheckReady => self.receiver.handle_undispatched(purpose, "the driver has no Envoy", now),
            }
        }
        for (key, value) in self.receiver.poll_shared(now) {
            match key {
                FLUSH_DONE_KEY => self.flushed = FlushDone::decode(&value).ok(),
                STATUS_KEY => self.status = Some(value),
                _ => {}
            }
        }
        // In virtual time a tick takes none.
        self.tick_period = self.receiver.handle_tick_end(Duration::ZERO);
    }

    /// Returns the time after which the next tick follows the last one.
    pub fn tick_period(&self) -> Duration {
        self.tick_period
    }

    /// Returns the next payload to send. Runs a tick first if there is no payload.
    pub fn poll_transmit(&mut self, now: Now) -> Option<Transmit> {
        if self.transmits.is_empty() {
            self.tick(now);
        }
        self.transmits.pop_front()
    }

    /// Returns the next request for credentials. Runs a tick first if there is no request.
    pub fn poll_call(&mut self, now: Now) -> Option<Call> {
        if self.calls.is_empty() {
            self.tick(now);
        }
        self.calls.pop_front()
    }

    /// Returns the next request for credentials, without running a tick.
    pub fn take_call(&mut self) -> Option<Call> {
        self.calls.pop_front()
    }

    /// Returns the next payload to send, without running a tick.
    pub fn take_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// Returns the next request to the OTLP endpoint, without running a tick.
    pub fn take_export(&mut self) -> Option<(ExportId, Call)> {
        self.exports.pop_front()
    }

    /// Answers a request to the OTLP endpoint.
    pub fn handle_export_answer(&mut self, id: ExportId, answer: &ExportAnswer, now: Now) {
        self.now = now;
        self.receiver.handle_export_answer(id, answer, now);
    }

    /// Reports a request to the OTLP endpoint as not sent.
    pub fn handle_unsent_export(&mut self, id: ExportId, reason: &str, now: Now) {
        self.now = now;
        self.receiver.handle_undispatched(Purpose::Export(id), reason, now);
    }

    /// Returns the next request to a source, without running a tick.
    pub fn poll_source_call(&mut self) -> Option<(SourceId, Call)> {
        self.source_calls.pop_front()
    }

    /// Passes the answer to a payload to the receiver.
    pub fn handle_answer(&mut self, id: TransmitId, answer: &PublishAnswer, now: Now) {
        self.now = now;
        self.receiver.handle_publish_answer(id, answer, now);
    }

    /// Reports a payload as not sent.
    pub fn handle_undispatched(&mut self, id: TransmitId, reason: &str, now: Now) {
        self.now = now;
        self.receiver.handle_undispatched(Purpose::Publish(id), reason, now);
    }

    /// Passes the response to a request for credentials to the receiver.
    pub fn handle_call_answer(&mut self, answer: &Response, now: Now) {
        self.now = now;
        self.receiver.handle_credentials(answer, now);
    }

    /// Passes the response of a source to the receiver.
    pub fn handle_source_answer(&mut self, id: SourceId, answer: Response, now: Now) {
        self.now = now;
        self.receiver.handle_source_answer(id, &Head::default(), answer, now);
    }

    /// Sets the number of requested flushes.
    pub fn request_flush(&mut self, number: u64) {
        self.receiver.handle_flush_requested(Some(&FlushNumber(number).encode()));
    }

    /// Returns the result of a flush that has ended since the last call.
    pub fn take_flushed(&mut self) -> Option<FlushDone> {
        self.flushed.take()
    }

    /// Returns the last encoded status.
    pub fn status(&self) -> Option<&[u8]> {
        self.status.as_deref()
    }

    /// Returns the next line of the log.
    pub fn poll_log_line(&mut self) -> Option<(Level, String)> {
        self.receiver.poll_log_line(self.now)
    }
}
