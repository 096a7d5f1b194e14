//! A scene that measures every step of the receiver: each record, tick and answer that it handles.

use std::time::Duration;

use acpw_metric::Now;
use receiver::{Driver, PublishAnswer, ReceiverConfig, answer::Reply, otlp::ExportAnswer};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::at;

/// The time in which a publication must end, in milliseconds.
const LIMIT: u64 = 600_000;

/// The service to which a receiver publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// CloudWatch's PutMetricData.
    PutMetricData,
    /// An OTLP endpoint.
    Otlp,
}

impl Service {
    /// All services.
    pub const ALL: [Self; 2] = [Self::PutMetricData, Self::Otlp];

    /// Returns the name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::PutMetricData => "PutMetricData",
            Self::Otlp => "OTLP",
        }
    }
}

/// The event that the receiver handles in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A record of a sender.
    Record,
    /// A tick.
    Tick,
    /// The answer to a request.
    Answer,
}

/// A step and its measurement.
#[derive(Clone, Copy, Debug)]
pub struct Step<T> {
    /// The event.
    pub event: Event,
    /// The measurement.
    pub cost: T,
}

/// Merges records and publishes them. Returns every step, which are the same in each run. `measure` calls the function
/// that it gets once, and returns what it measured.
pub fn steps<T>(service: Service, records: &[Vec<u8>], measure: impl Fn(&mut dyn FnMut()) -> T) -> Vec<Step<T>> {
    let mut run = Run { driver: Driver::new(config(service), 7), millis: 0, measure, steps: Vec::new() };
    for record in records {
        run.step(Event::Record, |driver, now| driver.handle_record(record, now));
    }
    while run.held() > 0 {
        assert!(run.millis < LIMIT, "{} values are still held", run.held());
        run.step(Event::Tick, Driver::tick);
        while let Some(transmit) = run.driver.take_transmit() {
            let reply = PublishAnswer::Complete(Reply { status: 200, ..Reply::default() });
            run.step(Event::Answer, |driver, now| driver.handle_answer(transmit.id, &reply, now));
        }
        while let Some((id, _)) = run.driver.take_export() {
            let status = |name: &str| (name == ":status").then(|| b"200".to_vec());
            let answer = ExportAnswer::new(status, b"");
            run.step(Event::Answer, |driver, now| driver.handle_export_answer(id, &answer, now));
        }
        while run.driver.poll_log_line().is_some() {}
        let period = run.driver.tick_period();
        run.millis = run.millis.saturating_add(u64::try_from(period.as_millis()).unwrap_or(LIMIT));
    }
    run.steps
}

/// Returns the CPU time of each step, as the shortest of several runs.
pub fn step_times(service: Service, records: &[Vec<u8>], runs: usize) -> Vec<Step<Duration>> {
    let mut shortest = steps(service, records, cpu_time);
    for _ in 1..runs {
        let times = steps(service, records, cpu_time);
        assert_eq!(times.len(), shortest.len(), "the runs have other steps");
        for (shortest, step) in shortest.iter_mut().zip(times) {
            shortest.cost = shortest.cost.min(step.cost);
        }
    }
    shortest
}

struct Run<T, M> {
    driver: Driver,
    millis: u64,
    measure: M,
    steps: Vec<Step<T>>,
}

impl<T, M: Fn(&mut dyn FnMut()) -> T> Run<T, M> {
    /// Returns the number of values that are not published yet.
    fn held(&self) -> u64 {
        let receiver = self.driver.receiver();
        receiver.held().saturating_add(receiver.otlp_held())
    }

    fn step(&mut self, event: Event, mut handle: impl FnMut(&mut Driver, Now)) {
        let now = at(self.millis);
        let cost = (self.measure)(&mut || handle(&mut self.driver, now));
        self.steps.push(Step { event, cost });
    }
}

/// Returns the configuration of a receiver that publishes to a service.
pub(crate) fn config(service: Service) -> ReceiverConfig {
    let (name, other) = match service {
        Service::PutMetricData => ("cloudwatch", json!({})),
        Service::Otlp => (
            "otlp",
            json!({
                "otlp": { "cluster_name": "collector", "host": "collector", "signing": "none", "buffer_limit_bytes": 67108864 },
            }),
        ),
    };
    let mut document = json!({
        "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "cloud_watch",
        "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
        "buffer_limit_bytes": 67_108_864, "max_series": null, "publish_to": [name],
    });
    if let (Some(document), Some(other)) = (document.as_object_mut(), other.as_object()) {
        document.extend(other.clone());
    }
    ReceiverConfig::from_json(document.to_string().as_bytes(), |_| None).expect("a good configuration")
}

/// Returns the CPU time of this thread in a function.
fn cpu_time(function: &mut dyn FnMut()) -> Duration {
    let start = cpu();
    function();
    cpu().saturating_sub(start)
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
