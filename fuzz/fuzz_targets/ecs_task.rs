//! What ECS's task metadata endpoint, or something in its place, answers: documents of a task and of its stats, in turns.
#![no_main]

use std::time::Duration;

use acpw_metric::{Now, Timestamp};
use libfuzzer_sys::fuzz_target;
use receiver::{Config, call::Response, source::Sources};

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

/// Where in a document so many bytes are replaced, and by what.
type Edit = (u16, u8, Vec<u8>);

fn edited(document: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut edited = document.to_vec();
    for (at, length, bytes) in edits {
        let start = usize::from(*at).min(edited.len());
        let end = (start + usize::from(*length)).min(edited.len());
        edited.splice(start..end, bytes.iter().copied());
    }
    edited
}

fuzz_target!(|input: (u16, [Vec<Edit>; 3], Vec<u8>)| {
    let (status, [task, first, second], raw) = input;
    let (task, first, second) = (edited(TASK, &task), edited(STATS, &first), edited(STATS, &second));
    let Ok(config) = Config::from_json(CONFIG, |_| None) else { panic!("a good configuration") };
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
                        assert!(distribution.sum().is_finite() && distribution.min() >= 0.0, "{metric:?}");
                    }
                }
            }
        }
    }
});
