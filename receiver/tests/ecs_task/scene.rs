//! Polls a simulated ECS agent in virtual time.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use acpw_metric::{Now, Timestamp};
use receiver::{
    ReceiverConfig,
    call::Response,
    notice::Notice,
    source::{Publish, SourceCounts, Sources, ecs::METRICS},
};
use serde_json::{Value, json};

/// 2026-11-20T10:00:00Z
pub(super) const START: u64 = 1_795_168_800;

pub(super) const RECORDINGS: [&str; 4] = ["ec2-cgroup-v1", "ec2-cgroup-v2", "fargate-cgroup-v1", "fargate-cgroup-v2"];

/// Published values by metric, dimensions and second since the start.
pub(super) type Values = BTreeMap<(String, String, u64), f64>;

/// A simulated ECS agent.
pub(super) struct Agent {
    pub(super) task: Value,
    pub(super) recorded: Value,
    /// The number of seconds between two readings.
    pub(super) period: u64,
}

impl Agent {
    pub(super) fn new(recording: &str) -> Self {
        let read = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/ecs_task/{recording}/{name}.json"));
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap()
        };
        Self { task: read("task"), recorded: read("stats"), period: if recording.starts_with("ec2") { 1 } else { 10 } }
    }

    /// Returns the stats `millis` after the start: the recorded ones with increased counters.
    pub(super) fn stats(&self, millis: u64) -> Value {
        let mut stats = self.recorded.clone();
        for (seed, container) in (1u64..).zip(stats.as_object_mut().unwrap().values_mut()) {
            let readings = millis / (1_000 * self.period);
            if !container.is_null() && readings > 0 {
                *container = grown(container, seed, readings, self.period);
            }
        }
        stats
    }
}

/// Returns the stats of a container after a number of readings.
pub(super) fn grown(container: &Value, seed: u64, readings: u64, period: u64) -> Value {
    // Irregular but deterministic.
    let growth = |readings: u64, most: u64| {
        (1..=readings).map(|n| (n * 7_919 + seed * 104_729) * 31 % (most * period)).sum::<u64>()
    };
    let at = |readings: u64| {
        let read = chrono::DateTime::parse_from_rfc3339(container["read"].as_str().unwrap()).unwrap();
        let nanos = readings * period * 1_000_000_000 + readings * 17_003 % 1_000_000;
        let later = read + chrono::TimeDelta::nanoseconds(nanos as i64);
        later.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)
    };
    let cpu = |readings: u64| {
        let mut cpu = container["cpu_stats"].clone();
        let online = cpu["online_cpus"].as_u64().unwrap();
        add(&mut cpu["cpu_usage"]["total_usage"], growth(readings, 150_000_000));
        add(&mut cpu["system_cpu_usage"], readings * period * online * 990_000_000);
        cpu
    };
    let mut grown = container.clone();
    grown["read"] = at(readings).into();
    grown["preread"] = at(readings - 1).into();
    grown["cpu_stats"] = cpu(readings);
    grown["precpu_stats"] = cpu(readings - 1);
    add(&mut grown["memory_stats"]["usage"], growth(readings, 4_096) % 1_000_000);
    for interface in grown["networks"].as_object_mut().unwrap().values_mut() {
        add(&mut interface["rx_bytes"], growth(readings, 100_000));
        add(&mut interface["tx_bytes"], growth(readings, 70_000));
    }
    for device in grown["blkio_stats"]["io_service_bytes_recursive"].as_array_mut().into_iter().flatten() {
        add(&mut device["value"], growth(readings, 8_192));
    }
    grown
}

pub(super) fn add(counter: &mut Value, more: u64) {
    *counter = (counter.as_u64().unwrap() + more).into();
}

/// The sources of a receiver, polled on every tick as the receiver does it.
pub(super) struct Scene {
    pub(super) sources: Sources,
    /// The milliseconds since the start.
    pub(super) millis: u64,
    pub(super) data: Values,
    pub(super) requests: Vec<(u64, String)>,
    pub(super) published: Vec<Publish>,
}

impl Scene {
    pub(super) fn new(keys: Value) -> Self {
        let mut ecs_task = json!({ "cluster_name": "ecs", "metrics": METRICS.map(|(name, _, _)| name) });
        ecs_task.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let document = json!({
            "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "cloud_watch",
            "credentials": { "provider": "envoy" }, "ecs_task": ecs_task,
        });
        let environment =
            |name: &str| (name == "ECS_CONTAINER_METADATA_URI_V4").then(|| "http://169.254.170.2/v4/0123".to_owned());
        let config = ReceiverConfig::from_json(document.to_string().as_bytes(), environment).unwrap();
        Self {
            sources: Sources::new(config.sources),
            // The middle of a second, when rounds begin.
            millis: 500,
            data: Values::new(),
            requests: Vec::new(),
            published: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> Now {
        let steady = Duration::from_millis(self.millis);
        Now { wall: Timestamp::from_millis(START * 1_000 + self.millis), steady }
    }

    /// Runs for a number of seconds. `answer` returns the response to a request, given its path and the milliseconds
    /// since the start.
    pub(super) fn run(&mut self, seconds: u64, mut answer: impl FnMut(&str, u64) -> Response) {
        for _ in 0..seconds * 5 {
            while let Some((id, call)) = self.sources.poll_call(self.now()) {
                let header = |name: &str| call.headers.iter().find(|(known, _)| *known == name).unwrap().1.clone();
                assert_eq!((call.cluster.as_str(), header(":authority").as_str()), ("ecs", "169.254.170.2"));
                let path = header(":path").strip_prefix("/v4/0123").unwrap().to_owned();
                let answer = answer(&path, self.millis);
                self.requests.push((self.millis / 1_000, path));
                self.millis += 3;
                self.sources.handle_answer(id, answer, self.now());
            }
            for data in self.sources.poll_data() {
                self.published.push(data.publish);
                for (key, dimensions, distributions) in data.data.iter() {
                    let dimensions: Vec<_> = dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
                    for (metric, distribution) in distributions {
                        let values: Vec<_> = distribution.values().collect();
                        assert!(values.len() == 1 && distribution.values_imply_statistics(), "{distribution:?}");
                        let key = (metric.name.to_string(), dimensions.join(","), key.start.as_secs() - START);
                        assert_eq!(self.data.insert(key.clone(), values[0].0), None, "{key:?}");
                    }
                }
            }
            self.millis = (self.millis / 200 + 1) * 200;
        }
    }

    pub(super) fn counts(&self) -> SourceCounts {
        self.sources.counts()
    }

    /// Returns the seconds in which a metric with these dimensions was published.
    pub(super) fn seconds(&self, metric: &str, dimensions: &str) -> Vec<u64> {
        let is_match = |(name, of, _): &&(String, String, u64)| name == metric && of == dimensions;
        self.data.keys().filter(is_match).map(|(_, _, second)| *second).collect()
    }

    pub(super) fn notices(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.sources.poll_notice()).map(|notice: Notice| notice.to_string()).collect()
    }
}

pub(super) fn good(document: &Value) -> Response {
    Response::Complete { status: 200, body: document.to_string().into_bytes(), date: None }
}

pub(super) fn status(status: u16) -> Response {
    Response::Complete { status, body: b"Rate exceeded".to_vec(), date: None }
}

/// Returns the regular responses of an agent.
pub(super) fn answers(agent: &Agent) -> impl FnMut(&str, u64) -> Response {
    |path, millis| match path {
        "/task" => good(&agent.task),
        "/task/stats" => good(&agent.stats(millis)),
        path => panic!("{path}"),
    }
}
