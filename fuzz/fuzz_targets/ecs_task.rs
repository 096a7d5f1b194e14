//! Fuzzes the responses of the ECS task metadata endpoint: documents of a task and of its stats, in turn. All values
//! must be finite and not negative, and the CPU usage must not exceed the limit in the documents by more than 10 %.
#![no_main]

use std::time::Duration;

use acpw_metric::{Now, Timestamp};
use libfuzzer_sys::fuzz_target;
use receiver::{ReceiverConfig, call::Response, source::Sources};
use serde_json::Value;

const CONFIG: &[u8] = br#"{
    "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "credentials": { "provider": "envoy" },
    "ecs_task": {
        "cluster_name": "ecs", "metadata_uri": "http://169.254.170.2/v4/x",
        "metrics": ["CPUUsage", "CPUUtilization", "MemoryUtilization", "CpuUtilized", "CpuReserved", "MemoryUtilized",
            "MemoryReserved", "NetworkRxBytes", "NetworkTxBytes", "StorageReadBytes", "StorageWriteBytes"],
        "dimension_sets": [[], ["ClusterName", "ServiceName"], ["TaskDefinitionFamily", "ContainerName"]]
    }
}"#;

const TASK: &[u8] = include_bytes!("../../receiver/tests/ecs_task/ec2-cgroup-v2/task.json");
const STATS: &[u8] = include_bytes!("../../receiver/tests/ecs_task/ec2-cgroup-v2/stats.json");

/// An edit of a document: the offset, the number of replaced bytes, and the new bytes.
type Edit = (u16, u8, Vec<u8>);

fn edited(document: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut edited = document.to_vec();
    for (offset, length, bytes) in edits {
        let start = usize::from(*offset).min(edited.len());
        let end = (start + usize::from(*length)).min(edited.len());
        edited.splice(start..end, bytes.iter().copied());
    }
    edited
}

/// Returns the largest number of processors that a host or a limit in a document allows.
fn processors(document: &Value) -> f64 {
    let limit = |of: &Value, scale: f64| of["Limits"]["CPU"].as_f64().unwrap_or(0.0) * scale;
    let containers = document["Containers"].as_array().into_iter().flatten();
    let of_containers: f64 = containers.map(|container| limit(container, 1.0 / 1_024.0).max(0.0)).sum();
    let mut most = limit(document, 1.0).max(of_containers);
    for stats in document.as_object().into_iter().flatten().map(|(_, stats)| stats) {
        let cpu = &stats["cpu_stats"];
        let per_cpu = cpu["cpu_usage"]["percpu_usage"].as_array().map_or(0, Vec::len) as u64;
        for count in [cpu["online_cpus"].as_u64(), stats["num_procs"].as_u64(), Some(per_cpu)].into_iter().flatten() {
            most = most.max(count as f64);
        }
    }
    most
}

fuzz_target!(|input: (u16, [Vec<Edit>; 3], Vec<u8>)| {
    let (status, [task, first, second], raw) = input;
    let (task, first, second) = (edited(TASK, &task), edited(STATS, &first), edited(STATS, &second));
    let documents =
        [&task, &first, &second, &raw].map(|document| serde_json::from_slice(document).unwrap_or(Value::Null));
    let most = documents.iter().map(processors).fold(0.0, f64::max) * 1.1 * (1.0 + 1e-9);
    let limit = documents[0]["Limits"]["CPU"].as_f64().unwrap_or(f64::NAN);
    let Ok(config) = ReceiverConfig::from_json(CONFIG, |_| None) else { panic!("the configuration must be valid") };
    let mut sources = Sources::new(config.sources);
    for (second, stats) in (0..).zip([&first, &second, &raw, &first]) {
        let millis = 1_795_168_800_500 + second * 1_000;
        let now = Now { wall: Timestamp::from_millis(millis), steady: Duration::from_millis(millis) };
        for _ in 0..3 {
            let Some((id, call)) = sources.poll_call(now) else { break };
            let is_task = call.headers.iter().any(|(name, value)| *name == ":path" && value.ends_with("/task"));
            let body = if is_task { task.clone() } else { stats.clone() };
            let status = if is_task || status % 8 > 0 { 200 } else { status };
            sources.handle_answer(id, Response::Complete { status, body, date: None }, now);
            for data in sources.poll_data() {
                for (_, _, distributions) in data.data.iter() {
                    for (metric, distribution) in distributions {
                        let (name, highest) = (metric.name.as_str(), distribution.max());
                        assert!(distribution.sum().is_finite() && distribution.min() >= 0.0, "{metric:?}");
                        let used = match name {
                            "CPUUsage" => highest / 100.0,
                            "CPUUtilization" => highest / 100.0 * limit,
                            "CpuUtilized" => highest / 1_024.0,
                            _ => continue,
                        };
                        assert!(used <= most, "{name}: {used} processors of {most}");
                    }
                }
            }
        }
    }
});
