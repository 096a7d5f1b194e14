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

fuzz_target!(|input: (u16, Vec<u8>, Vec<u8>, Vec<u8>)| {
    let (status, task, first, second) = input;
    let Ok(config) = Config::from_json(CONFIG, |_| None) else { panic!("a good configuration") };
    let mut sources = Sources::new(config.sources);
    for (second, stats) in (0..).zip([&first, &second, &first]) {
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
