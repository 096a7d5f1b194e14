//! Tests the source `ecs_task` in virtual time, with recorded task metadata of EC2 and Fargate with cgroup v1 and v2
//! (`ecs_task/NAME/`). A simulated agent increases the recorded counters. The tests compare the published values with
//! values that they compute from the documents.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "ecs_task/mutations.rs"]
mod mutations;
#[path = "ecs_task/scene.rs"]
mod scene;
#[path = "ecs_task/stats.rs"]
mod stats;

use std::collections::BTreeMap;

use receiver::{call::Response, source::Publish};
use scene::{Agent, RECORDINGS, Scene, Values, answers, good, status};
use serde_json::{Value, json};

/// Computes the metrics of one container. `before` are its stats in the previous round.
fn expected_of_container(
    stats: &Value,
    before: &Value,
    container: &Value,
    task: &Value,
) -> BTreeMap<&'static str, f64> {
    let nanos = |time: &Value| {
        let time = chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap();
        i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos())
    };
    let number = |value: &Value| i128::from(value.as_u64().unwrap());
    let ratio = |over: i128, under: i128| over as f64 / under as f64;
    let mut values = BTreeMap::new();
    let memory = &stats["memory_stats"];
    let cache = if memory["stats"]["cache"].is_null() { "inactive_file" } else { "cache" };
    let bytes = ratio(number(&memory["usage"]) - number(&memory["stats"][cache]), 1);
    values.insert("MemoryUtilized", bytes / 1_048_576.0);
    if let Some(limit) = task["Limits"]["Memory"].as_f64() {
        values.insert("MemoryUtilization", 100.0 * bytes / (limit * 1_048_576.0));
    }
    for (name, key) in [("CpuReserved", "CPU"), ("MemoryReserved", "Memory")] {
        if let Some(limit) = container["Limits"][key].as_f64().filter(|limit| *limit > 0.0) {
            values.insert(name, limit);
        }
    }
    if before.is_null() || before["read"] == stats["read"] {
        return values;
    }
    let used = |stats: &Value| number(&stats["cpu_stats"]["cpu_usage"]["total_usage"]);
    let system = |stats: &Value| number(&stats["cpu_stats"]["system_cpu_usage"]);
    let used = used(stats) - used(before);
    let host = ratio(system(stats) - system(before), number(&stats["cpu_stats"]["online_cpus"]) * 100);
    values.insert("CPUUsage", used as f64 / host);
    let vcpu = ratio(used, nanos(&stats["read"]) - nanos(&before["read"]));
    values.insert("CpuUtilized", vcpu * 1_024.0);
    if let Some(limit) = task["Limits"]["CPU"].as_f64() {
        values.insert("CPUUtilization", 100.0 * vcpu / limit);
    }
    let seconds = (nanos(&stats["read"]) - nanos(&before["read"])) as f64 / 1e9;
    for (name, key) in [("NetworkRxBytes", "rx_bytes"), ("NetworkTxBytes", "tx_bytes")] {
        let sum =
            |stats: &Value| stats["networks"].as_object().unwrap().values().map(|one| number(&one[key])).sum::<i128>();
        values.insert(name, (sum(stats) - sum(before)) as f64 / seconds);
    }
    for (name, op) in [("StorageReadBytes", "read"), ("StorageWriteBytes", "write")] {
        let sum = |stats: &Value| {
            let devices = stats["blkio_stats"]["io_service_bytes_recursive"].as_array().unwrap().iter();
            let of_op = devices.filter(|device| device["op"].as_str().unwrap().to_lowercase() == op);
            of_op.map(|device| number(&device["value"])).sum::<i128>()
        };
        values.insert(name, (sum(stats) - sum(before)) as f64);
    }
    values
}

/// Computes all values that must be published for polls at these times, in milliseconds.
fn expected(agent: &Agent, polls: &[u64]) -> Values {
    let mut values = Values::new();
    let task = &agent.task;
    let cluster = task["Cluster"].as_str().unwrap().rsplit('/').next().unwrap();
    let mut before = Value::Null;
    for millis in polls {
        let (second, stats) = (millis / 1_000, agent.stats(*millis));
        let mut whole: BTreeMap<&str, f64> = BTreeMap::new();
        for container in task["Containers"].as_array().unwrap() {
            let (id, name) = (container["DockerId"].as_str().unwrap(), container["Name"].as_str().unwrap());
            if container["Type"] != "NORMAL" || stats[id].is_null() {
                continue;
            }
            let mut one = expected_of_container(&stats[id], &before[id], container, task);
            // A limit is known even if the stats are not new.
            one.retain(|metric, _| stats[id]["read"] != before[id]["read"] || metric.ends_with("Reserved"));
            for (metric, value) in one {
                let of = format!("ClusterName={cluster},ContainerName={name}");
                values.insert((metric.to_owned(), of, second), value);
                let is_shared = metric.starts_with("Network") && container["Networks"][0]["NetworkMode"] == "awsvpc";
                match whole.get_mut(metric) {
                    Some(_) if is_shared => {}
                    Some(sum) => *sum += value,
                    None => drop(whole.insert(metric, value)),
                }
            }
        }
        for (metric, key, unit) in [("CpuReserved", "CPU", 1_024.0), ("MemoryReserved", "Memory", 1.0)] {
            whole.remove(metric);
            whole.extend(task["Limits"][key].as_f64().map(|limit| (metric, limit * unit)));
        }
        let family = task["Family"].as_str().unwrap();
        let mut sets = vec![String::new(), format!("ClusterName={cluster},TaskDefinitionFamily={family}")];
        sets.extend(task["ServiceName"].as_str().map(|service| format!("ClusterName={cluster},ServiceName={service}")));
        for set in sets {
            values.extend(whole.iter().map(|(metric, value)| ((metric.to_string(), set.clone(), second), *value)));
        }
        before = stats;
    }
    values
}

#[test]
fn published_values_match_the_formulas_for_each_recording() {
    for recording in RECORDINGS {
        let agent = Agent::new(recording);
        let mut scene = Scene::new(json!({ "dimension_sets": [
            [], ["ClusterName", "ServiceName"], ["TaskDefinitionFamily", "ClusterName"], ["ClusterName", "ContainerName"],
        ] }));
        let mut polls = Vec::new();
        let mut answers = answers(&agent);
        scene.run(180, |path, millis| {
            polls.extend((path == "/task/stats").then_some(millis));
            answers(path, millis)
        });
        assert_eq!(polls.len(), 180, "{recording}");
        let expected = expected(&agent, &polls);
        assert!(expected.keys().eq(scene.data.keys()), "{recording}: {:?}", differing(&expected, &scene.data));
        for (key, value) in &expected {
            let actual = scene.data[key];
            assert!((actual - value).abs() <= 1e-9 * value.abs(), "{recording} {key:?}: {actual} instead of {value}");
        }
        // Once per reading of the agent.
        let cpu = scene.seconds("CPUUsage", "");
        assert_eq!(cpu.len() as u64, 180 / agent.period - 1, "{recording}: {cpu:?}");
        let containers = agent.recorded.as_object().unwrap().values().filter(|stats| !stats.is_null()).count()
            - usize::from(recording == "ec2-cgroup-v2");
        let possible = 180 * 11 * (3 + containers) as u64;
        assert_eq!(scene.counts().gaps + scene.data.len() as u64, possible, "{recording}");
        assert_eq!((scene.counts().failed, scene.counts().over_limit), (0, 0));
        assert_eq!(scene.requests.iter().filter(|(_, path)| path == "/task").count(), 3, "{recording}");
    }
}

/// Returns the first keys that only one of the two has.
fn differing<'a>(one: &'a Values, other: &'a Values) -> Vec<&'a (String, String, u64)> {
    let only = |one: &'a Values, other: &'a Values| one.keys().filter(|key| !other.contains_key(*key));
    only(one, other).chain(only(other, one)).take(10).collect()
}

#[test]
fn a_task_without_limits_has_neither_utilization_nor_reservations() {
    let agent = Agent::new("ec2-cgroup-v2");
    let mut scene = Scene::new(json!({ "dimension_sets": [[], ["ContainerName"]] }));
    scene.run(10, answers(&agent));
    for metric in ["CPUUtilization", "MemoryUtilization", "CpuReserved", "MemoryReserved"] {
        assert!(scene.seconds(metric, "").is_empty(), "{metric}");
    }
    assert!(scene.seconds("CpuUtilized", "").len() >= 9);
    assert!(scene.seconds("CpuReserved", "ContainerName=web").len() >= 9);
    assert!(scene.seconds("CpuReserved", "ContainerName=envoy").is_empty());
    assert!(!scene.data.keys().any(|(_, of, _)| of.contains("pause")), "{:?}", scene.data.keys());
}

#[test]
fn container_name_selects_one_container_but_utilization_is_that_of_the_task() {
    let agent = Agent::new("ec2-cgroup-v1");
    let (mut all, mut one) = (Scene::new(json!({ "dimension_sets": [[], ["ContainerName"]] })), {
        Scene::new(json!({ "dimension_sets": [[], ["ContainerName"]], "container_name": "web" }))
    });
    all.run(5, answers(&agent));
    one.run(5, answers(&agent));
    assert!(!one.data.keys().any(|(_, of, _)| of == "ContainerName=envoy"));
    let of = |scene: &Scene, metric: &str, of: &str| scene.data[&(metric.to_owned(), of.to_owned(), 3)];
    assert_eq!(of(&one, "CPUUsage", ""), of(&all, "CPUUsage", "ContainerName=web"));
    for metric in ["CPUUtilization", "MemoryUtilization", "NetworkTxBytes"] {
        assert_eq!(of(&one, metric, ""), of(&all, metric, ""));
    }
    let mut none =
        Scene::new(json!({ "dimension_sets": [["ContainerName"]], "container_name": "wep", "metrics": ["CPUUsage"] }));
    none.run(5, answers(&agent));
    assert_eq!((none.data.len(), none.counts().gaps), (0, none.counts().answers - 1));
}

#[test]
fn a_missing_service_name_comes_from_the_configuration_or_its_sets_are_not_published() {
    let agent = Agent::new("fargate-cgroup-v1");
    for (keys, of) in
        [(json!({}), None), (json!({ "service_name": "mine" }), Some("ClusterName=shop-fargate,ServiceName=mine"))]
    {
        let mut scene = Scene::new(keys);
        scene.run(5, answers(&agent));
        assert_eq!(scene.data.is_empty(), of.is_none());
        assert!(scene.data.keys().all(|(_, known, _)| Some(known.as_str()) == of));
        assert!(scene.counts().gaps > 0);
    }
}

/// Creates a response.
type MakeResponse = fn() -> Response;

#[test]
fn failures_are_gaps_and_are_logged() {
    let agent = Agent::new("ec2-cgroup-v1");
    let broken: Vec<(&str, MakeResponse)> = vec![
        ("status 404", || status(404)),
        ("status 429", || status(429)),
        ("status 500", || status(500)),
        ("upstream request timeout", || Response::Missing("upstream request timeout".to_owned())),
        ("the response is not JSON", || Response::Complete { status: 200, body: b"{\"a\":".to_vec(), date: None }),
        ("the response is not JSON", || Response::Complete { status: 200, body: Vec::new(), date: None }),
        ("", || good(&Value::Null)),
        ("", || good(&json!([]))),
    ];
    for (path, (reason, broken)) in
        ["/task", "/task/stats"].iter().flat_map(|path| broken.iter().map(move |one| (path, one)))
    {
        let reason = match (*reason, *path) {
            ("", "/task") => "the response is not the metadata of a task",
            ("", _) => "the response is not the stats of a task",
            (reason, _) => reason,
        };
        let mut scene = Scene::new(json!({ "metrics": ["MemoryUtilized"], "dimension_sets": [[]] }));
        let mut answers = answers(&agent);
        scene.run(20, |asked, millis| {
            let is_broken = asked == *path && (5_000..10_000).contains(&millis)
                || asked == "/task" && *path == "/task" && millis < 5_000;
            if is_broken { broken() } else { answers(asked, millis) }
        });
        let seconds = scene.seconds("MemoryUtilized", "");
        let expected: Vec<u64> = if *path == "/task" { (10..20).collect() } else { (0..5).chain(10..20).collect() };
        assert_eq!(seconds, expected, "{path} {reason}");
        let notices = scene.notices();
        assert!(
            notices[0].starts_with("source ecs_task failed") && notices[0].contains(&format!("{path}: {reason}")),
            "{notices:?}"
        );
        assert_eq!(notices.last().map(String::as_str), Some("source ecs_task responds again"));
        assert!(scene.counts().failed >= 5, "{:?}", scene.counts());
    }
}

#[test]
fn a_task_remains_known_if_its_metadata_can_no_longer_be_read() {
    let agent = Agent::new("ec2-cgroup-v1");
    let mut scene = Scene::new(json!({ "metrics": ["CPUUsage"], "dimension_sets": [[]] }));
    let mut answers = answers(&agent);
    scene.run(150, |path, millis| if path == "/task" && millis > 1_000 { status(500) } else { answers(path, millis) });
    assert_eq!(scene.seconds("CPUUsage", "").len(), 149);
    let again: Vec<_> = scene.requests.iter().filter(|(_, path)| path == "/task").map(|(second, _)| *second).collect();
    assert_eq!(again.len(), 3, "{again:?}");
}

/// Returns the stats of the container with this index.
fn container<'a>(stats: &'a mut Value, task: &Value, index: usize) -> &'a mut Value {
    &mut stats[task["Containers"][index]["DockerId"].as_str().unwrap()]
}

#[test]
fn null_and_empty_stats_are_gaps_for_the_container_and_the_task() {
    for silent in [Value::Null, json!({})] {
        let agent = Agent::new("ec2-cgroup-v1");
        let mut scene = Scene::new(json!({ "metrics": ["MemoryUtilized"], "dimension_sets": [[], ["ContainerName"]] }));
        scene.run(30, |path, millis| {
            let mut stats = agent.stats(millis);
            if (5_000..8_000).contains(&millis) {
                *container(&mut stats, &agent.task, 0) = silent.clone();
            }
            if path == "/task" { good(&agent.task) } else { good(&stats) }
        });
        let with_gap: Vec<u64> = (0..5).chain(8..30).collect();
        assert_eq!(scene.seconds("MemoryUtilized", "ContainerName=web"), with_gap);
        assert_eq!(scene.seconds("MemoryUtilized", ""), with_gap);
        assert_eq!(scene.seconds("MemoryUtilized", "ContainerName=envoy").len(), 30);
        assert_eq!(scene.counts().gaps, 6);
    }
}

#[test]
fn a_restarted_container_is_a_gap_and_never_a_negative_value() {
    let agent = Agent::new("ec2-cgroup-v1");
    let mut scene = Scene::new(json!({ "dimension_sets": [[], ["ContainerName"]] }));
    scene.run(20, |path, millis| {
        let mut stats = agent.stats(millis);
        if millis >= 10_000 {
            // All of its counters restart.
            let web = container(&mut stats, &agent.task, 0);
            let base = agent.stats(10_000);
            let base = &base[agent.task["Containers"][0]["DockerId"].as_str().unwrap()];
            let less = |counter: &mut Value, base: &Value| {
                *counter = (counter.as_u64().unwrap() - base.as_u64().unwrap() + 5).into();
            };
            less(&mut web["cpu_stats"]["cpu_usage"]["total_usage"], &base["cpu_stats"]["cpu_usage"]["total_usage"]);
            if millis >= 11_000 {
                less(
                    &mut web["precpu_stats"]["cpu_usage"]["total_usage"],
                    &base["cpu_stats"]["cpu_usage"]["total_usage"],
                );
            }
            for key in ["rx_bytes", "tx_bytes"] {
                less(&mut web["networks"]["eth0"][key], &base["networks"]["eth0"][key]);
            }
        }
        if path == "/task" { good(&agent.task) } else { good(&stats) }
    });
    for metric in ["CPUUsage", "CPUUtilization", "NetworkRxBytes"] {
        for of in ["", "ContainerName=web"] {
            let seconds = scene.seconds(metric, of);
            assert!(
                !seconds.contains(&10) && (11..20).all(|second| seconds.contains(&second)),
                "{metric} {of}: {seconds:?}"
            );
        }
        assert!(scene.seconds(metric, "ContainerName=envoy").contains(&10));
    }
    assert!(scene.seconds("MemoryUtilization", "").contains(&10));
    assert!(scene.data.values().all(|value| value.is_finite() && *value >= 0.0));
}

#[test]
fn stats_that_are_not_newer_are_a_gap() {
    let agent = Agent::new("ec2-cgroup-v1");
    let mut scene = Scene::new(json!({ "dimension_sets": [[]] }));
    scene.run(10, |path, millis| match path {
        "/task" => good(&agent.task),
        _ => good(&agent.stats(millis.min(4_000))),
    });
    let is_measured = |(metric, _, _): &&(String, String, u64)| !metric.ends_with("Reserved");
    assert_eq!(scene.data.keys().filter(is_measured).map(|(_, _, second)| *second).max(), Some(4));
    // All metrics but the limits in the last five seconds, and those that need two stats in the first.
    assert_eq!(scene.counts().gaps, 5 * 9 + 7);
}

#[test]
fn the_task_is_read_again_after_a_container_appears_or_stops() {
    let agent = Agent::new("ec2-cgroup-v1");
    let mut early = agent.task.clone();
    early["Containers"].as_array_mut().unwrap().truncate(1);
    let mut late = agent.task.clone();
    late["Containers"][1]["KnownStatus"] = "STOPPED".into();
    let mut scene = Scene::new(json!({ "metrics": ["MemoryUtilized"], "dimension_sets": [[], ["ContainerName"]] }));
    scene.run(60, |path, millis| {
        let mut stats = agent.stats(millis);
        match millis {
            ..10_000 => {
                drop(stats.as_object_mut().unwrap().remove(agent.task["Containers"][1]["DockerId"].as_str().unwrap()))
            }
            40_000.. => *container(&mut stats, &agent.task, 1) = Value::Null,
            _ => {}
        }
        match (path, millis) {
            ("/task", ..10_000) => good(&early),
            ("/task", 10_000..43_000) => good(&agent.task),
            ("/task", _) => good(&late),
            _ => good(&stats),
        }
    });
    let asked: Vec<_> = scene.requests.iter().filter(|(_, path)| path == "/task").map(|(second, _)| *second).collect();
    // At the start; when the new container appears; when it has no stats, and again because it is listed as running.
    assert_eq!(asked, [0, 10, 40, 51]);
    let whole = scene.seconds("MemoryUtilized", "");
    assert_eq!(whole, (0..10).chain(11..40).chain(52..60).collect::<Vec<_>>());
    assert_eq!(scene.seconds("MemoryUtilized", "ContainerName=envoy"), (11..40).collect::<Vec<_>>());
    assert_eq!(scene.seconds("MemoryUtilized", "ContainerName=web").len(), 60);
}

#[test]
fn a_stopped_container_does_not_count_until_it_runs_again() {
    let agent = Agent::new("ec2-cgroup-v1");
    let mut task = agent.task.clone();
    task["Containers"][1]["KnownStatus"] = "STOPPED".into();
    let mut scene = Scene::new(json!({ "metrics": ["MemoryUtilized"], "dimension_sets": [[], ["ContainerName"]] }));
    scene.run(20, |path, millis| {
        let mut stats = agent.stats(millis);
        if millis < 10_000 {
            // The last stats of the container.
            *container(&mut stats, &agent.task, 1) = container(&mut agent.stats(0), &agent.task, 1).clone();
        }
        if path == "/task" { good(&task) } else { good(&stats) }
    });
    assert_eq!(scene.seconds("MemoryUtilized", ""), (0..20).collect::<Vec<_>>());
    assert_eq!(scene.seconds("MemoryUtilized", "ContainerName=envoy"), (10..20).collect::<Vec<_>>());
    let of = |of: &str, second: u64| scene.data[&("MemoryUtilized".to_owned(), of.to_owned(), second)];
    assert_eq!(of("", 5), of("ContainerName=web", 5));
    assert_eq!(of("", 15), of("ContainerName=web", 15) + of("ContainerName=envoy", 15));
}

#[test]
fn stats_of_unlisted_containers_do_not_count() {
    let agent = Agent::new("ec2-cgroup-v1");
    let mut task = agent.task.clone();
    task["Containers"].as_array_mut().unwrap().truncate(1);
    let mut scene = Scene::new(json!({ "metrics": ["MemoryUtilized"], "dimension_sets": [[], ["ContainerName"]] }));
    scene.run(50, |path, millis| if path == "/task" { good(&task) } else { good(&agent.stats(millis)) });
    assert!((1..50).all(|second| scene.seconds("MemoryUtilized", "").contains(&second)));
    for second in 1..50 {
        let of = |of: &str| scene.data[&("MemoryUtilized".to_owned(), of.to_owned(), second)];
        assert_eq!(of(""), of("ContainerName=web"));
    }
    assert_eq!(scene.requests.iter().filter(|(_, path)| path == "/task").count(), 2);
}

#[test]
fn containers_over_the_limit_are_counted_and_the_task_has_no_sum() {
    let agent = Agent::new("ec2-cgroup-v1");
    let (mut task, mut stats) = (agent.task.clone(), agent.recorded.clone());
    for n in 0..40 {
        let mut one = task["Containers"][0].clone();
        one["DockerId"] = format!("{n}").into();
        one["Name"] = format!("more-{n}").into();
        stats[format!("{n}")] = container(&mut stats, &agent.task, 0).clone();
        task["Containers"].as_array_mut().unwrap().push(one);
    }
    let mut scene = Scene::new(json!({ "metrics": ["MemoryUtilized"], "dimension_sets": [[], ["ContainerName"]] }));
    scene.run(1, |path, _| if path == "/task" { good(&task) } else { good(&stats) });
    assert!(scene.seconds("MemoryUtilized", "").is_empty());
    assert_eq!((scene.data.len(), scene.counts().over_limit), (32, 10));
}

#[test]
fn data_is_published_when_the_configuration_says() {
    let agent = Agent::new("ec2-cgroup-v1");
    for (keys, publish) in [(json!({}), Publish::Interval), (json!({ "publish_immediately": true }), Publish::Now)] {
        let mut scene = Scene::new(keys);
        scene.run(5, answers(&agent));
        assert!(scene.published.len() >= 4 && scene.published.iter().all(|one| *one == publish));
    }
}
