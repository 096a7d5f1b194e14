//! Tests stats that repeat, contradict themselves or are seconds apart: which give values and which give gaps.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::scene::{START, Scene, good};

const SECOND: u64 = 1_000_000_000;

/// The CPU metrics.
const CPU: [&str; 3] = ["CPUUsage", "CPUUtilization", "CpuUtilized"];

/// Returns the document `/task` for a task with these containers and limits of two processors and 1 GiB.
fn task(containers: &[&str]) -> Value {
    let containers = containers.iter().map(|name| {
        json!({ "DockerId": name, "Name": name, "Type": "NORMAL", "KnownStatus": "RUNNING",
            "Networks": [{ "NetworkMode": "bridge" }] })
    });
    json!({ "Cluster": "shop", "ServiceName": "web", "Family": "web", "Limits": { "CPU": 2.0, "Memory": 1_024 },
        "Containers": containers.collect::<Vec<_>>() })
}

/// Formats a time in nanoseconds since the start as RFC 3339.
fn time(nanos: u64) -> String {
    let start = chrono::DateTime::from_timestamp(START as i64, 0).unwrap();
    let time = start + chrono::TimeDelta::nanoseconds(nanos as i64);
    time.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)
}

fn cpu(total: u64, system: u64) -> Value {
    json!({ "cpu_usage": { "total_usage": total }, "system_cpu_usage": system, "online_cpus": 2 })
}

/// Returns stats of a container that were read at `read` nanoseconds, with `total` nanoseconds of CPU time, on a host
/// with two processors. `preread` is a second earlier, and `precpu_stats` has the same CPU time.
fn stats(read: u64, total: u64) -> Value {
    let up = 1_000 * SECOND;
    json!({
        "read": time(read), "preread": time(read.saturating_sub(SECOND)),
        "cpu_stats": cpu(total, 2 * (up + read)), "precpu_stats": cpu(total, 2 * (up + read - SECOND.min(read))),
        "memory_stats": { "usage": 64 << 20, "stats": { "inactive_file": 0 }, "limit": 256 << 20 },
    })
}

/// Runs a task with these containers for some seconds. `read` returns the stats of a container, given its index and the
/// milliseconds since the start.
fn run(containers: &[&str], keys: Value, seconds: u64, mut read: impl FnMut(usize, u64) -> Value) -> Scene {
    let mut settings = json!({ "dimension_sets": [[], ["ContainerName"]] });
    settings.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let mut scene = Scene::new(settings);
    let task = task(containers);
    scene.run(seconds, |path, millis| match path {
        "/task" => good(&task),
        _ => {
            let stats = containers.iter().enumerate().map(|(index, id)| ((*id).to_owned(), read(index, millis)));
            good(&Value::Object(stats.collect()))
        }
    });
    scene
}

/// Returns the values of a metric by second.
fn values(scene: &Scene, metric: &str, of: &str) -> BTreeMap<u64, f64> {
    let is_match = |(name, dimensions, _): &&(String, String, u64)| name == metric && dimensions == of;
    scene.data.keys().filter(is_match).map(|key| (key.2, scene.data[key])).collect()
}

/// Asserts that a metric of the task has this value in exactly these seconds.
fn assert_values(scene: &Scene, metric: &str, seconds: impl Iterator<Item = u64>, value: f64) {
    let values = values(scene, metric, "");
    assert!(values.keys().copied().eq(seconds), "{metric}: {values:?}");
    assert!(values.values().all(|actual| (actual - value).abs() < 1e-6), "{metric}: {values:?}");
}

/// Returns stats with a constant use of a quarter of a processor, read once per second.
fn quarter(millis: u64) -> Value {
    let second = millis / 1_000;
    stats(second * SECOND, 7_200 * SECOND + second * SECOND / 4)
}

/// The values of [`CPU`] for a quarter of a processor: 25 % of one, 12.5 % of two, and 256 of 1,024 units.
const QUARTER: [f64; 3] = [25.0, 12.5, 256.0];

#[test]
fn preread_and_precpu_stats_are_not_used() {
    // They are unchanged, empty, impossible, or from a host without CPU time.
    let none = || json!({ "cpu_usage": { "total_usage": 0 }, "system_cpu_usage": 0, "online_cpus": 2 });
    let mutations: [fn(&mut Value, Value, u64); 4] = [
        |_, _, _| {},
        |stats, none, _| stats["precpu_stats"] = none,
        |stats, _, second| {
            stats["preread"] = time(second * SECOND - 1_000).into();
            let total = stats["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().unwrap();
            stats["precpu_stats"]["cpu_usage"]["total_usage"] = (total - SECOND / 2).into();
        },
        |stats, _, _| stats["precpu_stats"]["system_cpu_usage"] = 0.into(),
    ];
    for mutate in mutations {
        let scene = run(&["web"], json!({}), 20, |_, millis| {
            let mut stats = quarter(millis + 1_000);
            mutate(&mut stats, none(), millis / 1_000 + 1);
            stats
        });
        for (metric, value) in CPU.into_iter().zip(QUARTER) {
            assert_values(&scene, metric, 1..20, value);
        }
    }
}

#[test]
fn stats_that_are_too_close_or_too_far_apart_have_no_rates() {
    // The stats of second 5 repeat a microsecond later with half a second of CPU time; those of second 12 arrive at 50.
    let mut scene = run(&["web"], json!({}), 60, |_, millis| match millis / 1_000 {
        6 => stats(5 * SECOND + 1_000, 7_200 * SECOND + 5 * SECOND / 4 + SECOND / 2),
        7..12 => {
            let mut stats = quarter(millis);
            let total = &mut stats["cpu_stats"]["cpu_usage"]["total_usage"];
            *total = (total.as_u64().unwrap() + SECOND / 2).into();
            stats
        }
        12..50 => quarter(12_000),
        _ => quarter(millis),
    });
    for metric in CPU {
        let values = values(&scene, metric, "");
        let expected = (1..6).chain(7..12).chain(51..60);
        assert!(values.keys().copied().eq(expected), "{metric}: {:?}", values.keys());
    }
    // From 5.000001 s to 7 s, the CPU time is the constant quarter minus the increase before.
    assert!(values(&scene, "CPUUsage", "").values().all(|value| (12.0..=26.0).contains(value)));
    // Memory needs only one reading.
    assert!(values(&scene, "MemoryUtilized", "").keys().copied().eq((0..13).chain(50..60)));
    let notices = scene.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].starts_with("ecs_task: two stats of container \"web\" are 0.000001 s apart"), "{notices:?}");
}

#[test]
fn more_cpu_time_than_the_processors_have_is_a_gap() {
    // A jump by ten seconds of CPU time in second 5.
    let jump = |millis: u64, jump: u64| {
        let mut stats = quarter(millis);
        if millis >= 5_000 {
            let total = &mut stats["cpu_stats"]["cpu_usage"]["total_usage"];
            *total = (total.as_u64().unwrap() + jump).into();
        }
        stats
    };
    let mut scene = run(&["web"], json!({}), 10, |_, millis| jump(millis, 10 * SECOND));
    for (metric, value) in CPU.into_iter().zip(QUARTER) {
        assert_values(&scene, metric, (1..5).chain(6..10), value);
        assert!(!values(&scene, metric, "ContainerName=web").contains_key(&5));
    }
    let notices = scene.notices();
    assert!(
        notices.len() == 1 && notices[0].contains("container \"web\" used 10.250 s of CPU in 1.000 s on 2 processors"),
        "{notices:?}"
    );
    // The bound is 2.2 s, a tenth more than the time of two processors.
    for (jump_millis, is_published) in [(1_949, true), (1_950, true), (1_951, false)] {
        let scene = run(&["web"], json!({}), 10, |_, millis| {
            let mut stats = jump(millis, jump_millis * 1_000_000);
            stats["cpu_stats"].as_object_mut().unwrap().remove("system_cpu_usage");
            stats
        });
        assert_eq!(values(&scene, "CPUUtilization", "").contains_key(&5), is_published, "{jump_millis}");
        assert!(values(&scene, "CPUUsage", "").is_empty());
    }
    // The CPU time is possible for two processors, but the host only had one second.
    let scene = run(&["web"], json!({}), 10, |_, millis| {
        let mut stats = jump(millis, SECOND);
        if millis >= 5_000 {
            let system = &mut stats["cpu_stats"]["system_cpu_usage"];
            *system = (system.as_u64().unwrap() - SECOND).into();
        }
        stats
    });
    for metric in CPU {
        assert!(!values(&scene, metric, "").contains_key(&5), "{metric}");
    }
}

#[test]
fn without_the_number_of_processors_the_limit_is_the_bound() {
    let without = |millis: u64, jump: u64| {
        let mut stats = quarter(millis);
        if millis >= 5_000 {
            let total = &mut stats["cpu_stats"]["cpu_usage"]["total_usage"];
            *total = (total.as_u64().unwrap() + jump).into();
        }
        stats["cpu_stats"].as_object_mut().unwrap().remove("online_cpus");
        stats
    };
    for (jump, seconds) in [(0, (1..10).collect::<Vec<_>>()), (3 * SECOND, (1..5).chain(6..10).collect())] {
        let scene = run(&["web"], json!({}), 10, |_, millis| without(millis, jump));
        assert_values(&scene, "CPUUtilization", seconds.into_iter(), 12.5);
        assert!(values(&scene, "CPUUsage", "").is_empty());
    }
}

#[test]
fn without_a_plausible_host_time_there_is_no_cpu_usage() {
    for system in [json!(0), json!(null), json!(u64::MAX), json!(1)] {
        let scene = run(&["web"], json!({}), 10, |_, millis| {
            let mut stats = quarter(millis);
            if (5_000..6_000).contains(&millis) {
                stats["cpu_stats"]["system_cpu_usage"] = system.clone();
            }
            stats
        });
        assert_values(&scene, "CPUUsage", (1..5).chain(7..10), 25.0);
        assert_values(&scene, "CPUUtilization", 1..10, 12.5);
    }
}

/// Returns stats of a container that is read every `period` seconds, for the first time `offset` milliseconds after the
/// start, and that uses `share` of a processor.
fn ticked(millis: u64, period: u64, offset: u64, share: f64) -> Value {
    let Some(readings) = millis.checked_sub(offset).map(|millis| millis / (1_000 * period)) else { return Value::Null };
    let read = readings * period * SECOND + offset * 1_000_000;
    stats(read, SECOND + (read as f64 * share) as u64)
}

#[test]
fn containers_that_are_read_seconds_apart_have_one_sum_per_reading() {
    let (shares, sum) = ([0.5, 0.25, 0.125], 43.75);
    for (period, offsets) in
        [(10, [0, 4_300, 7_900]), (10, [0, 0, 9_900]), (20, [300, 5_000, 18_000]), (1, [0, 300, 900])]
    {
        let scene =
            run(&["a", "b", "c"], json!({}), 60, |index, millis| ticked(millis, period, offsets[index], shares[index]));
        // Polls are in the middle of each second, so the last container determines the number of sums.
        let readings = (59_500 - offsets[2]) / (1_000 * period) + 1;
        for (metric, value, count) in [
            ("CPUUtilization", sum, readings - 1),
            ("CPUUsage", 2.0 * sum, readings - 1),
            ("MemoryUtilized", 192.0, readings),
        ] {
            let values = values(&scene, metric, "");
            assert_eq!(values.len() as u64, count, "{period} {offsets:?} {metric}: {values:?}");
            assert!(
                values.values().all(|actual| (actual - value).abs() < 1e-3),
                "{period} {offsets:?} {metric}: {values:?}"
            );
        }
        for name in ["a", "b", "c"] {
            let values = values(&scene, "CPUUtilization", &format!("ContainerName={name}"));
            assert!(values.len() as u64 >= readings - 1, "{name} {values:?}");
        }
    }
}

#[test]
fn a_sum_has_no_outdated_part() {
    // b is read 40 s after a, and a 40 s after b.
    let apart = run(&["a", "b"], json!({}), 170, |index, millis| ticked(millis, 80, [0, 40_000][index], 0.5));
    assert!(values(&apart, "MemoryUtilized", "").is_empty(), "{:?}", values(&apart, "MemoryUtilized", ""));
    // b stops and starts again.
    let stopped = run(&["a", "b"], json!({}), 60, |index, millis| match (index, millis) {
        (1, 10_000..40_000) => ticked(10_000, 1, 0, 0.5),
        _ => ticked(millis, 1, 0, 0.5),
    });
    let values = values(&stopped, "CPUUtilization", "");
    assert!(values.keys().copied().eq((1..11).chain(40..60)), "{:?}", values.keys());
    assert!(values.values().all(|value| (value - 50.0).abs() < 1e-6), "{values:?}");
}

#[test]
fn a_sum_above_the_host_capacity_is_a_gap() {
    let mut scene = run(&["a", "b"], json!({}), 10, |_, millis| ticked(millis, 1, 0, 1.5));
    for metric in CPU {
        assert!(values(&scene, metric, "").is_empty(), "{metric}");
        assert_eq!(values(&scene, metric, "ContainerName=a").len(), 9);
    }
    assert_eq!(values(&scene, "MemoryUtilized", "").len(), 10);
    let notices = scene.notices();
    assert!(
        notices.len() == 1 && notices[0].contains("the task used 3.000 s of CPU in 1.000 s on 2 processors"),
        "{notices:?}"
    );
}

#[test]
fn a_rate_is_over_the_whole_time_since_the_previous_stats() {
    // The stats are ten seconds apart, with two seconds of CPU time in the last second, which is what precpu_stats
    // covers.
    let scene = run(&["web"], json!({}), 60, |_, millis| {
        let (readings, used) = (millis / 10_000, 2 * SECOND);
        let mut stats = stats(readings * 10 * SECOND, (10 + readings) * used);
        stats["precpu_stats"]["cpu_usage"]["total_usage"] = ((9 + readings) * used).into();
        stats
    });
    assert_values(&scene, "CPUUtilization", (1..6).map(|n| n * 10), 10.0);
    assert_values(&scene, "CPUUsage", (1..6).map(|n| n * 10), 20.0);
}

#[test]
fn stats_from_the_future_affect_only_the_seconds_around_them() {
    for nanos in [3 * SECOND, 20_000 * SECOND, 30_000_000 * SECOND] {
        let scene = run(&["web"], json!({}), 20, |_, millis| {
            let mut stats = quarter(millis);
            if (5_000..6_000).contains(&millis) {
                stats["read"] = time(5 * SECOND + nanos).into();
            }
            stats
        });
        let values = values(&scene, "CPUUtilization", "");
        assert!((1..5).chain(7..20).all(|second| (values[&second] - 12.5).abs() < 1e-6), "{values:?}");
        assert!(!values.contains_key(&6) && values.values().all(|value| *value <= 12.5 + 1e-6), "{values:?}");
    }
}

#[test]
fn more_memory_than_the_containers_limit_is_a_gap() {
    for (usage, is_published) in [(256u64 << 20, true), (282 << 20, false), (1 << 62, false)] {
        let scene = run(&["web"], json!({}), 3, |_, millis| {
            let mut stats = quarter(millis);
            stats["memory_stats"]["usage"] = usage.into();
            stats
        });
        assert_eq!(!values(&scene, "MemoryUtilization", "").is_empty(), is_published, "{usage}");
    }
}

#[test]
fn an_unknown_container_name_is_logged_once() {
    let keys = json!({ "container_name": "wbe", "metrics": ["CPUUsage"], "dimension_sets": [[]] });
    let mut scene = run(&["web", "envoy"], keys.clone(), 20, |_, millis| quarter(millis));
    // A container that waits for Envoy is listed later.
    assert_eq!(scene.notices(), Vec::<String>::new());
    let mut scene2 = run(&["web", "envoy"], keys, 300, |_, millis| quarter(millis));
    let expected = "ecs_task: container_name: the task has no container \"wbe\"; its containers are \"web\", \"envoy\". \
                    CPUUsage and dimension sets with ContainerName have no values until a container has that name";
    assert_eq!(scene2.notices(), [expected]);
    assert!(scene2.data.is_empty());
    // Until the problem is logged, the task is read every ten seconds, then once per minute.
    let asked = scene2.requests.iter().filter(|(_, path)| path == "/task").count();
    assert!(asked <= 4 + 5, "{asked}");
    drop(scene);
}

#[test]
fn a_missing_service_name_is_logged_once() {
    let mut task = task(&["web"]);
    task.as_object_mut().unwrap().remove("ServiceName");
    let keys = json!({ "dimension_sets": [["ClusterName", "ServiceName"], ["ClusterName"]], "metrics": ["CPUUsage"] });
    let mut scene = Scene::new(keys);
    scene.run(120, |path, millis| if path == "/task" { good(&task) } else { good(&json!({ "web": quarter(millis) })) });
    let expected = "ecs_task: dimension_sets: the task metadata has no ServiceName, so sets with it have no values. Set \
                    service_name, or use the dimensions that the task has: ClusterName=shop, TaskDefinitionFamily=web";
    assert_eq!(scene.notices(), [expected]);
    assert_eq!(values(&scene, "CPUUsage", "ClusterName=shop").len(), 119);
    for (key, dimension) in [("Family", "TaskDefinitionFamily"), ("Cluster", "ClusterName")] {
        let mut task = self::task(&["web"]);
        task.as_object_mut().unwrap().remove(key);
        let mut scene = Scene::new(json!({ "dimension_sets": [[dimension]], "metrics": ["CPUUsage"] }));
        scene.run(
            9,
            |path, millis| if path == "/task" { good(&task) } else { good(&json!({ "web": quarter(millis) })) },
        );
        let notices = scene.notices();
        let start = format!(
            "ecs_task: dimension_sets: the task metadata has no {dimension}, so sets with it have no values. Use"
        );
        assert!(notices.len() == 1 && notices[0].starts_with(&start), "{notices:?}");
    }
}

#[test]
fn a_missing_limit_is_logged_once() {
    let mut task = task(&["web"]);
    task.as_object_mut().unwrap().remove("Limits");
    let mut scene = Scene::new(
        json!({ "dimension_sets": [[]], "metrics": ["CPUUtilization", "MemoryUtilization", "CpuUtilized"] }),
    );
    scene.run(120, |path, millis| if path == "/task" { good(&task) } else { good(&json!({ "web": quarter(millis) })) });
    let expected = [
        "ecs_task: metrics: the task has no CPU limit, so CPUUtilization has no values. Set cpu in the task definition, or \
         publish CpuUtilized",
        "ecs_task: metrics: the task has no memory limit, so MemoryUtilization has no values. Set memory in the task \
         definition, or publish MemoryUtilized",
    ];
    assert_eq!(scene.notices(), expected);
    assert_eq!(values(&scene, "CpuUtilized", "").len(), 119);
}
