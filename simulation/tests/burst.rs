//! A burst of 20,000 posts a second of new series on four workers while CloudWatch is down: every post that was
//! answered 202 is stored in the end.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use acpw_metric::{Now, Timestamp};
use fastrand::Rng;
use gateway::{
    Gateway,
    gateway::{NextStep, PostOutcome},
    request::Request,
};
use receiver::{Driver, receiver::Trigger};
use simulation::{Fault, SimulatedCloudWatch};

/// Posts in a millisecond.
const POSTS: u64 = 20;

/// The length of the burst in milliseconds.
const BURST: u64 = 5_000;

/// The time until CloudWatch is reachable again, in milliseconds.
const OUTAGE: u64 = 60_000;

const START: u64 = 1_787_402_160_000;

struct World {
    gateways: Vec<Gateway>,
    driver: Driver,
    /// The shared queue. The receiver is woken up for each record.
    queue: VecDeque<Vec<u8>>,
    ledger: Option<Vec<u8>>,
    cloud: SimulatedCloudWatch,
    accepted: HashMap<String, u64>,
    refused: u64,
    rng: Rng,
}

impl World {
    fn new(buffer_limit: usize) -> Self {
        let gateway = || {
            let config = gateway::Config::from_json(br#"{"receiver_vm_id": "receiver"}"#, |_| None).unwrap();
            Gateway::new(config)
        };
        let document = format!(
            r#"{{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "aws_access_key_id": "ASIA0",
                "aws_secret_access_key": "secret", "buffer_limit_bytes": {buffer_limit}}}"#
        );
        let config = receiver::ReceiverConfig::from_json(document.as_bytes(), |_| None).unwrap();
        let mut world = Self {
            gateways: (0..4).map(|_| gateway()).collect(),
            driver: Driver::new(config, 1),
            queue: VecDeque::new(),
            ledger: None,
            cloud: SimulatedCloudWatch::default(),
            accepted: HashMap::new(),
            refused: 0,
            rng: Rng::with_seed(1),
        };
        world.grant_room(now(0));
        world
    }

    /// Posts a datum of a new series through one of the gateways.
    fn post(&mut self, id: u64, now: Now) {
        let path = format!("/{id}");
        let body = format!(
            r#"{{"Namespace": "Burst", "MetricData": [{{"MetricName": "Posted", "Value": 1,
                "Dimensions": [{{"Name": "path", "Value": "{path}"}}]}}]}}"#
        );
        let header = |name: &str| match name {
            ":method" => Some(b"POST".to_vec()),
            ":path" => Some(b"/metrics".to_vec()),
            ":authority" => Some(b"localhost".to_vec()),
            "content-type" => Some(b"application/json".to_vec()),
            _ => None,
        };
        let index = usize::try_from(id).unwrap() % self.gateways.len();
        let gateway = &mut self.gateways[index];
        let outcome = match gateway.begin(Request::new(header), id, now) {
            NextStep::Read(call) => gateway.finish(&call, body.as_bytes(), now),
            _ => panic!("the gateway does not read the body"),
        };
        let room = match &outcome {
            PostOutcome::Accepted(post, _) => Gateway::take_room(post.memory, self.ledger.as_deref()),
            _ => None,
        };
        match (outcome, room) {
            (PostOutcome::Accepted(post, _), Some(ledger)) => {
                self.ledger = Some(ledger.encode());
                self.queue.extend(post.records);
                self.accepted.insert(path, 1);
            }
            _ => self.refused += 1,
        }
    }

    /// Wakes the receiver up for each record in the queue.
    fn wake_up(&mut self, now: Now) {
        while let Some(record) = self.queue.pop_front() {
            let receiver = self.driver.receiver_mut();
            receiver.begin_drain(Trigger::WakeUp);
            receiver.handle_record(Some(&record), now);
            if receiver.is_room_urgent() {
                self.grant_room(now);
            }
        }
    }

    fn tick(&mut self, now: Now, faults: &[Fault]) {
        self.driver.tick(now);
        while let Some(transmit) = self.driver.take_transmit() {
            let outcome = self.cloud.handle_request(&transmit, now.wall, "ASIA0", faults, &mut self.rng);
            self.driver.handle_answer(transmit.id, &outcome.answer, now);
        }
        self.grant_room(now);
        for gateway in &mut self.gateways {
            gateway.handle_status(self.driver.status());
        }
    }

    fn grant_room(&mut self, now: Now) {
        let (ledger, encoded) = self.driver.receiver().next_room(self.ledger.as_deref(), now);
        self.ledger = encoded;
        self.driver.receiver_mut().handle_room_written(ledger, now);
    }
}

fn now(millis: u64) -> Now {
    Now { wall: Timestamp::from_millis(START + millis), steady: Duration::from_millis(millis) }
}

#[test]
fn every_accepted_post_of_a_burst_during_an_outage_is_stored_in_the_end() {
    for buffer_limit in [65_536, 8 * 1_024 * 1_024] {
        let mut world = World::new(buffer_limit);
        let mut id = 0;
        for millis in 0..OUTAGE * 5 {
            let now = now(millis);
            if millis % 200 == 0 {
                let faults: &[Fault] = if millis < OUTAGE { &[Fault::Outage] } else { &[] };
                world.tick(now, faults);
            }
            if (1_000..1_000 + BURST).contains(&millis) {
                for _ in 0..POSTS {
                    id += 1;
                    world.post(id, now);
                }
            }
            // The main thread wakes up later than the workers post.
            if millis % 3 == 0 {
                world.wake_up(now);
            }
        }
        let counts = world.driver.receiver().counts();
        let accepted = world.accepted.len() as u64;
        assert_eq!((id, accepted + world.refused), (POSTS * BURST, POSTS * BURST));
        assert!(accepted > 0 && world.refused > 0, "{accepted} accepted, {} refused", world.refused);
        assert_eq!((counts.dropped(), world.driver.receiver().held()), (0, 0), "limit {buffer_limit}: {counts:?}");
        assert_eq!(world.cloud.stored, world.accepted);
        println!("limit {buffer_limit}: {accepted} accepted and stored, {} refused with 429", world.refused);
    }
}
