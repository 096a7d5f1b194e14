//! Mutates one field of a container's stats, and checks that only values that depend on it change or are gaps, and that
//! no value is impossible.

use serde_json::{Value, json};

use super::scene::{Agent, Scene, Values, good};

/// Collects the paths of all members of a document and of the first item of each list.
fn paths(document: &Value, path: &str, all: &mut Vec<String>) {
    let mut step = |key: &str, child: &Value| {
        let path = format!("{path}/{key}");
        paths(child, &path, all);
        all.push(path);
    };
    match document {
        Value::Object(members) => members.iter().for_each(|(key, child)| step(key, child)),
        Value::Array(items) => items.iter().take(1).for_each(|child| step("0", child)),
        _ => {}
    }
}

/// Returns mutations of a value.
fn mutated(value: &Value) -> Vec<Value> {
    let mut all = vec![json!(null), json!({}), json!([]), json!("x"), json!(-1), json!(0), json!(1), json!(1.5)];
    all.extend([json!(u64::MAX), json!(i64::MAX), json!(1e300)]);
    if let Some(number) = value.as_u64() {
        all.extend([2, 10, 1_000].map(|times| json!(number.saturating_mul(times))));
        all.extend([2, 10, 1_000].map(|part| json!(number / part)));
        all.extend([1, 1_000_000, 1_000_000_000, 20_000_000_000].map(|more: u64| json!(number.saturating_add(more))));
        all.extend([1, 1_000_000, 1_000_000_000, 20_000_000_000].map(|less: u64| json!(number.saturating_sub(less))));
    }
    if value.is_string() {
        all.extend(["0001-01-01T00:00:00Z", "1970-01-01T00:00:01Z", "9999-12-31T23:59:59Z"].map(Value::from));
        // Times around those of the stats.
        all.extend(
            ["10:00:01Z", "10:00:02.9Z", "10:00:03.412771348Z", "10:00:09Z"]
                .map(|time| format!("2026-11-20T{time}").into()),
        );
    }
    all
}

/// Returns true if a metric depends on the field.
fn depends(path: &str, metric: &str) -> bool {
    let starts = |start: &str| path.starts_with(start);
    match metric {
        "CPUUsage" | "CPUUtilization" | "CpuUtilized" => starts("/cpu_stats") || path == "/read",
        "MemoryUtilization" | "MemoryUtilized" => starts("/memory_stats") || path == "/read",
        "NetworkRxBytes" | "NetworkTxBytes" => starts("/networks") || path == "/read",
        "StorageReadBytes" | "StorageWriteBytes" => starts("/blkio_stats") || path == "/read",
        _ => false,
    }
}

/// Runs a task with one document per second. `change` may change the document of a second.
fn play(agent: &Agent, seconds: &[Value], mut change: impl FnMut(&mut Value, u64)) -> Values {
    let mut scene = Scene::new(json!({ "dimension_sets": [[], ["ContainerName"]] }));
    scene.run(seconds.len() as u64, |path, millis| {
        let second = millis / 1_000;
        let mut stats = seconds[second as usize].clone();
        change(&mut stats, second);
        if path == "/task" { good(&agent.task) } else { good(&stats) }
    });
    scene.data
}

#[test]
fn a_mutated_field_changes_only_values_that_depend_on_it() {
    const FIRST: u64 = 3;
    const SECONDS: u64 = 6;
    let mut played = 0;
    for recording in ["ec2-cgroup-v1", "fargate-cgroup-v2"] {
        // One reading per second, so that each document is new.
        let agent = Agent { period: 1, ..Agent::new(recording) };
        let containers = agent.task["Containers"].as_array().unwrap();
        let container = containers.iter().find(|container| container["Name"] == "web").unwrap();
        let id = container["DockerId"].as_str().unwrap();
        let processors = agent.recorded[id]["cpu_stats"]["online_cpus"].as_f64().unwrap();
        let memory = agent.recorded[id]["memory_stats"]["limit"].as_f64().unwrap();
        let documents: Vec<_> = (0..SECONDS).map(|second| agent.stats(second * 1_000 + 500)).collect();
        let unchanged = play(&agent, &documents, |_, _| {});
        let mut all = Vec::new();
        paths(&agent.recorded[id], "", &mut all);
        for path in all {
            for value in mutated(documents[FIRST as usize][id].pointer(&path).unwrap()) {
                // The mutation is in one response, or in all further ones.
                for last in [FIRST, SECONDS] {
                    let actual = play(&agent, &documents, |stats, second| {
                        if (FIRST..=last).contains(&second) {
                            *stats[id].pointer_mut(&path).unwrap() = value.clone();
                        }
                    });
                    played += 1;
                    let case = || format!("{recording} {path} {value} until {last}");
                    for (key, value) in &actual {
                        let (metric, of, second) = (key.0.as_str(), key.1.as_str(), key.2);
                        assert!(value.is_finite() && *value >= 0.0, "{}: {key:?} {value}", case());
                        let limit = match metric {
                            "CPUUsage" => processors * 110.0,
                            "CpuUtilized" => processors * 1.1 * 1_024.0,
                            "CPUUtilization" => processors * 110.0 / agent.task["Limits"]["CPU"].as_f64().unwrap(),
                            "MemoryUtilized" if !path.contains("/limit") => 2.0 * memory * 1.1 / 1_048_576.0,
                            _ => f64::INFINITY,
                        };
                        assert!(*value <= limit * (1.0 + 1e-9), "{}: {key:?} {value} above {limit}", case());
                        let is_own = of.is_empty() || of == "ContainerName=web";
                        if second < FIRST || !is_own || !depends(&path, metric) {
                            assert_eq!(unchanged.get(key), Some(value), "{}: {key:?}", case());
                        }
                    }
                    // Values that do not depend on the field are published.
                    for key in unchanged.keys() {
                        let is_own = key.1.is_empty() || key.1 == "ContainerName=web";
                        let may_miss = key.2 >= FIRST && is_own && depends(&path, &key.0);
                        assert!(may_miss || actual.contains_key(key), "{}: no {key:?}", case());
                    }
                }
            }
        }
    }
    assert!(played > 2_000, "{played}");
}
