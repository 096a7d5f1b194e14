//! Runs all modules together, step by step.

mod checks;

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use acpw_metric::{Accumulator, Namespace, Now, Origin, PeriodKey, Record, Timestamp};
use fastrand::Rng;
use receiver::{
    Counts, Driver, PublishAnswer, TransmitId,
    otlp::{ExportAnswer, ExportId, PartialSuccess},
    receiver::Trigger,
};
use sender::{HeaderPhase, Sender};

use crate::{
    Fault, Mutation, Schedule, SimulatedCloudWatch, SimulatedEndpoint,
    cloud_watch::REFUSED_NAMESPACE,
    local_services::LocalServices,
    post_client::{PostClient, values},
};

/// Envoy's encoding of the response code 200.
const OK: [u8; 8] = 200i64.to_le_bytes();

const TICK: u64 = 200;
const START: u64 = 1_787_400_000_000;
/// The number of ticks between two flushes of a sender: a second.
const FLUSH_TICKS: u64 = 5;
/// The maximum number of ticks until everything is stored after the last fault: several times the longest back-off and
/// the 30 s after refused credentials and namespaces.
const HEALING_TICKS: u64 = 5 * 60 * 20;

/// The totals of a simulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of observed values.
    pub observed: u64,
    /// The number of stored values.
    pub stored: u64,
    /// The number of dropped values.
    pub dropped: u64,
    /// The number of requests to CloudWatch.
    pub requests: u64,
    /// The number of posts answered with 429.
    pub refused_posts: u64,
}

/// An Envoy process with workers, gateway and receiver, and the services around it.
pub struct World {
    schedule: Schedule,
    mutation: Mutation,
    rng: Rng,
    tick: u64,
    is_healing: bool,
    senders: Vec<Worker>,
    queue: VecDeque<Vec<u8>>,
    /// True if a receiver has ever registered the queue.
    has_queue: bool,
    driver: Option<Driver>,
    posts: Option<PostClient>,
    /// The ledger of room in shared data, which outlives the modules.
    ledger: Option<Vec<u8>>,
    local_services: LocalServices,
    /// The number of requested flushes, and the number of the last finished one.
    flushes: (u64, u64),
    cloud: SimulatedCloudWatch,
    answers_in_flight: Vec<(u64, TransmitId, PublishAnswer, u64)>,
    endpoint: SimulatedEndpoint,
    /// Responses of the endpoint, each with the tick of its arrival and the number of values that were stored.
    exports_in_flight: Vec<(u64, ExportId, ExportAnswer, u64)>,
    truth: Truth,
    /// Envoy's counters, which outlive the modules.
    stats: Counts,
    sender_stats: sender::ValueCounts,
}

/// A sender, and the number of values that it has observed since its last flush.
struct Worker {
    sender: Sender,
    unflushed: u64,
}

/// The actual events, for comparison with the counters of the modules.
#[derive(Debug, Default)]
struct Truth {
    observed: u64,
    by_path: HashMap<String, u64>,
    lost_with_senders: u64,
    /// The number of values stored by requests whose answer never reached the receiver.
    stored_unanswered: u64,
    /// The same number for the OTLP endpoint.
    exported_unanswered: u64,
    requests: u64,
    /// The number of values in records that a receiver has taken out of the queue.
    dequeued: u64,
}

impl World {
    /// Creates the world of a seed.
    pub fn new(seed: u64, mutation: Mutation) -> Self {
        let mut rng = Rng::with_seed(seed);
        let schedule = Schedule::new(&mut rng);
        let mut world = Self {
            senders: Vec::new(),
            schedule,
            mutation,
            rng,
            tick: 0,
            is_healing: false,
            queue: VecDeque::new(),
            has_queue: false,
            driver: None,
            posts: PostClient::new(),
            ledger: None,
            local_services: LocalServices::default(),
            flushes: (0, 0),
            cloud: SimulatedCloudWatch::default(),
            answers_in_flight: Vec::new(),
            endpoint: SimulatedEndpoint::default(),
            exports_in_flight: Vec::new(),
            truth: Truth::default(),
            stats: Counts::default(),
            sender_stats: sender::ValueCounts::default(),
        };
        world.senders = (0..world.schedule.senders).filter_map(|_| world.new_sender()).collect();
        world
    }

    /// Runs the schedule to its end, removes all faults, runs until all data is stored, and returns the totals.
    ///
    /// # Errors
    /// The first violated condition, with its tick and the schedule.
    pub fn run(mut self) -> Result<Report, String> {
        let describe = |world: &Self, error| format!("tick {}: {error}\n{:?}", world.tick, world.schedule);
        for _ in 0..self.schedule.ticks {
            self.step();
            self.check().map_err(|error| describe(&self, error))?;
        }
        self.is_healing = true;
        self.local_services.is_application_gone = true;
        for _ in 0..HEALING_TICKS {
            if self.is_at_rest() {
                break;
            }
            self.step();
            self.check().map_err(|error| describe(&self, error))?;
        }
        self.check_end().map_err(|error| describe(&self, error))?;
        Ok(self.report())
    }

    fn step(&mut self) {
        let faults: Vec<Fault> =
            if self.is_healing { Vec::new() } else { self.schedule.faults_at(self.tick).collect() };
        if !self.is_healing {
            self.observe();
            self.trap();
        }
        if self.tick.is_multiple_of(FLUSH_TICKS) {
            self.flush_senders();
        }
        if self.schedule.rotations.contains(&self.tick) {
            self.local_services.endpoint.rotate();
        }
        if self.schedule.flushes.contains(&self.tick) {
            self.flushes.0 += 1;
        }
        if !faults.contains(&Fault::NoReceiver) {
            self.start_receiver();
            self.drain();
            self.tick_receiver();
            self.publish(&faults);
            self.export();
            self.deliver_answers();
            self.deliver_export_answers();
        } else if self.driver.is_some() {
            self.lose_receiver();
        }
        if !self.is_healing && self.has_queue {
            self.post();
        }
        self.update_stats();
        self.tick += 1;
    }

    /// Returns the true time.
    fn time(&self) -> Timestamp {
        Timestamp::from_millis(START + self.tick * TICK)
    }

    /// Returns the time by the host's clocks.
    fn now(&self) -> Now {
        let skew = match self.schedule.skew {
            Some((skew, corrected_at)) if self.tick < corrected_at => skew,
            _ => 0,
        };
        Now { wall: self.time().shifted(skew), steady: Duration::from_millis(self.tick * TICK) }
    }

    fn new_sender(&self) -> Option<Worker> {
        let document = r#"{"receiver_vm_id": "receiver", "max_series": 60}"#;
        let config = sender::SenderConfig::from_json(document.as_bytes(), |_| None).ok()?;
        Some(Worker { sender: Sender::new(config, self.now()), unflushed: 0 })
    }

    fn observe(&mut self) {
        let is_burst = self.schedule.faults_at(self.tick).any(|fault| fault == Fault::Burst);
        let count = if is_burst { 200 } else { self.rng.u64(0..=self.schedule.rate) };
        for _ in 0..count {
            let index = self.rng.usize(0..self.senders.len());
            let path = match self.rng.u8(0..40) {
                0 => "/bad".to_owned(),
                _ if is_burst => format!("/{}", self.rng.u16(..)),
                n => format!("/{}", n % 8),
            };
            let header = |name: &str| match name {
                ":authority" => Some(b"example.com".to_vec()),
                ":method" => Some(b"GET".to_vec()),
                ":path" => Some(path.as_bytes().to_vec()),
                _ => None,
            };
            if let Some(Worker { sender, unflushed }) = self.senders.get_mut(index)
                && let Some(observation) = sender.start_request(header, HeaderPhase::Arrival)
            {
                sender.end_request(observation, |_| Some(OK.to_vec()));
                *unflushed += 1;
                self.truth.observed += 1;
                *self.truth.by_path.entry(path).or_default() += 1;
            }
        }
    }

    fn trap(&mut self) {
        if self.schedule.sender_traps.contains(&self.tick)
            && let Some(new) = self.new_sender()
        {
            let index = self.rng.usize(0..self.senders.len());
            if let Some(worker) = self.senders.get_mut(index) {
                let mut old = std::mem::replace(worker, new);
                self.truth.lost_with_senders += old.unflushed + old.sender.held();
                self.sender_stats.observed += old.sender.take_counts().observed;
            }
        }
        if self.schedule.receiver_traps.contains(&self.tick) {
            self.lose_receiver();
        }
        if self.schedule.garbage.contains(&self.tick) {
            self.queue.push_back(b"\x01garbage".to_vec());
        }
    }

    fn flush_senders(&mut self) {
        let now = self.now();
        for (index, Worker { sender, unflushed }) in self.senders.iter_mut().enumerate() {
            sender.flush(now);
            *unflushed = 0;
            if sender.is_empty() || !self.has_queue {
                continue;
            }
            let mut unreadable = Vec::new();
            for record in self.queue.drain(..) {
                if sender.take_back(&record).is_err() {
                    unreadable.push(record);
                }
            }
            self.queue.extend(unreadable);
            let records = sender.take_records().into_iter();
            // Data of the second worker gets another namespace, like posted data may have.
            match index {
                1 => self.queue.extend(records.flat_map(|record| in_namespace(&record, REFUSED_NAMESPACE))),
                _ => self.queue.extend(records),
            }
        }
    }

    fn post(&mut self) {
        let now = self.now();
        let Some(posts) = &mut self.posts else { return };
        posts.handle_status(self.driver.as_ref().and_then(Driver::status));
        for _ in 0..self.rng.u64(0..=self.schedule.posts) {
            let age = self.rng.bool().then_some(self.schedule.age);
            let is_room_ignored = self.mutation == Mutation::RoomIgnored;
            self.queue.extend(posts.post(now, age, &mut self.ledger, is_room_ignored, &mut self.rng));
        }
    }

    fn start_receiver(&mut self) {
        if self.driver.is_some() {
            return;
        }
        let on_unknown_outcome = if self.schedule.drops_unknown { "drop" } else { "retry" };
        let temporality = if self.schedule.is_cumulative { "cumulative" } else { "delta" };
        let document = format!(
            r#"{{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c",
                "credentials": {{"provider": "container", "cluster": "ecs", "relative_uri": "/x"}},
                "scrape": [{{"cluster_name": "app", "rules": [{{"metric": "temperature"}}]}}],
                "publish_to": ["cloudwatch", "otlp"],
                "otlp": {{"cluster_name": "otlp", "max_data_points": 50, "buffer_limit_bytes": {},
                    "temporality": "{temporality}"}},
                "publish_interval_millisecond": {}, "buffer_limit_bytes": {},
                "on_unknown_outcome": "{on_unknown_outcome}"}}"#,
            self.schedule.buffer_limit, self.schedule.publish_interval, self.schedule.buffer_limit
        );
        let config = receiver::ReceiverConfig::from_json(document.as_bytes(), |_| None);
        self.driver = config.ok().map(|config| Driver::new(config, self.rng.u64(..)));
        self.has_queue = true;
        if let Some(driver) = &mut self.driver
            && self.mutation != Mutation::RestartUncounted
        {
            driver.receiver_mut().account_for_earlier_receivers(|| self.stats);
        }
        self.grant_room();
    }

    fn lose_receiver(&mut self) {
        self.update_stats();
        self.driver = None;
        self.local_services.forget_calls();
        self.truth.stored_unanswered += self.answers_in_flight.drain(..).map(|(_, _, _, stored)| stored).sum::<u64>();
        self.truth.exported_unanswered += self.exports_in_flight.drain(..).map(|(_, _, _, stored)| stored).sum::<u64>();
    }

    fn drain(&mut self) {
        let now = self.now();
        let Some(driver) = &mut self.driver else { return };
        while let Some(record) = self.queue.pop_front() {
            self.truth.dequeued += values(&record);
            let receiver = driver.receiver_mut();
            match self.mutation {
                Mutation::RecordLost if self.tick.is_multiple_of(7) => continue,
                Mutation::RecordTwice if self.tick.is_multiple_of(7) => receiver.handle_record(Some(&record), now),
                _ => {}
            }
            receiver.begin_drain(Trigger::Tick);
            receiver.handle_record(Some(&record), now);
        }
    }

    fn tick_receiver(&mut self) {
        let (now, time) = (self.now(), self.time());
        let is_lost =
            self.mutation == Mutation::CredentialsForgotten && self.local_services.endpoint.access_key() != "ASIA0";
        let Some(driver) = &mut self.driver else { return };
        self.local_services.deliver_responses(driver, self.tick, now, is_lost);
        if self.mutation != Mutation::FlushForgotten {
            driver.request_flush(self.flushes.0);
        }
        driver.tick(now);
        if let Some(done) = driver.take_flushed() {
            self.flushes.1 = done.id;
        }
        self.local_services.handle_calls(driver, self.tick, time);
        self.grant_room();
    }

    fn grant_room(&mut self) {
        let now = self.now();
        let Some(driver) = &mut self.driver else { return };
        let (next, encoded) = driver.receiver().next_room(self.ledger.as_deref(), now);
        self.ledger = encoded;
        driver.receiver_mut().handle_room_written(next, now);
    }

    fn publish(&mut self, faults: &[Fault]) {
        let time = self.time();
        let valid_key = self.local_services.endpoint.access_key();
        let Some(driver) = &mut self.driver else { return };
        while let Some(transmit) = driver.take_transmit() {
            self.truth.requests += 1;
            let mut outcome = self.cloud.handle_request(&transmit, time, &valid_key, faults, &mut self.rng);
            if self.mutation == Mutation::DeliveredAgain && outcome.stored > 0 {
                outcome.answer = PublishAnswer::Missing { may_be_stored: false, reason: String::new() };
            }
            if self.mutation == Mutation::RefusedAsDelivered
                && let PublishAnswer::Complete(reply) = &mut outcome.answer
            {
                reply.status = 200;
            }
            self.answers_in_flight.push((self.tick + outcome.ticks, transmit.id, outcome.answer, outcome.stored));
        }
    }

    fn export(&mut self) {
        let time = self.time();
        let valid_key = self.local_services.endpoint.access_key();
        let faults: Vec<Fault> =
            if self.is_healing { Vec::new() } else { self.schedule.endpoint_faults_at(self.tick).collect() };
        let Some(driver) = &mut self.driver else { return };
        while let Some((id, call)) = driver.take_export() {
            self.truth.requests += 1;
            let mut result = self.endpoint.take(&call, time, &valid_key, &faults, &mut self.rng);
            if self.mutation == Mutation::DeliveredExportAgain && result.stored > 0 {
                let answer = PublishAnswer::Missing { may_be_stored: false, reason: String::new() };
                result.answer = ExportAnswer { answer, partial: None };
            }
            if self.mutation == Mutation::RefusedExportAsDelivered
                && let PublishAnswer::Complete(reply) = &mut result.answer.answer
            {
                reply.status = 200;
                result.answer.partial = Some(PartialSuccess::default());
            }
            self.exports_in_flight.push((self.tick + result.ticks, id, result.answer, result.stored));
        }
    }

    fn deliver_export_answers(&mut self) {
        let now = self.now();
        let Some(driver) = &mut self.driver else { return };
        let (arrived, exports) =
            std::mem::take(&mut self.exports_in_flight).into_iter().partition(|(at, ..)| *at <= self.tick);
        self.exports_in_flight = exports;
        let arrived: Vec<_> = arrived;
        for (_, id, answer, stored) in arrived {
            if matches!(answer.answer, PublishAnswer::Missing { may_be_stored: true, .. }) {
                self.truth.exported_unanswered += stored;
            }
            driver.handle_export_answer(id, &answer, now);
        }
        while driver.poll_log_line().is_some() {}
    }

    fn deliver_answers(&mut self) {
        let now = self.now();
        let Some(driver) = &mut self.driver else { return };
        let (arrived, answers_in_flight) =
            std::mem::take(&mut self.answers_in_flight).into_iter().partition(|(tick, ..)| *tick <= self.tick);
        self.answers_in_flight = answers_in_flight;
        let arrived: Vec<_> = arrived;
        for (_, id, answer, stored) in arrived {
            if self.mutation == Mutation::AnswerForgotten && self.tick.is_multiple_of(3) {
                continue;
            }
            if matches!(answer, PublishAnswer::Missing { may_be_stored: true, .. }) {
                self.truth.stored_unanswered += stored;
            }
            driver.handle_answer(id, &answer, now);
        }
        while driver.poll_log_line().is_some() {}
    }

    fn update_stats(&mut self) {
        if let Some(driver) = &mut self.driver {
            let mut increments = driver.receiver_mut().poll_counters();
            if self.mutation == Mutation::DropUncounted {
                increments.dropped_invalid = 0;
                increments.dropped_buffer_full = 0;
            }
            if self.mutation == Mutation::TooOldUncounted {
                increments.dropped_too_old = 0;
            }
            if self.mutation == Mutation::SourceUncounted {
                increments.received -= increments.source_answers.min(increments.received);
            }
            self.stats =
                Counts::from_values(self.stats.values().zip(increments.values()).map(|(before, more)| before + more));
        }
        for Worker { sender, .. } in &mut self.senders {
            let counts = sender.take_counts();
            self.sender_stats.observed += counts.observed;
            self.sender_stats.enqueued += counts.enqueued;
            self.sender_stats.taken_back += counts.taken_back;
            self.sender_stats.dropped_buffer_full += counts.dropped_buffer_full;
        }
    }
}

/// Moves the data of a record to another namespace. Returns the new records.
fn in_namespace(record: &[u8], namespace: &str) -> Vec<Vec<u8>> {
    const LIMIT: usize = 1 << 16;
    let (mut data, mut moved) = (Accumulator::default(), Accumulator::default());
    if let Ok(record) = Record::decode(record) {
        data.merge_record(&record, 0);
    }
    let namespace = Namespace::new(namespace).ok();
    for (key, dimensions, distributions) in data.iter() {
        let origin = Origin { namespace: namespace.clone(), ..key.origin.clone() };
        for (metric, distribution) in distributions {
            let key = PeriodKey { origin: origin.clone(), ..key.clone() };
            moved.file(key, dimensions, metric, distribution);
        }
    }
    moved.into_records(LIMIT)
}
